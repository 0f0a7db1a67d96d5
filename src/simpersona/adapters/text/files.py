"""The records of text files in numbered blocks: packed files, any encoding, any line ends, lines, CSV or JSON documents."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.adapters.text.csv_records import whole_records
from simpersona.adapters.text.encoding import (
    HEAD,
    MIXED,
    REPLACED,
    UTF_8,
    as_utf_8,
    encoding_of,
    has_bare_returns,
    likely_encoding,
)
from simpersona.adapters.text.json_records import is_document, json_records
from simpersona.errors import SourceError

NOT_TEXT = "not UTF-8 text"
"""The `fault` of a record that could not be decoded; for another encoding its name stands in the place of UTF-8."""
RECORDS = pa.schema([("file", pa.string()), ("row", pa.int64()), ("line", pa.string()), ("fault", pa.string())])
BLOCK = 16 * 2**20
"""Bytes of text at once."""


_ODD_LINES = 50  # in which an encoding shows


class TextForm(NamedTuple):
    """How a text is to be read: its encoding (None: UTF-8, or what its first bytes show), and the separator where
    it is CSV, whose quoted fields may hold line ends.
    """

    encoding: str | None = None
    separator: str | None = None


PLAIN = TextForm()


def text_blocks(path: Path, label: str, form: TextForm = PLAIN) -> Iterator[pa.Table]:
    """The records of a file, in the shape of RECORDS, a block at a time.

    `row` counts lines from 1, and in a JSON document its objects. `file` is `label`; the label of a file in a .zip continues with
    "/" and its name. A byte order mark is no part of the first record. Raises SourceError if the file cannot be read.
    """
    try:
        for name, stream in _streams(path, label):
            blocks = _blocks(name, stream, form)
            yield from blocks if form.separator is None else whole_records(blocks, form.separator)
    # the last two: an encrypted archive, and an unknown compression
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise SourceError(
            f"{path}: cannot be read to its end ({error}). Expected a text file, plain or, with the ending .gz or .zip,"
            " packed; a damaged file has to be exported again."
        ) from error


def names_in(archive: Path) -> list[str]:
    """The names of the files in a .zip, without those that an operating system adds; empty if it cannot be read."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return [member.filename for member in _members(opened)]
    except (OSError, zipfile.BadZipFile):
        return []


def guessed_encoding(path: Path) -> str | None:
    """The encoding that the lines of a file which are not UTF-8 may have, by the first of them; None if none is likely."""
    found: list[bytes] = []
    for _, stream in _streams(path, ""):
        for line in stream.readlines(BLOCK):
            with suppress(UnicodeDecodeError):
                line.decode()
                continue
            found.append(line)
            if len(found) == _ODD_LINES:
                return likely_encoding(b"".join(found))
    return likely_encoding(b"".join(found))


def _streams(path: Path, label: str) -> Iterator[tuple[str, IO[bytes]]]:
    """The file with its label, or the files of the archive with theirs."""
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            for member in _members(archive):
                with archive.open(member) as stream:
                    yield f"{label}/{member.filename}", _unpacked(stream, member.filename)
    else:
        with path.open("rb") as stream:
            yield label, _unpacked(stream, path.name)


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    hidden = (".", "__MACOSX")
    return [
        member
        for member in archive.infolist()
        if not member.is_dir() and not any(step.startswith(hidden) for step in member.filename.split("/"))
    ]


def _unpacked(stream: IO[bytes], name: str) -> IO[bytes]:
    raw = gzip.GzipFile(fileobj=stream) if name.lower().endswith(".gz") else stream
    return io.BufferedReader(raw, HEAD)  # pyright: ignore[reportArgumentType] - whatever has `readinto`


def _blocks(name: str, stream: IO[bytes], form: TextForm) -> Iterator[pa.Table]:
    head = stream.peek(HEAD)  # pyright: ignore[reportAttributeAccessIssue] - a BufferedReader
    encoding = encoding_of(head, form.encoding)
    bare_returns = has_bare_returns(head, encoding)
    by_line = encoding in MIXED and not bare_returns
    if (encoding != UTF_8 and not by_line) or bare_returns:
        stream = as_utf_8(stream, encoding, bare_returns=bare_returns)
        head = stream.peek(HEAD)  # pyright: ignore[reportAttributeAccessIssue] - a BufferedReader
    if form.separator is None and is_document(head):
        stream.read(3 * head.startswith(b"\xef\xbb\xbf"))
        records = json_records(stream, BLOCK)
    else:
        records = iter(lambda: stream.readlines(BLOCK), [])
    row = 0
    for raw in records:
        if row == 0 and raw:
            raw[0] = raw[0].removeprefix(b"\xef\xbb\xbf")
        numbers = pa.array(range(row + 1, row + 1 + len(raw)), pa.int64())
        row += len(raw)
        yield pa.table([pa.repeat(name, len(raw)), numbers, *_decoded(raw, encoding)], schema=RECORDS)


def _decoded(raw: list[bytes], encoding: str) -> tuple[pa.Array, pa.Array]:
    """The records as text, and the fault of each. Of an encoding in MIXED, each record may be UTF-8 as well."""
    encoded = pa.array(raw, pa.binary())
    was_recoded = encoding != UTF_8 and encoding not in MIXED
    with suppress(pa.ArrowInvalid):
        text = encoded.cast(pa.string())
        odd = pc.match_substring(text, "\0")
        if was_recoded:
            odd = pc.or_(odd, pc.match_substring(text, REPLACED))
        if not pc.any(odd).as_py():
            return pc.utf8_rtrim(text, "\r\n"), pa.nulls(len(raw), pa.string())
    texts, faults = zip(*[_decoded_record(line, UTF_8 if was_recoded else encoding) for line in raw], strict=True)
    if was_recoded:
        faults = [f"not {encoding} text" if REPLACED in text else None for text in texts]
    return pa.array([text.rstrip("\r\n") for text in texts], pa.string()), pa.array(faults, pa.string())


def _decoded_record(record: bytes, encoding: str) -> tuple[str, str | None]:
    """A record as text, and its fault: it is neither UTF-8 nor text of the encoding, or it holds a NUL."""
    for name in dict.fromkeys((UTF_8, encoding)):
        with suppress(UnicodeDecodeError):
            text = record.decode(name)
            if "\0" not in text:  # a line may hold the character � itself
                return text, None
    fault = NOT_TEXT if encoding == UTF_8 else f"not {encoding} text"
    return record.decode(encoding, errors="replace").replace("\0", REPLACED), fault
