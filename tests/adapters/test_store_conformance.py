"""What every storefront does, run over all of them: the same shop gives the same pages."""

import asyncio
from contextlib import asynccontextmanager
from typing import get_args

import pytest

from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.adapters.storefronts.scripted import ScriptedStore, scripted_page
from simpersona.config import PolitenessConfig, StoreConfig
from simpersona.errors import ConfigError, StorefrontError
from simpersona.pages import Action, Method
from simpersona.shopper.prompt import reply_schema

AT_ONCE = StoreConfig(politeness=PolitenessConfig(requests_per_minute=100_000))
STORES = [pytest.param("browser", marks=pytest.mark.slow), "http", "scripted"]


@pytest.fixture(params=STORES)
def visits(request, site, script):
    """An async context manager that gives a function making windows on the tiny shop."""

    @asynccontextmanager
    async def browser():
        async with Browser(AT_ONCE) as running:
            yield lambda: running.visitor(site.url + "/", "visitor-1")

    @asynccontextmanager
    async def http():
        async with HttpVisitors(AT_ONCE) as running:
            yield lambda: running.visitor(site.url + "/", "visitor-1")

    @asynccontextmanager
    async def scripted():
        pages, transitions = script
        yield lambda: ScriptedStore(pages, transitions, first="/")

    return {"browser": browser, "http": http, "scripted": scripted}[request.param]


def with_window(visits, use):
    async def run():
        async with visits() as make:
            window = make()
            try:
                return await use(window)
            finally:
                await window.close()

    return asyncio.run(run())


def click(node):
    return Action(node, "click", "")


def test_pages_are_those_of_the_script(visits, script):
    pages, _ = script

    async def use(window):
        seen = [await window.open()]
        seen.extend([await window.act(click(node)) for node in ("0-3", "0-6", "0-9", "0-2")])
        return seen

    seen = with_window(visits, use)
    assert [page.tree for page in seen] == [pages[path].tree for path in ("/", "/skirts", "/pleated", "/cart", "/")]
    assert [page.title for page in seen] == ["Tiny shop", "Skirts", "Pleated Skirt", "Cart", "Tiny shop"]
    assert [page.url.partition("?")[0].rpartition("/")[2] for page in seen] == ["", "skirts", "pleated", "cart", ""]
    assert all(page.failure is None for page in seen)


def test_a_page_begins_with_itself_and_ids_count_up(visits):
    page = with_window(visits, lambda window: window.open())
    assert page.nodes[0].role == "RootWebArea"
    assert [node.id for node in page.nodes] == [f"0-{i}" for i in range(1, len(page.nodes) + 1)]
    assert "anyOf" in reply_schema(page)


def test_what_is_typed_and_chosen_is_seen(visits):
    async def use(window):
        await window.open()
        typed = await window.act(Action("0-4", "fill", "", ("red skirt",)))
        retyped = await window.act(Action("0-4", "fill", "", ("blue",)))
        for node in ("0-3", "0-6"):
            await window.act(click(node))
        chosen = await window.act(Action("0-7", "selectOptionFromDropdown", "", ("M",)))
        return typed.node("0-4").value, retyped.node("0-4").value, chosen.node("0-7").value

    assert with_window(visits, use) == ("red skirt", "blue", "M")


def test_what_cannot_be_done_is_told_and_changes_nothing(visits):
    async def use(window):
        before = await window.open()
        for action in (
            click("0-99"),
            click("0-6"),
            Action("0-2", "fill", "", ("x",)),
            Action("0-4", "fill", ""),
            Action("0-4", "selectOptionFromDropdown", "", ("x",)),
        ):
            after = await window.act(action)
            assert after.failure
            assert after.nodes == before.nodes
        after = await window.act(Action("0-6", "scrollTo", ""))
        assert (after.failure, after.nodes) == (None, before.nodes)

    with_window(visits, use)


