"""The persona rows as a linear map of what is known of a persona.

    row_k = start + known_k @ map + own_k

`known_k` is the code and the funnel of the persona's buyers. The map is shared, so each example teaches all personas, and
a new or merged codebook gets rows without training. The part of its own, which starts at zero, is what the map misses.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from simpersona.agent.persona_funnel import PersonaFunnel
from simpersona.agent.tokens import PersonaEmbedding, StartRows, start_rows
from simpersona.errors import ConfigError

MAP = "persona_map.safetensors"


FACTS = 8
"""The number of features of a persona's funnel."""
SAME = 1e-4
"""Codes that differ by less than this, in mean distances of a code from the centre, are the same code."""


@dataclass(frozen=True)
class Known:
    """What is known of each persona as numbers, and the scale that they were made with."""

    features: Float[np.ndarray, "codes known"]
    """The centred code, scaled to a mean length of 1, and the standardised facts of the funnel, scaled likewise."""
    centre: Float[np.ndarray, " latent"]
    """The mean code of the codebook."""
    size: float
    """The mean distance of a code from the centre."""
    fact_mean: Float[np.ndarray, " 8"]
    fact_spread: Float[np.ndarray, " 8"]

    @property
    def codes(self) -> Float[np.ndarray, "codes latent"]:
        """The codebook."""
        return self.features[:, : len(self.centre)] * self.size + self.centre

    @property
    def facts(self) -> Float[np.ndarray, "codes 8"]:
        """The facts of the funnels; the mean fact for a code without sessions."""
        return self.features[:, len(self.centre) :] * np.sqrt(FACTS) * self.fact_spread + self.fact_mean

    def scaled_like(self, other: Known, *, same_space: bool) -> Known:
        """The same personas in the scale of `other`. If the codes are not in the same space, they are left out (zero)."""
        codes = np.zeros((len(self.features), len(other.centre)))
        if same_space:
            codes = (self.codes - other.centre) / max(other.size, 1e-12)
        facts = (self.facts - other.fact_mean) / other.fact_spread / np.sqrt(FACTS)
        features = np.concatenate([codes, facts], axis=1).astype(np.float32)
        return Known(features, other.centre, other.size, other.fact_mean, other.fact_spread)


def known_of(codebook: Float[np.ndarray, "codes latent"], funnel: PersonaFunnel | None) -> Known:
    """What is known of each persona from its code and the funnel of its buyers; without a funnel its facts are zero."""
    codes = np.asarray(codebook, np.float64)
    centre = codes.mean(0)
    size = float(np.linalg.norm(codes - centre, axis=1).mean())
    mean, spread = (np.zeros(FACTS), np.ones(FACTS)) if funnel is None else funnel.scale
    facts = np.zeros((len(codes), FACTS)) if funnel is None else funnel.known / np.sqrt(FACTS)
    features = np.concatenate([(codes - centre) / max(size, 1e-12), facts], axis=1).astype(np.float32)
    return Known(features, centre.astype(np.float32), size, mean.astype(np.float32), spread.astype(np.float32))


