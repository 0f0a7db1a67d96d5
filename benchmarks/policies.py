"""Policies: the pack's language model beside its scorer, with and without personas, and the language model as it was before training.

In a generated world that neither was trained on, with the same goals for all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.measure import percentile
from benchmarks.quiet import Quiet
from benchmarks.results import Section, Table, number
from simpersona.agent.backbone import PACKAGED, load_backbone, save_backbone
from simpersona.agent.tokens import add_persona_tokens
from simpersona.artifacts import read_json
from simpersona.config import AgentConfig, Config, LabConfig, SplitConfig, StoreConfig, TracesConfig
from simpersona.config_simulation import ScorerVisitsConfig, SimulationConfig
from simpersona.contracts import EPISODES, STEPS
from simpersona.evaluation.alignment import happened
from simpersona.evaluation.metrics import RATES
from simpersona.pipeline import run_pipeline
from simpersona.shopper.records import episode_tables
from simpersona.simulation.population import draw_population
from simpersona.stages.acting_policies import model_policies
from simpersona.stages.context import Run
from simpersona.stages.from_sessions import simulated_buyers
from simpersona.stages.pack import Pack
from simpersona.stages.pack_folder import PackFolder
from simpersona.stages.store_visits import Limits, play_episodes

ARA = "conversion.represented.ara"
MAX_STEPS, TOGETHER = 30, 4
ROWS = (  # words, key, paper, aim
    ("ARA, mean of the strata that personas stand for", f"{ARA}.correct", None, "≥ 0.85"),
    ("… against the shop's other personas", f"{ARA}.all_mismatch", None, ""),
    ("gap to these", f"{ARA}.gap", 0.198, "≥ 0.25"),
    ("… of the shop's mean rate", f"{ARA}.shop_mean", None, "below ours"),
    ("lead over it", f"{ARA}.lead", None, "> 0"),
    ("… of the same policy without a persona", f"{ARA}.no_token", None, "below ours"),
    ("… of a perfect shopper in as many visits", f"{ARA}.noise_ceiling", None, ""),
    ("skill", f"{ARA}.skill", None, "≥ 0.5"),
    *(
        (f"Cohen's d, {head}", f"separation.{head}.cohens_d", paper, aim)
        for head, paper, aim in (
            ("purchase", 2.80, "≥ 2"),
            ("engagement", 0.76, "≥ 0.8"),
            ("exploration", 0.10, "≥ 0.8"),
        )
    ),
    ("ended by the shopper itself", "outcomes.two_stage.goal_reached", 0.835, ""),
    ("ended by the limit of steps", "outcomes.two_stage.steps_limit", 0.131, ""),
    ("broken (`other`)", "outcomes.two_stage.other", 0.022, "≤ 0.005"),
    ("worst shop's share that did not end by itself", "outcomes.two_stage.shop_error.max", 0.285, "≤ 0.15"),
    ("(shop, persona) pairs", "conversion.pairs", None, ""),
)


def section(visits: int = 200, base_visits: int = 24, lab: LabConfig | None = None) -> Section:
    """`visits` of each policy, a third as many without a persona, and `base_visits` of the untrained model."""
    lab = lab or LabConfig(shops=6, buyers=6_000, seed=31, output="parquet")
    with tempfile.TemporaryDirectory() as scratch:
        config = Config(
            folder=Path(scratch),
            pack="default",
            lab=lab,
            split=SplitConfig(held_out_share=1 / 3),
            store=StoreConfig(window="http"),
            traces=TracesConfig(sessions=4),
            agent=AgentConfig(policies=("lm", "scorer")),
            simulation=SimulationConfig(
                policy="lm",
                episodes=visits,
                no_token_episodes=visits // 3,
                max_steps=MAX_STEPS,
                concurrency=TOGETHER,
                scorer=ScorerVisitsConfig(episodes=visits, no_token_episodes=visits // 3, max_steps=MAX_STEPS),
            ),
        )
        folder = run_pipeline(config, Quiet(), upto="evaluation")
        run = Run(config, folder, lambda *_: None, "policies")
        episodes = run.table("simulation/episodes.parquet", EPISODES)
        steps = run.table("simulation/steps.parquet", STEPS)
        played = {"lm": (episodes, steps), "scorer": (episodes, steps), "untrained": _untrained(run, base_visits)}
        figures = read_json(folder / "evaluation/metrics.json")
    rows = [
        [words, _figure(figures, key), _figure(figures, f"policies.scorer.{key}"), number(paper), aim]
        for words, key, paper, aim in ROWS
    ]
    trained = PackFolder.at("default").about["stages"]["agent"]["summary"]
    what = (
        f"The pack's language model (SmolLM2-135M with persona rows and low-rank matrices; {trained}) and its scorer in the "
        f"{len(set(episodes['shop_id'].to_pylist()))} held-out shops of a generated world of {lab.shops} with {lab.buyers:,} buyers, which is not the one they "
        f"were trained in; over HTTP, temperature 1, {visits} visits of each with the same goals, at most {MAX_STEPS} steps."
    )
    tables = [
        (
            Table(("lab data", "language model", "scorer", "paper", "aim"), rows),
            "In brackets 95 % intervals over the shops. Pairs have at least 5 visits and 20 real sessions. The paper's gap is of all four strata.",
        ),
        (
            _doings(played),
            "Shares of visits. Seconds of a step from page to decision, the store's answer included, four visits side by side on two cores.",
        ),
    ]
    return Section("policies", what, tables, ("torch", "transformers", "django-oscar"))


def _figure(figures: Mapping[str, Any], key: str) -> str:
    interval = figures.get(f"{key}_ci95")
    told = number(figures.get(key))
    return f"{told} ({number(interval[0])} to {number(interval[1])})" if interval else told


def _untrained(run: Run, visits: int) -> tuple[pa.Table, pa.Table]:
    """The visits of the model that the pack's was trained from, whose persona rows say nothing."""
    mix, sessions = simulated_buyers(run)
    goals = draw_population(mix, sessions, visits, run.config.seed, run.config.simulation.sampling)
    model, tokenizer = load_backbone(PACKAGED)
    codes = len(Pack.load(run.folder / "personas").personas.codebook)
    add_persona_tokens(model, tokenizer, codes, start="mean", codebook=None, seed=0)
    place = run.folder.work(run.stage) / "untrained"
    save_backbone(model, tokenizer, place)
    del model
    make = model_policies(place, run.config.agent.prompt, run.config.simulation.temperature)
    limits = Limits(MAX_STEPS, run.config.simulation.time_limit_seconds, TOGETHER)
    played, events = play_episodes(run, goals, lambda _, seed: make(seed), limits, "untrained")
    return episode_tables(played, events, {})


