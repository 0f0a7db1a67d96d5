"""The packages that training needs on a machine where only a few are installed, as wheels for that machine."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from simpersona.errors import ConfigError

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
USUAL = ("accelerate", "numpy", "safetensors", "tokenizers", "torch")
"""What the other machine has if nothing else is said, with what these packages need."""
NEEDED = (
    "annotated-types",
    "gguf",
    "jaxtyping",
    "peft",
    "platformdirs",
    "pyarrow",
    "pydantic",
    "pydantic_core",
    "transformers",
    "typing-inspection",
    "typing_extensions",
    "wadler_lindig",
)
"""What training imports besides. A test imports it with nothing else."""
SAME_VERSION = ("peft", "transformers")
"""Packages that change from version to version: another version there does not do."""
GLIBC = (17, 24, 27, 28, 31, 34, 35)
"""The versions of glibc 2 for which wheels are looked for; pip takes each as it is written."""


def missing_wheels(installed: Sequence[str]) -> list[str]:
    """The packages to carry, each as NAME==VERSION, to a machine where `installed` are installed: NAME==VERSION or NAME."""
    there = {_plain(line.partition("==")[0]): line.partition("==")[2].strip() for line in installed}
    pinned = _constraints()
    return [
        f"{name}=={pinned[_plain(name)]}"
        for name in NEEDED
        if _plain(name) not in there or (name in SAME_VERSION and there[_plain(name)] != pinned[_plain(name)])
    ]


def download(packages: Sequence[str], folder: Path, python: str) -> None:
    """Downloads the wheels for Linux on x86-64 and a version of Python, such as "3.12".

    Raises ConfigError if a package has no such wheel, or there is no network.
    """
    platforms = [f"manylinux_2_{version}_x86_64" for version in GLIBC] + ["manylinux2014_x86_64"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python, "--dest", str(folder)]
    command += [part for platform in platforms for part in ("--platform", platform)]
    done = subprocess.run([*command, *packages], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ConfigError(
            f"the wheels of {', '.join(packages)} cannot be downloaded: {last} Check the network, or name with --installed "
            "what the other machine has."
        )


def _constraints() -> dict[str, str]:
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return {_plain(name): version for name, sign, version in (line.partition("==") for line in lines) if sign}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
