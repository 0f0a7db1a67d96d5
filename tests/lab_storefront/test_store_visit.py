"""What a visitor sees of a running store, and what the store records of it."""

import json
import re
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest


def test_a_whole_purchase_is_recorded_with_the_catalogues_ids(visit, store, log_of):
    ann = visit("ann")
    ann.get("/")
    ann.follow("Skirts")
    ann.submit("Search", q="linen skirts")
    ann.follow("Linen Skirt - $12.50")
    (large,) = re.findall(r'<option value="(\d+)">Large<', ann.page)
    ann.submit("Add to cart", variant=large)
    assert "Added to cart: Linen Skirt (Large)" in ann.page
    assert "Cart (1)" in ann.page
    ann.follow("Cart (1)")
    ann.follow("Proceed to checkout")
    ann.submit("Continue", username="ann@example.com")
    ann.submit("Continue", last_name="Ann Lee", line1="1 Main Street, Springfield")
    assert "Ship to: Ann Lee, 1 Main Street, Springfield" in ann.page
    ann.submit("Place order")
    assert "Thank you for your order" in ann.page
    assert "Cart (0)" in ann.page

    lines = log_of(store, "ann")
    assert [line["name"] for line in lines] == [
        "page_viewed",
        "collection_viewed",
        "search_submitted",
        "product_viewed",
        "product_added_to_cart",
        "cart_viewed",
        "checkout_started",
        "page_viewed",
        "page_viewed",
        "checkout_completed",
    ]
    assert {line["shop"] for line in lines} == {"green-meadow"}
    assert {line["type"] for line in lines} == {"standard"}
    times = [datetime.fromisoformat(line["timestamp"]) for line in lines]
    assert times == sorted(times)
    numbers = [line["seq"] for line in lines]
    assert numbers == sorted(set(numbers))
    assert len({line["id"] for line in lines}) == len(lines)
    _, collection, search, view, add, cart, started, _, _, completed = [line["data"] for line in lines]
    assert collection == {"collection": {"id": "c-skirts", "title": "Skirts"}}
    assert search == {"searchResult": {"query": "linen skirts"}}
    assert view["productVariant"]["product"] == {
        "id": "skirt-1",
        "title": "Linen Skirt",
        "vendor": "Acme",
        "type": "skirts",
    }
    assert view["productVariant"]["price"] == {"amount": 12.5, "currencyCode": "USD"}
    assert add["cartLine"]["merchandise"]["product"]["id"] == "skirt-1"
    assert add["cartLine"]["merchandise"]["title"] == "Large"
    assert add["cartLine"]["quantity"] == 1
    assert add["cartLine"]["cost"] == {"totalAmount": {"amount": 12.5, "currencyCode": "USD"}}
    assert cart == {"cart": {"totalQuantity": 1}}
    for checkout in (started["checkout"], completed["checkout"]):
        assert [line["variant"]["product"]["id"] for line in checkout["lineItems"]] == ["skirt-1"]
        assert checkout["totalPrice"]["amount"] == 12.5
    assert started["checkout"]["token"] == completed["checkout"]["token"]
    assert completed["checkout"]["order"]["id"]


def test_the_log_holds_nothing_personal(visit, store):
    bob = visit("bob")
    bob.get("/products/wool-skirt/")
    bob.submit("Add to cart")
    bob.follow("Proceed")
    bob.submit("Continue", username="bob.private@example.com")
    bob.submit("Continue", last_name="Bob Privateer", line1="99 Hidden Lane")
    bob.submit("Place order")
    log = store.events_log.read_text(encoding="utf-8")
    assert not [word for word in ("bob.private", "example.com", "Privateer", "Hidden") if word in log]


def test_a_changed_quantity_counts_by_the_difference(visit, store, log_of):
    eve = visit("eve")
    eve.get("/products/wool-skirt/")
    eve.submit("Add to cart")
    eve.submit("Update", quantity="4")
    assert "Total: $54.00" in eve.page
    eve.submit("Update", quantity="3")
    eve.submit("Update", quantity="3")
    eve.submit("Update", quantity="1000")
    assert "quantity from 0 to 99" in eve.page
    eve.submit("Remove", quantity="3")
    assert "Your cart is empty" in eve.page
    changes = [
        (line["name"], line["data"]["cartLine"]["quantity"], line["data"]["cartLine"]["cost"]["totalAmount"]["amount"])
        for line in log_of(store, "eve")
        if "cartLine" in line["data"]
    ]
    assert changes == [
        ("product_added_to_cart", 1, 13.5),
        ("product_added_to_cart", 3, 40.5),
        ("product_removed_from_cart", 1, 13.5),
        ("product_removed_from_cart", 3, 40.5),
    ]


