"""The names of a page's nodes as a shopper is shown them: without repetition, cut with care, and told apart.

A link around a product's card is named by all that is in it, so its title may stand there twice, and the price comes last. A page
may have a button of one name in every card. Both drivers name nodes by these rules.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from simpersona.adapters.storefronts.cards import Card, is_title, product_cards
from simpersona.adapters.storefronts.kept import Kept, changed
from simpersona.adapters.storefronts.markup import Element, Markup
from simpersona.adapters.storefronts.purposes import purposes
from simpersona.pages import Purpose
from simpersona.shopper.affordances import CHOSEN, CLICKED, TYPED
from simpersona.shopper.cart_count import number_in
from simpersona.shopper.prices import AMOUNT, amounts
from simpersona.shopper.store_words import KEPT, is_cart_name

_CONTROLS = CLICKED | TYPED | CHOSEN
_BADGE = re.compile(r"\(?(\d{1,3})\)?")
"""A text that is a number and nothing else."""
_BADGE_NEAR = 2
"""Elements around a cart's link in which the number of things is looked for."""
_TAIL = 3
"""The part of a name's length that may be its end, when the middle is left out, is one in so many."""


def named(lines: Sequence[Kept], markup: Markup, limit: int) -> list[Kept]:
    """The lines with the names, details and purposes that a shopper is shown; no name is longer than `limit` characters."""
    lines = [
        _shown(line, whole_name(line.node.name, line.pieces), line.node.detail, line.node.purpose) for line in lines
    ]
    cards = product_cards(lines, markup)
    found = purposes(lines, cards, markup)
    details = [_detail(line, card, purpose) for line, card, purpose in zip(lines, cards, found, strict=True)]
    for number, line in enumerate(lines):
        if count := _badge(number, lines, markup) if _leads_to_cart(line, found[number]) else "":
            details[number], found[number] = count, "cart"
    shown: list[Kept] = []
    for line, purpose, detail in zip(lines, found, details, strict=True):
        name = short_name(line.node.name, limit)
        is_cut_link = name.endswith("…") and purpose is None and line.node.role == "link" and bool(markup.elements)
        seems = "link" if is_cut_link and not amounts(line.node.name) else purpose
        shown.append(_shown(line, name, short_name(detail, limit), seems))
    return _told_apart(shown, cards, markup)


def _shown(line: Kept, name: str, detail: str, purpose: Purpose | None) -> Kept:
    """The line with these; most lines of a page have them already."""
    node = line.node
    if (name, detail, purpose) == (node.name, node.detail, node.purpose):
        return line
    return changed(line, node=changed(node, name=name, detail=detail, purpose=purpose))


@lru_cache(maxsize=KEPT)
def whole_name(name: str, pieces: tuple[str, ...]) -> str:
    """A control's name without repeated pieces, and with a space before a price: "Tin mug Tin mugTin mug$9.50" is "Tin mug $9.50"."""
    texts = [" ".join(piece.split()) for piece in pieces if piece.strip()]
    if len(texts) > 1 and "".join(texts).replace(" ", "") == name.replace(" ", ""):
        kept: list[str] = []
        for text in texts:
            if text.casefold() not in {other.casefold() for other in kept} or not any(map(str.isalpha, text)):
                kept.append(text)
        if len(kept) < len(texts) or _is_glued(name, texts):
            name = " ".join(kept)
    return _said_once(name)


def _is_glued(name: str, texts: Sequence[str]) -> bool:
    """Whether a price stands in the name without a space before or after it."""
    return any(
        f"{left}{right}" in name for left, right in pairwise(texts) if AMOUNT.search(left) or AMOUNT.search(right)
    )


