"""How well a model decides on test situations, and how far its persona tokens steer it.

Against the recorded actions: nats per decision with the matched token, a mismatched one and none, and those of the scorer
with the persona and without. Against the scorer: the
divergence of the first choice, and over all personas the log-odds of leaving and of adding to the cart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from simpersona.agent.counterfactual import NOBODY, Shares
from simpersona.agent.decision_examples import DecisionEncoder, DecisionExample, Recorded, answer_move
from simpersona.agent.decision_lessons import block, lesson_of
from simpersona.agent.decision_loss import Target, branch_targets
from simpersona.agent.decision_model import DecisionModel
from simpersona.evaluation.resampling import interval95, times_drawn

RESAMPLES = 1000
COMPARED = 160
"""About how many test situations are compared with the scorer: each costs a pass over all personas."""
TINY = 1e-9
"""Keeps the logarithm of a probability of zero finite."""
LEAST = 1e-6
"""Probabilities are kept this far from 0 and 1 before their log-odds are taken."""


@dataclass
class _Odds:
    """The log-odds of one answer for all personas, by the scorer and by the model, of each page that offers it."""

    scorer: list[np.ndarray]
    model: list[np.ndarray]

    def figures(self) -> dict[str, float | int | None]:
        """Correlation and slope within pages: how far the model's personas differ as the scorer's do. The shares are mean
        probabilities over pages and personas: whether the model does it as often.
        """
        if not self.scorer:
            return {"pages": 0, "correlation": None, "slope": None, "share_scorer": None, "share_model": None}
        x = np.concatenate([odds - odds.mean() for odds in self.scorer])
        y = np.concatenate([odds - odds.mean() for odds in self.model])
        spread = float(np.sqrt((x * x).mean() * (y * y).mean()))
        return {
            "pages": len(self.scorer),
            "correlation": round(float((x * y).mean()) / max(spread, 1e-12), 4),
            "slope": round(float((x * y).mean() / max(float((x * x).mean()), 1e-12)), 4),
            "mean_scorer": round(float(np.mean([odds.mean() for odds in self.scorer])), 4),
            "mean_model": round(float(np.mean([odds.mean() for odds in self.model])), 4),
            "share_scorer": _mean_share(self.scorer),
            "share_model": _mean_share(self.model),
        }


class DecisionTest:
    """Test situations, `compared` of which are compared with what the scorer says of `measured` personas (None: of all)."""

    def __init__(
        self,
        steps: Sequence[Recorded],
        encoder: DecisionEncoder,
        shares_of: Shares | None,
        codes: int,
        seed: int,
        compared: int = COMPARED,
        measured: int | None = None,
    ) -> None:
        self._steps, self._codes, self._seed = list(steps), codes, seed
        self._measured = list(range(codes))[:: -(-codes // (measured or codes))]
        self._examples = [encoder.encode(step) for step in steps]
        apart = max(len(self._steps) // max(compared, 1), 1)
        self._shares = [
            None
            if shares_of is None or step.kind == "instructions" or place % apart
            else shares_of(example.observation, example.tree.answers, self._measured)
            for place, (step, example) in enumerate(zip(self._steps, self._examples, strict=True))
        ]
        self._scorer: dict[str, float] = {} if shares_of is None else self._nats_of(shares_of)

    def _nats_of(self, shares_of: Shares) -> dict[str, float]:
        """The scorer's own nats per decision, with the persona and without."""
        nats = [
            -np.log(shares_of(one.observation, one.tree.answers, [step.code, NOBODY])[:, one.recorded] + TINY)
            for step, one in zip(self._steps, self._examples, strict=True)
        ]
        matched, none = np.mean(nats, axis=0).tolist()
        return {"scorer_matched": round(matched, 4), "scorer_none": round(none, 4)}

    def figures(self, model: DecisionModel) -> dict[str, Any]:
        """The figures of a model: see the module."""
        rng = np.random.default_rng(self._seed)
        nats = np.zeros((len(self._examples), 3))
        divergence: list[float] = []
        alike: list[float] = []
        leave, add = _Odds([], []), _Odds([], [])
        model.eval()
        with torch.no_grad():
            for row, (step, example, shares) in enumerate(zip(self._steps, self._examples, self._shares, strict=True)):
                others = [code for code in range(self._codes) if code != step.code] or [step.code]
                asked = [step.code, int(rng.choice(others)), NOBODY]
                nats[row] = log_shares(model, example, asked, example.recorded)
                if shares is None:
                    continue
                first, odds = self._against_scorer(model, example, shares)
                divergence.append(first[0])
                alike.append(first[1])
                for found, kind in ((leave, "leave"), (add, "add")):
                    if kind in odds:
                        found.scorer.append(odds[kind][0])
                        found.model.append(odds[kind][1])
        gains = {name: self._gain(nats[:, 0] - nats[:, place]) for place, name in ((1, "mismatched"), (2, "none"))}
        return {
            "matched": round(float(-nats[:, 0].mean()), 4),
            "mismatched": round(float(-nats[:, 1].mean()), 4),
            "none": round(float(-nats[:, 2].mean()), 4),
            **self._scorer,
            "gain": gains,
            "kl_first_choice": round(float(np.mean(divergence)), 4) if divergence else None,
            "kl_first_choice_alike": round(float(np.mean(alike)), 4) if alike else None,
            "leave": leave.figures(),
            "add": add.figures(),
        }

    def _gain(self, gains: Float[np.ndarray, " n"]) -> list[float]:
        """The mean gain in nats, and its 95 % interval by the bootstrap over visits."""
        names, visit = np.unique([step.visit_id for step in self._steps], return_inverse=True)
        sums, counts = np.bincount(visit, gains), np.bincount(visit)
        drawn = times_drawn(len(names), RESAMPLES, self._seed)
        ends = interval95((drawn @ sums) / (drawn @ counts))
        assert ends is not None  # every sample has a visit
        return [round(float(value), 4) for value in (gains.mean(), *ends)]

    def _against_scorer(
        self, model: DecisionModel, example: DecisionExample, shares: Float[np.ndarray, "codes answers"]
    ) -> tuple[tuple[float, float], dict[str, tuple[np.ndarray, np.ndarray]]]:
        """The divergence of the first choice from the scorer's (and that of the scorer's mean over personas, which is what a
        perfect model that ignores the persona has), and the log-odds of leaving and adding by scorer and model.
        """
        tree, page = example.tree, example.observation.page
        adds = [place for place, answer in enumerate(tree.answers) if answer_move(page, answer) == "add"]
        path = choices_on_path(model, example, self._measured, adds[0] if adds else 0)
        first, first_shares = path[0]  # the first choice is the same for all answers
        branch = tree.path(0)[0]
        if [0] in [below.tolist() for below in branch.below]:
            leaving = first_shares[:, _tokens(first).index(tree.ids[0][branch.position])]
        else:  # another answer begins like leaving
            leaving = log_shares(model, example, self._measured, 0)
        odds = {"leave": (_odds(shares[:, 0]), _odds(np.exp(leaving)))}
        if adds:
            odds["add"] = (_odds(shares[:, adds[0]]), _odds(np.exp(_along(path))))
        target = np.stack([shares[:, below].sum(axis=1) for below in branch.below], axis=1) + TINY
        target /= target.sum(axis=1, keepdims=True)
        kl = (target * (np.log(target) - first_shares)).sum(axis=1).mean()
        alike = (target * (np.log(target) - np.log(target.mean(axis=0)))).sum(axis=1).mean()
        return (float(kl), float(alike)), odds


