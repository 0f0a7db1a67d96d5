"""What the persona token changes: episodes with it and without it (App. I, Table 9)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simpersona.contracts import Metrics
from simpersona.evaluation.metrics import Findings

FIGURES = ("crash", "add_to_cart", "checkout", "actions_mean", "pages_mean", "products_mean")


def ablation_metrics(episodes: pa.Table) -> Metrics:
    """The keys ablation.*: shares over all episodes of an arm, depths over those that did not crash.

    A crash is an episode that ended as "other", whatever its cause (REFERENCE 22).
    """
    found = Findings()
    without = pc.is_null(episodes["code"])
    arms = {"with_token": episodes.filter(pc.invert(without)), "no_token": episodes.filter(without)}
    for arm, table in arms.items():
        figures = _figures(table) if table.num_rows else dict.fromkeys(FIGURES)
        why = "" if table.num_rows else _NO_EPISODE[arm]
        for name, value in figures.items():
            found.put(f"ablation.{arm}.{name}", value, why or ("" if value is not None else "every episode crashed"))
    return found.metrics()


_NO_EPISODE = {
    "with_token": "no episode with a persona token",
    "no_token": "no episode without a persona token was asked for (setting simulation.no_token_episodes)",
}


def _figures(table: pa.Table) -> dict[str, float | None]:
    crashed = np.asarray(table["ending"]) == "other"
    checkout = (np.asarray(table["checkout_start_count"]) > 0) | (np.asarray(table["purchase_count"]) > 0)
    depths = {
        "actions_mean": np.asarray(table["steps"]),
        "pages_mean": np.asarray(table["pages"]),
        "products_mean": np.array([len(products or []) for products in table["products"].to_pylist()]),
    }
    return {
        "crash": float(crashed.mean()),
        "add_to_cart": float((np.asarray(table["add_to_cart_count"]) > 0).mean()),
        "checkout": float(checkout.mean()),
    } | {name: None if crashed.all() else float(depth[~crashed].mean()) for name, depth in depths.items()}
