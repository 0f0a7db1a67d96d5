"""Puts what was trained on another machine where a run or a pack has its language model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.accelerator.difference import add_difference
from benchmarks.accelerator.parts import read_parts
from benchmarks.accelerator.training import ABOUT, DIFFERENCE, FIGURES, TRAINED, with_rows
from simpersona.agent.backbone import save_backbone
from simpersona.agent.persona_rows import MAP
from simpersona.agent.tokens import input_matrix
from simpersona.config import Config
from simpersona.config.file import config_toml, load_config
from simpersona.errors import ConfigError
from simpersona.files import read_json, write_json, write_text
from simpersona.pack.card import model_card
from simpersona.pack.files import ABOUT as PACK
from simpersona.pack.files import CARD, checked_about, write_about
from simpersona.pipeline.run import STAGE_NAMES, cache_keys
from simpersona.pipeline.run_folder import RunFolder, StageRecord

TOKENS = ("matched", "mismatched", "none")
ELSEWHERE = "the language model was trained on another machine"


def collect(files: Path, target: Path, config: Path | None = None) -> Path:
    """Puts the model whose parts are in `files` into the run or pack `target`, and returns its folder there.

    The stage `agent` of a run is then up to date for the settings in `config` (default: those in the run's folder).
    """
    with TemporaryDirectory() as temporary:
        parts, lm = Path(temporary) / "parts", Path(temporary) / "lm"
        read_parts(files, TRAINED, parts)
        about, phases = read_json(parts / ABOUT), read_json(parts / FIGURES)
        for name in (ABOUT, FIGURES):
            (parts / name).unlink()
        if about["all_parameters"]:
            _write_checkpoint(parts, about, lm)
        else:
            parts.rename(lm)
        if (target / PACK).is_file():
            return _into_pack(lm, phases, target)
        if (target / "manifest.json").is_file():
            return _into_run(lm, phases, target, config, whole=about["all_parameters"])
    raise ConfigError(f"{target}: neither a pack (no {PACK}) nor a run (no manifest.json). Give the folder of one.")


def _write_checkpoint(parts: Path, about: Mapping[str, Any], out: Path) -> None:
    """The base model with the stored difference."""
    tensors = load_file(parts / DIFFERENCE)
    model, tokenizer, ids = with_rows(about["base"], about["codes"])
    add_difference(model, tensors)
    with torch.no_grad():
        input_matrix(model)[ids.start : ids.stop] = tensors["persona_rows"]
    save_backbone(model, tokenizer, out)
    shutil.copyfile(parts / MAP, out / MAP)


def _into_pack(lm: Path, phases: Mapping[str, Any], pack: Path) -> Path:
    about = checked_about(pack)
    shutil.rmtree(pack / "lm", ignore_errors=True)
    shutil.copytree(lm, pack / "lm")
    about["policies"] = [*(name for name in about["policies"] if name != "lm"), "lm"]
    stage = about["stages"].setdefault("agent", {"summary": "", "seconds": 0})
    stage["summary"] = _summary(stage["summary"], phases)
    write_about(pack, about)
    write_text(pack / CARD, model_card(read_json(pack / PACK)))
    return pack / "lm"


def _into_run(lm: Path, phases: Mapping[str, Any], run: Path, config: Path | None, *, whole: bool) -> Path:
    settings = load_config(config or run / "config.toml")
    if "lm" not in settings.agent.policies:
        settings = _with_lm(settings)
    folder, name = RunFolder(run, STAGE_NAMES), "stage2" if whole else "adapter"
    with folder.locked():
        old = folder.records.get("agent", StageRecord("agent", ""))
        record = StageRecord("agent", cache_keys(settings)["agent"], old.rows_in, old.rows_out)
        record.summary = _summary(old.summary, phases)
        record.facts = old.facts | {phase: figures["steps"] for phase, figures in phases.items()}
        with folder.writing(record) as out:
            if (run / "agent/scorer").is_dir():
                shutil.copytree(run / "agent/scorer", out / "scorer")
            shutil.copytree(lm, out / name)
            write_json(out / FIGURES, dict(phases))
        folder.write_config(config_toml(settings), folder.versions)
    return run / "agent" / name


def _with_lm(settings: Config) -> Config:
    agent = settings.agent.model_copy(update={"policies": (*settings.agent.policies, "lm")})
    return settings.model_copy(update={"agent": agent})


def _summary(before: str, phases: Mapping[str, Any]) -> str:
    """The summary of the stage with the new phases instead of those before."""
    kept = [note for note in before.split("; ") if note.startswith("scorer")]
    return "; ".join([*kept, *(_described(*phase) for phase in phases.items()), ELSEWHERE])


def _described(name: str, figures: Mapping[str, Any]) -> str:
    """A phase in a line of text."""
    losses, tested = figures["losses"], figures.get("held_out", {})
    quarter = max(1, len(losses) // 4)  # single batches vary too much to compare
    trend = f"{np.mean(losses[:quarter]):.2f} → {np.mean(losses[-quarter:]):.2f}"
    test = ", ".join(f"{tested[token]:.3f} ({token} token)" for token in TOKENS if token in tested)
    return f"{name}: {figures['steps']} steps, {figures['tokens']:,} tokens, loss {trend}" + (
        f", on test data {test}" if test else ""
    )
