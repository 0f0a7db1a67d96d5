"""Prices in the text of a page, in any currency and any way to write them.

"$12.50", "€ 12,50", "12.50 EUR", "USD 12", "1 299 kr", "¥1,200", "Rs. 499", "CHF 12.–" and "ab 12,50 €" all hold one amount.
"""

from __future__ import annotations

import re
from functools import lru_cache

from simpersona.shopper.store_words import KEPT

_NUMBER = r"(?:\d{1,3}(?:[ \u00a0\u202f.,'’٬]\d{3}(?!\d))+|\d+)(?:[.,٫](?:\d{1,2}(?!\d)|[–—-]{1,2}))?"
_SIGN = r"(?:\b(?:US|CA|AU|NZ|HK|NT|MX|R|C|A|S)(?=\$))?[$£¤¥฿៛﷼￡￥￠\u20a0-\u20cf]"
_CODE = (
    r"(?:USD|EUR|GBP|JPY|CHF|SEK|NOK|DKK|ISK|PLN|CZK|HUF|RON|BGN|HRK|TRY|RUB|UAH|INR|CNY|RMB|KRW|AUD|CAD|NZD|SGD|HKD|TWD|THB|MYR|"
    r"IDR|PHP|VND|BRL|MXN|ARS|CLP|COP|PEN|ZAR|AED|SAR|ILS|EGP|NGN|KES)"
)
_WORD = (
    r"(?:kr|zł|Kč|Ft|lei|лв|руб|грн|TL|Rs|Rp|RM|Fr|円|元|원|₹|"
    r"ر\.?\s?س|د\.?\s?إ|ج\.?\s?م|د\.?\s?ك|ر\.?\s?ق|ريال|درهم|جنيه|دينار|تومان|ریال)"
)
_ARABIC = str.maketrans("٫٬", ".,")
AMOUNT = re.compile(
    rf"(?:{_SIGN}|\b{_CODE}|\b{_WORD}\b\.?)\s?{_NUMBER}(?:\s?{_CODE}\b)?|"
    rf"(?<![\d.,]){_NUMBER}\s?(?:{_SIGN}(?!\d)|(?:{_CODE}|{_WORD})(?!\w)\.?)"
)
"""One amount of money."""
_LIMIT = re.compile(
    r"\b(under|over|below|above|less than|more than|up to|spend|save|off|unter|über|bis|sparen?|moins de|plus de|jusqu\W?à|dès|"
    r"menos de|más de|hasta|meno di|più di|oltre|fino a|minder dan|meer dan|boven|onder|tot|vanaf|"
    r"shipping|delivery|versand\w*|lieferung|livraison|env[ií]o|spedizione|verzending|bezorging)\b",
    re.IGNORECASE,
)
_SHIPPING = re.compile(r"\b(shipping|delivery|versand|livraison|env[ií]o|spedizione|verzending)$", re.IGNORECASE)
_BESIDE = re.compile(
    r"\b(?:(?:plus|zzgl\.?|zuz[üu]glich|excl\w*\.?|exkl\.?|hors|m[áa]s|escl\w*) (?:shipping|delivery|versand\w*|livraison|env[ií]o|gastos|"
    r"spedizione|verzend\w*|vat|tax)|"
    r"regular|sale|unit|list|our|your|current|original|special|offer|now|was|only|price|from|each|per|plus|incl\w*|inkl|excl\w*|zzgl|vat|tax(es)?|"
    r"ab|jetzt|nur|statt|preis\w*|angebot\w*|uvp|mwst|prix|d[èe]s|partir|de|[àa]|au lieu|habituel|soldé|promotionnel|ttc|"
    r"precio|desde|oferta|ahora|antes|habitual|iva|gastos|prezzo|da|listino|scontato|prijs|vanaf|nu|van|voor|btw|pris|från)\b",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[^\W\d_]{2,}")
_JOINING = " ,:|·–—-"
_MOST_WORDS = 3
"""Other words that a line with a price may have, besides those that belong to a price."""


@lru_cache(maxsize=KEPT)
def amounts(text: str) -> tuple[str, ...]:
    """The amounts of money in a text, in their order."""
    return tuple(match.group().strip() for match in AMOUNT.finditer(text))


def has_amount(text: str) -> bool:
    """Whether a text holds an amount of money."""
    return AMOUNT.search(text) is not None


def amount_value(text: str) -> float | None:
    """The number of the first amount in a text; None without one.

    The last separator is that of decimals where one or two digits follow it: "1.236,00 €" is 1236, "¥1,200" is 1200.
    """
    match = AMOUNT.search(text)
    if match is None:
        return None
    digits = re.sub(r"[^\d.,]", "", match.group().translate(_ARABIC)).strip(".,")
    whole, separator, decimals = digits.rpartition(max(".", ",", key=digits.rfind))
    if not separator or len(decimals) > 2:
        return float(re.sub(r"\D", "", digits))
    units = re.sub(r"\D", "", whole) or "0"
    return float(f"{units}.{decimals}")


def without_amounts(text: str) -> str:
    """The text without its amounts of money and what joins them to it."""
    return " ".join(AMOUNT.sub(" ", text).split()).strip(_JOINING)


@lru_cache(maxsize=KEPT)
def title_in(name: str) -> str:
    """The title in a name with a price: what stands before the first amount, or after it where it comes first, without the words
    that belong to the price ("from", "Sale price").
    """
    spans = [match.span() for match in AMOUNT.finditer(name)]
    if not spans:
        return name.strip()
    before = name[: spans[0][0]]
    if title_beside(before):
        parts = before.rstrip(_JOINING).split(" ")
        while len(parts) > 1 and _BESIDE.fullmatch(parts[-1].strip(_JOINING)):
            parts.pop()
        return " ".join(parts).rstrip(_JOINING)
    return name[spans[-1][1] :].strip(_JOINING) if len(spans) == 1 else without_amounts(name)


@lru_cache(maxsize=KEPT)
def title_beside(text: str) -> str:
    """What a text says besides prices and the words that belong to them; empty for "From $9"."""
    return " ".join(_LETTER.findall(_BESIDE.sub(" ", without_amounts(text))))


@lru_cache(maxsize=KEPT)
def is_price_line(text: str) -> bool:
    """Whether a text says what something costs: "Sale price $14.00", but not "Free shipping over $50"."""
    first = AMOUNT.search(text)
    if first is None or _LIMIT.search(text[: first.start()]):
        return False
    after = text[first.end() :]
    if _LIMIT.search(after) and not _BESIDE.search(after):  # "incl. VAT, plus shipping" belongs to a price
        return False
    return len(title_beside(text).split()) <= _MOST_WORDS


@lru_cache(maxsize=KEPT)
def is_priced_title(name: str) -> bool:
    """Whether a name is a title with a price before or after it: "Tin mug - 12,50 €"; neither "Under $10" nor "$10 - $20"."""
    spans = [match.span() for match in AMOUNT.finditer(name)]
    if not spans or not title_beside(name):
        return False
    before, after = name[: spans[-1][0]], name[spans[-1][1] :]
    is_limit = [bool(_LIMIT.search(" ".join(part.split()[-2:]))) for part in (before, name[: spans[0][0]])]
    ends = not title_beside(after) and not is_limit[0]
    begins = not title_beside(name[: spans[0][0]]) and not is_limit[1] and not _SHIPPING.search(after)
    return ends or begins
