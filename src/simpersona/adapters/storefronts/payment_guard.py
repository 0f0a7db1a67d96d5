"""Decides which requests may leave a visitor's session in a store that is not the lab's: none that could order or pay.

A request other than GET is refused unless there is evidence that it is harmless. Evidence against it counts more: words of
an order in its address, in the name of its operation or on the control that was used, personal data, a payment service.
On a checkout even less is allowed. This module only decides; the drivers hold the requests back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from simpersona.adapters.storefronts.form_fields import FieldKind, FormField, asks_for_delivery, kind_of_name
from simpersona.adapters.storefronts.request_bodies import is_query, mutations, values
from simpersona.config.guard import GuardConfig
from simpersona.pages import Action, Node
from simpersona.shopper.store_words import ADD, ORDER_ELSEWHERE, words_of

RequestKind = Literal["page", "frame", "script", "report", "socket"]
"""What a request loads: the page, a frame, data for a script; a report is sent without waiting; a message of a socket."""
Gesture = Literal["none", "reads", "acts"]
"""What the visitor did before the request: nothing on this page, something that only reads (a link, a search), or more."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_MIN_TYPED = 3
"""A shorter text is not looked for in requests: it may be there by chance."""
_LONGEST_SEGMENT = 3
"""A part of an address with more words is a title, such as that of a product: its words say nothing."""
_TITLED = re.compile(
    r"/(products?|produkte?|produits?|productos?|prodott[io]|items?|p|blogs?|news)/[^/?#]+", re.IGNORECASE
)
_OPERATION = frozenset(
    {"action", "op", "operation", "operation name", "operationname", "method", "intent", "cmd", "command", "do", "path", "procedure",
     "controller"}
)  # fmt: skip
"""Names of values that say what a request does."""
_MAYBE_OPERATION = frozenset({"type", "event", "submit", "step", "task", "fc", "mode", "state", "status"})
"""Names of values that may say it: they count only against a request."""
_ADD_NAME = re.compile(r"add ?to ?(cart|basket|bag|warenkorb)")
_NOTHING = frozenset({"", "0", "false", "null", "none"})
_PRODUCT = re.compile(
    r"(?<!\w)(product|variant|sku|item|merchandise|article|artikel|produit|producto|prodotto|pid|offer)(?!\w)"
)
_PAYS = re.compile(
    r"^\W*pay\b|\bpay (now|with|securely|\W?\d)|(&|\band) pay\b|\bbuy with 1-click|"
    r"\b(place|complete|submit|confirm|send|finali[sz]e|finish) (the |my |your |and )*(order|purchase|checkout|pay(ment)?)\b|"
    rf"{ORDER_ELSEWHERE}|finalizar (a )?compra|concluir (o )?pedido|(zamawiam|kupuj[eę]) (i|z) \w*(p[lł]ac[eę]|obowi[aą]zk)\w*|"
    r"z obowi[aą]zkiem zap[lł]aty|(z[lł][oó][zż]|potwierd[zź]) zam[oó]wienie|(odeslat|odoslať|potvrdit) objedn[aá]vk|"
    r"s povinnost[ií] (platby|zaplatit)|povinnos[tť]ou platby|megrendelés elküldése|trimite comanda|slutför k[öo]p|"
    r"(bekr[äæ]ft|bekreft) (k[öøo][pb]|kjøp|best[iä]ll\w*|ordre)|vahvista tilaus|sipari[sş]i (tamamla|onayla)|оформить заказ|"
    r"(подтвердить|оплатить) заказ|підтвердити замовлення|注文(を|内容を)?確定|購入(を)?(確定|完了)|注文する|(提交|确认)订单|(確認|送出)訂單|"
    r"立即支付|결제하기|주문 ?완료",
    re.IGNORECASE,
)
_CHECKOUT_TITLE = re.compile(
    r"^(secure )?(check ?out|kasse|zur kasse|bestellung (abschliessen|prufen|uberprufen)|zahlung|caisse|paiement|commande|pago|"
    r"finalizar (la )?compra|tramitar pedido|cassa|pagamento|afrekenen|kassa|betaling|betalen|payment|review (your )?order|"
    r"order review|place (your )?order|kasa|platnosc|podsumowanie zamowienia|pokladna|objednavka|shrnuti objednavky|finalizar compra|"
    r"finalizar pedido|penztar|finalizare comanda|kassan|odeme|ταμειο|оформление заказа|оформлення замовлення|(ご)?注文\w*|(ご)?購入手続き|"
    r"お支払い\w*|レジ\w*|结算|结账|結帳|주문 ?결제|주문서?)( .{0,30})?$"
)


