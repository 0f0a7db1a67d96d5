"""The window without a browser shows what Chromium shows, in every theme of the lab, whatever a shopper does."""

import asyncio
import random
import re

import pytest

from benchmarks.storefronts.server import Answer, Served
from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.config import StoreConfig
from simpersona.pages import Action
from simpersona.shopper.affordances import BACK, choices
from tests.adapters.live_pages import visit, without_browser

pytestmark = pytest.mark.slow
STEPS = 40
TYPED = ("2", "500", "garden", "ann@example.com", "1 Main Street")


def drawn(page, rng):
    """Any action that a model would be offered; forms and checkouts more often than their share of the page."""
    able = list(choices(page))
    deep = [(node, method) for node, method in able if node.role != "link" or "heck" in node.name]
    node, method = rng.choice(deep if deep and rng.random() < 0.6 else able)
    arguments = {"fill": TYPED, "press": ("Enter",), "goto": (BACK,), "selectOptionFromDropdown": node.options}.get(
        method
    )
    return Action(node.id, method, "", (rng.choice(arguments),) if arguments else ())


def told(page):
    return (
        page.url,
        page.title,
        re.sub(r"Order \d+", "Order", page.tree),
        page.failure,
    )  # each visitor has an order of its own


@pytest.mark.parametrize("number", range(4))
def test_any_walk_shows_the_same_pages(lab_addresses, number):
    shop = sorted(lab_addresses)[number]
    rng = random.Random(shop)

    async def walk():
        async with Browser(StoreConfig(), may_pay=True) as browser, HttpVisitors(StoreConfig(), may_pay=True) as http:
            windows = [
                make.visitor(lab_addresses[shop], f"visitor-{n}", within=f"/{shop}/")
                for n, make in enumerate((browser, http))
            ]
            pages, done = [await window.open() for window in windows], []
            seen = {pages[0].title}
            for _ in range(STEPS):
                assert told(pages[1]) == told(pages[0]), done
                done.append(drawn(pages[0], rng))
                pages = [await window.act(done[-1]) for window in windows]
                seen.add(pages[0].title)
            return seen

    assert len(asyncio.run(walk())) > 4


def test_frames_are_seen_and_used_alike(site):
    actions = [
        lambda page: Action(named(page, "textbox", 1), "fill", "", ("small",)),
        lambda page: Action(named(page, "button", 1), "click", ""),  # the second panel gives way to a product
        lambda page: Action(named(page, "link", 0), "click", ""),  # the first one to a collection
        lambda page: Action(named(page, "link", 3), "click", ""),  # and that to a product
        lambda page: Action("0-1", "goto", "", (BACK,)),
    ]

    async def walk(address, actions):
        async with Browser(StoreConfig(), may_pay=True) as browser, HttpVisitors(StoreConfig(), may_pay=True) as http:
            windows = [make.visitor(address, "one") for make in (browser, http)]
            pages = [[await window.open() for window in windows]]
            for make in actions:
                action = make(pages[-1][0])
                pages.append([await window.act(action) for window in windows])
            return [[told(page) for page in both] for both in pages]

    seen = asyncio.run(walk(site.url + "/panels", actions))
    assert [both[1] for both in seen] == [both[0] for both in seen]
    first, filled, *_, back = (both[0][2] for both in seen)
    assert first.count("heading: Panel") == 4  # a page is framed in itself once
    assert "[2-4] textbox: Size = small" in filled
    assert "There is no page before this one" in seen[-1][0][3]
    assert back == seen[-2][0][2]
    top = asyncio.run(walk(site.url + "/panels", [lambda page: Action(named(page, "link", 1), "click", "")]))
    assert top[1][0] == top[1][1]
    assert top[1][0][:2] == (site.url + "/cart", "Cart")


PLAIN_PAGES = {
    "icons": """<title>Shop</title><h1>Shop of mugs</h1><a href=/cart><svg width=20 height=20></svg></a><a href=/><img src=data:,
        width=9 height=9></a><button><svg width=20 height=20><use href="/icons.svg#icon-search"></use></svg></button><button><svg
        width=20 height=20><title>Your bag</title></svg></button><button class="x header__menu"></button><a href=/product><img
        src=data:, width=9 height=9></a><p>New</p><a href=/product>Blue mug</a><button>…</button><p><button></button></p>""",
    "boxes": """<title>Mug</title><form action=/product><input type=radio name=s id=s1 value=S style="display:none" checked><label for=s1>
        Small</label><label><input type=radio name=s value=M hidden> Medium</label><input type=checkbox id=g style="display:none"
        disabled><label for=g title="As a gift"><img src=data:, width=20 height=20></label><label><input type=checkbox> Seen</label>
        <button aria-disabled=true>Add to cart</button><fieldset disabled><button>Notify me</button></fieldset><div inert><a href=/x>Below</a>
        </div></form>""",
    "fields": """<title>Send</title><form action=/product><label>Deliver on <input type=date></label><label>At <input type=time value=10:30>
        </label><label>Ribbon <input type=color></label><label>Up to <input type=range min=1 max=5></label><label>City <input list=c>
        </label><datalist id=c><option>Bern</option></datalist><input role=combobox aria-label=Street><label>Name <input
        required aria-invalid=true aria-describedby=m></label><p id=m>Who gets it?</p><div role=combobox aria-label=Size>S</div><button>Go</button></form>""",
}


