"""A finished run to a pack with its model card."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from simpersona.config import Config
from simpersona.config.file import load_config
from simpersona.contracts import MIX
from simpersona.errors import ConfigError
from simpersona.files import read_json, write_text
from simpersona.pack.card import model_card
from simpersona.pack.folder import PackFolder, take_parts, write_about
from simpersona.pipeline.run_folder import RunFolder, peak_memory_mb
from simpersona.pipeline.stage import StageContext

FIGURES = "evaluation/metrics.json"


def export_pack(run_folder: Path, out: Path) -> PackFolder:
    """Writes the pack of a finished run to `out`, whole or not at all, and gives it.

    Raises ConfigError if the run is not finished, or `out` holds something that is no pack.
    """
    if not (run_folder / FIGURES).is_file():
        raise ConfigError(
            f"{run_folder}: no finished run here ({FIGURES} is missing). Run `simpersona evaluate` first."
        )
    if out.exists() and any(out.iterdir()) and not (out / "pack.json").is_file():
        raise ConfigError(f"{out} holds something that is no pack; it is not overwritten. Give another --out.")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        about = _about(run_folder, take_parts(run_folder, partial))
        write_about(partial, about)
        write_text(partial / "README.md", model_card(about))
        shutil.rmtree(out, ignore_errors=True)
        partial.chmod(0o755)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return PackFolder.at(out)


def _about(place: Path, policies: tuple[str, ...]) -> dict[str, Any]:
    folder, config = RunFolder(place), load_config(place / "config.toml")
    meta = read_json(place / "personas/personas.json")
    mix = StageContext(config, folder, lambda *_: None).table("personas/mix.parquet", MIX)
    shops = sorted(set(mix["shop_id"].to_pylist()) - set(meta["held_out"]))
    metrics = read_json(place / FIGURES)
    records = folder.records
    return {
        "name": config.name,
        "source": config.source.format,
        "seed": config.seed,
        "lab": _lab(config),
        "embedder": meta["embedder"],
        "codes": meta["personas"]["codes"],
        "policies": list(policies),
        "trained_on": shops,
        "held_out": meta["held_out"],
        "stages": {name: {"summary": one.summary, "seconds": one.seconds} for name, one in records.items()},
        "versions": folder.versions,
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}; no GPU needed",
        "peak_memory_mb": max((one.peak_memory_mb for one in records.values()), default=peak_memory_mb()),
        "figures": {key: value for key, value in metrics.items() if key != "notes" and value is not None},
    }


def _lab(config: Config) -> dict[str, Any] | None:
    return config.lab.model_dump(mode="json") if config.source.format == "lab" else None
