"""The paper's tables with this run's figures: each with its interval, its sample size, and the paper's figure in grey."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from simpersona.contracts import HEADS, LEVELS, SCALARS
from simpersona.evaluation import metrics_table as table
from simpersona.evaluation.metric import Metric
from simpersona.evaluation.metric_lookup import metric
from simpersona.report.formatting import formatted, formatted_interval
from simpersona.report.policies import PolicyFigures
from simpersona.visits import ENDINGS


@dataclass(frozen=True)
class Cell:
    """A figure, its interval and the paper's, as texts; empty where there is none."""

    value: str
    interval: str = ""
    paper: str = ""


@dataclass(frozen=True)
class FigureTable:
    """One table of the page. `rows` are (label, sample size, cells)."""

    title: str
    where: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Cell, ...]], ...]
    sizes: str = ""
    """The sample size of every row, where all rows have the same; the rows' own is empty then."""
    missing: str = ""


@dataclass(frozen=True)
class _Spec:
    """A table: `cell` gives the metric of a row and a column, `sizes` those of the row's sample sizes, by their label."""

    title: str
    where: str
    caption: str
    cell: Callable[[str, str], Metric]
    rows: Mapping[str, str]
    columns: Mapping[str, str]
    sizes: Mapping[str, Callable[[str], Metric]] = field(default_factory=dict)


_HERE = {"here": "this run"}
"""The column of a table with a single one."""
_R2 = {scalar: metric("population", "r2", scalar).title for scalar in SCALARS}


def _followed_of(side: str, row: str) -> Metric:
    """The number of views, additions or visits that a share of goal_following is of."""
    counts = {"views": (side, "product_view_count"), "additions": (side, "add_to_cart_count")}
    return metric("goal_following", *counts.get(row, ("visits",)))


_SPECS = (
    _Spec(
        "Are the personas meaningful?",
        "Table 1",
        "On validation buyers, this method beside k-means on the same vectors. Purity: mean share of a persona's most common stratum.",
        lambda row, column: metric("clusters", column, row),
        table.CLUSTERS.labels(
            [
                *("stratum_purity", "stratum_purity_weighted", "incompatible_codes"),
                *(f"incoherent_{head}" for head in HEADS),
                *("pairwise_cosine", "calinski_harabasz", "codes_used"),
            ]
        ),
        table.METHOD.labels,
    ),
    _Spec(
        "Does a store's mix describe its buyers?",
        "App. B",
        "Held-out stores: strata and mean behaviour predicted from the mix alone. Jensen-Shannon divergence: 0 is perfect, 1 the worst. R²: 1 is perfect, 0 no better than the mean of the stores.",
        lambda row, _: metric("population", "r2", row) if row in _R2 else metric("population", row),
        table.POPULATION.labels(["js_mean", "js_median", "shops_js_below_010"]) | _R2,
        _HERE,
        {"stores": lambda _: metric("population", "shops")},
    ),
    _Spec(
        "Do simulated buyers convert as the real ones of their persona?",
        "Table 2",
        "Alignment of conversion rates (ARA), mean over the pairs of a store and a persona: 1 is perfect. The matched persona should beat other personas and the store's mean rate, which needs no simulation. The ceiling is the expected alignment of a perfect agent with as many visits; skill: 0 no better than the store's mean, 1 the ceiling.",
        lambda row, column: metric("conversion", row, "ara", column),
        table.ROW.labels,
        table.ALIGNMENT.labels() | table.ADVANTAGES.labels(["noise_ceiling", "skill", "gap", "gap_ceiling", "lead"]),
        {
            "pairs": lambda row: metric("conversion", row, "pairs"),
            "visits": lambda row: metric("conversion", row, "episodes"),
        },
    ),
    _Spec(
        "Does the persona steer the visit?",
        "Table 3",
        "Mean of a persona's visits by the level that its head predicts; Cohen's d of high against low: 0.8 is called large. Adjusted p values by Holm's method.",
        lambda row, column: metric("separation", row, column),
        table.HEAD.labels,
        table.SEPARATION.labels([*LEVELS, "cohens_d", "welch_p", "kruskal_p", "permutation_p"])
        | table.SEPARATION_ADJUSTED.labels(["permutation_p_adjusted"]),
        {
            "personas low": lambda row: metric("separation", row, "low_tokens"),
            "high": lambda row: metric("separation", row, "high_tokens"),
        },
    ),
    _Spec(
        "Funnel by purchase level",
        "Table 3",
        "Share of visits with an add to cart and with a checkout, by the purchase level of their persona.",
        lambda row, column: metric("separation", "funnel", row, column),
        table.LEVEL.labels,
        table.PURCHASE_FUNNEL.labels(["add_to_cart", "checkout"]),
        {"visits": lambda row: metric("separation", "funnel", row, "episodes")},
    ),
    _Spec(
        "Do they follow instructions?",
        "Tables 4, 10",
        "Instructions made from recorded sessions, each tried several times and judged by the store's log.",
        lambda row, column: metric("tasks", row, column),
        table.POLICY.labels,
        table.TASKS.labels(["cart", "checkout", "purchase", "ordered", "verified", "self_reported", "steps_mean"]),
        {"visits": lambda row: metric("tasks", row, "visits")},
    ),
    _Spec(
        "How visits end",
        "Table 7",
        "Ended by the visitor: the shopper decided to leave. Broken off: the store, the browser or an answer failed.",
        lambda row, column: metric("outcomes", row, column),
        table.TRAINING.labels,
        table.OUTCOMES.labels(ENDINGS),
        {"visits": lambda row: metric("outcomes", row, "episodes")},
    ),
    _Spec(
        "How evenly over the stores",
        "Table 8, App. F",
        "Share of a store's visits that were not ended by the visitor, over the stores.",
        lambda row, column: metric("outcomes", row, "shop_error", column),
        table.TRAINING.labels,
        table.SHOP_ERROR.labels(["mean", "std", "min", "max", "cv"]),
        {"stores": lambda row: metric("outcomes", row, "shop_error", "shops")},
    ),
    _Spec(
        "What the persona token adds",
        "Table 9",
        "Visits with a persona beside visits of the same goals without one.",
        lambda row, column: metric("ablation", row, column),
        table.TOKEN.labels,
        table.ABLATION.labels(["crash", "add_to_cart", "checkout", "actions_mean", "pages_mean", "products_mean"]),
        {"visits": lambda row: metric("ablation", row, "episodes")},
    ),
    _Spec(
        "Do they look at what their goal names?",
        "not in the paper",
        "Share of product views and of additions to the cart that are of the product type in the goal, beside the recorded sessions that gave the goals. A goal names its session's most common type, so that the real shares are high.",
        lambda row, column: metric("goal_following", column, row),
        table.GOAL_FOLLOWING.labels(table.FOLLOWED),
        {**table.SIDE.labels, "difference": "simulated minus real"},
        {"real": lambda row: _followed_of("real", row), "simulated": lambda row: _followed_of("agent", row)},
    ),
    _Spec(
        "Do non-buyers leave as real ones do?",
        "not in the paper",
        "Events of a visit without an order. Distance (Wasserstein) in events: 0 is the same distribution; by chance: the distance between as many real sessions and all of them.",
        lambda row, column: metric("depth", row, column),
        table.DEPTH_ROW.labels,
        table.DEPTH.labels(["real_mean", "agent_mean", "wasserstein", "wasserstein_floor", "p", "p_adjusted"]),
        {
            "real": lambda row: metric("depth", row, "real_sessions"),
            "simulated": lambda row: metric("depth", row, "agent_episodes"),
        },
    ),
    _Spec(
        "A store without history",
        "not in the paper",
        "A store's mix predicted from its catalogue alone, as divergence from the real mix (0 is perfect), beside simpler predictions.",
        lambda row, _: metric("cold_start", row),
        table.COLD_START.labels(["js_mean", "js_global_mean", "js_random_shop_mean", "gain", "coverage"]),
        _HERE,
        {"stores": lambda _: metric("cold_start", "shops")},
    ),
)