class PersonaRows(nn.Module):
    """The rows: a constant start, a trained map (if `how` is "mapped") and a trained part of each persona's own.

    `start` is the mean embedding for "mapped"; for the others it is what `start_rows` gives.
    """

    def __init__(
        self, start: Float[Tensor, "codes hidden"], known: Known, map_: Float[Tensor, "known hidden"] | None
    ) -> None:
        super().__init__()
        self.personas = known
        self.register_buffer("start", start.detach().clone())
        self.register_buffer("known", torch.from_numpy(known.features))
        self.map = None if map_ is None else nn.Parameter(map_.detach().clone())
        self.own = nn.Parameter(torch.zeros_like(start))

    def forward(self) -> Float[Tensor, "codes hidden"]:
        """The rows of all personas."""
        rows: Tensor = self.start + self.own  # pyright: ignore[reportOperatorIssue, reportAssignmentType] - a buffer
        return rows if self.map is None else rows + self.known @ self.map  # pyright: ignore[reportOperatorIssue]

    def save(self, folder: Path) -> None:
        """Writes the parts and the scale of the known features to `folder`."""
        parts: dict[str, Tensor] = {
            "start": self.start,  # pyright: ignore[reportAssignmentType] - a buffer
            "own": self.own,
            "known": self.known,  # pyright: ignore[reportAssignmentType]
            "code_centre": torch.from_numpy(self.personas.centre),
            "code_size": torch.tensor([self.personas.size]),
            "fact_mean": torch.from_numpy(self.personas.fact_mean),
            "fact_spread": torch.from_numpy(self.personas.fact_spread),
        }
        if self.map is not None:
            parts["map"] = self.map
        save_file({name: part.detach().cpu().float().contiguous() for name, part in parts.items()}, folder / MAP)

    def of_personas(self, known: Known) -> PersonaRows:
        """The rows of these personas without training: those of a code that has a row here, and of other codes by the map.

        If none of their codes has a row here, the codes are of another encoder, whose space is another one. Then the map takes
        only what is known of their funnels. Raises ConfigError without a map.
        """
        ours, theirs = self.personas.codes, known.codes
        same = np.full(len(theirs), -1)
        if ours.shape[1] == theirs.shape[1]:
            apart = np.linalg.norm(theirs[:, None] - ours[None], axis=2)
            same = np.where(apart.min(axis=1) < SAME * self.personas.size, apart.argmin(axis=1), -1)
        if len(same) == len(ours) and (same == np.arange(len(ours))).all():
            return self
        if self.map is None:
            raise ConfigError(
                "agent.start: its rows are of other personas, and it has no map to make rows for these, because it was not "
                'trained with agent.start_rows = "mapped". Train without agent.start.'
            )
        scaled = known.scaled_like(self.personas, same_space=bool((same >= 0).any()))
        rows = PersonaRows(self.start[:1].expand(len(same), -1), scaled, self.map)  # pyright: ignore[reportIndexIssue] - a buffer
        known_here = torch.from_numpy(same >= 0)
        with torch.no_grad():
            kept = self()[torch.from_numpy(same).clamp(min=0)]
            rows.own[known_here] = (kept - rows())[known_here]
        return rows

    @classmethod
    def load(cls, folder: Path) -> PersonaRows:
        """The rows that `save` wrote. Raises ConfigError if there are none."""
        if not (folder / MAP).is_file():
            raise ConfigError(
                f"{folder}: no {MAP} here, so training cannot go on from it. Expected the folder of an adapter that was "
                'trained by decisions (agent.prompt = "short").'
            )
        parts = load_file(folder / MAP)
        known = Known(
            parts["known"].numpy(),
            parts["code_centre"].numpy(),
            float(parts["code_size"]),
            parts["fact_mean"].numpy(),
            parts["fact_spread"].numpy(),
        )
        rows = cls(parts["start"], known, parts.get("map"))
        with torch.no_grad():
            rows.own.copy_(parts["own"])
        return rows


def first_rows(
    base: Float[Tensor, "vocabulary hidden"], how: StartRows, codebook: np.ndarray, known: Known, seed: int
) -> PersonaRows:
    """The rows before any training.

    "mapped" starts with random orthonormal axes, scaled so that the rows are as far from the mean embedding as other
    tokens. The others start with constant rows and train only the part of each persona's own.
    """
    base = base.detach()
    if how != "mapped":
        return PersonaRows(start_rows(base, len(codebook), how, codebook, seed), known, None)
    mean = base.mean(0)
    generator = torch.Generator().manual_seed(seed)
    count, hidden = known.features.shape[1], base.shape[1]
    axes, _ = torch.linalg.qr(torch.randn(max(count, hidden), min(count, hidden), generator=generator))
    axes = axes.T if hidden >= count else axes
    offsets = torch.from_numpy(known.features) @ axes
    away = (base - mean).square().sum(1).mean().sqrt()
    spread = offsets.square().sum(1).mean().sqrt()
    return PersonaRows(mean.expand(len(codebook), -1), known, axes * (away / spread.clamp(min=1e-12)))


class MappedEmbedding(PersonaEmbedding):
    """An input embedding whose persona rows are computed; see PersonaEmbedding."""

    def __init__(self, base: nn.Embedding, ids: range, rows: PersonaRows) -> None:
        nn.Module.__init__(self)
        self.base, self.ids, self.persona_rows = base, ids, rows

    @property
    def rows(self) -> Float[Tensor, "codes hidden"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The rows as they are now."""
        return self.persona_rows()
