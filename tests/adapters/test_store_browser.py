"""The browser's traps: other hosts, tabs, dialogs, slow pages, hidden controls, long pages, payment."""

import asyncio

import pytest

from simpersona.adapters.store_browser import Browser
from simpersona.adapters.store_browser_tree import kept_nodes
from simpersona.config import StoreConfig
from simpersona.errors import StorefrontError
from simpersona.pages import Action

pytestmark = pytest.mark.slow


def visit(address, use, *, may_pay=True, visitor="visitor-1", within="/", **settings):
    """What `use(window, first page)` gives on a fresh browser."""

    async def run():
        async with Browser(StoreConfig(**settings), may_pay=may_pay) as browser:
            window = browser.visitor(address, visitor, within=within)
            try:
                return await use(window, await window.open())
            finally:
                await window.close()

    return asyncio.run(run())


def named(page, name):
    return next(node.id for node in page.nodes if node.name == name)


async def click(window, page, name):
    return await window.act(Action(named(page, name), "click", ""))


def test_the_store_knows_the_visitor_by_the_cookie(site):
    async def use(_, page):
        return page

    site.cookies.clear()
    visit(site.url + "/", use, visitor="episode-7")
    assert set(site.cookies) == {"visitor=episode-7"}


def test_traps(site):
    async def use(window, page):
        async def after(name):
            shown = await click(window, await window._look(), name)
            if not shown.url.endswith("/traps"):
                await window._tab.goto(site.url + "/traps")
            return shown

        away, popup_away = await after("Away"), await after("Window away")
        for shown in (away, popup_away):
            assert "elsewhere.example" in shown.failure
            assert shown.url == site.url + "/traps"
        for name, path in (("Tab", "/cart"), ("Window", "/skirts"), ("Script", "/pleated"), ("Slow", "/slow")):
            shown = await after(name)
            assert (shown.failure, shown.url) == (None, site.url + path)
        assert (await after("Dialog")).title == "Told"
        assert "fetched" in (await after("Fetch")).tree
        assert "error (500)" in (await after("Error")).failure
        assert len(window._context.pages) == 1
        return True

    assert visit(site.url + "/traps", use)


def test_a_visitor_of_one_shop_cannot_leave_for_the_shop_beside_it(site):
    async def use(window, page):
        shown = [page]
        for name in ("Home", "Next shop", "Sent on", "All shops", "Tab to it", "Own page"):
            shown.append(await click(window, shown[-1], name))
        return shown

    site.cookies.clear()
    home, same, *refused, own = visit(site.url + "/mall/a/", use, visitor="episode-7", within="/mall/a/")
    assert (same.url, same.failure) == (home.url, None)
    for page, place in zip(refused, ("/mall/b/", "/mall/b/", "/mall/", "/mall/b/"), strict=True):
        assert page.url == home.url
        assert (
            page.failure == f"It leads away from this store, to {site.url.removeprefix('http://')}{place}: not opened"
        )
    assert (own.url, own.failure) == (site.url + "/mall/a/own", None)
    assert set(site.cookies) - {""} == {"visitor=episode-7"}  # "": the host's icon, outside the shop's path


def test_a_stalled_page_is_a_failure_in_words_and_the_visit_goes_on(site):
    async def use(window, page):
        stalled = await click(window, page, "Stall")
        return stalled, await window.act(Action("0-1", "scrollTo", ""))

    stalled, after = visit(site.url + "/traps", use, action_timeout_seconds=0.5)
    assert "did not load within 0.5 s" in stalled.failure
    assert after.nodes