_OF_EVENTS = ("conversion", "separation", "ablation", "goal_following", "depth")
"""The groups of figures that rest on the events of simulated visits."""


def paper_tables(policies: Sequence[PolicyFigures], remark: str = "") -> list[FigureTable]:
    """Every table that metrics.json has a key of; one per policy where its figures are measured per policy.

    The `remark` stands in the captions of the tables that rest on the events of simulated visits.
    Columns and rows without a figure of this run are left out. A table without any says why.
    """
    tables: list[FigureTable] = []
    for spec in _SPECS:
        first = spec.cell(next(iter(spec.rows)), next(iter(spec.columns)))
        by_policy = first.by_policy
        for policy in policies if by_policy else policies[:1]:
            title = f"{spec.title} ({policy.label})" if by_policy and len(policies) > 1 else spec.title
            if (made := _table(spec, policy, title)) is not None:
                rests_on_events = bool(remark) and first.group in _OF_EVENTS and not made.missing
                tables.append(replace(made, caption=f"{made.caption} {remark}") if rests_on_events else made)
    return tables


def _table(spec: _Spec, policy: PolicyFigures, title: str) -> FigureTable | None:
    cells = {(row, column): spec.cell(row, column) for row in spec.rows for column in spec.columns}
    if not any(policy.has(cell) for cell in cells.values()):
        return None
    known = {position for position, cell in cells.items() if policy.value(cell) is not None}
    if not known:
        reasons = [note for cell in cells.values() if (note := policy.note(cell))]
        return FigureTable(title, spec.where, "", (), (), missing=(reasons or ["it was not computed"])[0])
    columns = [name for name in spec.columns if any((row, name) in known for row in spec.rows)]
    rows = [name for name in spec.rows if any((name, column) in known for column in spec.columns)]
    sizes = {row: _sizes(spec, row, policy) for row in rows}
    common = sizes[rows[0]] if len(rows) > 1 and len(set(sizes.values())) == 1 else ""
    return FigureTable(
        title,
        spec.where,
        spec.caption,
        tuple(spec.columns[name] for name in columns),
        tuple(
            (spec.rows[row], "" if common else sizes[row], tuple(_cell(cells[row, name], policy) for name in columns))
            for row in rows
        ),
        common,
    )


def _cell(cell: Metric, policy: PolicyFigures) -> Cell:
    return Cell(
        formatted(policy.value(cell), cell.unit),
        formatted_interval(policy.interval(cell), cell.unit),
        formatted(cell.paper.value, cell.unit) if cell.paper else "",
    )


def _sizes(spec: _Spec, row: str, policy: PolicyFigures) -> str:
    sizes = {label: policy.value(of_row(row)) for label, of_row in spec.sizes.items()}
    return ", ".join(f"{value:,} {label}" for label, value in sizes.items() if value is not None)
