"""Exports a run's grounded model for serving: a checkpoint, the adapter beside it if it cannot be merged, and a GGUF file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from simpersona.config.file import load_config
from simpersona.errors import ConfigError
from simpersona.files import write_json
from simpersona.pages import Node, Page
from simpersona.shopper.short_prompt import BUYER, TYPED_END, short_answers, short_messages
from simpersona.visits import Goal, Observation

HOW = "how_to_ask.json"
"""A file in the checkpoint's folder: the prompt format and the persona tokens that the model expects."""
ADAPTER = "adapter"
"""The folder in it with an adapter that acts on a part of the prompt."""


def export_model(run: Path, out: Path, *, gguf: bool) -> list[str]:
    """Writes the run's language model to the folder `out`, for transformers and vLLM.

    An adapter that acts from "Buyer:" on cannot be merged: `out` is then its base model with the persona rows, and
    `out`/adapter an activated LoRA in peft's format. The folder also gets `how_to_ask.json`, and with `gguf` the file
    `model.gguf`. Returns one line of text per file. Raises ConfigError if the run has no trained model, if `out` exists, or
    if GGUF does not support the model.
    """
    from simpersona.agent.persona_adapter import is_adapter  # noqa: PLC0415 - heavy

    checkpoint, adapter = run / "agent/stage2", run / "agent/adapter"
    if not (checkpoint / "config.json").is_file() and not is_adapter(adapter):
        raise ConfigError(f'{run}: no trained language model. Run `simpersona agent` with "lm" in agent.policies.')
    if out.exists():
        raise ConfigError(f"{out} exists already; it is not overwritten. Give another --out.")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        if (checkpoint / "config.json").is_file():
            shutil.copytree(checkpoint, partial)
            how: dict[str, Any] = {"prompt": load_config(run / "config.toml").agent.prompt}
        else:
            how = _write_adapter(adapter, partial, out)
        lines = _describe(partial, out, how, gguf=gguf)
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return lines


def _write_adapter(adapter: Path, partial: Path, out: Path) -> dict[str, Any]:
    """Writes an adapter's model: merged if possible, else the base model with the rows, and the adapter beside it."""
    from simpersona.agent.backbone import save_backbone  # noqa: PLC0415 - heavy
    from simpersona.agent.persona_adapter import (  # noqa: PLC0415 - heavy
        base_with_rows,
        change_lora_config,
        load_adapter,
        read_adapter,
    )

    meta = read_adapter(adapter)
    how = {"prompt": meta["prompt"], "base": meta["base"]}
    if meta["acts_from"] == "start" or not meta["lora"]:
        save_backbone(*load_adapter(adapter), partial)
        return how
    save_backbone(*base_with_rows(adapter), partial)
    shutil.copytree(adapter, partial / ADAPTER)
    change_lora_config(partial / ADAPTER, base_model_name_or_path=str(out))
    return how | {"adapter": ADAPTER, "adapter_acts_from": BUYER}


def _describe(partial: Path, out: Path, how: dict[str, Any], *, gguf: bool) -> list[str]:
    """Writes the description, and the GGUF file if it is wanted; returns the lines of text."""
    from simpersona.agent.backbone import load_backbone  # noqa: PLC0415 - heavy
    from simpersona.agent.tokens import persona_ids  # noqa: PLC0415 - heavy

    model, tokenizer = load_backbone(str(partial.resolve()))
    ids = persona_ids(tokenizer)
    how |= {"personas": len(ids), "token": "<|persona_K|>"}
    write_json(partial / HOW, how | (_example() if how["prompt"] == "short" else {}))
    apart = "adapter" in how
    lines = [f"{out}: checkpoint with {len(ids)} persona tokens; vllm serve {out}"]
    if apart:
        lines = [
            f"{out}: the base model {how['base']} with {len(ids)} persona tokens; it needs the adapter",
            f'{out / ADAPTER}: an adapter that acts from "{BUYER}" on; for peft, and servers that support activated LoRA',
        ]
    if gguf:
        from simpersona.agent.gguf_file import write_gguf  # noqa: PLC0415 - heavy

        write_gguf(model, tokenizer, partial / "model.gguf", ids.start)
        line = f"{out / 'model.gguf'}: for llama.cpp; llama-server -m {out / 'model.gguf'}"
        if apart:
            line = f"{out / 'model.gguf'}: the base model for llama.cpp; the adapter is not in it, see {out / ADAPTER}"
        lines.append(line)
    return lines


def _example() -> dict[str, Any]:
    """A question and its valid answers, as the model was trained on them."""
    nodes = (
        Node("0-1", "RootWebArea", "Shop"),
        Node("0-2", "searchbox", "Search"),
        Node("0-3", "link", "Skirts"),
        Node("0-4", "combobox", "Size", "S", ("S", "M")),
    )
    goal = Goal("You are interested in skirts.", "", "", "", 0)
    page = Page("", "", nodes)
    answers = [answer.text + ("skirts" + TYPED_END if answer.typed else "") for answer in short_answers(page)]
    return {"example": {"messages": short_messages(Observation(page, goal)), "answers": answers}}
