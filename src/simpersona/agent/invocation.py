"""Where the persona begins to act in a prompt: at its last line, "Buyer: <|persona_k|>".

The part before is read by the frozen base model, so it is the same for all personas. From the tokens of "Buyer:" on, which
peft calls the invocation of an activated adapter, the low-rank matrices and the persona rows act.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from simpersona.errors import ModelError
from simpersona.shopper.short_prompt import BUYER

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def invocation_ids(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """The tokens of "Buyer:" at the start of a line."""
    return tokenizer.encode(BUYER, add_special_tokens=False)


def split(prompt: Sequence[int], tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    """The tokens of a prompt before its last "Buyer:", and those from there on. Raises ModelError if it has none."""
    ids, invocation = list(prompt), invocation_ids(tokenizer)
    for start in range(len(ids) - len(invocation), -1, -1):
        if ids[start : start + len(invocation)] == invocation:
            return ids[:start], ids[start:]
    raise ModelError(
        f"the prompt has no line {BUYER!r}, from which on the adapter acts. Ask it in the prompt format that it was trained "
        'with ("short").'
    )
