"""A policy's scores without a language model: a small network over texts, numbers and the persona's row.

The kind of move is drawn first (to leave, a product, the cart, the next field …), then a candidate of that kind (a node
with a method). So the number of products on a page does not change who leaves or who buys:

    log p(candidate) = log p(kind | situation, persona) + log p(candidate | kind, situation, persona)

A kind is scored from the wish, the page's title, the last action, the state of the visit and the persona; a candidate also
from its text and numbers. How near the wish a title and the candidates are, by the cosine of their vectors, are features of
their own, so that a store with words that were not trained on is understood too. A persona's row is a linear map of its known features (the 96-d code, the funnel of its buyers)
plus an embedding that starts at zero, so that codes with few examples borrow from similar codes.
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
from torch.optim.swa_utils import AveragedModel

from simpersona.ports import Progress

WIDTH, ROW, HIDDEN = 48, 24, 128
NEARNESS = 2
"""The number of a candidate's features by cosine."""
FORGETS = 0.1
"""The dropout rate in training, so that the network does not recognise a page by its text alone."""
RECENT, AVERAGED = 0.2, 200
"""The policy acts by a running mean of the weights: over the last fifth of the steps, and at most this many."""
LEARNING_RATE = 1e-3
TENSORS, META = "scorer.safetensors", "scorer.json"


@dataclass(frozen=True)
class Choices:
    """s situations with n candidates in total. Texts are rows of `vectors` (m, dim)."""

    vectors: Float[np.ndarray, "m dim"]
    text: Int[np.ndarray, " n"]
    numbers: Float[np.ndarray, "n f"]
    move: Int[np.ndarray, " n"]
    """The kind of each candidate."""
    owner: Int[np.ndarray, " n"]
    """The situation of each candidate, ascending."""
    context: Int[np.ndarray, "s 3"]
    """The texts of wish, title and last action."""
    state: Float[np.ndarray, "s g"]
    code: Int[np.ndarray, " s"]
    """-1: no persona."""

    def take(self, situations: Int[np.ndarray, " k"]) -> tuple[Choices, Int[np.ndarray, " c"]]:
        """These situations, in this order, and the rows of their candidates in `self`."""
        starts = np.searchsorted(self.owner, situations)
        sizes = np.searchsorted(self.owner, situations, side="right") - starts
        rows = np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) + np.arange(sizes.sum())
        owner = np.repeat(np.arange(len(situations)), sizes)
        return Choices(
            self.vectors,
            self.text[rows],
            self.numbers[rows],
            self.move[rows],
            owner,
            self.context[situations],
            self.state[situations],
            self.code[situations],
        ), rows


