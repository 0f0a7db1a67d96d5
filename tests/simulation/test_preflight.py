"""What is found in a store before it is visited, and the stop where plain HTTP is not enough."""

import asyncio
import json
import re

import pytest

from simpersona.adapters.storefronts.browser_path import find_browser
from simpersona.config import AccessConfig, PolitenessConfig, StoreConfig
from simpersona.errors import ConfigError
from simpersona.pipeline.preflight import preflight
from simpersona.simulation.preflight import examine
from simpersona.simulation.store_outline import outline, product_titles, sitemap_addresses, words_of_address
from tests.adapters.access_servers import serving

from .preflight_store import DRAWN, HOME, PRODUCT, PRODUCTS, drawn, rendered

POLITE = {"requests_per_minute": 100_000}


def examined(site, wishes=(), drivers=("http",), compare=False, politeness=None, **settings):
    config = StoreConfig(politeness=PolitenessConfig(**POLITE, **(politeness or {})), **settings)
    return asyncio.run(examine(config, site.url, wishes, drivers, compare=compare))


def marks(found):
    return {finding.topic: finding.mark for finding in found.findings}


def finding(found, topic):
    return next(finding for finding in found.findings if finding.topic == topic)


def test_the_outline_of_markup_has_what_can_be_used_without_scripts():
    page = outline(HOME + PRODUCT, "https://shop.example/a/")
    assert page.title.startswith("Linen")
    assert page.addresses(of_products=True) == [
        f"https://shop.example/products/{name}" for name in ("denim-skirt", "summer-dress")
    ]
    assert page.addresses(of_products=False)[0] == "https://shop.example/collections/skirts"
    assert page.headings == ["Linen for every day", "Denim Skirt"]
    assert (page.buttons, page.fields, page.adds_by_form) == ([("Add to cart", True)], 1, True)
    assert "hand made in small numbers" in page.text


def test_the_outline_of_a_page_that_a_script_draws_is_empty():
    page = outline(DRAWN, "https://shop.example/")
    assert (page.controls, page.empty_root, page.asks_for_scripts, page.scripts) == (0, "root", True, 1)
    filled = outline('<div id="root"><div><a href="/a">A</a></div></div>', "https://shop.example/")
    assert filled.empty_root == ""


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<button>Add to cart</button>", False),
        ("<form><button type=button>Add to cart</button></form>", False),
        ("<form><button>Add to cart</button></form>", True),
        ("<form><input type=submit value='Add to bag'></form>", True),
        ("<form></form><button>Add to cart</button>", False),
        ("<button>Menu</button>", None),
        ("<template><button>Add to cart</button></template>", None),
    ],
)
def test_a_button_that_adds_to_the_cart_works_without_scripts_in_a_form_alone(markup, expected):
    assert outline(markup, "https://shop.example/").adds_by_form is expected


def test_what_a_store_sells_is_read_from_its_lists():
    titles, handles = product_titles(PRODUCTS)
    assert (titles[0], handles[:2]) == ("Denim Skirt Skirts", ["denim-skirt", "summer-dress"])
    assert product_titles("<html>") == product_titles('{"products": [1]}') == ([], [])
    sitemap = "<urlset><url><loc>https://shop.example/p/denim-skirt.html</loc></url><url><loc><![CDATA[https://a/b]]></loc></url>"
    assert sitemap_addresses(sitemap) == ["https://shop.example/p/denim-skirt.html", "https://a/b"]
    assert words_of_address("https://shop.example/p/denim-skirt.html") == "denim skirt"


def test_a_store_that_works_is_told_to_be_fine_and_only_asked_by_get():
    with serving(rendered()) as site:
        found = examined(site, ["skirts", "dresses", "shirts", "something new"])
        assert {path.partition("?")[0] for path, _ in site.asked} == {
            "/robots.txt", "/", "/products.json", "/products/denim-skirt",
        }  # fmt: skip
        assert {headers["User-Agent"] for _, headers in site.asked} == {"simpersona"}
    assert set(marks(found).values()) == {"good"}
    assert "3 of 3 visits" in finding(found, "goals").found
    assert 'a user agent that ends with "simpersona"' in finding(found, "analytics").found
    assert found.lacks == ""
    found.require_scripts_run("store.driver")
    json.dumps(found.as_json())


def test_goals_that_the_store_does_not_sell_are_a_problem():
    with serving(rendered()) as site:
        goals = finding(examined(site, ["phones", "phones", "laptops", "skirts"]), "goals")
    assert goals.mark == "bad"
    assert "1 of 4 visits" in goals.found
    assert "not found: phones, laptops; its collections: Skirts, Dresses, Linen trousers" in goals.found
    assert "the log and the catalogue of this store" in goals.advice


def test_without_lists_the_sitemap_is_read():
    index = "<sitemapindex><sitemap><loc>{0}/pages.xml</loc></sitemap><sitemap><loc>{0}/products_1.xml</loc></sitemap></sitemapindex>"
    with serving(
        rendered(**{"/products.json": (404, {}, ""), "/": "<title>A</title><a href='/about'>About</a>"})
    ) as site:
        products = "".join(
            f"<url><loc>{site.url}/products/{name}-lamp</loc></url>" for name in ("desk", "floor", "wall", "night")
        )
        site.answers["/sitemap.xml"] = index.format(site.url)
        site.answers["/products_1.xml"] = f"<urlset>{products}</urlset>"
        site.answers["/products/desk-lamp"] = PRODUCT
        found = examined(site, ["lamps"])
        asked = [path for path, _ in site.asked]
    assert "/products_1.xml" in asked
    assert "/pages.xml" not in asked
    assert "/products/desk-lamp" in asked
    assert finding(found, "goals").mark in ("good", "unknown")


