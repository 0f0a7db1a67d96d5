"""What a shopper sees and does: pages as accessibility trees, actions, decisions, and the chat messages rendered from them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
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
    "goto",
]
"""Stagehand's eleven methods, and `goto` with the one argument "back"."""

Trouble = Literal[
    "no_answer", "server_error", "slow_page", "tab_lost", "browser_lost", "stale_node", "dialog", "new_tab", "led_away",
    "refused", "checkout_reached", "rate_limited", "covered", "overlay",
]  # fmt: skip
"""Faults on the way to a page. Only "checkout_reached" ends the visit: the next step would order something in a store that is
not the lab's."""

Purpose = Literal[
    "product", "link", "add", "cart", "search", "remove", "checkout", "order", "page",
    "newsletter", "coupon", "note", "login", "consent",
]  # fmt: skip
"""What a control is for, as a page's structure shows it: its address, its form, its card, its icon. A "link" is none of the
others, whatever its name looks like."""

_PIECE = re.compile(r"[^\W\d_]+|\d|[^\w\s]+|_+|\n")
_WHOLE_PIECE, _PART_OF_PIECE = 6, 5
"""The longest word that counts as one token, and the length of a token in a longer word, in letters."""


def estimated_tokens(text: str) -> int:
    """An estimate of the tokens in a page's lines that needs no tokenizer.

    It is within 10 % of SmolLM2's count on 90 % of the pages of the lab's storefronts.
    """
    return sum(1 if len(piece) <= _WHOLE_PIECE else -(-len(piece) // _PART_OF_PIECE) for piece in _PIECE.findall(text))


@dataclass(frozen=True)
class Node:
    """One line of the accessibility tree. `id` is "frame-number"; numbers count the kept nodes of a
    snapshot, so that the same page gives the same text in every run and in every adapter.

    `name` is the accessible name. `detail` is what the page shows beside it and a shopper goes by: the price in a product's
    card, the number at the cart's icon, the product that one of several buttons of one name belongs to. `purpose` is None
    where the structure shows nothing, or was not looked at.
    """

    id: str
    role: str
    name: str
    value: str = ""
    options: tuple[str, ...] = ()  # of a dropdown
    depth: int = 0
    detail: str = ""
    purpose: Purpose | None = None
    methods: tuple[Method, ...] = ()
    """What else the page lets a visitor do with it, besides what its role allows: a click that opens a list, a menu that
    opens when it is pointed at."""

    @property
    def label(self) -> str:
        """The name with its detail, as shown to a shopper: "Tin mug - €9.50", "Cart (2)", "Add to cart - Tin mug"."""
        name = self.name
        if self.purpose == "cart":
            name = name if any(map(str.isalpha, name)) else f"Cart ({name})" if name else "Cart"
            return f"{name} ({self.detail})" if self.detail else name
        return " - ".join(filter(None, (name, self.detail)))


PageKind = Literal["product", "collection", "search", "cart", "checkout", "order", "other"]
"""What a page of a store is. "order" confirms an order; "other" is none of these, such as the home page."""
ShopEvent = Literal[
    "product_viewed",
    "collection_viewed",
    "search_submitted",
    "cart_viewed",
    "product_added_to_cart",
    "checkout_started",
    "checkout_completed",
]
"""The events that an effect can stand for; the names are those of `contracts.EVENT_NAMES`."""


@dataclass(frozen=True)
class Effect:
    """What a store did while the last action was performed, as a driver saw it.

    `source` is "analytics" for an event that the page reports to its own analytics, "cart_answer" for the answer to a
    request that adds to the cart, and "fields" for a page that asks for a delivery or a payment. `accepted` is False where the store refused, None where the answer alone does not say.
    """

    event: ShopEvent
    source: Literal["analytics", "cart_answer", "fields"]
    product_id: str | None = None
    accepted: bool | None = True


@dataclass(frozen=True)
class PageContent:
    """What the markup of a page says about it, whichever part of the page is shown.

    `declared` is the kind that the markup states for machines (JSON-LD, Open Graph, the platform's own marks), None where it
    states none; `product_id` is the identifier stated there. The numbers are counted over the main part of the page:
    `cards` are links to distinct pages with a price each, `prices` and `add_controls` (controls that add to the cart) are
    those outside cards, `tiles` is the largest number of neighbours with a link and a picture. `cart_count`, `cart_quantity`
    and `cart_total` are the content of the cart as the page shows it: the number beside the link to the cart, the sum of the
    lines' quantities, and the amount; None where the page does not show it. `complains` says whether the page shows an error
    message.
    """

    declared: PageKind | None = None
    product_id: str | None = None
    prices: int = 0
    add_controls: int = 0
    cards: int = 0
    tiles: int = 0
    cart_count: int | None = None
    cart_quantity: int | None = None
    cart_total: float | None = None
    complains: bool = False


@dataclass(frozen=True)
class Page:
    """What a shopper sees: the address, the title and the nodes in document order.

    `failure` says why the last action could not be performed; None if it was. `goes_back` says that there is a page before
    this one, `troubles` lists the faults on the way here. `screenshot` is a JPEG of the page if a browser was asked for one.
    `effects` and `content` are evidence of what happened in a store without an event log (`shopper.observed`); `content` is
    None where the driver does not read it. These three are no part of what a shopper sees: they do not count when pages are
    compared, and no prompt has them.
    """

    url: str
    title: str
    nodes: tuple[Node, ...]
    failure: str | None = None
    goes_back: bool = False
    troubles: tuple[Trouble, ...] = ()
    screenshot: bytes | None = field(default=None, compare=False, repr=False)
    effects: tuple[Effect, ...] = field(default=(), compare=False, repr=False)
    content: PageContent | None = field(default=None, compare=False, repr=False)

    @property
    def ends_visit(self) -> bool:
        """Whether the visitor has reached the checkout of a store in which nothing may be ordered."""
        return "checkout_reached" in self.troubles

    @property
    def tree(self) -> str:
        """The nodes in Stagehand's format, one `[id] role: name` a line."""
        return "\n".join(map(node_line, self.nodes))

    @property
    def tokens(self) -> int:
        """About how many tokens the tree takes in a prompt."""
        return estimated_tokens(self.tree)

    def node(self, node_id: str) -> Node | None:
        """The node with this id, or None."""
        return next((node for node in self.nodes if node.id == node_id), None)


def node_line(node: Node) -> str:
    """A node in Stagehand's format."""
    return f"[{node.id}] {node_text(node)}"


def node_text(node: Node) -> str:
    """A node in Stagehand's format, without its id."""
    value = f" = {node.value}" if node.value else ""
    options = f" ({' | '.join(node.options)})" if node.options else ""
    return f"{node.role}: {node.label}{value}{options}"


@dataclass(frozen=True)
class Action:
    """One thing done on a page. `arguments`: the text to fill, the key to press, the option to choose."""

    node: str
    method: Method
    description: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """A policy's decision: an action, or None to end the visit; and why.

    With a language model, `reply` is the model's text unchanged, `refused` says why its first answer on this page could
    not be used, if so, and the tokens are those of both answers. Without one they are None and 0.
    """

    action: Action | None
    reasoning: str
    prompt_tokens: int = 0
    reply_tokens: int = 0
    stands_for: str | None = None
    """The title of the product that was looked for, if the action takes another product in its place."""
    reply: str | None = None
    refused: str | None = None

    @property
    def ends(self) -> bool:
        """The shopper leaves."""
        return self.action is None


class Message(TypedDict):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


class LossSpan(TypedDict):
    """The part of an example that has a loss: the characters `start` to `end` (exclusive) of message number `message`."""

    message: int
    start: int
    end: int


class Example(TypedDict):
    """One training example: a step of a verified episode as chat messages, the assistant's turn last."""

    messages: list[Message]
    code: int
    shop_id: str
    session_id: str
    step: int
    kind: NotRequired[str]
    """Of the goal: "neutral", "intent" or "instructions"."""
    goes_back: NotRequired[bool]
    """Whether there was a page before the one shown."""
    episode_id: NotRequired[str]
    """The visit's id; a session's id is unique only within its buyer."""
    loss_spans: NotRequired[list[LossSpan]]
    """The parts with a loss; everything else is context."""


def visit_of(example: Example) -> str:
    """The id of the visit that an example comes from; without an episode id one made from store, session and persona."""
    return example.get("episode_id") or "{shop_id}/{session_id}/{code}".format(**example)


@dataclass(frozen=True)
class Reply:
    """A language model's answer and what it cost."""

    text: str
    prompt_tokens: int
    reply_tokens: int
    seconds: float
