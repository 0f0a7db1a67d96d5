"""The paper's tables with this run's figures: ours, its interval, how many it stands on, and the paper's figure in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from simpersona.contracts import HEADS, LEVELS, SCALARS, STRATA
from simpersona.report.acting import Acting
from simpersona.report.paper_figures import PAPER
from simpersona.report.strata_words import STRATUM_NAMES
from simpersona.report.wording import between, written


@dataclass(frozen=True)
class Cell:
    """A figure, its interval and the paper's, as written; empty where there is none."""

    here: str
    interval: str = ""
    paper: str = ""


@dataclass(frozen=True)
class FigureTable:
    """One table as it stands on the page. `rows` are (label, what it stands on, cells)."""

    title: str
    where: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Cell, ...]], ...]
    sizes: str = ""
    """What every row stands on, where that is the same; a row's own is empty then."""
    missing: str = ""


@dataclass(frozen=True)
class _Spec:
    """How a table is read from the figures: `key` with {row} and {column}, and the keys of what a row stands on."""

    title: str
    where: str
    caption: str
    key: str
    rows: Mapping[str, str]
    columns: Mapping[str, str]
    sizes: Mapping[str, str] = field(default_factory=dict)
    """Words after the number -> key with {row}."""
    by_policy: bool = False


_STRATA = {stratum: f"{stratum} {STRATUM_NAMES[stratum]}" for stratum in STRATA[:4]}
_TRAININGS = {"two_stage": "two stages", "single_stage": "single stage"}

_SPECS = (
    _Spec(
        "Are the personas meaningful?",
        "Table 1",
        "On validation buyers, this method beside k-means on the same vectors. Purity: mean share of a persona's most common stratum.",
        "clusters.{column}.{row}",
        {
            "stratum_purity": "stratum purity",
            "stratum_purity_weighted": "stratum purity, weighted by buyers",
            "incompatible_codes": "personas that mix buyers and non-buyers",
            **{f"incoherent_{head}": f"buyers in personas incoherent in {head}" for head in HEADS},
            "pairwise_cosine": "pairwise cosine",
            "calinski_harabasz": "Calinski-Harabasz",
            "codes_used": "personas in use",
        },
        {"vqvae": "VQ-VAE", "kmeans": "k-means"},
    ),
    _Spec(
        "Does a store's mix tell its buyers?",
        "App. B",
        "Held-out shops: strata and mean behaviour predicted from the mix alone. Jensen-Shannon divergence: 0 is perfect, 1 the worst. R²: 1 is perfect, 0 no better than the mean of the shops.",
        "population.{row}",
        {
            "js_mean": "divergence of the strata, mean",
            "js_median": "divergence of the strata, median",
            "shops_js_below_010": "shops below 0.10",
            **{f"r2.{name}": f"R² of {name.replace('_', ' ')}" for name in SCALARS},
        },
        {"here": "this run"},
        {"shops": "population.shops"},
    ),
    _Spec(
        "Do simulated buyers convert as the real ones of their persona?",
        "Table 2",
        "Alignment of conversion rates (ARA), mean over the pairs of a shop and a persona: 1 is perfect. Its own persona should beat other personas and the shop's mean rate, which needs no simulation. The ceiling is what a perfect agent would reach with as many visits; skill: 0 no better than the shop's mean, 1 the ceiling.",
        "conversion.{row}.ara.{column}",
        _STRATA | {"stratified": "mean of the four", "represented": "mean of those with pairs"},
        {
            "correct": "own persona",
            "all_mismatch": "all others",
            "one_random": "one other",
            "shop_mean": "shop's mean",
            "token_mean": "persona's mean elsewhere",
            "no_token": "no persona",
            "noise_ceiling": "ceiling",
            "skill": "skill",
            "gap": "gap to others",
            "gap_ceiling": "… of a perfect agent",
            "lead": "lead over shop's mean",
        },
        {"pairs": "conversion.{row}.pairs", "visits": "conversion.{row}.episodes"},
        by_policy=True,
    ),
    _Spec(
        "Does the persona steer the visit?",
        "Table 3",
        "Mean of a persona's visits by the level that its head predicts; Cohen's d of high against low: 0.8 is called large. Adjusted p values by Holm's method.",
        "separation.{row}.{column}",
        {head: head for head in HEADS},
        {
            **{level: level for level in LEVELS},
            "cohens_d": "Cohen's d",
            "welch_p": "p (Welch)",
            "kruskal_p": "p (Kruskal)",
            "permutation_p": "p (permutation)",
            "permutation_p_adjusted": "p adjusted",
        },
        {"personas low": "separation.{row}.low_tokens", "high": "separation.{row}.high_tokens"},
        by_policy=True,
    ),
    _Spec(
        "Funnel by purchase level",
        "Table 3",
        "Share of visits with a cart and with a checkout, by the purchase level of their persona.",
        "separation.funnel.{row}.{column}",
        {level: f"{level} purchase level" for level in LEVELS},
        {"add_to_cart": "cart", "checkout": "checkout"},
        {"visits": "separation.funnel.{row}.episodes"},
        by_policy=True,
    ),
    _Spec(
        "Can they do what they are told?",
        "Tables 4, 10",
        "Instructions made from recorded sessions, each tried several times and judged by the store's own log.",
        "tasks.{row}.{column}",
        {"lm": "language model", "scorer": "scorer", "llm": "served language model", "replay": "replay (knows the session)"},
        {
            "cart": "cart tasks",
            "checkout": "checkout tasks",
            "purchase": "purchase tasks",
            "ordered": "… ordered",
            "verified": "done whole",
            "self_reported": "left by itself",
            "steps_mean": "steps",
        },
        {"visits": "tasks.{row}.visits"},
    ),
    _Spec(
        "How visits end",
        "Table 7",
        "Left by itself: the shopper decided to go. Broken off: the store, the browser or an answer failed.",
        "outcomes.{row}.{column}",
        _TRAININGS,
        {"goal_reached": "left by itself", "steps_limit": "out of steps", "time_limit": "out of time", "other": "broken off"},
        {"visits": "outcomes.{row}.episodes"},
        by_policy=True,
    ),
    _Spec(
        "How evenly over the shops",
        "Table 8, App. F",
        "Share of a shop's visits that did not end by themselves, over the shops.",
        "outcomes.{row}.shop_error.{column}",
        _TRAININGS,
        {"mean": "mean", "std": "standard deviation", "min": "least", "max": "most", "cv": "std / mean"},
        {"shops": "outcomes.{row}.shop_error.shops"},
        by_policy=True,
    ),
    _Spec(
        "What the persona token adds",
        "Table 9",
        "Visits with a persona beside visits of the same goals without one.",
        "ablation.{row}.{column}",
        {"with_token": "with persona", "no_token": "without"},
        {
            "crash": "broken off",
            "add_to_cart": "cart",
            "checkout": "checkout",
            "actions_mean": "actions",
            "pages_mean": "pages",
            "products_mean": "products viewed",
        },
        {"visits": "ablation.{row}.episodes"},
        by_policy=True,
    ),
    _Spec(
        "Do non-buyers walk away as real ones do?",
        "not in the paper",
        "Events of a visit without an order. Distance (Wasserstein) in events: 0 is the same distribution; the floor is what as many real sessions show by chance.",
        "depth.{row}.{column}",
        _STRATA | {"all": "all"},
        {
            "real_mean": "real mean",
            "agent_mean": "simulated mean",
            "wasserstein": "distance",
            "wasserstein_floor": "floor",
            "p": "p",
            "p_adjusted": "p adjusted",
        },
        {"real": "depth.{row}.real_sessions", "simulated": "depth.{row}.agent_episodes"},
        by_policy=True,
    ),
    _Spec(
        "A store without history",
        "not in the paper",
        "A store's mix predicted from its catalogue alone, as divergence from the real mix (0 is perfect), beside simpler guesses.",
        "cold_start.{row}",
        {
            "js_mean": "from the catalogue",
            "js_global_mean": "mean mix of the training shops",
            "js_random_shop_mean": "mix of one training shop at random",
            "gain": "gain over the mean mix",
            "coverage": "shares inside the predicted 95 % range",
        },
        {"here": "this run"},
        {"shops": "cold_start.shops"},
    ),
)  # fmt: skip


