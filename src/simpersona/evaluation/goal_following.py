"""Do simulated buyers look at what their goal names? Product views and additions to the cart of the wanted type.

A goal names the most common product type of the recorded session that it was taken from (`shopper.goals.category`). The real
side is these very sessions, each as often as it gave a goal, so that both sides have the same goals. The paper has no such figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int, Num, Shaped

from simpersona.contracts import Metrics
from simpersona.evaluation.measurable import is_inferred, untold
from simpersona.evaluation.metrics_file import MetricsBuilder
from simpersona.evaluation.metrics_table import FOLLOWED, FOLLOWING_DIFFERENCE, GOAL_FOLLOWING
from simpersona.evaluation.resampling import interval95, times_drawn
from simpersona.shopper.goals import plain_wish

Types = Mapping[str, Mapping[str, str]]
"""By store, the type of each product, spelled as in a goal."""
SESSION = ("shop_id", "buyer_id", "session_id")


@dataclass(frozen=True)
class Followed:
    """What each of n visits, and the session that gave it its goal, did.

    The last two axes are the figures of FOLLOWED and (of the wanted type, all): product views, additions to the cart, and the
    visit itself, which counts as of the wanted type if one of its views does.
    """

    shops: Shaped[np.ndarray, " n"]
    agent: Int[np.ndarray, "n 3 2"]
    real: Int[np.ndarray, "n 3 2"]
    left_out: int
    """Visits whose goal names no product type of the store, or whose session is not recorded."""


def goal_following_metrics(
    episodes: pa.Table, sessions: pa.Table, products: pa.Table, replicates: int, seed: int
) -> Metrics:
    """The keys goal_following.*, from the visits with a persona token (EPISODES), the sessions that gave them their goals
    (SESSIONS, with the timelines) and the catalogue (PRODUCTS).

    A product without a known type is left out of both sides. The intervals resample stores; both sides, and so their difference,
    share the samples.
    """
    played, types = episodes.filter(pc.is_valid(episodes["code"])), _types(products)
    followed = matched_visits(played, sessions, types)
    builder = MetricsBuilder()
    builder.put("goal_following.visits", len(followed.shops))
    builder.put("goal_following.left_out", followed.left_out)
    if not len(followed.shops):
        why = _why_none(played, sessions, types)
        for metric in (*GOAL_FOLLOWING.metrics(), *FOLLOWING_DIFFERENCE.metrics()):
            builder.put(metric.key, None, why)
        return builder.metrics()

    shops, index = np.unique(followed.shops, return_inverse=True)
    unmatched = NOT_IN_CATALOGUE if _all_unknown(played, followed) else ""
    sides = {"agent": _by_shop(followed.agent, index, len(shops)), "real": _by_shop(followed.real, index, len(shops))}
    drawn = times_drawn(len(shops), replicates, seed)
    for side, counts in sides.items():
        for column, name in enumerate(("product_view_count", "add_to_cart_count")):
            key, is_known = f"goal_following.{side}.{name}", not unmatched or side == "real"
            builder.put(key, int(counts[:, column, 1].sum()) if is_known else None, "" if is_known else unmatched)
    for column, name in enumerate(FOLLOWED):
        parts = {side: counts[:, column] for side, counts in sides.items()}
        points = {side: _share(part.sum(axis=0)) for side, part in parts.items()}
        samples = {side: _share(drawn @ part) for side, part in parts.items()}
        for figures in (points, samples):
            figures["difference"] = figures["agent"] - figures["real"]
        for row, point in points.items():
            known = bool(np.isfinite(point)) and not (unmatched and row != "real")
            interval = interval95(samples[row]) if known and len(shops) > 1 else None
            missing = unmatched if unmatched and row != "real" else _NOTHING[name]
            key, why = f"goal_following.{row}.{name}", "needs visits to two stores or more" if known else missing
            builder.put(key, float(point) if known else None, "" if known else why)
            builder.put(f"{key}_ci95", interval, "" if interval else why)
    return builder.metrics()


def matched_visits(episodes: pa.Table, sessions: pa.Table, types: Types) -> Followed:
    """The visits (EPISODES) that want a product type of their store, each with its recorded session (SESSIONS)."""
    recorded = {
        tuple(row[name] for name in SESSION): row["timeline"] or ()
        for row in sessions.select([*SESSION, "timeline"]).to_pylist()
    }
    wishes = {shop: set(known.values()) for shop, known in types.items()}
    shops: list[str] = []
    agent: list[list[list[int]]] = []
    real: list[list[list[int]]] = []
    for row in episodes.select([*SESSION, "wish", "views", "additions"]).to_pylist():
        shop, timeline = row["shop_id"], recorded.get(tuple(row[name] for name in SESSION))
        if timeline is None or row["views"] is None or row["wish"] not in wishes.get(shop, ()):
            continue
        shops.append(shop)
        known = types[shop]
        agent.append(_counts(known, row["wish"], row["views"], row["additions"] or ()))  # those that are known
        seen, added = (_products(timeline, event) for event in ("product_viewed", "product_added_to_cart"))
        real.append(_counts(known, row["wish"], seen, added))
    sides = (np.array(side, np.int64).reshape(-1, len(FOLLOWED), 2) for side in (agent, real))
    return Followed(np.array(shops, np.str_), *sides, left_out=episodes.num_rows - len(shops))


def _types(products: pa.Table) -> Types:
    types: dict[str, dict[str, str]] = {}
    for row in products.select(["shop_id", "product_id", "product_type"]).to_pylist():
        if row["product_type"]:
            types.setdefault(row["shop_id"], {})[row["product_id"]] = plain_wish(row["product_type"])
    return types


def _counts(known: Mapping[str, str], wish: str, views: Sequence[str], additions: Sequence[str]) -> list[list[int]]:
    viewed, added = ([known[product] for product in products if product in known] for products in (views, additions))
    seen = [int(wish in viewed), int(bool(viewed) or not views)]  # where no viewed product has a type, it is unknown
    return [[viewed.count(wish), len(viewed)], [added.count(wish), len(added)], seen]


def _products(timeline: Iterable[Mapping[str, Any]], event: str) -> list[str]:
    return [moment["product_id"] for moment in timeline if moment["event"] == event and moment["product_id"]]


NOT_IN_CATALOGUE = "cannot be measured: the ids of the products that visitors saw are inferred from the store's pages, and the catalogue has none of them"


def _all_unknown(played: pa.Table, followed: Followed) -> bool:
    """Whether visits with inferred events saw products, and the catalogue knows none of these."""
    views = any(products for products in played["views"].to_pylist())
    return is_inferred(played) and views and not followed.agent[:, 0, 1].sum()


def _by_shop(counts: Int[np.ndarray, "n 3 2"], shop: Int[np.ndarray, " n"], shops: int) -> Int[np.ndarray, "shops 3 2"]:
    sums = np.zeros((shops, *counts.shape[1:]), np.int64)
    np.add.at(sums, shop, counts)
    return sums


def _share(counts: Num[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b"]:
    of_all = counts[..., 1].astype(float)
    return np.divide(counts[..., 0], of_all, out=np.full(of_all.shape, np.nan), where=of_all > 0)


_NOTHING = {
    "views": "no view of a product with a known type",
    "additions": "no addition to the cart of a product with a known type",
    "saw": "no visit whose products have known types",
}


def _why_none(played: pa.Table, sessions: pa.Table, types: Types) -> str:
    if not played.num_rows:
        return "no visit with a persona token"
    if played["views"].null_count == played.num_rows:
        if is_inferred(played):
            return untold(played, "product_view_count")
        return (
            "the visits are of an earlier version, which did not record the products; run `simpersona simulate --force`"
        )
    if not types:
        return "the catalogue has no product types"
    if not sessions.num_rows:
        return "the sessions that gave the goals are not recorded"
    return "no goal names a product type of its store"