def test_pages_that_answer_a_form_and_further_pages_are_no_new_views(visit, store, log_of):
    fay = visit("fay")
    fay.get("/collections/rugs/")
    assert len(re.findall(r"Grey Rug - \$", fay.page)) == 10
    fay.follow("Next page")
    assert len(re.findall(r"Grey Rug - \$", fay.page)) == 4
    fay.follow("Previous page")
    fay.submit("Search", q="grey rug")
    fay.follow("Next page")
    fay.follow("Grey Rug")
    fay.submit("Add to cart")
    fay.follow("Proceed")
    fay.get("/cart/")
    fay.follow("Proceed")
    names = [line["name"] for line in log_of(store, "fay")]
    assert names == [
        "collection_viewed",
        "page_viewed",
        "collection_viewed",
        "search_submitted",
        "page_viewed",
        "product_viewed",
        "product_added_to_cart",
        "checkout_started",
        "cart_viewed",
        "page_viewed",
    ]


def test_a_new_cart_starts_a_new_checkout(visit, store, log_of):
    hal = visit("hal")
    for _ in range(2):
        hal.get("/products/wool-skirt/")
        hal.submit("Add to cart")
        hal.follow("Proceed")
        hal.submit("Continue", username="hal@example.com")
        hal.submit("Continue", last_name="Hal", line1="2 Side Street")
        hal.submit("Place order")
    checkouts = [line for line in log_of(store, "hal") if line["name"].startswith("checkout")]
    assert [line["name"] for line in checkouts] == ["checkout_started", "checkout_completed"] * 2
    assert len({line["data"]["checkout"]["token"] for line in checkouts}) == 2
    orders = {line["data"]["checkout"]["order"]["id"] for line in checkouts[1::2]}
    assert len(orders) == 2


def test_place_order_clicked_again_gives_one_order(visit, store, log_of):
    ida = visit("ida")
    ida.get("/products/wool-skirt/")
    ida.submit("Add to cart")
    ida.follow("Proceed")
    ida.submit("Continue", username="ida@example.com")
    ida.submit("Continue", last_name="Ida", line1="3 Side Street")
    review, address = ida.page, ida.address
    ida.submit("Place order")
    ida.page, ida.address = review, address
    ida.submit("Place order")
    assert "Your cart is empty" in ida.page
    assert [line["name"] for line in log_of(store, "ida")].count("checkout_completed") == 1


def test_two_visitors_have_two_carts(visit, store, log_of):
    jan, kim = visit("jan"), visit("kim")
    jan.get("/products/wool-skirt/")
    jan.submit("Add to cart")
    kim.get("/cart/")
    assert "Your cart is empty" in kim.page
    kim.get("/products/hiking-boot/")
    kim.submit("Add to cart", variant=re.findall(r'<option value="(\d+)"', kim.page)[0])
    jan.get("/cart/")
    assert "Hiking Boot" not in jan.page
    assert [line["name"] for line in log_of(store, "kim")] == ["cart_viewed", "product_viewed", "product_added_to_cart"]


def test_a_visitor_without_a_name_is_given_one_and_keeps_it(visit, store, log_of):
    someone = visit()
    someone.get("/")
    someone.get("/cart/")
    (name,) = [cookie.value for cookie in someone.cookies if cookie.name == "visitor"]
    assert [line["name"] for line in log_of(store, name)] == ["page_viewed", "cart_viewed"]


@pytest.mark.parametrize(
    ("query", "first", "count"),
    [
        ("skirts", "Linen Skirt", 2),  # stem
        ("SKIRT wool", "Wool Skirt", 1),  # all words, any case and order
        ("hik", "Hiking Boot", 1),  # beginning of a word
        ("lampara", "Lámpara del niño 灯", 1),  # without accents
        ("wool spaceship", "Wool Skirt", 1),  # any of the words
        ("acme boots", "Hiking Boot", 1),  # vendor and type
    ],
)
def test_search_finds(visit, query, first, count):
    shopper = visit()
    shopper.get("/")
    shopper.submit("Search", q=query)
    found = re.findall(r'<a href="/products/[^"]+">(.+?) - \$', shopper.page)
    assert found[0] == first
    assert f"{count} product" in shopper.page


@pytest.mark.parametrize("query", ["spaceship", '"', "* OR (", "title:skirt NEAR ^", "'; DROP TABLE x", "灯火"])
def test_search_survives(visit, query):
    shopper = visit()
    shopper.get("/")
    shopper.submit("Search", q=query)
    assert "Search results for" in shopper.page


