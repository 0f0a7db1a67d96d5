"""Many shops in one process: each at its own path, with its own database, log and cookies."""

import json
import re
import socket
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pyarrow as pa
import pytest

from simpersona.adapters.engines.duckdb import connect
from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.config import EventsConfig
from simpersona.errors import ConfigError, ContractError
from simpersona.events.prepare import prepare
from simpersona.lab.storefront.launch import LabStores, Look, looks
from simpersona.lab.storefront.store_folder import build_request
from simpersona.lab.storefront.themes import THEMES
from simpersona.lab.variants import Variant

GREEN, ODD, CART, DEAR = "green-meadow", "Böse Ecke/3 ..", "cart", "dear"


@pytest.fixture(scope="module")
def tables(catalogue):
    pairs = [catalogue(shop) for shop in (GREEN, ODD, CART, DEAR)]
    return tuple(pa.concat_tables(each) for each in zip(*pairs, strict=True))


@pytest.fixture(scope="module")
def stores(tmp_path_factory, tables):
    with LabStores(tmp_path_factory.mktemp("stores") / "data") as running:
        shops = {GREEN: Look(), ODD: Look(), CART: Look(), DEAR: Look("outlet", Variant(price_factor=1.1))}
        running.build(shops, *tables)
        running.start()
        yield running


@pytest.fixture(scope="module")
def urls(stores):
    return stores.start()


@pytest.fixture
def visit(urls, shopper_at):
    """A new shopper in one of the shops, or one who comes over from another: visit(shop, "name", shopper)."""

    def enter(shop, visitor=None, comes_from=None):
        shopper = shopper_at(urls[shop], visitor)
        if comes_from is not None:
            shopper.cookies._cookies.update(comes_from.cookies._cookies)
        shopper.get(urls[shop])
        return shopper

    return enter


