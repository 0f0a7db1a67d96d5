"""Training by decisions on tiny models: what is read, what moves, and that the persona's effect reaches unseen pages."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import PeftModel
from pydantic import ValidationError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.agent.backbone import load_backbone
from simpersona.agent.counterfactual import NOBODY
from simpersona.agent.decision_draws import PAGES_AT_ONCE, SAME_PAGE, drawn_steps
from simpersona.agent.decision_examples import DecisionEncoder, recorded_steps
from simpersona.agent.decision_finetune import train_decisions
from simpersona.agent.decision_lectures import Lectures
from simpersona.agent.decision_lessons import LessonMaker
from simpersona.agent.decision_loss import text_tokens
from simpersona.agent.decision_model import DecisionModel
from simpersona.agent.grounded_model import GroundedModel
from simpersona.agent.persona_adapter import base_with_rows, peft_quiet
from simpersona.agent.persona_rows import PersonaRows, known_of
from simpersona.agent.tokens import add_persona_tokens
from simpersona.config import AgentConfig, PhaseConfig
from simpersona.errors import ConfigError, ContractError
from simpersona.pages import Action, Decision
from simpersona.shopper.short_prompt import short_answers
from simpersona.visits import SUCCESS, Observation, Step

from .conftest import make_model, make_tokenizer
from .decision_pages import CODES, planted, recorded, steps

CODEBOOK = np.random.default_rng(0).normal(size=(CODES, 96)).astype(np.float32)


def lectures(train=24, test=0, shares_of=planted, seed=0):
    rng = np.random.default_rng(seed)
    of_kind = {"neutral": recorded(rng, train), "intent": recorded(rng, train, kind="intent")}
    return Lectures(
        of_kind, recorded(rng, test, visits="test") if test else [], shares_of, CODEBOOK, known_of(CODEBOOK, None), 0
    )


def config(checkpoint, count=4, batch_size=2, learning_rate=1e-2, **rest):
    phase = PhaseConfig(steps=count, learning_rate=learning_rate, warmup_steps=1)
    rest = {"lora_rank": 4, "map_learning_rate": 0.1, "rows_learning_rate": 0.3} | rest
    return AgentConfig(
        model=str(checkpoint), stage1=phase, stage2=phase, batch_size=batch_size, personas_at_once=3, **rest
    )


def still(checkpoint, **rest):
    """One step that moves nothing."""
    rates = {"learning_rate": 1e-12, "map_learning_rate": 1e-12, "rows_learning_rate": 1e-12}
    return config(checkpoint, 1, **rates, **rest)


def train(phase, settings, out, lessons=None, start=None, progress=lambda *_: None, seed=0):
    return train_decisions(phase, settings, lessons or lectures(), start, out, seed, progress)


# --- what is read ------------------------------------------------------------------------------


def test_a_long_page_loses_nodes_from_its_end_but_not_the_one_that_is_acted_on():
    tokenizer = make_tokenizer()
    add_persona_tokens(make_model("tied", tokenizer), tokenizer, CODES, start="mean", codebook=None, seed=0)
    lines = ["[0-1] RootWebArea: Shop", *(f"[0-{2 + place}] link: Hat {place}" for place in range(60))]
    page = scripted_page("http://shop.example/", "\n".join(lines))
    step = steps(np.random.default_rng(0), 1)[0]
    decision = next(answer for answer in short_answers(page) if answer.node == "0-50").decision()
    step = replace(step, observation=Observation(page, step.goal), decision=decision)
    (one,) = recorded_steps({"neutral": [step]}, None)[0]["neutral"]
    whole = DecisionEncoder(tokenizer, 2048).encode(one)
    short = DecisionEncoder(tokenizer, 400).encode(one)
    nodes = [node.id for node in short.observation.page.nodes]
    assert nodes[-1] == "0-50"
    assert nodes[:-1] == [f"0-{1 + place}" for place in range(len(nodes) - 1)]
    assert short.tree.answers[short.recorded].text == whole.tree.answers[whole.recorded].text
    size = len(short.before) + len(short.after(0)) + len(short.tree.ids[short.recorded])
    assert 380 < size <= 400
    with pytest.raises(ConfigError, match=r"even without its page\. Set agent\.max_tokens to"):
        DecisionEncoder(tokenizer, 50).encode(one)


def test_steps_whose_action_is_not_offered_are_counted_and_left_out():
    some = steps(np.random.default_rng(0), 5)
    gone = replace(some[2], decision=replace(some[2].decision, action=Action("0-2", "hover", "Pointing at the link")))
    kept, left_out = recorded_steps({"neutral": [*some[:2], gone, *some[3:]]}, None)
    assert len(kept["neutral"]) == 4
    assert left_out == 1


def test_pages_with_an_offer_to_add_are_drawn_three_times_and_their_actions_weigh_a_third():
    some = recorded(np.random.default_rng(0), 60)
    adds = [step for step in some if "Add to cart" in step.page_text]
    others = [step for step in some if "Add to cart" not in step.page_text]
    assert {step.times for step in adds} == {3}
    assert {step.times for step in others} == {1}
    assert adds[0].weight == pytest.approx(others[0].weight / 3)
    assert sum(step.weight * step.times for step in some) == pytest.approx(sum(step.times for step in some))


def test_pages_of_the_checkout_are_drawn_more_often_than_others_by_what_they_offer_at_most():
    offers = {
        "link: Hats": 1,
        "button: Add to cart": 3,
        "link: Checkout": 6,
        "button: Next step": 8,
        "textbox: E-mail": 8,
    }
    offers |= {"button: Place order": 12}
    some = []
    for offer in [*offers, "button: Add to cart\n[0-4] textbox: E-mail"]:
        page = scripted_page("http://shop.example/", f"[0-1] RootWebArea: Shop\n[0-2] link: Home\n[0-3] {offer}")
        step = steps(np.random.default_rng(0), 1)[0]
        decision = next(answer for answer in short_answers(page) if answer.node == "0-2").decision()
        some.append(replace(step, observation=Observation(page, step.goal), decision=decision))
    found = recorded_steps({"neutral": some}, None)[0]["neutral"]
    assert [one.times for one in found] == [*offers.values(), 8]
    assert (
        len({round(one.weight * one.times, 9) for one in found}) == 1
    )  # a page counts the same, however often it is drawn


def test_pages_after_an_order_are_drawn_often_and_those_after_one_that_failed_are_not():
    checkout = scripted_page("http://shop.example/checkout", "[0-1] RootWebArea: Pay\n[0-2] button: Place order")
    ordering = Decision(Action("0-2", "click", "Clicking the Place order button"), "")
    some = steps(np.random.default_rng(1), 3)
    for place, result in ((1, SUCCESS), (2, "The card was refused")):
        before = (Step(0, checkout, ordering, result, 0.0),)
        some[place] = replace(some[0], observation=replace(some[0].observation, steps=before))
    assert [one.times for one in recorded_steps({"neutral": some}, None)[0]["neutral"]] == [1, 12, 1]


def _last_pages(pages):
    """The different pages that were used last."""
    return list(dict.fromkeys(reversed(pages[-100:])))[:PAGES_AT_ONCE]


def test_draws_keep_the_shares_of_kinds_and_the_pages_together():
    rng = np.random.default_rng(0)
    some = recorded(rng, 40)
    of_kind = {
        "neutral": [one for step in some for one in [step] * 3],
        "intent": [replace(step, kind="intent") for step in some],
        "instructions": [replace(step, kind="instructions") for step in some],
    }
    shares = {"intent": 0.45, "neutral": 0.35, "instructions": 0.2}
    drawn = drawn_steps(of_kind, shares, 2000, 0)
    assert drawn == drawn_steps(of_kind, shares, 2000, 0) != drawn_steps(of_kind, shares, 2000, 1)
    for kind, share in shares.items():
        assert np.mean([step.kind == kind for step in drawn]) == pytest.approx(share, abs=0.03)
    pages = [step.page_text for step in drawn]
    read = sum(page not in _last_pages(pages[:place]) for place, page in enumerate(pages))
    assert read < 1.3 * len(drawn) / SAME_PAGE
    batches = [pages[first : first + 4] for first in range(0, len(pages), 4)]
    assert np.mean([len(set(batch)) for batch in batches]) > 3.8
    assert {step.kind for step in drawn_steps(of_kind | {"neutral": []}, shares, 50, 0)} == {"intent", "instructions"}


def test_a_lesson_has_the_own_persona_first_and_others_as_planted():
    tokenizer = make_tokenizer()
    add_persona_tokens(make_model("tied", tokenizer), tokenizer, CODES, start="mean", codebook=None, seed=0)
    encoder = DecisionEncoder(tokenizer, 2048)
    some = recorded(np.random.default_rng(3), 20)
    maker = LessonMaker(encoder, planted, CODES, CODES)
    nobody = 0
    for number, step in enumerate(some):
        lesson, again = (maker.lesson(step, (0, number)) for _ in range(2))
        assert [block.ids for block in lesson.blocks] == [block.ids for block in again.blocks]
        example = encoder.encode(step)
        own, *others = lesson.blocks
        whole = [lesson.common + block.ids[: block.answer_at] for block in lesson.blocks]
        assert whole[0] == example.after(step.code)
        assert own.targets[0].shares.max() == 1
        rest = [code for code in range(CODES) if code != step.code]
        codes = [next(code for code in (NOBODY, *rest) if example.after(code) == tokens) for tokens in whole[1:]]
        assert len(codes) == len(set(codes)) == CODES - 1
        nobody += NOBODY in codes
        leaves = next(place for place, below in enumerate(example.tree.path(0)[0].below) if below.tolist() == [0])
        for code, block in zip(codes, others, strict=True):
            assert block.targets[0].shares[leaves] == pytest.approx(planted(None, [0, 1], [code])[0, 0])
            assert block.weight == 1
    assert 0 < nobody < 20
    alone = LessonMaker(encoder, None, CODES, CODES).lesson(some[0], (0, 0))
    assert len(alone.blocks) == 1
    lesson = LessonMaker(encoder, planted, CODES, CODES).lesson(replace(some[0], kind="instructions"), (0, 0))
    assert len(lesson.blocks) == 3
    assert all(block.targets[0].shares.max() == 1 for block in lesson.blocks)


# --- one pass for all ---------------------------------------------------------------------------


@pytest.fixture
def adapter(checkpoint, tmp_path):
    """An adapter that was trained for a few steps, so that it changes the logits."""
    train(2, config(checkpoint, 6, learning_rate=0.1), tmp_path / "adapter")
    return tmp_path / "adapter"


def test_personas_packed_into_one_pass_are_read_as_each_alone(checkpoint, kind, adapter):
    """And two situations at once. peft, as the independent reader, reads each prompt whole as an activated LoRA."""
    grounded = GroundedModel.load(adapter)
    tokenizer = grounded.tokenizer
    some = recorded(np.random.default_rng(5), 2)
    assert some[0].page_text != some[1].page_text
    maker = LessonMaker(DecisionEncoder(tokenizer, 2048), planted, CODES, CODES)
    lessons = [maker.lesson(step, (1, number)) for number, step in enumerate(some)]
    ids = range(len(tokenizer) - CODES, len(tokenizer))
    ours = DecisionModel(grounded.model, ids, text_tokens(tokenizer, grounded.model.config.vocab_size), frozen=True)
    with torch.no_grad():
        packed = ours.logits(lessons)
        again = ours.logits(lessons)
    assert torch.equal(packed, again)  # from the kept pages
    with peft_quiet():
        peft = PeftModel.from_pretrained(base_with_rows(adapter)[0], str(adapter)).eval()
    row = 0
    for lesson in lessons:
        for block in lesson.blocks:
            whole = lesson.page + lesson.goal + lesson.common + block.ids
            with torch.no_grad():
                alone = peft(torch.tensor([whole])).logits[0]
            for target in block.targets:
                at = len(lesson.page) + len(lesson.goal) + len(lesson.common) + block.answer_at + target.position - 1
                assert torch.allclose(packed[row], alone[at], atol=2e-3), (row, at)
                row += 1
    assert row == len(packed)


def test_a_frozen_prefix_and_a_trained_one_have_the_same_loss_without_an_adapter(checkpoint, kind):
    model, tokenizer = load_backbone(str(checkpoint))
    ids = add_persona_tokens(model, tokenizer, CODES, start="random", codebook=None, seed=0)
    text = text_tokens(tokenizer, model.config.vocab_size)
    maker = LessonMaker(DecisionEncoder(tokenizer, 2048), planted, CODES, CODES)
    lessons = [maker.lesson(step, (0, 0)) for step in recorded(np.random.default_rng(1), 3)]
    frozen, trained = (DecisionModel(model, ids, text, frozen=frozen)(lessons) for frozen in (True, False))
    assert frozen.item() == pytest.approx(trained.item(), rel=1e-5)
    alone = [DecisionModel(model, ids, text, frozen=True)([lesson]).item() for lesson in lessons]
    assert trained.item() == pytest.approx(np.mean(alone), rel=1e-5)


# --- what moves ---------------------------------------------------------------------------------


def test_phase_1_trains_the_rows_and_phase_2_goes_on_from_them(checkpoint, kind, tmp_path):
    settings = config(checkpoint, 8)
    first = train(1, settings, tmp_path / "stage1")
    assert first["steps"] == len(first["losses"]) == 8
    assert first["examples"] == 16
    assert {path.name for path in (tmp_path / "stage1").iterdir()} == {
        "persona_adapter.json",
        "persona_rows.safetensors",
        "persona_map.safetensors",
        "trained.json",
    }
    rows = PersonaRows.load(tmp_path / "stage1")
    assert rows.own.abs().max() > 0.01
    train(2, still(checkpoint), tmp_path / "adapter", start=tmp_path / "stage1")
    assert torch.allclose(PersonaRows.load(tmp_path / "adapter")(), rows(), atol=1e-6)
    meta = json.loads((tmp_path / "adapter/persona_adapter.json").read_text())
    assert (meta["acts_from"], meta["lora"], meta["prompt"]) == ("buyer", True, "short")
    saved = load_file(tmp_path / "adapter/persona_rows.safetensors")["rows"].float()
    assert torch.allclose(saved, rows(), atol=1e-2)


def test_training_goes_on_from_an_adapter(checkpoint, adapter, tmp_path):
    train(2, still(checkpoint), tmp_path / "again", start=adapter)
    before, after = (load_file(folder / "adapter_model.safetensors") for folder in (adapter, tmp_path / "again"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    with pytest.raises(ConfigError, match=r"do not fit agent\.lora_rank"):
        train(2, config(checkpoint, 1, lora_rank=2), tmp_path / "other", start=adapter)


def test_other_personas_get_rows_without_training(checkpoint, adapter, tmp_path):
    """By hand: a merged codebook keeps two rows, and the model beside the rows stays as it is."""
    fewer = lectures(test=12)
    test = [step for step in fewer.test if step.code < 2]
    fewer = replace(fewer, train={}, test=test, codebook=CODEBOOK[:2], known=known_of(CODEBOOK[:2], None))
    settings = config(checkpoint, start=str(adapter))
    nothing = settings.model_copy(update={"stage2": PhaseConfig(steps=0, learning_rate=1e-2, warmup_steps=0)})
    summary = train(2, nothing, tmp_path / "fewer", fewer, start=adapter)
    assert (summary["steps"], summary["losses"]) == (0, [])
    assert summary["held_out"]["matched"] > 0
    before, after = (load_file(folder / "adapter_model.safetensors") for folder in (adapter, tmp_path / "fewer"))
    assert all(torch.equal(before[name], after[name]) for name in before)
    rows, ours = (load_file(folder / "persona_rows.safetensors")["rows"] for folder in (tmp_path / "fewer", adapter))
    assert torch.allclose(rows.float(), ours[:2].float(), atol=1e-2)
    assert GroundedModel.load(tmp_path / "fewer").tokenizer.convert_tokens_to_ids("<|persona_2|>") is None


@pytest.mark.parametrize("settings", [{"start": None}, {"start": "default", "prompt": "figure9"}])
def test_a_training_without_steps_and_without_a_start_is_an_error(settings):
    nothing = {"steps": 0, "learning_rate": 1e-3, "warmup_steps": 0}
    with pytest.raises(
        ValidationError, match=r"only stage2\.steps = 0 with start and prompt = \"short\" trains nothing"
    ):
        AgentConfig(stage2=nothing, **settings)
    with pytest.raises(ValidationError, match="found it in stage1"):
        AgentConfig(stage1=nothing, start="default")


def test_a_start_that_would_be_lost_is_an_error(checkpoint, adapter, tmp_path):
    with pytest.raises(ConfigError, match=r"an adapter with low-rank matrices, and agent\.lora_rank = 0"):
        train(2, config(checkpoint, 1, lora_rank=0), tmp_path / "out", start=adapter)
    train(2, config(checkpoint, 2, lora_rank=0), tmp_path / "whole")
    with pytest.raises(ConfigError, match=r"a checkpoint of all parameters; agent\.lora_rank = 4"):
        train(2, config(checkpoint, 1), tmp_path / "out", start=tmp_path / "whole")
    train(2, still(checkpoint, lora_rank=0), tmp_path / "again", start=tmp_path / "whole")
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "again"))
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)


def test_without_low_rank_matrices_all_parameters_train_and_a_checkpoint_is_written(checkpoint, kind, tmp_path):
    train(2, config(checkpoint, 4, lora_rank=0), tmp_path / "stage2")
    before, after = (load_file(folder / "model.safetensors") for folder in (checkpoint, tmp_path / "stage2"))
    assert not any(torch.equal(before[name], after[name]) for name in before if "embed" not in name)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "stage2")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "stage2")
    first = tokenizer.convert_tokens_to_ids("<|persona_0|>")
    rows = PersonaRows.load(tmp_path / "stage2")()
    assert torch.allclose(model.get_input_embeddings().weight[first : first + CODES], rows, atol=1e-6)


class KilledError(Exception):
    pass


@pytest.mark.parametrize(("phase", "rank"), [(1, 4), (2, 4), (2, 0)])
def test_a_killed_training_goes_on_with_the_losses_it_would_have_had(checkpoint, phase, rank, tmp_path):
    def kill(done, total, note):
        if done == 6:
            raise KilledError

    settings = config(checkpoint, 8, checkpoint_steps=2, lora_rank=rank, eval_steps=3)
    lessons = lectures(test=3)
    whole = train(phase, settings, tmp_path / "whole", lessons)
    with pytest.raises(KilledError):
        train(phase, settings, tmp_path / "out", lessons, progress=kill)
    assert not (tmp_path / "out").exists()
    reported = []
    resumed = train(phase, settings, tmp_path / "out", lessons, progress=lambda *step: reported.append(step[0]))
    assert reported == [5, 6, 7, 8]
    assert [point["step"] for point in resumed["curve"]] == [3, 6]
    assert {**resumed, "seconds": 0} == {**whole, "seconds": 0}
    for name in ("persona_map.safetensors", "adapter_model.safetensors", "model.safetensors"):
        if (tmp_path / "whole" / name).is_file():
            one, other = (load_file(tmp_path / folder / name) for folder in ("whole", "out"))
            assert all(torch.equal(one[key], other[key]) for key in one), name
    assert not (tmp_path / ".out.steps").exists()


def test_nothing_to_learn_from_is_an_error(checkpoint, tmp_path):
    nothing = replace(lectures(), train={"neutral": [], "intent": [], "instructions": []})
    with pytest.raises(ContractError, match="no example has a goal of the kinds neutral"):
        train(1, config(checkpoint), tmp_path / "out", nothing)


# --- the persona's effect -----------------------------------------------------------------------


def told_of_another(step, rng):
    """The step as if it had been recorded of a random persona."""
    goal = replace(step.observation.goal, code=int(rng.integers(CODES)))
    return replace(step, observation=replace(step.observation, goal=goal))


def test_the_persona_steers_on_unseen_pages_and_not_if_the_tokens_are_shuffled(tmp_path):
    folder = tmp_path / "tied"
    tokenizer = make_tokenizer()
    make_model("tied", tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    settings = config(folder, 120, batch_size=4)
    taught = lectures(200, test=40)
    figures = train(2, settings, tmp_path / "steered", taught)["held_out"]
    assert figures["leave"]["correlation"] > 0.9
    assert 0.6 < figures["leave"]["slope"] < 1.4
    assert figures["leave"]["share_model"] == pytest.approx(figures["leave"]["share_scorer"], abs=0.1)
    assert figures["kl_first_choice"] < figures["kl_first_choice_alike"] / 2
    assert figures["gain"]["mismatched"][1] > 0.1
    assert figures["gain"]["none"][0] > 0
    assert figures["matched"] == pytest.approx(figures["scorer_matched"], abs=0.1)  # the planted policy itself
    rng = np.random.default_rng(1)
    by_chance = replace(
        taught,
        train={kind: [told_of_another(step, rng) for step in some] for kind, some in taught.train.items()},
        shares_of=lambda page, answers, codes: planted(page, answers, rng.integers(-1, CODES, len(codes))),
        test=[],
    )
    train(2, settings, tmp_path / "shuffled", by_chance)
    figures = train(2, still(folder), tmp_path / "measured", taught, tmp_path / "shuffled")["held_out"]
    assert abs(figures["leave"]["slope"]) < 0.2
    assert figures["kl_first_choice"] > figures["kl_first_choice_alike"] * 0.8
    assert abs(figures["gain"]["mismatched"][0]) < 0.1
