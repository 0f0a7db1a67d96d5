"""The words that catalogues are made of: departments, what they sell, how it is called and described, and by whom."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Kind:
    """A product type: "Skirt" in titles, "skirts" as the type; `price` is typical, in dollars."""

    noun: str
    plural: str
    price: float


@dataclass(frozen=True)
class Department:
    """What one department sells. A title is made of one word of each of `makes`, `styles` and `finishes`."""

    name: str
    template: str
    """Of a title after the vendor's name, with {make}, {style}, {noun} and {finish}."""
    purpose: str
    """What its products are for, in a description."""
    kinds: tuple[Kind, ...]
    makes: tuple[str, ...]
    made: tuple[str, ...]
    """What is said of each make, after its name."""
    styles: tuple[str, ...]
    finishes: tuple[str, ...]
    sentences: tuple[tuple[str, ...], ...]
    """Of tone, use, size and care; a description has some of them."""
    variants: tuple[str, ...] = ()
    """What a product of several variants comes in; most departments have sizes."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _department(name: str, words: dict[str, Any]) -> Department:
    return Department(
        name=name,
        template=words["template"],
        purpose=words["purpose"],
        kinds=tuple(Kind(*kind) for kind in words["kinds"]),
        makes=tuple(words["makes"]),
        made=tuple(words["makes"].values()),
        styles=_words(words["styles"]),
        finishes=tuple(words["finishes"]),
        sentences=tuple(tuple(words[about]) for about in ("tones", "uses", "sizes", "care")),
        variants=tuple(words.get("variants", ())),
    )


_WORDS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
DEPARTMENTS = tuple(_department(name, words) for name, words in _WORDS.items())

VENDORS_PER_SHOP = 8
_FRONT = _words(
    "Alder Ash Bright Briar Clover Cold Crest Dove East Elder Fern Field Fox Gold Gray Hart Hawk Haw High Holly Iron Ivy Kes"
    " Lark Lin Long Maple Marsh Mill Moor Nettle North Oak Otter Pine Quill Raven Red Salt Silver Stone Sun Swan Thorn Vale"
    " West Wild Wren"
)
_BACK = _words(
    "bank bourne bridge brook bury cliff combe cote dale den fold ford gate grove ham haven hill holt hurst land lea ley low"
    " mead mere mont ridge side stead stow thorpe ton vale water well wick wood worth"
)
_FORMS = ("", " & Co", " Brothers", " & Daughters", " Makers", " Union", " Guild", " Atelier")


def vendors(shop: int) -> list[str]:
    """The names of the makers that only shop number `shop` sells: no two shops have one in common."""
    return [_vendor(VENDORS_PER_SHOP * shop + i) for i in range(VENDORS_PER_SHOP)]


def _vendor(number: int) -> str:
    round_, front = divmod(number, len(_FRONT))
    turn, back = divmod(round_, len(_BACK))
    again, form = divmod(turn, len(_FORMS))
    name = _FRONT[front] + _BACK[(back + front) % len(_BACK)] + _FORMS[form]
    return f"{name} {again + 1}" if again else name


SHOP_WORDS = _words(
    "harbor maple cobalt willow lantern meadow copper juniper summit pebble orchid falcon cedar amber tundra velvet"
    " breeze canyon ember fable grove hazel island kettle"
)