def _mean_share(odds: Sequence[np.ndarray]) -> float:
    return round(float(np.mean([(1 / (1 + np.exp(-page))).mean() for page in odds])), 4)


def _odds(share: np.ndarray) -> np.ndarray:
    kept = np.clip(share, LEAST, 1 - LEAST)
    return np.log(kept / (1 - kept))


def log_shares(
    model: DecisionModel, example: DecisionExample, codes: Sequence[int], answer: int
) -> Float[np.ndarray, " codes"]:
    """The log-probability of an answer under the tree for each code; typed text is left out."""
    return _along(choices_on_path(model, example, codes, answer))


def choices_on_path(
    model: DecisionModel, example: DecisionExample, codes: Sequence[int], answer: int
) -> list[tuple[Target, Float[np.ndarray, "codes _"]]]:
    """The choices on the way to an answer, each with the log-probabilities of its tokens for each code."""
    tree = example.tree
    targets = branch_targets(tree, answer, np.ones(len(tree.answers)), example.rare)
    blocks = [block(example, code, answer, "", targets, 1.0) for code in codes]
    logits = model.logits([lesson_of(example, blocks)]).double().cpu().reshape(len(codes), len(targets), -1)
    return [
        (target, torch.log_softmax(logits[:, place, torch.from_numpy(target.tokens)], dim=1).numpy())
        for place, target in enumerate(targets)
        if target.tokens is not None
    ]


def _along(path: Sequence[tuple[Target, Float[np.ndarray, "codes _"]]]) -> Float[np.ndarray, " codes"]:
    """The log-probability of the whole way."""
    return np.sum([shares[:, _tokens(target).index(target.token)] for target, shares in path], axis=0)


def _tokens(target: Target) -> list[int]:
    return [] if target.tokens is None else target.tokens.tolist()
