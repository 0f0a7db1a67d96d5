"""Writes the pack of a finished run, with its model card."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp

from simpersona.errors import ConfigError
from simpersona.files import write_text
from simpersona.pack.card import model_card
from simpersona.pack.files import ABOUT, CARD, copy_parts, write_about
from simpersona.pack.pack import Pack
from simpersona.pack.run_parts import FIGURES, about_run


def export_pack(run_folder: Path, out: Path) -> Pack:
    """Writes the pack of a finished run to `out`, atomically, and returns it.

    Raises ConfigError if the run has not finished, or if `out` exists and is not a pack.
    """
    if not (run_folder / FIGURES).is_file():
        raise ConfigError(
            f"{run_folder}: no finished run here ({FIGURES} is missing). Run `simpersona evaluate` first."
        )
    if out.exists() and any(out.iterdir()) and not (out / ABOUT).is_file():
        raise ConfigError(f"{out} holds something that is no pack; it is not overwritten. Give another --out.")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        about = about_run(run_folder, copy_parts(run_folder, partial))
        write_about(partial, about)
        write_text(partial / CARD, model_card(about))
        shutil.rmtree(out, ignore_errors=True)
        partial.chmod(0o755)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Pack.at(out)
