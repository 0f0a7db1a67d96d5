"""Exports a run's grounded model for serving: a merged checkpoint, and a GGUF file."""

from __future__ import annotations

import shutil
from pathlib import Path

from simpersona.config.file import load_config
from simpersona.errors import ConfigError
from simpersona.files import write_json

HOW = "how_to_ask.json"
"""A file in the checkpoint's folder: the prompt format and the persona tokens that the model expects."""


def export_model(run: Path, out: Path, *, gguf: bool) -> list[str]:
    """Copies the checkpoint of the run's last phase of fine-tuning to the folder `out`, for transformers and vLLM.

    The folder also gets `how_to_ask.json`, and with `gguf` the file `model.gguf`. Returns one line of text per file. Raises
    ConfigError if the run has no trained model, if `out` exists, or if GGUF does not support the model.
    """
    stage2 = run / "agent/stage2"
    if not (stage2 / "config.json").is_file():
        raise ConfigError(f'{run}: no trained language model. Run `simpersona agent` with "lm" in agent.policies.')
    if out.exists():
        raise ConfigError(f"{out} exists already; it is not overwritten. Give another --out.")
    prompt = load_config(run / "config.toml").agent.prompt
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(stage2, partial)
        from simpersona.agent.backbone import load_backbone  # noqa: PLC0415 - heavy
        from simpersona.agent.tokens import persona_ids  # noqa: PLC0415 - heavy

        model, tokenizer = load_backbone(str(partial.resolve()))
        ids = persona_ids(tokenizer)
        write_json(partial / HOW, {"prompt": prompt, "personas": len(ids), "token": "<|persona_K|>"})
        lines = [f"{out}: checkpoint with {len(ids)} persona tokens; vllm serve {out}"]
        if gguf:
            from simpersona.agent.gguf_file import write_gguf  # noqa: PLC0415 - heavy

            write_gguf(model, tokenizer, partial / "model.gguf", ids.start)
            lines.append(f"{out / 'model.gguf'}: for llama.cpp; llama-server -m {out / 'model.gguf'}")
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return lines
