"""What the guard of payments knows of one visit, and what it refused: both drivers keep one for a store that is not the lab's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from urllib.parse import urldefrag, urlsplit

from simpersona.adapters.storefronts.checkout_way import asks_for_login, is_checkout_elsewhere, leads_to_checkout
from simpersona.adapters.storefronts.form_fields import FormField
from simpersona.adapters.storefronts.payment_guard import Asked, PaymentGuard, Refusal, Situation
from simpersona.pages import Action, Effect, Node, PageKind, Trouble
from simpersona.shopper.page_addresses import page_address

STOPPED = "This store is not the lab's: the visit stops at the checkout, nothing is filled in or paid"
LATE_SECONDS = 3.0
"""For so long after an action, a request of the same document may be a late result of it, whatever was done since."""
_ENTERS = frozenset({"fill", "type", "selectOptionFromDropdown"})
_USES = frozenset({"click", "doubleClick", "press"})


class GuardedVisit:
    """The page and the gesture from which requests come, and the requests that were refused since the action began.

    A request may come late: from a timer that an earlier action has set, or from a page that is being left. It is judged
    as if it came from each of them, and refused if one of these may not send it. `clock` is the system's unless given.
    """

    def __init__(self, guard: PaymentGuard, start: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._guard, self.start, self._clock = guard, start, clock
        self._seen = {start}  # pages that were opened once may be opened again
        self._page = Situation()
        self._left: Situation | None = None  # the page before, while the next one loads
        self._has_begun = False  # the document of the next page has taken the place of the one before
        self._acted: tuple[Situation, float] | None = None  # the last action that was more than reading, and its time
        self._refused: list[tuple[Asked, Refusal, bool]] = []  # with whether the visitor's gesture caused it
        self._has_sent = False  # a harmless request that sends something has left since the action began
        self._buys_at_once = False  # the control of the action skips the cart
        self._is_on_way = False  # the action leads to a checkout, by its control or by an address that was opened
        self._led_to = ""  # an address outside the store, to which the action led
        self._had_login = ""  # the address of the page on which the action was done, if it asked for a login
        self._frames: frozenset[str] = frozenset()
        self._kind: PageKind | None = None

    def see(
        self,
        address: str,
        headings: tuple[str, ...],
        fields: Iterable[FormField],
        frames: Iterable[str] = (),
        kind: PageKind | None = None,
    ) -> None:
        """Notes the page as it is shown, and its kind where it is known.

        `frames` are the addresses of its frames that are large enough for a checkout.
        """
        self._frames, self._kind = frozenset(frames), kind
        if self._has_begun:
            self._acted = None  # its document is gone, and its timers with it
        self._left, self._has_begun = None, False
        self._seen.add(address)
        self._page = replace(self._page, address=address, headings=headings, fields=tuple(fields))

    def effects(self) -> tuple[Effect, ...]:
        """The checkout that the page begins by what it asks for; nothing where it asks for no delivery and no payment.

        A single field, such as that of an address, may look for a branch or check a gift card.
        """
        asked = [field for field in self._page.fields if field.is_shown and field.kind is not None]
        kinds = {field.kind for field in asked}
        is_whole = bool(kinds & {"payment", "street"}) and len({field.label.strip() for field in asked}) > 1
        asks = is_whole and not kinds & {"password", "login"}  # an account has an address too
        return (Effect("checkout_started", "fields"),) if asks else ()

    def arrive(self, address: str) -> None:
        """Notes that a page loads: what it requests now is not the visitor's doing, and its fields are not known yet."""
        self._left, self._has_begun = self._left or self._page, False
        self._page = replace(self._page, address=address, headings=(), fields=(), gesture="none", control="")

    def begin_document(self) -> None:
        """Notes that the document of the page that loads has begun: from now on it sends, and the one before is gone."""
        self._has_begun = True

    def begin(self, action: Action, node: Node, *, link: str, field: FormField | None) -> Refusal | None:
        """Notes the action that the visitor is about to do. Returns why it is not done, if so.

        `link` is the address that the node links to, `field` the description of the field that it enters something into.
        """
        self._has_sent, self._led_to = False, ""
        self._is_on_way = action.method in _USES and leads_to_checkout(node, link)
        self._had_login = self._page.address if asks_for_login(self._page.address, self._page.fields) else ""
        gesture = self._guard.gesture(action, node, link=link)
        # an entry of a list may act as a button
        chosen = action.arguments[0] if action.method == "selectOptionFromDropdown" else ""
        control = f"{node.name} {chosen}".strip() if gesture == "acts" else ""
        self._page = replace(self._page, gesture=gesture, control=control)
        self._buys_at_once = self._guard.buys_at_once(control)
        if gesture == "acts":
            self._acted = self._page, self._clock()
        enters = action.method in _ENTERS or (action.method == "press" and len(action.arguments[0]) == 1)
        if enters and field is not None:
            if (refusal := self._guard.entry_refused(field, self._page)) is not None:
                return refusal
            text = {action.arguments[0]}
            if field.kind is not None:
                self._page = replace(self._page, typed=self._page.typed | text)
            else:
                self._page = replace(self._page, typed_openly=self._page.typed_openly | text)
        if action.method in _USES and self._guard.pays(node.name):
            return Refusal("", at_checkout=True)
        return None

    def decide(self, asked: Asked) -> Refusal | None:
        """Whether a request may leave: None if so, otherwise the reason, which is recorded."""
        again = asked.method == "GET" and asked.kind == "page" and asked.url in self._seen
        refusal, is_caused = None, self._page.gesture == "acts"
        if not again and (refusal := self._guard.refused(asked, self._page)) is None:
            refusals = (self._guard.refused(asked, page) for page in self._earlier_pages(asked))
            refusal = next((one for one in refusals if one is not None), None)
            is_caused = is_caused or (refusal is not None and refusal.at_checkout)
        if refusal is not None:
            self._refused.append((asked, refusal, is_caused))
        elif asked.method != "GET" and asked.kind in ("page", "script"):
            self._has_sent = True
        if asked.kind == "page" and page_address(asked.url).kind == "checkout":
            self._is_on_way = True
        if refusal is None and asked.kind == "page" and asked.method == "GET":
            self.arrive(asked.url)
        return refusal

    def lead_away(self, url: str) -> None:
        """Notes that the action leads to an address outside the store, which is not opened."""
        self._led_to = url

    def _earlier_pages(self, asked: Asked) -> Iterator[Situation]:
        """The situations before the present one from which the request may come as well."""
        if asked.method == "GET" and asked.kind == "page":
            return  # of the gesture that is being made: a script that opens an address late is not told apart from a link
        is_begun = self._left is not None and self._has_begun
        if is_begun and urldefrag(asked.referrer).url == urldefrag(self._page.address).url:
            return  # the new document's own
        if self._left is not None:
            yield self._left
        if self._acted is not None and self._clock() - self._acted[1] <= LATE_SECONDS:
            yield replace(self._acted[0], typed=self._page.typed, typed_openly=self._page.typed_openly)

    def outcome(self, failure: str | None, troubles: list[Trouble]) -> str | None:
        """The reason why the action failed, with what was refused since it began; faults are added to `troubles`."""
        refused, self._refused = self._refused, []
        troubles.extend("refused" for _ in refused)
        for asked, refusal, is_caused in refused:
            # "Buy it now" may add to the cart first; after other additions a page may renew its payment buttons
            is_aside = self._has_sent and not (self._buys_at_once and refusal.names_order)
            of_action = asked.kind == "page" or (is_caused and asked.kind != "report" and not is_aside)
            if (of_action and refusal.at_checkout) or self._is_checkout_frame(asked):
                return self.stopped(troubles, f" ({_told(asked)} was refused: {refusal.reason})")
            if of_action and not failure:
                failure = f"This store is not the lab's: {_told(asked)} was refused, because {refusal.reason} (settings: store.guard)"
        if (why := self._barrier()) is not None:
            return self.stopped(troubles, f" ({why})")
        return failure or None

    def _is_checkout_frame(self, asked: Asked) -> bool:
        """Whether a refused frame is the checkout itself: large, and on a page that a way to the checkout leads to, or that is
        nothing else. The frames of payment services are on other pages too, so only the first counts for them.
        """
        if asked.kind != "frame" or urldefrag(asked.url).url not in self._frames:
            return False
        is_own = urlsplit(asked.url).netloc == urlsplit(self.start).netloc
        return self._is_on_way or (is_own and self._kind in (None, "other", "checkout"))

    def _barrier(self) -> str | None:
        """What the visit meets on the way to a checkout that it does not pass; None if nothing."""
        if self._led_to:
            pays = self._guard.goes_to_pay(self._led_to, self._page)
            if pays or self._is_on_way or is_checkout_elsewhere(self._led_to):
                return f"it goes on at {urlsplit(self._led_to).netloc}"
        is_login = self._is_on_way and asks_for_login(self._page.address, self._page.fields)
        return "it asks for a login" if is_login and self._had_login != self._page.address else None

    def not_done(self, refusal: Refusal, troubles: list[Trouble]) -> str:
        """The reason why an action is not done at all."""
        if refusal.at_checkout:
            return self.stopped(troubles)
        troubles.append("refused")
        return refusal.reason

    def stopped(self, troubles: list[Trouble], why: str = "") -> str:
        """The reason of a failure that ends the visit."""
        troubles.append("checkout_reached")
        return STOPPED + why


def _told(asked: Asked) -> str:
    return f"a {asked.method} request to {urlsplit(asked.url).path or '/'}"
