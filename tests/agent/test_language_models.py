"""What every language model keeps, over all of ours; and what the in-process one keeps besides."""

import asyncio
import itertools
import json

import pytest
import torch

from simpersona.adapters.models.openai import OpenAiModel
from simpersona.adapters.models.scripted import ScriptedModel
from simpersona.agent.backbone import load_backbone, save_backbone
from simpersona.agent.tokens import add_persona_tokens, persona_ids
from simpersona.agent.transformers_model import TransformersModel
from simpersona.config import LlmConfig
from simpersona.errors import ConfigError, ModelError
from simpersona.pages import Reply

from .conftest import prompt


def form(**properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def action(node, method="click", **rest):
    return form(nodeSelector={"const": node}, method={"const": method}, description={"const": f"Ünd {node}"}, **rest)


REASONING = {"type": "string", "maxLength": 30}
TYPED = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 8}, "minItems": 1, "maxItems": 1}
ACTIONS = [*(action(f"0-{number}") for number in range(12)), action("0-12", "fill", arguments=TYPED)]
SCHEMA = {
    "anyOf": [
        form(shouldEnd={"const": False}, action={"anyOf": ACTIONS}, reasoning=REASONING),
        form(shouldEnd={"const": True}, action={"type": "null"}, reasoning=REASONING),
    ]
}


def check(value, schema):
    """A validator of the part of JSON Schema used here, written apart from the code under test."""
    if "anyOf" in schema:
        assert any(holds(value, option) for option in schema["anyOf"])
    elif "const" in schema:
        assert value == schema["const"]
    elif schema["type"] == "object":
        assert list(value) == list(schema["properties"]) == schema["required"]
        for name, part in schema["properties"].items():
            check(value[name], part)
    elif schema["type"] == "array":
        assert schema["minItems"] <= len(value) <= schema["maxItems"]
        for item in value:
            check(item, schema["items"])
    elif schema["type"] == "string":
        assert isinstance(value, str)
        assert schema.get("minLength", 0) <= len(value) <= schema["maxLength"]
    else:
        assert schema["type"] == "null"
        assert value is None


def holds(value, schema):
    try:
        check(value, schema)
    except (AssertionError, TypeError):
        return False
    return True


def first_ending(messages, schema, seed):
    return json.dumps({"shouldEnd": True, "action": None, "reasoning": "enough"})


def grounded(folder):
    """The random model of `folder` with persona tokens."""
    model, tokenizer = load_backbone(str(folder))
    add_persona_tokens(model, tokenizer, 8, start="mean", codebook=None, seed=0)
    save_backbone(model, tokenizer, folder)
    return folder


def ask(model, messages=None, schema=SCHEMA, seed=0):
    return asyncio.run(model.reply(messages or prompt(), schema, seed))


# --- every language model ---------------------------------------------------------------------


@pytest.fixture(params=["scripted", "openai", "tied", "untied"])
def kind(request):
    return request.param


@pytest.fixture
def language_model(kind, request):
    if kind == "scripted":
        return ScriptedModel(first_ending)
    if kind == "openai":
        server = request.getfixturevalue("chat_server")
        server.answers = [lambda question: first_ending(question["messages"], SCHEMA, question["seed"])]
        return OpenAiModel(LlmConfig(url=server.url, model="served"))
    return TransformersModel(grounded(request.getfixturevalue("checkpoint")))


def test_a_reply_keeps_the_schema(language_model):
    assert isinstance(language_model.name, str)
    for seed in range(5):
        reply = ask(language_model, seed=seed)
        assert isinstance(reply, Reply)
        check(json.loads(reply.text), SCHEMA)
        assert reply.prompt_tokens > 0
        assert reply.reply_tokens > 0
        assert reply.seconds >= 0


def test_the_same_question_gets_the_same_answer(language_model):
    assert ask(language_model, seed=3).text == ask(language_model, seed=3).text


def test_questions_at_the_same_time_are_answered_as_one_by_one(language_model):
    async def together():
        asked = (language_model.reply(prompt(code), SCHEMA, seed) for code, seed in itertools.product((1, 2), (0, 1)))
        return [reply.text for reply in await asyncio.gather(*asked)]

    one_by_one = [ask(language_model, prompt(code), seed=seed).text for code, seed in itertools.product((1, 2), (0, 1))]
    assert asyncio.run(together()) == one_by_one


