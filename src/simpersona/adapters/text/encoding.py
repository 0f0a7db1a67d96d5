"""The encoding and the line ends of a text, from its first bytes, and the text as UTF-8."""

from __future__ import annotations

import codecs
import io
import re
from typing import IO, Protocol

UTF_8 = "utf-8"
HEAD = 2**16
"""Number of bytes at the start of a file from which its encoding and line ends are seen."""

_MARKS = (  # those of UTF-32 begin like those of UTF-16
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MIXED = ("cp1252", "iso8859-1", "iso8859-15", "cp1250")
"""Encodings beside which a file, or a line of it, may be UTF-8: their text with accents is never UTF-8 by accident, as the second
byte of a character would be a sign behind a capital letter with an accent."""
_SEEN = 1000  # bytes in which a text of UTF-16 without a mark has many NUL characters
REPLACED = "\ufffd"
"""Stands for what could not be decoded."""


class Stream(Protocol):
    """Bytes to be read."""

    def read(self, size: int = ..., /) -> bytes: ...


def encoding_of(head: bytes, named: str | None) -> str:
    """The encoding of a text that starts with `head`: its byte order mark, else the named one, else UTF-16 where every
    other byte is NUL, else UTF-8.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if named:
        return codecs.lookup(named).name
    even, odd = (head[start:_SEEN:2].count(0) for start in (0, 1))
    if 3 * max(even, odd) > len(head[:_SEEN]) and not min(even, odd):
        return "utf-16-le" if odd else "utf-16-be"
    return UTF_8


def has_bare_returns(head: bytes, encoding: str) -> bool:
    """Whether lines end with a carriage return alone, as old spreadsheets for the Macintosh write them."""
    text = head if encoding == UTF_8 else head.decode(encoding, errors="ignore").encode()
    return b"\r" in text[:-1] and b"\n" not in text


def as_utf_8(stream: Stream, encoding: str, *, bare_returns: bool) -> IO[bytes]:
    """The stream as UTF-8. Bytes that are not UTF-8 stay as they are; what is not of another encoding becomes �.

    With `bare_returns`, every line ends with a line feed.
    """
    return io.BufferedReader(_Recoded(stream, encoding, bare_returns), HEAD)


class _Recoded(io.RawIOBase):
    def __init__(self, stream: Stream, encoding: str, bare_returns: bool) -> None:
        self._stream = stream
        self._errors = "surrogateescape" if encoding == UTF_8 else "replace"
        decoder = codecs.getincrementaldecoder(encoding)(self._errors)
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True) if bare_returns else decoder
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        read = b" "
        while read and not self._ready:
            read = self._stream.read(HEAD)
            self._ready = self._decoder.decode(read, final=not read).encode(errors=self._errors)
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


def likely_encoding(text: bytes) -> str | None:
    """A guess at the encoding of a text that is not UTF-8; None if nothing fits.

    The letters of other scripts stand side by side: the encoding is the one in which most of them are usual characters of its
    script. In Western languages a letter with an accent stands between plain ones.
    """
    if text.isascii() or b"\0" in text:
        return None
    usual = {encoding: _usual_share(text, encoding, leads) for encoding, leads in _LEADS.items()}
    likeliest = max(usual, key=lambda encoding: usual[encoding])
    if usual[likeliest] >= _MOST:
        return likeliest
    runs = re.findall(rb"[\x80-\xff]+", text)
    if sum(map(len, runs)) > 2 * len(runs):
        return None
    return next((encoding for encoding in ("cp1252", "mac_roman") if _decoded(text, encoding) is not None), None)


_MOST = 0.6  # share of the characters beyond ASCII
_KANA = (0xA4, 0xA5)  # in EUC-JP; what Chinese texts hardly have at the same bytes
_SOME_KANA = 0.15
_LEADS = {  # of equal shares the first counts
    "cp932": {*range(0x81, 0x98)},
    "euc_jp": {*range(0xA1, 0xA6), *range(0xB0, 0xD0)},
    "cp949": {*range(0xB0, 0xC9)},
    "gb18030": {*range(0xA1, 0xA4), *range(0xB0, 0xD8)},
    "big5": {*range(0xA1, 0xC7)},
    "cp1251": {*range(0xC0, 0x100)},
}
"""The first bytes of the usual characters of an encoding: the frequent ones of its script."""


def _decoded(text: bytes, encoding: str) -> str | None:
    try:
        return text.decode(encoding)
    except UnicodeDecodeError:
        return None


def _usual_share(text: bytes, encoding: str, leads: set[int]) -> float:
    """Of the characters beyond ASCII, the share that are usual ones beside another; 0 if the text is not of the encoding."""
    firsts = [char.encode(encoding)[0] for char in _decoded(text, encoding) or ""]
    others = sum(first >= 0x80 for first in firsts)
    if not others or (encoding == "euc_jp" and sum(map(firsts.count, _KANA)) < _SOME_KANA * others):
        return 0.0
    marks = "".join("x" if first in leads else " " for first in firsts)
    together = "xxx+" if encoding == "cp1251" else "xx+"  # two letters with an accent may follow each other: "Größe"
    return sum(map(len, re.findall(together, marks))) / others
