"""The real packaged model, once through: load, both stages for one step, one reply."""

import asyncio
import json

import pytest
import torch

from simpersona.agent.backbone import load_backbone
from simpersona.agent.finetune import finetune
from simpersona.agent.tokens import persona_ids
from simpersona.agent.transformers_model import TransformersModel
from simpersona.config import AgentConfig, PhaseConfig

from .conftest import example, prompt


def action(node):
    properties = {"nodeSelector": {"const": node}, "method": {"const": "click"}}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


NODES = {f"0-{number}" for number in range(6)}
ACT = {
    "type": "object",
    "properties": {
        "shouldEnd": {"const": False},
        "action": {"anyOf": [action(node) for node in sorted(NODES)]},
        "reasoning": {"type": "string", "maxLength": 40},
    },
    "required": ["shouldEnd", "action", "reasoning"],
    "additionalProperties": False,
}


@pytest.mark.slow
def test_the_packaged_model_is_grounded_and_answers(tmp_path):
    model, tokenizer = load_backbone("smollm2-135m")
    assert sum(parameter.numel() for parameter in model.parameters()) == 134_515_008
    assert len(tokenizer) == model.config.vocab_size == 49_152
    assert tokenizer.model_max_length == 8192
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert next(model.parameters()).dtype == torch.float32
    del model

    stage = PhaseConfig(steps=1, learning_rate=1e-3, warmup_steps=0)
    config = AgentConfig(start_rows="mean", stage1=stage, stage2=stage)
    examples = [example(code) for code in (0, 3)]
    start = "smollm2-135m"
    for number in (1, 2):
        out = tmp_path / f"stage{number}"
        summary = finetune(start, examples, number, config, 4, None, out, 0, lambda *_: None)
        assert 0 < summary["loss_last"] < 10  # an untrained guess costs log(49152) = 10.8
        start = out

    writer = TransformersModel(tmp_path / "stage2")
    reply = asyncio.run(writer.reply(prompt(code=3), ACT, seed=0))
    answer = json.loads(reply.text)
    assert list(answer) == ["shouldEnd", "action", "reasoning"]
    assert answer["action"]["nodeSelector"] in NODES
    assert len(persona_ids(load_backbone(str(tmp_path / "stage2"))[1])) == 4
