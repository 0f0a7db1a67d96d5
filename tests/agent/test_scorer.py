"""The policy without a language model: its scores, what it learns, and that it only does what a page offers."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
import torch

from simpersona.adapters.embedders.hashing import HashingEmbedder
from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.agent.scorer import Choices, Scorer, train_scorer
from simpersona.agent.scorer_training import NEUTRAL_SHARE, load_score, scorer_from_steps, with_neutral_goals
from simpersona.errors import ConfigError
from simpersona.pages import Action, Decision, Node
from simpersona.shopper.asides import SHARE
from simpersona.shopper.candidates import NUMBERS, STATE, as_action, situation
from simpersona.shopper.goals import goal_for
from simpersona.shopper.moves import MOVES
from simpersona.shopper.prompt import answer, parse_reply
from simpersona.shopper.scorer_policy import ScorerPolicy
from simpersona.traces.examples import TrainingStep
from simpersona.visits import SUCCESS, Observation, Step

PAGES = [
    "[0-1] RootWebArea: Shop = part 1 of 2\n[0-2] link: Skirts\n[0-3] searchbox: Search\n[0-4] heading: New",
    "[0-1] RootWebArea: Skirt\n[0-2] link: Cart (2)\n[0-3] combobox: Size = S (S | M)\n[0-4] button: Add to cart",
    "[0-1] RootWebArea: Checkout\n[0-2] textbox: Email = a@b.example\n[0-3] spinbutton: Pieces\n[0-4] button: No = (disabled)",
    "[0-1] RootWebArea: Empty",
]
TYPED = {"Search": "linen skirts", "Email": "shopper@example.com", "Pieces": "1"}
BUY = goal_for("linen skirts", "buy", shop_id="shop", buyer_id="buyer", session_id="session", code=3)
OPENED = Step(
    0,
    scripted_page("", "[0-1] link: Linen Skirt"),
    Decision(Action("0-1", "click", "Clicking on the Linen Skirt link"), ""),
    SUCCESS,
    0.1,
)


def page(number):
    return scripted_page("http://shop.example/", PAGES[number])


def toy(rng, situations=240, codes=6):
    """Four nodes of random words; which of them is right depends on the persona's code alone."""
    vectors = rng.normal(size=(4, 16)).astype(np.float32)
    code = rng.integers(0, codes, situations)
    text = np.concatenate([rng.permutation(4) for _ in range(situations)])
    right = np.flatnonzero(text == np.repeat(code % 4, 4))
    choices = Choices(
        vectors,
        text,
        np.zeros((4 * situations, 2), np.float32),
        np.zeros(4 * situations, np.int64),
        np.repeat(np.arange(situations), 4),
        np.zeros((situations, 3), np.int64),
        np.zeros((situations, 3), np.float32),
        code,
    )
    return choices, right


def hits(scorer, choices, right):
    best = scorer(choices).detach().numpy().reshape(-1, 4).argmax(axis=1) + 4 * np.arange(len(choices.code))
    return np.mean(best == right)


def test_what_depends_on_the_persona_alone_is_learned_from_chance_to_certainty():
    rng = np.random.default_rng(0)
    (choices, right), (unseen, right_unseen) = toy(rng), toy(np.random.default_rng(0))
    torch.manual_seed(0)
    scorer = Scorer(rng.normal(size=(6, 8)), 2, 3, 16, 1)
    assert hits(scorer, unseen, right_unseen) < 0.6
    visits = [f"visit-{n // 6}" for n in range(len(right))]
    told = train_scorer(scorer, choices, right, visits, 0, lambda *_: None, epochs=60, batch=32)
    assert hits(scorer, unseen, right_unseen) > 0.95
    assert told["loss"] < 0.2
    assert told["loss_as_nobody"] > 1  # four equally likely nodes: log 4 = 1.39


def test_the_chances_of_each_situation_add_up_to_one():
    rng = np.random.default_rng(1)
    owner = np.repeat(np.arange(3), [1, 7, 4])
    scorer = Scorer(rng.normal(size=(5, 8)), 4, 2, 6, 3).eval()
    choices = Choices(
        rng.normal(size=(9, 6)).astype(np.float32),
        rng.integers(0, 9, 12),
        (100 * rng.normal(size=(12, 4))).astype(np.float32),
        rng.integers(0, 3, 12),
        owner,
        rng.integers(0, 9, (3, 3)),
        rng.normal(size=(3, 2)).astype(np.float32),
        np.array([-1, 0, 4]),
    )
    whole = scorer(choices).exp().detach().numpy()
    assert np.allclose(np.bincount(owner, whole), 1, atol=1e-5)
    part, rows = choices.take(np.array([2, 1]))
    assert rows.tolist() == [8, 9, 10, 11, 1, 2, 3, 4, 5, 6, 7]
    assert np.allclose(scorer(part).exp().detach().numpy(), whole[rows], atol=1e-5)


