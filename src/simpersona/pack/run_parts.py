"""A run's folder as a pack: the folders of its trained parts, and the content of its pack.json."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from simpersona.config.file import load_config
from simpersona.contracts import MIX
from simpersona.errors import ConfigError
from simpersona.files import read_json, read_table
from simpersona.pack.files import POLICIES
from simpersona.personas.fitted import META, MODEL

FIGURES = "evaluation/metrics.json"
TRAINED = "trained.json"
"""The summary of a training, beside its weights."""


def run_parts(folder: Path) -> dict[str, Path]:
    """The folder of each trained part of a run: "personas", and "scorer" and "lm" if the run has them.

    `folder` is the run's folder, or a folder with personas only, as the stage `personas` and `PersonaModel.save` write
    it. Raises ConfigError if there are no trained personas.
    """
    personas = folder / "personas" if (folder / "personas" / MODEL).is_file() else folder
    missing = [name for name in (MODEL, META) if not (personas / name).is_file()]
    if missing:
        raise ConfigError(
            f"{folder}: no pack here (pack.json is missing) and no run with trained personas ({', '.join(missing)} missing). "
            "`simpersona pack RUN --out FOLDER` writes a pack of a finished run; `simpersona personas` trains personas."
        )
    parts = {"personas": personas}
    agent = folder / "agent"
    # a run without low-rank matrices has a checkpoint instead of an adapter
    folders = {"scorer": ("scorer",), "lm": (POLICIES["lm"], "stage2")}
    for policy, names in folders.items():
        trained = [agent / name for name in names if (agent / name).is_dir()]
        parts |= {policy: trained[0]} if trained else {}
    return parts


def about_run(folder: Path, policies: tuple[str, ...]) -> dict[str, Any]:
    """The content of pack.json for a run: its data, seed, stages and figures, as plain values.

    `folder` is the run's folder. Figures are empty before the stage `evaluation`.
    """
    meta = read_json(folder / "personas" / META)
    config = load_config(folder / "config.toml")
    manifest = read_json(folder / "manifest.json")
    mix = read_table(folder / "personas/mix.parquet", MIX)
    metrics = read_json(folder / FIGURES) if (folder / FIGURES).is_file() else {}
    stages = manifest["stages"]
    return {
        "name": config.name,
        "source": config.source.format,
        "seed": config.seed,
        "lab": config.lab.model_dump(mode="json") if config.source.format == "lab" else None,
        "embedder": meta["embedder"],
        "codes": meta["personas"]["codes"],
        "policies": list(policies),
        "tested": _tested(folder) if "lm" in policies else None,
        "earlier_training": "lm" in policies and config.agent.start is not None,
        "counterfactual": "lm" in policies and config.agent.prompt == "short" and config.agent.counterfactual,
        "trained_on": sorted(set(mix["shop_id"].to_pylist()) - set(meta["held_out"])),
        "held_out": meta["held_out"],
        "stages": {name: {"summary": stage["summary"], "seconds": stage["seconds"]} for name, stage in stages.items()},
        "versions": manifest["versions"],
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}; no GPU needed",
        "peak_memory_mb": max((stage["peak_memory_mb"] for stage in stages.values()), default=0),
        "figures": {key: value for key, value in metrics.items() if key != "notes" and value is not None},
    }


def _tested(folder: Path) -> dict[str, Any] | None:
    """The test of a language model that was trained by decisions, with its `curve` during training; None for another one."""
    file = run_parts(folder)["lm"] / TRAINED
    summary = read_json(file) if file.is_file() else {}
    tested = summary.get("held_out") or {}
    return tested | {"curve": summary.get("curve", [])} if "gain" in tested else None


def about_personas(folder: Path) -> dict[str, Any]:
    """The known part of this content for a folder with personas only."""
    meta = read_json(folder / META)
    about = {"name": folder.resolve().name, "embedder": meta["embedder"], "codes": meta["personas"]["codes"]}
    return about | {"policies": [], "held_out": meta["held_out"], "figures": {}}