@dataclass(frozen=True)
class Asked:
    """A request that is about to leave; `body` is None where it has one that cannot be read, `referrer` is the address of the
    document that sends it, as far as that is known.
    """

    method: str
    url: str
    kind: RequestKind
    body: bytes | None = b""
    content_type: str = ""
    referrer: str = ""


@dataclass(frozen=True)
class Situation:
    """The page from which a request comes, and what the visitor did on it last."""

    address: str = ""
    headings: tuple[str, ...] = ()
    """Its title and its headings."""
    fields: tuple[FormField, ...] = ()
    gesture: Gesture = "none"
    control: str = ""
    """The name of the control that was used."""
    typed: frozenset[str] = frozenset()
    """What the visitor has typed into personal fields, on any page."""
    typed_openly: frozenset[str] = frozenset()
    """What the visitor has typed into other fields, such as a search: it is nobody's secret."""


@dataclass(frozen=True)
class Refusal:
    """Why a request or an action is refused."""

    reason: str
    at_checkout: bool
    """Whether it would have gone on in a checkout or ordered: the visitor has then reached the checkout."""
    names_order: bool = False
    """Whether the request itself names an order, not only the page or the control that it comes from."""


class PaymentGuard:
    """The rules of one run's settings."""

    def __init__(self, config: GuardConfig) -> None:
        self._config = config
        phrases = tuple(word for word in config.cart if " " in word)
        self._orders, self._orders_by_get = _pattern(config.orders), _pattern(config.orders_by_get)
        self._cart, self._cart_phrases = _pattern(config.cart), _pattern(phrases)
        self._harmless = _pattern(config.harmless)

    def is_checkout(self, page: Situation) -> bool:
        """Whether the page is a checkout: by its shown fields, its address, or its title."""
        if _takes_orders(page):
            return True
        address = urlsplit(page.address)
        if self._names_order(f"{address.path}/{address.fragment}"):
            return True
        return any(_CHECKOUT_TITLE.match(words_of(heading)) for heading in page.headings)

    def refused(self, asked: Asked, page: Situation) -> Refusal | None:
        """Why the request may not leave; None if it may."""
        address = urlsplit(asked.url)
        if address.scheme not in ("http", "https", "ws", "wss"):
            return None  # inside the browser
        if _on_host(address.hostname, self._config.payment_hosts):
            pays = asked.kind == "page" and self.goes_to_pay(asked.url, page)
            return Refusal(f"{address.hostname} is a payment service", pays or self.is_checkout(page))
        if asked.method in _SAFE_METHODS:
            return self._get_refused(asked, page)
        return self._send_refused(asked, page)

    def goes_to_pay(self, url: str, page: Situation) -> bool:
        """Whether opening an address on this page begins a payment at a payment service; a link may lead to its terms."""
        address = urlsplit(url)
        is_service = _on_host(address.hostname, self._config.payment_hosts)
        return is_service and (page.gesture == "acts" or self._names_order(address.path))

    def pays(self, label: str) -> bool:
        """Whether a control of this name places an order or pays."""
        return bool(_PAYS.search(label))

    def buys_at_once(self, label: str) -> bool:
        """Whether a control of this name skips the cart ("Buy it now"). A bare "Buy" often only adds to it."""
        return self._says_order(label) and " " in words_of(label)

    def entry_refused(self, entered: FormField, page: Situation) -> Refusal | None:
        """Why nothing may be typed into a field; None if it may."""
        kind = entered.kind
        if kind in ("password", "login"):
            return Refusal("Passwords and logins are never typed", self.is_checkout(page))
        if kind is not None and self.is_checkout(page):
            return Refusal("nothing is filled in", at_checkout=True)
        return None

    def gesture(self, action: Action, node: Node, *, link: str) -> Gesture:
        """What kind of gesture an action is; `link` is the address that the node links to, if any."""
        if action.method in ("goto", "hover", "scrollTo", "nextChunk", "prevChunk"):
            return "reads"
        leads = link.partition("#")[0] not in ("", "javascript:") and not link.lower().startswith("javascript:")
        if node.role == "link" and leads and not self._says_order(node.name):
            return "reads"
        return "reads" if node.role == "searchbox" and action.method in ("press", "fill", "type") else "acts"

    # --- requests -----------------------------------------------------------------------------

    def _get_refused(self, asked: Asked, page: Situation) -> Refusal | None:
        address, at_checkout = urlsplit(asked.url), self.is_checkout(page)
        given = parse_qsl(address.query)
        by_link = asked.kind == "page" and page.gesture == "reads"  # its path is the store's own text, such as "/lamps"
        if personal := _personal(given, address.query if by_link else asked.url, page):
            return Refusal(f"it would send {personal}", at_checkout or _is_delivery(given))
        if _on_host(address.hostname, self._config.harmless_hosts) or self._harmless.search(words_of(address.path)):
            return None
        target = self._without_cart(_telling(f"{address.path}?{address.query}"))
        by_form = at_checkout and page.gesture == "acts" and (address.query or self._says_order(page.control))
        to_order = _takes_orders(page) and self._orders.search(target)
        if self._orders_by_get.search(target) or (asked.kind == "page" and (by_form or to_order)):
            return Refusal("opening this address could order", at_checkout=asked.kind in ("page", "socket"))
        return None

    def _send_refused(self, asked: Asked, page: Situation) -> Refusal | None:
        address, at_checkout = urlsplit(asked.url), self.is_checkout(page) or self._says_order(page.control)
        if asked.body is None:
            return Refusal("it cannot be read", at_checkout)
        given = list(values(asked.body, asked.content_type))
        if personal := _personal([*parse_qsl(address.query), *given], asked.body.decode("utf-8", "replace"), page):
            return Refusal(f"it would send {personal}", at_checkout or _is_delivery(given))
        if _on_host(address.hostname, self._config.harmless_hosts):
            return None
        return self._order_refused(asked, given, page, at_checkout=at_checkout)

    def _order_refused(
        self, asked: Asked, given: Sequence[tuple[str, str]], page: Situation, *, at_checkout: bool
    ) -> Refusal | None:
        """Why a request that sends `given` may not leave: evidence of an order, or none that it is harmless."""
        address, body = urlsplit(asked.url), asked.body or b""
        target = _telling(f"{address.path}?{address.query}")
        if self._orders.search(self._without_cart(target)):
            return Refusal("its address is that of an order", at_checkout=True, names_order=True)
        if self._harmless.search(target) or is_query(body):
            return None
        operations = [*map(words_of, mutations(body)), *_said(given, _OPERATION)]
        is_form = asked.kind in ("page", "frame")  # which sends the name of its button, often without a value
        names = [words_of(name) for name, value in given if is_form or _is_set(value)]
        if any(self._says_order(words) for words in (*operations, *names, *_said(given, _MAYBE_OPERATION))):
            return Refusal("it would order", at_checkout=True, names_order=True)
        if self._cart.search(target) or self._changes_cart(operations, given):
            return None
        if at_checkout:
            return Refusal("it could order", at_checkout=True)
        is_harmless = self._adds_to_cart(given, page) or self._only_reads(asked, page)
        return None if is_harmless else Refusal("it is not known to be harmless", at_checkout=False)

    def _changes_cart(self, operations: Sequence[str], given: Iterable[tuple[str, str]]) -> bool:
        """Whether the operation that a request names is one of the cart."""
        return any(self._cart.search(words) for words in operations) or any(
            _ADD_NAME.fullmatch(words_of(name)) for name, _ in given
        )

    def _adds_to_cart(self, given: Iterable[tuple[str, str]], page: Situation) -> bool:
        """Whether a control that names the cart sends a product."""
        named = bool(ADD.search(page.control) or self._cart.search(words_of(page.control)))
        return named and any(_PRODUCT.search(words_of(name)) for name, _ in given)

    def _only_reads(self, asked: Asked, page: Situation) -> bool:
        """Whether a script asks for data where nobody has acted, on a page without personal fields."""
        is_open = all(shown.kind is None for shown in page.fields)
        return is_open and page.gesture != "acts" and asked.kind in ("script", "socket")

    # --- words --------------------------------------------------------------------------------

    def _names_order(self, address: str) -> bool:
        return bool(self._orders.search(self._without_cart(_telling(address))))

    def _says_order(self, label: str) -> bool:
        return bool(self._orders.search(self._without_cart(words_of(label))))

    def _without_cart(self, words: str) -> str:
        return self._cart_phrases.sub(" ", words)


