"""SimPersona: from the raw clickstream of online stores to a population of simulated buyers."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simpersona.stages.loaded_pack import load_pack
    from simpersona.stages.persona_model import PersonaModel

__version__ = "0.1.0"
__all__ = ["PersonaModel", "__version__", "load_pack"]

_PLACES = {"PersonaModel": "persona_model", "load_pack": "loaded_pack"}


def __getattr__(name: str) -> object:
    # only who asks for one waits for what it needs
    if name in _PLACES:
        return getattr(import_module(f"simpersona.stages.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
