"""An experiment's figures as text: rows for the terminal, and one small self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simpersona.evaluation.tables import OUTCOMES
from simpersona.report.formatting import MISSING
from simpersona.report.templating import templates

OUTCOME_LABELS: dict[str, str] = dict(zip(OUTCOMES, ("add to cart", "start a checkout", "purchase"), strict=True))
PLAIN_STORE = {"free_shipping_notice": False, "hidden_search": False, "one_page_checkout": False, "price_factor": 1.0}


@dataclass(frozen=True)
class Row:
    """One outcome of one set of pairs, as texts. `low`, `point` and `high` are positions in 0..100 on a common scale."""

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
    """Rows of one part of the figures (all pairs, a store or a group); `scale` is the largest difference on the scale."""
    outcomes: Mapping[str, Mapping[str, Any]] = part["outcomes"]
    scale = scale or scale_of([part])
    rows = []
    for name, lift in outcomes.items():
        needed = cost["outcomes"][name]["buyers"] if cost else None
        shops = "" if lift["shops_low"] is None else _points(lift["shops_low"], lift["shops_high"])
        low, point, high = (50 + 50 * lift[side] / scale for side in ("low", "difference", "high"))
        relative = MISSING
        if lift["relative"] is not None:
            relative = f"{lift['relative']:+.1%} [{lift['relative_low']:+.1%}, {lift['relative_high']:+.1%}]"
        rows.append(
            Row(
                outcome=OUTCOME_LABELS[name],
                pairs=f"{part['pairs']:,}",
                rate_a=f"{lift['rate_a']:.1%}",
                rate_b=f"{lift['rate_b']:.1%}",
                lift=f"{100 * lift['difference']:+.2f} {_points(lift['low'], lift['high'])}",
                shops=shops,
                relative=relative,
                differ=f"{lift['only_a']:,} / {lift['only_b']:,}",
                p=f"{lift['p_adjusted']:.2g}" if "p_adjusted" in lift else "",
                verdict=lift.get("verdict", ""),
                needed=MISSING if needed is None else f"{needed:,}",
                low=max(low, 0),
                point=min(max(point, 0), 100),
                high=min(high, 100),
            )
        )
    return rows


def scale_of(parts: Iterable[Mapping[str, Any]]) -> float:
    """The largest absolute bound of any difference."""
    bounds = (abs(lift[side]) for part in parts for lift in part["outcomes"].values() for side in ("low", "high"))
    return max(bounds, default=1.0) or 1.0


def store_label(store: Mapping[str, Any]) -> str:
    """A label of an arm's store: its address, or its differences from the plain store."""
    if "url" in store:
        return store["url"]
    changed = [
        name.replace("_", " ") if value is True else f"{name.replace('_', ' ')} {value:g}"
        for name, value in store.items()
        if name in PLAIN_STORE and value != PLAIN_STORE[name]
    ]
    theme = store["theme"]
    return f"{', '.join(changed) or 'the plain store'}" + (f", theme {theme}" if theme != "varied" else "")


def render_experiment(
    figures: Mapping[str, Any], preflight: Mapping[str, Sequence[Mapping[str, Any]]] | None = None
) -> str:
    """The page's HTML. It loads nothing, and every text in it is escaped.

    `preflight` has, by arm, the findings on a store that is not the lab's, before the visits (topic, mark, found, advice).
    """
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
            stores={arm: store_label(figures[arm]) for arm in "ab"},
            rows=outcome_rows(figures, figures["cost"]),
            shops=shops,
            groups=groups,
            names=OUTCOME_LABELS,
            preflight=preflight or {},
        )
    )


def _points(low: float, high: float) -> str:
    return f"[{100 * low:+.2f}, {100 * high:+.2f}]"
