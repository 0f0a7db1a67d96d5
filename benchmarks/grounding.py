"""Grounding: do simulated buyers act as the personas they stand for, in shops and in a theme that nothing was trained on?

The run of configs/pack.toml, and the same with every shop of one theme held out. What is up to date in runs/ is not done anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.measure import percentile
from benchmarks.quiet import Quiet
from benchmarks.results import Section, Table, number
from simpersona.adapters.store_scripted import scripted_page
from simpersona.artifacts import read_json
from simpersona.config import Config
from simpersona.config_file import load_config, parse_config
from simpersona.contracts import ASSIGNMENTS, BUYERS, EPISODES, HEADS, LEVELS, MIX, STEPS
from simpersona.evaluation.alignment import eligible_pairs, stratum_means
from simpersona.evaluation.rates import shopper_sessions
from simpersona.evaluation.separation import cohens_d, token_means
from simpersona.lab.storefront.launch import looks
from simpersona.pipeline import run_pipeline
from simpersona.shopper.candidates import Situation, situation
from simpersona.shopper.records import episode_tables
from simpersona.shopper.scorer_policy import ScorerPolicy
from simpersona.stages.acting_policies import words_of
from simpersona.stages.context import Run
from simpersona.stages.from_sessions import simulated_buyers, simulated_shops, training_shops
from simpersona.stages.pack import Pack
from simpersona.stages.population_arms import arms_of
from simpersona.stages.scorer_training import load_score
from simpersona.stages.store_visits import Limits, play_episodes
from simpersona.stages.to_results import sessions_without_timeline

CONFIG = Path(__file__).parents[1] / "configs/pack.toml"
UNSEEN = "outlet"
"""The theme whose shops are all held out in the second run."""
ANY_MOVE = 400
"""Visits of a shopper who knows nothing."""
ARA = "conversion.stratified.ara"
ROWS = (  # words, key, paper, aim
    ("ARA, stratified", f"{ARA}.correct", 0.787, "≥ 0.85"),
    ("… against the shop's other personas", f"{ARA}.all_mismatch", 0.589, ""),
    ("gap to these", f"{ARA}.gap", 0.198, "≥ 0.25"),
    ("… of the shop's mean rate", f"{ARA}.shop_mean", None, "below ours"),
    ("… of the persona's mean rate over the training shops", f"{ARA}.token_mean", None, ""),
    ("… of the same shopper without a persona", f"{ARA}.no_token", None, ""),
    ("… of a perfect shopper in as many visits", f"{ARA}.noise_ceiling", None, ""),
    ("skill", f"{ARA}.skill", None, "≥ 0.5"),
    ("Cohen's d, purchase", "separation.purchase.cohens_d", 2.80, "≥ 2"),
    ("Cohen's d, engagement", "separation.engagement.cohens_d", 0.76, "≥ 0.8"),
    ("Cohen's d, exploration", "separation.exploration.cohens_d", 0.10, "≥ 0.8"),
    ("ended by the shopper itself", "outcomes.two_stage.goal_reached", 0.835, ""),
    ("ended by the limit of steps", "outcomes.two_stage.steps_limit", 0.131, ""),
    ("broken (`other`)", "outcomes.two_stage.other", 0.022, "≤ 0.005"),
    ("worst shop's share that did not end by itself", "outcomes.two_stage.shop_error.max", 0.285, "≤ 0.15"),
    ("(shop, persona) pairs", "conversion.pairs", None, ""),
    ("visits", "conversion.episodes", None, ""),
)


def section(config: Path = CONFIG) -> Section:
    """The scorer beside its baselines and the paper; the funnel beside the real one; what a step costs."""
    settings = load_config(config)
    shops = _run(settings)
    of_theme = [shop for shop, look in looks(_all_shops(shops), settings.store.theme).items() if look.theme == UNSEEN]
    theme = _run(_with(settings, f"{settings.name}-{UNSEEN}", {"split": {"held_out": of_theme}}))
    runs = {"unseen shops": _figures(shops), f"unseen theme ({UNSEEN})": _figures(theme)}
    blind = _any_move(shops)
    rows = [
        [words, *(number(one.get(key)) for one in runs.values()), number(blind.get(key)), number(paper), aim]
        for words, key, paper, aim in ROWS
    ]
    main = Table(("scorer, lab data", *runs, "any move, unseen shops", "paper", "aim"), rows)
    what = (
        f"{settings.lab.shops} generated shops with {settings.lab.buyers:,} buyers; personas and scorer trained on "
        f"{len(training_shops(shops))} of them, acting in the {len(simulated_shops(shops))} others over plain HTTP; and in the "
        f"{len(of_theme)} shops of the theme `{UNSEEN}`, trained on the others, which have other themes. Nothing of a held-out shop is trained on."
    )
    tables = [
        (main, _intervals(runs) + " Any move: everything that a page offers is as likely."),
        (
            _funnel(runs),
            "Share of visits; real: the sessions of the same shops, without bouncers'. Visits are shared evenly by the shops, sessions are as they came.",
        ),
        (
            _separation(shops),
            "Means over personas by the level that the head predicts for their code, in the unseen shops; d between high and low. Real: the same figure of the real sessions of these shops, which no simulation should exceed by much.",
        ),
        (
            _cost(shops),
            "One decision of the scorer on pages of its own visits, on one thread, features and text vectors included; texts seen before are looked up.",
        ),
    ]
    return Section("grounding", what, tables, ("torch", "django-oscar"))


def _with(config: Config, name: str, changes: Mapping[str, Any]) -> Config:
    return parse_config(config.model_dump(mode="json") | {"name": name} | dict(changes), name)


def _run(config: Config) -> Run:
    return Run(config, run_pipeline(config, Quiet(), upto="evaluation"), lambda *_: None, "grounding")


def _all_shops(run: Run) -> list[str]:
    return run.table("personas/mix.parquet", MIX)["shop_id"].unique().to_pylist()


def _figures(run: Run) -> dict[str, Any]:
    return read_json(run.folder / "evaluation/metrics.json")


def _any_move(run: Run) -> dict[str, Any]:
    """ARA of a shopper who draws from all that a page offers, in the first goals of the run's population."""
    mix, sessions = simulated_buyers(run)
    settings = run.config.simulation.model_copy(update={"episodes": ANY_MOVE, "no_token_episodes": 0})
    (arm,) = arms_of(run.config.model_copy(update={"simulation": settings}), mix, sessions)

    def evenly(one: Situation, code: int | None) -> np.ndarray:  # noqa: ARG001 - a Score
        return np.zeros(len(one.candidates))

    limits = Limits(settings.max_steps, settings.time_limit_seconds, settings.concurrency)
    played, events = play_episodes(run, arm.goals, lambda _, seed: ScorerPolicy(evenly, seed), limits, "any-move")
    episodes, _ = episode_tables(played, events, {})
    pairs = eligible_pairs(
        episodes,
        sessions_without_timeline(run),
        run.table("buyers/buyers.parquet", BUYERS),
        run.table("personas/assignments.parquet", ASSIGNMENTS),
        training_shops(run),
        run.config.evaluation,
        run.config.seed,
    )
    correct, mismatch = (float(stratum_means(pairs, arm)["stratified"].mean()) for arm in ("correct", "all_mismatch"))
    ending = episodes["ending"]
    shares = {
        f"outcomes.two_stage.{name}": pc.mean(pc.equal(ending, name).cast(pa.int64())).as_py()
        for name in ("goal_reached", "steps_limit", "other")
    }
    counts = {"conversion.pairs": len(pairs), "conversion.episodes": episodes.num_rows}
    return (
        {f"{ARA}.correct": correct, f"{ARA}.all_mismatch": mismatch, f"{ARA}.gap": correct - mismatch} | shares | counts
    )


