"""The chat messages of one step, exactly as in Figure 9, and the answer: its text, its schema and its parser.

The persona is one token in <BuyerProfile>; nothing else in a prompt distinguishes buyers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simpersona.contracts import persona_token
from simpersona.errors import ReplyError
from simpersona.pages import Action, Decision, Message, Method, Node, Page
from simpersona.shopper.affordances import BACK, MAX_TYPED_CHARS, choices, describe, fits
from simpersona.visits import Observation

SYSTEM = (
    "You are simulating the behavior of a potential human buyer in an e-commerce website.\n"
    "You must answer with a JSON object that {shouldEnd, action: {nodeSelector, method, description, arguments}, "
    "reasoning}"
)
MAX_REASONING_CHARS = 120
LAST_LOG_LINES = 9
"""The lines of three steps: what a prompt shows of the progress log beside its first line."""


# --- the prompt -------------------------------------------------------------------------------


def messages(observation: Observation, last: int | None = LAST_LOG_LINES) -> list[Message]:
    """The system and the user turn of one step (Figure 9).

    The prompt shows the first line of the progress log and its `last` lines, so that it stays short; None shows all lines.
    """
    log = progress_log(observation)
    shown = log if last is None or len(log) <= last + 1 else [log[0], *log[-last:]]
    goal = observation.goal
    profile = [] if goal.code is None else [persona_token(goal.code)]
    lines = [
        *_element("BuyerProfile", profile),
        *_element("MainGoal", [goal.text]),
        *_element("ProgressLog", shown),
        *_element("current_page_info", _element("accessibility_tree", [observation.page.tree])),
    ]
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "\n".join(lines)}]


def progress_log(observation: Observation) -> list[str]:
    """The progress log of a visit, one "- ..." line each; after a refused answer the last line gives the reason.

    The address has no port, because the port of a store on this machine differs from run to run.
    """
    address = urlsplit(observation.first_url)
    log = [f"- Navigated to {address.scheme}://{address.hostname or ''}{address.path}"]
    for step, action in observation.actions:
        if step.decision.reasoning:
            log.append(f"- I thought: {step.decision.reasoning}")
        log.append(f"- Action: {action_text(action)}")
        log.append(f"- {step.result}")
    return [*log, *refusal(observation)]


def action_text(action: Action) -> str:
    """An action as the progress log shows it: "clicking on the Skirts link"."""
    text = action.description[:1].lower() + action.description[1:]
    if action.method == "goto":
        return text
    return text + (f": {', '.join(action.arguments)}" if action.arguments else "")


def refusal(observation: Observation) -> list[str]:
    """The line for a model that is asked again: why its answer could not be used. No line if it is asked for the first time."""
    return [] if observation.refused is None else [f"- Your answer could not be used: {observation.refused}"]


def _element(tag: str, lines: Sequence[str]) -> list[str]:
    return [f"<{tag}>", *lines, f"</{tag}>"]


def answer(decision: Decision) -> str:
    """The assistant's turn: one line of JSON with the keys in the figure's order.

    `arguments` is left out if the action has none; a decision to end has `"action": null`.
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
    """The JSON schema of every valid answer on this page, keys in the order in which they are written.

    Without `reasoning` that key is left out. It comes after the action and cannot change it.
    Ending and acting are separate alternatives. Acting has one alternative per node and method offered, with the
    page's real node ids, so that an answer that matches the schema can always be tried.
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
    """The decision that an answer on `page` states. Accepts everything that `reply_schema` accepts.

    Raises ReplyError if the text is not JSON of that form, names a node that is not on the
    page, a method that does not fit the node, or arguments that the method cannot use.
    """
    try:
        parsed = _Answer.model_validate_json(text)
    except (ValidationError, UnicodeEncodeError) as error:
        raise ReplyError(f"not a valid answer: {_problems(error)}; found {text[:200]!r}") from error
    if parsed.ends:
        if parsed.action is not None:
            raise ReplyError("shouldEnd is true, so action must be null")
        return Decision(None, parsed.reasoning)
    if parsed.action is None:
        raise ReplyError("shouldEnd is false, so an action is needed")
    return Decision(_checked(parsed.action, page), parsed.reasoning)


def _problems(error: ValidationError | UnicodeEncodeError) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "it holds half a character"
    return "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'JSON'}: {problem['msg']}" for problem in error.errors())


def _checked(answer: _ActionAnswer, page: Page) -> Action:
    node = page.node(answer.node)
    if node is None:
        raise ReplyError(f"there is no node {answer.node!r} on the page")
    if not fits(node, answer.method):
        raise ReplyError(f"{answer.method} cannot be done on [{node.id}] {node.role}: {node.name}")
    _check_arguments(answer, node, page)
    return Action(node.id, answer.method, answer.description or describe(node, answer.method), tuple(answer.arguments))


def _check_arguments(answer: _ActionAnswer, node: Node, page: Page) -> None:
    method, arguments = answer.method, answer.arguments
    needed = 1 if method in ("fill", "type", "press", "selectOptionFromDropdown", "dragAndDrop", "goto") else 0
    if len(arguments) < needed or len(arguments) > max(needed, 1):
        raise ReplyError(f"{method} takes {needed or 'no'} argument(s), found {len(arguments)}")
    if method == "selectOptionFromDropdown" and arguments[0] not in node.options:
        raise ReplyError(f"{arguments[0]!r} is not an option of {node.name}; options: {', '.join(node.options)}")
    if method == "goto" and (arguments[0] != BACK or not page.goes_back):
        raise ReplyError(f"goto takes the argument {BACK!r}, and only where there is a page before this one")
    if method == "dragAndDrop" and page.node(arguments[0]) is None:
        raise ReplyError(f"there is no node {arguments[0]!r} to drop on")