def _doings(played: Mapping[str, tuple[pa.Table, pa.Table]]) -> Table:
    rows = []
    for name, words, code in (
        ("lm", "language model", True),
        ("lm", "language model, no persona", False),
        ("scorer", "scorer", True),
        ("scorer", "scorer, no persona", False),
        ("untrained", "untrained language model", True),
    ):
        episodes, steps = played[name]
        if name != "untrained":
            episodes = episodes.filter(pc.equal(episodes["policy"], name))
        own = episodes.filter(pc.is_valid(episodes["code"]) if code else pc.is_null(episodes["code"]))
        walked = steps.filter(pc.is_in(steps["episode_id"], own["episode_id"]))
        rows.append([words, number(own.num_rows), *_shares(own), *_paces(own, walked)])
    head = (
        "",
        "visits",
        "add to cart",
        "reach the checkout",
        "buy",
        "left by themselves",
        "steps, mean",
        "s a step, median",
        "95 %",
    )
    return Table(head, rows)


def _shares(episodes: pa.Table) -> Sequence[str]:
    ended = pc.equal(episodes["ending"], "goal_reached")
    shares = [
        pc.mean(found.cast(pa.int64())).as_py() for found in (*(happened(episodes, rate) for rate in RATES), ended)
    ]
    return [f"{share:.1%}" for share in shares]


def _paces(episodes: pa.Table, steps: pa.Table) -> Sequence[str]:
    seconds = steps["seconds"].to_pylist()
    return [
        number(steps.num_rows / episodes.num_rows),
        number(percentile(seconds, 0.5)),
        number(percentile(seconds, 0.95)),
    ]
