"""Episodes as tables, and back: one row per episode with the counts of the store's log, one row per step."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from simpersona.contracts import EPISODES, NODE, STEPS
from simpersona.pages import Action, Decision, Effect, Message, Node, Page, PageContent
from simpersona.shopper.observed import observed_visit
from simpersona.shopper.prompt import messages
from simpersona.visits import Episode, Goal, Observation, Step, Verdict

_COUNTED = {
    "product_viewed": "product_view_count",
    "collection_viewed": "collection_view_count",
    "search_submitted": "search_count",
    "product_added_to_cart": "add_to_cart_count",
    "checkout_started": "checkout_start_count",
}
COUNTS = (*_COUNTED.values(), "purchase_count")
"""The columns of EPISODES that count events."""
_WITHOUT_NODES = pa.schema([column for column in STEPS.schema if column.name != "nodes"])


def episode_tables(
    episodes: Sequence[Episode], events: pa.Table, verdicts: Mapping[str, Verdict]
) -> tuple[pa.Table, pa.Table]:
    """The tables EPISODES and STEPS. Counts come from `events`, the rows (EVENTS) whose buyer_id is the episode id.

    Of an episode that no store's log recorded, they are inferred from its pages (`observed.observed_visit`), and `events` is
    not used. A kind of event that its pages do not tell is null, and so are orders, which no visitor places there.
    `steps` counts the actions tried; `pages` the distinct addresses seen. An order is an order id;
    completed checkouts without one count as a single order per time stamp.
    """
    by_episode: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in events.to_pylist():
        by_episode[row["buyer_id"]].append(row)
    rows = [
        _episode_row(episode, by_episode[episode.episode_id], verdicts.get(episode.episode_id)) for episode in episodes
    ]
    steps = [(episode, step) for episode in episodes for step in episode.steps]
    flat = pa.Table.from_pylist([_step_row(*pair) for pair in steps], schema=_WITHOUT_NODES)
    nodes = _nodes([step.page for _, step in steps])
    return (
        EPISODES.check(pa.Table.from_pylist(rows, schema=EPISODES.schema)),
        STEPS.check(flat.append_column("nodes", nodes)),
    )


def read_episodes(episodes: pa.Table, steps: pa.Table) -> list[Episode]:
    """The episodes of the tables that `episode_tables` made (EPISODES, STEPS), in their order and equal to the originals."""
    by_episode: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in steps.to_pylist():
        by_episode[row["episode_id"]].append(row)
    return [_episode(row, by_episode[row["episode_id"]]) for row in episodes.to_pylist()]


def sent_prompts(
    episode: Episode, prompt: Callable[[Observation], list[Message]] = messages
) -> list[list[Message] | None]:
    """What the language model was sent at each step, byte for byte. None for a step without a model's answer; where an answer
    was refused, it is the second question.

    `prompt` renders a step: `prompt.messages`, or `short_prompt.short_messages` for `agent.prompt = "short"`.
    """
    return [
        prompt(episode.observation(number)) if step.decision.reply is not None else None
        for number, step in enumerate(episode.steps)
    ]


def _episode(row: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> Episode:
    goal = Goal(
        row["goal"],
        row["shop_id"],
        row["buyer_id"],
        row["session_id"],
        row["code"],
        row["intent"],
        row["wish"],
        of_store=bool(row["wish_of_store"]),
    )
    return Episode(
        row["episode_id"],
        goal,
        row["policy"],
        row["seed"],
        row["ending"],
        tuple(map(_step, steps)),
        row["seconds"],
        row["error_kind"],
        row["error"],
        not row["inferred"],
    )


def _step(row: Mapping[str, Any]) -> Step:
    nodes = tuple(map(_node, row["nodes"]))
    page = Page(
        row["url"],
        row["title"],
        nodes,
        row["failure"],
        row["goes_back"],
        tuple(row["troubles"] or ()),
        effects=tuple(Effect(**effect) for effect in row["effects"] or ()),
        content=None if row["content"] is None else PageContent(**row["content"]),
    )
    action = None
    if row["node"] is not None:
        action = Action(row["node"], row["method"], row["description"], tuple(row["arguments"]))
    decision = Decision(
        action,
        row["reasoning"],
        row["prompt_tokens"] or 0,
        row["reply_tokens"] or 0,
        row["stands_for"],
        row["reply"],
        row["refused"],
    )
    return Step(row["step"], page, decision, row["result"], row["seconds"])


def _node(row: Mapping[str, Any]) -> Node:
    known = {"detail": row.get("detail") or "", "methods": tuple(row.get("methods") or ())}
    return Node(**{**row, "options": tuple(row["options"]), **known})


def _nodes(pages: Sequence[Page]) -> pa.ListArray:
    """The pages' nodes as a column; built by field, which takes far less memory than one dict per node."""
    flat = [node for page in pages for node in page.nodes]
    columns = [pa.array([getattr(node, field.name) for node in flat], field.type) for field in NODE]
    ends = np.cumsum([0, *(len(page.nodes) for page in pages)], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.StructArray.from_arrays(columns, fields=list(NODE)))


