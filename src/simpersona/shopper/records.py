"""Episodes as tables: one row per episode with what the store's log says happened, one row per step."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from simpersona.contracts import EPISODES, STEPS, Episode, Goal, Step, Verdict
from simpersona.pages import Action, Decision, Message, Page
from simpersona.shopper.prompt import messages_of, progress, refusal

_COUNTED = {
    "product_viewed": "product_view_count",
    "collection_viewed": "collection_view_count",
    "search_submitted": "search_count",
    "product_added_to_cart": "add_to_cart_count",
    "checkout_started": "checkout_start_count",
}


def episode_tables(
    episodes: Sequence[Episode], events: pa.Table, verdicts: Mapping[str, Verdict]
) -> tuple[pa.Table, pa.Table]:
    """(EPISODES, STEPS). Counts come from `events`, the rows (EVENTS) whose buyer_id is the episode id.

    `steps` counts the actions tried; `pages` the distinct addresses seen. An order is an order id;
    completed checkouts without one count as a single order per time stamp.
    """
    by_episode: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in events.to_pylist():
        by_episode[row["buyer_id"]].append(row)
    rows = [
        _episode_row(episode, by_episode[episode.episode_id], verdicts.get(episode.episode_id)) for episode in episodes
    ]
    steps = [_step_row(episode, step) for episode in episodes for step in episode.steps]
    return (
        EPISODES.check(pa.Table.from_pylist(rows, schema=EPISODES.schema)),
        STEPS.check(pa.Table.from_pylist(steps, schema=STEPS.schema)),
    )


def sent_prompts(
    episode: Mapping[str, Any],
    steps: Sequence[Mapping[str, Any]],
    prompt: Callable[[Goal, Sequence[str], str], list[Message]] = messages_of,
) -> list[list[Message] | None]:
    """What the language model was sent at each step, byte for byte: from the episode's row (EPISODES) and its rows of
    STEPS in order, in the words of `prompt` (`messages_of`, or `short_messages_of` with agent.prompt = "short").
    None for a step without a model's answer. Where an answer was refused, it is the second question.
    """
    goal = Goal(episode["goal"], episode["shop_id"], "", "", episode["code"])
    done = [_done(row) for row in steps]
    return [
        prompt(goal, [*progress(done[0].page.url, done[:place]), *_refusal(row)], row["tree"])
        if row["reply"] is not None
        else None
        for place, row in enumerate(steps)
    ]


def _refusal(row: Mapping[str, Any]) -> list[str]:
    return [] if row["refused"] is None else [refusal(row["refused"])]


def _done(row: Mapping[str, Any]) -> Step:
    """A row as a step, as far as the progress log tells of it."""
    action = None
    if row["node"] is not None:
        action = Action(row["node"], row["method"], row["description"], tuple(row["arguments"]))
    return Step(
        row["step"],
        Page(row["url"], row["title"], ()),
        Decision(action, row["reasoning"]),
        row["result"],
        row["seconds"],
    )


def trouble_counts(steps: pa.Table) -> dict[str, int]:
    """How often each kind of trouble was survived (STEPS), the most frequent first."""
    counted = Counter(kind for kinds in steps["troubles"].to_pylist() for kind in kinds or ())
    return dict(counted.most_common())


def _episode_row(episode: Episode, events: list[dict[str, Any]], verdict: Verdict | None) -> dict[str, Any]:
    goal, decisions = episode.goal, [step.decision for step in episode.steps]
    counts = {column: sum(row["event"] == event for row in events) for event, column in _COUNTED.items()}
    orders = {row["order_id"] or row["time"] for row in events if row["event"] == "checkout_completed"}
    viewed = dict.fromkeys(row["product_id"] for row in events if row["event"] == "product_viewed")
    return {
        "episode_id": episode.episode_id,
        "shop_id": goal.shop_id,
        "buyer_id": goal.buyer_id,
        "session_id": goal.session_id,
        "code": goal.code,
        "intent": goal.intent,
        "goal": goal.text,
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
        **counts,
        "purchase_count": len(orders),
        "products": [product for product in viewed if product is not None],
        "verified": None if verdict is None else verdict.verified,
        "verdict": None if verdict is None else verdict.reason,
    }


def _step_row(episode: Episode, step: Step) -> dict[str, Any]:
    action = step.decision.action
    return {
        "episode_id": episode.episode_id,
        "step": step.number,
        "url": step.page.url,
        "title": step.page.title,
        "tree": step.page.tree,
        "should_end": step.decision.ends,
        "node": action.node if action else None,
        "method": action.method if action else None,
        "description": action.description if action else None,
        "arguments": list(action.arguments) if action else None,
        "reasoning": step.decision.reasoning,
        "result": step.result,
        "troubles": list(step.page.troubles),
        "seconds": step.seconds,
        "prompt_tokens": step.decision.prompt_tokens or None,
        "reply_tokens": step.decision.reply_tokens or None,
        "reply": step.decision.reply,
        "refused": step.decision.refused,
    }