def test_an_empty_search_is_no_search(visit, store, log_of):
    leo = visit("leo")
    leo.get("/")
    leo.submit("Search", q="   ")
    assert "Type what you are looking for" in leo.page
    assert [line["name"] for line in log_of(store, "leo")] == ["page_viewed", "page_viewed"]


def test_titles_and_queries_are_escaped(visit):
    mia = visit()
    mia.get("/collections/lamps/")
    assert "Lamp &lt;b&gt;&quot;Sun&quot;&lt;/b&gt; &amp; &#x27;Moon&#x27; - $15.50" in mia.page
    mia.follow('Lamp <b>"Sun"')
    assert "<b>" not in mia.page
    mia.submit("Add to cart")
    assert 'aria-label="Remove Lamp &lt;b&gt;&quot;Sun&quot;&lt;/b&gt; &amp; &#x27;Moon&#x27;"' in mia.page
    mia.get("/products/lampara-del-nino/")
    assert ">&lt;i&gt;warm&lt;/i&gt;</option>" in mia.page
    mia.submit("Search", q="<script>alert(1)</script>")
    assert "<script" not in mia.page


def test_products_of_one_title_have_addresses_of_their_own(visit):
    shopper = visit()
    shopper.get("/collections/rugs/")
    addresses = re.findall(r'href="(/products/[^"]+)"', shopper.page)
    assert len(set(addresses)) == 10


def test_a_wrong_address_line_is_said_and_nothing_is_lost(visit):
    nia = visit()
    nia.get("/products/wool-skirt/")
    nia.submit("Add to cart")
    nia.follow("Proceed")
    nia.submit("Continue", username="not an address")
    assert 'role="alert">Email: Enter a valid email address.' in nia.page
    nia.submit("Continue", username="nia@example.com")
    nia.submit("Continue", last_name="Nia", line1="")
    assert 'role="alert">Address: This field is required.' in nia.page
    assert 'value="Nia"' in nia.page
    nia.get("/checkout/review/")
    assert "Checkout: shipping address" in nia.page


def test_an_empty_cart_cannot_be_checked_out(visit, store, log_of):
    ola = visit("ola")
    ola.get("/checkout/")
    assert "Your cart is empty" in ola.page
    assert not [line for line in log_of(store, "ola") if line["name"].startswith("checkout")]


@pytest.mark.parametrize(
    ("path", "headers", "data", "status"),
    [
        ("/products/no-such/", {}, None, 404),
        ("/collections/no-such/", {}, None, 404),
        ("/products/wool-skirt/add/", {}, b"variant=2", 403),  # no CSRF token
        ("/", {"Host": "evil.example"}, None, 400),
        ("/", {}, b"", 403),
    ],
)
def test_what_is_refused(store, path, headers, data, status):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(store.url + path, data, headers))
    refused.value.close()
    assert refused.value.code == status


def test_a_variant_of_another_product_cannot_be_added(visit):
    shopper = visit()
    shopper.get("/products/linen-skirt/")
    with pytest.raises(urllib.error.HTTPError) as refused:
        shopper.submit("Add to cart", variant="1")
    refused.value.close()
    assert refused.value.code == 404


def test_pages_are_short_and_ask_nothing_of_the_network(visit):
    shopper = visit()
    for path in ("/", "/collections/rugs/", "/search?q=rug", "/products/linen-skirt/", "/cart/"):
        page = shopper.get(path)
        assert len(re.findall(r"<(?:a|input|select|button|h\d|p|option)\b", page)) <= 45
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
        assert page.count("<h1>") == 1


def test_visitors_at_once_do_not_lock_each_other_out(visit, store, log_of):
    def shop(number: int) -> str:
        shopper = visit(f"crowd-{number}")
        for _ in range(3):
            shopper.get("/products/wool-skirt/")
            shopper.submit("Add to cart")
        return shopper.page

    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(shop, range(8)))
    assert all("Cart (3)" in page for page in pages)
    lines = [line for line in log_of(store) if line["clientId"].startswith("crowd-")]
    assert len(lines) == 8 * 6
    assert [line["seq"] for line in log_of(store)] == list(range(1, len(log_of(store)) + 1))


def test_the_logs_folder_is_what_the_shopify_source_reads(visit, store, catalogue):
    import pyarrow.parquet as pq

    visit("carl").get("/")
    products, collections = catalogue()
    folder = store.events_log.parent
    assert pq.read_table(folder / "products.parquet").equals(products)
    assert pq.read_table(folder / "collections.parquet").equals(collections)
    assert json.loads(store.events_log.read_text().splitlines()[0])["name"]
