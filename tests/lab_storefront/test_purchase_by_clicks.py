"""A whole purchase in a real browser, by clicks on what a theme calls things, and the store's record of it."""

import json
import re

import pyarrow as pa
import pytest

from simpersona.adapters.storefronts.browser_path import find_browser
from simpersona.config import StoreConfig
from simpersona.errors import ConfigError
from simpersona.lab.storefront.launch import LabStores
from simpersona.lab.storefront.store_folder import Look
from simpersona.lab.variants import Variant

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
pytestmark = pytest.mark.slow
SECONDS = 30
"""A loaded machine may take so long for a page."""


@pytest.fixture(scope="module")
def chromium():
    try:
        path = find_browser(StoreConfig())
    except ConfigError as error:
        pytest.skip(f"no browser: {error}")
    expect.set_options(timeout=SECONDS * 1000)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def stores(tmp_path_factory, catalogue):
    looks = {theme: Look(theme) for theme in ("classic", "sidebar", "boutique", "outlet")}
    looks["express"] = Look("boutique", Variant(one_page_checkout=True))
    tables = [catalogue(shop_id) for shop_id in looks]
    with LabStores(tmp_path_factory.mktemp("clicks")) as running:
        running.build(looks, *(pa.concat_tables(column) for column in zip(*tables, strict=True)))
        yield running, running.start()


@pytest.fixture
def page(chromium):
    context = chromium.new_context()
    context.set_default_timeout(SECONDS * 1000)
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("response", lambda answer: page.complaints.append(answer.url) if answer.status >= 400 else None)
    yield page
    context.close()


def recorded(stores, shop_id):
    return [json.loads(line) for line in stores.events_log(shop_id).read_text(encoding="utf-8").splitlines()]


def check(stores, shop_id, page, names, product, total):
    """The visit was recorded so, in order, with the product and what it cost; the browser complained of nothing."""
    lines = recorded(stores, shop_id)
    assert [line["name"] for line in lines] == names
    assert {line["shop"] for line in lines} == {shop_id}
    assert len({line["clientId"] for line in lines}) == 1
    completed = lines[-1]["data"]["checkout"]
    assert [line["variant"]["product"]["id"] for line in completed["lineItems"]] == [product]
    assert completed["totalPrice"] == {"amount": total, "currencyCode": "USD"}
    assert page.complaints == []


def click(page, role, name):
    page.get_by_role(role, name=name, exact=isinstance(name, str)).click()


def shows(page, role, words):
    """Waits until the page that a click leads to says so."""
    options = {"level": 1} if role == "heading" else {}
    expect(page.get_by_role(role, **options)).to_have_text(words)


def test_classic(stores, page):
    page.goto(stores[1]["classic"])
    page.get_by_role("searchbox", name="Search products").fill("linen skirt")
    click(page, "button", "Search")
    click(page, "link", "Linen Skirt - $12.50")
    page.get_by_role("combobox", name="Option").select_option("Large")
    click(page, "button", "Add to cart")
    shows(page, "status", "Added to cart: Linen Skirt (Large)")
    page.get_by_role("spinbutton", name="Quantity of Linen Skirt (Large)").fill("2")
    click(page, "button", "Update quantity of Linen Skirt (Large)")
    click(page, "link", "Cart (2)")
    click(page, "link", "Proceed to checkout")
    page.get_by_role("textbox", name="Email").fill("a@example.com")
    click(page, "button", "Continue")
    page.get_by_role("textbox", name="Full name").fill("A")
    page.get_by_role("textbox", name="Address").fill("1 Main Street")
    click(page, "button", "Continue")
    click(page, "button", "Place order")
    shows(page, "heading", "Thank you for your order")
    names = "page_viewed search_submitted product_viewed product_added_to_cart product_added_to_cart cart_viewed"
    last = "checkout_started page_viewed page_viewed checkout_completed"
    check(stores[0], "classic", page, [*names.split(), *last.split()], "skirt-1", 25.0)


