"""The browser's traps: other hosts, tabs, dialogs, slow pages, hidden controls, long pages, payment."""

import asyncio
import io
import os
import signal

import pytest

from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.browser_path import find_browser
from simpersona.adapters.storefronts.browser_tree import kept_nodes
from simpersona.config import StoreConfig
from simpersona.errors import ConfigError, StorefrontError
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


def shell(path, text):
    """An executable of shell script."""
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def test_a_browser_that_dies_as_it_starts_is_started_again(site, tmp_path):
    async def use(_, page):
        return page

    died, real = tmp_path / "died", find_browser(StoreConfig())
    once = shell(tmp_path / "once", f'if [ ! -e "{died}" ]; then touch "{died}"; exit 1; fi\nexec "{real}" "$@"\n')
    assert visit(site.url + "/", use, browser_path=once).title == "Tiny shop"
    assert died.exists()


def test_a_browser_that_never_starts_is_said_to_be_one(site, tmp_path):
    with pytest.raises(
        ConfigError, match=r"never does not start: .+\. Name another browser with store\.browser_path\."
    ):
        visit(site.url + "/", None, browser_path=shell(tmp_path / "never", "exit 1\n"))


def test_the_store_knows_the_visitor_by_the_cookie(site):
    async def use(_, page):
        return page

    site.cookies.clear()
    visit(site.url + "/", use, visitor="episode-7")
    assert set(site.cookies) == {"visitor=episode-7"}


def test_a_picture_of_what_the_window_shows_where_it_is_asked_for(site):
    image = pytest.importorskip("PIL.Image")

    async def use(window, page):
        low = page.nodes[-1].id
        return page, await window.act(Action(low, "scrollTo", ""))

    first, low = visit(site.url + "/long", use, screenshots=True)
    shots = [image.open(io.BytesIO(page.screenshot)) for page in (first, low)]
    assert {(shot.format, shot.size) for shot in shots} == {("JPEG", (640, 450))}
    assert shots[0].tobytes() != shots[1].tobytes()  # what is seen after scrolling, not the top of the page
    assert visit(site.url + "/long", use)[0].screenshot is None


def test_traps(site):
    async def use(window, page):
        async def after(name):
            shown = await click(window, await window._look(), name)
            if not shown.url.endswith("/traps"):
                await window._tab.tab.goto(site.url + "/traps")
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
    assert said == ["nothing", "twice", "over", "key Enter", "key b", "dropped"]
    assert (guest, keys) == ("checked", "ab")


def test_a_covered_button_is_not_pressed(site):
    async def use(window, page):
        return await click(window, page, "Covered")

    page = visit(site.url + "/hand", use)
    assert (page.failure, page.troubles) == ("It is covered by “.”: close that first", ("covered",))
    assert page.nodes[-1].name == "nothing"


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

    parts, clicked = visit(site.url + "/long", use, max_page_tokens=600)
    first, *_, last = (page.nodes[0].value for page in parts[:5])
    assert (first, last) == ("part 1 of 5", "part 5 of 5")
    assert [page.nodes[0].value for page in parts[1:]] == [f"part {n} of 5" for n in (2, 3, 4, 5, 4)]
    assert [node.id for page in parts[:5] for node in page.nodes[1:]] == [f"0-{i}" for i in range(2, 202)]
    assert all(500 < page.tokens <= 600 for page in parts[:4])
    assert clicked.title == "Pleated Skirt"
    assert clicked.nodes[0].value == ""


def test_names_are_cut(site):
    async def use(_, page):
        return page

    assert visit(site.url + "/", use, max_name_chars=8).tree.splitlines()[-1] == "[0-6] StaticText: We sell…"


def test_the_lab_s_store_may_be_paid(site):
    async def use(window, page):
        return await window.act(Action(named(page, "Email"), "fill", "", ("a@example.com",)))

    assert visit(site.url + "/checkout/", use).failure is None


def test_a_store_that_does_not_answer(site):
    async def run():
        async with Browser(StoreConfig()) as browser:
            for url in ("http://127.0.0.1:1/", site.url + "/nothing", site.url + "/error", "file:///etc/hostname"):
                window = browser.visitor(url, "one")
                with pytest.raises(StorefrontError, match=r"does not answer|with an error \((404|500)\)|not an http"):
                    await window.open()
                await window.close()

    asyncio.run(run())


