"""SimPersona: from the raw clickstream of online stores to a population of simulated buyers.

- `run(config)` runs the pipeline; `open_run(path)` opens a finished run: its buyers, personas, mixes, visits and figures.
- `load_pack()` opens trained personas and policies: a pack's or a run's. It assigns new buyers and makes agents that shop.
- `PersonaModel` learns personas from a data frame, with the interface of scikit-learn.
- `visit(url)` sends one simulated buyer to a store, now.
- `experiment(a, b)` compares two variants of a store; `power(experiment)` gives the number of buyers it takes.
- `Config` holds all settings. Errors: `SimPersonaError` and its kinds `ConfigError`, `SourceError`, `ContractError`.

Nothing heavy is imported before a name is used. `docs/api.md` has an example for each.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from simpersona.errors import ConfigError, ContractError, SimPersonaError, SourceError

if TYPE_CHECKING:
    from simpersona.config import Config
    from simpersona.pack.pack import Pack, load_pack
    from simpersona.personas.estimator import PersonaModel
    from simpersona.pipeline.experiment import Experiment, experiment, power
    from simpersona.pipeline.opened_run import OpenedRun, open_run, run
    from simpersona.pipeline.single_visit import StoreVisit, visit

__version__ = "0.1.0"
__all__ = [
    "Config",
    "ConfigError",
    "ContractError",
    "Experiment",
    "OpenedRun",
    "Pack",
    "PersonaModel",
    "SimPersonaError",
    "SourceError",
    "StoreVisit",
    "__version__",
    "experiment",
    "load_pack",
    "open_run",
    "power",
    "run",
    "visit",
]

_MODULES = {
    "Config": "config",
    "Experiment": "pipeline.experiment",
    "OpenedRun": "pipeline.opened_run",
    "Pack": "pack.pack",
    "PersonaModel": "personas.estimator",
    "StoreVisit": "pipeline.single_visit",
    "experiment": "pipeline.experiment",
    "load_pack": "pack.pack",
    "open_run": "pipeline.opened_run",
    "power": "pipeline.experiment",
    "run": "pipeline.opened_run",
    "visit": "pipeline.single_visit",
}
"""Where each name is defined; a module is imported when its name is first used."""


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(f"simpersona.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