class Scorer(nn.Module):
    """The network. `personas` holds the known features of each persona; the other arguments are the sizes of the candidates'
    numbers, of the state and of the text vectors, and the number of kinds of moves.

    The names of the layers are stored in files of weights, so they do not change.
    """

    def __init__(self, personas: Float[np.ndarray, "k known"], numbers: int, state: int, dim: int, moves: int) -> None:
        super().__init__()
        self.sizes = {"numbers": numbers, "state": state, "dim": dim, "moves": moves}
        self.register_buffer("personas", torch.from_numpy(np.array(personas, np.float32)))
        self.words = nn.Sequential(nn.Linear(dim, WIDTH), nn.Dropout(FORGETS))
        self.from_known = nn.Linear(personas.shape[1], ROW)
        self.own = nn.Embedding(len(personas), ROW)
        nn.init.zeros_(self.own.weight)
        self.nobody = nn.Parameter(torch.zeros(ROW))
        self.around = nn.Sequential(
            nn.Linear(3 * WIDTH + state + 1 + moves + ROW, HIDDEN), nn.ReLU(), nn.Dropout(FORGETS)
        )
        self.kind = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, moves))
        self.within = nn.Linear(numbers + NEARNESS + 4 * WIDTH, HIDDEN)
        self.of_kind = nn.Embedding(moves, HIDDEN)
        self.mixed = nn.Linear(HIDDEN, HIDDEN)
        self.score = nn.Linear(HIDDEN, 1)

    def rows(self, code: Int[Tensor, " s"]) -> Float[Tensor, "s row"]:
        """The personas' rows; code −1 gives the row of a buyer without a persona."""
        known = code.clamp(min=0)
        rows = self.from_known(self.personas[known]) + self.own(known)  # pyright: ignore[reportIndexIssue] - a buffer
        return torch.where((code >= 0)[:, None], rows, self.nobody)

    def forward(self, choices: Choices) -> Float[Tensor, " n"]:
        """Log-probabilities of all candidates; the probabilities of each situation sum to one."""
        owner, move = torch.from_numpy(choices.owner), torch.from_numpy(choices.move)
        unique, row = np.unique(np.concatenate([choices.context.ravel(), choices.text]), return_inverse=True)
        texts = self.words(torch.from_numpy(choices.vectors[unique]))[torch.from_numpy(row)]
        situations = len(choices.code)
        context = texts[: 3 * situations].reshape(situations, 3, -1)
        rows = self.rows(torch.from_numpy(choices.code).long())
        kinds, group = self.sizes["moves"], owner * self.sizes["moves"] + move
        near, nearness = _near_the_wish(choices, group, kinds)
        around = self.around(torch.cat([context.flatten(1), torch.from_numpy(choices.state), near, rows], dim=1))
        offered = torch.zeros(situations * kinds, dtype=torch.bool)
        offered[group] = True
        of_kind = self.kind(around).masked_fill(~offered.reshape(situations, kinds), -torch.inf).log_softmax(dim=1)
        text = texts[3 * situations :]
        pairs = (text[:, None] * context[owner]).flatten(1)
        within = self.within(
            torch.cat([torch.from_numpy(choices.numbers), nearness, text, pairs], dim=1)
        ) + self.of_kind(move)
        scores = self.score(torch.relu(within + self.mixed(around)[owner]))[:, 0]
        return of_kind.flatten()[group] + _log_shares(scores, group, situations * kinds)

    def save(self, folder: Path) -> None:
        """Weights as safetensors, sizes as JSON."""
        from safetensors.torch import save_file  # noqa: PLC0415 - with the extra

        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, folder / TENSORS)
        (folder / META).write_text(json.dumps(self.sizes) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Scorer:
        """Loads what `save` wrote, for use without training."""
        from safetensors.torch import load_file  # noqa: PLC0415 - heavy

        weights = load_file(folder / TENSORS)
        scorer = cls(weights["personas"].numpy(), **json.loads((folder / META).read_text(encoding="utf-8")))
        scorer.load_state_dict(weights)
        return scorer.eval().requires_grad_(requires_grad=False)


def _near_the_wish(
    choices: Choices, group: Int[Tensor, " n"], kinds: int
) -> tuple[Float[Tensor, "s near"], Float[Tensor, "n 2"]]:
    """Cosines with the wish: of each situation's title and of the nearest candidate of each kind, 0 where there is none; and
    of each candidate, also as the distance from the nearest one of its kind.
    """
    wish, title = choices.vectors[choices.context[:, 0]], choices.vectors[choices.context[:, 1]]
    names = torch.from_numpy(_cosine(choices.vectors[choices.text], wish[choices.owner]))
    nearest = torch.full((len(wish) * kinds,), -torch.inf).scatter_reduce(0, group, names, "amax")
    of_kinds = nearest.nan_to_num(neginf=0.0).reshape(-1, kinds)
    near = torch.cat([torch.from_numpy(_cosine(title, wish))[:, None], of_kinds], dim=1)
    return near, torch.stack([names, names - nearest[group]], dim=1)


def _cosine(left: Float[np.ndarray, "n dim"], right: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, " n"]:
    sizes = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return ((left * right).sum(1) / np.maximum(sizes, 1e-9)).astype(np.float32)


def _log_shares(scores: Float[Tensor, " n"], group: Int[Tensor, " n"], groups: int) -> Float[Tensor, " n"]:
    """The scores' log-softmax within each group."""
    highest = torch.full((groups,), -torch.inf).scatter_reduce(0, group, scores.detach(), "amax")
    total = torch.zeros(groups).index_add(0, group, torch.exp(scores - highest[group]))
    return scores - (highest + torch.log(total))[group]


def train_scorer(
    scorer: Scorer,
    choices: Choices,
    chosen: Int[np.ndarray, " s"],
    groups: Sequence[str],
    seed: int,
    progress: Progress,
    *,
    weights: Float[np.ndarray, " s"] | None = None,
    epochs: int = 40,
    batch: int = 128,
    patience: int = 5,
) -> dict[str, Any]:
    """Trains the scorer to predict the chosen candidates, with early stopping on a tenth of the visits.

    `chosen` is the row of the chosen candidate of each situation, `groups` the name of its visit. The weights are running
    means; those of the best epoch stay. One in ten situations is shown without its persona. `weights` are the weights of
    the situations, equal by default.

    Returns the epochs, the number of examples, and the mean negative log-likelihood of the test situations with the
    persona and without it.
    """
    rng = np.random.default_rng(seed)
    counts = np.ones(len(choices.code)) if weights is None else weights / weights.mean()
    visits = np.unique(np.asarray(groups))
    kept = np.isin(groups, rng.permutation(visits)[: max(len(visits) // 10, 1)])
    train, held = np.flatnonzero(~kept), np.flatnonzero(kept)
    optimizer = torch.optim.AdamW(scorer.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
    mean = AveragedModel(scorer, avg_fn=_running)
    best, best_epoch, state = float("inf"), 0, scorer.state_dict()
    for epoch in range(1, epochs + 1):
        scorer.train()
        for part in np.array_split(rng.permutation(train), -(-len(train) // batch)):
            here = np.sort(part)
            taken, rows = choices.take(here)
            taken.code[rng.random(len(taken.code)) < 0.1] = -1
            loss = -(_likelihood(scorer, taken, rows, chosen[here]) * torch.from_numpy(counts[here]).float()).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            mean.update_parameters(scorer)
        loss_held_out = _held_out(mean.module, choices, chosen, counts, held)
        progress(epoch, epochs, f"held-out loss {loss_held_out:.3f}")
        if loss_held_out < best:
            best, best_epoch = loss_held_out, epoch
            state = {name: tensor.clone() for name, tensor in mean.module.state_dict().items()}
        elif epoch - best_epoch >= patience:
            break
    scorer.load_state_dict(state)
    scorer.eval().requires_grad_(requires_grad=False)
    as_nobody = _held_out(scorer, choices, chosen, counts, held, nobody=True)
    return {
        "epochs": best_epoch,
        "examples": len(train),
        "held_out": len(held),
        "loss": best,
        "loss_as_nobody": as_nobody,
    }


def _running(mean: Tensor, new: Tensor, steps: Tensor | int) -> Tensor:
    return mean + (new - mean) / min(1 + RECENT * int(steps), AVERAGED)


def _likelihood(scorer: nn.Module, choices: Choices, rows: np.ndarray, chosen: np.ndarray) -> Float[Tensor, " s"]:
    """The log-probability of the chosen candidate of each situation."""
    return scorer(choices)[torch.from_numpy(np.searchsorted(rows, chosen))]


def _held_out(
    scorer: nn.Module,
    choices: Choices,
    chosen: np.ndarray,
    counts: np.ndarray,
    held: np.ndarray,
    *,
    nobody: bool = False,
) -> float:
    """The weighted mean negative log-likelihood of the situations `held`."""
    scorer.eval()
    taken, rows = choices.take(held)
    if nobody:
        taken.code[:] = -1
    with torch.inference_mode():
        likelihood = _likelihood(scorer, taken, rows, chosen[held]).numpy()
    return -float(np.average(likelihood, weights=counts[held]))
