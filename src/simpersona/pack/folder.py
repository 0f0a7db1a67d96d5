"""A pack on disk: what a run has learnt, in a folder of its own that others can load.

pack.json            format, what it was trained on, a checksum of every file
README.md            the model card
config.toml          the settings of the run
personas/            vector transforms and VQ-VAE (safetensors, JSON), cards.parquet, mix.parquet of the training shops
scorer/              the policy without a language model (safetensors, JSON)
lm/                  the language model's persona rows and adapter, where the run trained one
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import simpersona
from simpersona.errors import ConfigError
from simpersona.files import read_json, write_json

FORMAT = 1
"""Of the folder; another one cannot be read."""
ABOUT, CARD = "pack.json", "README.md"
DEFAULT = "default"
"""The name of the pack that comes with the package."""
POLICIES = {"scorer": "scorer", "lm": "adapter"}
"""The parts that act, and where a run's stage `agent` has them."""
PERSONA_FILES = ("model.safetensors", "personas.json", "cards.parquet", "mix.parquet")


@dataclass(frozen=True)
class PackFolder:
    """A folder that holds a pack of this format. `about` is what pack.json says."""

    path: Path
    about: dict[str, Any]

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def has(self, part: str) -> bool:
        """Whether the pack has this part."""
        return (self.path / part).is_dir()

    @property
    def policies(self) -> tuple[str, ...]:
        """Those of POLICIES that it has."""
        return tuple(filter(self.has, POLICIES))

    @property
    def identity(self) -> str:
        """Differs for packs that differ in any file."""
        return checksum(self.path / ABOUT)

    @classmethod
    def at(cls, place: str | Path | None) -> PackFolder:
        """The pack in a folder; the one that comes with the package for "default" and for None.

        Raises ConfigError, in words, for a folder without a pack, of another format, or with a file that is not as it was written.
        """
        path = _default_place() if place is None or str(place) == DEFAULT else Path(place)
        if not (path / ABOUT).is_file():
            raise ConfigError(
                f"{path}: no pack here ({ABOUT} is missing). `simpersona pack RUN --out FOLDER` writes one from a finished run."
            )
        about = read_json(path / ABOUT)
        if about.get("format") != FORMAT:
            raise ConfigError(
                f"{path}: a pack of format {about.get('format')}, written by simpersona {about.get('simpersona', '?')}; this is "
                f"simpersona {simpersona.__version__}, which reads format {FORMAT}. Install the version that wrote it, or write the "
                "pack anew with `simpersona pack`."
            )
        wrong = [name for name, known in about["files"].items() if not _is(path / name, known)]
        if wrong:
            raise ConfigError(
                f"{path}: {', '.join(wrong)} missing or not as written. Copy the whole folder again, or write the pack anew."
            )
        return cls(path, about)


def write_about(folder: Path, about: dict[str, Any]) -> None:
    """Writes pack.json: `about`, the format, and a checksum of every file but the card, which may be edited."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (ABOUT, CARD))
    sums = {path.relative_to(folder).as_posix(): checksum(path) for path in files}
    write_json(folder / ABOUT, {"format": FORMAT, "simpersona": simpersona.__version__, **about, "files": sums})


def take_parts(run: Path, out: Path) -> tuple[str, ...]:
    """Copies what a finished run has learnt into the pack's places; which of POLICIES there were.

    Raises ConfigError if the run has no personas or no policy.
    """
    (out / "personas").mkdir(parents=True)
    for name in PERSONA_FILES:
        _copy(run / "personas" / name, out / "personas" / name, run)
    _copy(run / "config.toml", out / "config.toml", run)
    found = [part for part, place in POLICIES.items() if (run / "agent" / place).is_dir()]
    for part in found:
        shutil.copytree(run / "agent" / POLICIES[part], out / part)
    if not found:
        raise ConfigError(f"{run}: no trained policy (agent/scorer or agent/adapter). Run `simpersona agent` first.")
    return tuple(found)


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _copy(source: Path, target: Path, run: Path) -> None:
    if not source.is_file():
        raise ConfigError(
            f"{run}: {source.name} is missing; a pack is made of a finished run. Run `simpersona run` first."
        )
    shutil.copyfile(source, target)


def _is(path: Path, known: str) -> bool:
    return path.is_file() and checksum(path) == known


def comes_with_package() -> bool:
    """Whether the default pack is there: a checkout may be without it."""
    return (_default_place() / ABOUT).is_file()


def _default_place() -> Path:
    package = Path(simpersona.__file__).parent
    installed = package / "packs" / DEFAULT
    return installed if installed.is_dir() else package.parents[1] / "packs" / DEFAULT  # a checkout
