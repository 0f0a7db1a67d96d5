"""What decides for simulated buyers, read from the run folder on the machine where they act."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Literal

from simpersona.config import BuyersConfig, Config
from simpersona.contracts import Goal
from simpersona.ports import Embedder, Policy


class PolicyMaker:
    """Makes each episode's policy of one kind. What they share is read from `folder` when the first is made.

    `files` are the places in `folder`, a run's, that are read.
    """

    def __init__(self, config: Config, folder: Path, policy: Literal["lm", "scorer"]) -> None:
        self.config = config
        self.policy: Literal["lm", "scorer"] = policy
        model = "agent/stage2" if (folder / "agent/stage2").is_dir() else "agent/adapter"  # a pack's
        place = "agent/scorer" if policy == "scorer" else model
        self._place = folder / place
        self.files = () if policy == "lm" and config.simulation.model == "llm" else (place,)

    def __call__(self, goal: Goal, seed: int) -> Policy:
        return self._make(goal, seed)

    @cached_property
    def _make(self) -> Callable[[Goal, int], Policy]:
        settings = self.config.simulation
        if self.policy == "scorer":
            make = scorer_policies(self._place, self.config.buyers, settings.temperature)
            return lambda _goal, seed: make(seed)
        if settings.model == "llm":
            from simpersona.shopper.model_policy import LanguageModelPolicy, wording
            from simpersona.stages.served_model import served_model

            words = wording(self.config.agent.prompt, reasoning=settings.reasoning)
            model = served_model(self.config.llm, settings.temperature)
            return lambda _goal, seed: LanguageModelPolicy(model, seed, words)
        act = model_policies(self._place, self.config.agent.prompt, settings.temperature, reasoning=settings.reasoning)
        return lambda _goal, seed: act(seed)


def model_policies(place: Path, prompt: str, temperature: float, *, reasoning: bool = False) -> Callable[[int], Policy]:
    """What makes the policy of a visit from its seed, by the language model in the folder `place`: a checkpoint that is
    asked in the form `prompt`, or an adapter, which knows its own.
    """
    from simpersona.adapters.llm_transformers import TransformersModel
    from simpersona.agent.persona_adapter import is_adapter, read_adapter
    from simpersona.shopper.model_policy import LanguageModelPolicy, wording

    words = wording(read_adapter(place)["prompt"] if is_adapter(place) else prompt, reasoning=reasoning)
    model = TransformersModel(place, temperature)
    return lambda seed: LanguageModelPolicy(model, seed, words)


def scorer_policies(place: Path, buyers: BuyersConfig, temperature: float) -> Callable[[int], Policy]:
    """What makes the policy of a visit from its seed, by the scorer in the folder `place`."""
    from simpersona.shopper.scorer_policy import ScorerPolicy
    from simpersona.stages.scorer_training import load_score

    score = load_score(place, words_of(buyers))
    return lambda seed: ScorerPolicy(score, seed, temperature)


def words_of(config: BuyersConfig) -> Embedder:
    """What turns the texts of pages into vectors for the scorer: the catalogue's embedder where that is one for any text."""
    if config.embedder == "hashing":
        from simpersona.adapters.embed_hashing import HashingEmbedder

        return HashingEmbedder()
    from simpersona.adapters.embed_minilm import MiniLmEmbedder

    return MiniLmEmbedder()
