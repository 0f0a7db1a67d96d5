"""Pages, personas and recorded decisions for the tests of training by decisions."""

import numpy as np

from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.agent.answer_tree import AnswerTree
from simpersona.agent.decision_examples import recorded_steps
from simpersona.shopper.goals import goal_for
from simpersona.shopper.short_prompt import short_answers
from simpersona.traces.examples import TrainingStep
from simpersona.visits import Observation

LEAVES = np.array([0.9, 0.5, 0.1, 0.5])
"""The probability of leaving of each persona; a buyer without one, last, has the mean."""
CODES = 3
WORDS = ("Skirts", "Shirts", "Hats", "Shoes", "Lamps", "Chairs", "Bags", "Toys", "Books", "Plants")


def random_page(rng):
    """A page with some links, a search field or a dropdown."""
    names = rng.permutation(WORDS)[: rng.integers(2, 5)]
    lines = ["[0-1] RootWebArea: Shop", *(f"[0-{2 + place}] link: {name}" for place, name in enumerate(names))]
    more = ("[0-8] searchbox: Search", "[0-8] combobox: Size = S (S | M | L)", "[0-8] button: Add to cart", "")
    return scripted_page("http://shop.example/", "\n".join([*lines, more[rng.integers(len(more))]]))


def planted(observation, answers, codes):
    """Each persona leaves with its own probability and is otherwise equally likely to do anything else."""
    shares = np.zeros((len(codes), len(answers)))
    shares[:, 0] = LEAVES[list(codes)]
    shares[:, 1:] = (1 - shares[:, :1]) / (len(answers) - 1)
    return shares


def steps(rng, count, visits="visit", kind="neutral"):
    """Recorded steps of random personas, drawn from what is planted."""
    found = []
    for number in range(count):
        page, code = random_page(rng), int(rng.integers(CODES))
        goal = goal_for("skirts", None, shop_id="s", buyer_id="b", session_id=str(number), code=code)
        answers = short_answers(page)
        shares = planted(None, answers, [code])[0]
        decision = answers[int(rng.choice(len(answers), p=shares))].decision("skirts")
        found.append(TrainingStep(Observation(page, goal), decision, f"{visits}-{number}", 0, kind))
    return found


def recorded(rng, count, **rest):
    """Recorded steps, ready for training."""
    made = steps(rng, count, **rest)
    return recorded_steps({made[0].kind: made}, None)[0][made[0].kind]


def tree_of(page, tokenizer):
    return AnswerTree(short_answers(page), tokenizer)
