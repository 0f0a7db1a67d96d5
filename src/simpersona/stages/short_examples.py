"""Training examples as the traces have them (Figure 9), put in the short form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from simpersona.adapters.store_scripted import scripted_page
from simpersona.pages import Example
from simpersona.shopper.prompt import as_told, asked, parse_reply
from simpersona.shopper.short_prompt import short_example


def short_examples(examples: Sequence[Example]) -> list[Example]:
    """The examples, in the order of their visits' steps; one whose action the page does not offer is left out."""
    short: list[Example] = []
    visit, done = "", list[str]()
    for example in examples:
        goal, tree = asked(example)
        if visit != (visit := f"{goal.shop_id}/{goal.session_id}/{goal.code}") or not example["step"]:
            done = []
        page = replace(scripted_page("", tree), goes_back=example.get("goes_back", False))
        decision = parse_reply(example["messages"][2]["content"], page)
        if (one := short_example(example, goal, done, page, decision)) is not None:
            short.append(one)
        done = [*done, as_told(decision.action)] if decision.action else done
    return short
