"""The language model that the section [llm] names."""

from __future__ import annotations

from simpersona.adapters.named import Shipped, build
from simpersona.config import LlmConfig
from simpersona.ports import LanguageModel

MODELS = {"openai": Shipped("simpersona.adapters.models.openai:OpenAiModel", extra="http")}
"""The adapters that come with the package, by `llm.adapter`."""


def open_model(config: LlmConfig, temperature: float | None = None) -> LanguageModel:
    """The model, sampled at `config.temperature` or the one given; nothing is sent yet.

    Raises ConfigError if a package or the server's key is missing, or an import path leads to no language model.
    """
    return build(LanguageModel, config.adapter, MODELS, "llm.adapter", config, temperature)