@pytest.mark.parametrize("html", PLAIN_PAGES.values(), ids=PLAIN_PAGES)
def test_what_needs_no_script_is_shown_and_used_alike(html):
    acts = [("Medium", "click"), ("Deliver on (yyyy-mm-dd)", "fill", "2030-06-15"), ("At (hh:mm)", "fill", "soon"),
            ("Ribbon (#rrggbb)", "fill", "#336699"), ("Up to", "selectOptionFromDropdown", "4"), ("Go", "click"), ("Name", "fill", "Ann"),
            ("Go", "click")]  # fmt: skip

    async def use(session, page):
        seen = [page]
        for name, method, *arguments in acts:
            found = next((one for one in seen[-1].nodes if one.name == name), None)
            if found is not None:
                seen.append(await session.act(Action(found.id, method, "", tuple(arguments))))
        return [(one.title, one.tree, one.failure, list(choices(one))) for one in seen]

    assert without_browser(html, use) == visit(html, use)


def named(page, role, place):
    """The id of the page's node of a role at this place among them."""
    return [node.id for node in page.nodes if node.role == role][place]


def test_without_a_browser_what_needs_one_is_told_and_a_double_click_is_two(site):
    async def use():
        async with HttpVisitors(StoreConfig(), may_pay=True) as http:
            window = http.visitor(site.url + "/hand", "one")
            page = await window.open()
            found = []
            for role, place, method, *arguments in (
                ("radio", 0, "doubleClick"),
                ("button", 0, "click"),
                ("button", 2, "hover"),
                ("button", 3, "dragAndDrop", named(page, "button", 4)),
                ("textbox", 0, "press", "Tab"),
            ):
                found.append(await window.act(Action(named(page, role, place), method, "", tuple(arguments))))
            return found

    ticked, *others = asyncio.run(use())
    assert (ticked.failure, ticked.node(named(ticked, "radio", 0)).value) == (None, "checked")
    assert [page.failure for page in others] == [
        "It needs a script, which this window does not run",
        "Nothing is shown on pointing at it without a browser",
        "Nothing can be dragged without a browser",
        "The key Tab does nothing without a browser",
    ]


def test_a_choice_among_buttons_is_seen_in_both():
    """As a shop offers sizes: buttons of which one is pressed."""

    class Sizes:
        log = None

        def answer(self, asked):
            buttons = "".join(f'<button aria-pressed="{state}">{size}</button>' for size, state in states.items())
            return Answer(f"<title>Sizes</title><div role=group>{buttons}<button>XL</button></div>")

    states = {"S": "false", "M": "true", "L": "mixed"}

    async def look(url):
        async with Browser(StoreConfig(), may_pay=True) as browser, HttpVisitors(StoreConfig(), may_pay=True) as http:
            return [await make.visitor(url, "v").open() for make in (browser, http)]

    with Served(Sizes()) as served:
        pages = asyncio.run(look(served.url))
    assert pages[0].tree == pages[1].tree
    assert [(node.name, node.value) for node in pages[0].nodes if node.role == "button"] == [
        ("S", ""),
        ("M", "pressed"),
        ("L", ""),
        ("XL", ""),
    ]


SUGGESTIONS = """<title>Shop</title><form action=/search role=search><input type=search name=q aria-label=Search></form>
    <ul role=listbox aria-label=Suggestions>
    <li role=group aria-label=Products><ul role=listbox><li role=option aria-selected=false><a href=/products/blue-mug><img src=/x alt="">
        <p>Blue mug</p><p>$18.00</p></a></li><li role=option><a href=/products/jug><img src=/x alt=Jug> <span>Red jug</span></a></li></ul></li>
    <li role=group aria-labelledby=x><span id=x>Collections</span><ul role=presentation><li role=option><a href=/collections/mugs>Mugs</a></li></ul></li>
    <li role=option><button form=f>All results</button></li></ul><form id=f action=/search><input type=hidden name=q value=mu></form>"""


@pytest.mark.parametrize("driver", [pytest.param(visit, marks=pytest.mark.slow, id="browser"), without_browser])
def test_suggestions_in_groups_are_offered_and_chosen_by_the_links_and_buttons_in_them(driver):
    async def choose_each(session, page):
        offered = next(node.options for node in page.nodes if node.role == "listbox")
        opened = []
        for option in offered:
            box = next(node for node in page.nodes if node.role == "listbox")
            after = await session.act(Action(box.id, "selectOptionFromDropdown", "", (option,)))
            assert after.failure is None
            opened.append(after.url.split("/", 3)[3])
            page = await session.act(Action(after.nodes[0].id, "goto", "", ("back",)))
        return offered, opened

    offered, opened = driver(SUGGESTIONS, choose_each)
    assert list(offered) == ["Blue mug $18.00", "Jug Red jug", "Mugs", "All results"]
    assert opened == ["products/blue-mug", "products/jug", "collections/mugs", "search?q=mu"]
