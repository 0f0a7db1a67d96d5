"""What decides for simulated buyers, read from the run folder on the machine where they act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from simpersona.adapters.embedders.open import open_embedder
from simpersona.adapters.models.open import open_model
from simpersona.config import BuyersConfig, LlmConfig
from simpersona.ports import Policy
from simpersona.shopper.model_policy import LanguageModelPolicy, prompt_format
from simpersona.shopper.scorer_policy import ScorerPolicy
from simpersona.visits import Goal


@dataclass(frozen=True)
class PolicySettings:
    """What a policy is made with beside its trained files."""

    buyers: BuyersConfig
    llm: LlmConfig
    prompt: Literal["short", "figure9"]
    model: Literal["trained", "llm"]
    """The language model that acts: the trained one, or that of [llm]."""
    temperature: float
    reasoning: bool


class PolicyMaker:
    """Makes each episode's policy of one kind. What they share is read from `folder` when the first is made.

    `folder` is where trained policies are (that of the stage `agent`); `files` are the places in it that are read.
    """

    def __init__(self, settings: PolicySettings, folder: Path, policy: Literal["lm", "scorer"]) -> None:
        self.settings, self.folder = settings, folder
        self.policy: Literal["lm", "scorer"] = policy
        model = "stage2" if (folder / "stage2").is_dir() else "adapter"  # a pack's
        place = "scorer" if policy == "scorer" else model
        self._place = folder / place
        self.files = () if policy == "lm" and settings.model == "llm" else (place,)

    def __call__(self, goal: Goal, seed: int) -> Policy:
        return self._make(goal, seed)

    @cached_property
    def _make(self) -> Callable[[Goal, int], Policy]:
        settings = self.settings
        if self.policy == "scorer":
            make = scorer_policies(self._place, settings.buyers, settings.temperature)
            return lambda _goal, seed: make(seed)
        if settings.model == "llm":
            prompt = prompt_format(settings.prompt, reasoning=settings.reasoning)
            model = open_model(settings.llm, settings.temperature)
            return lambda _goal, seed: LanguageModelPolicy(model, seed, prompt)
        act = model_policies(self._place, settings.prompt, settings.temperature, reasoning=settings.reasoning)
        return lambda _goal, seed: act(seed)


def model_policies(place: Path, prompt: str, temperature: float, *, reasoning: bool = False) -> Callable[[int], Policy]:
    """What makes the policy of a visit from its seed, by the language model in the folder `place`: a checkpoint that is
    asked in the form `prompt`, or an adapter, which knows its own.
    """
    from simpersona.agent.persona_adapter import is_adapter, read_adapter  # noqa: PLC0415 - heavy
    from simpersona.agent.transformers_model import TransformersModel  # noqa: PLC0415 - heavy

    name = read_adapter(place)["prompt"] if is_adapter(place) else prompt
    rendered = prompt_format(name, reasoning=reasoning)
    model = TransformersModel(place, temperature)
    return lambda seed: LanguageModelPolicy(model, seed, rendered)


def scorer_policies(place: Path, buyers: BuyersConfig, temperature: float) -> Callable[[int], Policy]:
    """What makes the policy of a visit from its seed, by the scorer in the folder `place`."""
    from simpersona.agent.scorer_training import load_score  # noqa: PLC0415 - heavy

    score = load_score(place, open_embedder(buyers.embedder))
    return lambda seed: ScorerPolicy(score, seed, temperature)