def figure_tables(policies: Sequence[Acting], notes: Mapping[str, str]) -> list[FigureTable]:
    """Every table that has a key in the figures; one per policy where it is of policies. Columns and rows without a
    figure, ours or the paper's, are left out; a table without any figure of ours says why.
    """
    tables: list[FigureTable] = []
    for spec in _SPECS:
        for policy in policies if spec.by_policy else policies[:1]:
            table = _table(spec, policy, notes, several=len(policies) > 1)
            if table is not None:
                tables.append(table)
    return tables


def _table(spec: _Spec, policy: Acting, notes: Mapping[str, str], several: bool) -> FigureTable | None:
    keys = {(row, column): spec.key.format(row=row, column=column) for row in spec.rows for column in spec.columns}
    if not any(key in policy.figures for key in keys.values()):
        return None
    known = {place for place, key in keys.items() if policy.figures.get(key) is not None}
    title = f"{spec.title} ({policy.words})" if several and spec.by_policy else spec.title
    if not known:
        reasons = [notes[policy.prefix + key] for key in keys.values() if policy.prefix + key in notes]
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
            (spec.rows[row], "" if common else sizes[row], tuple(_cell(keys[row, name], policy) for name in columns))
            for row in rows
        ),
        common,
    )


def _cell(key: str, policy: Acting) -> Cell:
    paper = PAPER.get(key)
    interval = policy.interval(key)
    return Cell(
        written(key, policy.figures.get(key)),
        between(key, interval),
        written(key, paper.value) if paper else "",
    )


def _sizes(spec: _Spec, row: str, policy: Acting) -> str:
    found = {words: policy.figures.get(key.format(row=row)) for words, key in spec.sizes.items()}
    return ", ".join(f"{value:,} {words}" for words, value in found.items() if value is not None)
