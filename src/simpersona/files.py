"""Atomic writes of text, JSON and tables, reads that follow a contract, and fingerprints of files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from simpersona.errors import ConfigError, ContractError
from simpersona.tables import Contract


def fingerprint(*parts: object) -> str:
    """A short hash of parts that JSON can represent."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_identity(path: Path | None, beside: Sequence[str] = ()) -> list[str]:
    """Name, size and modification time of each input file, which shows whether an input changed.

    `path` is a file, a folder (all files below it) or a glob pattern. Files named in `beside` count too if they
    lie in the same folder as the first file.
    """
    if path is None:
        return []
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
    else:
        files = [path] if path.exists() else matching_files(path)
        near = [files[0].with_name(name) for name in beside] if files else []
        files += [file for file in near if file.is_file()]
    return [f"{file.name}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in files]


def matching_files(path: Path) -> list[Path]:
    """The files that match a glob pattern (`*`, `?`, and `**` for any depth), sorted; empty for a plain path."""
    if not set(str(path)) & set("*?["):
        return []
    root = Path(path.anchor)
    return sorted(file for file in root.glob(str(path.relative_to(root))) if file.is_file())


def write_text(path: Path, text: str) -> None:
    """Writes a text file atomically: a reader sees the old file or the whole new one."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def write_json(path: Path, value: object) -> None:
    """Writes indented JSON atomically. Raises ValueError for NaN."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The value of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes JSON lines atomically."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_lines(path: Path) -> list[Any]:
    """The values of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


TABLE_SUFFIXES = (".parquet", ".csv")
"""Endings of the tables that are written for other programs."""


def require_table_suffix(path: Path, option: str = "--out") -> None:
    """Raises ConfigError if the name of a table to write ends with none of TABLE_SUFFIXES."""
    if path.suffix not in TABLE_SUFFIXES:
        raise ConfigError(f"{option} {path}: the name must end with {' or '.join(TABLE_SUFFIXES)}")


def export_table(path: Path, table: pa.Table) -> None:
    """Writes a table for other programs, as parquet or CSV by the suffix of `path`; missing folders are made."""
    require_table_suffix(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pq.write_table(table, path)


def write_table(path: Path, table: pa.Table, contract: Contract) -> int:
    """Checks a table against its contract and writes it as parquet. Returns the number of rows."""
    pq.write_table(contract.check(table), path, compression="zstd")
    return table.num_rows


def read_table(path: Path, contract: Contract) -> pa.Table:
    """A stage's table, conformed to its contract. Raises ContractError if the file does not exist."""
    if not path.is_file():
        raise ContractError(f"{path}: the file does not exist. Run the stage `{path.parent.name}` first.")
    return contract.conform(pq.read_table(path))


def user_key(folder: Path) -> bytes:
    """The secret key for hashing buyer ids: SIMPERSONA_KEY, else `hash.key` in `folder`, created on first use."""
    if given := os.environ.get("SIMPERSONA_KEY"):
        return given.encode()
    path = folder / "hash.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".hash.{os.getpid()}.partial")
        partial.touch(mode=0o600)
        partial.write_bytes(os.urandom(32))
        with suppress(FileExistsError):  # another process created the key first: use that one
            path.hardlink_to(partial)
        partial.unlink()
    return path.read_bytes()