def test_sidebar(stores, page):
    page.goto(stores[1]["sidebar"])
    page.get_by_role("navigation", name="Categories").get_by_role("link", name="Rugs", exact=True).click()
    click(page, "link", "Dearest first")
    expect(page).to_have_url(re.compile("sort=price-down"))
    page.get_by_role("link", name=re.compile("^Grey Rug")).first.click()
    click(page, "button", "Put in basket")
    click(page, "button", "Delete Grey Rug")
    shows(page, "status", "Deleted: Grey Rug")
    page.get_by_role("searchbox", name="Find a product").fill("lamp sun")
    click(page, "button", "Find")
    page.get_by_role("link", name=re.compile("^Lamp .* [$]15.50$")).click()
    click(page, "button", "Put in basket")
    click(page, "link", "Go to checkout")
    page.get_by_role("textbox", name="E-mail address").fill("a@example.com")
    click(page, "button", "Next step")
    page.get_by_role("textbox", name="Your name").fill("A")
    page.get_by_role("textbox", name="Delivery address").fill("1 Main Street")
    click(page, "button", "Next step")
    click(page, "button", "Confirm order")
    shows(page, "heading", "Thank you, order received")
    names = "page_viewed collection_viewed page_viewed product_viewed product_added_to_cart product_removed_from_cart"
    more = "search_submitted product_viewed product_added_to_cart"
    last = "checkout_started page_viewed page_viewed checkout_completed"
    check(stores[0], "sidebar", page, [*names.split(), *more.split(), *last.split()], "lamp-1", 15.5)


def test_boutique(stores, page):
    page.goto(stores[1]["boutique"])
    expect(page.get_by_role("link", name="Skirts")).to_be_hidden()
    page.get_by_text("Shop", exact=True).click()  # the menu
    click(page, "link", "Skirts")
    click(page, "link", "Search")
    page.get_by_role("searchbox", name="What are you looking for?").fill("wool")
    click(page, "button", "Search")
    click(page, "link", "Wool Skirt $13.50")
    click(page, "button", "Add to bag")
    expect(page.get_by_role("link", name="View bag")).to_be_visible()  # the drawer has opened
    shows(page, "heading", "Wool Skirt")
    page.get_by_text("Bag (1)").click()
    expect(page.get_by_role("link", name="View bag")).to_be_hidden()
    page.get_by_text("Bag (1)").click()
    click(page, "link", "View bag")
    page.get_by_role("main").get_by_role("link", name="Check out").click()
    page.get_by_role("textbox", name="Your email").fill("a@example.com")
    click(page, "button", "Continue")
    page.get_by_role("textbox", name="Name", exact=True).fill("A")
    page.get_by_role("textbox", name="Street address").fill("1 Main Street")
    click(page, "button", "Continue")
    click(page, "button", "Complete purchase")
    shows(page, "heading", "Thank you, your order is placed")
    names = "page_viewed collection_viewed page_viewed search_submitted product_viewed product_added_to_cart"
    last = "cart_viewed checkout_started page_viewed page_viewed checkout_completed"
    check(stores[0], "boutique", page, [*names.split(), *last.split()], "skirt-2", 13.5)


def test_outlet(stores, page):
    page.goto(stores[1]["outlet"])
    page.get_by_role("navigation", name="Departments").get_by_role("link", name="Rugs", exact=True).click()
    page.get_by_role("combobox", name="Sort by").select_option("Highest price")
    click(page, "button", "Sort deals")
    expect(page).to_have_url(re.compile("sort=price-down"))
    click(page, "link", "Next deals")
    expect(page).to_have_url(re.compile("page=2"))
    page.get_by_role("link", name="$17.50 Grey Rug").click()  # the cheapest, the last one now
    click(page, "button", "Buy now")
    click(page, "link", "Checkout now")
    page.get_by_role("textbox", name="Email address").fill("a@example.com")
    page.get_by_role("textbox", name="Email address").press("Enter")
    page.get_by_role("textbox", name="First and last name").fill("A")
    page.get_by_role("textbox", name="Street and number").fill("1 Main Street")
    click(page, "button", "Next")
    click(page, "button", "Submit order")
    shows(page, "heading", "Order confirmed")
    names = "page_viewed collection_viewed page_viewed page_viewed product_viewed product_added_to_cart"
    last = "checkout_started page_viewed page_viewed checkout_completed"
    check(stores[0], "outlet", page, [*names.split(), *last.split()], "rug-0", 17.5)


def test_one_page_checkout_straight_from_the_drawer(stores, page):
    page.goto(f"{stores[1]['express']}products/wool-skirt/")
    click(page, "button", "Add to bag")
    click(page, "link", "Check out")
    page.get_by_role("textbox", name="Your email").fill("a@example.com")
    page.get_by_role("textbox", name="Name", exact=True).fill("A")
    page.get_by_role("textbox", name="Street address").fill("1 Main Street")
    click(page, "button", "Complete purchase")
    shows(page, "heading", "Thank you, your order is placed")
    names = ["product_viewed", "product_added_to_cart", "checkout_started", "checkout_completed"]
    check(stores[0], "express", page, names, "skirt-2", 13.5)