def test_the_way_back_leads_to_the_page_before_and_no_further_than_the_first(visits):
    back = Action("0-1", "goto", "", ("back",))

    async def use(window):
        first = await window.open()
        refused = await window.act(back)
        actions = (click("0-3"), click("0-6"), back, click("0-6"), back, back, back)
        return [first, refused, *[await window.act(action) for action in actions]]

    first, refused, *seen, last = with_window(visits, use)
    assert (first.goes_back, refused.goes_back, refused.nodes) == (False, False, first.nodes)
    assert refused.failure == last.failure == "There is no page before this one"
    assert [page.title for page in seen] == [
        "Skirts",
        "Pleated Skirt",
        "Skirts",
        "Pleated Skirt",
        "Skirts",
        "Tiny shop",
    ]
    assert [page.goes_back for page in seen] == [True] * 5 + [False]
    assert [page.failure for page in seen] == [None] * 6


SIZE = "0-7"
EVERY_METHOD = [  # (method, node, arguments, what is then seen; a reason where a window may have one)
    ("click", "0-3", (), lambda page: page.title == "Skirts"),
    ("doubleClick", "0-3", (), lambda page: page.title == "Skirts"),
    ("fill", "0-4", ("red",), lambda page: page.node("0-4").value == "red"),
    ("type", "0-4", ("red",), lambda page: page.node("0-4").value == "red"),
    ("press", "0-4", ("Enter",), lambda page: page.title == "Skirts"),
    ("selectOptionFromDropdown", SIZE, ("M",), lambda page: page.node(SIZE).value == "M"),
    ("scrollTo", "0-9", (), lambda page: page.title == "Pleated Skirt"),
    ("hover", "0-9", (), lambda page: page.title == "Pleated Skirt"),
    ("dragAndDrop", "0-9", ("0-3",), lambda page: page.title == "Pleated Skirt"),
    ("nextChunk", "0-1", (), None),
    ("prevChunk", "0-1", (), None),
    ("goto", "0-1", ("back",), lambda page: page.title == "Skirts"),
]
NOT_EVERYWHERE = {"hover", "dragAndDrop"}


def test_every_method_gives_the_next_page_or_a_reason(visits):
    assert {method for method, *_ in EVERY_METHOD} == set(get_args(Method))

    async def use(window):
        for method, node, arguments, seen in EVERY_METHOD:
            for step in (None, click("0-3"), click("0-6")):
                page = await (window.open() if step is None else window.act(step))
            assert page.title == "Pleated Skirt"
            after = await window.act(Action(node, method, "", arguments))
            if seen is None or (method in NOT_EVERYWHERE and after.failure):
                assert after.failure
                assert " " in after.failure
                assert after.nodes == page.nodes
            else:
                assert (method, after.failure, seen(after)) == (method, None, True)
            await window.close()

    with_window(visits, use)


def test_before_opening_and_after_closing_nothing_can_be_done(visits):
    async def use(window):
        with pytest.raises(StorefrontError):
            await window.act(click("0-2"))
        await window.open()
        await window.close()
        await window.close()
        with pytest.raises(StorefrontError):
            await window.act(click("0-2"))

    with_window(visits, use)


def test_a_page_is_read_back_from_its_lines():
    tree = "[0-1] RootWebArea: Shop = part 1 of 2\n[0-2] combobox: Size = S (S | M)\n[0-3] link: A (b) - $4"
    page = scripted_page("http://shop.example/", tree)
    assert page.tree == tree
    assert page.nodes[1].options == ("S", "M")
    assert (page.nodes[2].name, page.nodes[2].value) == ("A (b) - $4", "")
    with pytest.raises(ConfigError, match="is not a node"):
        scripted_page("http://shop.example/", "link Skirts")


@pytest.mark.parametrize("windows", [pytest.param(Browser, marks=pytest.mark.slow), HttpVisitors])
def test_a_long_page_is_read_part_by_part_to_its_end_and_back(site, windows):
    async def run():
        async with windows(StoreConfig(max_page_tokens=600)) as running:
            window = running.visitor(site.url + "/long", "visitor-1")
            pages = [await window.open()]
            pages.extend([await window.act(Action("0-1", method, "")) for method in ["nextChunk"] * 5 + ["prevChunk"]])
            await window.close()
            return pages

    pages = asyncio.run(run())
    assert [page.nodes[0].value for page in pages] == [f"part {n} of 5" for n in (1, 2, 3, 4, 5, 5, 4)]
    assert [page.failure for page in pages] == [None] * 5 + ["This is the last part of the page", None]
    names = [node.name for page in pages[:5] for node in page.nodes if node.role == "link"]
    assert names == [f"Skirt {i}" for i in range(1, 101)]
