"""Requests that add to the cart, and whether the store's answer says that it did.

Addresses of Shopify, WooCommerce, Magento, BigCommerce, PrestaShop, Shopware, Squarespace, OpenCart and Salesforce Commerce
Cloud, of programming interfaces that name the cart, and GraphQL mutations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from simpersona.adapters.storefronts.payment_guard import Asked
from simpersona.adapters.storefronts.request_bodies import mutations, values
from simpersona.pages import Effect
from simpersona.shopper.store_words import A_CART

_ADDS = re.compile(rf"add\w*?(to|in|into|2)?_?(the|my)?_?{A_CART}(?![a-z])|{A_CART}_?add|checkout_?(ajax)?add_?article")
"""A name of an operation, in small letters and with "_" for other signs: add_to_cart, ajaxAddArticleCart, Cart-AddProduct."""
_ROUTE = re.compile(rf"{A_CART}[/.]add")
_CART = re.compile(rf"(shopping|guest|mini)?_?{A_CART}s?")
_ADD = re.compile(
    r"(ajax_?)?add(_?(item|line|product|article|by|to)\w*)?|insert|hinzufuegen|ajouter|anadir|aggiungi|toevoegen|"
    r"dodaj|pridat|vlozit|hozzaad\w*|adauga|lagg(_?till)?|laeg|tilfoj|legg|lisaa|adicionar|ekle|dobavit"
)
_PARTS = frozenset({"items", "item", "lines", "line", "lineitems", "line_items", "line_item", "entries", "products"})
"""What follows a cart in the address of a programming interface."""
_OF_CART = frozenset({"line_items", "cart_items", "basket_items", "bag_items"})
"""The same, where the address has no cart before it."""
_NOT_ADDING = re.compile(
    r"remove|delete|update|change|clear|empty|coupon|voucher|discount|shipping|estimate|total|payment|billing|address|note|"
    r"checkout$|configure"
)
_OPERATION = frozenset(
    {"action", "wc-ajax", "do", "cmd", "op", "method", "route", "operation", "operationname", "function"}
)
_PRODUCT = re.compile(
    r"^(id|pid|sku|add|upc|ean)$|product|variant|variation|merchandise|article|artikel|lineitem|lines|item"
)
_PRODUCT_ID = ("add-to-cart", "product_id", "productid", "id_product", "product", "sku", "pid")
_MUTATION = re.compile(
    r"(cart|basket|bag|checkout)_?(lines?|lineitems?|items?|products?|create)?_?add|^add_?\w*(cart|basket|bag|lines?|items?|products?)",
    re.IGNORECASE,
)
_ERROR = frozenset({"error", "errors", "usererrors", "haserror", "haserrors", "errormessage", "iserror"})
_FAILED = frozenset({"error", "errors", "fail", "failed", "failure", "ko", "false"})
_ENDING = re.compile(r"\.(js|json|php|html?)$")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NO_LETTER = re.compile(r"[^a-z0-9]+")
_DEEPEST = 5
"""The depth to which an answer is searched for errors."""


@dataclass(frozen=True)
class Answer:
    """A store's answer; `text` is None where it could not be read, `location` is where a redirect leads."""

    status: int
    content_type: str = ""
    text: str | None = ""
    location: str = ""


def adds_to_cart(asked: Asked) -> bool:
    """Whether a request asks the store to add something to the cart."""
    address = urlsplit(asked.url)
    query = parse_qsl(address.query, keep_blank_values=True)
    if _names_addition([*query, *_path_operation(address.path)]):
        return True
    if asked.method not in ("POST", "PUT", "PATCH"):
        return False
    body = asked.body or b""
    given = [*query, *values(body, asked.content_type)] if body else query
    if any(map(_adds_by_mutation, mutations(body))) or _names_addition(given):
        return True
    return asked.method == "POST" and _adds_by_interface(address.path, given)


def cart_effect(asked: Asked, answer: Answer) -> Effect:
    """What the answer to a request that adds to the cart says."""
    given = [*parse_qsl(urlsplit(asked.url).query), *values(asked.body or b"", asked.content_type)]
    known = {name.lower(): value for name, value in given if value}
    product = next((known[name] for name in _PRODUCT_ID if name in known), None)
    return Effect("product_added_to_cart", "cart_answer", product, accepts(answer))


