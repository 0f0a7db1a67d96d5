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


@dataclass(frozen=True)
class Known:
    """What is known of each persona as numbers, and the scale that they were made with."""

    features: Float[np.ndarray, "codes known"]
    centre: Float[np.ndarray, " latent"]
    """The mean code of the codebook."""
    size: float
    """The mean distance of a code from the centre."""


def known_of(
    codebook: Float[np.ndarray, "codes latent"],
    funnel: PersonaFunnel | None,
    centre: Float[np.ndarray, " latent"] | None = None,
    size: float | None = None,
) -> Known:
    """The features of each persona: its centred code, scaled to a mean length of 1, and the standardised facts of its
    funnel, scaled likewise; zeros without a funnel.

    `centre` and `size` are those of the codebook that a map was trained with, if it is another one.
    """
    codes = np.asarray(codebook, np.float64)
    middle = codes.mean(0) if centre is None else np.asarray(centre, np.float64)
    length = float(np.linalg.norm(codes - middle, axis=1).mean()) if size is None else size
    facts = np.zeros((len(codes), FACTS)) if funnel is None else funnel.known / np.sqrt(FACTS)
    features = np.concatenate([(codes - middle) / max(length, 1e-12), facts], axis=1)
    return Known(features.astype(np.float32), middle.astype(np.float32), length)


FACTS = 8
"""The number of features of a persona's funnel."""


class PersonaRows(nn.Module):
    """The rows: a constant start, a trained map (if `how` is "mapped") and a trained part of each persona's own.

    `start` is the mean embedding for "mapped"; for the others it is what `start_rows` gives.
    """

    def __init__(
        self, start: Float[Tensor, "codes hidden"], known: Known, map_: Float[Tensor, "known hidden"] | None
    ) -> None:
        super().__init__()
        self.facts = known
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
            "code_centre": torch.from_numpy(self.facts.centre),
            "code_size": torch.tensor([self.facts.size]),
        }
        if self.map is not None:
            parts["map"] = self.map
        save_file({name: part.detach().cpu().float().contiguous() for name, part in parts.items()}, folder / MAP)

    @classmethod
    def load(cls, folder: Path) -> PersonaRows:
        """The rows that `save` wrote. Raises ConfigError if there are none."""
        if not (folder / MAP).is_file():
            raise ConfigError(
                f"{folder}: no {MAP} here, so training cannot go on from it. Expected the folder of an adapter that was "
                'trained by decisions (agent.prompt = "short").'
            )
        parts = load_file(folder / MAP)
        known = Known(parts["known"].numpy(), parts["code_centre"].numpy(), float(parts["code_size"]))
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