def _said_once(name: str) -> str:
    """A name whose title of two words or more is said several times in a row, with the title once."""
    price = AMOUNT.search(name)
    title, rest = (name, "") if price is None or price.start() == 0 else (name[: price.start()], name[price.start() :])
    parts = title.split()
    for size in range(2, len(parts) // 2 + 1):
        times, over = divmod(len(parts), size)
        if not over and parts == parts[:size] * times:
            return " ".join([*parts[:size], rest]).strip()
    return name


@lru_cache(maxsize=KEPT)
def short_name(name: str, limit: int) -> str:
    """The name in at most `limit` characters. A price is never cut: the middle of the title before it is left out instead."""
    if len(name) <= limit:
        return name
    prices = list(AMOUNT.finditer(name))
    if not prices or prices[-1].end() < limit:
        return name[: limit - 1].rstrip() + "…"
    last = prices[-1]
    start = last.start()
    while start > 0 and not name[start - 1].isalnum():
        start -= 1  # with what joins the price to the title
    price = name[start : last.end()] if last.end() - start < limit - 1 else name[last.start() : last.end()]
    room = limit - len(price) - 1
    if room < _TAIL:
        return f"…{price.strip()}"[:limit]
    title = name[:start]
    words, tail = title.split(" "), ""
    while words and len(words[-1]) + 1 + len(tail) <= room // _TAIL:
        tail = f" {words.pop()}{tail}"
    return f"{title[: room - len(tail)].rstrip()}…{tail}{price}"


def _detail(line: Kept, card: Card | None, purpose: Purpose | None) -> str:
    """What a product's link does not say of its product: the title, where it is named "Details", and the price."""
    if purpose != "product" or card is None:
        return ""
    title = "" if is_title(line.node.name) else card.title
    price = "" if amounts(line.node.name) else card.price
    return " ".join(filter(None, (title, price)))


def _leads_to_cart(line: Kept, purpose: Purpose | None) -> bool:
    return line.node.role in CLICKED and (purpose == "cart" or (purpose is None and is_cart_name(line.node.name)))


def _badge(number: int, lines: Sequence[Kept], markup: Markup) -> str:
    """The number of things at the cart's link, where its name does not say it; empty if none stands there."""
    line = lines[number]
    if number_in(line.node.name) is not None:
        return ""
    inside = [match[1] for piece in line.pieces if (match := _BADGE.fullmatch(piece.strip()))]
    if inside:
        return inside[0]
    element = markup.element(line)
    near = set(element.around[1 : 1 + _BADGE_NEAR]) if element is not None else set[Element]()
    for other in (*lines[number + 1 : number + 3], *lines[max(number - 1, 0) : number]):
        beside = markup.element(other)
        match = _BADGE.fullmatch(other.node.name) if other.node.role == "StaticText" else None
        if match is not None and beside is not None and near.intersection(beside.around):
            return match[1]
    return ""


# --- controls of one name ---------------------------------------------------------------------


def _told_apart(lines: list[Kept], cards: Sequence[Card | None], markup: Markup) -> list[Kept]:
    """The lines, with a detail at each of several controls that have one name and do different things: the product in whose
    card it stands, else the heading above it; and a number where this is the same too.
    """
    alike = _alike(lines, markup)
    for numbers in alike:
        for number in numbers:
            if not lines[number].node.detail:
                lines[number] = _with_detail(lines[number], _place(number, lines, cards[number]))
    for numbers in _alike(lines, markup) if alike else ():
        for place, number in enumerate(numbers, start=1):
            detail = lines[number].node.detail
            lines[number] = _with_detail(lines[number], f"{detail}{', ' * bool(detail)}{place} of {len(numbers)}")
    return lines


def _alike(lines: Sequence[Kept], markup: Markup) -> list[list[int]]:
    """The controls of a page with the same role and label, in groups; those that lead to one address are one control."""
    groups: defaultdict[tuple[int, str, str], list[int]] = defaultdict(list)
    for number, line in enumerate(lines):
        if line.node.role in _CONTROLS and line.node.label:
            groups[line.frame, line.node.role, line.node.label].append(number)
    return [
        numbers
        for numbers in groups.values()
        if len(numbers) > 1 and len({_target(lines[number], markup) or str(number) for number in numbers}) > 1
    ]


def _target(line: Kept, markup: Markup) -> str:
    """The address that a link leads to; empty for what does something on the page."""
    element = markup.element(line)
    return line.href if line.leads_on("" if element is None else element.get("href")) else ""


def _place(number: int, lines: Sequence[Kept], card: Card | None) -> str:
    name = lines[number].node.name.casefold()
    if card is not None and card.title and card.title.casefold() not in name:
        return card.title
    frame = lines[number].frame
    above = (line.node.name for line in reversed(lines[:number]) if line.node.role == "heading" and line.frame == frame)
    heading = next(above, "")
    return "" if heading.casefold() == name else heading


def _with_detail(line: Kept, detail: str) -> Kept:
    return changed(line, node=changed(line.node, detail=detail))
