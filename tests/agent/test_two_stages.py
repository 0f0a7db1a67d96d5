"""Both stages on random models: what moves, what does not, and the loss."""

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from simpersona.agent.answer_trainer import answer_loss, packed
from simpersona.agent.backbone import load_backbone
from simpersona.agent.finetune import finetune
from simpersona.agent.masks import IGNORED, encode
from simpersona.agent.persona_adapter import load_adapter, read_adapter
from simpersona.agent.tokens import add_persona_tokens, persona_ids
from simpersona.config import AgentConfig, PhaseConfig
from simpersona.errors import ConfigError, ContractError

from .conftest import example, make_model, make_tokenizer

CODES = 8
EXAMPLES = [example(code=number % CODES, lines=2 + number) for number in range(6)]
CODEBOOK = np.random.default_rng(0).normal(size=(CODES, 96)).astype(np.float32)


def config(steps=4, learning_rate=1e-2, **rest):
    stage = PhaseConfig(steps=steps, learning_rate=learning_rate, warmup_steps=1)
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
    """And examples packed into one row do not see each other: by hand, each by itself."""
    tokenizer = make_tokenizer()
    model = make_model(kind, tokenizer).eval()
    ids = add_persona_tokens(model, tokenizer, CODES, start="random", codebook=None, seed=0)
    batch = [encode(each, tokenizer, 2048) for each in (EXAMPLES[0], EXAMPLES[5], EXAMPLES[2])]
    with torch.no_grad():
        loss = answer_loss(model, packed(batch), ids)
        total = 0.0
        for one in batch:
            logits = model(torch.tensor([one.input_ids])).logits[0, :-1]
            logits = torch.cat([logits[:, : ids.start], logits[:, ids.stop :]], dim=1)  # no persona token
            total += cross_entropy(logits, torch.tensor(one.labels[1:]), ignore_index=IGNORED, reduction="sum").item()
    assert loss.item() == pytest.approx(total, rel=1e-5)


def test_a_step_read_in_parts_is_the_same_step(checkpoint, tmp_path):
    whole = train(checkpoint, 2, tmp_path / "whole", config(batch_size=4))
    parts = train(checkpoint, 2, tmp_path / "parts", config(batch_size=4, examples_at_once=2, recompute=True))
    assert parts["losses"] == pytest.approx(whole["losses"], rel=1e-3)
    assert (parts["steps"], parts["examples"], parts["tokens"]) == tuple(
        whole[name] for name in ("steps", "examples", "tokens")
    )
    with pytest.raises(ConfigError, match="batch_size = 4 cannot be shared by 1 processes that read 3"):
        train(checkpoint, 2, tmp_path / "no", config(batch_size=4, examples_at_once=3))


class KilledError(Exception):
    pass


@pytest.mark.parametrize("stage", [1, 2])
def test_a_killed_training_goes_on_with_the_losses_it_would_have_had(checkpoint, stage, tmp_path):
    def kill(done, total, note):
        if done == 6:
            raise KilledError

    settings = config(steps=8, checkpoint_steps=2, lora_rank=4)
    undisturbed = train(checkpoint, stage, tmp_path / "whole", settings)
    with pytest.raises(KilledError):
        train(checkpoint, stage, tmp_path / "out", settings, progress=kill)
    assert not (tmp_path / "out").exists()
    (tmp_path / ".out.steps/checkpoint-5").mkdir()  # as if it was killed while it wrote one
    told = []
    resumed = train(checkpoint, stage, tmp_path / "out", settings, progress=lambda *step: told.append(step[0]))
    assert told == [5, 6, 7, 8]
    assert {**resumed, "seconds": 0} == {**undisturbed, "seconds": 0}
    before, after = weights(tmp_path / "whole"), weights(tmp_path / "out")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not (tmp_path / ".out.steps").exists()


def test_low_rank_matrices_and_rows_are_merged_and_kept_apart(checkpoint, kind, tmp_path):
    train(checkpoint, 1, tmp_path / "stage1")
    summary = train(tmp_path / "stage1", 2, tmp_path / "stage2", config(steps=12, lora_rank=4, model=str(checkpoint)))
    assert summary["loss_last"] < summary["loss_first"]
    before, after = weights(tmp_path / "stage1"), weights(tmp_path / "stage2")
    ids = list(persona_ids(AutoTokenizer.from_pretrained(tmp_path / "stage2")))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if "proj" in name} | {"model.embed_tokens.weight"}
    moved = (before["model.embed_tokens.weight"] - after["model.embed_tokens.weight"]).abs().amax(1).nonzero()
    assert set(moved.flatten().tolist()) <= set(ids)
    model, tokenizer = load_adapter(tmp_path / "adapter")
    whole = AutoModelForCausalLM.from_pretrained(tmp_path / "stage2").eval()
    ids_ = torch.tensor([tokenizer.encode("<|persona_3|> skirts")])
    with torch.no_grad():
        assert torch.allclose(model(ids_).logits, whole(ids_).logits, atol=2e-3)  # the adapter is in half precision
    assert read_adapter(tmp_path / "adapter") == {
        "base": str(checkpoint), "codes": CODES, "prompt": "short", "lora": True, "acts_from": "start"
    }  # fmt: skip
    theirs = json.loads((tmp_path / "adapter/adapter_config.json").read_text())  # peft's own, which others read
    assert theirs["base_model_name_or_path"] == str(checkpoint)
    with pytest.raises(ConfigError, match="no persona adapter here"):
        load_adapter(tmp_path)


LETTERS = "abcdefgh"


def toy(code):
    """The whole of what tells the answers apart is the persona token."""
    turns = [{"role": "user", "content": f"<|persona_{code}|>"}, {"role": "assistant", "content": LETTERS[code]}]
    return {**example(code), "messages": turns}


def share_right(folder):
    """Mean probability of the right one of the eight answers."""
    model, tokenizer = load_backbone(str(folder))
    add_persona_tokens(model, tokenizer, CODES, start="codebook", codebook=CODEBOOK, seed=0)
    letters = [tokenizer.convert_tokens_to_ids(letter) for letter in LETTERS]
    right = []
    for code in range(CODES):
        one = encode(toy(code), tokenizer, 2048)
        place = next(place for place, label in enumerate(one.labels) if label != IGNORED)
        with torch.no_grad():
            logits = model(torch.tensor([one.input_ids])).logits[0, place - 1]
        right.append(torch.softmax(logits[letters], dim=0)[code].item())
    return np.mean(right)


def test_an_action_that_depends_on_the_persona_alone_is_learned(kind, tmp_path):
    """In 24 steps from chance, one in eight, to more than 95 %."""
    tokenizer = make_tokenizer()
    model = make_model(kind, tokenizer)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(6)  # weights as small as a new model's let hardly anything through two layers
    model.save_pretrained(tmp_path / "new")
    tokenizer.save_pretrained(tmp_path / "new")
    assert share_right(tmp_path / "new") == pytest.approx(1 / CODES, abs=0.1)
    examples = [toy(code) for code in range(CODES)]
    train(tmp_path / "new", 2, tmp_path / "out", config(24, 6e-3, batch_size=8), examples=examples)
    assert share_right(tmp_path / "out") > 0.95


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
