"""What can be set, with its unit, the paper's section and the stages that read it: one frozen tree per run.

A default is the value of a plain run on a laptop; `configs/paper.toml` holds the paper's values.
"""

from simpersona.config.access import AccessConfig
from simpersona.config.evaluation import EvaluationConfig
from simpersona.config.events import EventsConfig
from simpersona.config.guard import GuardConfig
from simpersona.config.lab import LabConfig, VariantConfig
from simpersona.config.models import AgentConfig, GoalShares, LlmConfig, PhaseConfig
from simpersona.config.personas import BuyersConfig, PersonasConfig, SplitConfig
from simpersona.config.run import Config
from simpersona.config.section import Section
from simpersona.config.simulation import ScorerVisitsConfig, SimulationConfig, TasksConfig
from simpersona.config.source import SourceConfig
from simpersona.config.store import Driver, PolitenessConfig, StoreConfig
from simpersona.config.traces import TracesConfig

__all__ = [
    "AccessConfig",
    "AgentConfig",
    "BuyersConfig",
    "Config",
    "Driver",
    "EvaluationConfig",
    "EventsConfig",
    "GoalShares",
    "GuardConfig",
    "LabConfig",
    "LlmConfig",
    "PersonasConfig",
    "PhaseConfig",
    "PolitenessConfig",
    "ScorerVisitsConfig",
    "Section",
    "SimulationConfig",
    "SourceConfig",
    "SplitConfig",
    "StoreConfig",
    "TasksConfig",
    "TracesConfig",
    "VariantConfig",
]
