"""The vocabulary of the generated catalogues: departments, product types, descriptions, vendors and shop names.

`departments.toml` holds the texts.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Kind:
    """A product type: `noun` ("Skirt") in titles, `plural` ("skirts") as its name, `price` as typical price in dollars."""

    noun: str
    plural: str
    price: float


@dataclass(frozen=True)
class Department:
    """The vocabulary of one department. A title combines one entry each of `makes`, `styles` and `finishes`."""

    name: str
    template: str
    """Template of a title after the vendor's name, with {make}, {style}, {noun} and {finish}."""
    purpose: str
    """The purpose of the products, for descriptions."""
    kinds: tuple[Kind, ...]
    makes: tuple[str, ...]
    made: tuple[str, ...]
    """The sentence about each make, after the name of the make."""
    styles: tuple[str, ...]
    finishes: tuple[str, ...]
    sentences: tuple[tuple[str, ...], ...]
    """Optional sentences of a description: on tone, use, size and care."""
    variants: tuple[str, ...] = ()
    """The variants of a product that has variants; sizes in most departments."""


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _department(name: str, texts: dict[str, Any]) -> Department:
    return Department(
        name=name,
        template=texts["template"],
        purpose=texts["purpose"],
        kinds=tuple(Kind(*kind) for kind in texts["kinds"]),
        makes=tuple(texts["makes"]),
        made=tuple(texts["makes"].values()),
        styles=_split(texts["styles"]),
        finishes=tuple(texts["finishes"]),
        sentences=tuple(tuple(texts[topic]) for topic in ("tones", "uses", "sizes", "care")),
        variants=tuple(texts.get("variants", ())),
    )


_TEXTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
DEPARTMENTS = tuple(_department(name, texts) for name, texts in _TEXTS.items())

VENDORS_PER_SHOP = 8
_FRONT = _split(
    "Alder Ash Bright Briar Clover Cold Crest Dove East Elder Fern Field Fox Gold Gray Hart Hawk Haw High Holly Iron Ivy Kes"
    " Lark Lin Long Maple Marsh Mill Moor Nettle North Oak Otter Pine Quill Raven Red Salt Silver Stone Sun Swan Thorn Vale"
    " West Wild Wren"
)
_BACK = _split(
    "bank bourne bridge brook bury cliff combe cote dale den fold ford gate grove ham haven hill holt hurst land lea ley low"
    " mead mere mont ridge side stead stow thorpe ton vale water well wick wood worth"
)
_FORMS = ("", " & Co", " Brothers", " & Daughters", " Makers", " Union", " Guild", " Atelier")


def vendors(shop: int) -> list[str]:
    """The vendors of shop number `shop`; no two shops share a vendor."""
    return [_vendor(VENDORS_PER_SHOP * shop + i) for i in range(VENDORS_PER_SHOP)]


def _vendor(number: int) -> str:
    round_, front = divmod(number, len(_FRONT))
    turn, back = divmod(round_, len(_BACK))
    again, form = divmod(turn, len(_FORMS))
    name = _FRONT[front] + _BACK[(back + front) % len(_BACK)] + _FORMS[form]
    return f"{name} {again + 1}" if again else name


SHOP_WORDS = _split(
    "harbor maple cobalt willow lantern meadow copper juniper summit pebble orchid falcon cedar amber tundra velvet"
    " breeze canyon ember fable grove hazel island kettle"
)
