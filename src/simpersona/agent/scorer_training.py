"""Trains the scorer on training steps, and loads a trained scorer with its embedder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from simpersona.agent.persona_funnel import PersonaFunnel, visit_weights
from simpersona.agent.scorer import META, Choices, Scorer, train_scorer
from simpersona.errors import ConfigError
from simpersona.files import read_json
from simpersona.personas.network import one_thread
from simpersona.ports import Embedder, Progress
from simpersona.shopper.candidates import NUMBERS, STATE, Situation, situation
from simpersona.shopper.moves import MOVES
from simpersona.shopper.scorer_policy import Score
from simpersona.traces.examples import TrainingStep

NEUTRAL_SHARE = 0.3
"""The share of the visits that the scorer also sees with their neutral goal."""


class Texts:
    """A matrix of text vectors; each text is embedded once and has one row."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._row: dict[str, int] = {}
        self._vectors = np.zeros((1024, 0), np.float32)

    def rows(self, texts: Sequence[str]) -> list[int]:
        """The rows of the texts' vectors."""
        if new := [text for text in dict.fromkeys(texts) if text not in self._row]:
            vectors = self._embedder.embed(new)
            first = len(self._row)
            if not self._vectors.shape[1]:
                self._vectors = np.zeros((len(self._vectors), vectors.shape[1]), np.float32)
            while first + len(new) > len(self._vectors):
                self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
            self._vectors[first : first + len(new)] = vectors
            self._row |= {text: first + number for number, text in enumerate(new)}
        return [self._row[text] for text in texts]

    @property
    def vectors(self) -> Float[np.ndarray, "m dim"]:
        """All vectors so far; the last rows may be unused."""
        return self._vectors


def scorer_from_steps(
    steps: Iterable[TrainingStep],
    codebook: Float[np.ndarray, "k latent"],
    funnel: PersonaFunnel | None,
    embedder: Embedder,
    folder: Path,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Trains on the same steps as the language model, writes the scorer to `folder` and returns the training's figures.

    `steps` may hold a visit with several goals, such as the intent goal and the neutral one; its weight is that of the goal
    with the intent. `funnel` adds features of the personas and weights the visits. A step whose action the page does not
    offer (a teacher can do more), or that is beside the purchase, is omitted and counted.
    """
    situations: list[Situation] = []
    chosen: list[int] = []
    learned: list[TrainingStep] = []
    left_out = 0
    for step in steps:
        action = step.decision.action
        choice = situation(step.observation)
        key = (action.node, action.method) if action else (None, None)
        number = next((n for n, candidate in enumerate(choice.scored_candidates) if candidate.key == key), None)
        if number is None:
            left_out += 1
            continue
        situations.append(choice)
        chosen.append(number)
        learned.append(step)
    texts, visits = Texts(embedder), [step.visit_id for step in learned]
    choices = choices_of(situations, [step.goal.code for step in learned], texts)
    starts = np.searchsorted(choices.owner, np.arange(len(situations)))
    rows = starts + np.asarray(chosen)
    known, weights = codebook, None
    if funnel is not None:
        known = np.concatenate([codebook, funnel.known.astype(np.float32)], axis=1)
        of_visit = visit_weights(learned, funnel)
        weights = np.array([of_visit[visit] for visit in visits])
    torch.manual_seed(seed)
    scorer = Scorer(known, NUMBERS, STATE, texts.vectors.shape[1], len(MOVES))
    figures = train_scorer(scorer, choices, rows, visits, seed, progress, weights=weights)
    scorer.save(folder)
    return figures | {"left_out": left_out}


def with_neutral_goals(
    intent: Sequence[TrainingStep], neutral: Sequence[TrainingStep], seed: int
) -> list[TrainingStep]:
    """All steps with the intent goal, and those of a share of the visits with the neutral goal as well, so that the scorer
    also knows a shopper whose intent nobody names.
    """
    visits = sorted({step.visit_id for step in neutral})
    drawn = np.random.default_rng(seed).permutation(len(visits))[: round(NEUTRAL_SHARE * len(visits))]
    kept = {visits[number] for number in drawn}
    return [*intent, *(step for step in neutral if step.visit_id in kept)]


def choices_of(situations: Sequence[Situation], codes: Sequence[int | None], texts: Texts) -> Choices:
    """The situations as arrays, with the candidates that are scored."""
    sizes = [int(choice.scored.sum()) for choice in situations]
    text = texts.rows([candidate.text for choice in situations for candidate in choice.scored_candidates])
    context = texts.rows([text for choice in situations for text in choice.context])
    return Choices(
        texts.vectors,
        np.asarray(text),
        np.concatenate([choice.numbers[choice.scored] for choice in situations]),
        np.concatenate([choice.move[choice.scored] for choice in situations]),
        np.repeat(np.arange(len(sizes)), sizes),
        np.asarray(context).reshape(len(sizes), 3),
        np.stack([choice.state for choice in situations]),
        np.asarray([-1 if code is None else code for code in codes]),
    )


def load_score(folder: Path, embedder: Embedder) -> Score:
    """A function that scores the candidates of one situation with a trained scorer.

    It uses one thread, because the visited store needs the others. Raises ConfigError if the folder has no scorer, or one
    that another version of simpersona trained.
    """
    if not (folder / META).is_file():
        raise ConfigError(f"{folder}: no trained scorer here ({META} is missing). Run `simpersona agent` first.")
    sizes, expected = read_json(folder / META), {"numbers": NUMBERS, "state": STATE, "moves": len(MOVES)}
    if any(sizes.get(name) != size for name, size in expected.items()):
        raise ConfigError(
            f"{folder}: found a scorer of the sizes {sizes}; this version expects {expected}. "
            "Train it again with `simpersona agent`."
        )
    scorer, texts = Scorer.load(folder), Texts(embedder)

    def score(choice: Situation, code: int | None) -> Float[np.ndarray, " n"]:
        with one_thread(), torch.inference_mode():
            return choice.with_asides(scorer(choices_of([choice], [code], texts)).double().numpy())

    return score
