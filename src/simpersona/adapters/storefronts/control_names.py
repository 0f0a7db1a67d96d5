"""Names for controls that have none: a link or button that shows only an icon is called by its icon, its address or its place.

Both drivers use these rules, on the accessibility tree and on what the markup says of one element.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from simpersona.shopper.affordances import CLICKED

MAX_PLACE_CHARS = 30
MAX_INSIDE = 40
"""Elements inside a control that are looked at."""
MAX_SEGMENT_WORDS = 6
"""A part of an address with more words is cut."""

_KNOWN = frozenset(
    {
        "account", "add", "arrow", "back", "bag", "bars", "basket", "burger", "cart", "chat", "chevron", "close",
        "collapse", "compare", "delete", "dots", "down", "edit", "expand", "facebook", "favorite", "favorites",
        "favourite", "favourites", "filter", "filters", "forward", "gallery", "gift", "grid", "hamburger", "heart",
        "help", "home", "info", "instagram", "last", "left", "like", "linkedin", "list", "location", "login",
        "logo", "logout", "magnifier", "mail", "map", "menu", "minus", "more", "nav", "navbar", "next",
        "notification", "pause", "phone", "pinterest", "play", "plus", "prev", "previous", "print", "profile",
        "question", "quickview", "reload", "remove", "review", "right", "save", "search", "settings", "share",
        "shop", "shopping", "slider", "sort", "star", "store", "tiktok", "times", "toggle", "trash", "twitter", "up", "user",
        "video", "view", "whatsapp", "wishlist", "youtube", "zoom"
    }
)  # fmt: skip
"""Words of classes that say what an icon is for; other classes are about looks."""
_NOISE = frozenset(
    {
        "a", "bi", "btn", "button", "button1", "circle", "clickable", "component", "css", "fa", "fab", "fal", "far",
        "fas", "feather", "fill", "filled", "glyphicon", "header", "html", "ico", "icon", "icons", "id", "image",
        "img", "index", "js", "large", "lg", "light", "line", "link", "lucide", "material", "md", "mdi", "medium",
        "outline", "outlined", "php", "regular", "ri", "round", "rounded", "sm", "small", "solid", "sprite", "svg",
        "symbol", "the", "ti", "wrapper", "xl", "xs"
    }
)  # fmt: skip
_NAMING = ("data-value", "data-color", "data-option-value", "value", "data-title", "data-action", "id", "name")
"""Attributes that may say what a control is for, the most telling first."""
_WORD = re.compile(r"[^\W\d_]{2,}")

AxNode = dict[str, Any]


@dataclass(frozen=True)
class Clues:
    """What the markup says of an element without a name."""

    href: str = ""
    icons: tuple[str, ...] = ()
    """The names of its symbols: `href` of `use`, `data-icon`, `name`."""
    classes: tuple[str, ...] = ()
    """The classes of the element and of what is in it."""
    ids: tuple[str, ...] = ()
    """Its value and its ids."""
    pictures: tuple[str, ...] = ()
    """The addresses of its pictures."""

    @property
    def name(self) -> str:
        """A name in words; empty if nothing tells."""
        return next(filter(None, self._names()), "")

    def _names(self) -> Iterator[str]:
        yield from (_telling(_words(icon.rpartition("#")[2].rpartition("/")[2])) for icon in self.icons)
        yield _of_address(self.href)
        known = [word for names in self.classes for word in _words(names) if word in _KNOWN]
        yield " ".join(dict.fromkeys(known))
        yield from (_telling(_words(named)) for named in self.ids)
        for picture in self.pictures:
            if not picture.startswith("data:"):
                stem = urlsplit(picture).path.rpartition("/")[2].partition(".")[0]
                yield _telling(word for word in _words(stem) if len(word) > 2)


def clues_of(own: Mapping[str, str], inner: Sequence[tuple[str, Mapping[str, str]]]) -> Clues:
    """The clues in the attributes of an element and of the elements in it, each with its tag."""
    every = [("", own), *inner]
    icons = [each.get("href") or each.get("xlink:href") or "" for tag, each in inner if tag == "use"]
    icons += [each["data-icon"] for _, each in every if "data-icon" in each]
    return Clues(
        href=own.get("href", ""),
        icons=tuple(filter(None, icons)),
        classes=tuple(each["class"] for _, each in every if "class" in each),
        ids=tuple(filter(None, map(own.get, _NAMING))),
        pictures=tuple(each["src"] for tag, each in inner if tag == "img" and "src" in each),
    )


def name_controls(ax_nodes: Sequence[AxNode], clues: Callable[[int], Clues]) -> None:
    """Gives names to the links and buttons of a tree that have none. `clues` are those of a node's backend id.

    A link without a name stays without one where a link with a name leads to the same address.
    """
    nameless = [node for node in ax_nodes if is_nameless(node)]
    if not nameless:
        return
    named = {address for node in ax_nodes if _name(node) and (address := address_of(node))}
    by_id = {node["nodeId"]: node for node in ax_nodes}
    parents = {child: node for node in ax_nodes for child in node.get("childIds", ())}
    for node in nameless:
        if (address_of(node) or "") in named:
            continue
        node["name"] = {"value": clues(node["backendDOMNodeId"]).name or _place(node, by_id, parents)}


def is_nameless(node: Mapping[str, Any]) -> bool:
    """Whether a node is a link or a button without a name."""
    is_control = node.get("role", {}).get("value") in CLICKED and not node.get("ignored")
    return is_control and not _name(node) and node.get("backendDOMNodeId") is not None


def address_of(node: Mapping[str, Any]) -> str | None:
    """The address that a link leads to; None for another node."""
    if node.get("role", {}).get("value") != "link":
        return None  # the page has an address too
    for entry in node.get("properties", ()):
        if entry["name"] == "url":
            return entry["value"].get("value")
    return None


def text_below(node: Mapping[str, Any], by_id: Mapping[str, AxNode], *, beside: frozenset[str] = frozenset()) -> str:
    """The text and the pictures' names at and below a node, without what is below nodes with the ids `beside`.

    What is said twice in a row, by a picture and its title, is said once.
    """
    pieces = [" ".join(piece.split()) for piece in _texts(node, by_id, beside)]
    return " ".join(piece for piece, before in zip(pieces, ["", *pieces], strict=False) if piece and piece != before)


def _texts(node: Mapping[str, Any], by_id: Mapping[str, AxNode], beside: frozenset[str]) -> Iterator[str]:
    role = node.get("role", {}).get("value")
    if role in ("StaticText", "image") and not node.get("ignored"):
        yield str(node.get("name", {}).get("value") or "")
        return
    for child in node.get("childIds", ()):
        if child in by_id and child not in beside:
            yield from _texts(by_id[child], by_id, beside)


def _place(node: AxNode, by_id: Mapping[str, AxNode], parents: Mapping[str, AxNode]) -> str:
    """A name by the nearest text around the node."""
    inner = node
    while (around := parents.get(inner["nodeId"])) is not None:
        if text := text_below(around, by_id, beside=frozenset({inner["nodeId"]})):
            return f"icon by “{text[:MAX_PLACE_CHARS].rstrip()}”"
        inner = around
    return "icon"


def _name(node: Mapping[str, Any]) -> str:
    return str(node.get("name", {}).get("value") or "").strip()


def _of_address(href: str) -> str:
    address = urlsplit(href.strip())
    if not href.strip() or address.scheme not in ("", "http", "https") or not (address.path or address.netloc):
        return ""
    segments = [_words(unquote(part)) for part in address.path.split("/")]
    named = [words for words in segments if _telling(words)]
    return " ".join(named[-1][:MAX_SEGMENT_WORDS]) if named else "" if address.path.strip("/") else "home"


def _words(text: str) -> list[str]:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return [word.lower() for word in _WORD.findall(apart)]


def _telling(words: Iterable[str]) -> str:
    return " ".join(word for word in words if word not in _NOISE)
