"""Visits to step through: goal, persona, what the store recorded, and every step with its page.

The result is plain data for `replay.js`, which shows it as text.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.contracts import persona_token
from simpersona.report.formatting import counted
from simpersona.report.policies import policy_label

MOST_TREE = 20_000
"""The most characters of a page that are shown."""
REACHED = ("order", "checkout", "cart", "product", "nothing")
"""How far a visit went, by the store's log; the deepest first."""

Pictures = Callable[[str], Mapping[int, bytes]]


@dataclass
class Replays:
    """The data of the viewer. `pages` holds each distinct page once, `pictures` JPEGs in base64 by "episode/step"."""

    episodes: list[dict[str, Any]] = field(default_factory=list)
    pages: list[dict[str, str]] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)
    pictures_left_out: int = 0

    @property
    def packed(self) -> str:
        """Episodes and pages as gzipped JSON in base64."""
        text = json.dumps({"episodes": self.episodes, "pages": self.pages}, separators=(",", ":"), allow_nan=False)
        return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode("ascii")


def replays(episodes: pa.Table, steps: pa.Table, cards: pa.Table, pictures: Pictures, picture_bytes: int) -> Replays:
    """The visits of `episodes` (EPISODES) with their `steps` (STEPS).

    Pictures up to `picture_bytes` in all are included, in the table's order; the number of the others is counted.
    """
    rows = episodes.to_pylist()
    wanted = pa.array([row["episode_id"] for row in rows], pa.string())
    by_episode: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    shown = steps.drop_columns(["nodes"]).filter(pc.is_in(steps["episode_id"], wanted))  # the tree is enough
    for step in shown.to_pylist():
        by_episode[step["episode_id"]].append(step)
    summaries = {row["code"]: row["summary"] for row in cards.select(["code", "summary"]).to_pylist()}
    result = Replays()
    page_numbers: dict[tuple[str, str, str], int] = {}
    for row in rows:
        visit_steps = sorted(by_episode[row["episode_id"]], key=lambda step: step["step"])
        inferred = _inferred_by_step(row)
        shown_steps = [
            _step(step, page_numbers) | ({"inferred": inferred[step["step"]]} if step["step"] in inferred else {})
            for step in visit_steps
        ]
        result.episodes.append(_episode(row, summaries) | {"steps": shown_steps})
        for number, picture in sorted(pictures(row["episode_id"]).items()):
            picture_bytes -= len(picture)
            if picture_bytes < 0:
                result.pictures_left_out += 1
            else:
                result.pictures[f"{row['episode_id']}/{number}"] = base64.b64encode(picture).decode("ascii")
    result.pages = [{"url": url, "title": title, "tree": _cut(tree)} for url, title, tree in page_numbers]
    return result


def sample(episodes: pa.Table, most: int) -> pa.Table:
    """At most `most` visits, from every policy and store in turn, and within them from every depth in turn. Not in proportion."""
    turns: defaultdict[tuple[str, ...], int] = defaultdict(int)
    ranked: list[tuple[int, int, int]] = []
    for index, row in enumerate(episodes.select([*_COUNTS, "policy", "shop_id"]).to_pylist()):
        group, reached = (row["policy"], row["shop_id"]), _reached(row)
        turn = turns[*group, reached]
        turns[*group, reached] += 1
        ranked.append((turn, REACHED.index(reached), index))
    groups: defaultdict[tuple[str, str], int] = defaultdict(int)
    fair: list[tuple[int, int]] = []
    keys = list(zip(episodes["policy"].to_pylist(), episodes["shop_id"].to_pylist(), strict=True))
    for _, _, index in sorted(ranked):
        fair.append((groups[keys[index]], index))
        groups[keys[index]] += 1
    return episodes.take(pa.array(sorted(index for _, index in sorted(fair)[:most]), pa.int64()))


def _episode(row: dict[str, Any], summaries: Mapping[int, str]) -> dict[str, Any]:
    code = row["code"]
    return {
        "id": row["episode_id"],
        "shop": row["shop_id"],
        "goal": row["goal"],
        "code": code,
        "persona": "no persona token" if code is None else persona_token(code),
        "summary": "" if code is None else summaries.get(code, ""),
        "policy": policy_label(row["policy"]),
        "ending": row["ending"],
        "error": " ".join(part for part in (row["error_kind"], row["error"]) if part),
        "actions": row["steps"],
        "seconds": round(row["seconds"], 2),
        "tokens": row["prompt_tokens"] + row["reply_tokens"],
        "reached": _reached(row),
        "recorded": recorded_actions(row),
        "inferred": bool(row["inferred"]),
        "verdict": ""
        if row["verified"] is None
        else f"{'verified' if row['verified'] else 'rejected'}: {row['verdict']}",
    }


def _step(step: dict[str, Any], page_numbers: dict[tuple[str, str, str], int]) -> dict[str, Any]:
    page = page_numbers.setdefault((step["url"], step["title"], step["tree"]), len(page_numbers))
    values = {
        "page": page,
        "ends": step["should_end"],
        "node": step["node"],
        "method": step["method"],
        "does": step["description"],
        "arguments": step["arguments"] or [],
        "why": step["reasoning"],
        "result": step["result"],
        "troubles": step["troubles"] or [],
        "seconds": round(step["seconds"], 2),
        "tokens": (step["prompt_tokens"] or 0) + (step["reply_tokens"] or 0),
    }
    return {name: value for name, value in values.items() if value is not False and value not in ("", None, [])}


_COUNTS = tuple(
    f"{what}_count"
    for what in ("purchase", "checkout_start", "add_to_cart", "product_view", "collection_view", "search")
)


def _reached(row: Mapping[str, Any]) -> str:
    return next((name for name, count in zip(REACHED, _COUNTS, strict=False) if row[count]), "nothing")


def _inferred_by_step(row: Mapping[str, Any]) -> dict[int, list[str]]:
    """The events inferred at each step, with the evidence: "product viewed (address)"."""
    by_step: defaultdict[int, list[str]] = defaultdict(list)
    for event in row["inferred_events"] or ():
        names = (event[name].replace("_", " ") for name in ("event", "evidence"))
        by_step[event["step"]].append("{} ({})".format(*names))
    return dict(by_step)


def recorded_actions(row: Mapping[str, Any]) -> str:
    """The actions in a visit (a row of EPISODES) that the store recorded, or that are inferred: "2 searches, 1 order".

    Of an inferred visit it also says what is not known.
    """
    names = {
        "search": ("search", "searches"),
        "collection_view": ("list", "lists"),
        "product_view": ("product", "products"),
        "add_to_cart": ("add to cart", "adds to cart"),
        "checkout_start": ("checkout started", "checkouts started"),
        "purchase": ("order", "orders"),
    }
    counts = [(row[f"{action}_count"], *forms) for action, forms in names.items()]
    known = ", ".join(counted(count, singular, plural) for count, singular, plural in counts if count) or "nothing"
    unknown = ", ".join(plural for count, _, plural in counts if count is None)
    return f"{known} (not known: {unknown})" if unknown else known


def _cut(tree: str) -> str:
    return tree if len(tree) <= MOST_TREE else f"{tree[:MOST_TREE]}\n… {len(tree) - MOST_TREE:,} characters more"
