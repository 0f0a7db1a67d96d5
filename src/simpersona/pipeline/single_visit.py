"""One visit of one simulated buyer to one store: `simpersona.visit`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pyarrow as pa

from simpersona.config import Driver, StoreConfig
from simpersona.config.address import address_problem, without_secrets
from simpersona.config.file import parse_config
from simpersona.contracts import EVENTS
from simpersona.errors import ConfigError
from simpersona.evaluation.measurable import INFERRED
from simpersona.evaluation.metrics_table import ENDING_LABELS
from simpersona.files import write_text
from simpersona.pack.pack import Pack, load_pack
from simpersona.report.replays import recorded_actions, replays
from simpersona.report.viewer import render_viewer
from simpersona.shopper.goals import SOMETHING, goal_for, plain_wish
from simpersona.shopper.records import episode_tables
from simpersona.shopper.rollout import Visit
from simpersona.simulation.journal import FinishedVisit
from simpersona.simulation.visits import Limits, OpenStore, VisitConditions, require_answer, run_visits
from simpersona.visits import Ending, Episode, Goal, Intent, Step


@dataclass(frozen=True)
class StoreVisit:
    """A visit that has ended.

    The counts in `row` are inferred from what the store did and showed: only the lab's stores provide an event log. A count
    that nothing tells is None, and so are orders, which no buyer places there.
    """

    episode: Episode
    """The typed record."""
    row: pa.Table
    """The visit as one row (shape of EPISODES)."""
    table: pa.Table
    """The steps as a table (shape of STEPS): the page, the action, its result."""
    cards: pa.Table
    """The persona cards of the pack (shape of CARDS)."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, typed: each with its page, the decision and the result."""
        return self.episode.steps

    @property
    def ending(self) -> Ending:
        """How the visit ended: goal_reached (the buyer left), checkout_reached (nothing is ordered there), steps_limit,
        time_limit, or other (it failed).
        """
        return self.episode.ending

    def write_replay(self, path: str | Path) -> Path:
        """Writes one self-contained HTML page that steps through the visit, and returns its path."""
        out = Path(path)
        out.parent.mkdir(parents=True, exist_ok=True)
        pages = replays(self.row, self.table, self.cards, lambda _: {}, 0)
        write_text(out, render_viewer(pages, f"A visit to {self.episode.goal.shop_id}"))
        return out

    def lines(self) -> Iterator[str]:
        """The visit in plain English: the goal, one line per step, and the ending."""
        yield self.episode.goal.text
        for step in self.steps:
            action = step.decision.action
            if action is not None:
                yield f"{step.number:3}  {action.method}: {action.description}  {step.result}"
        row = self.row.to_pylist()[0]
        failure = f" ({self.episode.error_kind}: {self.episode.error})" if self.episode.error else ""
        yield f"{ENDING_LABELS[self.ending]}{failure}: {recorded_actions(row)}"
        if row["inferred"]:
            yield f"These events are {INFERRED}."

    def __repr__(self) -> str:
        return f"<visit to {self.episode.goal.shop_id}: {len(self.steps)} steps, {self.ending}>"


def visit(
    url: str,
    persona: int | None = None,
    *,
    pack: Pack | str | Path = "default",
    goal: str | None = None,
    intent: Intent | None = None,
    policy: Literal["scorer", "lm"] | None = None,
    driver: Driver = "http",
    seed: int = 0,
    max_steps: int = 30,
    time_limit_seconds: float = 180,
    temperature: float = 1.0,
    store: StoreConfig | Mapping[str, Any] | None = None,
) -> StoreVisit:
    """Sends one simulated buyer to the store at `url` and returns the steps. The buyer never pays.

    `persona` is a code of the `pack` (a Pack, or anything that `load_pack` opens); None is a buyer without a persona token.
    `goal` is a text such as "You are here to buy skirts."; by default it names what the persona views most, and with
    `intent` ("buy" or "browse") also the intent. `policy` is "scorer" or "lm", by default the pack's first one. `driver` is
    "http" (pages that need no script) or "browser" (Chromium). The same `seed` draws the same moves on the same pages.
    `store` holds settings of the section [store], such as the politeness towards stores.

    A visit that fails returns with the ending "other" and its reason. Raises ConfigError for a wrong argument, a missing
    extra, or a store that does not answer.
    """
    opened = pack if isinstance(pack, Pack) else load_pack(pack)
    settings = store if isinstance(store, StoreConfig) else parse_config({"store": dict(store or {})}, "visit").store
    _require(url, driver, intent, max_steps)
    make_policy = opened.agent(policy, temperature=temperature)
    host, wish = urlsplit(url).netloc, _wish(opened, persona)
    aim = goal_for(wish, intent, shop_id=host, code=persona)
    if goal is not None:
        aim = Goal(goal, host, "", "", persona, intent)
    planned = Visit(f"visit-{host}", aim, seed)
    require_answer(url, "url", settings)
    finished: list[FinishedVisit] = []
    conditions = VisitConditions(Limits(max_steps, time_limit_seconds, concurrency=1), url, driver=driver)
    stores = {host: OpenStore(url, None)}
    run_visits(settings, stores, [planned], conditions, lambda _goal, seed: make_policy(seed), finished.append)
    episode = finished[0].episode
    row, steps = episode_tables([episode], EVENTS.empty(), {})
    return StoreVisit(episode, row, steps, opened.cards)


def _require(url: str, driver: str, intent: str | None, max_steps: int) -> None:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigError(f"{without_secrets(url)}: expected the address of a store, such as https://my-store.example/")
    if (problem := address_problem(url, login="store.access.login_env", query="store.access.query_env")) is not None:
        raise ConfigError(f"the address of the store: {problem}")
    if driver not in ("http", "browser"):
        raise ConfigError(f"driver {driver!r}: expected http or browser")
    if intent not in (None, "buy", "browse"):
        raise ConfigError(f"intent {intent!r}: expected buy or browse")
    if max_steps < 1:
        raise ConfigError(f"max_steps {max_steps}: expected 1 or more")


def _wish(pack: Pack, persona: int | None) -> str:
    """The product type that the persona's buyers view most, as text for a goal. Raises ConfigError for a wrong code."""
    codes = pack.about["codes"]
    if persona is None:
        return SOMETHING
    if not isinstance(persona, Integral) or not 0 <= persona < codes:
        raise ConfigError(f"persona {persona!r}: the pack {pack.path} has the personas 0 to {codes - 1}")
    types = [row["product_types"] for row in pack.cards.to_pylist() if row["code"] == persona and row["product_types"]]
    return plain_wish(types[0][0]["product_type"]) if types else SOMETHING
