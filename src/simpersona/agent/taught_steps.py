"""Training examples as the traces have them (Figure 9), read back: what a shopper saw, had done before, and decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.contracts import Goal
from simpersona.pages import Decision, Example, Page, visit_of
from simpersona.shopper.prompt import as_told, asked, parse_reply


@dataclass(frozen=True)
class TaughtStep:
    """One example; `done` are the actions of its visit before it, in the words of the log."""

    example: Example
    visit: str
    goal: Goal
    page: Page
    done: tuple[str, ...]
    decision: Decision


def taught_steps(examples: Iterable[Example]) -> Iterator[TaughtStep]:
    """The examples in their order, in which a visit's follow each other by their steps."""
    visit, done = "", ()
    for example in examples:
        goal, tree = asked(example)
        if visit != (visit := visit_of(example)) or not example["step"]:
            done = ()
        page = replace(scripted_page("", tree), goes_back=example.get("goes_back", False))
        decision = parse_reply(example["messages"][2]["content"], page)
        yield TaughtStep(example, visit, goal, page, done, decision)
        done = (*done, as_told(decision.action)) if decision.action else done
