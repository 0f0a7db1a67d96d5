"""Settings of the simulated population: who visits, by which policy, and what plays the visits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simpersona.config.source import Positive, PositiveFloat, Section

Sampling = Literal["multinomial", "stratified", "systematic"]
Window = Literal["browser", "http"]


class ScorerVisitsConfig(Section):
    """The scorer's visits beside the language model's; none where policy = "scorer" or the scorer is none of agent.policies."""

    episodes: int = Field(default=1000, ge=0)
    no_token_episodes: int = Field(default=0, ge=0)
    max_steps: Positive = 60
    """Each field of a checkout is a step: with few, orders are not finished."""
    window: Window = "http"
    concurrency: Positive = 8


class SimulationConfig(Section):
    """Store mix to episodes (App. B, 3.2)."""

    store_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """An http(s) address that the simulated buyers visit; None starts the lab's storefront for each shop."""
    policy: Literal["lm", "scorer"] = "lm"
    """What decides for the simulated buyers: one of `agent.policies`."""
    model: Literal["trained", "llm"] = "trained"
    """With policy = "lm": the model that the stage `agent` trained, in this process, or that of [llm]. Serve the trained one
    there: another model does not know the persona tokens."""
    engine: Annotated[str, Field(pattern=r"^(asyncio|ray(://\S+)?)$")] = "asyncio"
    """What plays the visits: "asyncio" in this process, "ray" on the Ray cluster of this machine (started if there is none),
    ray://host:port on another one. The tables are the same."""
    sampling: Sampling = "systematic"
    """How buyers are drawn from a shop's mix. "multinomial": each independently; "stratified" and "systematic": evenly over
    the mix, so that a code's visits hardly differ from its share (docs/simulation.md)."""
    episodes: Positive = 40
    """Over all held-out shops."""
    max_steps: Positive = 20
    """30 in the paper."""
    time_limit_seconds: PositiveFloat = 180
    concurrency: Positive = 2
    temperature: PositiveFloat = 1.0
    """Agents sample, they do not decode greedily (REFERENCE 21)."""
    reasoning: bool = False
    """Whether the model explains what it did (agent.prompt = "figure9"); most of the time of a step. It cannot change the
    action before it, but stands in the progress log of the next steps."""
    no_token_episodes: int = Field(default=0, ge=0)
    """Further episodes without a persona token, for the ablation of App. I."""
    scorer: ScorerVisitsConfig = ScorerVisitsConfig()


class TasksConfig(Section):
    """The benchmark of shopping tasks (3.4, App. J), in the lab's storefronts of the held-out shops, over HTTP."""

    count: int = Field(default=0, ge=0)
    """Tasks derived from recorded sessions; 70 in the paper. 0: no benchmark."""
    repetitions: Positive = 1
    """Visits of each policy for each task; 10 in the paper. The replay teacher, who does the same each time, visits once."""
    policies: tuple[Literal["replay", "scorer", "lm", "llm"], ...] = ("replay", "scorer")
    """"replay" knows the session (an upper bound); "llm" is the model of [llm]; "lm" and "scorer" as in [simulation]."""
    actions: tuple[Positive, Positive] = (3, 27)
    """The fewest and the most actions that a task may take."""
    max_steps: Positive = 30
    concurrency: Positive = 4
    judge: Literal["rules", "llm"] = "rules"
    """The store's log always judges; "llm": the model of [llm] does too, and is compared with it."""
