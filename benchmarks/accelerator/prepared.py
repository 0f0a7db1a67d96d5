"""What training by decisions learns from, as a few small files.

The scorer's probabilities of all personas for all steps would take ten times the space of the scorer and the vectors of its
texts. So these are carried, and the targets are computed where they are needed, without the model that embeds texts.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from simpersona.agent.backbone import PACKAGED, convert_gguf, packaged_gguf
from simpersona.agent.decision_lectures import Lectures, lectures
from simpersona.agent.persona_funnel import PersonaFunnel
from simpersona.config import AgentConfig
from simpersona.contracts import EPISODES, STEPS, TRAINING_GOALS
from simpersona.errors import ConfigError
from simpersona.files import read_json, read_table, write_json
from simpersona.ports import Embedder
from simpersona.shopper.candidates import situation
from simpersona.traces.examples import TrainingStep, read_training_steps
from simpersona.visits import GoalKind

PLAN, KNOWN, TEXTS, SCORER, START = "plan.json", "known.npz", "texts.parquet", "scorer", "start"
GGUF, BASE = "base.gguf", "base"
TABLES = ("episodes", "steps", "goals")
TAUGHT: tuple[GoalKind, ...] = ("intent", "neutral")
"""The kinds of goals with which the scorer says what other personas would do."""


@dataclass(frozen=True)
class Source:
    """Where the files come from."""

    traces: Path
    """The folder of the stage `traces`."""
    codebook: Float[np.ndarray, "codes latent"]
    funnel: PersonaFunnel
    scorer: Path
    embedder: Embedder
    agent: AgentConfig
    seed: int
    start: Path | None = None
    """An adapter from which training goes on."""


def write_prepared(source: Source, folder: Path) -> None:
    """Writes the files to `folder`. Raises ConfigError if the base model is neither packaged nor a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        shutil.copyfile(source.traces / f"{name}.parquet", folder / f"{name}.parquet")
    funnel = source.funnel
    np.savez_compressed(folder / KNOWN, codebook=source.codebook, counts=funnel.counts, looks=funnel.looks)
    shutil.copytree(source.scorer, folder / SCORER)
    if source.start is not None:
        shutil.copytree(source.start, folder / START)
    _write_base(source.agent.model, folder)
    texts = _scored_texts([step for split in ("train", "validation") for step in _taught(folder, split)])
    _write_texts(folder / TEXTS, texts, source.embedder)
    write_json(folder / PLAN, {"seed": source.seed, "agent": source.agent.model_dump(mode="json")})


def read_lectures(folder: Path, test_count: int) -> Lectures:
    """The lectures from these files, with `test_count` test situations."""
    known = np.load(folder / KNOWN)
    return lectures(
        _steps(folder, "train"),
        _steps(folder, "validation"),
        PersonaFunnel(known["counts"], known["looks"]),
        (folder / SCORER, CarriedVectors(folder / TEXTS)),
        known["codebook"],
        test_count,
        read_plan(folder)["seed"],
    )


def read_plan(folder: Path) -> dict[str, Any]:
    """`seed`, and `agent`: the settings of the run. Raises ConfigError if there are none."""
    if not (folder / PLAN).is_file():
        raise ConfigError(f"{folder}: no {PLAN} here. Give the folder that `accelerator prepare` wrote.")
    return read_json(folder / PLAN)


def base_model(folder: Path, converted: Path) -> Path:
    """The folder of the base model. That of the packaged model is converted to the folder `converted`, if it is not yet."""
    if (folder / BASE).is_dir():
        return folder / BASE
    if not converted.is_dir():
        convert_gguf(folder / GGUF, converted)
    return converted


class CarriedVectors:
    """An embedder that knows the carried texts only."""

    name = "carried"

    def __init__(self, file: Path) -> None:
        table = pq.read_table(file)
        vectors = [np.frombuffer(vector, np.float16).astype(np.float32) for vector in table["vector"].to_pylist()]
        self._vectors = dict(zip(table["text"].to_pylist(), vectors, strict=True))

    def embed(self, texts: Sequence[str]) -> Float[np.ndarray, "n dim"]:
        """One vector per text. Raises ConfigError for another text."""
        if unknown := [text for text in texts if text not in self._vectors]:
            raise ConfigError(
                f"no vector of the text {unknown[0]!r}: it is in no step that was prepared. Prepare the folder again, with "
                "this version of simpersona."
            )
        return np.stack([self._vectors[text] for text in texts])


def _write_base(model: str, folder: Path) -> None:
    if model == PACKAGED:
        shutil.copyfile(packaged_gguf(), folder / GGUF)
    elif Path(model).is_dir():
        shutil.copytree(model, folder / BASE)
    else:
        raise ConfigError(
            f'agent.model = "{model}": only "{PACKAGED}" or the folder of a checkpoint can be carried. Download the model '
            "first, and set agent.model to its folder."
        )


def _steps(folder: Path, split: str) -> dict[GoalKind, list[TrainingStep]]:
    episodes, steps, goals = (
        read_table(folder / f"{name}.parquet", contract)
        for name, contract in zip(TABLES, (EPISODES, STEPS, TRAINING_GOALS), strict=True)
    )
    return read_training_steps(episodes, steps, goals, split)


def _taught(folder: Path, split: str) -> list[TrainingStep]:
    """The steps about which the scorer may be asked."""
    by_kind = _steps(folder, split)
    return [step for kind in TAUGHT for step in by_kind[kind]]


def _scored_texts(steps: Iterable[TrainingStep]) -> list[str]:
    """All texts that the scorer reads in these steps, also if a page is shortened."""
    texts: dict[str, None] = {}
    for step in steps:
        choice = situation(step.observation)
        texts |= dict.fromkeys((*choice.context, *choice.texts, step.observation.page.title))
    return list(texts)


def _write_texts(file: Path, texts: list[str], embedder: Embedder) -> None:
    vectors = embedder.embed(texts).astype(np.float16)
    stored = pa.array([vector.tobytes() for vector in vectors], pa.binary(2 * vectors.shape[1]))
    pq.write_table(pa.table({"text": texts, "vector": stored}), file, compression="zstd")
