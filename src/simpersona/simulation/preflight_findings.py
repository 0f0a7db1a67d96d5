"""The findings on a store before the visits, judged from what was read of it: each with what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin

from simpersona.adapters.storefronts.bot_challenge import challenge_of
from simpersona.adapters.storefronts.plain_get import Answer
from simpersona.adapters.storefronts.user_agent import user_agent
from simpersona.config import StoreConfig
from simpersona.pages import Node, Page
from simpersona.shopper.affordances import ADD
from simpersona.shopper.goals import SOMETHING
from simpersona.simulation.store_outline import StoreOutline, outline, stems

if TYPE_CHECKING:
    from simpersona.adapters.storefronts.store_reader import StoreReader

Mark = Literal["good", "weak", "bad", "unknown"]
SLOW_SECONDS = 3.0
FEW_WORDS = 20
"""With fewer words of the store, nothing is said about goals."""
MOST_NAMED = 5
_CART = ("/cart", "/basket", "/warenkorb", "/panier", "/cart/add")
_CHECKOUT = ("/checkout", "/checkouts/", "/kasse", "/commande")
_SEEN_ROLES = frozenset({"link", "button", "heading", "searchbox", "textbox", "combobox", "checkbox", "radio"})


@dataclass(frozen=True)
class Finding:
    """One point: its mark, what was found, and what to do; the latter is empty where nothing is to be done."""

    topic: str
    mark: Mark
    found: str
    advice: str = ""

    def line(self) -> str:
        """The finding as a line of text."""
        shown = {"good": "ok", "weak": "note", "bad": "problem", "unknown": "unknown"}[self.mark]
        return f"{shown:<8} {self.topic:<10} {self.found}" + (f" → {self.advice}" if self.advice else "")


@dataclass
class StoreRead:
    """What was read of a store; None for what was not."""

    home: Answer | None = None
    home_outline: StoreOutline | None = None
    product: StoreOutline | None = None
    product_url: str | None = None
    names: list[str] = field(default_factory=list)
    """Texts that say what the store sells."""
    collections: list[str] = field(default_factory=list)
    """The names of collections on its first page."""
    products: list[str] = field(default_factory=list)
    """The titles of products on its pages and in its own list."""
    home_page: Page | None = None
    product_page: Page | None = None
    browser: str = ""
    """Why there is no page of Chromium; empty if there is."""
    refused: str = ""


def lacks(read: StoreRead) -> str:
    """What the store does not show or do without scripts; empty if nothing is known to be missing."""
    for name, page, shown in (
        ("first page", read.home_outline, read.home_page),
        ("product page", read.product, read.product_page),
    ):
        if page is None:
            continue
        missing = _missing_from_markup(page) if shown is None else _missing_beside(page, shown)
        if missing:
            return f"its {name} {missing}"
        if page.adds_by_form is False:
            return f"on its {name} the button that adds to the cart sends no form"
    return ""


def _missing_beside(page: StoreOutline, shown: Page) -> str:
    """What Chromium shows and the markup does not have, if it is more than half."""
    names = {node.name.casefold() for node in shown.nodes if node.role in _SEEN_ROLES and node.name}
    missing = sorted(name for name in names if not _has(page, name))
    if 2 * len(missing) > len(names):
        listed = ", ".join(f'"{name[:40]}"' for name in missing[:MOST_NAMED])
        return f"lacks {len(missing)} of the {len(names)} links, controls and headings that Chromium shows ({listed})"
    return ""


def _has(page: StoreOutline, name: str) -> bool:
    """Whether a name is in the page's text; the browser cuts long names with "…"."""
    return " ".join(name.removesuffix("…").split()) in page.text


def _missing_from_markup(page: StoreOutline) -> str:
    is_bare = page.controls < 5
    if not page.controls:
        return "has no link and no control in its markup"
    if page.empty_root and is_bare:
        return f"has an empty element #{page.empty_root} in its markup, which a script fills"
    if page.asks_for_scripts and is_bare:
        return "says that it needs JavaScript"
    return ""


