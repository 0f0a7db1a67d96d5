"""An experiment: the same simulated buyers visit two variants of a store. Writes the verdict as tables, JSON and a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from simpersona.config import Config
from simpersona.config.file import parse_config
from simpersona.contracts import BUYERS, EPISODES, HEADS, LEVELS, STEPS
from simpersona.errors import ConfigError
from simpersona.evaluation.measurable import INFERRED, is_inferred
from simpersona.evaluation.tables import PAIRS
from simpersona.files import fingerprint, read_json, read_table, write_json, write_table, write_text
from simpersona.personas.fitted import FittedPersonas
from simpersona.pipeline.opened_run import OnProgress, as_config, as_reporter
from simpersona.pipeline.preflight import FILE as PREFLIGHT
from simpersona.pipeline.preflight import require_usable_store
from simpersona.pipeline.recorded import simulated_buyers
from simpersona.pipeline.run import Reporter, Stage, run_pipeline
from simpersona.pipeline.stage import StageContext, StageResult
from simpersona.pipeline.visits import run_arm
from simpersona.report.experiment_page import render_experiment
from simpersona.shopper.records import episode_tables
from simpersona.simulation.arms import arms_of
from simpersona.simulation.experiment import Question, cost_of_lifts, experiment_figures, visit_pairs
from simpersona.simulation.store_goals import with_offers

FIGURES = "experiment.json"
TABLES = {"episodes": EPISODES, "steps": STEPS}
STORE_SETTINGS = frozenset({"store.theme", "store.variant", "store.access", "simulation.store_url"})
"""The settings in which two arms may differ: those that define the store."""
READERS = ("world", "events", "buyers", "personas", "traces", "agent", "experiment")
"""An experiment, and the stages that it depends on: a setting that none of them reads cannot change a visit."""


@dataclass(frozen=True)
class Plan:
    """Two arms of one run. Only the store of B is used; all other settings are those of A."""

    a: Config
    b: Config
    question: Question
    policy: Literal["lm", "scorer"]
    buyers: int
    reseed: bool = False
    """B's buyers act with another seed; otherwise a buyer that sees the same pages in both does the same."""

    @property
    def inputs(self) -> dict[str, Any]:
        """What the experiment depends on besides the run and A's settings."""
        return {
            "store": _read_of_store(self.b),
            "url": self.b.simulation.store_url,
            "question": vars(self.question),
            "policy": self.policy,
            "buyers": self.buyers,
            "reseed": self.reseed,
        }

    @property
    def visited(self) -> Config:
        """The settings of A with `buyers` visits of the policy, and no visits without a persona token."""
        settings = self.a.simulation
        if self.policy == settings.policy:
            changes = {"episodes": self.buyers, "no_token_episodes": 0}
        else:
            scorer = settings.scorer.model_copy(update={"episodes": self.buyers, "no_token_episodes": 0})
            changes = {"scorer": scorer}
        return self.a.model_copy(update={"simulation": settings.model_copy(update=changes)})

    @property
    def name(self) -> str:
        """Name of the stage and of its folder; other stores give another name."""
        a = [_read_of_store(self.a), self.a.simulation.store_url]
        return f"experiment-{fingerprint(a, self.inputs['store'], self.inputs['url'], self.reseed)[:6]}"


def require_one_run(a: Config, b: Config) -> None:
    """Raises ConfigError if two configs differ in more than the store; it lists these settings."""
    first, second = (
        {name: value for reader in READERS for name, value in arm.read_by(reader).items()} for arm in (a, b)
    )
    wrong = [
        f"  {name}: {first.get(name)!r} and {second.get(name)!r}"
        for name in sorted(first.keys() | second.keys())
        if first.get(name) != second.get(name)
        and not any(name == allowed or name.startswith(f"{allowed}.") for allowed in STORE_SETTINGS)
    ]
    if wrong:
        raise ConfigError(
            "the two configs differ in more than the store, so a difference could not be attributed to it. They may differ in "
            f"{', '.join(sorted(STORE_SETTINGS))}; these differ too:\n" + "\n".join(wrong)
        )


