"""A run's model for others: what is written, whole or not at all, and that a helping process needs the first one's work."""

import json

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from simpersona.agent.backbone import load_backbone, save_backbone
from simpersona.agent.grounded_model import GroundedModel
from simpersona.agent.grounding import take_trained
from simpersona.agent.invocation import split
from simpersona.agent.masks import prompt_ids
from simpersona.agent.persona_adapter import load_adapter, peft_quiet, save_adapter
from simpersona.agent.tokens import add_persona_tokens
from simpersona.config import AgentConfig, Config, SimulationConfig
from simpersona.config.file import config_toml
from simpersona.errors import ConfigError
from simpersona.pipeline.agent import help_training, training_work
from simpersona.pipeline.model_export import export_model
from simpersona.pipeline.run_folder import RunFolder
from simpersona.pipeline.stage import StageContext

from .conftest import random_lora


@pytest.fixture
def run_folder(checkpoint, tmp_path):
    run = tmp_path / "run"
    model, tokenizer = load_backbone(str(checkpoint))
    add_persona_tokens(model, tokenizer, 8, start="mean", codebook=None, seed=0)
    save_backbone(model, tokenizer, run / "agent/stage2")
    config = Config(agent=AgentConfig(prompt="figure9"), simulation=SimulationConfig(reasoning=True))
    (run / "config.toml").write_text(config_toml(config))
    return run


@pytest.mark.parametrize("kind", ["tied"])
def test_what_is_exported_loads_as_it_is(run_folder, kind, tmp_path):
    out = tmp_path / "given/model"
    lines = export_model(run_folder, out, gguf=True)
    assert [line.partition(":")[0] for line in lines] == [str(out), str(out / "model.gguf")]
    model, tokenizer = AutoModelForCausalLM.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    ids = torch.tensor([tokenizer.encode("<|persona_7|> skirts")])
    trained, _ = load_backbone(str(run_folder / "agent/stage2"))
    with torch.no_grad():
        assert torch.equal(model(ids).logits, trained(ids).logits)
    how = json.loads((out / "how_to_ask.json").read_text())
    assert how == {"prompt": "figure9", "personas": 8, "token": "<|persona_K|>"}
    with pytest.raises(ConfigError, match="exists already"):
        export_model(run_folder, out, gguf=False)


def adapter_run(checkpoint, run, acts_from):
    """A run whose one trained model is an adapter."""
    model, tokenizer = load_backbone(str(checkpoint))
    add_persona_tokens(model, tokenizer, 8, start="random", codebook=None, seed=0)
    adapted = random_lora(model, 4)
    save_adapter(run / "agent/adapter", adapted, tokenizer, str(checkpoint), "short", acts_from)
    return run


def test_an_activated_adapter_is_exported_beside_its_base_model(checkpoint, tmp_path):
    run, out = adapter_run(checkpoint, tmp_path / "run", "buyer"), tmp_path / "model"
    lines = export_model(run, out, gguf=False)
    assert [line.partition(":")[0] for line in lines] == [str(out), str(out / "adapter")]
    how = json.loads((out / "how_to_ask.json").read_text())
    assert {name: how[name] for name in ("prompt", "base", "adapter", "adapter_acts_from", "personas")} == {
        "prompt": "short", "base": str(checkpoint), "adapter": "adapter", "adapter_acts_from": "Buyer:", "personas": 8,
    }  # fmt: skip
    assert how["example"]["messages"][1]["content"].endswith("Done:\nBuyer: <|persona_0|>")
    assert '{"action": "Clicking on the Skirts link"}' in how["example"]["answers"]
    tokenizer = AutoTokenizer.from_pretrained(out)
    ids = prompt_ids(how["example"]["messages"], tokenizer)
    grounded, size = GroundedModel.load(run / "agent/adapter"), len(split(ids, tokenizer)[1])
    with torch.inference_mode(), peft_quiet():
        base = AutoModelForCausalLM.from_pretrained(out)
        theirs = PeftModel.from_pretrained(base, str(out / "adapter")).eval()(input_ids=torch.tensor([ids])).logits[0]
        cache = DynamicCache()
        with grounded.reading():
            grounded.model(torch.tensor([ids[:-size]]), past_key_values=cache, use_cache=True)
        ours = grounded.model(torch.tensor([ids[-size:]]), past_key_values=cache, use_cache=True).logits[0]
    assert torch.allclose(theirs[-size:], ours, atol=1e-4)


@pytest.mark.parametrize("kind", ["tied"])
def test_an_adapter_that_acts_from_the_start_is_merged(checkpoint, kind, tmp_path):
    run, out = adapter_run(checkpoint, tmp_path / "run", "start"), tmp_path / "model"
    lines = export_model(run, out, gguf=True)
    assert [line.partition(":")[0] for line in lines] == [str(out), str(out / "model.gguf")]
    assert not (out / "adapter").exists()
    merged, tokenizer = load_adapter(run / "agent/adapter")
    ids = torch.tensor([tokenizer.encode("<|persona_7|> skirts")])
    with torch.no_grad():
        assert torch.equal(AutoModelForCausalLM.from_pretrained(out)(ids).logits, merged(ids).logits)


@pytest.mark.parametrize("kind", ["untied"])
def test_nothing_is_left_where_gguf_cannot_hold_the_model(run_folder, kind, tmp_path):
    with pytest.raises(ConfigError, match="Llama architecture"):
        export_model(run_folder, tmp_path / "given/model", gguf=True)
    assert not list((tmp_path / "given").iterdir())
    with pytest.raises(ConfigError, match="no trained language model"):
        export_model(tmp_path / "nowhere", tmp_path / "given/model", gguf=False)


@pytest.mark.parametrize("kind", ["tied"])
def test_what_is_half_trained_is_not_taken(kind, tmp_path):
    run = StageContext(Config(folder=tmp_path), RunFolder(tmp_path / "demo", ()), lambda *_: None, "agent", "f" * 64)
    work = training_work(run)
    assert work == run.folder.work("agent") / ("f" * 16)
    for name in ("stage1", "stage2", ".stage2.steps"):
        (work / name).mkdir(parents=True)
    (tmp_path / "out").mkdir()
    take_trained(work, tmp_path / "out")
    run.folder.forget_work("agent")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["stage1", "stage2"]
    assert not run.folder.work("agent").exists()
    with pytest.raises(ConfigError, match="simpersona traces"):
        help_training(run)
