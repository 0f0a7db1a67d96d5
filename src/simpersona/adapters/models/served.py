"""The language model that the section [llm] names."""

from __future__ import annotations

from simpersona.config import LlmConfig
from simpersona.errors import ConfigError
from simpersona.ports import LanguageModel


def served_model(config: LlmConfig, temperature: float | None = None) -> LanguageModel:
    """The model, sampled at `config.temperature` or the one given; nothing is sent yet.

    Raises ConfigError if the package that asks it or its key is missing.
    """
    try:
        from simpersona.adapters.models.openai import OpenAiModel  # noqa: PLC0415 - heavy
    except ImportError as error:
        raise ConfigError(
            f"[llm] needs a package that is not installed ({error}). Get it with: pip install 'simpersona[http]'"
        ) from error
    return OpenAiModel(config, temperature)
