"""Training examples as the traces have them (Figure 9), put in the short form."""

from __future__ import annotations

from collections.abc import Sequence

from simpersona.agent.taught_steps import taught_steps
from simpersona.pages import Example
from simpersona.shopper.short_prompt import short_example


def short_examples(examples: Sequence[Example]) -> list[Example]:
    """The examples, in the order of their visits' steps; one whose action the page does not offer is left out."""
    told = (short_example(one.example, one.goal, one.done, one.page, one.decision) for one in taught_steps(examples))
    return [example for example in told if example is not None]
