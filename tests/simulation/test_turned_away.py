"""Visits that a store did not let in are counted by their reason."""

import pyarrow as pa

from simpersona.contracts import EVENTS
from simpersona.errors import BusyStoreError, ChallengeError, StorefrontError
from simpersona.evaluation.ablation import CRASHES
from simpersona.shopper.records import episode_tables
from simpersona.simulation.arms import turned_away_warnings, visit_summary
from simpersona.visits import Episode, Goal

GOAL = Goal("You are here to buy skirts.", "shop", "", "", 1, "buy", "skirts")


def episode(number, error=None):
    ending = "goal_reached" if error is None else "other"
    kind, text = (None, None) if error is None else (type(error).__name__, str(error))
    return Episode(f"scorer-shop-{number}", GOAL, "scorer", number, ending, (), 1.0, kind, text)


def test_visits_that_were_turned_away_are_counted_by_their_reason():
    errors = [None, ChallengeError("bots"), ChallengeError("bots"), BusyStoreError("later"), StorefrontError("gone")]
    episodes = [episode(number, error) for number, error in enumerate(errors)]
    tables = episode_tables(episodes, pa.Table.from_pylist([], schema=EVENTS.schema), {})
    figures, summary = visit_summary(["scorer"], None, *tables)
    assert figures["scorer"]["turned_away"] == {"as_bots": 2, "for_later": 1}
    assert "turned away as bots 2, for later 1" in summary
    bots, later = turned_away_warnings(figures)
    assert bots.startswith("2 of 5 visits met a page that keeps bots out")
    assert later.startswith("1 of 5 visits were asked to come back later")
    assert not turned_away_warnings({"scorer": {"episodes": 1, "turned_away": {"as_bots": 0, "for_later": 0}}})


def test_they_are_failures_of_the_store():
    assert {"ChallengeError", "BusyStoreError"} <= set(CRASHES["crash_storefront"])
