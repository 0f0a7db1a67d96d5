"""The loss where an answer has a real choice.

An answer has 12 to 20 tokens, and the page forces most of them. The loss is therefore taken only at the branches of the
answer tree, over the branches' tokens: the cross-entropy against the target, and a tenth of the log of the mass on other
tokens. The latter keeps the model's free choice near the answers that the page allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from simpersona.agent.answer_tree import AnswerTree, Branch, answer_tokens
from simpersona.shopper.moves import Move
from simpersona.shopper.short_prompt import TYPED_END

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

OUTSIDE = 0.1
"""The weight of the mass outside the branches."""
RARE: frozenset[Move] = frozenset({"add", "cart", "checkout", "order", "field", "onward"})
RARE_WEIGHT = 6.0
"""The weight of a branch below which the buyer can take a rare step of the funnel; other branches have 1."""
TYPED_WEIGHT = 1.0
"""The weight of each token of a typed text. A model that types nearly the right word finds nothing."""


@dataclass(frozen=True)
class Target:
    """What the model should choose at one place of an answer."""

    position: int
    """The place of the token that is chosen, counted from the start of the answer."""
    tokens: Int[np.ndarray, " b"] | None
    """The tokens that may come; None in a typed text, where any token of a text may."""
    shares: Float[np.ndarray, " b"] | None
    """The target probability of each token."""
    token: int
    """The token that comes, on the way of this answer."""
    weight: float
    first: bool = False
    """Whether it is the first token of a typed text, which cannot end there."""


@dataclass(frozen=True)
class TextTokens:
    """The tokens that may come in a typed text."""

    inside: Bool[Tensor, " vocabulary"]
    end: int
    """The token that ends the text."""


def text_tokens(tokenizer: PreTrainedTokenizerFast, vocabulary: int) -> TextTokens:
    """The tokens of typed texts in a vocabulary."""
    tokens = answer_tokens(tokenizer)
    inside = torch.zeros(vocabulary, dtype=torch.bool)
    inside[torch.from_numpy(tokens.typed)] = True
    return TextTokens(inside, tokens.ids([TYPED_END])[0][0])


def branch_targets(
    tree: AnswerTree, answer: int, shares: Float[np.ndarray, " answers"], rare: Bool[np.ndarray, " answers"]
) -> list[Target]:
    """The targets on the way to `answer` for a distribution over the answers; `rare` marks the rare steps of the funnel."""
    ids, path = tree.ids[answer], tree.path(answer)
    return [
        Target(
            branch.position,
            branch.tokens,
            _shares_below(branch, shares),
            ids[branch.position],
            RARE_WEIGHT if any(rare[below].any() for below in branch.below) else 1.0,
        )
        for branch in path
    ]


def _shares_below(branch: Branch, shares: Float[np.ndarray, " answers"]) -> Float[np.ndarray, " b"]:
    """The probability of each token of a branch, given that the branch is reached."""
    below = np.array([shares[answers].sum() for answers in branch.below])
    return below / below.sum()


def typed_targets(tree: AnswerTree, answer: int, text: str) -> list[Target]:
    """The targets of a typed text and of its end."""
    start = len(tree.ids[answer])
    typed = tree.typed_ids(text)
    chosen = len(typed) - len(tree.typed_ids("")) + 1  # the first token of the end is the last choice
    return [Target(start + place, None, None, typed[place], TYPED_WEIGHT, first=not place) for place in range(chosen)]


def decision_losses(
    logits: Float[Tensor, "n vocabulary"],
    targets: Sequence[Target],
    persona_ids: range,
    text: TextTokens,
) -> Float[Tensor, " n"]:
    """The loss of each target; the softmax excludes persona tokens."""
    logits = logits.float()
    never = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
    never[persona_ids.start : persona_ids.stop] = True
    whole = logits.masked_fill(never, -torch.inf).logsumexp(1)
    inside, chosen = torch.zeros_like(whole), torch.zeros_like(whole)
    typed = [row for row, target in enumerate(targets) if target.tokens is None]
    branched = [row for row, target in enumerate(targets) if target.tokens is not None]
    if branched:
        tokens, shares = _padded([targets[row] for row in branched], logits.device)
        at = torch.tensor(branched, device=logits.device)
        here = logits[at].gather(1, tokens.clamp(min=0))
        inside = inside.index_put((at,), here.masked_fill(tokens < 0, -torch.inf).logsumexp(1))
        chosen = chosen.index_put((at,), (here * shares).sum(1))
    if typed:
        at = torch.tensor(typed, device=logits.device)
        token = torch.tensor([targets[row].token for row in typed], device=logits.device)
        here, may = logits[at], text.inside.to(logits.device).repeat(len(typed), 1)
        may[:, text.end] = torch.tensor([not targets[row].first for row in typed], device=logits.device)
        inside = inside.index_put((at,), here.masked_fill(~may, -torch.inf).logsumexp(1))
        chosen = chosen.index_put((at,), here.gather(1, token[:, None])[:, 0])
    weight = torch.tensor([target.weight for target in targets], device=logits.device)
    return weight * (inside - chosen) + OUTSIDE * (whole - inside)


def _padded(targets: Sequence[Target], device: torch.device) -> tuple[Int[Tensor, "n b"], Float[Tensor, "n b"]]:
    """The branches' tokens, padded with −1, and their target probabilities, padded with 0."""
    width = max(len(target.tokens) for target in targets if target.tokens is not None)
    tokens, shares = np.full((len(targets), width), -1), np.zeros((len(targets), width), np.float32)
    for row, target in enumerate(targets):
        assert target.tokens is not None
        tokens[row, : len(target.tokens)], shares[row, : len(target.tokens)] = target.tokens, target.shares
    return torch.from_numpy(tokens).to(device), torch.from_numpy(shares).to(device)
