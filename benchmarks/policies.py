"""Policies: the pack's language model beside its scorer, with and without personas, and the language model as it was before training.

In a generated world that neither was trained on, with the same goals for all. Its run is kept in runs/policies: a killed benchmark continues
with the visits that are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks import grounding
from benchmarks.measure import percentile
from benchmarks.quiet import Quiet
from benchmarks.results import Section, Table, number
from simpersona.agent.backbone import PACKAGED, load_backbone, save_backbone
from simpersona.agent.policies import model_policies
from simpersona.agent.tokens import add_persona_tokens
from simpersona.config import (
    AgentConfig,
    Config,
    LabConfig,
    ScorerVisitsConfig,
    SimulationConfig,
    SplitConfig,
    StoreConfig,
    TracesConfig,
)
from simpersona.contracts import EPISODES, STEPS
from simpersona.evaluation.alignment import happened
from simpersona.evaluation.metric import Metric
from simpersona.evaluation.metric_lookup import metric
from simpersona.evaluation.metrics_table import RATES
from simpersona.files import read_json
from simpersona.pack.pack import Pack
from simpersona.personas.fitted import FittedPersonas
from simpersona.pipeline.recorded import simulated_buyers
from simpersona.pipeline.run import run_pipeline
from simpersona.pipeline.stage import StageContext
from simpersona.pipeline.visits import visit_setup
from simpersona.shopper.records import episode_tables
from simpersona.simulation.population import draw_population
from simpersona.simulation.visits import Limits, visit_stores

MAX_STEPS, TOGETHER = 30, 4
ROWS = (
    *grounding.ROWS,
    grounding.row("ARA of the same policy without a persona", *grounding.REPRESENTED, "no_token", aim="below ours"),
    grounding.row("… of the buyers of stratum A", "conversion", "A", "ara", "no_token", aim="0.1 below ours"),
)
POLICIES = {"lm": "language model", "scorer": "scorer"}
DOINGS = (
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


def section(visits: int = 1000, base_visits: int = 20, lab: LabConfig | None = None) -> Section:
    """`visits` of each policy, a quarter as many without a persona, and `base_visits` of the untrained model."""
    lab = lab or LabConfig(shops=36, buyers=36_000, seed=31, output="parquet")
    config = Config(
        name="policies",
        pack="default",
        lab=lab,
        split=SplitConfig(held_out_share=1 / 3),
        store=StoreConfig(driver="http"),
        traces=TracesConfig(sessions=4),
        agent=AgentConfig(policies=("lm", "scorer")),
        simulation=SimulationConfig(
            policy="lm",
            episodes=visits,
            no_token_episodes=visits // 4,
            max_steps=MAX_STEPS,
            concurrency=TOGETHER,
            scorer=ScorerVisitsConfig(episodes=visits, no_token_episodes=visits // 4, max_steps=MAX_STEPS),
        ),
    )
    folder = run_pipeline(config, Quiet(), upto="evaluation")
    run = StageContext(config, folder, lambda *_: None, "policies")
    episodes = run.table("simulation/episodes.parquet", EPISODES)
    steps = run.table("simulation/steps.parquet", STEPS)
    doings = []
    for policy, words in POLICIES.items():
        own = episodes.filter(pc.equal(episodes["policy"], policy))
        doings += [
            _doing(words, own.filter(pc.is_valid(own["code"])), steps),
            _doing(f"{words}, no persona", own.filter(pc.is_null(own["code"])), steps),
        ]
    doings.append(_doing("untrained language model", *_untrained(run, base_visits)))
    figures = read_json(folder / "evaluation/metrics.json")
    of_scorer = episodes.filter(pc.equal(episodes["policy"], "scorer"))
    same = grounding.same_sessions(run, of_scorer)  # of both: the goals are the same
    columns = {words: _of_policy(figures, policy) | same for policy, words in POLICIES.items()}
    separations = {
        words: grounding.separation_table(run, episodes.filter(pc.equal(episodes["policy"], policy)))
        for policy, words in POLICIES.items()
    }
    rows = [
        [label, figure(figures, shown), figure(figures, shown, "scorer"), number(paper), aim]
        for label, shown, paper, aim in ROWS
    ]
    trained = Pack.at("default").about["stages"]["agent"]["summary"]
    what = (
        f"The pack's language model (SmolLM2-135M with persona rows and low-rank matrices; {trained}) and its scorer in the "
        f"{len(set(episodes['shop_id'].to_pylist()))} held-out stores of a generated world of {lab.shops} with {lab.buyers:,} buyers, which is not the one they "
        f"were trained in; over HTTP, temperature 1, {visits} visits of each with the same goals, at most {MAX_STEPS} steps."
    )
    tables = [
        (
            Table(("lab data", "language model", "scorer", "paper", "aim"), rows),
            "In brackets 95 % intervals over the stores. Pairs have at least 5 visits and 20 real sessions. The paper's gap is of all four strata. With one pair or a few, an alignment is mostly chance: read Cohen's d and the shares of visits instead.",
        ),
        (grounding.funnel_table(columns), grounding.FUNNEL_NOTE),
        *(
            (table, f"{words[0].upper()}{words[1:]}: {grounding.SEPARATION_NOTE}")
            for words, table in separations.items()
        ),
        (
            Table(DOINGS, doings),
            "Shares of visits. Seconds of a step from page to decision, the store's answer included, four visits side by side on two cores.",
        ),
    ]
    return Section("policies", what, tables, ("torch", "transformers", "django-oscar"))


def _of_policy(figures: Mapping[str, Any], policy: str) -> dict[str, Any]:
    """The figures of the funnel under the keys of the policy that a run is named after."""
    asked = None if policy == "lm" else policy
    found: dict[str, Any] = {}
    for rate in RATES:
        for side in ("agent", "real"):
            shown = metric("conversion", "overall", side, rate)
            found[shown.key] = figures[shown.key_of(asked)]
            if side == "agent":
                found[shown.interval_key_of(None)] = figures[shown.interval_key_of(asked)]
    return found


def figure(figures: Mapping[str, Any], shown: Metric, policy: str | None = None) -> str:
    """The figure of a policy (None: the one that the run is named after), with its interval where it has one."""
    interval = figures.get(shown.interval_key_of(policy))
    value = number(figures.get(shown.key_of(policy)))
    return f"{value} ({number(interval[0])} to {number(interval[1])})" if interval else value


def _untrained(run: StageContext, visits: int) -> tuple[pa.Table, pa.Table]:
    """The visits of the model that the pack's was trained from, whose persona rows say nothing."""
    mix, sessions = simulated_buyers(run)
    goals = draw_population(mix, sessions, visits, run.config.seed, run.config.simulation.sampling)
    model, tokenizer = load_backbone(PACKAGED)
    codes = len(FittedPersonas.load(run.folder / "personas").network.codebook)
    add_persona_tokens(model, tokenizer, codes, start="mean", codebook=None, seed=0)
    place = run.folder.work(run.stage) / "untrained"
    save_backbone(model, tokenizer, place)
    del model
    make = model_policies(place, run.config.agent.prompt, run.config.simulation.temperature)
    limits = Limits(MAX_STEPS, run.config.simulation.time_limit_seconds, TOGETHER)
    played, events = visit_stores(visit_setup(run), goals, lambda _, seed: make(seed), limits, "untrained")
    return episode_tables(played, events, {})


def _doing(words: str, episodes: pa.Table, steps: pa.Table) -> list[str]:
    """What these visits came to, and the pace of those of the `steps` that are theirs."""
    own = steps.filter(pc.is_in(steps["episode_id"], episodes["episode_id"]))
    seconds = own["seconds"].to_pylist()
    ended = pc.equal(episodes["ending"], "goal_reached")
    shares = [
        pc.mean(found.cast(pa.int64())).as_py() for found in (*(happened(episodes, rate) for rate in RATES), ended)
    ]
    return [
        words,
        number(episodes.num_rows),
        *(f"{share:.1%}" for share in shares),
        number(own.num_rows / episodes.num_rows),
        number(percentile(seconds, 0.5)),
        number(percentile(seconds, 0.95)),
    ]
