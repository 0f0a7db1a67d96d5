"""Grounding: do simulated buyers act as the personas they stand for, in stores and in themes that nothing was trained on?

The pack that comes with the package in the held-out stores of the world it was trained on (configs/pack.toml), and, with its personas, scorers
that never saw the theme they act in, and a shopper who knows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.measure import percentile
from benchmarks.quiet import Quiet
from benchmarks.results import Section, Table, number
from simpersona.adapters.embedders.open import open_embedder
from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.agent.scorer_training import load_score, scorer_from_steps
from simpersona.config import Config
from simpersona.config.file import load_config
from simpersona.contracts import ASSIGNMENTS, BUYERS, EPISODES, HEADS, LEVELS, MIX, PRODUCTS, STEPS
from simpersona.evaluation.alignment import conversion_metrics, eligible_pairs, happened
from simpersona.evaluation.goal_following import goal_following_metrics
from simpersona.evaluation.metric import Metric
from simpersona.evaluation.metric_lookup import metric
from simpersona.evaluation.metrics_table import CLOSE_TO_GOAL, FOLLOWED, FUNNEL, GOAL_FOLLOWING, RATES
from simpersona.evaluation.outcomes import outcome_metrics
from simpersona.evaluation.rates import shopper_sessions
from simpersona.evaluation.separation import cohens_d, separation_metrics, token_means
from simpersona.files import read_json
from simpersona.lab.storefront.launch import looks
from simpersona.personas.fitted import FittedPersonas
from simpersona.pipeline.agent import training_funnel, training_steps
from simpersona.pipeline.evaluation import sessions_of_goals, sessions_without_timeline
from simpersona.pipeline.recorded import simulated_buyers, simulated_shops, training_shops
from simpersona.pipeline.run import run_pipeline
from simpersona.pipeline.stage import StageContext
from simpersona.pipeline.visits import visit_setup
from simpersona.ports import Policy
from simpersona.shopper.candidates import Situation, situation
from simpersona.shopper.goals import goal_for
from simpersona.shopper.records import episode_tables
from simpersona.shopper.scorer_policy import Score, ScorerPolicy
from simpersona.simulation.population import draw_population
from simpersona.simulation.visits import Limits, visit_stores
from simpersona.visits import Goal, Observation

CONFIG = Path(__file__).parents[1] / "configs/pack.toml"
PolicyOf = Callable[[Goal, int], Policy]
"""Of a visit's goal and seed."""
REPRESENTED = ("conversion", "represented", "ara")
FUNNEL_NOTE = (
    "Share of visits with 95 % intervals. The same sessions: those that gave the visits their goals (the fair comparison); all: "
    "the sessions of the same stores, without bouncers'. Visits are shared evenly by the stores and their buyers. Sessions are "
    "not: buyers who come often weigh more."
)
SEPARATION_NOTE = (
    "means over personas by the level that the head predicts for their code, in the unseen stores; d between high and low. Real: "
    "the same figure of the real sessions of these stores, the most that a perfect simulation would show."
)
Row = tuple[str, Metric, float | None, str]
"""A label, the metric, the paper's figure and the aim."""


def row(label: str, *parts: str, aim: str = "", paper: float | None = None) -> Row:
    """The row of the metric with these parts; its paper's figure is that of the table of metrics, where none is given."""
    shown = metric(*parts)
    return label, shown, paper if paper is not None or shown.paper is None else shown.paper.value, aim


