"""Which recorded steps a training reads, and in which order, drawn in advance so that a killed training can go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from simpersona.agent.decision_examples import Recorded
from simpersona.visits import GoalKind

SAME_PAGE, PAGES_AT_ONCE = 2, 8
"""At most SAME_PAGE steps on one page come close to each other, and are mixed with those on PAGES_AT_ONCE − 1 other pages. So a
page is read once for them if that many pages are kept, and the steps of one batch are still on different pages. More steps on one
page would cost less, but teach less: what is learned depends on the number of pages.
"""


def drawn_steps(
    steps: Mapping[GoalKind, Sequence[Recorded]], shares: Mapping[GoalKind, float], count: int, seed: int
) -> list[Recorded]:
    """`count` steps in the order in which they are read.

    The kinds have the given shares, as far as there are steps of them. In a round each step occurs `times` at least; kinds
    with few steps for their share repeat. The order is random, except that steps on one page come close to each other.
    """
    rng = np.random.default_rng(seed)
    offered: dict[GoalKind, float] = {kind: share for kind, share in shares.items() if share > 0 and steps.get(kind)}
    pools: dict[GoalKind, list[Recorded]] = {
        kind: [step for step in steps[kind] for _ in range(step.times)] for kind in offered
    }
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
    """The steps in random order, a few on each page close to each other; see SAME_PAGE."""
    pages: dict[str, list[Recorded]] = {}
    for place in rng.permutation(len(steps)):
        pages.setdefault(steps[place].page_text, []).append(steps[place])
    groups = [page[start : start + SAME_PAGE] for page in pages.values() for start in range(0, len(page), SAME_PAGE)]
    order = [groups[place] for place in rng.permutation(len(groups))]
    mixed: list[Recorded] = []
    for first in range(0, len(order), PAGES_AT_ONCE):
        together = order[first : first + PAGES_AT_ONCE]
        mixed += [group[turn] for turn in range(SAME_PAGE) for group in together if turn < len(group)]
    return mixed
