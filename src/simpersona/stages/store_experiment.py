"""An experiment: two variants of a store, the same buyers in both, and the verdict as table, JSON and page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from simpersona.artifacts import fingerprint, read_json, read_table, write_json, write_table, write_text
from simpersona.config import Config
from simpersona.contracts import BUYERS, EPISODES, HEADS, LEVELS, STEPS, Goal
from simpersona.contracts_results import PAIRS
from simpersona.errors import ConfigError
from simpersona.lab.variants import Variant
from simpersona.ports import Policy
from simpersona.simulation.experiment import Question
from simpersona.stages.context import Facts, Run
from simpersona.stages.from_sessions import drawn_goals, mix_of_simulated_shops, policies
from simpersona.stages.pack import Pack
from simpersona.stages.store_visits import Limits, play_episodes

FIGURES = "experiment.json"
TABLES = {"episodes": EPISODES, "steps": STEPS}
OF_STORE = frozenset({"store.theme", "store.variant", "simulation.store_url"})
"""The settings in which two arms may differ: those that say what the store is."""
NOT_ASKED = frozenset({"name", "folder", "simulation.episodes", "simulation.no_token_episodes", "evaluation"})
"""Settings that no visit of an experiment depends on."""


@dataclass(frozen=True)
class Plan:
    """Two arms of one run: all but the store is that of A."""

    a: Config
    b: Config
    question: Question
    buyers: int
    reseed: bool = False
    """B's buyers draw their moves anew; else a buyer that sees the same pages in both does the same."""

    @property
    def asked(self) -> dict[str, Any]:
        """What the experiment depends on beside the run and A's settings."""
        return {
            "store": self.b.store.model_dump(mode="json"),
            "url": self.b.simulation.store_url,
            "question": vars(self.question),
            "buyers": self.buyers,
            "reseed": self.reseed,
        }

    @property
    def name(self) -> str:
        """Of the stage and its folder: other stores give another name."""
        a = [self.a.store.model_dump(mode="json"), self.a.simulation.store_url]
        return f"experiment-{fingerprint(a, self.asked['store'], self.asked['url'], self.reseed)[:6]}"


def require_one_run(a: Config, b: Config) -> None:
    """Raises ConfigError that lists the settings that differ and say more than what the store is."""
    one, other = (_flat(config.model_dump(mode="json")) for config in (a, b))
    free = OF_STORE | NOT_ASKED
    wrong = [
        f"  {name}: {one.get(name)!r} and {other.get(name)!r}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name) and not any(name == it or name.startswith(f"{it}.") for it in free)
    ]
    if wrong:
        raise ConfigError(
            f"the two configs differ in more than the store, so that no difference could be laid to it; expected the same "
            f"but for {', '.join(sorted(OF_STORE))}:\n" + "\n".join(wrong)
        )


def experiment(plan: Plan, run: Run, out: Path) -> Facts:
    """Plays both arms and writes episodes and steps of both, the pairs, the figures and the page."""
    from simpersona.report.experiment_page import render_experiment
    from simpersona.simulation.experiment import experiment_figures, visit_pairs

    goals = drawn_goals(run, plan.buyers)
    make_policy = policies(run)
    arms = {"a": plan.a, "b": plan.b}
    played: dict[str, tuple[pa.Table, pa.Table]] = {}
    for arm, config in arms.items():
        seed = config.seed + (plan.reseed and arm == "b")
        played[arm] = _play(replace(run, config=config.model_copy(update={"seed": seed})), arm, goals, make_policy)
    for place, (name, contract) in enumerate(TABLES.items()):
        write_table(out / f"{name}.parquet", pa.concat_tables([tables[place] for tables in played.values()]), contract)
    (a, _), (b, _) = played.values()
    pairs = visit_pairs(a, b, mix_of_simulated_shops(run), _strata(run), _levels(run))
    pairs = _without_unseen(pairs, arms)
    write_table(out / "pairs.parquet", pairs, PAIRS)
    told = {
        "run": run.config.name,
        "source": run.config.source.format,
        "policy": run.config.simulation.policy,
        "seed": run.config.seed,
        "reseed": plan.reseed,
        **{arm: _store(config) for arm, config in arms.items()},
        **experiment_figures(pairs, plan.question),
    }
    write_json(out / FIGURES, told)
    write_text(out / "index.html", render_experiment(told))
    run.folder.forget_work(run.stage)
    return Facts(2 * len(goals), told["pairs"], f"{told['verdict']}: {told['reason']}", len(goals) - told["pairs"])


def figures_in(folder: Path) -> dict[str, Any]:
    """The figures of an experiment's folder. Raises ConfigError if there are none."""
    if not (folder / FIGURES).is_file():
        raise ConfigError(f"{folder}: no {FIGURES} here. Give the folder of an experiment, runs/NAME/experiment-….")
    return read_json(folder / FIGURES)


def _play(
    run: Run, arm: str, goals: Sequence[Goal], make_policy: Callable[[Goal, int], Policy]
) -> tuple[pa.Table, pa.Table]:
    """(EPISODES, STEPS) of one arm. An arm that is over is kept as a whole: the other one resets the stores' logs."""
    from simpersona.shopper.records import episode_tables

    kept = run.folder.work(run.stage) / f"{arm}-{run.identity}"
    if not kept.is_dir():
        settings = run.config.simulation
        limits = Limits(settings.max_steps, settings.time_limit_seconds, settings.concurrency)
        variant = Variant(**run.config.store.variant.model_dump())
        episodes, events = play_episodes(run, goals, make_policy, limits, arm, settings.store_url, variant)
        partial = kept.with_name(f".{kept.name}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        for (name, contract), table in zip(TABLES.items(), episode_tables(episodes, events, {}), strict=True):
            write_table(partial / f"{name}.parquet", table, contract)
        partial.rename(kept)
    episodes, steps = (read_table(kept / f"{name}.parquet", contract) for name, contract in TABLES.items())
    return episodes, steps


def _without_unseen(pairs: pa.Table, arms: Mapping[str, Config]) -> pa.Table:
    """In a store that is not the lab's a visit ends before it pays: whether it would have bought is unknown."""
    if all(config.simulation.store_url is None for config in arms.values()):
        return pairs
    for arm in arms:
        column = f"purchase_{arm}"
        place = pairs.schema.get_field_index(column)
        pairs = pairs.set_column(place, pairs.schema.field(column), pa.nulls(pairs.num_rows, pa.bool_()))
    return pairs


def _strata(run: Run) -> dict[tuple[str, str], str]:
    buyers = run.table("buyers/buyers.parquet", BUYERS).select(["shop_id", "buyer_id", "stratum"]).to_pylist()
    return {(row["shop_id"], row["buyer_id"]): row["stratum"] for row in buyers}


def _levels(run: Run) -> dict[int, dict[str, str]]:
    table = Pack.load(run.folder / "personas").personas.head_levels()
    return {
        code: {head: LEVELS[level] for head, level in zip(HEADS, row, strict=True)} for code, row in enumerate(table)
    }


def _store(config: Config) -> dict[str, Any]:
    if config.simulation.store_url is not None:
        return {"url": config.simulation.store_url}
    return {"theme": config.store.theme, **config.store.variant.model_dump()}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat
