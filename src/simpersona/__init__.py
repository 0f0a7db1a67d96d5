"""SimPersona: from the raw clickstream of online stores to a population of simulated buyers."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simpersona.stages.persona_model import PersonaModel

__version__ = "0.1.0"
__all__ = ["PersonaModel", "__version__"]


def __getattr__(name: str) -> object:
    # only who asks for the class waits for PyTorch
    if name == "PersonaModel":
        return import_module("simpersona.stages.persona_model").PersonaModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
