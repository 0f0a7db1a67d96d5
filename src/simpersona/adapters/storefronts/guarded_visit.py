"""What the guard of payments knows of one visit, and what it refused: both drivers keep one for a store that is not the lab's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlsplit

from simpersona.adapters.storefronts.form_fields import FormField
from simpersona.adapters.storefronts.payment_guard import Asked, PaymentGuard, Refusal, Situation
from simpersona.pages import Action, Node, Trouble

STOPPED = "This store is not the lab's: the visit stops at the checkout, nothing is filled in or paid"
_ENTERS = frozenset({"fill", "type", "selectOptionFromDropdown"})


class GuardedVisit:
    """The page and the gesture from which requests come, and the requests that were refused since the action began."""

    def __init__(self, guard: PaymentGuard, start: str) -> None:
        self._guard = guard
        self._seen = {start}  # pages that were opened once may be opened again
        self._page = Situation()
        self._refused: list[tuple[Asked, Refusal, bool]] = []  # with whether the visitor's gesture caused it
        self._has_sent = False  # a harmless request that sends something has left since the action began

    def see(self, address: str, headings: tuple[str, ...], fields: Iterable[FormField]) -> None:
        """Notes the page as it is shown."""
        self._seen.add(address)
        self._page = replace(self._page, address=address, headings=headings, fields=tuple(fields))

    def arrive(self, address: str) -> None:
        """Notes that a page loads: what it requests now is not the visitor's doing, and its fields are not known yet."""
        self._page = replace(self._page, address=address, headings=(), fields=(), gesture="none", control="")

    def begin(self, action: Action, node: Node, *, link: str, field: FormField | None) -> Refusal | None:
        """Notes the action that the visitor is about to do. Returns why it is not done, if so.

        `link` is the address that the node links to, `field` the description of the field that it enters something into.
        """
        self._has_sent = False
        gesture = self._guard.gesture(action, node, link=link)
        self._page = replace(self._page, gesture=gesture, control=node.name if gesture == "acts" else "")
        enters = action.method in _ENTERS or (action.method == "press" and len(action.arguments[0]) == 1)
        if enters and field is not None:
            if (refusal := self._guard.entry_refused(field, self._page)) is not None:
                return refusal
            if field.kind is not None:
                self._page = replace(self._page, typed=self._page.typed | {action.arguments[0]})
        if action.method in ("click", "doubleClick", "press") and self._guard.pays(node.name):
            return Refusal("", at_checkout=True)
        return None

    def decide(self, asked: Asked) -> Refusal | None:
        """Whether a request may leave: None if so, otherwise the reason, which is recorded."""
        again = asked.method == "GET" and asked.kind == "page" and asked.url in self._seen
        refusal = None if again else self._guard.refused(asked, self._page)
        if refusal is not None:
            self._refused.append((asked, refusal, self._page.gesture == "acts"))
        elif asked.method != "GET" and asked.kind in ("page", "script"):
            self._has_sent = True
        if refusal is None and asked.kind == "page" and asked.method == "GET":
            self.arrive(asked.url)
        return refusal

    def outcome(self, failure: str | None, troubles: list[Trouble]) -> str | None:
        """The reason why the action failed, with what was refused since it began; faults are added to `troubles`."""
        refused, self._refused = self._refused, []
        troubles.extend("refused" for _ in refused)
        for asked, refusal, is_caused in refused:
            of_action = asked.kind == "page" or (is_caused and asked.kind != "report" and not self._has_sent)
            if of_action and refusal.at_checkout:
                return self.stopped(troubles, f" ({_told(asked)} was refused: {refusal.reason})")
            if of_action and not failure:
                failure = f"This store is not the lab's: {_told(asked)} was refused, because {refusal.reason} (settings: store.guard)"
        return failure or None

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
