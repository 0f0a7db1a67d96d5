"""All settings of a run: one frozen tree, and the stages that read each part of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from simpersona.config.evaluation import EvaluationConfig
from simpersona.config.events import EventsConfig
from simpersona.config.lab import LabConfig
from simpersona.config.models import AgentConfig, LlmConfig
from simpersona.config.personas import BuyersConfig, PersonasConfig, SplitConfig
from simpersona.config.section import NO_RESULT, ReadBy, Section, settings_of
from simpersona.config.simulation import SimulationConfig, TasksConfig
from simpersona.config.source import AnySource, LabSourceConfig
from simpersona.config.store import StoreConfig
from simpersona.config.traces import TracesConfig


class Config(Section):
    """All settings of a run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"), NO_RESULT] = "demo"
    """Name of the run: another name is another run."""
    folder: Annotated[Path, NO_RESULT] = Path("runs")
    """Runs are written to folder/name."""
    seed: Annotated[int, ReadBy("personas", "traces", "agent", "tasks", "simulation", "evaluation", "experiment")] = 0
    pack: Annotated[Annotated[str, Field(min_length=1)] | None, ReadBy("personas", "agent", "evaluation")] = None
    """A trained pack whose personas and policies are used instead of training them: a folder, or "default" for the pack that
    comes with the package."""
    source: Annotated[AnySource, ReadBy("events", "buyers", "traces", "evaluation", "experiment")] = LabSourceConfig()
    lab: Annotated[LabConfig, ReadBy("world")] = LabConfig()
    events: Annotated[EventsConfig, ReadBy("events")] = EventsConfig()
    split: Annotated[SplitConfig, ReadBy("personas")] = SplitConfig()
    buyers: Annotated[BuyersConfig, ReadBy("personas")] = BuyersConfig()
    personas: Annotated[PersonasConfig, ReadBy("personas")] = PersonasConfig()
    store: Annotated[StoreConfig, ReadBy("traces", "tasks", "simulation", "experiment")] = StoreConfig()
    traces: Annotated[TracesConfig, ReadBy("traces")] = TracesConfig()
    llm: Annotated[LlmConfig, ReadBy("traces", "tasks", "simulation", "experiment")] = LlmConfig()
    agent: Annotated[AgentConfig, ReadBy("agent")] = AgentConfig()
    simulation: Annotated[SimulationConfig, ReadBy("simulation")] = SimulationConfig()
    tasks: Annotated[TasksConfig, ReadBy("tasks")] = TasksConfig()
    evaluation: Annotated[EvaluationConfig, ReadBy("evaluation")] = EvaluationConfig()

    @model_validator(mode="after")
    def _acting_policy_is_trained(self) -> Config:
        if self.simulation.policy not in self.agent.policies and not self.asks_llm("simulation"):
            raise ValueError(
                f"simulation.policy = {self.simulation.policy!r} is not in agent.policies {list(self.agent.policies)}; add it there, or choose one of these"
            )
        return self

    @model_validator(mode="after")
    def _policies_of_tasks_are_trained(self) -> Config:
        known = {*self.agent.policies, "replay", "llm", *(["lm"] if self.asks_llm("simulation") else [])}
        if self.tasks.count and (missing := sorted({*self.tasks.policies} - known)):
            raise ValueError(f"tasks.policies: {missing} are not in agent.policies {list(self.agent.policies)}")
        return self

    @model_validator(mode="after")
    def _reasons_can_be_given(self) -> Config:
        if self.simulation.reasoning and self.agent.prompt == "short":
            raise ValueError(
                'simulation.reasoning = true needs agent.prompt = "figure9": the short answer has no reasoning'
            )
        return self

    @model_validator(mode="after")
    def _other_personas_have_a_scorer(self) -> Config:
        agent = self.agent
        asks = "lm" in agent.policies and agent.prompt == "short" and agent.counterfactual
        if asks and "scorer" not in agent.policies and self.pack is None:
            raise ValueError(
                "agent.counterfactual = true: the language model learns from a trained scorer what other personas would do, but "
                f'agent.policies = {list(agent.policies)} trains none. Add "scorer" to agent.policies, use a pack that has a '
                "scorer, or set agent.counterfactual = false"
            )
        return self

    @model_validator(mode="after")
    def _pictures_stay_on_this_machine(self) -> Config:
        if self.store.screenshots and self.simulation.engine != "asyncio":
            raise ValueError('store.screenshots needs simulation.engine = "asyncio": pictures stay on the machine')
        return self

    @model_validator(mode="after")
    def _asked_model_is_named(self) -> Config:
        asking = [
            f'{stage}.{name} = "{value}"'
            for stage in ("traces", "simulation", "tasks")
            for name, value in self._settings_that_ask(stage).items()
        ]
        needed = ("url", "model") if self.llm.adapter == "openai" else ()
        missing = [f"llm.{name}" for name in needed if getattr(self.llm, name) is None]
        if asking and missing:
            raise ValueError(f"{', '.join(asking)} needs {' and '.join(missing)}: name the server and its model")
        if "model" in self.asks_llm("simulation") and self.simulation.policy != "lm":
            raise ValueError(
                'simulation.model = "llm" needs simulation.policy = "lm": the scorer asks no language model'
            )
        return self

    @property
    def acting(self) -> tuple[Literal["lm", "scorer"], ...]:
        """The policies of the simulated buyers, the headline's first."""
        policy, scorer = self.simulation.policy, self.simulation.scorer
        beside = policy == "lm" and "scorer" in self.agent.policies and scorer.episodes > 0
        return (policy, "scorer") if beside else (policy,)

    def asks_llm(self, stage: str) -> list[str]:
        """The settings of the section `stage` that name the model of [llm]; empty if that model is not asked."""
        return list(self._settings_that_ask(stage))

    def read_by(self, stage: str, *, beside: bool = False) -> dict[str, Any]:
        """The settings that the result of a stage depends on, by full name, as JSON has them; with `beside`, those that it
        writes something beside its result with.

        The section `lab` is left out for other formats, and `llm` if the stage asks no model: nobody reads them then.
        """
        unused = {*([] if self.source.format == "lab" else ["lab"]), *([] if self._may_ask(stage) else ["llm"])}
        found = {}
        for setting in settings_of(self):
            if setting.read_by is None or setting.name.partition(".")[0] in unused:
                continue
            if stage in (setting.read_by.beside if beside else setting.read_by.stages):
                found[setting.name] = setting.value
        return found

    def _may_ask(self, stage: str) -> bool:
        """Whether a stage asks the model of [llm]. The policy "lm" of tasks and of an experiment is that of the simulation."""
        if stage == "experiment":
            return bool(self.asks_llm("simulation"))
        by_policy = stage == "tasks" and "lm" in self.tasks.policies and bool(self.asks_llm("simulation"))
        return by_policy or bool(self.asks_llm(stage))

    def _settings_that_ask(self, stage: str) -> dict[str, str]:
        """By name in the section `stage`, the value with which a setting asks the model of [llm]."""
        if stage == "tasks" and not self.tasks.count:
            return {}
        asking = {
            "traces": {"teacher": "model", "writer": "llm", "judge": "llm"},
            "simulation": {"model": "llm"},
            "tasks": {"policies": "llm", "judge": "llm"},
        }.get(stage, {})
        actual = {name: getattr(getattr(self, stage), name) for name in asking}
        return {
            name: value
            for name, value in asking.items()
            if actual[name] == value or (isinstance(actual[name], tuple) and value in actual[name])
        }

    @property
    def run_folder(self) -> Path:
        """Folder of the run."""
        return self.folder / self.name
