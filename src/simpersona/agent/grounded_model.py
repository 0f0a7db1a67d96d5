"""A grounded model in use: a language model with persona rows, and with low-rank matrices that may act on a part only.

The low-rank matrices of an activated adapter act from "Buyer:" on. Everything before is read by the base model alone, so
its keys and values serve all personas.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from simpersona.agent.invocation import split
from simpersona.agent.persona_adapter import (
    adapter_off,
    base_with_rows,
    is_adapter,
    load_grounded,
    lora_layers,
    read_adapter,
    with_lora,
)


@dataclass(frozen=True)
class GroundedModel:
    """A model and its tokenizer. `acts_from` is "start" if its weights read the whole prompt alike."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    acts_from: Literal["start", "buyer"] = "start"
    _layers: Sequence[LoraLayer] = field(default=(), repr=False)

    @classmethod
    def load(cls, folder: Path | str) -> GroundedModel:
        """Loads an adapter with its backbone, or a checkpoint (any name that `load_backbone` knows).

        Raises ConfigError if the model cannot be loaded.
        """
        if not is_adapter(Path(folder)) or read_adapter(Path(folder))["acts_from"] == "start":
            return cls(*load_grounded(folder))
        model, tokenizer = base_with_rows(Path(folder))
        if not read_adapter(Path(folder))["lora"]:
            return cls(model, tokenizer, "buyer")
        model = with_lora(model, Path(folder))
        return cls(model, tokenizer, "buyer", lora_layers(model))

    def before_buyer(self, prompt: list[int]) -> list[int]:
        """The part of a prompt that is the same for all personas; the whole prompt if the weights read it alike.

        Raises ModelError if the adapter acts from "Buyer:" on, and the prompt has no such line.
        """
        return prompt if self.acts_from == "start" else split(prompt, self.tokenizer)[0]

    def reading(self) -> AbstractContextManager[None]:
        """Switches the low-rank matrices off while the part before "Buyer:" is read."""
        return adapter_off(self._layers)