def _takes_orders(page: Situation) -> bool:
    """Whether the page shows the fields of a delivery or a payment."""
    return asks_for_delivery(shown.kind for shown in page.fields if shown.is_shown and shown.kind is not None)


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    parts = [
        re.escape(word).replace(r"\*", r"\w*").replace(r"\ ", " ") for word in sorted(words, key=len, reverse=True)
    ]
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)" if parts else r"(?!)")


@cache
def _telling(address: str) -> str:
    """The words of an address that tell what it is for: those of short parts, not those of titles."""
    parts = urlsplit(address)
    path = _TITLED.sub(lambda title: f"/{title[1]}", f"{parts.path}/{parts.fragment}")
    segments = [words_of(unquote(segment)) for segment in re.split(r"[/,;:.]", path)]
    short = [segment for segment in segments if _length(segment) <= _LONGEST_SEGMENT]
    query = [words_of(f"{name} {value}") for name, value in parse_qsl(parts.query, keep_blank_values=True)]
    bare = [words_of(piece) for piece in unquote(parts.query).split("&") if "=" not in piece]
    return " ".join([*short, *(words for words in (*query, *bare) if _length(words) <= 2 * _LONGEST_SEGMENT)])


def _length(words: str) -> int:
    """The number of words, without those as short as an article."""
    return sum(len(word) > 2 for word in words.split())


