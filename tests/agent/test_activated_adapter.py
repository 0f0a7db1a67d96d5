"""An adapter that acts from "Buyer:" on: read by peft, and used by us with its cached part."""

import asyncio
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, DynamicCache

from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.agent.answer_tree import AnswerTree
from simpersona.agent.backbone import load_backbone, save_backbone
from simpersona.agent.grounded_model import GroundedModel
from simpersona.agent.invocation import invocation_ids, split
from simpersona.agent.masks import prompt_ids
from simpersona.agent.persona_adapter import ROWS, base_with_rows, load_adapter, peft_quiet, save_adapter
from simpersona.agent.policies import model_policies
from simpersona.agent.tokens import add_persona_tokens, input_matrix
from simpersona.agent.transformers_model import TransformersModel
from simpersona.errors import ConfigError, ModelError
from simpersona.shopper.short_prompt import short_answers, short_messages, short_parse
from simpersona.visits import Goal, Observation

from .conftest import prompt, random_lora

CODES = 8
PAGE = scripted_page(
    "http://shop.example/",
    """[0-1] RootWebArea: Shop
    [0-2] link: Skirts
    [0-3] link: Skirts new
    [0-4] combobox: Size = S (S | M)
    [0-5] button: Add to cart""",
)
TYPED = scripted_page("http://shop.example/", "[0-1] searchbox: Search")
GOAL = Goal("You are here to buy skirts.", "shop", "buyer", "visit", 3)


def read_by_peft(folder, base):
    with peft_quiet():
        return PeftModel.from_pretrained(base, str(folder)).eval()


def question(code=3, page=PAGE):
    return short_messages(Observation(page, replace(GOAL, code=code)))


@pytest.fixture
def adapter(checkpoint, tmp_path):
    """An adapter of random matrices that change the answers much."""
    model, tokenizer = load_backbone(str(checkpoint))
    add_persona_tokens(model, tokenizer, CODES, start="random", codebook=None, seed=0)
    adapted = random_lora(model, 4)
    with torch.no_grad():
        input_matrix(model)[-CODES:].mul_(30)
    save_adapter(tmp_path / "adapter", adapted, tokenizer, str(checkpoint), "short", "buyer")
    return tmp_path / "adapter"


def logits_alone(grounded, ids):
    """The logits after each of the tokens from "Buyer:" on, with two passes and nothing cached beforehand."""
    before, after = split(ids, grounded.tokenizer)
    cache = DynamicCache()
    with torch.inference_mode():
        with grounded.reading():
            grounded.model(torch.tensor([before]), past_key_values=cache, use_cache=True)
        return grounded.model(torch.tensor([after]), past_key_values=cache, use_cache=True).logits[0]


def test_peft_reads_it_as_an_activated_adapter_with_the_same_logits(adapter, checkpoint):
    grounded = GroundedModel.load(adapter)
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["alora_invocation_tokens"] == invocation_ids(grounded.tokenizer)
    assert config["base_model_name_or_path"] == str(checkpoint)
    base, tokenizer = base_with_rows(adapter)
    ids = prompt_ids(question(), tokenizer) + tokenizer.encode('{"action"')
    whole, size = torch.tensor([ids]), len(split(ids, tokenizer)[1])
    with torch.inference_mode():
        without = base(whole).logits[0]
        theirs = read_by_peft(adapter, base)(input_ids=whole).logits[0]
    assert torch.allclose(theirs[:-size], without[:-size])
    assert not torch.allclose(theirs[-size:], without[-size:], atol=0.1)
    assert torch.allclose(logits_alone(grounded, ids), theirs[-size:], atol=1e-4)


