"""Stagehand's own snapshot of a page, pruned by rules that stand here, is the page as our window shows it.

Pruned: layout (its lines have no role that can be used or read), text that is already the name of a link, a button, a
heading or a field, links without a name, and the second of two neighbouring links to one address. Put otherwise: what
stands below a field is its value, the options of a `select` follow its name. Ids differ: ours count the lines that are left.
"""

import asyncio
import re
import shutil
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.browser_path import find_browser
from simpersona.config import StoreConfig
from simpersona.errors import ConfigError
from simpersona.pages import Action, node_line
from simpersona.shopper.store_words import ADD

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Stagehand leaves its connection to the collector
]
stagehand = pytest.importorskip("stagehand", reason="stagehand is not installed: the format has no reference")
WHOLE = {"max_page_tokens": 100_000, "max_name_chars": 10_000}
LINE = re.compile(r"( *)\[(\d+)-(\d+)\] ([^:]+?)(?:: (.*))?$")
FIELDS = {"textbox", "searchbox", "spinbutton"}
NAMED = {"link", "button", "checkbox", "radio", "switch", "tab", "DisclosureTriangle", "heading", "image", "LabelText"}
INLINE = {"div", "span", "form", "b", "strong", "em", "label", "time", "small"}  # neither a line nor a block of text


def chromium():
    """A Chromium that runs extensions, as Stagehand is one; a headless shell does not."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        try:
            found = str(find_browser(StoreConfig()))
        except ConfigError as error:
            pytest.skip(str(error))
    if "headless" in found:
        pytest.skip(f"{found} runs no extensions, and so no Stagehand: the format has no reference")
    return found


@asynccontextmanager
async def references(path):
    """A tab of Stagehand's, and its context for the cookies."""
    browser = await stagehand.local_browser.launch(executable_path=path, headless=True, chromium_sandbox=False)
    try:
        session = await stagehand.Stagehand.create(browser=browser)
        yield (await browser.context.pages())[0], browser.context
        await session.close()
    finally:
        await browser.close()


def pruned(snapshot):
    """The lines that are left of Stagehand's snapshot, without the numbers of the nodes."""
    found = []  # [frame, role, name, values, options, place]
    path = []  # (indentation, role, place of the line) of the lines above
    for place, line in enumerate(snapshot.formatted_tree.splitlines()):
        indentation, frame, number, role, name = LINE.match(line).groups()
        path = [above for above in path if above[0] < len(indentation)]
        above = {role for _, role, _ in path}
        name = " ".join((name or "").split())
        block = next((where for _, role, where in reversed(path) if role not in INLINE), 0)
        if role == "StaticText" and above & FIELDS:
            found[-1][3].append(name)
        elif role == "StaticText" and not above & NAMED:
            if found[-1][1] == role and found[-1][5] == block:
                found[-1][2] += f" {name}"
            else:
                found.append([frame, role, name, [], [], block])
        elif role == "option":
            label = name.removesuffix(" [selected]")
            found[-1][4].append(label)
            found[-1][3].extend([label] * (label != name))
        elif role in FIELDS or role.startswith("select") or (name and role in NAMED - {"LabelText"}) or not found:
            url = snapshot.url_map.get(f"{frame}-{number}") if role == "link" else None
            if url and found[-1][5] == url:
                found[-1][2] = max(found[-1][2], name, key=len)
            elif role != "image" or not above & NAMED:
                found.append([frame, role.replace("select", "combobox"), name, [], [], url])
        path.append((len(indentation), role, place))
    return of_frames(
        f"[{frame}] {role}: {name}{' = ' * bool(values)}{' '.join(values)}{' (' * bool(options)}{' | '.join(options)}{')' * bool(options)}"
        for frame, role, name, values, options, _ in found
    )


def of_frames(lines):
    """The lines with the frames numbered as they come: Stagehand's numbers count all frames that it ever saw."""
    numbers = {}
    return [re.sub(r"^\[(\d+)", lambda found: f"[{numbers.setdefault(found[1], len(numbers))}", line) for line in lines]


def unnumbered(page):
    """Our lines without the numbers, and without what Stagehand does not tell: what is ticked, what cannot be used, and what
    the page shows beside a name, such as the number at the cart's icon.
    """
    tree = [node_line(replace(node, detail="", purpose=None)) for node in page.nodes]
    lines = [re.sub(r"^\[(\d+)-\d+\]", r"[\1]", line) for line in tree]
    return of_frames(re.sub(r" = (checked|\(disabled\))$", "", line) for line in lines)


async def again(window, url):
    """The page at an address, asked for anew."""
    await window._goto(url)
    await window._arrive()
    return await window._look()


async def link(window, place):
    """The address of the first link that leads to such a place, also where it is folded away."""
    return await window._tab.tab.evaluate("place => document.querySelector(`a[href*='/${place}/']`).href", place)


async def addresses(window, home):
    """Those of every kind of page in a lab store: with something in the cart, and the checkout begun."""
    await again(window, home)
    collection = await link(window, "collections")
    await again(window, collection)
    product = await link(window, "products")
    page = await again(window, product)
    add = next(node for node in page.nodes if node.role == "button" and ADD.search(node.name))
    await window.act(Action(add.id, "click", ""))
    return [home, home + "search?q=a", home + "search?q=zzz", collection, product, home + "cart/", home + "checkout/"]


def test_the_lab_s_pages_read_as_in_stagehand_in_every_theme(lab_addresses):
    path, compared = chromium(), []

    async def run():
        async with (
            references(path) as (tab, context),
            Browser(StoreConfig(browser_path=path, **WHOLE), may_pay=True) as ours,
        ):
            for shop, home in sorted(lab_addresses.items()):
                window = ours.visitor(home, "visitor", within=f"/{shop}/")
                await window.open()
                for url in await addresses(window, home):
                    page = await again(window, url)
                    await context.add_cookies(
                        [
                            {key: cookie[key] for key in ("name", "value", "domain", "path")}
                            for cookie in await window._context.cookies()
                        ]
                    )
                    await tab.goto(page.url, wait_until="load")
                    assert unnumbered(page) == pruned(await tab.snapshot()), page.url
                    compared.append(page.url)
                await window.close()

    asyncio.run(run())
    assert len(set(compared)) == 4 * 7


@pytest.mark.parametrize("path", ["/framed", "/nested", "/shadow", "/hand", "/pleated"])
def test_frames_shadow_roots_and_controls_read_as_in_stagehand(site, path):
    where = chromium()

    async def run():
        async with (
            references(where) as (tab, _),
            Browser(StoreConfig(browser_path=where, **WHOLE), may_pay=True) as ours,
        ):
            window = ours.visitor(site.url + path, "visitor")
            page = await window.open()
            await tab.goto(page.url, wait_until="load")
            return unnumbered(page), pruned(await tab.snapshot())

    shown, reference = asyncio.run(run())
    assert shown == reference
