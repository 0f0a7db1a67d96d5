"""A training example as token ids, with labels on the assistant's turn only (App. G).

The tokenizers' chat templates do not mark the assistant's turn, so this module makes the mask. Tokens before the answer have
no loss; the answer, up to and including the end-of-turn token, has loss. An answer is never truncated: an example that is
too long loses lines of its page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simpersona.errors import ConfigError
from simpersona.pages import Example, Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

IGNORED = -100
"""The label of a token without loss."""

TREE = re.compile(r"(?<=<accessibility_tree>\n).*(?=\n</accessibility_tree>)", re.DOTALL)
"""The lines of the page in the user's turn."""


@dataclass(frozen=True)
class Encoded:
    """One example: `labels` equals `input_ids` where there is loss and is IGNORED elsewhere."""

    input_ids: list[int]
    labels: list[int]


def prompt_ids(messages: Sequence[Message], tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """The tokens of a chat up to the start of the assistant's answer; the same in training and in use."""
    return _ids(_render(messages, tokenizer, answered=False), tokenizer)


def encode(example: Example, tokenizer: PreTrainedTokenizerFast, max_tokens: int) -> Encoded:
    """The example as ids and labels, at most `max_tokens` long.

    If it is longer, lines are cut from the end of the accessibility tree; the line of the node that the answer acts on
    stays. Raises ConfigError if the example is too long even without its page.
    """
    *asked, answered = example["messages"]
    if answered["role"] != "assistant":
        raise ConfigError(f"A training example ends with the assistant's turn; found {answered['role']!r}.")
    answer = _answer_ids(example["messages"], tokenizer)
    prompt = prompt_ids(asked, tokenizer)
    if len(prompt) + len(answer) > max_tokens:
        prompt = _shortened(asked, answered["content"], tokenizer, max_tokens - len(answer))
    if len(prompt) + len(answer) > max_tokens:
        raise ConfigError(
            f"agent.max_tokens = {max_tokens}: step {example['step']} of session {example['session_id']!r} has "
            f"{len(prompt)} tokens before its answer even without its page, and {len(answer)} in it. "
            f"Set agent.max_tokens to {len(prompt) + len(answer)} or more."
        )
    return Encoded(prompt + answer, [IGNORED] * len(prompt) + answer)


def _render(messages: Sequence[Message], tokenizer: PreTrainedTokenizerFast, *, answered: bool) -> str:
    return tokenizer.apply_chat_template(  # pyright: ignore[reportReturnType]
        list(messages),  # pyright: ignore[reportArgumentType]
        tokenize=False,
        add_generation_prompt=not answered,
    )


def _ids(text: str, tokenizer: PreTrainedTokenizerFast) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False, verbose=False)


def _answer_ids(messages: Sequence[Message], tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """The answer's tokens with the end of the turn. The answer is tokenized alone, because generation also starts after the
    prompt's tokens.
    """
    before, whole = _render(messages[:-1], tokenizer, answered=False), _render(messages, tokenizer, answered=True)
    if not whole.startswith(before):
        raise ConfigError(
            "The tokenizer's chat template renders a conversation differently once it is answered, so that the "
            "assistant's turn cannot be located. Give the model another chat_template."
        )
    ids = _ids(whole[len(before) :], tokenizer)
    end: int = tokenizer.eos_token_id  # pyright: ignore[reportAssignmentType]
    if end in ids:  # the line break that the template adds after the turn has no loss
        return ids[: ids.index(end) + 1]
    return [*ids, end]


def _shortened(asked: Sequence[Message], answer: str, tokenizer: PreTrainedTokenizerFast, max_tokens: int) -> list[int]:
    """The prompt with as many of the page's lines as fit, counted from the top."""
    *before, user = asked
    tree = TREE.search(user["content"])
    if tree is None:
        return prompt_ids(asked, tokenizer)
    lines = tree.group().split("\n")
    target = _answered_line(lines, answer)

    def prompt(kept: int) -> list[int]:
        page = [line for number, line in enumerate(lines) if number < kept or number == target]
        content = user["content"][: tree.start()] + "\n".join(page) + user["content"][tree.end() :]
        return prompt_ids([*before, Message(role=user["role"], content=content)], tokenizer)

    fits, too_many = 0, len(lines)
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if len(prompt(middle)) <= max_tokens else (fits, middle)
    return prompt(fits)


def _answered_line(lines: Sequence[str], answer: str) -> int | None:
    """The index of the line of the node that the answer acts on: by the node's id, or by its name and role in a text answer."""
    try:
        action = json.loads(answer)["action"]
        name, _, role = action.partition(" the ")[2].rpartition(" ") if isinstance(action, str) else ("", "", "")
        start = f"{role}: {name}" if isinstance(action, str) else f"[{action['nodeSelector']}]"
    except (ValueError, KeyError, TypeError):
        return None  # the session ends here, or the answer is not an action
    return next((number for number, line in enumerate(lines) if line.startswith(start)), None)
