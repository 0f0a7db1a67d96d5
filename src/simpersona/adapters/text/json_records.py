"""JSON documents of many objects: an array of them, or objects that are spread over several lines, as records."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator

from simpersona.adapters.text.encoding import Stream

_FEW = 32  # characters: an object that ends so near to what was read so far may go on behind it
_DECODER = json.JSONDecoder()
_BETWEEN = re.compile(r"[\s,]*")


def is_document(head: bytes) -> bool:
    """Whether a text is no JSON lines: it is an array of objects, or its first object goes on behind the first line."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"["):
        return start[1:].lstrip().startswith(b"{")
    first, line_end, _ = start.partition(b"\n")
    return bool(line_end) and start.startswith(b"{") and first.rstrip().endswith((b"{", b"[", b","))


def json_records(stream: Stream, size: int) -> Iterator[list[bytes]]:
    """The objects of a document as texts, about `size` bytes at a time. What is no JSON gives a record up to the end of its
    line.

    Raises EOFError if the document ends within an object or its array does not end, and ValueError where the rest of it
    cannot be divided into objects.
    """
    records: list[bytes] = []
    length = 0
    for record in _Document(stream, size).records():
        records.append(record.encode(errors="surrogateescape"))
        length += len(records[-1])
        if length >= size:
            yield records
            records, length = [], 0
    yield records


class _Document:
    """The part of a document that is in memory, and the place in it that was reached."""

    def __init__(self, stream: Stream, size: int) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._stream, self._size, self._step = stream, size, size
        self._text, self._at, self._ended = "", 0, False
        self._depth, self._count = 0, 0

    def records(self) -> Iterator[str]:
        while self._skip():
            start, end = self._at, self._end()
            if end is None:
                self._read_on()
                continue
            self._at, self._step, self._count = end, self._size, self._count + 1
            yield self._text[start:end]
        if self._depth > 0:
            raise EOFError("its array does not end")

    def _skip(self) -> bool:
        """Goes on to the next value; False at the end of the document."""
        while True:
            self._at = _BETWEEN.match(self._text, self._at).end()  # pyright: ignore[reportOptionalMemberAccess]
            if self._at < len(self._text):
                if self._text[self._at] not in "[]":
                    return True
                self._depth += 1 if self._text[self._at] == "[" else -1
                self._at += 1
            elif self._ended:
                return False
            else:
                self._read_on()

    def _read_on(self) -> None:
        read = self._stream.read(self._step)
        self._ended, self._step = not read, 2 * self._step  # a large object is not read again and again
        self._text, self._at = self._text[self._at :] + self._decode(read, final=not read), 0

    def _end(self) -> int | None:
        """Where the value that starts here ends, or the line of what is no value; None if more has to be read."""
        end = _end_of_value(self._text, self._at, ended=self._ended)
        if end is None and self._ended:
            raise EOFError(f"it ends within object {self._count + 1}")
        if end is None or end >= 0:
            return end
        end = self._text.find("\n", self._at) + 1
        if end or not self._ended:
            return end or None
        if self._depth > 0:
            raise ValueError(f"object {self._count + 1} is no JSON, and no line end separates it from those behind it")
        return len(self._text)


def _end_of_value(text: str, at: int, *, ended: bool) -> int | None:
    """Where the value that starts at `at` ends; -1 if it is no JSON; None if it goes on behind what was read so far."""
    try:
        return _DECODER.raw_decode(text, at)[1]
    except json.JSONDecodeError as error:
        rest = text[error.pos :].rstrip()
        cut_off = not rest or any(literal.startswith(rest) for literal in ("true", "false", "null", "-"))
        is_near_end = not ended and len(rest) < _FEW
        return None if error.msg.startswith("Unterminated") or cut_off or is_near_end else -1
    except RecursionError:
        return -1
