"""A folder as one tar file in parts: `NAME.tar.1of3`, `NAME.tar.2of3` …, each small enough to travel."""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from simpersona.errors import ConfigError

MIB = 2**20
_PART = re.compile(r"\.tar\.(\d+)of(\d+)$")


def write_parts(folder: Path, name: str, out: Path, limit: int) -> list[Path]:
    """Writes what is in `folder` to parts of at most `limit` bytes in `out`; older parts of this name are replaced."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob(f"{name}.tar.*of*"):
        old.unlink()
    with TemporaryFile() as whole:
        with tarfile.open(fileobj=whole, mode="w") as tar:
            for path in sorted(folder.iterdir()):
                tar.add(path, path.name)
        size = whole.tell()
        whole.seek(0)
        count = -(-size // limit)
        parts = [out / f"{name}.tar.{number}of{count}" for number in range(1, count + 1)]
        for part in parts:
            with part.open("wb") as file:
                for block in _blocks(whole, limit):
                    file.write(block)
    return parts


def read_parts(folder: Path, name: str, out: Path) -> None:
    """Writes what `write_parts` read to the folder `out`. Raises ConfigError if a part is missing or damaged."""
    parts = _complete(folder, name)
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryFile() as whole:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, whole, MIB)
        whole.seek(0)
        try:
            with tarfile.open(fileobj=whole, mode="r:") as tar:
                tar.extractall(out, filter="data")
        except tarfile.TarError as error:
            raise ConfigError(
                f"{parts[0]}: the {len(parts)} part(s) are damaged ({error}). Copy them again."
            ) from error


def has_parts(folder: Path, name: str) -> bool:
    """Whether the folder holds a part of this name."""
    return any(folder.glob(f"{name}.tar.*of*"))


def _complete(folder: Path, name: str) -> list[Path]:
    """All parts in their order."""
    found: dict[int, Path] = {}
    counts: set[int] = set()
    for path in folder.glob(f"{name}.tar.*of*"):
        if match := _PART.search(path.name):
            found[int(match[1])] = path
            counts.add(int(match[2]))
    if not found:
        raise ConfigError(f"{folder}: no {name}.tar.1of… here. Give the folder into which the parts were copied.")
    count = max(counts)
    missing = [number for number in range(1, count + 1) if number not in found]
    if missing or len(counts) > 1:
        raise ConfigError(
            f"{folder}: found the parts {', '.join(path.name for path in sorted(found.values()))}; expected all {count} of "
            "one writing. Copy those that are missing, and delete older ones."
        )
    return [found[number] for number in sorted(found)]


def _blocks(file: IO[bytes], size: int) -> Iterator[bytes]:
    """The next `size` bytes in blocks."""
    while size and (block := file.read(min(size, MIB))):
        size -= len(block)
        yield block