def test_a_lost_tab_and_a_lost_browser_are_opened_again_where_the_visit_was(site):
    async def run():
        async with Browser(StoreConfig()) as browser:
            window = browser.visitor(site.url + "/", "one")
            page = await window.open()
            await click(window, page, "Skirts")
            shown = []
            for lost in (window._tab.tab, browser._chromium):
                await lost.close()
                shown.append(await click(window, page, "Skirts"))
            again = await click(window, shown[-1], "Pleated Skirt - $48")
            for _ in range(2):
                await window._tab.tab.close()
                last = window.act(Action("0-2", "click", ""))
                if _ == 0:
                    await last
            with pytest.raises(StorefrontError, match="lost 4 times"):
                await last
            await window.close()
            return shown, again

    (tab, browser), again = asyncio.run(run())
    assert (tab.title, tab.troubles) == ("Skirts", ("tab_lost",))
    assert "opened again" in tab.failure
    assert (browser.title, browser.troubles) == ("Skirts", ("browser_lost",))
    assert (again.title, again.failure, again.troubles) == ("Pleated Skirt", None, ())


def test_a_browser_that_dies_while_a_window_is_opened_is_replaced(site):
    async def run():
        async with Browser(StoreConfig()) as browser:
            first = browser.visitor(site.url + "/", "one")
            await first.open()
            pid = await chromium_process(browser._chromium)
            os.kill(pid, signal.SIGKILL)  # not noticed before the event loop runs
            assert browser._chromium.is_connected()
            second = browser.visitor(site.url + "/", "two")
            page = await second.open()
            await first.close()
            await second.close()
            return page

    page = asyncio.run(run())
    assert (page.title, page.failure) == ("Tiny shop", None)


async def chromium_process(chromium):
    cdp = await chromium.new_browser_cdp_session()
    info = (await cdp.send("SystemInfo.getProcessInfo"))["processInfo"]
    return next(process["id"] for process in info if process["type"] == "browser")


def test_a_browser_that_has_served_long_is_replaced_and_those_inside_stay(site):
    async def run():
        async with Browser(StoreConfig(visitors_per_browser=2)) as browser:
            first = browser._chromium
            windows = [browser.visitor(site.url + "/", f"v{number}") for number in range(3)]
            pages = [await window.open() for window in windows]
            assert browser._chromium is not first
            assert first.is_connected()
            pages.append(await click(windows[0], pages[0], "Skirts"))
            for window in windows:
                await window.close()
            for _ in range(100):
                if not first.is_connected():
                    break
                await asyncio.sleep(0.05)
            return [page.title for page in pages], first.is_connected()

    assert asyncio.run(run()) == (["Tiny shop"] * 3 + ["Skirts"], False)


def test_pages_that_fail_for_a_while_are_asked_for_again(site):
    async def use(window, page):
        site.failing = {"/skirts": 1}
        busy = await click(window, page, "Skirts")
        site.failing = {"/": 9}
        broken = await click(window, busy, "Tiny shop")
        site.failing = {}
        return busy, broken

    busy, broken = visit(site.url + "/", use)
    assert (busy.title, busy.failure, busy.troubles) == ("Skirts", None, ("server_error",))
    assert "error (503)" in broken.failure
    assert broken.troubles == ("server_error",) * 3


def test_a_node_that_the_page_has_replaced_is_found_again(site):
    async def use(window, page):
        shown = [page]
        for name in ("Before", "Under the hand", "Removed"):
            if name != "Under the hand":
                await asyncio.sleep(1.2)  # until the page draws itself again
            shown.append(await click(window, shown[-1], name))
        return shown[1:]

    before, under, removed = visit(site.url + "/restless", use)
    for page, said in ((before, "before"), (under, "under")):
        assert (page.failure, page.nodes[-1].name, page.troubles) == (None, said, ("stale_node",))
    assert removed.failure == "It is no longer on the page"


def test_what_is_in_a_frame_is_seen_and_used(site):
    async def use(window, page):
        filled = await window.act(Action("1-2", "fill", "", ("red",)))
        return page, filled, await window.act(Action("1-3", "click", ""))

    page, filled, sent = visit(site.url + "/framed", use)
    assert page.tree == (
        "[0-1] RootWebArea: Framed\n[0-2] heading: Outside\n[1-1] heading: Inside\n[1-2] textbox: Colour\n"
        "[1-3] button: Say\n[0-3] link: Cart"
    )
    assert filled.node("1-2").value == "red"
    assert "[1-4] StaticText: said red" in sent.tree


def test_an_empty_tree_has_no_nodes():
    assert kept_nodes([], 60) == []
