"""What files of a table are before a row is read: their kind, their separator, and the names of their columns."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from simpersona.adapters.engines.duckdb import first_lines, partition_values
from simpersona.adapters.text.csv_records import named_separator
from simpersona.adapters.text.files import TextForm, names_in
from simpersona.errors import SourceError

KINDS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".dat": "csv", ".jsonl": "json", ".ndjson": "json", ".json": "json",
    ".parquet": "parquet",
}  # fmt: skip
"""The kind of a file by the end of its name."""

PACKED = (".gz", ".zip")

PATTERNS = (
    *(f"*{end}{packed}" for end, kind in KINDS.items() for packed in ("", *PACKED) if not packed or kind != "parquet"),
    "*.zip",
)
"""The names of files that hold a table."""

_SEPARATORS = ",\t;|"

_FIRST_LINES = 100  # of JSON, in which all keys are expected to occur


class FileForm(NamedTuple):
    """What files do not say about themselves: the columns of a CSV without a header, the encoding of a text, and the path of the
    list whose entries are the rows of JSON or parquet.
    """

    header: tuple[str, ...] = ()
    encoding: str | None = None
    records: str | None = None


AS_THEY_ARE = FileForm()


def kind_of(files: Sequence[Path]) -> str:
    """The files' kind: "csv", "json" or "parquet". Raises SourceError for an unknown kind or several kinds."""
    kinds = {_kind(file): file for file in files}
    if None in kinds:
        raise SourceError(
            f"{kinds[None]}: not known by the end of its name. Expected {', '.join(KINDS)}, or these with .gz or .zip."
        )
    if len(kinds) > 1:
        shown = " and ".join(file.name for file in kinds.values())
        raise SourceError(
            f"{files[0].parent}: holds files of several kinds, such as {shown}. Expected one kind; set source.path to a pattern such as *.csv."
        )
    return str(*kinds)


def columns_of(files: Sequence[Path], form: FileForm = AS_THEY_ARE) -> list[str]:
    """The columns of the first file, of parquet those of all files, and those of its folders of partitions. For JSON lines, the keys of the first lines; later
    lines may have others.

    Raises SourceError if the file cannot be read or is of another kind.
    """
    names = own_columns(files, form)
    return names + sorted(partitions_of(files) - set(names))


def list_of(files: Sequence[Path], names: Sequence[str], form: FileForm = AS_THEY_ARE) -> str | None:
    """The first of these names that is a list of objects in the first file, of JSON or parquet; None if none is."""
    kind = kind_of(files)
    if kind == "csv":
        return None
    if kind == "parquet":
        schema = metadata_of(files[0]).schema.to_arrow_schema()
        kinds = {name: schema.field(name).type for name in names if name in schema.names}
        lists = [name for name, of in kinds.items() if pa.types.is_list(of) and pa.types.is_struct(of.value_type)]
    else:
        values = first_objects(files[0], form)
        lists = [name for name in names if isinstance(value := values.get(name), list) and isinstance(value[0], dict)]
    return next(iter(lists), None)


def leads_into_text(files: Sequence[Path], columns: Iterable[str]) -> bool:
    """Whether a dot of one of the columns leads into JSON that a column of parquet holds as text; only DuckDB reads it."""
    if kind_of(files) != "parquet":
        return False
    schema = metadata_of(files[0]).schema.to_arrow_schema()
    firsts = {name.partition(".")[0] for name in columns if "." in name and name not in schema.names}
    kinds = [schema.field(name).type for name in firsts if name in schema.names]
    return any(pa.types.is_string(kind) or pa.types.is_large_string(kind) for kind in kinds)


def _kind(file: Path) -> str | None:
    ends = [end.lower() for end in file.suffixes]
    if ends and ends[-1] in PACKED:
        ends.pop()
    kind = KINDS.get(ends[-1]) if ends else None
    if kind is None and file.suffix.lower() == ".zip":  # named after something else than its files
        kind = next((kind for name in names_in(file) if (kind := _kind(Path(Path(name).name)))), None)
    return None if kind == "parquet" and file.suffix.lower() in PACKED else kind


def metadata_of(file: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(file)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{file}: cannot be read as parquet: {error}") from error


def own_columns(files: Sequence[Path], form: FileForm) -> list[str]:
    kind, file = kind_of(files), files[0]
    if kind == "parquet":  # a later file may have a column that the first lacks
        return list(dict.fromkeys(name for each in files for name in metadata_of(each).schema.to_arrow_schema().names))
    if kind == "csv":
        return list(form.header) or _header(file, form)
    return list(first_objects(file, form))


def partitions_of(files: Sequence[Path]) -> set[str]:
    """The keys of the folders of partitions in which the files lie."""
    return {key for file in files for key in partition_values(file)}


def separator_of(file: Path, form: FileForm) -> str:
    """The separator that the file names (`sep=;`), else the most frequent one in its first line, outside quotes."""
    first = first_lines(file, 1, TextForm(form.encoding))[0]
    unquoted = re.sub('"[^"]*"', "", first)
    return named_separator(first) or max(_SEPARATORS, key=unquoted.count)


def _header(file: Path, form: FileForm) -> list[str]:
    separator = separator_of(file, form)
    line = first_lines(file, 1, TextForm(form.encoding, separator))[0]
    try:
        return [name.strip() for name in next(csv.reader(line.splitlines(), delimiter=separator))]
    except (csv.Error, StopIteration) as error:
        raise SourceError(f"{file}: its first line cannot be read as a header ({error}): {line[:100]!r}") from error


def first_objects(file: Path, form: FileForm) -> dict[str, object]:
    """The keys of the first objects, each with the first value that is more than nothing."""
    values: dict[str, object] = {}
    for line in first_lines(file, _FIRST_LINES, TextForm(form.encoding)):
        try:
            read = json.loads(line)
        except (ValueError, RecursionError):
            continue
        for name, value in read.items() if isinstance(read, dict) else ():
            values[name] = values.get(name) or value
    if not values:
        raise SourceError(
            f"{file}: its first lines hold no JSON object. Expected JSON lines, one object a line, or an array of objects."
        )
    return values