def test_a_hand_that_reaches_hidden_controls_and_does_all_gestures(site):
    async def use(window, page):
        said = []
        for name, method, *arguments in (
            ("Guest", "click"),
            ("Covered", "click"),
            ("Twice", "doubleClick"),
            ("Over", "hover"),
            ("Keys", "press", "Enter"),
            ("Keys", "type", "ab"),
            ("Drag", "dragAndDrop", named(page, "Drop")),
        ):
            page = await window.act(Action(named(page, name), method, "", tuple(arguments)))
            assert page.failure is None
            said.append(page.nodes[-1].name)
        return said, page.node(named(page, "Guest")).value, page.node(named(page, "Keys")).value

    said, guest, keys = visit(site.url + "/hand", use)
    assert said == ["nothing", "covered", "twice", "over", "key Enter", "key b", "dropped"]
    assert (guest, keys) == ("checked", "ab")


def test_a_key_that_does_not_exist_is_a_failure_in_words(site):
    async def use(window, page):
        return await window.act(Action(named(page, "Keys"), "press", "", ("Hyperspace",)))

    assert "Hyperspace" in visit(site.url + "/hand", use).failure


def test_a_long_page_is_read_in_parts_and_numbers_stay(site):
    async def use(window, page):
        parts = [page]
        parts.extend([await window.act(Action("0-1", method, "")) for method in ["nextChunk"] * 4 + ["prevChunk"]])
        clicked = await click(window, parts[-1], parts[-1].nodes[1].name)
        return parts, clicked

    parts, clicked = visit(site.url + "/long", use, max_nodes=60)
    assert [page.nodes[0].value for page in parts] == [f"part {n} of 4" for n in (1, 2, 3, 4, 4, 3)]
    first_four = [node.id for page in parts[:4] for node in page.nodes[1:]]
    assert first_four == [f"0-{i}" for i in range(2, 202)]
    assert all(len(page.nodes) <= 60 for page in parts)
    assert clicked.title == "Pleated Skirt"
    assert clicked.nodes[0].value == ""


def test_names_are_cut(site):
    async def use(_, page):
        return page

    assert visit(site.url + "/", use, max_name_chars=8).tree.splitlines()[-1] == "[0-6] StaticText: We sell…"


PAYING = ("Place order", "Confirm and pay", "Pay with card", "Complete your purchase", "Pay $12.00")


def test_a_store_of_somebody_else_is_never_paid(site):
    async def use(window, page):
        assert (await click(window, page, "Paypal news")).failure is None
        ordered = {(await click(window, page, name)).failure for name in PAYING}
        page = await click(window, page, "Go to checkout")
        filled = await window.act(Action(named(page, "Email"), "fill", "", ("a@example.com",)))
        return ordered, page.url, filled.failure, filled.node(named(page, "Email")).value

    ordered, reached, filled, value = visit(site.url + "/basket", use, may_pay=False)
    assert reached.endswith("/checkout/")
    assert ordered == {filled}
    assert "the visit stops at the checkout" in filled
    assert value == ""


def test_the_lab_s_store_may_be_paid(site):
    async def use(window, page):
        return await window.act(Action(named(page, "Email"), "fill", "", ("a@example.com",)))

    assert visit(site.url + "/checkout/", use).failure is None


def test_a_store_that_does_not_answer(site):
    async def run():
        async with Browser(StoreConfig()) as browser:
            for url in ("http://127.0.0.1:1/", site.url + "/nothing", site.url + "/error", "file:///etc/hostname"):
                window = browser.visitor(url, "one")
                with pytest.raises(StorefrontError, match=r"does not answer|answered (404|500)|not an http"):
                    await window.open()
                await window.close()

    asyncio.run(run())


def test_a_lost_page_and_a_lost_browser(site):
    async def run():
        async with Browser(StoreConfig()) as browser:
            window = browser.visitor(site.url + "/", "one")
            await window.open()
            await window._tab.close()
            with pytest.raises(StorefrontError, match="lost"):
                await window.act(Action("0-2", "click", ""))
            await window.close()
            await browser._chromium.close()
            window = browser.visitor(site.url + "/", "two")
            page = await window.open()  # started again
            await window.close()
            return page.title

    assert asyncio.run(run()) == "Tiny shop"


def test_an_empty_tree_has_no_nodes():
    assert kept_nodes([], 60) == []
