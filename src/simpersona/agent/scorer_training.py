"""Examples to a trained scorer, and a trained scorer to a policy: what joins texts, embedder and network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from simpersona.agent.persona_funnel import PersonaFunnel
from simpersona.agent.scorer import META, Choices, Scorer, train_scorer
from simpersona.agent.taught_steps import taught_steps
from simpersona.errors import ConfigError
from simpersona.files import read_json
from simpersona.pages import Example
from simpersona.personas.network import one_thread
from simpersona.ports import Embedder, Progress
from simpersona.shopper.candidates import NUMBERS, STATE, Situation, situation
from simpersona.shopper.moves import MOVES
from simpersona.shopper.scorer_policy import Score


class Texts:
    """Vectors of texts by their place; each text is embedded once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._place: dict[str, int] = {}
        self._vectors = np.zeros((1024, 0), np.float32)

    def places(self, texts: Sequence[str]) -> list[int]:
        """Where the vectors of the texts are."""
        if new := [text for text in dict.fromkeys(texts) if text not in self._place]:
            vectors = self._embedder.embed(new)
            first = len(self._place)
            if not self._vectors.shape[1]:
                self._vectors = np.zeros((len(self._vectors), vectors.shape[1]), np.float32)
            while first + len(new) > len(self._vectors):
                self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
            self._vectors[first : first + len(new)] = vectors
            self._place |= {text: first + number for number, text in enumerate(new)}
        return [self._place[text] for text in texts]

    @property
    def vectors(self) -> Float[np.ndarray, "m dim"]:
        """All so far; later ones may be unused."""
        return self._vectors


def scorer_from_examples(
    examples: Sequence[Example],
    codebook: Float[np.ndarray, "k latent"],
    funnel: PersonaFunnel | None,
    embedder: Embedder,
    folder: Path,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Trains on the same examples as the language model and writes the folder. Gives the training's figures.

    `funnel` is what is known of the personas beside their codes, and weighs the visits. An example whose action is none of those
    offered (a teacher may do more) is left out, and counted.
    """
    situations: list[Situation] = []
    chosen: list[int] = []
    codes: list[int | None] = []
    visits: list[str] = []
    left_out = 0
    for step in taught_steps(examples):
        action = step.decision.action
        one = situation(step.page, step.goal.text, step.done)
        wanted = (action.node, action.method) if action else (None, None)
        places = [number for number, candidate in enumerate(one.candidates) if candidate.key == wanted]
        if not places:
            left_out += 1
            continue
        situations.append(one)
        chosen.append(places[0])
        codes.append(step.goal.code)
        visits.append(step.visit)
    texts = Texts(embedder)
    choices = choices_of(situations, codes, texts)
    starts = np.searchsorted(choices.owner, np.arange(len(situations)))
    places = starts + np.asarray(chosen)
    known, weights = codebook, None
    if funnel is not None:
        known = np.concatenate([codebook, funnel.known.astype(np.float32)], axis=1)
        weights = _weights(funnel, choices, places, visits)
    torch.manual_seed(seed)
    scorer = Scorer(known, NUMBERS, STATE, texts.vectors.shape[1], len(MOVES))
    told = train_scorer(scorer, choices, places, visits, seed, progress, weights=weights)
    scorer.save(folder)
    return told | {"left_out": left_out}


def _weights(
    funnel: PersonaFunnel, choices: Choices, places: np.ndarray, visits: Sequence[str]
) -> Float[np.ndarray, " s"]:
    """What each situation counts, from how far its whole visit got."""
    moves = choices.move[places]
    deep = np.select([moves == MOVES.index(move) for move in ("order", "checkout", "add")], [3, 2, 1], 0)
    _, first, visit = np.unique(np.asarray(visits), return_index=True, return_inverse=True)
    depth = np.zeros(len(first), int)
    np.maximum.at(depth, visit, deep)
    return funnel.weights(choices.code[first], (choices.state[first, 0] > 0).astype(int), depth)[visit]


def choices_of(situations: Sequence[Situation], codes: Sequence[int | None], texts: Texts) -> Choices:
    """The situations as arrays."""
    sizes = [len(one.candidates) for one in situations]
    text = texts.places([text for one in situations for text in one.texts])
    context = texts.places([text for one in situations for text in one.context])
    return Choices(
        texts.vectors,
        np.asarray(text),
        np.concatenate([one.numbers for one in situations]),
        np.concatenate([one.move for one in situations]),
        np.repeat(np.arange(len(sizes)), sizes),
        np.asarray(context).reshape(len(sizes), 3),
        np.stack([one.state for one in situations]),
        np.asarray([-1 if code is None else code for code in codes]),
    )


def load_score(folder: Path, embedder: Embedder) -> Score:
    """The scores of a trained scorer, one situation at a time, on one thread: the store that is visited needs the others.

    Raises ConfigError if there is none in the folder, or one that another version of simpersona trained.
    """
    if not (folder / META).is_file():
        raise ConfigError(f"{folder}: no trained scorer here ({META} is missing). Run `simpersona agent` first.")
    found, wanted = read_json(folder / META), {"numbers": NUMBERS, "state": STATE, "moves": len(MOVES)}
    if any(found.get(name) != size for name, size in wanted.items()):
        raise ConfigError(
            f"{folder}: a scorer of sizes {found}, where this version sees pages as {wanted}. Train it anew with `simpersona agent`."
        )
    scorer, texts = Scorer.load(folder), Texts(embedder)

    def score(one: Situation, code: int | None) -> Float[np.ndarray, " n"]:
        with one_thread(), torch.inference_mode():
            return scorer(choices_of([one], [code], texts)).double().numpy()

    return score
