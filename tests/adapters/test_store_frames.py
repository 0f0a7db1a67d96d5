"""Frames of other sites in Chromium: a configurator and reviews on another host are read and used, payments stay out."""

import asyncio

import pytest

from simpersona.adapters.storefronts.browser import Browser
from simpersona.config import GuardConfig, PolitenessConfig, StoreConfig
from simpersona.pages import Action

from .access_servers import Site, running_chromium, serving

pytestmark = pytest.mark.slow

CONFIGURATOR = """<title>Configurator</title><body style="height: 2000px"><h2>Configurator</h2><label>Name <input id="name"></label>
    <div style="margin-top: 700px"><label>Colour <select id="colour"><option>Red</option><option>Blue</option></select></label></div>
    <button onclick="say('set ' + document.getElementById('colour').value + ' ' + document.getElementById('name').value)">Set</button>
    <button onclick="fetch('/order', {method: 'POST', body: 'a=1'}).then(() => say('sent'), () => say('not sent'))">Order</button>
    <button onmouseover="say('over')">Point</button><p id="said">nothing</p>
    <script>function say(text) { document.getElementById('said').textContent = text; }</script>"""


def page(other):
    return f"""<title>Skirt</title><body style="margin: 0"><h1>Skirt</h1><div style="height: 900px"></div>
        <iframe src="{other}/configurator" style="margin: 40px; border: 7px solid; width: 400px; height: 300px"></iframe>
        <iframe src="{other}/reviews"></iframe><iframe src="/own"></iframe><a href="/cart">Cart</a>"""


@pytest.fixture(scope="module", params=["one process", "a process for each site"])
def isolated(request, tmp_path_factory):
    """The settings of a Chromium that gives each site a process of its own, or of one that does not."""
    if request.param == "one process":
        yield {}
        return
    with running_chromium(tmp_path_factory.mktemp("profile"), "--site-per-process") as address:
        yield {"cdp_url": address}


@pytest.fixture
def shop():
    """A store on 127.0.0.1, with frames on localhost, which is another site."""
    with serving(Site({"/own": "<p>Own frame</p>", "/configurator": CONFIGURATOR, "/order": "ordered"})) as site:
        other = site.url.replace("127.0.0.1", "localhost")
        site.answers["/"] = page(other)
        site.answers["/reviews"] = f'<h2>Reviews</h2><p>Good</p><iframe src="{site.url}/inner"></iframe>'
        site.answers["/inner"] = "<button onclick=\"document.body.append('helped')\">Helpful</button>"
        yield site


def visit(site, isolated, *acts, may_pay=False, guard=None):
    """The first page, and those after the acts: (name, method, arguments)."""

    async def run():
        politeness = PolitenessConfig(requests_per_minute=100_000, robots=False)
        config = StoreConfig(politeness=politeness, guard=guard or GuardConfig(), max_page_tokens=5000, **isolated)
        async with Browser(config, may_pay=may_pay) as browser:
            session = browser.visitor(site.url, "one")
            pages = [await session.open()]
            for name, method, *arguments in acts:
                node = next(node.id for node in pages[-1].nodes if node.name == name)
                pages.append(await session.act(Action(node, method, "", tuple(arguments))))
            await session.close()
            return pages

    return asyncio.run(run())


def test_frames_of_other_sites_are_a_part_of_the_page(shop, isolated):
    (first,) = visit(shop, isolated)
    names = [node.name for node in first.nodes]
    for name in ("Skirt", "Configurator", "Reviews", "Good", "Helpful", "Own frame", "Cart"):
        assert name in names
    assert names.index("Configurator") < names.index("Reviews") < names.index("Helpful") < names.index("Cart")
    assert {node.id.partition("-")[0] for node in first.nodes} == {"0", "1", "2", "3", "4"}


def test_what_is_in_them_can_be_used(shop, isolated):
    acts = [
        ("Name", "fill", "Jo"),
        ("Colour", "selectOptionFromDropdown", "Blue"),
        ("Set", "click"),
        ("Name", "type", "an"),
        ("Set", "click"),
        ("Point", "hover"),
        ("Helpful", "click"),
    ]
    pages = visit(shop, isolated, *acts)
    assert [page.failure for page in pages] == [None] * 8
    shown = [" ".join(node.name for node in page.nodes) for page in pages]
    for number, text in ((3, "set Blue Jo"), (5, "set Blue Joan"), (6, "over"), (7, "helped")):
        assert text in shown[number]


def test_the_guard_holds_in_them(shop, isolated):
    _, ordered = visit(shop, isolated, ("Order", "click"))
    assert "refused" in ordered.troubles
    assert shop.sent("/order", "Host") == []
    _, sent = visit(shop, isolated, ("Order", "click"), may_pay=True)
    assert "sent" in " ".join(node.name for node in sent.nodes)


def test_a_frame_of_a_payment_service_stays_out(shop, isolated):
    guard = GuardConfig(payment_hosts=("localhost",))
    (first,) = visit(shop, isolated, guard=guard)
    names = " ".join(node.name for node in first.nodes)
    assert "Own frame" in names
    assert "Configurator" not in names
    assert shop.sent("/configurator", "Host") == []
    assert "refused" in first.troubles


def test_a_frame_that_changes_its_page_and_one_that_goes_are_no_failure(shop, isolated):
    other = shop.url.replace("127.0.0.1", "localhost")
    shop.answers["/configurator"] = f'<a href="{other}/second">Next</a>'
    shop.answers["/second"] = "<h2>Second</h2><button>Stay</button>"
    shop.answers["/"] = page(other).replace(
        "<h1>", "<button onclick=\"document.querySelector('iframe').remove()\">Close</button><h1>"
    )
    _, second, closed = visit(shop, isolated, ("Next", "click"), ("Close", "click"))
    assert "Second" in [node.name for node in second.nodes]
    assert closed.failure is None
    assert "Second" not in [node.name for node in closed.nodes]


def test_nothing_is_dragged_between_sites(shop, isolated):
    async def run():
        politeness = PolitenessConfig(requests_per_minute=100_000, robots=False)
        async with Browser(StoreConfig(politeness=politeness, max_page_tokens=5000, **isolated)) as browser:
            session = browser.visitor(shop.url, "one")
            first = await session.open()
            ids = {node.name: node.id for node in first.nodes}
            return await session.act(Action(ids["Set"], "dragAndDrop", "", (ids["Cart"],)))

    assert "frame of another site" in asyncio.run(run()).failure
