"""The chat messages of one step, exactly as in Figure 9, and the answer: written, bounded and read back.

The persona is one token in <BuyerProfile>; nothing else in a prompt tells buyers apart.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simpersona.contracts import Goal, Step, persona_token
from simpersona.errors import ReplyError
from simpersona.pages import Action, Decision, Example, Message, Method, Node, Page
from simpersona.shopper.affordances import BACK, MAX_TYPED_CHARS, choices, describe, fits

SYSTEM = (
    "You are simulating the behavior of a potential human buyer in an e-commerce website.\n"
    "You must answer with a JSON object that {shouldEnd, action: {nodeSelector, method, description, arguments}, "
    "reasoning}"
)
SUCCESS = "Action performed successfully"
"""The result of a step whose action was done; anything else is why it was not."""
MAX_REASONING_CHARS = 120
LAST_LOG_LINES = 9
"""Three steps: with the first line, what a prompt shows of the progress log."""


# --- the prompt -------------------------------------------------------------------------------


def progress(url: str, steps: Sequence[Step]) -> list[str]:
    """The progress log after `steps`, for a visit that began at `url`; one "- ..." line each.

    The address is told without its port, which differs from run to run for a store on this machine.
    """
    address = urlsplit(url)
    log = [f"- Navigated to {address.scheme}://{address.hostname or ''}{address.path}"]
    for step in steps:
        action = step.decision.action
        if action is None:
            continue
        if step.decision.reasoning:
            log.append(f"- I thought: {step.decision.reasoning}")
        log.append(f"- Action: {as_told(action)}")
        log.append(f"- {step.result}")
    return log


def as_told(action: Action) -> str:
    """An action in the words of the progress log."""
    words = action.description[:1].lower() + action.description[1:]
    if action.method == "goto":
        return words
    return words + (f": {', '.join(action.arguments)}" if action.arguments else "")


def asked(example: Example) -> tuple[Goal, str]:
    """What an example's prompt asks: the goal, and the page's lines. What `messages` wrote."""
    text = example["messages"][1]["content"]
    goal, tree = (
        text.partition(f"<{tag}>\n")[2].rpartition(f"\n</{tag}>")[0] for tag in ("MainGoal", "accessibility_tree")
    )
    return Goal(goal, example["shop_id"], "", example["session_id"], example["code"]), tree


def refusal(why: str) -> str:
    """The last line of the progress log of a model that is asked again: why its answer could not be used."""
    return f"- Your answer could not be used: {why}"


def messages(goal: Goal, log: Sequence[str], page: Page, last: int = LAST_LOG_LINES) -> list[Message]:
    """The system and the user turn of one step (Figure 9).

    The log is shown with its first line and its `last` ones, so that a prompt stays short.
    """
    return messages_of(goal, log, page.tree, last)


def messages_of(goal: Goal, log: Sequence[str], tree: str, last: int = LAST_LOG_LINES) -> list[Message]:
    """`messages` for a page of which the lines are known."""
    shown = log if len(log) <= last + 1 else [log[0], *log[-last:]]
    profile = [] if goal.code is None else [persona_token(goal.code)]
    lines = [
        *_element("BuyerProfile", profile),
        *_element("MainGoal", [goal.text]),
        *_element("ProgressLog", shown),
        *_element("current_page_info", _element("accessibility_tree", [tree])),
    ]
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "\n".join(lines)}]


def _element(tag: str, lines: Sequence[str]) -> list[str]:
    return [f"<{tag}>", *lines, f"</{tag}>"]


def answer(decision: Decision) -> str:
    """The assistant's turn: one line of JSON with the keys in the figure's order.

    `arguments` is there only when there are some; a decision to end has `"action": null`.
    """
    action: dict[str, Any] | None = None
    if decision.action is not None:
        action = {
            "nodeSelector": decision.action.node,
            "method": decision.action.method,
            "description": decision.action.description,
        }
        if decision.action.arguments:
            action["arguments"] = list(decision.action.arguments)
    whole = {"shouldEnd": decision.ends, "action": action, "reasoning": decision.reasoning}
    return json.dumps(whole, ensure_ascii=False)


# --- what may be answered ---------------------------------------------------------------------


def reply_schema(page: Page, *, reasoning: bool = True) -> dict[str, Any]:
    """The JSON schema of every valid answer on this page, keys in the order in which they are written; the reasoning is
    left out where it is not asked for: it comes after the action, which it cannot change.

    Ending and acting are apart; acting has one alternative per node and method offered, with the
    page's real node ids, so that an answer that keeps the schema can always be tried.
    """
    actions = [_action_schema(node, method) for node, method in choices(page)]
    why = {"reasoning": {"type": "string", "maxLength": MAX_REASONING_CHARS}} if reasoning else {}
    end = _object(shouldEnd={"const": True}, action={"type": "null"}, **why)
    if not actions:
        return end
    return {"anyOf": [_object(shouldEnd={"const": False}, action={"anyOf": actions}, **why), end]}


def _action_schema(node: Node, method: Method) -> dict[str, Any]:
    fixed = {"nodeSelector": node.id, "method": method, "description": describe(node, method)}
    properties: dict[str, Any] = {key: {"const": value} for key, value in fixed.items()}
    argument = _argument_schema(node, method)
    if argument is not None:
        properties["arguments"] = {"type": "array", "items": argument, "minItems": 1, "maxItems": 1}
    return _object(**properties)


def _argument_schema(node: Node, method: Method) -> dict[str, Any] | None:
    if method in ("fill", "type"):
        return {"type": "string", "minLength": 1, "maxLength": MAX_TYPED_CHARS}
    if method == "press":
        return {"const": "Enter"}
    if method == "goto":
        return {"const": BACK}
    if method == "selectOptionFromDropdown":
        return {"enum": list(node.options)}
    return None


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


# --- reading an answer ------------------------------------------------------------------------


class _ActionAnswer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    node: str = Field(alias="nodeSelector")
    method: Method
    description: str = ""
    arguments: list[str] = []


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    ends: bool = Field(alias="shouldEnd")
    action: _ActionAnswer | None = None
    reasoning: str = ""


def parse_reply(text: str, page: Page) -> Decision:
    """The decision that an answer on `page` states. Accepts everything that `reply_schema` does.

    Raises ReplyError in words when it is not JSON of that form, names a node that is not on the
    page, a method that does not fit the node, or arguments that the method cannot use.
    """
    try:
        found = _Answer.model_validate_json(text)
    except (ValidationError, UnicodeEncodeError) as error:
        raise ReplyError(f"not a valid answer: {_problems(error)}; found {text[:200]!r}") from error
    if found.ends:
        if found.action is not None:
            raise ReplyError("shouldEnd is true, so action must be null")
        return Decision(None, found.reasoning)
    if found.action is None:
        raise ReplyError("shouldEnd is false, so an action is needed")
    return Decision(_checked(found.action, page), found.reasoning)


def _problems(error: ValidationError | UnicodeEncodeError) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "it holds half a character"
    return "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'JSON'}: {problem['msg']}" for problem in error.errors())


def _checked(found: _ActionAnswer, page: Page) -> Action:
    node = page.node(found.node)
    if node is None:
        raise ReplyError(f"there is no node {found.node!r} on the page")
    if not fits(node, found.method):
        raise ReplyError(f"{found.method} cannot be done on [{node.id}] {node.role}: {node.name}")
    _check_arguments(found, node, page)
    return Action(node.id, found.method, found.description or describe(node, found.method), tuple(found.arguments))


def _check_arguments(found: _ActionAnswer, node: Node, page: Page) -> None:
    method, arguments = found.method, found.arguments
    needed = 1 if method in ("fill", "type", "press", "selectOptionFromDropdown", "dragAndDrop", "goto") else 0
    if len(arguments) < needed or len(arguments) > max(needed, 1):
        raise ReplyError(f"{method} takes {needed or 'no'} argument(s), found {len(arguments)}")
    if method == "selectOptionFromDropdown" and arguments[0] not in node.options:
        raise ReplyError(f"{arguments[0]!r} is not an option of {node.name}; options: {', '.join(node.options)}")
    if method == "goto" and (arguments[0] != BACK or not page.goes_back):
        raise ReplyError(f"goto takes the argument {BACK!r}, and only where there is a page before this one")
    if method == "dragAndDrop" and page.node(arguments[0]) is None:
        raise ReplyError(f"there is no node {arguments[0]!r} to drop on")
