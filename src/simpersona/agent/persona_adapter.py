"""The adapter of a grounded model, a few megabytes: the persona rows and the low-rank matrices of phase 2 (LoRA).

    persona_adapter.json        the base model, the number of codes, the prompt format
    persona_rows.safetensors    the rows, of shape (codes, hidden)
    adapter_model.safetensors, adapter_config.json      LoRA in peft's format, if it was trained

The rows are a separate parameter, because peft's trainable tokens do not support a model with tied input and output
embeddings.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from simpersona.agent.backbone import load_backbone
from simpersona.agent.tokens import PersonaEmbedding, add_persona_tokens, input_matrix, persona_ids
from simpersona.errors import ConfigError

ROWS, META, LORA = "persona_rows.safetensors", "persona_adapter.json", "adapter_model.safetensors"


def add_lora(model: PreTrainedModel, rank: int) -> PeftModel:
    """Adds low-rank matrices to each linear layer except the output; only these and the persona rows train."""
    embedding = model.get_input_embeddings()
    lora = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    with _peft_quiet():
        adapted = get_peft_model(model, lora)
    if isinstance(embedding, PersonaEmbedding):
        embedding.rows.requires_grad = True  # peft freezes all other parameters
    return adapted  # pyright: ignore[reportReturnType] - no other type is returned


def save_adapter(
    folder: Path, model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerFast, base: str, prompt: str
) -> None:
    """Writes the adapter of a grounded model in half precision, atomically; it replaces `folder`.

    `base` is the name of its backbone for `load_backbone`; `prompt` is `agent.prompt`.
    """
    ids = persona_ids(tokenizer)
    embedding = model.get_input_embeddings()
    rows = embedding.rows if isinstance(embedding, PersonaEmbedding) else input_matrix(model)[ids.start : ids.stop]  # pyright: ignore[reportArgumentType]
    meta = {"base": base, "codes": len(ids), "prompt": prompt, "lora": isinstance(model, PeftModel)}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        partial = Path(temporary) / folder.name
        partial.mkdir()
        if isinstance(model, PeftModel):
            model.active_peft_config.base_model_name_or_path = base  # peft would write the folder of this training
            model.save_pretrained(str(partial), save_embedding_layers=False)
            (partial / "README.md").unlink(missing_ok=True)  # peft's card is empty
            save_file({name: tensor.half() for name, tensor in load_file(partial / LORA).items()}, partial / LORA)
        save_file({"rows": rows.detach().cpu().half().contiguous()}, partial / ROWS)
        (partial / META).write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)


def read_adapter(folder: Path) -> dict[str, Any]:
    """`base`, `codes`, `prompt` and `lora` of the adapter at `folder`. Raises ConfigError if there is none."""
    try:
        return json.loads((folder / META).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ConfigError(
            f"{folder}: no persona adapter here ({META}: {error}). The stage `agent` writes one, as agent/adapter, if "
            "agent.lora_rank is set."
        ) from error


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds an adapter."""
    return (folder / META).is_file()


def load_adapter(folder: Path, base: str | None = None) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The backbone with the adapter merged into it, in fp32, and its tokenizer; see `load_backbone`.

    `base` overrides the name of the backbone that the adapter records. Raises ConfigError if the adapter or the backbone
    is missing, or if they do not fit.
    """
    meta = read_adapter(folder)
    model, tokenizer = load_backbone(base or meta["base"])
    ids = add_persona_tokens(model, tokenizer, meta["codes"], start="mean", codebook=None, seed=0)
    rows = load_file(folder / ROWS)["rows"].float()
    if rows.shape != (len(ids), input_matrix(model).shape[1]):
        raise ConfigError(
            f"{folder}: persona rows of shape {tuple(rows.shape)} do not fit {base or meta['base']}, whose rows have "
            f"{input_matrix(model).shape[1]} dimensions. Name the backbone that they were trained on."
        )
    with torch.no_grad():
        input_matrix(model)[ids.start : ids.stop] = rows
    if meta["lora"]:
        with _peft_quiet():
            model = PeftModel.from_pretrained(model, str(folder)).merge_and_unload()  # pyright: ignore[reportCallIssue]
    return model.eval(), tokenizer


def load_grounded(folder: Path | str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Loads an adapter with its backbone, or a checkpoint (any name that `load_backbone` knows)."""
    return load_adapter(Path(folder)) if is_adapter(Path(folder)) else load_backbone(str(folder))


@contextmanager
def _peft_quiet() -> Iterator[None]:
    """Hides a deprecation warning: peft reads an attribute of transformers under its old name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing.*", FutureWarning)
        yield
