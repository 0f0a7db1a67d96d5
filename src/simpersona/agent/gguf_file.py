"""A grounded model as one GGUF file, for llama.cpp and programs based on it.

This covers models of the Llama architecture (such as SmolLM2) with a byte-level BPE tokenizer. For other models, use
llama.cpp's converter on the exported checkpoint.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from gguf import MODEL_ARCH, GGUFWriter, LlamaFileType, TokenType, get_tensor_name_map
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from simpersona.errors import ConfigError

PRE_TOKENIZER = {49_152: "smollm"}
"""llama.cpp's name of the pre-tokenizer, by the size of the vocabulary without persona tokens; "gpt-2" for others."""


def write_gguf(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, file: Path, vocabulary_size: int) -> None:
    """Writes matrices in half precision and vectors in fp32, with the tokenizer and its chat template.

    `vocabulary_size` is the size of the vocabulary without persona tokens. Raises ConfigError for another architecture.
    """
    config = model.config
    if config.model_type != "llama":
        raise ConfigError(
            f"GGUF is written for the Llama architecture, this model's is {config.model_type!r}. Export the checkpoint and "
            "convert it with llama.cpp's convert_hf_to_gguf.py."
        )
    partial = file.with_name(f".{file.name}.partial")
    writer = GGUFWriter(partial, "llama")
    writer.add_file_type(LlamaFileType.MOSTLY_F16)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer, tokenizer, config.vocab_size, vocabulary_size)
    names = get_tensor_name_map(MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue  # read from the embedding
        whole = tensor.float().cpu().numpy()
        for part, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
            if part in name:
                whole = _interleaved(whole, heads)
        known = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert known is not None
        writer.add_tensor(known, whole.astype(np.float16 if whole.ndim > 1 else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(file)


def _add_tokenizer(writer: GGUFWriter, tokenizer: PreTrainedTokenizerFast, rows: int, vocabulary_size: int) -> None:
    vocabulary = {number: token for token, number in tokenizer.get_vocab().items()}
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    backend = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    if backend["type"] != "BPE":
        raise ConfigError(f"GGUF is written for a BPE tokenizer, this model's is {backend['type']}.")
    types = (
        TokenType.UNUSED if row not in vocabulary else TokenType.CONTROL if row in special else TokenType.NORMAL
        for row in range(rows)
    )
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZER.get(vocabulary_size, "gpt-2"))
    writer.add_token_list([vocabulary.get(row, f"[PAD{row}]") for row in range(rows)])
    writer.add_token_types(list(types))
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in backend["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)  # pyright: ignore[reportArgumentType]
    writer.add_add_bos_token(False)
    if isinstance(tokenizer.bos_token_id, int):
        writer.add_bos_token_id(tokenizer.bos_token_id)
    if isinstance(tokenizer.pad_token_id, int):
        writer.add_pad_token_id(tokenizer.pad_token_id)
    if isinstance(tokenizer.chat_template, str):
        writer.add_chat_template(tokenizer.chat_template)


def _interleaved(matrix: np.ndarray, heads: int) -> np.ndarray:
    """Rows of each head in llama.cpp's order: the two rows that one rotation turns are next to each other."""
    half = len(matrix) // heads // 2
    return matrix.reshape(heads, 2, half, *matrix.shape[1:]).swapaxes(1, 2).reshape(matrix.shape)
