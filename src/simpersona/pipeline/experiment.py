"""An experiment: two variants of a store, the same buyers in both, and the verdict as table, JSON and page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from simpersona.config import Config
from simpersona.contracts import BUYERS, EPISODES, HEADS, LEVELS, STEPS
from simpersona.errors import ConfigError
from simpersona.evaluation.tables import PAIRS
from simpersona.files import fingerprint, read_json, write_json, write_table, write_text
from simpersona.personas.fitted import FittedPersonas
from simpersona.pipeline.recorded import simulated_buyers
from simpersona.pipeline.stage import StageContext, StageResult
from simpersona.pipeline.visits import play_arm
from simpersona.report.experiment_page import render_experiment
from simpersona.shopper.records import episode_tables
from simpersona.simulation.arms import arms_of
from simpersona.simulation.experiment import Question, experiment_figures, visit_pairs

FIGURES = "experiment.json"
TABLES = {"episodes": EPISODES, "steps": STEPS}
OF_STORE = frozenset({"store.theme", "store.variant", "simulation.store_url"})
"""The settings in which two arms may differ: those that say what the store is."""
READERS = ("world", "events", "buyers", "personas", "traces", "agent", "experiment")
"""An experiment, and the stages that it depends on: what none of them reads cannot change a visit."""


@dataclass(frozen=True)
class Plan:
    """Two arms of one run: all but the store is that of A."""

    a: Config
    b: Config
    question: Question
    policy: Literal["lm", "scorer"]
    buyers: int
    reseed: bool = False
    """B's buyers draw their moves anew; else a buyer that sees the same pages in both does the same."""

    @property
    def asked(self) -> dict[str, Any]:
        """What the experiment depends on beside the run and A's settings."""
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
        """A with so many visits of the policy, and none without a token."""
        settings = self.a.simulation
        if self.policy == settings.policy:
            changes = {"episodes": self.buyers, "no_token_episodes": 0}
        else:
            scorer = settings.scorer.model_copy(update={"episodes": self.buyers, "no_token_episodes": 0})
            changes = {"scorer": scorer}
        return self.a.model_copy(update={"simulation": settings.model_copy(update=changes)})

    @property
    def name(self) -> str:
        """Of the stage and its folder: other stores give another name."""
        a = [_read_of_store(self.a), self.a.simulation.store_url]
        return f"experiment-{fingerprint(a, self.asked['store'], self.asked['url'], self.reseed)[:6]}"


def require_one_run(a: Config, b: Config) -> None:
    """Raises ConfigError that lists the settings that differ and say more than what the store is."""
    one, other = ({name: value for reader in READERS for name, value in arm.read_by(reader).items()} for arm in (a, b))
    wrong = [
        f"  {name}: {one.get(name)!r} and {other.get(name)!r}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name) and not any(name == it or name.startswith(f"{it}.") for it in OF_STORE)
    ]
    if wrong:
        raise ConfigError(
            f"the two configs differ in more than the store, so that no difference could be laid to it; expected the same "
            f"but for {', '.join(sorted(OF_STORE))}:\n" + "\n".join(wrong)
        )


def run(plan: Plan, context: StageContext, out: Path) -> StageResult:
    """Plays both arms and writes episodes and steps of both, the pairs, the figures and the page."""
    mix, sessions = simulated_buyers(context)
    visited = plan.visited
    populations = arms_of(visited.simulation, visited.acting, mix, sessions, visited.seed)
    visitors = next(arm for arm in populations if arm.policy == plan.policy)
    arms = {"a": plan.a, "b": plan.b}
    played: dict[str, tuple[pa.Table, pa.Table]] = {}
    for arm, config in arms.items():
        seed = config.seed + (plan.reseed and arm == "b")
        there = replace(context, config=config.model_copy(update={"seed": seed}))
        played[arm] = episode_tables(*play_arm(there, replace(visitors, name=arm)), {})
    for place, (name, contract) in enumerate(TABLES.items()):
        write_table(out / f"{name}.parquet", pa.concat_tables([tables[place] for tables in played.values()]), contract)
    (a, _), (b, _) = played.values()
    pairs = visit_pairs(a, b, mix, _strata(context), _levels(context))
    pairs = _without_unseen(pairs, arms)
    write_table(out / "pairs.parquet", pairs, PAIRS)
    told = {
        "run": context.config.name,
        "source": context.config.source.format,
        "policy": plan.policy,
        "seed": context.config.seed,
        "reseed": plan.reseed,
        **{arm: _store(config) for arm, config in arms.items()},
        **experiment_figures(pairs, plan.question),
    }
    write_json(out / FIGURES, told)
    write_text(out / "index.html", render_experiment(told))
    context.folder.forget_work(context.stage)
    return StageResult(
        2 * plan.buyers, told["pairs"], f"{told['verdict']}: {told['reason']}", plan.buyers - told["pairs"]
    )


def figures_in(folder: Path) -> dict[str, Any]:
    """The figures of an experiment's folder. Raises ConfigError if there are none."""
    if not (folder / FIGURES).is_file():
        raise ConfigError(f"{folder}: no {FIGURES} here. Give the folder of an experiment, runs/NAME/experiment-….")
    return read_json(folder / FIGURES)


def _without_unseen(pairs: pa.Table, arms: Mapping[str, Config]) -> pa.Table:
    """In a store that is not the lab's a visit ends before it pays: whether it would have bought is unknown."""
    if all(config.simulation.store_url is None for config in arms.values()):
        return pairs
    for arm in arms:
        column = f"purchase_{arm}"
        place = pairs.schema.get_field_index(column)
        pairs = pairs.set_column(place, pairs.schema.field(column), pa.nulls(pairs.num_rows, pa.bool_()))
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