ROWS: tuple[Row, ...] = (
    *(
        row(f"{label}{side}", "goal_following", key, name, aim=aim)
        for name, label in GOAL_FOLLOWING.labels(FOLLOWED).items()
        for key, side, aim in (("agent", "", f"within {CLOSE_TO_GOAL} of real"), ("real", ", real", ""))
    ),
    *(row(f"ARA, personas of stratum {stratum}", "conversion", stratum, "ara", "correct") for stratum in FUNNEL),
    row("ARA, mean of the strata", *REPRESENTED, "correct", paper=0.787, aim="≥ 0.85"),  # the paper's, of all four
    row("… against the store's other personas", *REPRESENTED, "all_mismatch", paper=0.589),
    row("gap to these", *REPRESENTED, "gap", paper=0.198, aim="≥ 0.25"),
    row("… of a perfect shopper in as many visits", *REPRESENTED, "gap_ceiling"),
    row("… of the store's mean rate", *REPRESENTED, "shop_mean", aim="below ours"),
    row("lead over it", *REPRESENTED, "lead", aim="> 0"),
    row("… of the persona's mean rate over the training stores", *REPRESENTED, "token_mean"),
    row("… of a perfect shopper in as many visits", *REPRESENTED, "noise_ceiling"),
    row("skill", *REPRESENTED, "skill", aim="≥ 0.5"),
    *(row(f"skill, personas of stratum {stratum}", "conversion", stratum, "ara", "skill") for stratum in FUNNEL),
    row("Cohen's d, purchase", "separation", "purchase", "cohens_d", aim="≥ 2"),
    row("Cohen's d, engagement", "separation", "engagement", "cohens_d", aim="≥ 0.8"),
    row("Cohen's d, exploration", "separation", "exploration", "cohens_d", aim="≥ 0.8"),
    row("ended by the shopper itself", "outcomes", "two_stage", "goal_reached"),
    row("ended by the limit of steps", "outcomes", "two_stage", "steps_limit"),
    row("broken (`other`)", "outcomes", "two_stage", "other", aim="≤ 0.005"),
    row("worst store's share that did not end by itself", "outcomes", "two_stage", "shop_error", "max", aim="≤ 0.15"),
    row("(store, persona) pairs", "conversion", "pairs"),
    row("visits", "conversion", "episodes"),
)


