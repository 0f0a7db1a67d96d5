"""An experiment's figures in words: rows for the terminal, and one small self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simpersona.report.templating import templates

MISSING = "–"
NAMES = {"add_to_cart": "add to cart", "checkout_start": "start a checkout", "purchase": "purchase"}
PLAIN = {"free_shipping_notice": False, "hidden_search": False, "one_page_checkout": False, "price_factor": 1.0}


@dataclass(frozen=True)
class Row:
    """One outcome of one set of pairs; the texts are for people, the places (0..100) for a drawing on a common scale."""

    outcome: str
    pairs: str
    rate_a: str
    rate_b: str
    lift: str
    shops: str
    relative: str
    differ: str
    p: str
    verdict: str
    needed: str
    low: float
    point: float
    high: float


def outcome_rows(
    part: Mapping[str, Any], cost: Mapping[str, Any] | None = None, scale: float | None = None
) -> list[Row]:
    """Rows of one part of the figures (the whole, a shop or a group); `scale` is the largest difference that is drawn."""
    outcomes: Mapping[str, Mapping[str, Any]] = part["outcomes"]
    scale = scale or scale_of([part])
    rows = []
    for name, it in outcomes.items():
        needed = cost["outcomes"][name]["buyers"] if cost else None
        shops = "" if it["shops_low"] is None else _points(it["shops_low"], it["shops_high"])
        low, point, high = (50 + 50 * it[side] / scale for side in ("low", "difference", "high"))
        relative = MISSING
        if it["relative"] is not None:
            relative = f"{it['relative']:+.1%} [{it['relative_low']:+.1%}, {it['relative_high']:+.1%}]"
        rows.append(
            Row(
                outcome=NAMES[name],
                pairs=f"{part['pairs']:,}",
                rate_a=f"{it['rate_a']:.1%}",
                rate_b=f"{it['rate_b']:.1%}",
                lift=f"{100 * it['difference']:+.2f} {_points(it['low'], it['high'])}",
                shops=shops,
                relative=relative,
                differ=f"{it['only_a']:,} / {it['only_b']:,}",
                p=f"{it['p_adjusted']:.2g}" if "p_adjusted" in it else "",
                verdict=it.get("verdict", ""),
                needed=MISSING if needed is None else f"{needed:,}",
                low=max(low, 0),
                point=min(max(point, 0), 100),
                high=min(high, 100),
            )
        )
    return rows


def scale_of(parts: Iterable[Mapping[str, Any]]) -> float:
    """The largest bound of any difference."""
    bounds = (abs(it[side]) for part in parts for it in part["outcomes"].values() for side in ("low", "high"))
    return max(bounds, default=1.0) or 1.0


def store_words(store: Mapping[str, Any]) -> str:
    """What an arm's store is: its address, or what differs from the plain one."""
    if "url" in store:
        return store["url"]
    changed = [
        name.replace("_", " ") if value is True else f"{name.replace('_', ' ')} {value:g}"
        for name, value in store.items()
        if name in PLAIN and value != PLAIN[name]
    ]
    theme = store["theme"]
    return f"{', '.join(changed) or 'the plain store'}" + (f", theme {theme}" if theme != "varied" else "")


def render_experiment(figures: Mapping[str, Any]) -> str:
    """The page's HTML. It loads nothing from anywhere; every text that came in is escaped."""
    groups = {
        group: {name: outcome_rows(part, scale=scale_of(parts.values())) for name, part in parts.items()}
        for group, parts in figures["groups"].items()
        if parts
    }
    shops = {
        name: (part, outcome_rows(part, scale=scale_of(figures["shops"].values())))
        for name, part in figures["shops"].items()
    }
    return (
        templates()
        .get_template("experiment.html.j2")
        .render(
            figures=figures,
            stores={arm: store_words(figures[arm]) for arm in "ab"},
            rows=outcome_rows(figures, figures["cost"]),
            shops=shops,
            groups=groups,
            names=NAMES,
        )
    )


def _points(low: float, high: float) -> str:
    return f"[{100 * low:+.2f}, {100 * high:+.2f}]"
