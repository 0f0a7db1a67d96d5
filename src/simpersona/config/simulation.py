"""Settings of the simulated population and of the benchmark of tasks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simpersona.config.address import address_without_secrets
from simpersona.config.section import NO_RESULT, Positive, PositiveFloat, ReadBy, Section
from simpersona.config.store import Driver

Sampling = Literal["multinomial", "stratified", "systematic"]

_VISITS = ReadBy("simulation", "experiment")
_POLICIES = ReadBy("tasks", "simulation", "experiment")


class ScorerVisitsConfig(Section):
    """The scorer's visits beside the language model's; none if policy = "scorer" or agent.policies has no scorer."""

    episodes: int = Field(default=1000, ge=0)
    no_token_episodes: int = Field(default=0, ge=0)
    max_steps: Annotated[Positive, _VISITS] = 60
    """Each field of a checkout is a step: with few steps, orders are not completed."""
    driver: Annotated[Driver, _VISITS] = "http"
    concurrency: Annotated[Positive, NO_RESULT] = 8


class SimulationConfig(Section):
    """Store mix to visits (App. B, 3.2)."""

    store_url: Annotated[
        Annotated[
            str,
            Field(pattern=r"^https?://"),
            address_without_secrets(login="store.access.login_env", query="store.access.query_env"),
        ]
        | None,
        _VISITS,
    ] = None
    """An http(s) address that the simulated buyers visit. Not set: the lab's storefront of each shop. It must hold no password
    and no secret parameter: store.access names the environment variables that hold them."""
    policy: Annotated[Literal["lm", "scorer"], ReadBy("simulation", "evaluation", "experiment")] = "lm"
    """The policy of the simulated buyers: one of `agent.policies`."""
    model: Annotated[Literal["trained", "llm"], _POLICIES] = "trained"
    """With policy = "lm": "trained" is the model of the stage `agent`, in this process; "llm" is the model of [llm]. Serve the
    trained model there: another model does not know the persona tokens."""
    engine: Annotated[str, Field(pattern=r"^(asyncio|ray(://\S+)?)$"), NO_RESULT] = "asyncio"
    """What runs the visits: "asyncio" in this process, "ray" on the Ray cluster of this machine (started if there is none),
    ray://host:port on another one. The tables are the same."""
    sampling: Annotated[Sampling, _VISITS] = "systematic"
    """How buyers are drawn from a shop's mix. "multinomial": each independently. "stratified" and "systematic": evenly over the
    mix, so that a code's share of the visits is close to its share of the mix (docs/simulation.md)."""
    episodes: Positive = 40
    """Visits to all held-out shops together."""
    max_steps: Annotated[Positive, _VISITS] = 20
    """30 in the paper."""
    time_limit_seconds: Annotated[PositiveFloat, ReadBy("traces", "tasks", "simulation", "experiment")] = 180
    """Longest duration of one visit, also of a replay and of a task."""
    concurrency: Annotated[Positive, NO_RESULT] = 2
    temperature: Annotated[PositiveFloat, _POLICIES] = 1.0
    """Agents sample; they do not decode greedily (REFERENCE 21)."""
    reasoning: Annotated[bool, _POLICIES] = False
    """Whether the model explains what it did (agent.prompt = "figure9"); this takes most of a step's time. It cannot change the
    action before it, but it is part of the progress log of the next steps."""
    no_token_episodes: int = Field(default=0, ge=0)
    """Further visits without a persona token, for the ablation of App. I."""
    scorer: ScorerVisitsConfig = ScorerVisitsConfig()


class TasksConfig(Section):
    """The benchmark of shopping tasks (3.4, App. J), in the lab's storefronts of the held-out shops, over HTTP."""

    count: int = Field(default=0, ge=0)
    """Tasks derived from recorded sessions; 70 in the paper. 0: no benchmark."""
    repetitions: Annotated[Positive, ReadBy("tasks", "evaluation")] = 1
    """Visits of each policy for each task; 10 in the paper. The replay teacher is deterministic and visits once."""
    policies: Annotated[tuple[Literal["replay", "scorer", "lm", "llm"], ...], ReadBy("tasks", "evaluation")] = (
        "replay",
        "scorer",
    )
    """"replay" knows the session (an upper bound); "llm" is the model of [llm]; "lm" and "scorer" as in [simulation]."""
    actions: tuple[Positive, Positive] = (3, 27)
    """The fewest and the most actions of a task."""
    max_steps: Positive = 30
    concurrency: Annotated[Positive, NO_RESULT] = 4
    judge: Literal["rules", "llm"] = "rules"
    """The store's log always judges. "llm": the model of [llm] judges too, and is compared with the log."""