def _on_host(host: str | None, hosts: Iterable[str]) -> bool:
    return host is not None and any(host == known or host.endswith(f".{known}") for known in hosts)


def _personal(given: Iterable[tuple[str, str]], text: str, page: Situation) -> str | None:
    """The personal data that a request would send: by the names of its values, or as the page's fields hold it."""
    for name, value in given:
        kind = kind_of_name(name) if _is_set(value) else None
        if kind in ("payment", "street", "zip", "person", "email", "phone", "password"):
            return f"a field of a person or a payment ({name})"
    readable = unquote(text.replace("+", " "))
    held = ({shown.value for shown in page.fields if shown.kind is not None} | page.typed) - page.typed_openly
    if any(len(value) >= _MIN_TYPED and value in readable for value in held):
        return "what a field of a person or a payment holds"
    return None


def _is_delivery(given: Iterable[tuple[str, str]]) -> bool:
    """Whether a request sends what a delivery or a payment needs."""
    kinds: list[FieldKind] = [kind for name, value in given if value and (kind := kind_of_name(name)) is not None]
    return asks_for_delivery(kinds)


def _said(given: Iterable[tuple[str, str]], names: frozenset[str]) -> Iterator[str]:
    """The words of the values with these names."""
    return (words_of(value) for name, value in given if words_of(name) in names)


def _is_set(value: str) -> bool:
    return value.strip().lower() not in _NOTHING
