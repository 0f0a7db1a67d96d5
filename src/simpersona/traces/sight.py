"""Finding things on a page as a shopper does: by roles, names and the address, on any store."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from difflib import SequenceMatcher
from urllib.parse import urlsplit

from simpersona.pages import Node, Page
from simpersona.shopper.affordances import ADD, DISCLOSURE, part_shown, typed, usable
from simpersona.shopper.prices import title_in

ALIKE = 0.75
"""Titles at least this alike (difflib's ratio) may stand for one another when a product is gone."""
_INVITES = re.compile(r"\W*(-+|select|choose|please|$)", re.IGNORECASE)
_SEARCH = re.compile(r"^(search|find)\b", re.IGNORECASE)
_CART = re.compile(r"\b(cart|basket|bag)\b", re.IGNORECASE)
_SOLD_OUT = re.compile(
    r"\b(sold[ -]?out|out of stock|no longer available|(currently|temporarily) unavailable)\b", re.IGNORECASE
)
_CHECKOUT = re.compile(r"\bcheck\s?out\b", re.IGNORECASE)
_REMOVE = re.compile(r"^(remove|delete|take out|drop)\b", re.IGNORECASE)
_SHELVES = r"(collections|categories|departments)"
_MENU = re.compile(rf"^(((all|our|shop|browse) )*(by )?{_SHELVES}|(the )?(menu|shop|products))$", re.IGNORECASE)
_ORDER = re.compile(r"\b(place|complete|submit|confirm)\b.*\b(order|purchase)\b|^pay\b|\bpay now\b", re.IGNORECASE)
_ONWARD = re.compile(r"\b(continue|next|proceed|submit|use this|ship to|preview|review|confirm|guest)\b", re.IGNORECASE)
_BACK = re.compile(r"\b(shopping|back|return|log ?in|sign ?in|register)\b", re.IGNORECASE)
_CONFIRMED = re.compile(
    r"\b(thank you|order (is |was )?(confirmed|placed|received|complete)|confirmation)\b", re.IGNORECASE
)


def in_checkout(page: Page) -> bool:
    """Whether the address is that of a checkout."""
    return bool(re.search(r"/checkouts?(/|$)", urlsplit(page.url).path, re.IGNORECASE))


def in_cart(page: Page) -> bool:
    """Whether the page is the cart itself."""
    return bool(re.search(r"/(cart|basket|bag)(/|$)", urlsplit(page.url).path, re.IGNORECASE))


def confirmed(page: Page) -> bool:
    """Whether the page says that an order was placed."""
    texts = (node.name for node in page.nodes if node.role in ("RootWebArea", "heading", "StaticText"))
    return any(_CONFIRMED.search(text) for text in texts)


def more_below(page: Page) -> Node | None:
    """The page's own node when a further part of it can be shown."""
    root = page.nodes[0] if page.nodes else None
    return root if root is not None and part_shown(root)[0] < part_shown(root)[1] else None


def more_above(page: Page) -> Node | None:
    """The page's own node when an earlier part of it can be shown."""
    root = page.nodes[0] if page.nodes else None
    return root if root is not None and part_shown(root)[0] > 1 else None


def search_box(page: Page) -> Node | None:
    """The field to search the store with."""
    fields = [node for node in page.nodes if typed(node)]
    named = (node for node in fields if "search" in node.name.casefold())
    return next((node for node in fields if node.role == "searchbox"), None) or next(named, None)


def search_link(page: Page) -> Node | None:
    """The way to the search, in a store that has it on a page of its own."""
    return _first(page, _SEARCH, roles=("link", DISCLOSURE))


def menu(page: Page) -> Node | None:
    """What opens the list of collections, in a store that hides it."""
    return _first(page, _MENU, roles=(DISCLOSURE,))


def add_button(page: Page) -> Node | None:
    """What puts the product of this page into the cart."""
    return _first(page, ADD, roles=("button",)) or _first(page, ADD)


def sold_out(page: Page) -> bool:
    """Whether the product of this page cannot be bought: nothing adds it, and the page says why."""
    return add_button(page) is None and any(_SOLD_OUT.search(node.name) for node in page.nodes)


def cart_link(page: Page) -> Node | None:
    """The way to the cart; what opens it beside the page, if that is all there is."""
    named = [
        node
        for node in _controls(page, "link", "button", DISCLOSURE)
        if _CART.search(node.name) and not ADD.search(node.name) and _title(node.name) == _plain(node.name)
    ]
    return next((node for node in named if node.role != DISCLOSURE), None) or next(iter(named), None)


def checkout_control(page: Page) -> Node | None:
    """The way from the cart to the checkout."""
    return _first(page, _CHECKOUT)


def remove_button(page: Page, title: str) -> Node | None:
    """What removes this product from the cart: named with it, or the first one after it."""
    seen = False
    for node in page.nodes:
        seen = seen or says(node.name, title)
        is_remove = node.role in ("button", "link") and _REMOVE.search(node.name) and usable(node)
        if is_remove and (seen or _plain(title) in _plain(node.name)):
            return node
    return None


def order_button(page: Page) -> Node | None:
    """What places the order."""
    return _first(page, _ORDER)


def onward_button(page: Page) -> Node | None:
    """What leads to the next step of a checkout."""
    onward = [n for n in _controls(page, "button", "link") if _ONWARD.search(n.name) and not _BACK.search(n.name)]
    return next((node for node in onward if node.role == "button"), None) or next(iter(onward), None)


def home_link(page: Page) -> Node | None:
    """The way back to the shop: the link called so, else the page's first, which names the shop."""
    return _first(page, re.compile(r"^(home|start)( page)?$", re.IGNORECASE)) or next(_controls(page, "link"), None)


def overview_link(page: Page) -> Node | None:
    """The way to all collections, for those that the navigation does not show."""
    return _first(page, re.compile(rf"^(((all|more|shop|browse|view|see) )+)?{_SHELVES}$", re.IGNORECASE))


def next_page_link(page: Page) -> Node | None:
    """The way to the next page of a list."""
    return _first(page, re.compile(r"^\W*(next( \w+)?|more|load more|show more)\W*$", re.IGNORECASE))


def open_choices(page: Page) -> Iterator[Node]:
    """Dropdowns before the button that adds to the cart in which nothing has been chosen yet."""
    end = add_button(page)
    for node in page.nodes:
        if end is not None and node.id == end.id:
            return
        if node.options and usable(node) and not chosen(node):
            yield node


def chosen(node: Node) -> bool:
    """Whether a dropdown shows a real option, not an invitation to choose one."""
    return bool(node.value) and not _INVITES.match(node.value)


def first_option(node: Node) -> str:
    """The first real option of a dropdown."""
    return next((option for option in node.options if not _INVITES.match(option)), node.options[0])


def named_link(page: Page, name: str) -> Node | None:
    """The link with this name, whatever its case; with a number in brackets after it if need be."""
    wanted = _plain(name)
    links = list(_controls(page, "link"))
    exact = (node for node in links if _plain(node.name) == wanted)
    counted = (node for node in links if _plain(re.sub(r"\s*\(\d+\)$", "", node.name)) == wanted)
    cut = (node for node in links if node.name.endswith("…") and wanted.startswith(_plain(node.name[:-1])))
    return next(exact, None) or next(counted, None) or next(cut, None)


def product_link(page: Page, title: str, price: float | None) -> Node | None:
    """The link of this product; of several with one title the one with the price."""
    links = [node for node in _controls(page, "link") if says(node.name, title)]
    priced = (node for node in links if price is not None and f"{price:.2f}" in node.name.replace(",", ""))
    return next(priced, None) or next(iter(links), None)


def nearest_product(page: Page, title: str, but: Collection[str] = ()) -> Node | None:
    """The link whose title is most like this one, if it is alike enough; none of the titles in `but`."""
    rated = [
        (SequenceMatcher(None, _title(node.name), _plain(title)).ratio(), node)
        for node in _controls(page, "link")
        if not any(says(node.name, other) for other in but)
    ]
    best = max(rated, key=lambda pair: pair[0], default=None)
    return best[1] if best is not None and best[0] >= ALIKE else None


def says(name: str, title: str) -> bool:
    """Whether a name is the title, perhaps with a price, or cut: at its end, or in the middle so that the price stays."""
    if "…" in name:
        start, _, end = (_plain(part) for part in _title(name).partition("…"))
        wanted = _plain(title)
        is_whole = len(start) + len(end) <= len(wanted) and wanted.startswith(start) and wanted.endswith(end)
        return bool(start) and (is_whole or start.startswith(wanted + " "))
    return _title(name) == _plain(title) or _plain(name) == _plain(title)


def _title(name: str) -> str:
    return _plain(title_in(name))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _controls(page: Page, *roles: str) -> Iterator[Node]:
    return (node for node in page.nodes if node.role in roles and usable(node))


def _first(page: Page, pattern: re.Pattern[str], roles: tuple[str, ...] = ("button", "link")) -> Node | None:
    return next((node for node in _controls(page, *roles) if pattern.search(node.name)), None)
