"""What is inferred of scripted visits is what the stores have recorded of them, event by event."""

import pytest

from benchmarks.storefronts.accuracy import inferred_kinds, logged_kinds, without_effect
from benchmarks.storefronts.visiting import STORES, scripted_visits
from simpersona.visits import AS_MEANT

PLANS = range(5)
EVERYWHERE = [
    pytest.param(name, driver, id=f"{name}-{driver}", marks=pytest.mark.slow if driver == "browser" else ())
    for name, kind in STORES.items()
    for driver in kind.drivers
]


@pytest.mark.parametrize(("name", "driver"), EVERYWHERE)
def test_scripted_visits_are_inferred_exactly(name, driver):
    visited = scripted_visits(STORES[name], driver, PLANS)
    assert visited.store.log.orders == 0
    assert list(visited.given_up) == [[] for _ in PLANS]
    for episode in visited.episodes:
        assert inferred_kinds(episode) == logged_kinds(episode, visited.store.log), episode.episode_id
        assert episode.ending in AS_MEANT
    recorded = [kind for episode in visited.episodes for kind in logged_kinds(episode, visited.store.log)]
    assert min(recorded.count(kind) for kind in ("search", "product view", "collection view", "add to cart")) >= 2
    assert "checkout" in recorded
    idle = [step.decision.action.description for episode in visited.episodes for step in without_effect(episode)]
    actions = sum(step.decision.action is not None for episode in visited.episodes for step in episode.steps)
    assert len(idle) < 0.05 * actions, idle
