"""How well what is inferred from visits agrees with what the store itself knows of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.storefronts.request_log import ADDED, RequestLog
from simpersona.shopper.observed import observed_events
from simpersona.visits import Episode, Step

MEASURED = {
    "search": "search_submitted",
    "product view": "product_viewed",
    "collection view": "collection_viewed",
    "add to cart": ADDED,
    "checkout": "checkout_started",
}
"""The kinds of outcomes that are compared."""


@dataclass(frozen=True)
class Accuracy:
    """Events of one kind in all visits: inferred, in the store's log, and in both, in the same order within each visit."""

    inferred: int
    logged: int
    matched: int

    @property
    def precision(self) -> float | None:
        """The share of the inferred events that happened; None if none was inferred."""
        return self.matched / self.inferred if self.inferred else None

    @property
    def recall(self) -> float | None:
        """The share of what happened that was inferred; None if nothing happened."""
        return self.matched / self.logged if self.logged else None


def accuracies(episodes: Sequence[Episode], log: RequestLog) -> dict[str, Accuracy]:
    """The accuracy of each kind of outcome over these visits."""
    inferred, logged, matched = Counter[str](), Counter[str](), Counter[str]()
    for episode in episodes:
        ours, theirs = inferred_kinds(episode), logged_kinds(episode, log)
        inferred.update(ours)
        logged.update(theirs)
        matched.update(_common(ours, theirs))
    return {kind: Accuracy(inferred[kind], logged[kind], matched[kind]) for kind in MEASURED}


def inferred_kinds(episode: Episode) -> list[str]:
    """The outcomes of one visit as the product infers them, in order."""
    return _kinds(observed_events([episode])["event"].to_pylist())


def logged_kinds(episode: Episode, log: RequestLog) -> list[str]:
    """The outcomes of one visit as the store knows them, in order."""
    return _kinds([event for event, _ in log.of(episode.episode_id)])


def without_effect(episode: Episode) -> list[Step]:
    """The steps whose action failed or changed nothing that the visitor sees; not the last one of a visit that ends at the checkout."""
    steps = [step for step in episode.steps if step.decision.action is not None]
    pages = [step.page for step in episode.steps]
    idle = []
    for step in steps:
        after = pages[step.number + 1] if step.number + 1 < len(pages) else None
        if after is not None and after.ends_visit:
            continue
        changed = after is None or (after.url, after.nodes) != (step.page.url, step.page.nodes)
        if not step.succeeded or not changed:
            idle.append(step)
    return idle


def _kinds(events: Sequence[str]) -> list[str]:
    names: Mapping[str, str] = {event: kind for kind, event in MEASURED.items()}
    return [names[event] for event in events if event in names]


def _common(ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """A longest common subsequence."""
    best: list[list[list[str]]] = [[[] for _ in range(len(theirs) + 1)] for _ in range(len(ours) + 1)]
    for row, one in enumerate(ours):
        for column, other in enumerate(theirs):
            best[row + 1][column + 1] = (
                [*best[row][column], one]
                if one == other
                else max(best[row][column + 1], best[row + 1][column], key=len)
            )
    return best[-1][-1]
