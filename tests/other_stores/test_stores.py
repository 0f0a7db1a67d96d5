"""The three stores of other software, asked without a driver: what they sell, what they refuse, and what they record."""

import json
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from benchmarks.storefronts.german import GermanStore
from benchmarks.storefronts.german import price as german_price
from benchmarks.storefronts.rendered import RenderedStore
from benchmarks.storefronts.rendered import price as rendered_price
from benchmarks.storefronts.server import Served
from benchmarks.storefronts.single_page import SinglePageStore
from benchmarks.storefronts.visiting import STORES


def ask(served, path, form=None, *, as_json=False):
    """(status, body) of a visitor's request; a `form` is sent by POST."""
    body = None if form is None else (json.dumps(form) if as_json else urlencode(form)).encode()
    headers = {"Cookie": "visitor=v"} | ({"Content-Type": "application/json"} if as_json else {})
    try:
        with urlopen(Request(served.url.rstrip("/") + path, body, headers)) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("name", STORES)
def test_a_store_sells_30_to_60_products_in_five_collections_or_more(name):
    catalogue = STORES[name].catalogue
    assert 30 <= len(catalogue.products) <= 60
    assert len(catalogue.collections) >= 5
    assert len({product.slug for product in catalogue.products}) == len(catalogue.products)
    assert any(product.sold_out for product in catalogue.products)
    assert any(product.options for product in catalogue.products)


def test_prices_are_written_as_in_the_country():
    assert rendered_price(1250) == "£12.50"
    assert german_price(129900) == "1.299,00 €"
    assert german_price(4999) == "49,99 €"


def test_the_rendered_store_adds_nothing_without_an_option_and_records_one_view_of_a_page():
    with Served(RenderedStore()) as served:
        product = next(one for one in STORES["rendered"].catalogue.products if one.options and not one.sold_out)
        page, add = f"/{product.slug}.html", f"/checkout/cart/add/product/{product.id}/"
        ask(served, page)
        assert "You need to choose options" in ask(served, add, {"qty": "1"})[1]
        assert "You added" in ask(served, add, {"qty": "1", "super_attribute[93]": product.options[0]})[1]
        ask(served, "/mugs.html")
        ask(served, "/mugs.html?p=2")
        ask(served, "/catalogsearch/result/?q=mug")
        ask(served, "/")
        ask(served, page)
        ask(served, "/checkout/cart/")
        ask(served, "/checkout/")
        assert "Thank you" in ask(served, "/checkout/onepage/placeOrder/", {"payment": "checkmo"})[1]
        assert served.store.log.of("v") == [
            ("product_viewed", product.slug),
            ("product_added_to_cart", product.slug),
            ("collection_viewed", "mugs"),
            ("search_submitted", "mug"),
            ("product_viewed", product.slug),
            ("cart_viewed", ""),
            ("checkout_started", ""),
            ("checkout_completed", ""),
        ]
        assert served.store.log.orders == 1


def test_the_single_page_store_refuses_without_an_option_what_is_sold_out_and_every_fourth_time():
    with Served(SinglePageStore()) as served:
        products = STORES["single_page"].catalogue.products
        choosy = next(one for one in products if one.options and not one.sold_out)
        gone = next(one for one in products if one.sold_out)

        def add(product, size):
            status, body = ask(served, "/api/cart/lines", {"productId": product.id, "size": size}, as_json=True)
            return status, json.loads(body).get("error")

        assert add(choosy, "") == (422, "Select an option")
        assert add(gone, gone.options[0] if gone.options else "") == (422, "Sold out")
        assert add(choosy, choosy.options[0]) == (200, None)
        assert add(choosy, choosy.options[0]) == (500, "Internal Server Error")
        assert served.store.log.of("v") == [("product_added_to_cart", choosy.slug)]
        batch = json.loads(ask(served, "/api/collections/shoes/products?offset=6")[1])
        assert (len(batch["products"]), batch["more"], batch["count"]) == (6, False, 12)


def test_the_german_store_orders_only_by_its_last_step():
    with Served(GermanStore()) as served:
        plain = next(one for one in STORES["german"].catalogue.products if not one.options and not one.sold_out)
        assert "Ihr Warenkorb ist leer" in ask(served, "/kasse")[1]
        sent = {"artikelId": str(plain.id), "variante": "", "menge": 1}
        assert json.loads(ask(served, "/warenkorb/positionen", sent, as_json=True)[1])["anzahl"] == 1
        assert "Lieferadresse" in ask(served, "/kasse")[1]
        assert "Versandart" in ask(served, "/kasse/adresse", {"vorname": "Jo"})[1]
        assert "Zahlungspflichtig bestellen" in ask(served, "/kasse/versand", {"art": "spedition"})[1]
        assert served.store.log.orders == 0
        assert "Vielen Dank" in ask(served, "/kasse/bestellung", {"zahlung": "rechnung"})[1]
        assert served.store.log.orders == 1
