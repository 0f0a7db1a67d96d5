"""A policy's scores without a language model: a small network over texts, numbers and the persona's row.

Each candidate of a situation (a node with a method, or to leave) gets one score from its own text and numbers, the
goal, the page's title, what was done last, the state of the visit, and the persona. A persona's row is a linear map of its
96-d code plus a part of its own that starts at zero, so that codes with few examples borrow from their neighbours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from simpersona.ports import Progress

WIDTH, ROW, HIDDEN = 48, 24, 128
TENSORS, META = "scorer.safetensors", "scorer.json"


@dataclass(frozen=True)
class Choices:
    """s situations with n candidates in all. Texts are rows of `vectors` (m, dim)."""

    vectors: Float[np.ndarray, "m dim"]
    text: Int[np.ndarray, " n"]
    numbers: Float[np.ndarray, "n f"]
    owner: Int[np.ndarray, " n"]
    """The situation of each candidate, ascending."""
    context: Int[np.ndarray, "s 3"]
    """The texts of goal, title and last action."""
    state: Float[np.ndarray, "s g"]
    code: Int[np.ndarray, " s"]
    """-1: nobody's."""

    def take(self, situations: Int[np.ndarray, " k"]) -> tuple[Choices, Int[np.ndarray, " c"]]:
        """Those situations alone, in that order, and their candidates' places in this."""
        starts = np.searchsorted(self.owner, situations)
        sizes = np.searchsorted(self.owner, situations, side="right") - starts
        rows = np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) + np.arange(sizes.sum())
        own = np.repeat(np.arange(len(situations)), sizes)
        return Choices(
            self.vectors,
            self.text[rows],
            self.numbers[rows],
            own,
            self.context[situations],
            self.state[situations],
            self.code[situations],
        ), rows