def test_a_situation_tells_what_the_page_and_the_goal_tell():
    one = situation(Observation(page(1), BUY, (OPENED,)))
    assert [candidate.key for candidate in one.candidates] == [
        (None, None),
        ("0-2", "click"),
        ("0-3", "selectOptionFromDropdown"),
        ("0-4", "click"),
    ]
    assert one.texts == ("leave the store", "Cart (2)", "Size", "Add to cart")
    assert one.context == ("linen skirts", "Skirt", "clicking on the Linen Skirt link")
    assert one.numbers.shape == (4, NUMBERS)
    assert one.state.shape == (STATE,)
    assert [MOVES[move] for move in one.move] == ["leave", "cart", "option", "add"]
    assert not one.numbers[0].any()
    assert one.numbers[1, -1] == pytest.approx(2 / 3)  # two things in the cart, of three at most
    links = situation(Observation(page(0), BUY))
    assert [MOVES[move] for move in links.move] == ["leave", "page", "link", "search"]
    assert links.numbers[2, -6] == pytest.approx(1 / 2)  # "skirts", of "linen skirts"
    # of "linen skirts": half in the title "Skirt" and all in the product opened, nothing among products and links here
    assert one.state[-6:] == pytest.approx([1 / 2, 0, 0, 0, 1, 0])
    assert links.state[-6:] == pytest.approx([0, 0, 0, 1 / 2, 0, 0])


def test_what_is_beside_the_purchase_draws_next_to_nothing_and_changes_nothing_else(tmp_path):
    torch.manual_seed(0)
    embedder = HashingEmbedder(32)
    Scorer(np.random.default_rng(0).normal(size=(3, 8)), NUMBERS, STATE, 32, len(MOVES)).save(tmp_path)
    score = load_score(tmp_path, embedder)
    plain = page(1)
    beside = [("textbox", "Newsletter"), ("button", "Subscribe"), ("textbox", "Coupon code"), ("link", "Log in")]
    nodes = tuple(Node(f"0-9{number}", *node) for number, node in enumerate(beside))
    busy = replace(plain, nodes=(*plain.nodes, *nodes))
    without, with_it = (situation(Observation(seen, BUY, (OPENED,))) for seen in (plain, busy))
    for code in (None, 0, 2):
        before, after = np.exp(score(without, code)), np.exp(score(with_it, code))
        assert after.sum() == pytest.approx(1)
        assert after[with_it.scored] == pytest.approx(before * (1 - SHARE))
        assert after[~with_it.scored] == pytest.approx([SHARE / len(beside)] * len(beside))
    used = Step(1, busy, Decision(Action("0-90", "fill", "Typing", ("a",)), ""), SUCCESS, 0.1)
    later = situation(Observation(busy, BUY, (OPENED, used)))
    assert later.state == pytest.approx(with_it.state)  # nor does the history show it
    assert later.context == with_it.context


def test_what_was_searched_for_is_part_of_the_situation():
    typed = Action("0-3", "fill", "Typing into the Search searchbox", ("skirts",))
    searched = situation(Observation(page(0), BUY, (Step(0, page(0), Decision(typed, ""), SUCCESS, 0.1),)))
    assert searched.state[-1] == pytest.approx(1 / 2)


def test_without_a_named_intent_a_shopper_is_neither_buying_nor_browsing():
    states = [
        situation(Observation(page(0), goal_for("skirts", intent))).state[:2] for intent in ("buy", "browse", None)
    ]
    assert [state.tolist() for state in states] == [[1, 1], [0, 1], [0, 0]]


def test_a_product_named_in_other_words_is_found_by_its_vector():
    """Of two products of new texts, the one with a vector like that of the new wish is the likely one."""
    rng = np.random.default_rng(0)
    wishes, situations = 60, 600
    vectors = rng.normal(size=(wishes, 16))
    vectors = np.concatenate([vectors, vectors + 0.3 * rng.normal(size=(wishes, 16))]).astype(np.float32)
    wish = rng.integers(0, wishes, situations)
    other = (wish + rng.integers(1, wishes, situations)) % wishes
    first = rng.integers(0, 2, situations).astype(bool)
    pair = np.where(first[:, None], np.stack([wish, other], 1), np.stack([other, wish], 1)) + wishes
    trained_on = (wish < 45) & (other < 45)
    choices = Choices(
        vectors,
        np.concatenate([np.zeros((situations, 1), np.int64), pair], axis=1).ravel(),
        np.zeros((3 * situations, 1), np.float32),
        np.tile([0, 1, 1], situations),
        np.repeat(np.arange(situations), 3),
        np.stack([wish, 0 * wish, 0 * wish], axis=1),
        np.zeros((situations, 1), np.float32),
        np.zeros(situations, np.int64),
    )
    chosen = 3 * np.arange(situations) + 2 - first
    known, rows = choices.take(np.flatnonzero(trained_on))
    torch.manual_seed(0)
    scorer = Scorer(np.zeros((1, 2)), 1, 1, 16, 3)
    visits = [f"{number:03d}" for number in range(len(known.code))]
    right = np.searchsorted(rows, chosen[trained_on])
    train_scorer(scorer, known, right, visits, 0, lambda *_: None, epochs=60, patience=60)
    new = (wish >= 45) & (other >= 45)
    assert np.exp(np.log(scorer(choices).exp().detach().numpy()[chosen[new]]).mean()) > 0.75  # a guess is 0.5


