"""Records of CSV whose quoted fields hold line ends (RFC 4180)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

_MOST_LINES = 500  # of one record; a quote that nobody closes is then a fault of its own line
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


def named_separator(line: str) -> str | None:
    """The separator that a first line `sep=;` names, as Excel writes it; None for any other line."""
    named = _SEPARATOR_LINE.fullmatch(line)
    return named[1] if named else None


def escaped(separator: str) -> str:
    """A separator as a pattern, for any engine of regular expressions and also between brackets."""
    return rf"\x{ord(separator):02x}" if ord(separator) < 0x80 else separator


def whole_records(blocks: Iterable[pa.Table], separator: str) -> Iterator[pa.Table]:
    """The lines (file, row, line, fault) of one file with those joined that belong to one record, under the row of its first.

    Lines are joined only if their record is well-formed and has as many fields as the first record of the file: else a
    quote that somebody forgot would swallow the rows behind it. The line `sep=;` at the start of a file is left out.
    """
    join = _Joiner(separator)
    waiting: pa.Table | None = None
    for block in blocks:
        whole, waiting = join.joined(block if waiting is None else pa.concat_tables([waiting, block]), last=False)
        yield whole
    if waiting is not None:
        yield join.joined(waiting, last=True)[0]


class _Joiner:
    def __init__(self, separator: str) -> None:
        mark = escaped(separator)
        quoted, plain = '"(?:[^"]|"")*"', f'(?:[^"{mark}][^{mark}]*)?'
        self._separator = separator
        self._open = rf'^(?:(?:{quoted}|{plain}){mark})*"(?:[^"]|"")*$'
        self._opens = re.compile(self._open.replace("$", r"\Z"))
        self._field = re.compile(f"({quoted}|{plain})({mark}|\\Z)")
        self._width: int | None = None

    def joined(self, block: pa.Table, *, last: bool) -> tuple[pa.Table, pa.Table | None]:
        """The block with its records joined, and the lines at its end whose record may go on in the next block."""
        block = self._without_separator_line(block)
        has_quotes = pc.match_substring(block["line"], '"')
        if not pc.any(has_quotes).as_py():
            self._width = self._width or self._first_width(block)
            return block, None
        opening = pc.indices_nonzero(pc.and_(has_quotes, pc.match_substring_regex(block["line"], self._open)))
        lines = block["line"].to_pylist() if len(opening) else []
        texts: dict[int, str] = {}
        joined_until, rest = 0, len(block)
        for first in opening.to_pylist():
            if first < joined_until:
                continue
            if self._width is None and first > self._first_row(block):
                self._width = self._first_width(block)
            end = self._end(lines, first)
            if end is None and not last and len(lines) - first < _MOST_LINES:
                rest = first
                break
            if end is not None:
                texts[first], joined_until = "\n".join(lines[first:end]), end
                self._width = self._width or len(self._fields(texts[first]) or ())
        self._width = self._width or self._first_width(block)
        waiting = block.slice(rest) if rest < len(block) else None
        return _with_texts(block.slice(0, rest), texts), waiting

    def _end(self, lines: list[str], first: int) -> int | None:
        """The index behind the last line of the record that starts at `first`; None if no well-formed record does."""
        for index in range(first + 1, min(len(lines), first + _MOST_LINES)):
            # inside quotes a line reads like one that starts with a quote
            if self._opens.match('"' + lines[index]):
                continue
            fields = self._fields("\n".join(lines[first : index + 1]))
            good = fields is not None and self._width in (None, len(fields)) and not any(map(self._at_edge, fields))
            return index + 1 if good else None
        return None

    def _fields(self, record: str) -> list[str] | None:
        """The fields of a record, with their quotes; None if it is not well-formed."""
        fields, at = [], 0
        while match := self._field.match(record, at):
            fields.append(match[1])
            at = match.end()
            if not match[2]:
                return fields if at == len(record) else None
        return None

    def _at_edge(self, field: str) -> bool:
        """Whether a field of several lines starts or ends with a separator: its quotes then belong to two other fields."""
        return "\n" in field and self._separator in (field[1:2], field[-2:-1])

    def _first_row(self, block: pa.Table) -> int:
        return pc.index(pc.match_substring_regex(block["line"], r"\S"), pa.scalar(value=True)).as_py()

    def _first_width(self, block: pa.Table) -> int | None:
        """The number of fields of the first record, where it is one line."""
        first = self._first_row(block)
        fields = self._fields(block["line"][first].as_py()) if first >= 0 else None
        return len(fields) if fields else None

    def _without_separator_line(self, block: pa.Table) -> pa.Table:
        is_start = len(block) and block["row"][0].as_py() == 1
        return block.slice(1) if is_start and named_separator(block["line"][0].as_py()) else block


def _with_texts(block: pa.Table, texts: dict[int, str]) -> pa.Table:
    """The block with other texts of some lines, and without the lines that these texts include."""
    if not texts:
        return block
    lines, faults = block["line"].to_pylist(), block["fault"].to_pylist()
    keep = [True] * len(lines)
    for first, text in texts.items():
        inside = range(first, first + text.count("\n") + 1)
        lines[first] = text
        faults[first] = next((faults[index] for index in inside if faults[index]), None)
        for index in inside[1:]:
            keep[index] = False
    block = block.set_column(2, block.schema.field("line"), pa.array(lines, pa.string()))
    block = block.set_column(3, block.schema.field("fault"), pa.array(faults, pa.string()))
    return block.filter(pa.array(keep))
