"""The teacher: follows a recorded session on the live store, step by step (2.1.2).

It sees only the page, so it works on any store whose pages name what they hold. If it cannot find something, it says
so and ends the visit; the judge then rejects the episode.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Generator

from simpersona.contracts import Moment, RecordedSession
from simpersona.pages import Action, Decision, Method, Node, Page
from simpersona.shopper.affordances import BACK, DISCLOSURE, describe
from simpersona.shopper.prices import title_in
from simpersona.traces import sight
from simpersona.traces.checkout_form import next_entry
from simpersona.traces.outline import outline, shortened
from simpersona.traces.voice import Voice
from simpersona.visits import Observation

Visit = Generator[Decision, Page, Page]
"""Yields decisions, receives the pages that they led to, returns the last page."""
Find = Callable[[Page], Node | None]

_ANYWHERE = frozenset({"search_submitted", "collection_viewed", "product_viewed", "product_added_to_cart"})
MAX_LIST_PAGES = 5
MAX_FORM_ROUNDS = 10
MAX_STAND_INS = 3
"""The number of replacements that are tried for a product that is sold out."""


class ReplayPolicy:
    """Does what the session did, in order (Policy "replay"). One policy per episode."""

    name = "replay"

    def __init__(self, session: RecordedSession, seed: int | None = None) -> None:
        self._moments = outline(session)
        self._voice = Voice(zlib.crc32(session.session_id.encode()) if seed is None else seed)
        self._visit: Visit | None = None
        self._list: Page | None = None  # the last list of products seen, and what leads back to it
        self._list_moment: Moment | None = None
        self._before = ""  # the address of the page before this one
        self._addresses: dict[str, str] = {}  # of the products seen, by title
        self._stand_ins: dict[str, str] = {}  # title of a missing product -> title of its replacement

    async def act(self, observation: Observation) -> Decision:
        """The next step of the session, or the end."""
        page = observation.page
        try:
            if self._visit is None:
                self._visit = self._shop(page)
                return next(self._visit)
            return self._visit.send(page)
        except StopIteration:
            ordered = bool(self._moments) and self._moments[-1].event == "checkout_completed"
            return Decision(None, self._voice.say("ordered" if ordered else "leave"))
        except _LostError as lost:
            return Decision(None, self._voice.say("lost", str(lost)))

    def _shop(self, page: Page) -> Visit:
        for moment in self._moments:
            page = yield from self._live(moment, page)
        return page

    def _live(self, moment: Moment, page: Page) -> Visit:
        if moment.event in _ANYWHERE and sight.in_checkout(page) and sight.search_box(page) is None:
            page, link = yield from self._look(page, sight.home_link, "the way back to the shop")
            page = yield from self._do(link, "click", "home", "", page)
        match moment.event:
            case "search_submitted":
                page = yield from self._search(moment.query or "", "search", page)
                self._remember(page, moment)
            case "collection_viewed":
                page = yield from self._collection(moment, page)
                self._remember(page, moment)
            case "product_viewed":
                page = yield from self._product(moment, page)
            case "product_added_to_cart":
                page = yield from self._add(moment, page)
            case "product_removed_from_cart":
                page = yield from self._remove(moment, page)
            case "cart_viewed" if not sight.in_cart(page):
                page = yield from self._cart(page)
            case "checkout_started":
                page = yield from self._checkout(page)
            case "checkout_completed":
                page = yield from self._order(page)
        return page

    # --- the moments --------------------------------------------------------------------------

    def _search(self, query: str, situation: str, page: Page) -> Visit:
        page, box = yield from self._leaf_through(page, sight.search_box, list_pages=0)
        if box is None:
            page, link = yield from self._look(page, sight.search_link, "the search field")
            page = yield from self._do(link, "click", "to search", query, page)
            page, box = yield from self._look(page, sight.search_box, "the search field")
        page = yield from self._do(box, "fill", situation, query, page, shortened(query))
        box = sight.search_box(page) or box
        return (yield from self._do(box, "press", "submit search", "", page, "Enter"))

    def _collection(self, moment: Moment, page: Page, situation: str = "collection", what: str = "") -> Visit:
        name = moment.collection or ""

        def find(seen: Page) -> Node | None:
            return sight.named_link(seen, name)

        page, link = yield from self._leaf_through(page, find, list_pages=0)
        if link is None and (menu := sight.menu(page)) is not None:
            page = yield from self._do(menu, "click", "menu", name, page)
            page, link = yield from self._leaf_through(page, find, list_pages=0)
        if link is None:
            page, overview = yield from self._look(page, sight.overview_link, f"the {name} collection")
            page = yield from self._do(overview, "click", "overview", name, page)
            page, link = yield from self._look(page, find, f"the {name} collection")
        return (yield from self._do(link, "click", situation, what or name, page))

    def _product(self, moment: Moment, page: Page) -> Visit:
        title = moment.title or ""
        page, link = yield from self._find_product(moment, page)
        if sight.says(link.name, title):
            page = yield from self._do(link, "click", "product", title, page)
        else:
            page = yield from self._take_instead(title, link, "nearest", page)
        self._addresses[title] = page.url
        return page

    def _take_instead(self, title: str, link: Node, situation: str, page: Page) -> Visit:
        self._stand_ins[title] = title_in(link.name)
        return (yield from self._do(link, "click", situation, title, page, stands_for=title))

    def _find_product(self, moment: Moment, page: Page) -> Generator[Decision, Page, tuple[Page, Node]]:
        """Its link: on this page, in the list seen before, in the collection of its type, or by searching its title;
        else the nearest title among what the search found, or in that collection.
        """
        title = moment.title or ""
        wanted, price = (self._stand_ins[title], None) if title in self._stand_ins else (title, moment.price)

        def find(seen: Page) -> Node | None:
            return sight.product_link(seen, wanted, price)

        page, link = yield from self._leaf_through(page, find)
        if link is None and self._list is not None and self._list_moment is not None and find(self._list):
            if page.goes_back and self._before == self._list.url:
                page = yield from self._do(page.nodes[0], "goto", "return", wanted, page, BACK)
            else:
                page = yield from self._return_to(self._list_moment, wanted, page)
            page, link = yield from self._leaf_through(page, find)
        shelf = sight.named_link(page, moment.product_type or "")
        if link is None and shelf is not None:
            page = yield from self._do(shelf, "click", "collection", shelf.name, page)
            page, link = yield from self._leaf_through(page, find)
        if link is None:
            page = yield from self._search(wanted, "find", page)
            page, link = yield from self._leaf_through(page, find)
        if link is None:
            page, link = yield from self._nearest(moment, page, but=())
        return page, link

    def _nearest(
        self, moment: Moment, page: Page, but: Collection[str]
    ) -> Generator[Decision, Page, tuple[Page, Node]]:
        """The link that is most like a product, on the page of what a search for it found, else in the collection of its type."""
        title = moment.title or ""

        def alike(seen: Page) -> Node | None:
            return sight.nearest_product(seen, title, but)

        page, link = yield from self._leaf_through(page, alike)
        shelf = sight.named_link(page, moment.product_type or "")
        if link is None and shelf is not None:
            page = yield from self._do(shelf, "click", "collection", shelf.name, page)
            page, link = yield from self._leaf_through(page, alike)
        if link is None:
            raise _LostError(title)
        return page, link

    def _return_to(self, moment: Moment, title: str, page: Page) -> Visit:
        if moment.event == "search_submitted":
            return (yield from self._search(moment.query or "", "return", page))
        return (yield from self._collection(moment, page, "return", title))

    def _add(self, moment: Moment, page: Page) -> Visit:
        title = moment.title or ""
        if self._addresses.get(title) != page.url:
            page = yield from self._product(moment, page)
        tried: list[str] = []
        while sight.sold_out(page) and len(tried) < MAX_STAND_INS:
            tried.append(self._stand_ins.get(title, title))
            page = yield from self._search(title, "sold out", page)
            page, link = yield from self._nearest(moment, page, but=tried)
            page = yield from self._take_instead(title, link, "nearest in stock", page)
            self._addresses[title] = page.url
        page, button = yield from self._look(page, sight.add_button, f"a way to buy {title}")
        for choice in sight.open_choices(page):
            page = yield from self._do(
                choice, "selectOptionFromDropdown", "choose", "", page, sight.first_option(choice)
            )
        button = sight.add_button(page) or button
        return (yield from self._do(button, "click", "add", title, page))

    def _remove(self, moment: Moment, page: Page) -> Visit:
        title = self._stand_ins.get(moment.title or "", moment.title or "")
        page = yield from self._cart(page)
        page, button = yield from self._look(page, lambda p: sight.remove_button(p, title), f"{title} in the cart")
        return (yield from self._do(button, "click", "remove", title, page))

    def _cart(self, page: Page) -> Visit:
        if sight.in_cart(page):
            return page
        page, link = yield from self._look(page, sight.cart_link, "the cart")
        page = yield from self._do(link, "click", "cart", "", page)
        if link.role == DISCLOSURE:
            page, link = yield from self._look(page, sight.cart_link, "the cart")
            page = yield from self._do(link, "click", "cart", "", page)
        return page

    def _checkout(self, page: Page) -> Visit:
        if sight.in_checkout(page):
            return page
        if sight.checkout_control(page) is None:
            page = yield from self._cart(page)
        page, control = yield from self._look(page, sight.checkout_control, "the checkout")
        return (yield from self._do(control, "click", "checkout", "", page))

    def _order(self, page: Page) -> Visit:
        for _ in range(MAX_FORM_ROUNDS):
            page = yield from self._fill_in(page)
            page, button = yield from self._look(
                page,
                lambda seen: sight.order_button(seen) or sight.onward_button(seen),
                "the next step of the checkout",
            )
            placing = sight.order_button(page) is not None
            page = yield from self._do(button, "click", "order" if placing else "onward", "", page)
            if sight.confirmed(page):
                return page
        raise _LostError("the end of the checkout")

    def _fill_in(self, page: Page) -> Visit:
        done: set[str] = set()
        while (entry := next_entry(page, done)) is not None:
            done.add(entry.node.name)
            methods: dict[str, Method] = {"fill": "fill", "choose": "selectOptionFromDropdown", "click": "click"}
            arguments = (entry.value,) if entry.value else ()
            what = entry.node.name.rstrip(" *:").lower()
            page = yield from self._do(entry.node, methods[entry.method], "fill in", what, page, *arguments)
        return page

    # --- looking and doing --------------------------------------------------------------------

    def _look(self, page: Page, find: Find, what: str) -> Generator[Decision, Page, tuple[Page, Node]]:
        """The page part on which the thing is, and the thing."""
        page, node = yield from self._leaf_through(page, find, list_pages=0)
        if node is None:
            raise _LostError(what)
        return page, node

    def _leaf_through(
        self, page: Page, find: Find, list_pages: int = MAX_LIST_PAGES
    ) -> Generator[Decision, Page, tuple[Page, Node | None]]:
        """Looks at this part of the page, the parts below, then the parts above, and at further pages of a list."""
        while (node := find(page)) is None and (root := sight.more_below(page)) is not None:
            page = yield from self._do(root, "nextChunk", "more", "", page)
        while node is None and (root := sight.more_above(page)) is not None:
            page = yield from self._do(root, "prevChunk", "up", "", page)
            node = find(page)
        if node is None and list_pages and (link := sight.next_page_link(page)) is not None:
            page = yield from self._do(link, "click", "next page", "", page)
            return (yield from self._leaf_through(page, find, list_pages - 1))
        return page, node

    def _do(
        self,
        node: Node,
        method: Method,
        situation: str,
        what: str,
        page: Page,
        *arguments: str,
        stands_for: str | None = None,
    ) -> Visit:
        """One action; tried once more if it fails."""
        for reason in (situation, "again"):
            action = Action(node.id, method, describe(node, method), arguments)
            here = page.url
            page = yield Decision(action, self._voice.say(reason, what), stands_for=stands_for)
            if page.url != here:
                self._before = here
            if page.failure is None:
                return page
        raise _LostError(f"a way on: {page.failure}")

    def _remember(self, page: Page, moment: Moment) -> None:
        self._list, self._list_moment = page, moment


class _LostError(Exception):
    """What the teacher needs is not on the page."""
