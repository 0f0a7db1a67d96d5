"""Events of a store without an event log, inferred from what the store did and showed.

This is an inference, not a record. Each event keeps the evidence that it rests on; what no evidence tells is unknown, which
is not the same as zero. Figures that rest on it say so. Events can be inferred again from a stored visit
(`records.read_episodes`): its pages keep the effects and the content that the driver read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

import pyarrow as pa

from simpersona.contracts import EVENTS
from simpersona.pages import Effect, Page, PageKind, ShopEvent
from simpersona.shopper.additions import AdditionEvidence, addition
from simpersona.shopper.cart_seen import CartSeen
from simpersona.shopper.page_kinds import LONG_LIST, PageEvidence, SeenPage, seen_page
from simpersona.visits import Episode, Step

Evidence = Literal["ending", PageEvidence, AdditionEvidence]
"""What an event rests on: "analytics" (an event that the page reports), "cart_answer" (the answer to the cart's request),
"cart_shown" (the content of the cart before and after), "markup", "address", "structure" (of the page), "control" (the name of
a control, where the driver reports no effects), or "ending" (the visit ended at the checkout)."""
EVIDENCE: tuple[Evidence, ...] = ("ending", *get_args(PageEvidence), *get_args(AdditionEvidence))
_VIEWS: dict[PageKind, ShopEvent] = {
    "product": "product_viewed",
    "collection": "collection_viewed",
    "search": "search_submitted",
    "cart": "cart_viewed",
    "checkout": "checkout_started",
    "order": "checkout_completed",
}
_UNTOLD_PAGE: frozenset[ShopEvent] = frozenset({"product_viewed", "collection_viewed"})
"""The events that a page of an unknown kind may stand for."""


@dataclass(frozen=True)
class ObservedEvent:
    """One inferred event of a visit: at the page of step number `step`, `seconds` after the visit began."""

    event: ShopEvent
    evidence: Evidence
    step: int
    seconds: float
    product_id: str | None = None
    collection_id: str | None = None
    query: str | None = None


@dataclass(frozen=True)
class ObservedVisit:
    """The inferred events of one visit in order, and the kinds of events of which there may be more: these are unknown."""

    events: tuple[ObservedEvent, ...]
    unknown: frozenset[ShopEvent]


def observed_visit(episode: Episode) -> ObservedVisit:
    """The events of one visit, inferred from its pages and their effects.

    Product and collection ids are the part of the address that names the page, else the id that the page states.
    """
    reading = _read(episode, {})
    if reading.learnt:  # other pages of the visit were products too
        reading = _read(episode, reading.learnt)
    return ObservedVisit(tuple(reading.events), reading.unknown())


def _read(episode: Episode, learnt: Mapping[str, tuple[ShopEvent, Evidence]]) -> _Reading:
    """The visit, read with the events that its pages of an unknown kind stand for, by address."""
    reading = _Reading(CartSeen(episode.steps), reported=dict(learnt))
    for step, following in zip(episode.steps, [*episode.steps[1:], None], strict=True):
        reading.see(step)
        reading.seconds += step.seconds
        if following is not None and step.decision.action is not None:
            reading.act(step, following.page)
    if episode.ending == "checkout_reached" and not reading.has("checkout_started"):
        reading.add("checkout_started", "ending", max(len(episode.steps) - 1, 0))
    folders = {_folder(address) for address in reading.products}
    for page in (step.page for step in episode.steps):
        is_product = page.url in reading.products or (_folder(page.url) in folders and bool(_folder(page.url)))
        if is_product and _may_be_product(page):
            reading.learnt.setdefault(page.url, ("product_viewed", "structure"))
    return reading


def observed_events(episodes: Sequence[Episode]) -> pa.Table:
    """EVENTS rows inferred from episodes; `buyer_id` is the episode id, times count from 1970 on.

    Prices and order ids are unknown.
    """
    rows = [row for episode in episodes for row in _rows(episode)]
    return pa.Table.from_pylist(rows, schema=EVENTS.schema)


@dataclass
class _Reading:
    """A visit that is read step by step."""

    cart: CartSeen
    events: list[ObservedEvent] = field(default_factory=list)
    seconds: float = 0.0
    first: str = ""
    """The address at which the visit began."""
    untold: set[ShopEvent] = field(default_factory=set)
    shown: tuple[ShopEvent, str | None] | None = None
    """The event of the page before, with the product, the collection or the query."""
    reported: dict[str, tuple[ShopEvent, Evidence]] = field(default_factory=dict)
    """The events that pages of an uncertain kind reported, or that were learnt of them later, by address, with the evidence."""
    products: set[str] = field(default_factory=set)
    """Addresses of pages of an unknown kind on which an action added to the cart."""
    learnt: dict[str, tuple[ShopEvent, Evidence]] = field(default_factory=dict)
    """What was learnt of pages of an unknown kind after they were seen."""
    entered: bool = False
    """Whether the visitor pressed Enter on the page before: the same search again is another one."""
    undecided: list[tuple[int, float, str | None]] = field(default_factory=list)
    """Attempts to add of which nothing has shown yet whether they did: step, seconds, product."""

    def see(self, step: Step) -> None:
        """Adds the event that seeing the step's page stands for, and what the page reports besides."""
        page, reported = seen_page(step.page), _reported(step.page)
        if not step.number:
            self.first = step.page.url
        if step.page.url == self.first and (page.kind, page.evidence) == ("collection", "structure"):
            page = replace(page, kind="other")  # a home page shows products, too
        event = _VIEWS.get(page.kind) if page.kind is not None else None
        if reported is not None and reported.event != event and page.evidence in (None, "structure"):
            self.reported[step.page.url] = reported.event, "analytics"
        evidence: Evidence | None = page.evidence
        if (known := self.reported.get(step.page.url)) is not None:
            event, evidence = known
        elif _asks_for_delivery(step.page) and (page.kind, page.evidence) in ((None, None), ("other", "structure")):
            event, evidence = "checkout_started", "structure"
        elif page.kind is None and not any(effect.source == "cart_answer" for effect in step.page.effects):
            self.untold |= _UNTOLD_PAGE  # the answer to an addition is not a view
        if event is None or evidence is None:
            self.shown = None
        else:
            is_reported = reported is not None and reported.event == event
            self._add_view(step.number, event, "analytics" if is_reported else evidence, page)
        if reported is not None and reported.event != event:  # of a window over the page, such as a quick view
            self.add(reported.event, "analytics", step.number, product_id=reported.product_id)

    def act(self, step: Step, after: Page) -> None:
        """Adds the event of an addition to the cart, if the step's action was one."""
        action = step.decision.action
        self.entered = action is not None and action.method == "press" and step.succeeded
        if action is not None and action.method == "goto":
            return  # a page from the browser's memory may show an older cart
        change = self.cart.change(after.content)
        result = addition(step, after, change)
        here = seen_page(step.page)
        product = here.name if here.kind == "product" else result.product_id
        if result.added and step.page.url not in self.reported and _may_be_product(step.page):
            self.products.add(step.page.url)
        if result.added:
            self.add("product_added_to_cart", result.evidence or "control", step.number, product_id=product)
        elif result.added is None:
            self.undecided.append((step.number, self.seconds, product))
            return
        if change == "grew" and not result.added and self.undecided:
            number, seconds, product = self.undecided.pop()
            event = ObservedEvent("product_added_to_cart", "cart_shown", number, seconds, product_id=product)
            self.events.append(event)
        if change != "unseen":
            self.undecided.clear()

    def add(self, event: ShopEvent, evidence: Evidence, step: int, **ids: str | None) -> None:
        """Adds an event at the current time."""
        self.events.append(ObservedEvent(event, evidence, step, self.seconds, **ids))

    def has(self, event: ShopEvent) -> bool:
        """Whether the visit has the event."""
        return any(one.event == event for one in self.events)

    def unknown(self) -> frozenset[ShopEvent]:
        """The kinds of events of which there may be more than were found."""
        additions: set[ShopEvent] = {"product_added_to_cart"} if self.undecided else set()
        return frozenset(self.untold | additions)

    def _add_view(self, step: int, event: ShopEvent, evidence: Evidence, page: SeenPage) -> None:
        """Adds the event of a page, unless the page before was the same."""
        names = {"product_viewed": "product_id", "collection_viewed": "collection_id", "search_submitted": "query"}
        column = names.get(event)
        value = (page.query if column == "query" else page.name) or None if column is not None else None
        again = event == "search_submitted" and self.entered
        if (event, value) != self.shown or again:
            self.add(event, evidence, step, **({column: value} if column is not None else {}))
        self.shown = event, value


def _may_be_product(page: Page) -> bool:
    """Whether a page of an unknown kind shows a price of its own, as a product's does, and no long list."""
    content = page.content
    if content is None or seen_page(page).kind is not None or _asks_for_delivery(page):
        return False
    return content.prices > 0 and content.cards < LONG_LIST


def _folder(url: str) -> str:
    """The address without its last part, as far as it holds more than the host: pages of one kind may share it."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/").rpartition("/")[0]
    return f"{parts.netloc}{path}" if path else ""


def _asks_for_delivery(page: Page) -> bool:
    return any(effect.source == "fields" for effect in page.effects)


def _reported(page: Page) -> Effect | None:
    """The view that the page reports to its analytics; None if it reports none, or the products of a list one by one."""
    views = [effect for effect in page.effects if effect.source == "analytics" and effect.event in _VIEWS.values()]
    products = {effect.product_id for effect in views if effect.event == "product_viewed"}
    return next((effect for effect in views if effect.event != "product_viewed" or len(products) == 1), None)


def _rows(episode: Episode) -> Iterator[dict[str, Any]]:
    for event in sorted(observed_visit(episode).events, key=lambda event: event.seconds):
        yield dict.fromkeys(EVENTS.columns) | {
            "shop_id": episode.goal.shop_id,
            "buyer_id": episode.episode_id,
            "session_id": episode.episode_id,
            "time": datetime.fromtimestamp(0, UTC) + timedelta(seconds=event.seconds),
            "event": event.event,
            "product_id": event.product_id,
            "collection_id": event.collection_id,
            "query": event.query,
        }
