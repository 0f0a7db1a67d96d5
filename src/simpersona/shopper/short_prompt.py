"""The chat of one step for a small model: a third of the tokens of Figure 9, and an answer copied from the page.

The page comes first, without node ids, then the goal and what was done, and the persona comes last. So the cached keys and
values of all that is before the line of the buyer serve every visitor who sees the page, whatever the persona. The answer
describes the action ("Clicking on the Skirts link"): a small model copies text more reliably than it chooses a number. The
model picks one of the page's answers by its likelihood, in a few passes after the prompt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from simpersona.contracts import persona_token
from simpersona.errors import ReplyError
from simpersona.pages import Action, Decision, Message, Method, Node, Page, node_text
from simpersona.shopper.affordances import BACK, MAX_TYPED_CHARS, choices, describe
from simpersona.shopper.asides import answer_weight
from simpersona.shopper.prompt import action_text, refusal
from simpersona.visits import Observation

SYSTEM = "You are a buyer in an online store. Answer with what you do next."
LEAVING = "Leaving the store"
LAST_DONE = 6
"""The number of lines of the history in a prompt."""
BUYER = "Buyer:"
"""The start of the last line of a prompt; the line ends with the persona token, if there is a persona."""
TYPED_END = '"}'
"""What ends an answer after the text that the shopper types."""
NOT_TYPED = re.compile(r'["\\\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]')
"""Characters that a shopper does not type: those that JSON escapes, and those that are no text."""
_FIXED: dict[Method, str] = {"press": "Enter", "goto": BACK}
"""The argument of the methods that have only one."""


@dataclass(frozen=True)
class ShortAnswer:
    """One answer that the page allows."""

    text: str
    """The whole JSON; if `typed`, only the part before what is typed."""
    node: str | None
    """The node's id; None to leave."""
    method: Method | None
    option: str | None = None
    """What is chosen in a dropdown; each option is an answer of its own."""
    typed: bool = False
    """Whether the shopper's own text follows, and then TYPED_END."""
    description: str = LEAVING
    weight: float = 1.0
    """What the model's own probability of this answer is multiplied by, before those of all answers are made to sum to one."""

    def decision(self, typed: str = "") -> Decision:
        """The decision that this answer states, with the typed text."""
        if self.node is None or self.method is None:
            return Decision(None, "")
        argument = typed if self.typed else self.option if self.option is not None else _FIXED.get(self.method)
        return Decision(Action(self.node, self.method, self.description, () if argument is None else (argument,)), "")


def short_messages(observation: Observation) -> list[Message]:
    """The system and the user turn of one step."""
    goal = observation.goal
    lines = [
        "<accessibility_tree>",
        *([node_text(node) for node in observation.page.nodes] or [""]),
        "</accessibility_tree>",
        f"Goal: {goal.text}",
        "Done:",
        *_done(observation)[-LAST_DONE:],
        BUYER if goal.code is None else f"{BUYER} {persona_token(goal.code)}",
    ]
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "\n".join(lines)}]


def short_answer(decision: Decision) -> str:
    """The assistant's turn: one line of JSON, with `text` where something is typed or chosen."""
    action = decision.action
    if action is None:
        return _text(LEAVING)
    has_text = action.arguments and action.method in ("fill", "selectOptionFromDropdown")
    return _text(action.description, action.arguments[0] if has_text else None)


def short_answers(page: Page) -> list[ShortAnswer]:
    """Every valid answer on this page, the first of which is to leave. Nodes with one description are one answer, the first
    node.
    """
    answers = [ShortAnswer(_text(LEAVING), None, None)]
    for description, (node, method) in _offers(page).items():
        weight = answer_weight(node)
        if method == "fill":
            start = _text(description, "").removesuffix(TYPED_END)
            answers.append(ShortAnswer(start, node.id, method, typed=True, description=description, weight=weight))
        elif method == "selectOptionFromDropdown":
            for option in dict.fromkeys(node.options):
                text = _text(description, option)
                answers.append(ShortAnswer(text, node.id, method, option, description=description, weight=weight))
        else:
            answers.append(ShortAnswer(_text(description), node.id, method, description=description, weight=weight))
    return answers


def answer_of(decision: Decision, answers: Sequence[ShortAnswer]) -> tuple[int, str] | None:
    """The index of the answer that states this decision, and its typed text; None if no answer does.

    The decision has the page's own description of its action, as `short_decision` gives it.
    """
    action = decision.action
    if action is None:
        return 0, ""
    argument = action.arguments[0] if action.arguments else ""
    for index, answer in enumerate(answers):
        if (answer.description, answer.method) == (action.description, action.method):
            if answer.typed:
                return index, argument
            if answer.option is None or answer.option == argument:
                return index, ""
    return None


def typed_text(text: str) -> str:
    """The text as a shopper types it: at most MAX_TYPED_CHARS characters, without quotes, backslashes and control characters."""
    return NOT_TYPED.sub("", text)[:MAX_TYPED_CHARS]


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
    argument = answer.text if method in ("fill", "selectOptionFromDropdown") else _FIXED.get(method)
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


def _text(action: str, text: str | None = None) -> str:
    """The JSON of an answer."""
    return json.dumps({"action": action} | ({} if text is None else {"text": text}), ensure_ascii=False)


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
