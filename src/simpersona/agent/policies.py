"""Makes the policies of simulated buyers from trained files, on the machine where the buyers act."""

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
    """The settings of a policy besides its trained files."""

    buyers: BuyersConfig
    llm: LlmConfig
    prompt: Literal["short", "figure9"]
    model: Literal["trained", "llm"]
    """The language model that acts: "trained" by this run, or "llm", the one of [llm]."""
    temperature: float
    reasoning: bool


class PolicyMaker:
    """Makes the policy of each episode, all of one kind. Shared files are read when the first policy is made.

    `folder` holds the trained policies (the folder of the stage `agent`); `files` are the folders in it that are read.
    """

    def __init__(self, settings: PolicySettings, folder: Path, policy: Literal["lm", "scorer"]) -> None:
        self.settings, self.folder = settings, folder
        self.policy: Literal["lm", "scorer"] = policy
        model = "stage2" if (folder / "stage2").is_dir() else "adapter"  # some adapters are merged into no checkpoint
        name = "scorer" if policy == "scorer" else model
        self._trained = folder / name
        self.files = () if policy == "lm" and settings.model == "llm" else (name,)

    def __call__(self, goal: Goal, seed: int) -> Policy:
        return self._make(goal, seed)

    @cached_property
    def _make(self) -> Callable[[Goal, int], Policy]:
        settings = self.settings
        if self.policy == "scorer":
            make = scorer_policies(self._trained, settings.buyers, settings.temperature)
            return lambda _goal, seed: make(seed)
        if settings.model == "llm":
            prompt = prompt_format(settings.prompt, reasoning=settings.reasoning)
            model = open_model(settings.llm, settings.temperature)
            return lambda _goal, seed: LanguageModelPolicy(model, seed, prompt)
        act = model_policies(self._trained, settings.prompt, settings.temperature, reasoning=settings.reasoning)
        return lambda _goal, seed: act(seed)


def model_policies(
    folder: Path, prompt: str, temperature: float, *, reasoning: bool = False
) -> Callable[[int], Policy]:
    """A function that makes the policy of a visit from its seed, with the language model in `folder`: a checkpoint that
    takes the prompt format `prompt`, or an adapter, which records its prompt format.
    """
    from simpersona.agent.answer_policy import AnswerPolicy  # noqa: PLC0415 - heavy
    from simpersona.agent.persona_adapter import is_adapter, read_adapter  # noqa: PLC0415 - heavy
    from simpersona.agent.transformers_model import TransformersModel  # noqa: PLC0415 - heavy

    name = read_adapter(folder)["prompt"] if is_adapter(folder) else prompt
    model = TransformersModel(folder, temperature)
    if name == "short":
        return lambda seed: AnswerPolicy(model, seed)
    rendered = prompt_format(name, reasoning=reasoning)
    return lambda seed: LanguageModelPolicy(model, seed, rendered)


def scorer_policies(folder: Path, buyers: BuyersConfig, temperature: float) -> Callable[[int], Policy]:
    """A function that makes the policy of a visit from its seed, with the scorer in `folder`."""
    from simpersona.agent.scorer_training import load_score  # noqa: PLC0415 - heavy

    score = load_score(folder, open_embedder(buyers.embedder))
    return lambda seed: ScorerPolicy(score, seed, temperature)
