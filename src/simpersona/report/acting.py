"""The policies that act in a run: the headline one's figures have no prefix, those of the others `policies.<name>.`"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_WORDS = {"lm": "language model", "scorer": "scorer", "llm": "served language model", "replay": "replay"}
_COLOURS = ("first", "second", "third")


@dataclass(frozen=True)
class Acting:
    """One policy and its figures, by the keys that they have without a prefix."""

    name: str
    colour: str
    figures: Mapping[str, Any]
    prefix: str = ""

    @property
    def words(self) -> str:
        """What it is called on the page."""
        return policy_words(self.name)

    def interval(self, key: str) -> tuple[float, float] | None:
        """The 95 % interval of a figure, where one was computed."""
        found = self.figures.get(f"{key}_ci95")
        return (found[0], found[1]) if found else None


def acting(metrics: Mapping[str, Any]) -> list[Acting]:
    """The headline policy first. Empty where nothing was measured."""
    names = dict.fromkeys(key.split(".")[1] for key in metrics if key.startswith("policies."))
    first = metrics.get("policy")
    policies = [Acting(str(first), _COLOURS[0], metrics)] if first else []
    for place, name in enumerate(names, start=len(policies)):
        prefix = f"policies.{name}."
        own = {key.removeprefix(prefix): value for key, value in metrics.items() if key.startswith(prefix)}
        policies.append(Acting(name, _COLOURS[min(place, len(_COLOURS) - 1)], own, prefix))
    return policies


def policy_words(name: str) -> str:
    """A policy's name in plain words; a name that is not ours as it is."""
    return _WORDS.get(name, name)