def answer(read: StoreRead, url: str) -> Finding:
    """Whether the store answers, with what and how fast."""
    if read.home is None:
        return Finding("answer", "bad", f"{url} cannot be read: {read.refused}", "see the other findings")
    home = read.home
    page = read.home_outline or outline(home.text, home.url)
    nodes = [Node("", "link", text) for text, _ in page.links] + [
        Node("", "StaticText", text) for text in page.headings
    ]
    nodes += [Node("", "StaticText", page.text)]
    if (by := challenge_of(home.status, home.headers, page.title, nodes, page.frames)) is not None:
        advice = "let the store allow these visits: by user agent, signature or a secret header (docs/episodes.md)"
        return Finding("answer", "bad", f"the store keeps bots out ({by}, status {home.status})", advice)
    if home.status >= 400:
        advice = {401: "set store.access.login_env", 403: "see store.access"}.get(home.status, "check the address")
        return Finding("answer", "bad", f"the first page answers with an error ({home.status})", advice)
    found = f"the first page answers with {home.status} in {home.seconds:.1f} s"
    if home.seconds > SLOW_SECONDS:
        return Finding("answer", "weak", found, "raise store.action_timeout_seconds, and lower the concurrency")
    return Finding("answer", "good", found)


async def robots(reader: StoreReader, config: StoreConfig, read: StoreRead) -> AsyncIterator[Finding]:
    """What robots.txt forbids of what visits need."""
    if not config.politeness.robots:
        found = "it is not read (store.politeness.robots = false)"
        yield Finding("robots.txt", "good", found, "leave it so for your own store alone")
        return
    needed = {"the first page": reader.url, "products": read.product_url or ""}
    if read.home_outline is not None:
        needed["collections"] = next(iter(read.home_outline.addresses(of_products=False)), "")
    needed |= {"the cart": _first(reader, read, _CART), "the checkout": _first(reader, read, _CHECKOUT)}
    needed["the search"] = urljoin(reader.url, "/search?q=a")
    forbidden, reason = [], None
    for name, address in needed.items():
        if address and (reason := await reader.politeness.refused(address)) is not None:
            if "does not answer" in reason:
                yield Finding("robots.txt", "bad", reason, "check the address and store.access")
                return
            forbidden.append(name)
    if not forbidden:
        yield Finding("robots.txt", "good", "it allows all that visits need")
        return
    yield Finding(
        "robots.txt",
        "bad" if {"the first page", "products"} & set(forbidden) else "weak",
        f"it forbids {', '.join(forbidden)}: visits do not open them (the defaults of Shopify and others forbid cart and checkout)",
        'in your own store set store.politeness.robots = false, or add "User-agent: simpersona" with "Allow: /" to it; a '
        "store that knows its bots by Web Bot Auth can be asked to allow store.politeness.signature_key",
    )


def _first(reader: StoreReader, read: StoreRead, paths: Sequence[str]) -> str:
    """The address on the first page that begins with one of these paths, else the first of them."""
    links = [] if read.home_outline is None else [url for _, url in read.home_outline.links]
    candidates = [urljoin(reader.url, path) for path in paths]
    return next((url for url in links if any(url.startswith(start) for start in candidates)), candidates[0])


def scripts(read: StoreRead, lacking: str, drivers: Sequence[str]) -> Iterator[Finding]:
    """Whether the store needs scripts; `lacking` is the result of `lacks`."""
    if read.home_outline is None:
        return
    by = "compared with Chromium" if read.home_page is not None else "judged by the markup"
    beyond = "" if read.product is not None else "; no product page was found, so only the first page was examined"
    if lacking:
        mark: Mark = "bad" if "http" in drivers else "good"
        yield Finding("scripts", mark, f"it needs scripts: {lacking} ({by})", 'visit it with store.driver = "browser"')
    else:
        mark = "good" if read.product is not None else "weak"
        yield Finding("scripts", mark, f"its pages can be used without scripts ({by}{beyond})")
    if read.browser and "http" in drivers:
        yield Finding("scripts", "weak", f"its pages could not be compared with Chromium's: {read.browser}")