SHOPIFY = "User-agent: *\nDisallow: /cart\nDisallow: /checkout\nDisallow: /checkouts/\nDisallow: /search"


def test_what_robots_txt_forbids_is_said_with_the_ways_to_allow_it():
    with serving(rendered(**{"/robots.txt": SHOPIFY})) as site:
        found = examined(site)
        robots, checkout = finding(found, "robots.txt"), finding(found, "checkout")
        assert "the cart, the checkout, the search" in robots.found
        for way in ("store.politeness.robots = false", '"User-agent: simpersona"', "Web Bot Auth"):
            assert way in robots.advice
        assert checkout.mark == "bad"
        own = examined(site, politeness={"robots": False})
        assert (finding(own, "robots.txt").mark, finding(own, "checkout").mark) == ("good", "good")
        site.answers["/robots.txt"] = SHOPIFY + "\n\nUser-agent: simpersona\nAllow: /"
        assert finding(examined(site), "robots.txt").mark == "good"
        site.answers["/robots.txt"] = "User-agent: *\nDisallow: /"
        forbidden = examined(site)
    assert marks(forbidden)["robots.txt"] == marks(forbidden)["answer"] == "bad"


def test_without_chromium_the_markup_shows_that_a_store_needs_scripts():
    with serving(drawn()) as site:
        found = examined(site)
    assert marks(found)["scripts"] == "bad"
    with pytest.raises(ConfigError, match=r'no link and no control in its markup\. Set store\.driver = "browser"'):
        found.require_scripts_run("store.driver")


def test_a_cart_that_needs_a_script_is_not_shopped_without_one():
    button = PRODUCT.replace('<form action="/cart/add" method="post">', "").replace("</form>", "")
    with serving(rendered(**{"/products/denim-skirt": button})) as site:
        found = examined(site)
    with pytest.raises(ConfigError, match="on its product page the button that adds to the cart sends no form"):
        found.require_scripts_run("simulation.scorer.driver")


@pytest.mark.slow
def test_with_chromium_pages_are_compared():
    half = HOME.replace(
        "</title>", "</title><script>onload = () => document.body.insertAdjacentHTML('beforeend', `{}`)</script>"
    )
    many = "".join(f"<a href='/collections/{number}'>Collection {number}</a>" for number in range(12))
    assert find_browser(StoreConfig())
    with serving(rendered()) as site:
        assert "compared with Chromium" in finding(examined(site, compare=True), "scripts").found
        site.answers["/"] = half.format(many)
        found = examined(site, compare=True)
    assert found.lacks.startswith("its first page lacks 12 of the 20 links, controls and headings that Chromium shows")


@pytest.mark.parametrize(
    ("answer", "words", "advice"),
    [
        ((401, {}, ""), r"an error \(401\)", "store.access.login_env"),
        ((404, {}, ""), r"an error \(404\)", "check the address"),
        ((403, {"cf-mitigated": "challenge"}, "<title>Just a moment...</title>"), "keeps bots out", "signature"),
        ((429, {"Retry-After": "900"}, ""), "come back later", ""),
    ],
)
def test_a_first_page_that_is_none_is_said(answer, words, advice):
    with serving(rendered(**{"/": answer})) as site:
        found = finding(examined(site), "answer")
    assert found.mark == "bad"
    assert re.search(words, found.found)
    assert advice in found.advice


def test_the_access_that_visits_use_is_named_without_its_secrets(monkeypatch):
    monkeypatch.setenv("STAGING_LOGIN", "joe:hunter2-hunter2")
    with serving(rendered()) as site:
        access = AccessConfig(login_env="STAGING_LOGIN", any_certificate=True)
        found = examined(site, access=access)
        assert "hunter2" not in json.dumps(found.as_json())
        assert all(headers["Authorization"] for _, headers in site.asked)
    assert [finding.mark for finding in found.findings if finding.topic == "access"] == ["good", "weak"]


def test_an_address_with_a_secret_or_without_a_store_is_refused():
    for url, words in (
        ("https://joe:hunter2@shop.example/", r"use store\.access\.login_env"),
        ("https://shop.example/?key=hunter2", r"store\.access\.query_env\.key"),
        ("http://127.0.0.1:1/", "the store does not answer"),
        ("shop.example", "not the address of a server"),
    ):
        with pytest.raises(ConfigError, match=words) as raised:
            preflight(url)
        assert "hunter2" not in str(raised.value)


def test_visits_without_a_wish_get_names_from_a_few_pages_of_the_store():
    shelf = '<a href="/products/sun-hat"><img alt=""> Sun Hat <b>$12.00</b></a><a href="/products/cape">Cape $30</a>'
    with serving(rendered(**{"/collections/skirts": shelf})) as site:
        found = examined(site, ["something new"] * 3 + ["skirts"])
    assert found.offers == (
        *("Skirts", "Dresses", "Linen trousers", "Denim Skirt", "Summer Dress", "Wide Belt"),
        *("Striped Shirt Organic Cotton", "Knitted Cardigan Grey Wool", "Sun Hat", "Cape"),
    )
    first = next(one for one in found.findings if one.topic == "goals")
    assert (first.mark, "3 visits" in first.found, "Skirts, Dresses" in first.found) == ("weak", True, True)
    assert found.as_json()["offers"][0] == "Skirts"


def test_with_a_catalogue_no_page_is_opened_for_names():
    with serving(rendered()) as site:
        found = examined(site, ["skirts", "something new"])
    assert [one.mark for one in found.findings if one.topic == "goals"] == ["good"]
    assert found.offers == ()
    assert not any("collections" in path for path, _ in site.asked)