# --- scripted ---------------------------------------------------------------------------------


def test_a_script_ends():
    model = ScriptedModel(["one", "two"])
    assert [ask(model).text, ask(model).text] == ["one", "two"]
    with pytest.raises(ModelError, match="question 3"):
        ask(model)
    assert model.asked == [prompt()] * 3


# --- in process -------------------------------------------------------------------------------


@pytest.fixture
def folder(checkpoint):
    return grounded(checkpoint)


in_process = pytest.mark.parametrize("kind", ["tied", "untied"])


@in_process
def test_the_text_is_spelled_like_the_training_examples(folder):
    model = TransformersModel(folder)
    for seed in range(6):
        text = ask(model, seed=seed).text
        assert text == json.dumps(json.loads(text), ensure_ascii=False)


@in_process
def test_the_action_is_sampled_and_the_reasoning_is_the_likeliest(folder):
    model = TransformersModel(folder)
    assert len({ask(model, schema=form(action={"enum": ["0-3", "0-7"]}), seed=seed).text for seed in range(8)}) == 2
    (reasoning,) = {ask(model, schema=form(reasoning=REASONING), seed=seed).text for seed in range(4)}
    assert json.loads(reasoning)["reasoning"]


@in_process
def test_temperature_samples_and_zero_does_not(folder):
    greedy, sampled = TransformersModel(folder, 0), TransformersModel(folder, 1.0)
    assert len({ask(greedy, seed=seed).text for seed in range(6)}) == 1
    assert len({ask(sampled, seed=seed).text for seed in range(6)}) > 1


@in_process
def test_a_kept_prefix_changes_nothing(folder):
    kept, fresh = TransformersModel(folder, 0), TransformersModel(folder, 0, kept_tokens=0)
    for code, lines in ((1, 6), (1, 9), (2, 9), (1, 6), (1, 2)):
        assert ask(kept, prompt(code, lines)).text == ask(fresh, prompt(code, lines)).text


@in_process
def test_a_greedy_choice_is_the_best_allowed_one(folder):
    """By hand: with the answer's start given, the digit after `0-` is the likelier of the two offered."""
    model, tokenizer = load_backbone(str(folder))
    schema = form(node={"enum": ["0-3", "0-7"]})
    start = tokenizer.apply_chat_template(prompt(), tokenize=False, add_generation_prompt=True) + '{"node": "0-'
    with torch.no_grad():
        logits = model(torch.tensor([tokenizer.encode(start, add_special_tokens=False)])).logits[0, -1]
    three, seven = (logits[tokenizer.encode(digit)[0]].item() for digit in "37")
    expected = {"node": "0-3"} if three > seven else {"node": "0-7"}
    assert json.loads(ask(TransformersModel(folder, 0), schema=schema).text) == expected


@in_process
def test_a_persona_token_is_never_written_however_likely(folder):
    model, tokenizer = load_backbone(str(folder))
    ids = persona_ids(tokenizer)
    with torch.no_grad():
        norm = model.model.norm.weight
        norm.zero_()[0] = 1  # every hidden state is ± one axis …
        model.get_output_embeddings().weight[ids.start : ids.stop, 0] = 1e4  # … on which these rows win or lose
    save_backbone(model, tokenizer, folder)
    schema = form(said={"type": "string", "maxLength": 20})
    for seed in range(4):
        reply = ask(TransformersModel(folder), schema=schema, seed=seed)
        assert "persona" not in reply.text
        check(json.loads(reply.text), schema)


@in_process
def test_what_cannot_be_done_is_a_model_error(folder):
    model = TransformersModel(folder)
    with pytest.raises(ModelError, match="reads at most 2048"):
        ask(model, prompt(lines=600))
    with pytest.raises(ModelError, match="cannot be enforced"):
        ask(model, schema={"type": "object", "properties": {"a": {"type": "no such type"}}})
    check(json.loads(ask(model).text), SCHEMA)  # and it goes on


def test_no_such_model_says_what_is_expected(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere.*smollm2-135m.*folder.*hub"):
        TransformersModel(tmp_path / "nowhere")
