"""What a shopper sees and does: pages as accessibility trees, actions, decisions, and the chat messages made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

Method = Literal[
    "click",
    "fill",
    "type",
    "press",
    "scrollTo",
    "nextChunk",
    "prevChunk",
    "selectOptionFromDropdown",
    "hover",
    "doubleClick",
    "dragAndDrop",
]
"""Stagehand's methods."""


@dataclass(frozen=True)
class Node:
    """One line of the accessibility tree. `id` is "frame-number"; numbers count the kept nodes of a
    snapshot, so that the same page gives the same text in every run and in every adapter.
    """

    id: str
    role: str
    name: str
    value: str = ""
    options: tuple[str, ...] = ()  # of a dropdown
    depth: int = 0


@dataclass(frozen=True)
class Page:
    """What a shopper sees: the address, the title and the nodes in document order.

    `failure` says in words why the last action could not be done; None when it was done.
    """

    url: str
    title: str
    nodes: tuple[Node, ...]
    failure: str | None = None

    @property
    def tree(self) -> str:
        """The nodes in Stagehand's format, one `[id] role: name` a line."""
        return "\n".join(_line(node) for node in self.nodes)

    def node(self, node_id: str) -> Node | None:
        """The node with this id, or None."""
        return next((node for node in self.nodes if node.id == node_id), None)


def _line(node: Node) -> str:
    value = f" = {node.value}" if node.value else ""
    options = f" ({' | '.join(node.options)})" if node.options else ""
    return f"[{node.id}] {node.role}: {node.name}{value}{options}"


@dataclass(frozen=True)
class Action:
    """One thing done on a page. `arguments`: the text to fill, the key to press, the option to choose."""

    node: str
    method: Method
    description: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """A policy's answer: an action, or None to end the session; and why.

    `prompt_tokens` and `reply_tokens` are 0 for a policy without a language model.
    """

    action: Action | None
    reasoning: str
    prompt_tokens: int = 0
    reply_tokens: int = 0

    @property
    def ends(self) -> bool:
        """The shopper leaves."""
        return self.action is None


class Message(TypedDict):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


class Example(TypedDict):
    """One training example: a step of a verified episode as chat messages, the assistant's turn last."""

    messages: list[Message]
    code: int
    shop_id: str
    session_id: str
    step: int
    stage: NotRequired[int]


@dataclass(frozen=True)
class Reply:
    """A language model's answer and what it cost."""

    text: str
    prompt_tokens: int
    reply_tokens: int
    seconds: float