class Targets(HTMLParser):
    """Where a page's links and forms lead."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("href", "action", "formaction", "src")]


def answer(url, headers=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=20) as response:
            return response.status, response.read().decode(), response.url
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.url


def buy(shopper, product, quantity=1):
    shopper.get(f"{shopper.url}products/{product}/")
    shopper.submit("Add to cart")
    if quantity > 1:
        shopper.submit("Update", quantity=str(quantity))
    shopper.follow("Proceed")
    shopper.submit("Continue", username="a@example.com")
    shopper.submit("Continue", last_name="Ann", line1="1 Road")
    shopper.submit("Place order")


def log_lines(stores, shop):
    return [json.loads(line) for line in stores.events_log(shop).read_text(encoding="utf-8").splitlines()]


def test_the_first_page_lists_the_shops_and_each_has_a_path_of_its_own(urls):
    root = urls[GREEN].removesuffix("green-meadow/")
    status, page, _ = answer(root)
    assert status == 200
    assert {urljoin(root, link) for link in Targets(page).found} == set(urls.values())
    assert "Böse Ecke/3 .." in page
    assert urls[GREEN] == f"{root}green-meadow/"
    for shop, word in ((ODD, "b-se-ecke-3-"), (CART, "cart-")):  # a visitor takes /cart/ for a cart
        assert re.fullmatch(rf"{word}[-a-z0-9]+/", urls[shop].removeprefix(root))
    assert answer(f"{root}green-meadow?page=2")[2] == f"{root}green-meadow/?page=2"
    for path in ("no-such-shop/", "no-such-shop/products/wool-skirt/", "products/wool-skirt/", "../green-meadowx/"):
        assert answer(root + path)[0] == 404


def test_every_link_of_a_shop_stays_in_it(urls, visit):
    for shop in (GREEN, DEAR):
        shopper = visit(shop)
        for page in ("", "collections/", "collections/rugs/", "search?q=rug", "products/linen-skirt/", "cart/"):
            shopper.get(urls[shop] + page)
            targets = [urljoin(shopper.address, one) for one in Targets(shopper.page).found if one != "data:,"]
            assert targets
            assert [one for one in targets if not one.startswith(urls[shop])] == []


def test_a_whole_purchase_stays_in_its_shop_and_in_its_log(stores, visit):
    shopper = visit(ODD, "ann")
    before = len(log_lines(stores, GREEN))
    buy(shopper, "wool-skirt")
    assert "Thank you for your order" in shopper.page
    own = [line for line in log_lines(stores, ODD) if line["clientId"] == "ann"]
    assert [line["name"] for line in own].count("checkout_completed") == 1
    assert {line["shop"] for line in own} == {ODD}
    assert len(log_lines(stores, GREEN)) == before
    for shop in (GREEN, ODD):
        numbers = [line["seq"] for line in log_lines(stores, shop)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_cookies_of_one_shop_mean_nothing_in_another(stores, urls, visit):
    ann = visit(GREEN, "mixed")
    ann.get(urls[GREEN] + "products/wool-skirt/")
    ann.submit("Add to cart")
    assert {urlsplit(urls[GREEN]).path} == {cookie.path for cookie in ann.cookies if cookie.name != "visitor"}
    beside = visit(CART, comes_from=ann)  # with the same jar
    assert "Cart (0)" in beside.page
    forged = "; ".join(f"{cookie.name}={cookie.value}" for cookie in ann.cookies)
    assert "Cart (1)" in answer(urls[GREEN], {"Cookie": forged})[1]
    assert "Cart (0)" in answer(urls[CART], {"Cookie": forged})[1]
    own = log_lines(stores, CART)[-1]
    assert own["clientId"] == "mixed"  # the visitor's name alone comes along


def test_visitors_at_once_in_two_shops_are_not_mixed_up(stores, urls, shopper_at):
    before = {shop: len(log_lines(stores, shop)) for shop in (GREEN, CART)}

    def shop_for(number):
        shop = (GREEN, CART)[number % 2]
        shopper = shopper_at(urls[shop], f"crowd-{number}")
        for product in ("wool-skirt", "hiking-boot")[: 1 + number // 2 % 2]:
            shopper.get(f"{urls[shop]}products/{product}/")
            (key,) = re.findall(r'name="variant" value="(\d+)"', shopper.page) or [
                re.findall(r'<option value="(\d+)"', shopper.page)[0]
            ]
            shopper.submit("Add to cart", variant=key)
        return shopper.page

    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(shop_for, range(8)))
    for number, page in enumerate(pages):
        assert f"Cart ({1 + number // 2 % 2})" in page
        assert "Wool Skirt" in page
        assert ("Hiking Boot" in page) == (number // 2 % 2 == 1)
    for parity, shop in enumerate((GREEN, CART)):
        lines = log_lines(stores, shop)[before[shop] :]
        assert {line["clientId"] for line in lines} == {f"crowd-{n}" for n in range(parity, 8, 2)}
        assert Counter(line["name"] for line in lines) == {"product_viewed": 6, "product_added_to_cart": 6}


def test_one_shop_is_reset_and_the_others_go_on(stores, urls, visit):
    green, cart = visit(GREEN, "gina"), visit(CART, "carl")
    for shopper in (green, cart):
        shopper.get(shopper.url + "products/wool-skirt/")
        shopper.submit("Add to cart")
    server = stores._server._process
    stores.reset(GREEN)
    assert stores.start() == urls
    assert stores._server._process is server  # without a restart
    assert "Cart (0)" in green.get(green.url)
    assert "Cart (1)" in cart.get(cart.url)
    assert [(line["seq"], line["clientId"], line["name"]) for line in log_lines(stores, GREEN)] == [
        (1, "gina", "page_viewed")
    ]
    assert len([line for line in log_lines(stores, CART) if line["clientId"] == "carl"]) == 4
    green.get(green.url + "products/wool-skirt/")
    green.submit("Add to cart")
    assert "Cart (1)" in green.page
    stores.reset()
    assert "Cart (0)" in cart.get(cart.url)


def test_theme_and_prices_are_the_shops_own(stores, visit):
    assert "$13.50" in visit(GREEN).get("products/wool-skirt/")
    dear = visit(DEAR, "dora")
    assert "$14.85" in dear.get("products/wool-skirt/")  # 13.50 × 1.1
    assert "Buy now" in dear.page
    assert "Add to cart" not in dear.page
    assert log_lines(stores, DEAR)[-1]["data"]["productVariant"]["price"]["amount"] == 14.85


def test_what_was_done_is_what_the_importer_counts(stores, visit, tmp_path):
    stores.reset()
    for shop, quantity in ((GREEN, 3), (CART, 1)):
        bob = visit(shop, "bob")
        bob.follow("Skirts")
        bob.submit("Search", q="linen")
        buy(bob, "wool-skirt", quantity)
    ann = visit(GREEN, "ann")
    ann.get("products/wool-skirt/")
    ann.submit("Add to cart")
    ann.get("../cart/")
    ann.submit("Remove", quantity="1")
    visit(CART, "eve")

    done = {
        GREEN: {
            "page_viewed": 4, "collection_viewed": 1, "search_submitted": 1, "product_viewed": 2, "cart_viewed": 1,
            "product_added_to_cart": 3, "product_removed_from_cart": 1, "checkout_started": 1, "checkout_completed": 1,
        },
        CART: {
            "page_viewed": 4, "collection_viewed": 1, "search_submitted": 1, "product_viewed": 1,
            "product_added_to_cart": 1, "checkout_started": 1, "checkout_completed": 1,
        },
    }  # fmt: skip
    buyers, value = {GREEN: {"ann", "bob"}, CART: {"bob", "eve"}}, {GREEN: 40.5, CART: 13.5}  # 3 and 1 at 13.50
    for shop in (GREEN, CART):
        engine = connect(tmp_path / "spill")
        raw = ShopifySource().read(stores.events_log(shop), engine)
        prepared = prepare(raw, EventsConfig(keep_ids=True, keep_duplicates=True), b"key")
        events = prepared.events.to_pyarrow().to_pylist()
        assert prepared.quality["rows_in"] == sum(done[shop].values())
        assert prepared.rejected.to_pyarrow().num_rows == 0
        assert Counter(row["event"] for row in events) == done[shop]
        assert {row["shop_id"] for row in events} == {shop}
        assert {row["buyer_id"] for row in events} == buyers[shop]
        assert [row["value"] for row in events if row["event"] == "checkout_completed"] == [value[shop]]
        added = [
            row["quantity"] for row in events if row["event"] == "product_added_to_cart" and row["buyer_id"] == "bob"
        ]
        assert sum(added) * 13.5 == value[shop]
        assert raw.products.count().to_pyarrow().as_py() == 19
        engine.disconnect()


def test_themes_take_turns_in_the_order_of_the_ids():
    shops = [f"s{n}" for n in (3, 1, 5, 2, 4)]
    assert {shop: look.theme for shop, look in looks(shops).items()} == dict(
        zip(["s1", "s2", "s3", "s4", "s5"], [*THEMES, THEMES[0]], strict=True)
    )
    assert set(looks(shops, "outlet").values()) == {Look("outlet")}


def test_what_cannot_be_served_is_said(stores, tables, tmp_path):
    with pytest.raises(ConfigError, match="named more than once: cart"):
        stores.start(shops=[CART, GREEN, CART])
    with pytest.raises(ConfigError, match=r"no store of shop 'none' was built here\. Built shops: Böse Ecke"):
        stores.start(shops=["none"])
    for ask in (stores.reset, stores.events_log):
        with pytest.raises(ConfigError, match=r"no store of shop '\.\./cart' was built here"):
            ask("../cart")
    port = int(stores.start()[GREEN].split(":")[2].split("/")[0])
    with pytest.raises(ConfigError, match=f"is served at .*:{port}. Stop it"):
        stores.start(port + 1)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="is in use"):
        LabStores(stores.folder).start(taken.getsockname()[1])
    with pytest.raises(ConfigError, match="is already served by another process or another LabStore"):
        LabStores(stores.folder).start()
    empty = LabStores(tmp_path / "new")
    with pytest.raises(ConfigError, match="no store was built here"):
        empty.start()
    with pytest.raises(ConfigError, match="no theme 'neon'; the themes are classic"):
        empty.build({GREEN: Look("neon")}, *tables)
    with pytest.raises(ContractError, match="no row for shop 'none'"):
        empty.build({GREEN: Look(), "none": Look()}, *tables)
    assert not empty.folder.exists()


def test_another_theme_or_variant_is_another_store(tmp_path, catalogue):
    tables = catalogue()
    kinds = [Look(), Look("outlet"), Look(variant=Variant(hidden_search=True)), Look(variant=Variant(price_factor=2))]
    digests = [build_request(tmp_path, GREEN, look, *tables).digest for look in [*kinds, Look()]]
    assert len(set(digests)) == 4
    assert digests[0] == digests[-1]
