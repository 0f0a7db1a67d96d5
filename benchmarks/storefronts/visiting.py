"""Visits to one of the stores, made as to any store that is not the lab's: nothing may be ordered there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from benchmarks.storefronts import german, rendered, single_page
from benchmarks.storefronts.catalogue import Catalogue
from benchmarks.storefronts.german import GermanStore
from benchmarks.storefronts.plans import Plan, german_plan, rendered_plan, single_page_plan
from benchmarks.storefronts.rendered import RenderedStore
from benchmarks.storefronts.scripted_shopper import ScriptedShopper
from benchmarks.storefronts.server import Served, Store
from benchmarks.storefronts.single_page import SinglePageStore
from simpersona.config import PolitenessConfig, StoreConfig
from simpersona.ports import Policy
from simpersona.shopper.goals import goal_for
from simpersona.shopper.rollout import Visit, visits_of
from simpersona.simulation.journal import FinishedVisit
from simpersona.simulation.visits import Limits, OpenStore, VisitConditions, run_visits
from simpersona.visits import Episode, Goal


@dataclass(frozen=True)
class StoreKind:
    """One of the stores: how it is made, what it sells, and what the scripted shopper does in it."""

    name: str
    """Its id among the stores, and in the names of visitors."""
    label: str
    make: Callable[[], Store]
    catalogue: Catalogue
    plan: Callable[[int], Plan]
    drivers: tuple[str, ...]


STORES = {
    kind.name: kind
    for kind in (
        StoreKind(
            "rendered", "pages from the server", RenderedStore, rendered.CATALOGUE, rendered_plan, ("http", "browser")
        ),
        StoreKind("single_page", "single page", SinglePageStore, single_page.CATALOGUE, single_page_plan, ("browser",)),
        StoreKind("german", "German, with dialogs", GermanStore, german.CATALOGUE, german_plan, ("browser",)),
    )
}
LIMITS = Limits(max_steps=40, time_limit_seconds=180, concurrency=1)


@dataclass(frozen=True)
class Visited:
    """The visits to one store, and the store with its record."""

    store: Store
    episodes: Sequence[Episode]
    given_up: Sequence[Sequence[str]] = ()
    """For each scripted visit, what of its plan could not be done."""


def scripted_visits(kind: StoreKind, driver: str, numbers: Sequence[int]) -> Visited:
    """One visit of the scripted shopper for each number of a plan."""
    shoppers = {number: ScriptedShopper(kind.plan(number)) for number in numbers}
    store = kind.make()
    with Served(store) as served:
        goals = [goal_for("something", "buy", shop_id=kind.name) for _ in numbers]
        seeds = [
            replace(visit, seed=number) for visit, number in zip(visits_of(goals, 0, "scripted"), numbers, strict=True)
        ]
        episodes = _run(served, driver, seeds, lambda _goal, seed: shoppers[seed])
    return Visited(store, episodes, [shoppers[number].given_up for number in numbers])


def population_visits(
    kind: StoreKind, driver: str, policy: Callable[[int], Policy], codes: Sequence[int | None], seed: int
) -> Visited:
    """One visit of the policy for each persona `code`, interested in what the store sells; every second one wants to buy."""
    store = kind.make()
    wishes = [title.lower() for title in kind.catalogue.collections.values()]
    with Served(store) as served:
        goals = [
            goal_for(wishes[n % len(wishes)], "buy" if n % 2 else "browse", shop_id=kind.name, code=code)
            for n, code in enumerate(codes)
        ]
        visits = visits_of(goals, seed, "population")
        return Visited(store, _run(served, driver, visits, lambda _goal, seed: policy(seed)))


def _run(
    served: Served, driver: str, visits: Sequence[Visit], make_policy: Callable[[Goal, int], Policy]
) -> list[Episode]:
    """The episodes in the order of the visits."""
    finished: list[FinishedVisit] = []
    politeness = PolitenessConfig(robots=False, requests_per_minute=1_000_000)
    config = StoreConfig(driver=driver, politeness=politeness)
    stores = {visit.goal.shop_id: OpenStore(served.url, None) for visit in visits}
    run_visits(config, stores, visits, VisitConditions(LIMITS), make_policy, finished.append)
    by_name = {one.episode.episode_id: one.episode for one in finished}
    return [by_name[visit.name] for visit in visits]
