"""SimPersona: from the raw clickstream of online stores to a population of simulated buyers."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simpersona.pack.pack import load_pack
    from simpersona.personas.estimator import PersonaModel

__version__ = "0.1.0"
__all__ = ["PersonaModel", "__version__", "load_pack"]

_PLACES = {"PersonaModel": "personas.estimator", "load_pack": "pack.pack"}


def __getattr__(name: str) -> object:
    # only who asks for one waits for what it needs
    if name in _PLACES:
        return getattr(import_module(f"simpersona.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
