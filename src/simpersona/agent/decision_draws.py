"""Which recorded steps a training reads, and in which order, drawn in advance so that a killed training can go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from simpersona.agent.decision_examples import Recorded
from simpersona.visits import GoalKind

SAME_PAGE = 4
"""At most this many steps on one page follow each other; the page is read once for them."""


def drawn_steps(
    steps: Mapping[GoalKind, Sequence[Recorded]], shares: Mapping[GoalKind, float], count: int, seed: int
) -> list[Recorded]:
    """`count` steps in the order in which they are read.

    The kinds have the given shares, as far as there are steps of them. In a round each step occurs `times` at least; kinds
    with few steps for their share repeat. In a round, steps on one page are read in groups of at most SAME_PAGE, and the
    groups come in random order.
    """
    rng = np.random.default_rng(seed)
    offered = {kind: share for kind, share in shares.items() if share > 0 and steps.get(kind)}
    pools = {kind: [step for step in steps[kind] for _ in range(step.times)] for kind in offered}
    queues: dict[GoalKind, list[Recorded]] = {kind: [] for kind in offered}
    whole = sum(offered.values())
    round_size = max(int(max(len(pool) * whole / offered[kind] for kind, pool in pools.items())), 1)
    drawn: list[Recorded] = []
    while len(drawn) < count:
        one: list[Recorded] = []
        for kind, share in offered.items():
            wanted = max(round(round_size * share / whole), 1)
            while len(queues[kind]) < wanted:
                queues[kind] += [pools[kind][place] for place in rng.permutation(len(pools[kind]))]
            one += queues[kind][:wanted]
            del queues[kind][:wanted]
        drawn += _grouped(one, rng)
    return drawn[:count]


def _grouped(steps: Sequence[Recorded], rng: np.random.Generator) -> list[Recorded]:
    """The steps in random order, those on one page in groups."""
    pages: dict[str, list[Recorded]] = {}
    for place in rng.permutation(len(steps)):
        pages.setdefault(steps[place].page_text, []).append(steps[place])
    groups = [page[start : start + SAME_PAGE] for page in pages.values() for start in range(0, len(page), SAME_PAGE)]
    return [step for place in rng.permutation(len(groups)) for step in groups[place]]
