"""The chat of one step for a small model: a third of the tokens of Figure 9, and an answer in the words of the page.

The page comes first, without node ids, so that its keys and values serve every visitor who sees it; what differs from
buyer to buyer comes last. The answer is what is done, in the words of the progress log ("Clicking on the Skirts link"): a
small model copies words where it cannot choose a number. Held to the schema, it picks one of what the page offers by its
likelihood, in a pass or two after the prompt.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from simpersona.contracts import Goal, persona_token
from simpersona.errors import ReplyError
from simpersona.pages import Action, Decision, Example, Message, Method, Node, Page
from simpersona.shopper.affordances import BACK, MAX_TYPED_CHARS, choices, describe
from simpersona.shopper.prompt import SUCCESS

SYSTEM = "You are a buyer in an online store. Answer with what you do next."
LEAVING = "Leaving the store"
LAST_DONE = 6
"""Of what was done, as much is told."""


def short_messages(goal: Goal, log: Sequence[str], page: Page) -> list[Message]:
    """The system and the user turn of one step."""
    return short_messages_of(goal, log, page.tree)


def short_messages_of(goal: Goal, log: Sequence[str], tree: str) -> list[Message]:
    """`short_messages` for a page of which the lines are known."""
    lines = [
        "<accessibility_tree>",
        *(line.partition("] ")[2] for line in tree.split("\n")),
        "</accessibility_tree>",
        f"Buyer: {'' if goal.code is None else persona_token(goal.code)}",
        f"Goal: {goal.text}",
        "Done:",
        *(list(_done(log))[-LAST_DONE:]),
    ]
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "\n".join(lines)}]


def short_answer(decision: Decision) -> str:
    """The assistant's turn: one line of JSON, with `text` where something is typed or chosen."""
    action = decision.action
    told = {"action": action.description if action is not None else LEAVING}
    if action is not None and action.arguments and action.method in ("fill", "selectOptionFromDropdown"):
        told["text"] = action.arguments[0]
    return json.dumps(told, ensure_ascii=False)


def short_schema(page: Page) -> dict[str, Any]:
    """The JSON schema of every valid answer on this page."""
    offers = _offers(page)
    plain = [
        LEAVING,
        *(words for words, (_, method) in offers.items() if method not in ("fill", "selectOptionFromDropdown")),
    ]
    answers = [_object(action={"enum": plain})]
    for words, (node, method) in offers.items():
        if method == "fill":
            text: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": MAX_TYPED_CHARS}
            answers.append(_object(action={"const": words}, text=text))
        elif method == "selectOptionFromDropdown":
            answers.append(_object(action={"const": words}, text={"enum": list(dict.fromkeys(node.options))}))
    return {"anyOf": answers}


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    action: str
    text: str | None = None


def short_parse(text: str, page: Page) -> Decision:
    """The decision that an answer on `page` states; where several nodes are called alike, the first is meant.

    Raises ReplyError in words when it is not JSON of that form or names what the page does not offer.
    """
    try:
        found = _Answer.model_validate_json(text)
    except (ValidationError, UnicodeEncodeError) as error:
        raise ReplyError(f"not a valid answer: expected an object with `action`; found {text[:200]!r}") from error
    if found.action == LEAVING:
        return Decision(None, "")
    node, method = _offers(page).get(found.action, (None, None))
    if node is None or method is None:
        raise ReplyError(f"the page does not offer {found.action!r}")
    if method == "fill" and not found.text:
        raise ReplyError(f"{found.action!r} needs a text")
    if method == "selectOptionFromDropdown" and found.text not in node.options:
        raise ReplyError(f"{found.text!r} is not an option of {node.name}; options: {', '.join(node.options)}")
    arguments: dict[Method, str] = {"press": "Enter", "goto": BACK}
    argument = found.text if method in ("fill", "selectOptionFromDropdown") else arguments.get(method)
    return Decision(Action(node.id, method, found.action, () if argument is None else (argument,)), "")


def short_example(example: Example, goal: Goal, done: Sequence[str], page: Page, decision: Decision) -> Example | None:
    """The example in this form, after the actions `done`; None where what was done is not offered (a teacher may do more)."""
    action = decision.action
    if action is not None:
        node = page.node(action.node)
        words = describe(node, action.method) if node is not None else ""
        if (offer := _offers(page).get(words)) is None or offer[1] != action.method:
            return None
        decision = replace(decision, action=replace(action, description=words))
    log = [line for one in done for line in (f"- Action: {one}", f"- {SUCCESS}")]
    turns = [*short_messages(goal, log, page), Message(role="assistant", content=short_answer(decision))]
    return Example(**{**example, "messages": turns})


def _offers(page: Page) -> dict[str, tuple[Node, Method]]:
    """What the page offers, by its words."""
    offers: dict[str, tuple[Node, Method]] = {}
    for node, method in choices(page):
        offers.setdefault(describe(node, method), (node, method))
    return offers


def _done(log: Sequence[str]) -> Iterator[str]:
    """What a progress log tells, without thoughts and without saying that what was done succeeded."""
    for line in log[1:] if log and log[0].startswith("- Navigated to ") else log:
        if line != f"- {SUCCESS}" and not line.startswith("- I thought: "):
            yield "- " + line.removeprefix("- ").removeprefix("Action: ")


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
