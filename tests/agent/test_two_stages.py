"""Both stages on random models: what moves, what does not, and the loss."""

import hashlib

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from simpersona.agent.finetune import answer_loss, finetune, padded
from simpersona.agent.masks import IGNORED, encode
from simpersona.agent.tokens import add_persona_tokens, persona_ids
from simpersona.config import AgentConfig, StageConfig
from simpersona.errors import ConfigError, ContractError

from .conftest import example, make_model, make_tokenizer

CODES = 8
EXAMPLES = [example(code=number % CODES, lines=2 + number) for number in range(6)]
CODEBOOK = np.random.default_rng(0).normal(size=(CODES, 96)).astype(np.float32)


def config(steps=4, learning_rate=1e-2, **rest):
    stage = StageConfig(steps=steps, learning_rate=learning_rate, warmup_steps=1)
    return AgentConfig(stage1=stage, stage2=stage, weight_decay=0.1, **rest)


def train(start, stage, out, settings=None, progress=lambda *_: None, examples=EXAMPLES, seed=0):
    return finetune(start, examples, stage, settings or config(), CODES, CODEBOOK, out, seed, progress)


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_stage_1_moves_the_rows_and_not_one_byte_else(checkpoint, kind, tmp_path):
    told = []
    summary = train(checkpoint, 1, tmp_path / "stage1", progress=lambda *step: told.append(step))
    before, after = weights(checkpoint), weights(tmp_path / "stage1")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "stage1")
    ids = persona_ids(tokenizer)
    assert before.keys() == after.keys()
    for name, old in before.items():
        new = after[name]
        if name in ("model.embed_tokens.weight", "lm_head.weight"):
            others = [row for row in range(len(old)) if row not in ids or name == "lm_head.weight"]
            old, new = old[others], new[others]  # noqa: PLW2901
        assert old.numpy().tobytes() == new.numpy().tobytes(), name
    start = tmp_path / "start"
    train(checkpoint, 1, start, config(learning_rate=1e-12))
    moved = (after["model.embed_tokens.weight"] - weights(start)["model.embed_tokens.weight"])[list(ids)]
    read = moved.abs().amax(1) > 1e-3  # weight decay alone moves a row by less
    assert read.tolist() == [code in {each["code"] for each in EXAMPLES} for code in range(CODES)]
    assert [step[:2] for step in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert summary["steps"] == len(summary["losses"]) == 4
    assert summary["examples"] == 8
    assert summary["loss_last"] == summary["losses"][-1]


def test_stage_2_goes_on_from_stage_1_and_moves_everything(checkpoint, kind, tmp_path):
    train(checkpoint, 1, tmp_path / "stage1")
    summary = train(tmp_path / "stage1", 2, tmp_path / "stage2", config(steps=12))
    before, after = weights(tmp_path / "stage1"), weights(tmp_path / "stage2")
    assert before.keys() == after.keys()
    assert not any(torch.equal(before[name], after[name]) for name in before)
    assert summary["loss_last"] < summary["loss_first"] / 2


def test_the_checkpoint_loads_with_transformers_as_it_is(checkpoint, tmp_path):
    train(checkpoint, 1, tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert len(model.get_input_embeddings().weight) == model.config.vocab_size >= len(tokenizer)
    assert tokenizer.encode("<|persona_7|>", add_special_tokens=False) == [persona_ids(tokenizer)[7]]
    assert tokenizer.model_max_length == 2048


def test_the_same_seed_gives_the_same_bytes(checkpoint, tmp_path):
    def digest(folder):
        return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()

    summaries = [train(checkpoint, 2, tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")
    assert summaries[0]["losses"] == summaries[1]["losses"]


def test_the_loss_is_the_cross_entropy_over_all_logits_of_the_vocabulary(kind):
    tokenizer = make_tokenizer()
    model = make_model(kind, tokenizer).eval()
    ids = add_persona_tokens(model, tokenizer, CODES, start="random", codebook=None, seed=0)
    batch = [encode(each, tokenizer, 2048) for each in (EXAMPLES[0], EXAMPLES[5])]
    with torch.no_grad():
        loss = answer_loss(model, padded(batch), ids)
        total, count = 0.0, 0
        for one in batch:  # one at a time, without padding
            logits = model(torch.tensor([one.input_ids])).logits[0, :-1]
            logits = torch.cat([logits[:, : ids.start], logits[:, ids.stop :]], dim=1)  # no persona token
            labels = torch.tensor(one.labels[1:])
            total += cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum").item()
            count += int((labels != IGNORED).sum())
    assert loss.item() == pytest.approx(total / count, rel=1e-5)


def test_nothing_to_train_on_writes_nothing(checkpoint, tmp_path):
    with pytest.raises(ContractError, match="0 examples"):
        train(checkpoint, 1, tmp_path / "out", examples=[])
    with pytest.raises(ContractError, match=r"codes \[11\], expected 0 to 7"):
        train(checkpoint, 1, tmp_path / "out", examples=[example(code=11)])
    with pytest.raises(ConfigError, match="max_tokens = 50"):
        train(checkpoint, 1, tmp_path / "out", config(max_tokens=50))
    assert not (tmp_path / "out").exists()


def test_an_older_checkpoint_is_replaced(checkpoint, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "left-over").touch()
    train(checkpoint, 1, out, config(steps=1))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([checkpoint.name, "out"])
    assert not (out / "left-over").exists()
