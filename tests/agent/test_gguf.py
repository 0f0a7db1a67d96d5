"""A GGUF file read back by transformers' own reader."""

import io
from contextlib import redirect_stderr

import pytest
import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from simpersona.agent.gguf_file import write_gguf
from simpersona.agent.tokens import add_persona_tokens
from simpersona.errors import ConfigError

from .conftest import make_model, make_tokenizer, prompt

CODES = 8


def grounded(kind):
    tokenizer = make_tokenizer()
    words = len(tokenizer)
    model = make_model(kind, tokenizer).eval()
    add_persona_tokens(model, tokenizer, CODES, start="mean", codebook=None, seed=0)
    return model, tokenizer, words


def test_it_reads_back_as_the_same_model(tmp_path):
    model, tokenizer, words = grounded("tied")
    write_gguf(model, tokenizer, tmp_path / "model.gguf", words)
    with redirect_stderr(io.StringIO()):
        read = AutoModelForCausalLM.from_pretrained(
            tmp_path,
            gguf_file="model.gguf",
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
            local_files_only=True,
        )
        words_read = AutoTokenizer.from_pretrained(tmp_path, gguf_file="model.gguf", local_files_only=True)
    text = tokenizer.apply_chat_template(prompt(code=5), tokenize=False, add_generation_prompt=True)
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert words_read.encode(text, add_special_tokens=False) == ids
    assert words_read.apply_chat_template(prompt(code=5), tokenize=False, add_generation_prompt=True) == text
    with torch.no_grad():
        expected, found = (one(torch.tensor([ids])).logits for one in (model, read.eval()))
    assert torch.allclose(expected, found, atol=0.02 * expected.std().item())  # half precision
    assert [path.name for path in tmp_path.iterdir()] == ["model.gguf"]
    fields = GGUFReader(tmp_path / "model.gguf").fields
    types = [int(fields["tokenizer.ggml.token_type"].parts[at][0]) for at in fields["tokenizer.ggml.token_type"].data]
    assert types[words:] == [3] * CODES  # control tokens: llama.cpp shows them to no user


def test_another_architecture_is_refused(tmp_path):
    model, tokenizer, words = grounded("untied")
    with pytest.raises(ConfigError, match=r"'qwen3'.*convert_hf_to_gguf"):
        write_gguf(model, tokenizer, tmp_path / "model.gguf", words)
    assert not list(tmp_path.iterdir())
