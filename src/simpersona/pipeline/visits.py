"""The setup of visits and the trained policies, for the stages that visit stores."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pyarrow as pa

from simpersona.agent.policies import PolicyMaker, PolicySettings
from simpersona.config import Config
from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.pipeline.stage import StageContext
from simpersona.simulation import arms
from simpersona.simulation.visits import VisitSetup
from simpersona.visits import Episode


def visit_setup(context: StageContext) -> VisitSetup:
    """The run's catalogue, the settings of its stores, and its folders."""
    folder, shard = context.folder, context.shard
    return VisitSetup(
        store=context.config.store,
        products=context.table("events/products.parquet", PRODUCTS),
        collections=context.table("events/collections.parquet", COLLECTIONS),
        work=folder.work(context.stage),
        stores=folder / (f"stores-{shard}" if shard else "stores"),
        scratch=folder / ".spill",
        seed=context.config.seed,
        cache_key=context.cache_key,
        progress=context.progress,
        shard=shard,
    )


def policy_maker(
    context: StageContext, policy: Literal["lm", "scorer"], model: Literal["trained", "llm"] | None = None
) -> PolicyMaker:
    """The policy that the stage `agent` trained; `model` overrides `simulation.model`."""
    settings = policy_settings(context.config)
    if model is not None:
        settings = replace(settings, model=model)
    return PolicyMaker(settings, context.folder / "agent", policy)


def policy_settings(config: Config) -> PolicySettings:
    """The settings of a run's policies besides their trained files."""
    simulation = config.simulation
    return PolicySettings(
        buyers=config.buyers,
        llm=config.llm,
        prompt=config.agent.prompt,
        model=simulation.model,
        temperature=simulation.temperature,
        reasoning=simulation.reasoning,
    )


def run_arm(context: StageContext, arm: arms.Arm) -> tuple[list[Episode], pa.Table]:
    """The arm's episodes and the stores' EVENTS rows; `simulation.engine` names where the visits run."""
    simulation = context.config.simulation
    make_policy = policy_maker(context, arm.policy)
    return arms.run_arm(visit_setup(context), arm, make_policy, simulation.engine, simulation.store_url)
