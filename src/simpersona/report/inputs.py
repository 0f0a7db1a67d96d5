"""The inputs of a report. Every part may be missing: a partial run gets a partial report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from simpersona.contracts import CARDS, EPISODES, MIX, STEPS


def no_pictures(_episode_id: str) -> Mapping[int, bytes]:
    """The screenshots of a visit without a browser: none."""
    return {}


@dataclass(frozen=True)
class ReportInputs:
    """Tables in the shape of their contracts, plain dictionaries, and an array.

    - `metrics` and `notes` are those of metrics.json, `config` the settings as nested plain values, `quality` the quality of the
      events.
    - `stages` are the records of the manifest (stage, rows_in, rows_out, rejected, seconds, peak_memory_mb, summary).
    - `strata_by_shop[shop][stratum]` counts real buyers. `predicted_strata[shop][stratum]` is the share that the store's code
      mix predicts (Eq. 5).
    - `persona_history` has one entry per epoch ({"epoch", "train": {...}, "validation": {...}}), `training` one summary per
      phase of fine-tuning.
    - `shop_figures` has a row per policy and store: visits, endings, real and simulated rates.
    - `pictures(episode_id)` returns the JPEGs of an episode's steps, by step. `folder` is the run's path for commands.
    - `preflight` are the findings on a store that is not the lab's, before the visits (topic, mark, found, advice).
    """

    metrics: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    stages: Sequence[Mapping[str, Any]] = ()
    quality: Mapping[str, Any] = field(default_factory=dict)
    strata_by_shop: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    predicted_strata: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    cards: pa.Table = field(default_factory=CARDS.empty)
    mix: pa.Table = field(default_factory=MIX.empty)
    persona_history: Sequence[Mapping[str, Any]] = ()
    codebook: Float[np.ndarray, "codes latent"] | None = None
    trace_episodes: pa.Table = field(default_factory=EPISODES.empty)
    simulated_episodes: pa.Table = field(default_factory=EPISODES.empty)
    steps: pa.Table = field(default_factory=STEPS.empty)
    training: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    held_out_shops: Sequence[str] = ()
    shop_figures: Sequence[Mapping[str, Any]] = ()
    pictures: Callable[[str], Mapping[int, bytes]] = no_pictures
    folder: str = "RUN"
    preflight: Sequence[Mapping[str, Any]] = ()

    @property
    def source(self) -> str:
        """The name of the real data set, or "lab"."""
        return str(self.metrics.get("source") or "unknown source")

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self.config.get("name") or "run")