def accepts(answer: Answer) -> bool | None:
    """Whether an answer says that the product was added: None for a page or a redirect to one, which show it, and for an
    answer that was not read.

    An answer with an error status, or with an error in its JSON, did not add.
    """
    if answer.status >= 400 or answer.status == 0:
        return False
    if 300 <= answer.status < 400:
        return False if "options=cart" in answer.location else None  # Magento asks for the options of the product
    if answer.text is None:
        return None
    text = answer.text.lstrip("\ufeff \r\n\t")
    if text.startswith(("{", "[")) and (said := _json(text)) is not None:
        return not _has_error(said, _DEEPEST)
    is_page = "html" in answer.content_type or text.startswith("<")
    return None if is_page else True


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _has_error(said: Any, depth: int) -> bool:
    """Whether an answer, or a part of it, names an error."""
    if depth < 0:
        return False
    if isinstance(said, list):
        return any(_has_error(inner, depth - 1) for inner in said)
    return isinstance(said, dict) and any(
        _is_error(str(key), value) or _has_error(value, depth - 1) for key, value in said.items()
    )


def _is_error(key: str, value: Any) -> bool:
    name = key.lower().replace("_", "").replace("-", "")
    if name in _ERROR:
        return value not in (None, False, "", 0, "0", [], {})
    if name in ("success", "successful", "succeeded", "ok", "added", "accepted", "valid"):
        return value in (False, "false", "error")
    is_status = name in ("status", "statuscode", "code") and isinstance(value, int) and 400 <= value < 600
    return is_status or (name in ("status", "result", "type", "messagetype") and str(value).lower() in _FAILED)


def _names_addition(given: Iterable[tuple[str, str]]) -> bool:
    """Whether a value's name, or the operation that it holds, is that of adding to the cart."""
    for name, value in given:
        if value and value not in ("0", "false") and _ADDS.fullmatch(_plain(name)):
            return True
        if name.lower() in _OPERATION and (_ADDS.search(_plain(value)) or _ROUTE.search(value)):
            return True
    return False


def _path_operation(path: str) -> list[tuple[str, str]]:
    """The path as the value of an operation, where it names an addition: /cart/add, /checkout/line-item/add, Cart-AddProduct."""
    parts = _parts(path)
    for index, part in enumerate(parts):
        is_in_cart = any(_CART.fullmatch(before) or before == "checkout" for before in parts[:index])
        adds = _ADDS.search(part) or (is_in_cart and _ADD.fullmatch(part))
        if adds and not any(map(_NOT_ADDING.search, parts[index:])) and "promotion" not in parts:
            return [("action", "add_to_cart")]
    return []


def _adds_by_interface(path: str, given: list[tuple[str, str]]) -> bool:
    """Whether a POST to the address of a cart sends a product: /api/cart, /carts/ID/items, /cart."""
    parts = _parts(path)
    index = next((index for index, part in enumerate(parts) if _CART.fullmatch(part)), None)
    if index is None and parts and parts[-1] in _OF_CART:
        index = len(parts) - 2
    if index is None:
        return False
    after = parts[index + 1 :]
    said = {name.lower(): value for name, value in given}
    if (
        not after and said.get("add") in ("1", "true") and not said.get("delete")
    ):  # PrestaShop, whose action is "update"
        return True
    names = [_plain(name).replace("_", "") for name, value in given if value not in ("", "0")]
    if any(map(_NOT_ADDING.search, [*after, *names])) or any(_says_not(name, value) for name, value in given):
        return False
    if any(part in _PARTS for part in after):
        return True
    return len(after) <= 1 and any(map(_PRODUCT.search, names))


def _says_not(name: str, value: str) -> bool:
    """Whether the operation of a request is another one than adding."""
    return name.lower() in _OPERATION and bool(_NOT_ADDING.search(value.lower()))


def _adds_by_mutation(name: str) -> bool:
    return bool(_MUTATION.search(name)) and not _NOT_ADDING.search(name.lower())


def _parts(path: str) -> list[str]:
    return [_plain(_ENDING.sub("", unquote(part))) for part in path.split("/") if part]


def _plain(name: str) -> str:
    """A name in small letters with "_" for other signs and between joined words."""
    return _NO_LETTER.sub("_", _CAMEL.sub("_", name).lower()).strip("_")
