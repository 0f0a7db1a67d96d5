"""Writes and verifies the files of a pack.

pack.json            format, what it was trained on, a checksum of every file
README.md            the model card
config.toml          the settings of the run
personas/            vector transforms and VQ-VAE (safetensors, JSON), cards.parquet, mix.parquet of the training stores
scorer/              the policy without a language model (safetensors, JSON)
lm/                  the language model's persona rows and adapter, if the run trained one
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import simpersona
from simpersona.errors import ConfigError
from simpersona.files import read_json, write_json

FORMAT = 1
"""Version of the folder's layout. This version of the package reads no other."""
ABOUT, CARD = "pack.json", "README.md"
DEFAULT = "default"
"""The name of the pack that comes with the package."""
POLICIES = {"scorer": "scorer", "lm": "adapter"}
"""Each policy's folder in a pack, and its folder in the stage `agent` of a run."""
PERSONA_FILES = ("model.safetensors", "personas.json", "cards.parquet", "mix.parquet")


def checked_about(path: Path) -> dict[str, Any]:
    """The content of pack.json in the folder `path`.

    Raises ConfigError if the pack has another format, or if a file is missing or differs from its checksum.
    """
    about = read_json(path / ABOUT)
    if about.get("format") != FORMAT:
        raise ConfigError(
            f"{path}: a pack of format {about.get('format')}, written by simpersona {about.get('simpersona', '?')}; this is "
            f"simpersona {simpersona.__version__}, which reads format {FORMAT}. Install the version that wrote it, or write the "
            "pack again with `simpersona pack`."
        )
    wrong = [name for name, known in about["files"].items() if not _matches(path / name, known)]
    if wrong:
        raise ConfigError(
            f"{path}: {', '.join(wrong)} missing or not as written. Copy the whole folder again, or write the pack again "
            "with `simpersona pack`."
        )
    return about


def write_about(folder: Path, about: Mapping[str, Any]) -> None:
    """Writes pack.json: `about`, the format, and a checksum of every file except the card, which may be edited."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (ABOUT, CARD))
    sums = {path.relative_to(folder).as_posix(): checksum(path) for path in files}
    write_json(folder / ABOUT, {"format": FORMAT, "simpersona": simpersona.__version__, **about, "files": sums})


def copy_parts(run: Path, out: Path) -> tuple[str, ...]:
    """Copies the trained parts of a finished run to the pack `out`. Returns the names of its policies.

    Raises ConfigError if the run has no personas or no policy.
    """
    (out / "personas").mkdir(parents=True)
    for name in PERSONA_FILES:
        _copy(run / "personas" / name, out / "personas" / name, run)
    _copy(run / "config.toml", out / "config.toml", run)
    policies = tuple(policy for policy, folder in POLICIES.items() if (run / "agent" / folder).is_dir())
    for policy in policies:
        shutil.copytree(run / "agent" / POLICIES[policy], out / policy)
    if not policies:
        raise ConfigError(f"{run}: no trained policy (agent/scorer or agent/adapter). Run `simpersona agent` first.")
    return policies


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def default_folder() -> Path:
    """The folder of the pack that comes with the package: in the installed package, or in a checkout."""
    package = Path(simpersona.__file__).parent
    installed = package / "packs" / DEFAULT
    return installed if installed.is_dir() else package.parents[1] / "packs" / DEFAULT


def comes_with_package() -> bool:
    """Whether the default pack exists: a checkout may lack it."""
    return (default_folder() / ABOUT).is_file()


def _copy(source: Path, target: Path, run: Path) -> None:
    if not source.is_file():
        raise ConfigError(
            f"{run}: {source.name} is missing; a pack is made of a finished run. Run `simpersona run` first."
        )
    shutil.copyfile(source, target)


def _matches(path: Path, known: str) -> bool:
    return path.is_file() and checksum(path) == known
