"""What links and forms are for by their addresses, as the documentation of the platforms gives these."""

import pytest

from simpersona.adapters.storefronts.store_addresses import purpose_of_address

PURPOSES = {
    # shopify.dev: Ajax API and cart permalinks; woocommerce.com: add-to-cart links; Magento, OpenCart: their controllers
    "add": "/cart/add /cart/add?id=3 /?add-to-cart=12 /index.php?route=checkout/cart/add /checkout/cart/add/product/5/ /warenkorb/hinzufuegen",
    "remove": "/cart/change?line=1&quantity=0 /cart/?remove_item=abc&_wpnonce=1 /index.php?route=checkout/cart/remove "
    "/checkout/cart/delete/ /cart?delete=1&id_product=3 /cart.php?action=remove&item=2",
    "cart": "/cart /cart?action=show /checkout/cart /warenkorb /index.php?controller=cart",
    "checkout": "/checkout /checkouts/cn/1 /kasse",
    "search": "/search /search.php?search_query=mug",
    "login": "/account/login /mon-compte",
    None: "/ /cart/change?line=1&quantity=2 /cart/update /products/bag /compare?delete=1 /?s=mug&paged=2 /orders",
}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_what_an_address_is_for(purpose):
    for path in PURPOSES[purpose].split():
        assert purpose_of_address(f"https://shop.example{path}") == purpose, path
        assert purpose_of_address(path) == purpose, path  # as the action of a form gives it


def test_a_malformed_address_says_nothing():
    assert purpose_of_address("http://[") is None