def test_answers_are_drawn_by_the_product_of_their_choices(adapter):
    """Against peft's logits of the whole sequence: at each choice a softmax over the tokens that may come."""
    base, tokenizer = base_with_rows(adapter)
    theirs = read_by_peft(adapter, base)
    tree = AnswerTree(short_answers(PAGE), tokenizer)
    ids = prompt_ids(question(), tokenizer)
    expected = np.ones(len(tree.answers))
    for index, answer in enumerate(tree.ids):
        with torch.inference_mode():
            logits = theirs(input_ids=torch.tensor([ids + answer])).logits[0]
        for branch in tree.path(index):
            shares = torch.softmax(logits[len(ids) + branch.position - 1, torch.from_numpy(branch.tokens)], dim=0)
            expected[index] *= shares[branch.tokens.tolist().index(answer[branch.position])].item()
    assert expected.sum() == pytest.approx(1, abs=1e-5)

    model, draws = TransformersModel(adapter), 600

    async def drawn():
        return await asyncio.gather(*(model.decide(question(), tree.answers, seed) for seed in range(draws)))

    replies = [decision.reply for decision in asyncio.run(drawn())]
    counts = np.array([replies.count(answer.text) for answer in tree.answers])
    assert counts.sum() == draws
    assert (np.abs(counts - draws * expected) <= 4 * np.sqrt(draws * expected * (1 - expected)) + 1).all()
    assert (counts > 0).sum() > 1


def decisions(model, codes, pages=(PAGE, TYPED, PAGE)):
    return [
        asyncio.run(model.decide(question(code, page), short_answers(page), seed))
        for seed, page in enumerate(pages)
        for code in codes
    ]


def test_a_page_is_read_once_for_all_personas_and_that_changes_no_answer(adapter):
    codes = (None, *range(CODES))
    kept, fresh = TransformersModel(adapter), TransformersModel(adapter, kept_tokens=0)
    found = decisions(kept, codes)
    assert found == decisions(fresh, codes)
    assert len({decision.reply for decision in found}) > 2
    tokenizer = GroundedModel.load(adapter).tokenizer
    first, other = (split(prompt_ids(question(0, page), tokenizer), tokenizer)[0] for page in (PAGE, TYPED))
    common = next(at for at, (left, right) in enumerate(zip(first, other, strict=False)) if left != right)
    once, always = len(first) + len(other) - common, len(codes) * (2 * len(first) + len(other))
    assert fresh.tokens_read - kept.tokens_read == always - once
    assert fresh.passes - kept.passes == 3 * len(codes) - 2


def test_visits_side_by_side_decide_as_each_alone(adapter):
    model = TransformersModel(adapter)
    alone = decisions(model, (0, 1, 2, 3))

    async def together():
        asked = (
            model.decide(question(code, page), short_answers(page), seed)
            for seed, page in enumerate((PAGE, TYPED, PAGE))
            for code in (0, 1, 2, 3)
        )
        return await asyncio.gather(*asked)

    assert asyncio.run(together()) == alone


def test_the_policy_decides_what_its_reply_says(adapter):
    act = model_policies(adapter, "figure9", 1.0)  # the adapter records its own prompt format
    seen = set()
    for seed in range(12):
        for page in (PAGE, TYPED):
            decision = asyncio.run(act(seed).act(Observation(page, GOAL)))
            assert decision.reply is not None
            stated = short_parse(decision.reply, page)
            assert (decision.action, decision.reasoning) == (stated.action, "")
            assert decision.prompt_tokens > 0
            assert decision.reply_tokens > 0
            seen.add(decision.reply)
    assert len(seen) > 4


def test_a_wrong_prompt_and_a_merge_are_refused(adapter):
    with pytest.raises(ModelError, match="no line 'Buyer:'"):
        asyncio.run(TransformersModel(adapter).decide(prompt(), short_answers(PAGE), 0))
    with pytest.raises(ConfigError, match="cannot be merged"):
        load_adapter(adapter)


def test_rows_alone_are_an_adapter_too(checkpoint, tmp_path):
    model, tokenizer = load_backbone(str(checkpoint))
    add_persona_tokens(model, tokenizer, CODES, start="random", codebook=None, seed=0)
    save_adapter(tmp_path / "rows", model, tokenizer, str(checkpoint), "short", "buyer")
    save_backbone(model, tokenizer, tmp_path / "whole")
    grounded = GroundedModel.load(tmp_path / "rows")
    ids = prompt_ids(question(), tokenizer)
    with torch.inference_mode():
        whole = AutoModelForCausalLM.from_pretrained(tmp_path / "whole").eval()(torch.tensor([ids])).logits[0]
    found = logits_alone(grounded, ids)
    assert torch.allclose(found, whole[-len(found) :], atol=0.01)  # the rows are in half precision
    assert load_file(tmp_path / "rows" / ROWS)["rows"].dtype == torch.float16