@dataclass(frozen=True)
class Experiment:
    """A finished experiment. docs/experiments.md explains the keys of `figures`."""

    folder: Path
    figures: dict[str, Any]

    @property
    def verdict(self) -> str:
        """Which store wins: "A wins", "B wins" or "cannot tell"."""
        return self.figures["verdict"]

    @property
    def reason(self) -> str:
        """The reason of the verdict, in one sentence."""
        return self.figures["reason"]

    @property
    def pairs(self) -> pa.Table:
        """One row per buyer with both visits (shape of PAIRS)."""
        return read_table(self.folder / "pairs.parquet", PAIRS)

    @property
    def page(self) -> Path:
        """The path of the HTML page."""
        return self.folder / "index.html"

    def __repr__(self) -> str:
        return f"<experiment {self.folder}: {self.verdict}>"


def experiment(
    a: Config | str | Path | Mapping[str, Any],
    b: Config | str | Path | Mapping[str, Any] | None = None,
    *,
    store_a: str | None = None,
    store_b: str | None = None,
    buyers: int | None = None,
    policy: Literal["lm", "scorer"] | None = None,
    level: float = 0.05,
    lift: float = 0.02,
    power: float = 0.8,
    reseed: bool = False,
    force: bool = False,
    progress: OnProgress | Reporter | None = None,
) -> Experiment:
    """Lets the same simulated buyers visit two variants of a store and compares the outcomes.

    `a` and `b` are configs (each a Config, the path of a TOML file, or a dict of settings) that differ only in the store; or
    `a` alone with the addresses `store_a` and `store_b`. Stages that are not up to date run first, up to the trained
    agent. `buyers` is the number of buyers over all stores, by default as many as the run simulates; `policy` is "lm" or
    "scorer", by default the scorer where it is trained. `level` is the significance level (alpha); `figures["cost"]` holds
    how many buyers it takes to detect the relative `lift` with the statistical `power`. `reseed` gives B another seed, to
    test a store against itself; `force` re-runs the visits. `progress` is called as `progress(stage, done, total, note)`.

    Raises ConfigError for wrong settings, or configs that differ in more than the store.
    """
    question = _question(level, lift, power)
    if (b is None) == (None in (store_a, store_b)) or (b is not None and (store_a or store_b)):
        raise ConfigError("experiment: give two configs, or one config with store_a and store_b")
    first, second = as_config(a), as_config(a if b is None else b)
    if store_a and store_b:
        first, second = (_at(config, url) for config, url in ((first, store_a), (second, store_b)))
    require_one_run(first, second)
    acting = _acting(first, policy)
    settings = first.simulation if acting == first.simulation.policy else first.simulation.scorer
    plan = Plan(first, second, question, acting, buyers or settings.episodes, reseed)
    then = Stage(plan.name, partial(run, plan), ("agent",), reader="experiment", inputs=plan.inputs)
    reporter = as_reporter(progress)
    try:
        folder = run_pipeline(first, reporter, "agent", (plan.name,) if force else (), then=then)
    finally:
        reporter.close()
    return Experiment(folder / plan.name, figures_in(folder / plan.name))


def power(
    experiment: Experiment | str | Path | Mapping[str, Any],
    *,
    lift: float = 0.02,
    power: float = 0.8,
    level: float = 0.05,
) -> dict[str, Any]:
    """How many buyers it takes to detect a lift, from the rates and the discordance of a finished experiment.

    `experiment` is an Experiment, its folder, or its figures. `lift` is the minimum detectable effect, relative to A's rate:
    0.02 is 2 %. The result has `lift`, `power` and by outcome (`outcomes`): `buyers`, `visitors_per_arm` of a live test, and
    the relative lift `detectable` with the experiment's own pairs; None where the outcome never differed.
    """
    if isinstance(experiment, Experiment):
        experiment = experiment.figures
    figures = experiment if isinstance(experiment, Mapping) else figures_in(Path(experiment))
    return cost_of_lifts(figures, _question(level, lift, power))


