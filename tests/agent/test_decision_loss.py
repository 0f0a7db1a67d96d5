"""The loss at the branches of an answer tree, by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.agent.decision_loss import (
    OUTSIDE,
    RARE_WEIGHT,
    TYPED_WEIGHT,
    Target,
    TextTokens,
    branch_targets,
    decision_losses,
    text_tokens,
    typed_targets,
)

from .conftest import make_tokenizer
from .decision_pages import tree_of

TEXT = TextTokens(torch.tensor([False, False, True, True, False, False]), 4)
NOBODY_IDS = range(6, 6)
PAGE = scripted_page(
    "http://shop.example/",
    """[0-1] RootWebArea: Shop
    [0-2] link: Skirts
    [0-3] link: Skirts new
    [0-4] searchbox: Search
    [0-5] button: Add to cart""",
)


def test_by_hand():
    """Logits log 1, log 2, log 3, log 4, log 5 and a persona token that counts nowhere."""
    logits = torch.tensor([[1.0, 2, 3, 4, 5, 1000]]).log()
    target = Target(0, np.array([1, 3]), np.array([0.25, 0.75]), 3, weight=2.0)
    (loss,) = decision_losses(logits, [target], range(5, 6), TEXT)
    among = -(0.25 * math.log(2 / 6) + 0.75 * math.log(4 / 6))
    outside = -math.log(6 / 15)
    assert loss.item() == pytest.approx(2 * among + OUTSIDE * outside, rel=1e-5)


def test_typed_text_is_chosen_among_texts_and_may_end_after_its_first_token():
    logits = torch.tensor([[1.0, 2, 3, 4, 5, 6]] * 3).log()
    first, later, end = (
        Target(place, None, None, token, 0.5, first=not place) for place, token in enumerate((3, 3, 4))
    )
    losses = decision_losses(logits, [first, later, end], NOBODY_IDS, TEXT)
    expected = [
        -0.5 * math.log(4 / 7) - OUTSIDE * math.log(7 / 21),
        -0.5 * math.log(4 / 12) - OUTSIDE * math.log(12 / 21),
        -0.5 * math.log(5 / 12) - OUTSIDE * math.log(12 / 21),
    ]
    assert losses.tolist() == pytest.approx(expected, rel=1e-5)


def test_branches_of_different_widths_do_not_disturb_each_other():
    logits = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    targets = [
        Target(0, np.array([0, 1]), np.array([0.5, 0.5]), 0, 1.0),
        Target(0, None, None, 2, 0.3),
        Target(1, np.array([0, 2, 3, 5]), np.array([0.1, 0.2, 0.3, 0.4]), 5, 3.0),
    ]
    together = decision_losses(logits, targets, NOBODY_IDS, TEXT)
    alone = [decision_losses(logits[row : row + 1], [target], NOBODY_IDS, TEXT) for row, target in enumerate(targets)]
    assert together.tolist() == pytest.approx([loss.item() for loss in alone], rel=1e-5)


def test_the_least_loss_is_the_entropy_of_the_targets():
    shares = np.array([0.2, 0.3, 0.5])
    logits = torch.full((1, 6), -1e4)
    logits[0, :3] = torch.from_numpy(shares).log().float()
    (loss,) = decision_losses(logits, [Target(0, np.arange(3), shares, 0, 1.0)], NOBODY_IDS, TEXT)
    assert loss.item() == pytest.approx(-(shares * np.log(shares)).sum(), rel=1e-4)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_targets_along_an_answer_multiply_to_its_probability(seed):
    tree = tree_of(PAGE, TOKENIZER)
    shares = np.random.default_rng(seed).dirichlet(np.ones(len(tree.answers)))
    for answer, share in enumerate(shares):
        targets = branch_targets(tree, answer, shares, np.zeros(len(shares), bool))
        chances = [target.shares[list(target.tokens).index(target.token)] for target in targets]
        assert math.prod(chances) == pytest.approx(share)


def test_branches_above_a_rare_step_weigh_more():
    tree = tree_of(PAGE, TOKENIZER)
    texts = [answer.text for answer in tree.answers]
    add = next(place for place, text in enumerate(texts) if "Add to cart" in text)
    skirts = [place for place, text in enumerate(texts) if "Skirts" in text]
    rare = np.arange(len(texts)) == add
    even = np.full(len(texts), 1 / len(texts))
    first, *_, last = branch_targets(tree, skirts[0], even, rare)
    assert first.weight == RARE_WEIGHT
    assert last.weight == 1  # only the two links are left
    assert last.shares.tolist() == pytest.approx([0.5, 0.5])


def test_a_typed_text_is_written_as_it_is_learned():
    tree = tree_of(PAGE, TOKENIZER)
    search = next(place for place, answer in enumerate(tree.answers) if answer.typed)
    targets = typed_targets(tree, search, "red hats")
    typed = tree.typed_ids("red hats")
    assert [target.token for target in targets] == typed[: len(targets)]
    text = text_tokens(TOKENIZER, 512)
    assert targets[-1].token == text.end
    assert [target.first for target in targets] == [True] + [False] * (len(targets) - 1)
    assert {target.weight for target in targets} == {TYPED_WEIGHT}
    assert all(text.inside[target.token] for target in targets[:-1])


TOKENIZER = make_tokenizer()