def trouble_counts(steps: pa.Table) -> dict[str, int]:
    """The number of faults of each kind that visits survived on the way to pages (STEPS), the most frequent first."""
    counted = Counter(
        kind for kinds in steps["troubles"].to_pylist() for kind in kinds or () if kind != "checkout_reached"
    )
    return dict(counted.most_common())


def _episode_row(episode: Episode, events: list[dict[str, Any]], verdict: Verdict | None) -> dict[str, Any]:
    goal, decisions = episode.goal, [step.decision for step in episode.steps]
    counted = _recorded(events) if episode.recorded else _inferred(episode)
    return {
        "episode_id": episode.episode_id,
        "shop_id": goal.shop_id,
        "buyer_id": goal.buyer_id,
        "session_id": goal.session_id,
        "code": goal.code,
        "intent": goal.intent,
        "goal": goal.text,
        "wish": goal.wish,
        "wish_of_store": goal.of_store,
        "policy": episode.policy,
        "seed": episode.seed,
        "ending": episode.ending,
        "error_kind": episode.error_kind,
        "error": episode.error,
        "steps": sum(not decision.ends for decision in decisions),
        "pages": len({step.page.url for step in episode.steps}),
        "prompt_tokens": sum(decision.prompt_tokens for decision in decisions),
        "reply_tokens": sum(decision.reply_tokens for decision in decisions),
        "seconds": episode.seconds,
        **counted,
        "products": None if counted["views"] is None else list(dict.fromkeys(counted["views"])),
        "verified": None if verdict is None else verdict.verified,
        "verdict": None if verdict is None else verdict.reason,
    }


def _recorded(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The counts and products of a store's own rows (EVENTS)."""
    orders = {row["order_id"] or row["time"] for row in events if row["event"] == "checkout_completed"}
    return {
        **{column: sum(row["event"] == event for row in events) for event, column in _COUNTED.items()},
        "purchase_count": len(orders),
        "views": _product_ids(events, "product_viewed"),
        "additions": _product_ids(events, "product_added_to_cart"),
    }


def _inferred(episode: Episode) -> dict[str, Any]:
    """The same of a visit that no log recorded; None for what its pages do not tell."""
    seen = observed_visit(episode)
    names = Counter[str](event.event for event in seen.events)
    ids = [{"event": event.event, "product_id": event.product_id} for event in seen.events]
    return {
        **{column: None if event in seen.unknown else names[event] for event, column in _COUNTED.items()},
        "purchase_count": names["checkout_completed"] or None,
        **{
            column: None if event in seen.unknown else _product_ids(ids, event)
            for column, event in (("views", "product_viewed"), ("additions", "product_added_to_cart"))
        },
        "inferred": list(COUNTS),
        "inferred_events": [
            {
                name: getattr(event, name)
                for name in ("event", "evidence", "step", "product_id", "collection_id", "query")
            }
            for event in seen.events
        ],
    }


def _product_ids(events: list[dict[str, Any]], event: str) -> list[str]:
    """The products of the events of this name, in order; an event whose product is not known is left out."""
    return [row["product_id"] for row in events if row["event"] == event and row["product_id"] is not None]


def _step_row(episode: Episode, step: Step) -> dict[str, Any]:
    action = step.decision.action
    return {
        "episode_id": episode.episode_id,
        "step": step.number,
        "url": step.page.url,
        "title": step.page.title,
        "tree": step.page.tree,
        "goes_back": step.page.goes_back,
        "failure": step.page.failure,
        "should_end": step.decision.ends,
        "node": action.node if action else None,
        "method": action.method if action else None,
        "description": action.description if action else None,
        "arguments": list(action.arguments) if action else None,
        "stands_for": step.decision.stands_for,
        "reasoning": step.decision.reasoning,
        "result": step.result,
        "troubles": list(step.page.troubles),
        "seconds": step.seconds,
        "prompt_tokens": step.decision.prompt_tokens or None,
        "reply_tokens": step.decision.reply_tokens or None,
        "reply": step.decision.reply,
        "refused": step.decision.refused,
        "effects": [asdict(effect) for effect in step.page.effects] or None,
        "content": None if step.page.content is None else asdict(step.page.content),
    }