class Scorer(nn.Module):
    """`codebook` are the personas' codes; sizes are those of the candidates' numbers, the state and the text vectors."""

    def __init__(self, codebook: Float[np.ndarray, "k latent"], numbers: int, state: int, dim: int) -> None:
        super().__init__()
        self.sizes = {"numbers": numbers, "state": state, "dim": dim}
        self.register_buffer("codebook", torch.from_numpy(np.array(codebook, np.float32)))
        self.words = nn.Linear(dim, WIDTH)
        self.from_code = nn.Linear(codebook.shape[1], ROW)
        self.own = nn.Embedding(len(codebook), ROW)
        nn.init.zeros_(self.own.weight)
        self.nobody = nn.Parameter(torch.zeros(ROW))
        self.around = nn.Sequential(nn.Linear(3 * WIDTH + state + ROW, HIDDEN), nn.ReLU())
        self.within = nn.Linear(numbers + 4 * WIDTH, HIDDEN)
        self.score = nn.Sequential(nn.Linear(2 * HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
        self.mixed = nn.Linear(HIDDEN, HIDDEN)

    def rows(self, code: Int[Tensor, " s"]) -> Float[Tensor, "s row"]:
        """The personas' rows; that of nobody for −1."""
        known = code.clamp(min=0)
        rows = self.from_code(self.codebook[known]) + self.own(known)  # pyright: ignore[reportIndexIssue] - a buffer
        return torch.where((code >= 0)[:, None], rows, self.nobody)

    def forward(self, choices: Choices) -> Float[Tensor, " n"]:
        """Log-probabilities of all candidates, each situation's adding up to one."""
        vectors, owner = torch.from_numpy(choices.vectors), torch.from_numpy(choices.owner)
        context = self.words(vectors[torch.from_numpy(choices.context)])  # s × 3 × width
        rows = self.rows(torch.from_numpy(choices.code).long())
        around = self.around(torch.cat([context.flatten(1), torch.from_numpy(choices.state), rows], dim=1))
        text = self.words(vectors[torch.from_numpy(choices.text)])
        pairs = (text[:, None] * context[owner]).flatten(1)
        within = self.within(torch.cat([torch.from_numpy(choices.numbers), text, pairs], dim=1))
        joint = torch.cat([torch.relu(within + self.mixed(around)[owner]), around[owner]], dim=1)
        scores = self.score(joint)[:, 0]
        many = len(choices.code)
        highest = torch.full((many,), -torch.inf).scatter_reduce(0, owner, scores.detach(), "amax")
        total = torch.zeros(many).index_add(0, owner, torch.exp(scores - highest[owner]))
        return scores - (highest + torch.log(total))[owner]

    def save(self, folder: Path) -> None:
        """Weights as safetensors, sizes as JSON."""
        from safetensors.torch import save_file  # noqa: PLC0415 - with the extra

        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, folder / TENSORS)
        (folder / META).write_text(json.dumps(self.sizes) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Scorer:
        """What `save` wrote."""
        from safetensors.torch import load_file  # noqa: PLC0415

        weights = load_file(folder / TENSORS)
        scorer = cls(weights["codebook"].numpy(), **json.loads((folder / META).read_text(encoding="utf-8")))
        scorer.load_state_dict(weights)
        return scorer.eval().requires_grad_(requires_grad=False)


def train_scorer(
    scorer: Scorer,
    choices: Choices,
    chosen: Int[np.ndarray, " s"],
    groups: Sequence[str],
    seed: int,
    progress: Progress,
    *,
    epochs: int = 40,
    batch: int = 128,
    patience: int = 5,
) -> dict[str, Any]:
    """Trains on which candidate was `chosen` (its place among all), with a tenth of the visits (`groups`, one name per
    situation) kept for stopping; the weights of the best epoch stay. One in ten situations is shown as nobody's.

    Gives the epochs, examples, and the mean negative log-likelihood on what was kept, with the persona and as nobody.
    """
    rng = np.random.default_rng(seed)
    visits = np.unique(np.asarray(groups))
    kept = np.isin(groups, rng.permutation(visits)[: max(len(visits) // 10, 1)])
    train, held = np.flatnonzero(~kept), np.flatnonzero(kept)
    optimizer = torch.optim.AdamW(scorer.parameters(), lr=1e-3, weight_decay=1e-2)
    best, best_epoch, weights = float("inf"), 0, scorer.state_dict()
    for epoch in range(1, epochs + 1):
        scorer.train()
        for part in np.array_split(rng.permutation(train), -(-len(train) // batch)):
            own, rows = choices.take(np.sort(part))
            own.code[rng.random(len(own.code)) < 0.1] = -1
            loss = -_likelihood(scorer, own, rows, chosen[np.sort(part)])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found = _held_out(scorer, choices, chosen, held)
        progress(epoch, epochs, f"held-out loss {found:.3f}")
        if found < best:
            best, best_epoch = found, epoch
            weights = {name: tensor.clone() for name, tensor in scorer.state_dict().items()}
        elif epoch - best_epoch >= patience:
            break
    scorer.load_state_dict(weights)
    scorer.eval().requires_grad_(requires_grad=False)
    as_nobody = _held_out(scorer, choices, chosen, held, nobody=True)
    return {
        "epochs": best_epoch,
        "examples": len(train),
        "held_out": len(held),
        "loss": best,
        "loss_as_nobody": as_nobody,
    }


def _likelihood(scorer: Scorer, own: Choices, rows: np.ndarray, chosen: np.ndarray) -> Tensor:
    return scorer(own)[torch.from_numpy(np.searchsorted(rows, chosen))].mean()


def _held_out(scorer: Scorer, choices: Choices, chosen: np.ndarray, held: np.ndarray, *, nobody: bool = False) -> float:
    scorer.eval()
    own, rows = choices.take(held)
    if nobody:
        own.code[:] = -1
    with torch.inference_mode():
        return -float(_likelihood(scorer, own, rows, chosen[held]))
