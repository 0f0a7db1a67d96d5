"""A tokenizer and two random models, small enough to train in a test: they fail in different ways."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from simpersona.agent.persona_adapter import add_lora
from simpersona.pages import Example, Message

SPARE = 12
"""Rows that the untied model's matrix has beyond its tokenizer, as Qwen3's has."""

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
ANSWER = (
    '{"shouldEnd": false, "action": {"nodeSelector": "0-2", "method": "click", "description": "Clicking on Skirts"}, '
    '"reasoning": "I look for skirts."}'
)


def prompt(code: int = 3, lines: int = 6) -> list[Message]:
    tree = "\n".join(f"[0-{number}] link: Skirt {number}" for number in range(lines))
    user = (
        f"<BuyerProfile>\n<|persona_{code}|>\n</BuyerProfile>\n<MainGoal>\nYou are interested in skirts.\n</MainGoal>\n"
        "<current_page_info>\n<accessibility_tree>\n" + tree + "\n</accessibility_tree>\n</current_page_info>"
    )
    return [{"role": "system", "content": "You are a buyer."}, {"role": "user", "content": user}]


def example(code: int = 3, lines: int = 6, answer: str = ANSWER) -> Example:
    messages = [*prompt(code, lines), Message(role="assistant", content=answer)]
    return Example(messages=messages, code=code, shop_id="s", session_id="visit-1", step=1)


def make_tokenizer() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    corpus = [message["content"] for message in example()["messages"]] * 4
    backend.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|im_end|>", model_max_length=2048
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def make_model(kind: str, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM | Qwen3ForCausalLM:
    torch.manual_seed(0)
    shape = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 2048,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if kind == "tied":
        return LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), tie_word_embeddings=True, **shape))
    return Qwen3ForCausalLM(Qwen3Config(vocab_size=len(tokenizer) + SPARE, tie_word_embeddings=False, **shape))


def random_lora(model: PreTrainedModel, rank: int) -> PeftModel:
    """The model with low-rank matrices that change its answers much, as after training."""
    adapted = add_lora(model, rank)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.5)
    return adapted


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small are slower on several threads than on one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=["tied", "untied"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer()


@pytest.fixture
def checkpoint(kind: str, tmp_path: Path) -> Path:
    """A folder with a random model, tied without spare rows or untied with them."""
    folder = tmp_path / kind
    tokenizer = make_tokenizer()
    make_model(kind, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