def section(config: Path = CONFIG, visits: int = 200) -> Section:
    """The scorer beside its baselines and the paper; the funnel beside the real one; what a step costs. `visits` are to each store by
    the scorers of unseen themes; the baselines make fewer.
    """
    settings = with_the_pack(load_config(config))
    run = StageContext(settings, run_pipeline(settings, Quiet(), upto="evaluation"), lambda *_: None, "grounding")
    look = looks(run.table("personas/mix.parquet", MIX)["shop_id"].unique().to_pylist(), run.config.store.theme)
    theme = {shop: one.theme for shop, one in look.items()}
    shops = simulated_shops(run)
    with TemporaryDirectory() as scratch:
        novice = _novices(run, theme, Path(scratch))
        columns = {
            "unseen stores": read_json(run.folder / "evaluation/metrics.json")
            | same_sessions(run, run.table("simulation/episodes.parquet", EPISODES)),
            "unseen themes": played(
                run, lambda goal, seed: ScorerPolicy(novice[theme[goal.shop_id]], seed), "themes", shops, visits
            ),
            "no persona": played(run, _scored(_blind(run)), "no-persona", shops, visits // 5),
            "random actions": played(run, _scored(_any_move), "any-move", shops, visits // 13),
        }
    rows = [
        [label, *(number(figures.get(shown.key)) for figures in columns.values()), number(paper), aim]
        for label, shown, paper, aim in ROWS
    ]
    lab = run.config.lab
    what = (
        f"{lab.shops} generated stores with {lab.buyers:,} buyers; personas and scorer of the pack `default`, trained on {len(training_shops(run))} of them, acting in "
        f"the {len(shops)} others over plain HTTP. Unseen themes: for each storefront theme of these {len(shops)} ({', '.join(novice)}) a scorer that was trained only on the training stores of the other themes acts in the held-out stores of that theme."
    )
    tables = [
        (
            Table(("scorer, lab data", *columns, "paper", "aim"), rows),
            _intervals(columns)
            + " No persona: the same scorer without the persona, with the same goals; random actions: all that a page offers is equally likely. Means over other strata cannot be compared with each other, and a skill of few pairs, or above 1, is noise.",
        ),
        (
            funnel_table(columns),
            FUNNEL_NOTE,
        ),
        (
            separation_table(run, run.table("simulation/episodes.parquet", EPISODES)),
            SEPARATION_NOTE[0].upper() + SEPARATION_NOTE[1:],
        ),
        (
            _cost(run),
            "One decision on pages of its own visits, on one thread, features included; vectors of texts seen before are looked up.",
        ),
    ]
    return Section("grounding", what, tables, ("torch", "django-oscar"))


def with_the_pack(config: Config) -> Config:
    """Its world and held-out stores, with the personas and the scorer of the pack that was trained on them."""
    agent = config.agent.model_copy(update={"policies": ("scorer",)})
    return config.model_copy(update={"name": f"{config.name}-measured", "pack": "default", "agent": agent})


def _novices(run: StageContext, theme: Mapping[str, str], scratch: Path) -> dict[str, Score]:
    """By each theme of the held-out stores, a scorer of the training stores of all others."""
    steps = training_steps(run)["intent"]
    codebook = FittedPersonas.load(run.folder / "personas").network.codebook
    funnel = training_funnel(run, len(codebook))
    embedder = open_embedder(run.config.buyers.embedder)
    novices: dict[str, Score] = {}
    for unseen in sorted({theme[shop] for shop in simulated_shops(run)}):
        known = [step for step in steps if theme[step.goal.shop_id] != unseen]
        folder = scratch / unseen
        folder.mkdir()
        scorer_from_steps(known, codebook, funnel, embedder, folder, run.config.seed, run.progress)
        novices[unseen] = load_score(folder, embedder)
    return novices


def _blind(run: StageContext) -> Score:
    """The run's scorer without the persona."""
    score = load_score(run.folder / "agent/scorer", open_embedder(run.config.buyers.embedder))
    return lambda one, code: score(one, None)  # noqa: ARG005 - a Score


def _any_move(one: Situation, code: int | None) -> np.ndarray:  # noqa: ARG001 - a Score
    return np.zeros(len(one.candidates))


def _scored(score: Score) -> PolicyOf:
    return lambda _, seed: ScorerPolicy(score, seed)


def played(run: StageContext, policy: PolicyOf, name: str, shops: Sequence[str], visits: int) -> dict[str, Any]:
    """The figures of a shopper in these stores of the run, from so many `visits` to each."""
    mix, sessions = simulated_buyers(run)
    simulation = run.config.simulation
    goals = draw_population(
        mix,
        [one for one in sessions if one.shop_id in shops],
        visits * len(shops),
        run.config.seed,
        simulation.sampling,
    )
    limits = Limits(simulation.max_steps, simulation.time_limit_seconds, simulation.concurrency)
    episodes, _ = episode_tables(*visit_stores(visit_setup(run), goals, policy, limits, name), {})
    settings, seed = run.config.evaluation, run.config.seed
    buyers, real = run.table("buyers/buyers.parquet", BUYERS), sessions_without_timeline(run)
    assigned, trained = run.table("personas/assignments.parquet", ASSIGNMENTS), training_shops(run)
    pairs = eligible_pairs(episodes, real, buyers, assigned, trained, settings, seed)
    figures = (
        conversion_metrics(pairs, episodes, shopper_sessions(real, buyers, shops), trained, settings, seed)
        | separation_metrics(
            episodes, FittedPersonas.load(run.folder / "personas").network.head_levels(), settings, seed
        )
        | outcome_metrics(episodes)
        | goal_following_metrics(
            episodes,
            sessions_of_goals(run, episodes),
            run.table("events/products.parquet", PRODUCTS),
            settings.bootstrap,
            seed,
        )
    )
    run.folder.forget_work(run.stage)
    return figures.values | same_sessions(run, episodes)


def same_sessions(run: StageContext, episodes: pa.Table) -> dict[str, float]:
    """What happened in the real sessions that gave the visits their goals."""
    keys = ["shop_id", "buyer_id", "session_id"]
    drawn = episodes.filter(pc.is_valid(episodes["code"])).select(keys)
    real = drawn.join(sessions_without_timeline(run).drop_columns(["timeline"]), keys, join_type="inner")
    return {f"twin.{rate}": pc.mean(happened(real, rate).cast(pa.int64())).as_py() for rate in RATES}


def _intervals(columns: Mapping[str, Mapping[str, Any]]) -> str:
    words = []
    for name, found in columns.items():
        known = {
            figure: found.get(metric(*REPRESENTED, figure).interval_key_of(None))
            for figure in ("correct", "gap", "gap_ceiling", "lead", "skill")
        }
        shown = [
            f"{figure.replace('_', ' ')} {ends[0]:+.3f} to {ends[1]:+.3f}" for figure, ends in known.items() if ends
        ]
        strata = ", ".join(stratum for stratum in FUNNEL if found[metric("conversion", stratum, "pairs").key])
        words += [f"{name}, means over {strata}: {'; '.join(shown)}"] if shown else []
    return (
        "95 % intervals over stores: "
        + ". ".join(words)
        + ". A stratum that is not the most common one of any persona's buyers "
        "(B here: checkout abandoners are few, and share personas with A and C) has no figure and is left out of the means."
    )


def funnel_table(columns: Mapping[str, Mapping[str, Any]]) -> Table:
    """Shares of visits that get so far, with 95 % intervals, beside the sessions that gave them their goals and all sessions.

    The figures of each column need those of `same_sessions` besides the metrics.
    """
    rows: list[list[str]] = []
    for rate, words in (("add_to_cart", "add to cart"), ("checkout", "reach the checkout"), ("purchase", "buy")):
        rows.append([words])
        for found in columns.values():
            overall = {side: metric("conversion", "overall", side, rate) for side in ("agent", "real")}
            shares = {side: found[share.key] for side, share in overall.items()}
            low, high = found[overall["agent"].interval_key_of(None)]
            rows[-1] += [
                f"{shares['agent']:.1%} ({low:.1%} to {high:.1%})",
                f"{found[f'twin.{rate}']:.1%}",
                f"{shares['real']:.1%}",
            ]
    sides = ("simulated", "real, the same sessions", "real, all")
    return Table(("visits that", *(f"{name}: {side}" for name in columns for side in sides)), rows)


def separation_table(run: StageContext, episodes: pa.Table) -> Table:
    """Simulated scores of these visits and real ones by the heads' levels."""
    shops = simulated_shops(run)
    levels = FittedPersonas.load(run.folder / "personas").network.head_levels()
    episodes = episodes.filter(pc.is_valid(episodes["code"]))
    buyers = run.table("buyers/buyers.parquet", BUYERS)
    sessions = shopper_sessions(sessions_without_timeline(run), buyers, shops)
    coded = sessions.join(
        run.table("personas/assignments.parquet", ASSIGNMENTS), ["shop_id", "buyer_id"], join_type="inner"
    )
    rows = []
    for column, head in enumerate(HEADS):
        for side, table in (("simulated", episodes), ("real", coded)):
            codes, values = token_means(table["code"].to_numpy().astype(int), _scores(table)[head])
            groups = [values[levels[codes, column] == level] for level in range(len(LEVELS))]
            means = [number(group.mean()) if len(group) else "–" for group in groups]
            rows.append([f"{head}, {side}", *means, number(cohens_d(groups[0], groups[2]))])
    return Table(("score", *LEVELS, "Cohen's d"), rows)


def _scores(table: pa.Table) -> dict[str, np.ndarray]:
    """As evaluation/separation.py; a real session's engagement is its number of events."""
    column = {name: table[name].to_numpy().astype(float) for name in table.column_names if name.endswith("_count")}
    return {
        "engagement": table["steps"].to_numpy().astype(float)
        if "steps" in table.column_names
        else column["event_count"],
        "exploration": column["search_count"] + column["collection_view_count"] + column["product_view_count"],
        "purchase": 8.0 * (column["purchase_count"] > 0) + 3.0 * (column["add_to_cart_count"] > 0),
    }


def _cost(run: StageContext, pages: int = 400) -> Table:
    score = load_score(run.folder / "agent/scorer", open_embedder(run.config.buyers.embedder))
    trees = run.table("simulation/steps.parquet", STEPS)["tree"].slice(0, pages).to_pylist()
    goal = goal_for("skirts", "buy", code=0)
    seconds = []
    for tree in trees:
        page = scripted_page("", tree)
        started = perf_counter()
        score(situation(Observation(page, goal)), 0)
        seconds.append(1000 * (perf_counter() - started))
    return Table(
        ("", "median", "95 %"),
        [["a decision, ms", number(percentile(seconds, 0.5)), number(percentile(seconds, 0.95))]],
    )