@pytest.mark.parametrize("number", range(len(PAGES)))
def test_every_candidate_is_an_action_that_can_be_tried(number):
    seen, rng = page(number), np.random.default_rng(0)
    for candidate in situation(Observation(seen, BUY)).candidates:
        action = as_action(candidate, BUY, rng)
        assert parse_reply(answer(Decision(action, "")), seen).action == action
        if action and action.method == "fill":
            assert action.arguments == (TYPED[candidate.text],)
        if action and action.method == "selectOptionFromDropdown":
            assert action.arguments == ("M",)  # S stands there already


def test_it_draws_as_scored_and_repeats_with_its_seed():
    def score(one, code):
        assert code == 3
        return np.log([0.5, 0.3, 0.2, 1e-300])

    def drawn(seed):
        policy = ScorerPolicy(score, seed)
        decisions = [asyncio.run(policy.act(Observation(page(1), BUY))) for _ in range(400)]
        return ["leave" if one.action is None else one.action.node for one in decisions]

    found = drawn(0)
    assert found == drawn(0) != drawn(1)
    shares = [found.count(node) / 400 for node in ("leave", "0-2", "0-3", "0-4")]
    assert shares == pytest.approx([0.5, 0.3, 0.2, 0], abs=0.08)  # three standard errors


def test_more_products_on_a_page_make_nobody_stay_longer():
    torch.manual_seed(0)
    scorer = Scorer(np.zeros((1, 2)), 1, 1, 4, 3).eval()

    def chance_to_leave(products):
        size = products + 1
        move = np.array([0] + [1] * products)
        return np.exp(
            scorer(
                Choices(
                    np.eye(4, dtype=np.float32),
                    1 + np.arange(size) % 3,  # nothing is like the wish, text 0
                    np.ones((size, 1), np.float32),
                    move,
                    np.zeros(size, np.int64),
                    np.zeros((1, 3), np.int64),
                    np.zeros((1, 1), np.float32),
                    np.array([0]),
                )
            )[0].item()
        )

    assert chance_to_leave(2) == pytest.approx(chance_to_leave(30), abs=1e-6)


def test_it_learns_from_the_language_models_training_steps_and_is_read_back_the_same(tmp_path):
    offers = situation(Observation(page(1), BUY)).candidates
    add = as_action(offers[3], BUY, np.random.default_rng(0))
    steps = [
        TrainingStep(
            Observation(page(1), replace(BUY, code=visit % 2)),
            Decision(None if visit % 2 else add, ""),
            str(visit),
            0,
            "intent",
        )
        for visit in range(240)
    ]
    codebook = np.eye(2, 4, dtype=np.float32)
    told = scorer_from_steps(steps, codebook, None, HashingEmbedder(), tmp_path, 0, lambda *_: None)
    assert told["left_out"] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"scorer.safetensors", "scorer.json"}  # and nothing pickled
    again = tmp_path / "again"
    scorer_from_steps(steps, codebook, None, HashingEmbedder(), again, 0, lambda *_: None)
    assert (again / "scorer.safetensors").read_bytes() == (tmp_path / "scorer.safetensors").read_bytes()
    score = load_score(tmp_path, HashingEmbedder())
    one = situation(Observation(page(1), BUY))
    assert score(one, 0)[3] > np.log(0.8)
    assert score(one, 1)[0] > np.log(0.8)


def test_no_scorer_and_one_of_another_version_are_told_in_words(tmp_path):
    with pytest.raises(ConfigError, match="no trained scorer here"):
        load_score(tmp_path, HashingEmbedder())
    Scorer(np.zeros((2, 3)), NUMBERS, STATE - 1, 4, len(MOVES)).save(tmp_path)
    with pytest.raises(ConfigError, match=f"'state': {STATE - 1}.*Train it again"):
        load_score(tmp_path, HashingEmbedder())


def test_whole_visits_are_also_learned_with_their_neutral_goal():
    def steps(intent):
        goal = goal_for("skirts", intent, code=0)
        leaves = Decision(None, "")
        kind = "neutral" if intent is None else "intent"
        return [TrainingStep(Observation(page(1), goal), leaves, str(n // 3), n % 3, kind) for n in range(120)]

    both = with_neutral_goals(steps("buy"), steps(None), 0)
    neutral = [step for step in both if step.kind == "neutral"]
    assert both[:120] == steps("buy")
    assert len(neutral) == 120 * NEUTRAL_SHARE
    assert len({step.visit_id for step in neutral}) == 40 * NEUTRAL_SHARE
