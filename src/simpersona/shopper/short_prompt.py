"""The chat of one step for a small model: a third of the tokens of Figure 9, and an answer copied from the page.

The page comes first, without node ids, so that the cached keys and values of its tokens serve every visitor who sees it;
what differs from buyer to buyer comes last. The answer describes the action ("Clicking on the Skirts link"): a small model
copies text more reliably than it chooses a number. Constrained to the schema, the model picks one of the page's offers by
its likelihood, in a pass or two after the prompt.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from simpersona.contracts import persona_token
from simpersona.errors import ReplyError
from simpersona.pages import Action, Decision, Message, Method, Node, Page, node_text
from simpersona.shopper.affordances import BACK, MAX_TYPED_CHARS, choices, describe
from simpersona.shopper.prompt import action_text, refusal
from simpersona.visits import Observation

SYSTEM = "You are a buyer in an online store. Answer with what you do next."
LEAVING = "Leaving the store"
LAST_DONE = 6
"""The number of lines of the history in a prompt."""


def short_messages(observation: Observation) -> list[Message]:
    """The system and the user turn of one step."""
    goal = observation.goal
    lines = [
        "<accessibility_tree>",
        *([node_text(node) for node in observation.page.nodes] or [""]),
        "</accessibility_tree>",
        f"Buyer: {'' if goal.code is None else persona_token(goal.code)}",
        f"Goal: {goal.text}",
        "Done:",
        *_done(observation)[-LAST_DONE:],
    ]
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "\n".join(lines)}]


def short_answer(decision: Decision) -> str:
    """The assistant's turn: one line of JSON, with `text` where something is typed or chosen."""
    action = decision.action
    answer = {"action": action.description if action is not None else LEAVING}
    if action is not None and action.arguments and action.method in ("fill", "selectOptionFromDropdown"):
        answer["text"] = action.arguments[0]
    return json.dumps(answer, ensure_ascii=False)


def short_schema(page: Page) -> dict[str, Any]:
    """The JSON schema of every valid answer on this page."""
    offers = _offers(page)
    plain = [
        LEAVING,
        *(text for text, (_, method) in offers.items() if method not in ("fill", "selectOptionFromDropdown")),
    ]
    answers = [_object(action={"enum": plain})]
    for description, (node, method) in offers.items():
        if method == "fill":
            text: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": MAX_TYPED_CHARS}
            answers.append(_object(action={"const": description}, text=text))
        elif method == "selectOptionFromDropdown":
            answers.append(_object(action={"const": description}, text={"enum": list(dict.fromkeys(node.options))}))
    return {"anyOf": answers}


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    action: str
    text: str | None = None


def short_parse(text: str, page: Page) -> Decision:
    """The decision that an answer on `page` states; of several nodes with one description it is the first.

    Raises ReplyError if the text is not JSON of that form or names an action that the page does not offer.
    """
    try:
        answer = _Answer.model_validate_json(text)
    except (ValidationError, UnicodeEncodeError) as error:
        raise ReplyError(f"not a valid answer: expected an object with `action`; found {text[:200]!r}") from error
    if answer.action == LEAVING:
        return Decision(None, "")
    node, method = _offers(page).get(answer.action, (None, None))
    if node is None or method is None:
        raise ReplyError(f"the page does not offer {answer.action!r}")
    if method == "fill" and not answer.text:
        raise ReplyError(f"{answer.action!r} needs a text")
    if method == "selectOptionFromDropdown" and answer.text not in node.options:
        raise ReplyError(f"{answer.text!r} is not an option of {node.name}; options: {', '.join(node.options)}")
    arguments: dict[Method, str] = {"press": "Enter", "goto": BACK}
    argument = answer.text if method in ("fill", "selectOptionFromDropdown") else arguments.get(method)
    return Decision(Action(node.id, method, answer.action, () if argument is None else (argument,)), "")


def short_decision(decision: Decision, page: Page) -> Decision | None:
    """The decision with the page's own description of its action; None if the page does not offer the action.

    A teacher may perform actions that a shopper is not offered.
    """
    action = decision.action
    if action is None:
        return decision
    node = page.node(action.node)
    description = describe(node, action.method) if node is not None else ""
    if (offer := _offers(page).get(description)) is None or offer[1] != action.method:
        return None
    return replace(decision, action=replace(action, description=description))


def _offers(page: Page) -> dict[str, tuple[Node, Method]]:
    """What the page offers, by its description."""
    offers: dict[str, tuple[Node, Method]] = {}
    for node, method in choices(page):
        offers.setdefault(describe(node, method), (node, method))
    return offers


def _done(observation: Observation) -> list[str]:
    """The actions so far, each failed one with the reason; neither the reasoning nor a success takes a line."""
    lines: list[str] = []
    for step, action in observation.actions:
        lines.append(f"- {action_text(action)}")
        if not step.succeeded:
            lines.append(f"- {step.result}")
    return [*lines, *refusal(observation)]


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
