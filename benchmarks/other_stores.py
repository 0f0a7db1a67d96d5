"""Stores of other software: visits to three of them, and how well what is inferred agrees with the stores' own records."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from benchmarks.results import Section, Table, number
from benchmarks.storefronts.accuracy import MEASURED, accuracies, logged_kinds, without_effect
from benchmarks.storefronts.visiting import STORES, StoreKind, Visited, population_visits, scripted_visits
from simpersona.pack.pack import Pack, load_pack
from simpersona.visits import Episode

VISITS = int(os.environ.get("SIMPERSONA_BENCH_STORE_VISITS", "96"))
"""Visits of the pack's scorer to each store with each driver; the scripted shopper makes a third as many."""
AIM = 0.95
"""The lowest precision and recall that are good enough."""
MAX_IDLE = 0.05
"""The largest share of actions without effect that is good enough."""
WHAT = (
    "Three stores in the manner of other shop software, served from the benchmark's own process "
    "([benchmarks/storefronts](storefronts)): pages from the server with addresses for search engines (as Magento), a single page "
    "drawn by a script with its cart in the browser (as React), and a German store with controls as Radix's and a cookie banner "
    "over the page. Nobody can order there. Each keeps a record of its own, which the visitors never see. Two "
    "shoppers visit them: one with a plan (search, product, options, cart, checkout, with failing additions), and the scorer of "
    "the shipped pack, which was trained in the lab's stores only, with the pack's personas in turn; every second visit is to buy."
)


def section(visits: int = VISITS, stores: Mapping[str, StoreKind] = STORES) -> Section:
    """`visits` of the scorer to each of the `stores` with each driver, a third as many of the scripted shopper."""
    pack = load_pack("default")
    agreement: list[list[str]] = []
    course: list[list[str]] = []
    for name, kind in stores.items():
        for driver in kind.drivers:
            for shopper, visited in _visits(pack, kind, driver, visits):
                label = f"{kind.label}, {driver}, {shopper}"
                agreement.append([label, *_agreement(visited)])
                course.append([label, *_course(visited)])
                print(f"{name}: " + "; ".join(course[-1]), agreement[-1][1:], flush=True)
    tables = [
        (
            Table(("precision / recall", *MEASURED), agreement),
            (
                "Events inferred from the visits beside those of the store's record, matched in the order of each visit; in brackets how "
                f"many the record has. A failed addition is no addition. Aim: {AIM} each."
            ),
        ),
        (
            Table(
                (
                    "",
                    "visits",
                    "orders",
                    "actions",
                    "without effect",
                    "ended by themselves",
                    "buyers who added",
                    "of these ended",
                ),
                course,
            ),
            (
                "Without effect: the action failed, or the page that the shopper sees did not change. Ended by themselves: left, or "
                "reached the checkout, where a visit ends. Buyers who added: visits to buy with an addition in the store's record. "
                f"Aims: no order, under {MAX_IDLE:.0%} without effect, all buyers who added end by themselves."
            ),
        ),
    ]
    return Section("other_stores", WHAT, tables, ("torch", "playwright"))


def _visits(pack: Pack, kind: StoreKind, driver: str, visits: int) -> list[tuple[str, Visited]]:
    make_policy = pack.agent("scorer")
    codes = [n % int(pack.about["codes"]) for n in range(visits)]
    return [
        ("plan", scripted_visits(kind, driver, range(max(visits // 3, 1)))),
        ("scorer", population_visits(kind, driver, partial(make_policy), codes, seed=7)),
    ]


def _agreement(visited: Visited) -> list[str]:
    found = accuracies(visited.episodes, visited.store.log)
    return [f"{number(one.precision)} / {number(one.recall)} ({one.logged})" for one in found.values()]


def _course(visited: Visited) -> list[str]:
    episodes, log = visited.episodes, visited.store.log
    actions = sum(step.decision.action is not None for episode in episodes for step in episode.steps)
    idle = sum(len(without_effect(episode)) for episode in episodes)
    added = [
        episode for episode in episodes if episode.goal.intent == "buy" and "add to cart" in logged_kinds(episode, log)
    ]
    return [
        str(len(episodes)),
        str(log.orders),
        str(actions),
        f"{idle / max(actions, 1):.1%}",
        f"{_ended(episodes)} of {len(episodes)}",
        str(len(added)),
        f"{_ended(added)} of {len(added)}",
    ]


def _ended(episodes: Sequence[Episode]) -> int:
    """Visits that no limit and no fault has ended."""
    endings = Counter(episode.ending for episode in episodes)
    return endings["goal_reached"] + endings["checkout_reached"]