def checkout(read: StoreRead, of_robots: Sequence[Finding], config: StoreConfig) -> Finding:
    """Whether visits can get as far as the checkout."""
    end = "visits end at its checkout, nothing is filled in or paid"
    if any(
        "the cart" in finding.found or "the checkout" in finding.found
        for finding in of_robots
        if finding.mark != "good"
    ):
        found = "visits cannot reach it, because robots.txt forbids the way to it: additions and checkouts are counted too low"
        return Finding("checkout", "bad", found, "see robots.txt")
    page = read.product_page
    adds = page is not None and any(node.role == "button" and ADD.search(node.name) for node in page.nodes)
    if adds or (read.product is not None and read.product.adds_by_form is not None):
        return Finding("checkout", "good", f"a product can be added to the cart, and {end}")
    if read.product is None:
        return Finding(
            "checkout", "unknown", f"no product page was found; {end}", "check the first visits by simpersona replay"
        )
    found = 'no button such as "Add to cart" is in the markup of a product page'
    advice = (
        "check that goods can be bought there"
        if config.driver == "http"
        else "check the first visits by simpersona replay"
    )
    return Finding("checkout", "unknown", found, advice)


def nameless(wishes: Sequence[str], offers: Sequence[str]) -> Iterator[Finding]:
    """Where the goals of visits without a wish come from."""
    count = sum(wish == SOMETHING for wish in wishes)
    found = f"the sessions of {count:,} visits name no product, collection or search"
    found += f"; they look for what the store's own pages name: {_listed(offers)}" if offers else ""
    found += "" if offers else "; neither do the store's pages that were read, so they look for something new"
    yield Finding("goals", "weak", found, "give the catalogue with the log, so that goals come from the sessions")


def goals(wishes: Sequence[str], read: StoreRead) -> Iterator[Finding]:
    """Whether the store sells what the goals name."""
    wishes = [wish for wish in wishes if wish != SOMETHING]
    if not wishes:
        return
    sold = stems(read.names)
    if len(sold) < FEW_WORDS:
        found = "too little is known of what the store sells: no products.json, no sitemap, few links on its first page"
        yield Finding("goals", "unknown", found, "check the first visits by simpersona replay")
        return
    fits = {wish: bool(stems([wish]) & sold) for wish in set(wishes)}
    count = sum(fits[wish] for wish in wishes)
    missing = sorted((wish for wish, fit in fits.items() if not fit), key=lambda wish: (-wishes.count(wish), wish))
    found = f"{count:,} of {len(wishes):,} visits want something that the store's own pages name"
    if missing:
        found += f"; not found: {_listed(missing)}"
        if own := list(dict.fromkeys(filter(None, read.collections))):
            found += f"; its collections: {_listed(own)}"
    share = count / len(wishes)
    mark: Mark = "good" if share >= 0.8 else "weak" if share >= 0.5 else "bad"
    advice = "goals come from the sessions of source.path: use the log and the catalogue of this store"
    yield Finding("goals", mark, found, "" if mark == "good" else advice)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (" …" if len(names) > MOST_NAMED else "")


def access(config: StoreConfig) -> Iterator[Finding]:
    """What visitors send to get in, and what follows from it."""
    settings = config.access
    used = [name for name in type(settings).model_fields if getattr(settings, name)]
    if used:
        yield Finding("access", "good", f"visits use store.access: {', '.join(used)}")
    if settings.state_file is not None:
        found = (
            "all visits have one saved login state: what the store keeps for the account, such as its cart, they share"
        )
        yield Finding("access", "weak", found, "set store.access.cookies_env instead if a visit needs no account")
    if settings.any_certificate:
        yield Finding("access", "weak", "any certificate is accepted", "use this in a staging store of your own alone")


def recognition(config: StoreConfig, drivers: Sequence[str]) -> Finding:
    """How the store can tell these visits from others."""
    politeness, ways = config.politeness, []
    if politeness.user_agent_suffix:
        ways.append(f'a user agent that ends with "{politeness.user_agent_suffix}"')
    if "http" in drivers:
        ways.append(f'without a browser the user agent "{user_agent(config)}"')
    if politeness.signature_key is not None or politeness.signature_headers_env:
        ways.append("the signature of Web Bot Auth (header Signature-Input)")
    ways += [f"the header {name}" for name in config.access.headers_env]
    cookie = 'the cookie "visitor", whose value is the id of the visit (episode_id in the tables)'
    if "browser" not in drivers:
        cookie += ". No script runs, so analytics in the page record nothing"
    found = f"visits are recognised by {', '.join([*ways, cookie])}"
    if not ways:
        return Finding("analytics", "weak", found, 'set store.politeness.user_agent_suffix = "simpersona"')
    return Finding("analytics", "good", found, "leave them out of the store's analytics by one of these")
