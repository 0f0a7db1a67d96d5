"""The adapter of a grounded model, a few megabytes: the persona rows and the low-rank matrices of phase 2 (LoRA).

    persona_adapter.json        the base model, the number of codes, the prompt format, where the adapter begins to act
    persona_rows.safetensors    the rows, of shape (codes, hidden)
    adapter_model.safetensors, adapter_config.json      LoRA in peft's format, if it was trained

The rows are a separate parameter, because peft's trainable tokens do not support a model with tied input and output
embeddings. An adapter that acts from "Buyer:" on is an activated LoRA for peft; it cannot be merged, because the base model
reads the part before.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from simpersona.agent.backbone import load_backbone
from simpersona.agent.invocation import invocation_ids
from simpersona.agent.tokens import PersonaEmbedding, add_persona_tokens, input_matrix, persona_ids
from simpersona.errors import ConfigError

ROWS, META = "persona_rows.safetensors", "persona_adapter.json"
LORA, LORA_CONFIG = "adapter_model.safetensors", "adapter_config.json"
ActsFrom = Literal["start", "buyer"]
"""Where an adapter begins to act: at the start of the prompt, or at its last line, "Buyer:"."""


def add_lora(model: PreTrainedModel, rank: int) -> PeftModel:
    """Adds low-rank matrices to each linear layer except the output; only these and the persona rows train."""
    embedding = model.get_input_embeddings()
    lora = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    with peft_quiet():
        adapted = get_peft_model(model, lora)
    if isinstance(embedding, PersonaEmbedding):
        embedding.rows.requires_grad = True  # peft freezes all other parameters
    return adapted  # pyright: ignore[reportReturnType] - no other type is returned


def save_adapter(
    folder: Path,
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerFast,
    base: str,
    prompt: str,
    acts_from: ActsFrom = "start",
) -> None:
    """Writes the adapter of a grounded model in half precision, atomically; it replaces `folder`.

    `base` is the name of its backbone for `load_backbone`; `prompt` is `agent.prompt`.
    """
    ids = persona_ids(tokenizer)
    embedding = model.get_input_embeddings()
    rows: torch.Tensor = (
        embedding.rows if isinstance(embedding, PersonaEmbedding) else embedding.weight[ids.start : ids.stop]  # pyright: ignore[reportOptionalMemberAccess, reportIndexIssue, reportAssignmentType]
    )
    lora = isinstance(model, PeftModel)
    meta = {"base": base, "codes": len(ids), "prompt": prompt, "lora": lora, "acts_from": acts_from}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        partial = Path(temporary) / folder.name
        partial.mkdir()
        if isinstance(model, PeftModel):
            model.save_pretrained(str(partial), save_embedding_layers=False)
            (partial / "README.md").unlink(missing_ok=True)  # peft's card is empty
            invocation = invocation_ids(tokenizer) if acts_from == "buyer" else None
            change_lora_config(partial, base_model_name_or_path=base, alora_invocation_tokens=invocation)
            save_file({name: tensor.half() for name, tensor in load_file(partial / LORA).items()}, partial / LORA)
        save_file({"rows": rows.detach().cpu().half().contiguous()}, partial / ROWS)
        (partial / META).write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)


def change_lora_config(folder: Path, **values: Any) -> None:
    """Replaces values of peft's configuration in `folder`."""
    file = folder / LORA_CONFIG
    known = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(known | values, indent=2) + "\n", encoding="utf-8")


def read_adapter(folder: Path) -> dict[str, Any]:
    """`base`, `codes`, `prompt`, `lora` and `acts_from` of the adapter at `folder`. Raises ConfigError if there is none."""
    try:
        meta: dict[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ConfigError(
            f"{folder}: no persona adapter here ({META}: {error}). The stage `agent` writes one, as agent/adapter, if "
            "agent.lora_rank is set."
        ) from error
    return {"acts_from": "start"} | meta  # older adapters do not record it


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds an adapter."""
    return (folder / META).is_file()


def base_with_rows(folder: Path, base: str | None = None) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The backbone of the adapter at `folder` with its persona rows, in fp32, and its tokenizer; see `load_backbone`.

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
    return model.eval(), tokenizer


def with_lora(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """The model with the low-rank matrices of the adapter at `folder` as layers of peft, which act on every token."""
    config = LoraConfig.from_pretrained(str(folder))
    config.alora_invocation_tokens = None  # who calls the model knows where the matrices act
    with peft_quiet():
        adapted = PeftModel.from_pretrained(model, str(folder), config=config)
    return adapted.get_base_model().eval()  # pyright: ignore[reportReturnType]


def lora_layers(model: nn.Module) -> list[LoraLayer]:
    """The layers of a model that have low-rank matrices."""
    return [layer for layer in model.modules() if isinstance(layer, LoraLayer)]


@contextmanager
def adapter_off(layers: Sequence[LoraLayer]) -> Iterator[None]:
    """The layers act without their low-rank matrices. peft's own switch also changes which parameters train."""
    for layer in layers:
        layer._disable_adapters = True  # noqa: SLF001
    try:
        yield
    finally:
        for layer in layers:
            layer._disable_adapters = False  # noqa: SLF001


def load_adapter(folder: Path, base: str | None = None) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The backbone with the adapter merged into it, in fp32, and its tokenizer; see `base_with_rows`.

    Raises ConfigError for an adapter that acts on a part of the prompt only; `GroundedModel.load` loads it.
    """
    meta = read_adapter(folder)
    if meta["lora"] and meta["acts_from"] != "start":
        raise ConfigError(
            f'{folder}: this adapter acts from "Buyer:" on, so it cannot be merged into its backbone. Load it with '
            "simpersona.agent.grounded_model.GroundedModel.load, or with peft as an activated LoRA."
        )
    model, tokenizer = base_with_rows(folder, base)
    if meta["lora"]:
        with peft_quiet():
            model = PeftModel.from_pretrained(model, str(folder)).merge_and_unload()  # pyright: ignore[reportCallIssue]
    return model.eval(), tokenizer


def load_grounded(folder: Path | str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Loads an adapter with its backbone, or a checkpoint (any name that `load_backbone` knows)."""
    return load_adapter(Path(folder)) if is_adapter(Path(folder)) else load_backbone(str(folder))


@contextmanager
def peft_quiet() -> Iterator[None]:
    """Hides a deprecation warning: peft reads an attribute of transformers under its old name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing.*", FutureWarning)
        yield