def _intervals(runs: Mapping[str, Mapping[str, Any]]) -> str:
    words = []
    for name, found in runs.items():
        for what, key in (
            ("ARA", "correct"),
            ("gap", "gap"),
            ("skill", "skill"),
            ("ARA less that of the shop's mean", "lead"),
        ):
            if (interval := found[f"{ARA}.{key}_ci95"]) is not None:
                words.append(f"{what}, {name}: {interval[0]:.3f} to {interval[1]:.3f}")
    return "95 % intervals over shops: " + "; ".join(words) + "."


def _funnel(runs: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for rate, words in (("add_to_cart", "add to cart"), ("checkout", "reach the checkout"), ("purchase", "buy")):
        cells = [
            f"{_percent(found[f'conversion.overall.{side}.{rate}'])} ({' to '.join(map(_percent, found[f'conversion.overall.{side}.{rate}_ci95']))})"
            for found in runs.values()
            for side in ("agent", "real")
        ]
        rows.append([words, *cells])
    return Table(("visits that", *(f"{name}, {side}" for name in runs for side in ("simulated", "real"))), rows)


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _separation(run: Run) -> Table:
    """Simulated and real scores by the heads' levels."""
    shops = simulated_shops(run)
    levels = Pack.load(run.folder / "personas").personas.head_levels()
    episodes = run.table("simulation/episodes.parquet", EPISODES)
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


def _cost(run: Run, pages: int = 400) -> Table:
    score = load_score(run.folder / "agent/scorer", words_of(run.config.buyers))
    trees = run.table("simulation/steps.parquet", STEPS)["tree"].slice(0, pages).to_pylist()
    seconds = []
    for tree in trees:
        page = scripted_page("", tree)
        started = perf_counter()
        score(situation(page, "You are here to buy skirts.", []), 0)
        seconds.append(1000 * (perf_counter() - started))
    return Table(
        ("", "median", "95 %"),
        [["a decision, ms", number(percentile(seconds, 0.5)), number(percentile(seconds, 0.95))]],
    )