def run(plan: Plan, context: StageContext, out: Path) -> StageResult:
    """Runs the visits of both arms and writes their episodes and steps, the pairs, the figures and the page."""
    mix, sessions = simulated_buyers(context)
    visited = plan.visited
    populations = arms_of(visited.simulation, visited.acting, mix, sessions, visited.seed)
    visitors = next(arm for arm in populations if arm.policy == plan.policy)
    arms = {"a": plan.a, "b": plan.b}
    checked = {
        name: found
        for name, config in arms.items()
        if (found := require_usable_store(config, [visitors], context.progress)) is not None
    }
    offers = next((found.offers for found in checked.values() if found.offers), ())
    (visitors,) = with_offers([visitors], offers, visited.seed)
    played: dict[str, tuple[pa.Table, pa.Table]] = {}
    for arm, config in arms.items():
        seed = config.seed + (plan.reseed and arm == "b")
        arm_context = replace(context, config=config.model_copy(update={"seed": seed}))
        played[arm] = episode_tables(*run_arm(arm_context, replace(visitors, name=arm)), {})
    for index, (name, contract) in enumerate(TABLES.items()):
        write_table(out / f"{name}.parquet", pa.concat_tables([tables[index] for tables in played.values()]), contract)
    (a, _), (b, _) = played.values()
    pairs = visit_pairs(a, b, mix, _strata(context), _levels(context))
    pairs = _without_unseen(pairs, arms)
    write_table(out / "pairs.parquet", pairs, PAIRS)
    figures = {
        "run": context.config.name,
        "source": context.config.source.format,
        "policy": plan.policy,
        "seed": context.config.seed,
        "reseed": plan.reseed,
        **{arm: _store(config) for arm, config in arms.items()},
        **experiment_figures(pairs, plan.question),
        "inferred": is_inferred(a) or is_inferred(b),
    }
    write_json(out / FIGURES, figures)
    found_before = {name: found.as_json() for name, found in checked.items()}
    if checked:
        write_json(out / PREFLIGHT, found_before)
    write_text(
        out / "index.html", render_experiment(figures, {name: read["findings"] for name, read in found_before.items()})
    )
    context.folder.forget_work(context.stage)
    return StageResult(
        2 * plan.buyers,
        figures["pairs"],
        f"{figures['verdict']}: {figures['reason']}" + (f" (events {INFERRED})" if figures["inferred"] else ""),
        plan.buyers - figures["pairs"],
        details=[f"{name.upper()}: {line}" for name, found in checked.items() for line in found.lines()],
    )


def figures_in(folder: Path) -> dict[str, Any]:
    """The figures in an experiment's folder. Raises ConfigError if there are none."""
    if not (folder / FIGURES).is_file():
        raise ConfigError(f"{folder}: no {FIGURES} here. Give the folder of an experiment, runs/NAME/experiment-...")
    return read_json(folder / FIGURES)


def _question(level: float, lift: float, power: float) -> Question:
    for name, value in (("level", level), ("power", power)):
        if not 0 < value < 1:
            raise ConfigError(f"{name} {value:g}: expected a number between 0 and 1")
    return Question(level, lift, power)


def _at(config: Config, url: str) -> Config:
    data = config.model_dump(mode="json")
    return parse_config(data | {"simulation": data["simulation"] | {"store_url": url}}, "experiment")


def _acting(config: Config, policy: str | None) -> Literal["lm", "scorer"]:
    for name in reversed(config.acting):
        if policy in (None, name):
            return name
    raise ConfigError(f"policy {policy}: the buyers of this run act by {' and '.join(config.acting)}")


def _without_unseen(pairs: pa.Table, arms: Mapping[str, Config]) -> pa.Table:
    """The pairs, with unknown purchases if a store is not the lab's: visits to such stores end before the payment."""
    if all(config.simulation.store_url is None for config in arms.values()):
        return pairs
    for arm in arms:
        column = f"purchase_{arm}"
        index = pairs.schema.get_field_index(column)
        pairs = pairs.set_column(index, pairs.schema.field(column), pa.nulls(pairs.num_rows, pa.bool_()))
    return pairs


def _strata(context: StageContext) -> dict[tuple[str, str], str]:
    buyers = context.table("buyers/buyers.parquet", BUYERS).select(["shop_id", "buyer_id", "stratum"]).to_pylist()
    return {(row["shop_id"], row["buyer_id"]): row["stratum"] for row in buyers}


def _levels(context: StageContext) -> dict[int, dict[str, str]]:
    table = FittedPersonas.load(context.folder / "personas").network.head_levels()
    return {
        code: {head: LEVELS[level] for head, level in zip(HEADS, row, strict=True)} for code, row in enumerate(table)
    }


def _read_of_store(config: Config) -> dict[str, Any]:
    """The settings of [store] that a visit of an experiment depends on."""
    return {name: value for name, value in config.read_by("experiment").items() if name.startswith("store.")}


def _store(config: Config) -> dict[str, Any]:
    if config.simulation.store_url is not None:
        return {"url": config.simulation.store_url}
    return {"theme": config.store.theme, **config.store.variant.model_dump()}
