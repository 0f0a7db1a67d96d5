"""From the scorer's candidates to the answers of a page."""

import numpy as np
import pytest
import torch

from simpersona.adapters.embedders.hashing import HashingEmbedder
from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.agent.counterfactual import NOBODY, Counterfactual, answers_of, typed_by_scorer
from simpersona.agent.scorer import Scorer
from simpersona.agent.scorer_training import Texts, choices_of
from simpersona.shopper.candidates import NUMBERS, STATE, situation
from simpersona.shopper.goals import goal_for
from simpersona.shopper.moves import MOVES
from simpersona.shopper.short_prompt import short_answers
from simpersona.visits import Observation

PAGE = scripted_page(
    "http://shop.example/",
    """[0-1] RootWebArea: Shop
    [0-2] link: Skirts
    [0-3] link: Skirts
    [0-4] combobox: Size = M (S | M | L)
    [0-5] searchbox: Search
    [0-6] textbox: Email""",
)
GOAL = goal_for("linen skirts", "buy", code=1)
SEEN = Observation(PAGE, GOAL)
ANSWERS = short_answers(PAGE)
SKIRTS = next(place for place, answer in enumerate(ANSWERS) if "Skirts" in answer.text)


@pytest.fixture
def scorer():
    torch.manual_seed(0)
    return Scorer(np.random.default_rng(0).normal(size=(3, 8)), NUMBERS, STATE, 32, len(MOVES)).eval()


def test_candidates_add_up_to_answers():
    """By hand: to leave, two links of one name, a dropdown of which M is chosen, a search field and a form field."""
    table = answers_of(situation(SEEN), ANSWERS)
    shares = np.array([0.1, 0.2, 0.3, 0.2, 0.15, 0.05]) @ table
    expected = {"Leaving": 0.1, "Skirts": 0.5, '"S"': 0.1, '"M"': 0.0, '"L"': 0.1, "Search": 0.15, "Email": 0.05}
    for text, share in expected.items():
        found = [value for answer, value in zip(ANSWERS, shares, strict=True) if text in answer.text]
        assert found == [pytest.approx(share)], text


def test_a_dropdown_with_one_option_that_is_chosen_can_be_chosen_again():
    page = scripted_page("", "[0-1] combobox: Size = S (S | S)")
    assert answers_of(situation(Observation(page, GOAL)), short_answers(page)).tolist() == [[1, 0], [0, 1]]


def test_all_personas_at_once_are_each_alone(scorer):
    texts = Texts(HashingEmbedder(32))
    shares = Counterfactual(scorer, texts).shares(SEEN, ANSWERS, [2, NOBODY, 0])
    assert shares.sum(axis=1) == pytest.approx(np.ones(3))
    choice = situation(SEEN)
    for row, code in zip(shares, (2, None, 0), strict=True):
        with torch.inference_mode():
            scores = scorer(choices_of([choice], [code], texts)).double().exp().numpy()
        assert row[0] == pytest.approx(scores[0], rel=1e-4)
        assert row[SKIRTS] == pytest.approx(scores[1] + scores[2], rel=1e-4)


@pytest.mark.parametrize(("name", "text"), [("Search", "linen skirts"), ("Email", "shopper@example.com")])
def test_what_the_scorer_types(name, text):
    answer = next(answer for answer in ANSWERS if answer.typed and name in answer.text)
    assert typed_by_scorer(SEEN, answer) == text
