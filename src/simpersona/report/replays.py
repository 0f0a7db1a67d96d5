"""Simulated visits as a reader can follow them: goal, persona, what the store recorded, and every step."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from simpersona.contracts import persona_token
from simpersona.report.inputs import ReportInputs

MOST_EPISODES = 40
MOST_TREE = 6000
"""Characters of a page that are shown."""


@dataclass(frozen=True)
class Replay:
    """One episode for the page. `actions` counts those tried; `deeds` is what the store's log says happened, in words;
    `cut_off` says that the last of `steps` is only the page on which the visit was ended from outside.
    """

    episode_id: str
    shop: str
    goal: str
    persona: str
    summary: str
    ending: str
    error: str
    actions: int
    seconds: float
    deeds: str
    cut_off: bool
    steps: list[dict[str, Any]]


def replays(inputs: ReportInputs) -> list[Replay]:
    """At most MOST_EPISODES episodes, the same number of each shop as far as there are, in the table's order."""
    steps: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    rows = _spread(inputs.simulated_episodes.to_pylist())
    shown = {row["episode_id"] for row in rows}
    for step in inputs.steps.to_pylist():
        if step["episode_id"] in shown:
            steps[step["episode_id"]].append(step | {"tree": _cut(step["tree"]), "arguments": step["arguments"] or []})
    cards = {row["code"]: row["summary"] for row in inputs.cards.select(["code", "summary"]).to_pylist()}
    return [
        Replay(
            row["episode_id"],
            row["shop_id"],
            row["goal"],
            "no persona token" if row["code"] is None else persona_token(row["code"]),
            cards.get(row["code"], ""),
            row["ending"],
            " ".join(part for part in (row["error_kind"], row["error"]) if part),
            row["steps"],
            row["seconds"],
            _deeds(row),
            row["ending"] != "goal_reached",
            sorted(steps[row["episode_id"]], key=lambda step: step["step"]),
        )
        for row in rows
    ]


def _spread(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    seen: defaultdict[str, int] = defaultdict(int)
    turns: list[tuple[int, int]] = []
    for place, row in enumerate(rows):
        turns.append((seen[row["shop_id"]], place))
        seen[row["shop_id"]] += 1
    return [rows[place] for place in sorted(place for _, place in sorted(turns)[:MOST_EPISODES])]


def _deeds(row: dict[str, Any]) -> str:
    names = {
        "search": "search",
        "collection_view": "collection view",
        "product_view": "product view",
        "add_to_cart": "cart addition",
        "checkout_start": "checkout start",
        "purchase": "order",
    }
    counts = [(row[f"{what}_count"], name) for what, name in names.items()]
    return ", ".join(f"{count} {_plural(name, count)}" for count, name in counts if count) or "nothing recorded"


def _plural(name: str, count: int) -> str:
    if count == 1:
        return name
    return f"{name}es" if name.endswith("ch") else f"{name}s"


def _cut(tree: str) -> str:
    return tree if len(tree) <= MOST_TREE else f"{tree[:MOST_TREE]}\n… {len(tree) - MOST_TREE:,} characters more"
