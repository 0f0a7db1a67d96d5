"""What the persona token changes: visits with it and without it (App. I, Table 9)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simpersona.contracts import Metrics
from simpersona.evaluation.measurable import floats, happened, left_out, share, untold
from simpersona.evaluation.metrics_file import MetricsBuilder
from simpersona.evaluation.metrics_table import ABLATION

CRASHES = {
    "crash_storefront": ("StorefrontError", "ChallengeError", "BusyStoreError"),
    "crash_model": ("ModelError",),
    "crash_reply": ("ReplyError",),
}
"""What broke an episode, by the kind of its error (errors.py)."""


def ablation_metrics(episodes: pa.Table) -> Metrics:
    """The keys ablation.* of `episodes` (EPISODES).

    Shares are over all episodes of an arm, depths over those that did not crash. `shops_crash_more` counts the stores where an
    arm crashes more often than the other (Figure 10). A crash is an episode that ended as "other", whatever its cause
    (REFERENCE 22); crash_* name the part that broke.
    """
    builder = MetricsBuilder()
    without = pc.is_null(episodes["code"])
    arms = {"with_token": episodes.filter(pc.invert(without)), "no_token": episodes.filter(without)}
    for arm, table in arms.items():
        figures = _figures(table) if table.num_rows else dict.fromkeys(ABLATION.names) | {"episodes": 0}
        why = "" if table.num_rows else _NO_EPISODE[arm]
        unknown = {name: untold(table, column) for name, column in _COUNTED.items()}
        for name, value in figures.items():
            missing = "" if value is not None else unknown.get(name) or "every episode crashed"
            builder.put(f"ablation.{arm}.{name}", value, why or missing or _left_out(table, name))
    _put_shops(builder, arms)
    return builder.metrics()


def _put_shops(builder: MetricsBuilder, arms: dict[str, pa.Table]) -> None:
    rates = {arm: _crash_rates(table) for arm, table in arms.items()}
    both = sorted(rates["with_token"].keys() & rates["no_token"].keys())
    for arm, other in (("with_token", "no_token"), ("no_token", "with_token")):
        more = sum(rates[arm][shop] > rates[other][shop] for shop in both) if both else None
        note = f"of {len(both)} shops with both arms" if both else "no shop has episodes with and without a token"
        builder.put(f"ablation.shops_crash_more.{arm}", more, note)


def _crash_rates(episodes: pa.Table) -> dict[str, float]:
    shops, crashed = np.asarray(episodes["shop_id"]), np.asarray(episodes["ending"]) == "other"
    return {shop: float(crashed[shops == shop].mean()) for shop in set(shops.tolist())}


_NO_EPISODE = {
    "with_token": "no episode with a persona token",
    "no_token": "no episode without a persona token was asked for (setting simulation.no_token_episodes)",
}


_COUNTED = {"add_to_cart": "add_to_cart_count", "products_mean": "product_view_count"}
"""The figures of events that a store without a log may not tell, with their columns."""


def _left_out(table: pa.Table, name: str) -> str:
    return left_out(table[_COUNTED[name]].null_count, table.num_rows) if name in _COUNTED else ""


def _figures(table: pa.Table) -> dict[str, float | None]:
    endings, kinds = np.asarray(table["ending"]), np.asarray(table["error_kind"].to_pylist(), object)
    crashed = endings == "other"
    depths = {
        "actions_mean": np.asarray(table["steps"]),
        "pages_mean": np.asarray(table["pages"]),
        "products_mean": _products(table),
    }
    return {
        "episodes": table.num_rows,
        "goal_reached": float((endings == "goal_reached").mean()),
        "crash": float(crashed.mean()),
        **{name: float((crashed & np.isin(kinds.astype(str), of)).mean()) for name, of in CRASHES.items()},
        "add_to_cart": share(happened(table, "add_to_cart")),
        "checkout": share(happened(table, "checkout")),
    } | {name: _mean(depth[~crashed]) for name, depth in depths.items()}


def _products(table: pa.Table) -> np.ndarray:
    """The number of distinct products of each visit, nan where its views are unknown."""
    numbers = np.array([len(products or []) for products in table["products"].to_pylist()])
    return np.where(np.isnan(floats(table["product_view_count"])), np.nan, numbers)


def _mean(values: np.ndarray) -> float | None:
    """The mean of the known values; None without any."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
