"""Addresses by platform, as the documentation of the platforms gives them, and what they say about a page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpersona.shopper.page_addresses import PageAddress, page_address, place_of

PRODUCT, COLLECTION, SEARCH = "product", "collection", "search"
CART, CHECKOUT, ORDER, OTHER, UNKNOWN = "cart", "checkout", "order", "other", None

BY_PLATFORM = {
    # help.shopify.com: URL structure; /{locale} with Markets
    "shopify": {
        "/": OTHER, "/products/blue-mug": PRODUCT, "/collections/all/products/blue-mug?variant=1": PRODUCT,
        "/collections/mugs": COLLECTION, "/collections": OTHER, "/search?type=product&q=mug": SEARCH, "/cart": CART,
        "/checkouts/cn/Z2NwLWV1/information": CHECKOUT, "/123456/checkouts/abc": CHECKOUT, "/checkouts/c/abc/thank-you": ORDER,
        "/123456/orders/abcdef": ORDER, "/pages/about-us": OTHER, "/blogs/news/checkout-our-new-mugs": OTHER,
        "/account/orders/abc": OTHER, "/en-gb/products/blue-mug": PRODUCT, "/fr/collections/mugs": COLLECTION, "/de": OTHER,
    },
    # woocommerce.com/document/permalinks, and the endpoints of the checkout; with plain permalinks
    "woocommerce": {
        "/product/blue-mug/": PRODUCT, "/shop/mugs/blue-mug/": UNKNOWN, "/product-category/kitchen/mugs/": COLLECTION,
        "/product-category/mugs/page/2/": COLLECTION, "/product-tag/blue/": COLLECTION, "/shop/": COLLECTION,
        "/shop/page/2/": COLLECTION, "/?s=mug&post_type=product": SEARCH, "/?product=blue-mug": PRODUCT,
        "/?product_cat=mugs": COLLECTION, "/?post_type=product": COLLECTION, "/cart/": CART, "/checkout/": CHECKOUT,
        "/checkout/order-received/12/?key=wc_order_1": ORDER, "/my-account/orders/": OTHER, "/produkt/blaue-tasse/": PRODUCT,
        "/produkt-kategorie/tassen/": COLLECTION, "/warenkorb/": CART, "/kasse/": CHECKOUT, "/produit/tasse/": PRODUCT,
        "/categorie-produit/tasses/": COLLECTION, "/panier/": CART, "/commander/": CHECKOUT, "/producto/taza/": PRODUCT,
        "/categoria-producto/tazas/": COLLECTION, "/carrito/": CART, "/finalizar-compra/": CHECKOUT, "/prodotto/tazza/": PRODUCT,
        "/categoria-prodotto/tazze/": COLLECTION, "/carrello/": CART, "/winkelwagen/": CART, "/afrekenen/": CHECKOUT,
        "/zamowienie/": CHECKOUT, "/koszyk/": CART,
    },
    # experienceleague.adobe.com: catalog URLs; routes of Magento_Catalog and Magento_Checkout
    "magento": {
        "/blue-mug.html": UNKNOWN, "/kitchen/mugs.html": UNKNOWN, "/catalog/product/view/id/12/category/3/": PRODUCT,
        "/catalog/category/view/s/mugs/id/3/": COLLECTION, "/catalogsearch/result/?q=mug": SEARCH,
        "/default/catalogsearch/result/index/?q=mug": SEARCH, "/checkout/cart/": CART, "/checkout/cart/index": CART,
        "/checkout/": CHECKOUT, "/checkout/#shipping": CHECKOUT, "/checkout/index/index": CHECKOUT,
        "/checkout/onepage/success/": ORDER, "/customer/account/login/": OTHER, "/sales/order/history": OTHER,
        "/index.php/checkout/cart/": CART,
    },
    # developer.bigcommerce.com: storefront URLs
    "bigcommerce": {
        "/blue-mug/": UNKNOWN, "/mugs/": UNKNOWN, "/products/blue-mug": PRODUCT, "/categories/mugs": COLLECTION,
        "/brands/studio": COLLECTION, "/search.php?search_query=mug": SEARCH, "/cart.php": CART, "/checkout": CHECKOUT,
        "/checkout.php": CHECKOUT, "/checkout/order-confirmation/1": ORDER, "/products.php?product=blue-mug": PRODUCT,
        "/categories.php?category=mugs": COLLECTION, "/login.php": OTHER, "/account.php?action=order_status": OTHER,
    },
    # devdocs.prestashop-project.org: friendly URLs, and index.php?controller=
    "prestashop": {
        "/12-blue-mug.html": PRODUCT, "/mugs/12-34-blue-mug.html": PRODUCT, "/3-mugs": COLLECTION, "/gb/3-mugs": COLLECTION,
        "/search?controller=search&s=mug": SEARCH, "/en/search?s=mug": SEARCH, "/recherche?controller=search&s=tasse": SEARCH,
        "/cart?action=show": CART, "/fr/panier?action=show": CART, "/order": CHECKOUT, "/fr/commande": CHECKOUT,
        "/order-confirmation?id_cart=1": ORDER, "/fr/confirmation-commande?id_cart=1": ORDER, "/content/4-about-us": OTHER,
        "/order-history": OTHER, "/index.php?id_product=12&controller=product": PRODUCT,
        "/index.php?id_category=3&controller=category": COLLECTION, "/index.php?controller=order": CHECKOUT,
        "/index.php?controller=order-confirmation": ORDER, "/index.php?controller=cart&action=show": CART,
    },
    # developer.shopware.com: storefront routes; docs.shopware.com: SEO URL templates
    "shopware": {
        "/Blue-Mug/SW10001": PRODUCT, "/Mugs/": UNKNOWN, "/detail/0fa91ce3e96a4bc2be4bd9ce752c3425": PRODUCT,
        "/navigation/251448b91bc742de85643f5fccd89051": COLLECTION, "/search?search=mug": SEARCH, "/checkout/cart": CART,
        "/checkout/register": CHECKOUT, "/checkout/confirm": CHECKOUT, "/checkout/finish?orderId=1": ORDER,
        "/detail/index/sArticle/12": PRODUCT, "/cat/index/sCategory/3": COLLECTION, "/search?sSearch=mug": SEARCH,
        "/checkout/shippingPayment": CHECKOUT, "/account/order": OTHER,
    },
    "squarespace": {
        "/shop/p/blue-mug": PRODUCT, "/store/p/blue-mug": PRODUCT, "/shop": COLLECTION, "/shop/category/mugs": COLLECTION,
        "/search?q=mug": SEARCH, "/cart": CART, "/checkout": CHECKOUT, "/commerce/orders/1": ORDER,
    },
    "wix": {
        "/product-page/blue-mug": PRODUCT, "/category/all-products": COLLECTION, "/cart-page": CART, "/checkout": CHECKOUT,
        "/thank-you-page/abc": ORDER,
    },
    "opencart": {
        "/index.php?route=product/product&product_id=40": PRODUCT, "/index.php?route=product/category&path=20_27": COLLECTION,
        "/index.php?route=product/search&search=mug": SEARCH, "/index.php?route=checkout/cart": CART,
        "/index.php?route=checkout/checkout": CHECKOUT, "/index.php?route=checkout/success": ORDER,
        "/index.php?route=common/home": OTHER,
    },
    "salesforce": {
        "/on/demandware.store/Sites-RefArch-Site/en_US/Product-Show?pid=25": PRODUCT,
        "/s/RefArch/Search-Show?cgid=mugs": COLLECTION, "/s/RefArch/Search-Show?q=mug": SEARCH,
        "/on/demandware.store/Sites-RefArch-Site/en_US/Cart-Show": CART,
    },
    "oxid, zen cart, oscommerce": {
        "/index.php?cl=details&anid=ab12": PRODUCT, "/index.php?cl=alist&cnid=ab12": COLLECTION,
        "/index.php?cl=search&searchparam=mug": SEARCH, "/index.php?cl=basket": CART, "/index.php?cl=payment": CHECKOUT,
        "/index.php?cl=thankyou": ORDER, "/index.php?main_page=product_info&products_id=5": PRODUCT,
        "/index.php?main_page=index&cPath=1_2": COLLECTION, "/product_info.php?products_id=5": PRODUCT,
        "/shopping_cart.php": CART, "/checkout_shipping.php": CHECKOUT, "/checkout_success.php": ORDER,
        "/advanced_search_result.php?keywords=mug": SEARCH,
    },
    "others": {
        "/dp/B00005N5PF": PRODUCT, "/itm/1234567": PRODUCT, "/listing/123/blue-mug": PRODUCT, "/blue-mug/p": PRODUCT,
        "/mugs/blue-mug/p/12345": PRODUCT, "/kitchen/mugs/c/123": COLLECTION, "/Blue-Mug-p123456": PRODUCT,
        "/Mugs-c123456": COLLECTION, "/#/product/12": PRODUCT, "/#!/cart": CART, "/artikel/becher": PRODUCT,
        "/kategorie/becher": COLLECTION, "/suche?q=becher": SEARCH, "/warenkorb": CART, "/kasse": CHECKOUT,
        "/bestellung/danke": ORDER, "/zoeken?q=beker": SEARCH, "/winkelmandje": CART, "/basket": CART, "/bag": CART,
        "/shopping-bag": CART, "/cart/checkout": CHECKOUT, "/cart/add": UNKNOWN, "/checkout/cart/add/product/12": UNKNOWN, "/our-story": UNKNOWN, "/women/shoes": UNKNOWN,
    },
}  # fmt: skip


@pytest.mark.parametrize("platform", BY_PLATFORM)
def test_the_kind_of_a_page_by_its_address(platform):
    wanted = BY_PLATFORM[platform]
    assert {path: page_address(f"https://shop.example{path}").kind for path in wanted} == wanted


@pytest.mark.parametrize("prefix", ["/de", "/en-gb", "/us/en", "/pt_BR"])
def test_a_language_before_the_path_changes_nothing(prefix):
    for path, kind in {**BY_PLATFORM["shopify"], **BY_PLATFORM["woocommerce"], **BY_PLATFORM["shopware"]}.items():
        if path.startswith(("/?", "/en-gb", "/fr", "/de")) and path[3:4] in ("", "/", "-"):
            continue
        assert page_address(f"https://shop.example{prefix}{path}").kind == kind


def test_the_name_and_the_query_of_an_address():
    named = {
        "/collections/skirts/red?page=2": "skirts",
        "/product-category/women/skirts/page/2/": "skirts",
        "/products/pleated?variant=1": "pleated",
        "/12-pleated.html": "12-pleated",
        "/index.php?route=product/product&product_id=40": "40",
        "/blue-mug/p": "blue-mug",
    }
    assert {path: page_address(f"https://shop.example{path}").name for path in named} == named
    searched = {
        "/search?q=red+skirt": "red skirt",
        "/?s=red%20skirt&post_type=product": "red skirt",
        "/search/red+skirt": "red skirt",
        "/index.php?route=product/search&search=skirt": "skirt",
        "/search": None,
    }
    assert {path: page_address(f"https://shop.example{path}").query for path in searched} == searched


PLACES = {
    "cart": "/cart /checkout/cart/index/ /index.php?route=checkout/cart /index.php?cl=basket /Cart-Show /fr/panier /my-bag /sepetim",
    "checkout": "/checkout/register /checkout/login /index.php?route=checkout/checkout /kasse /checkouts/cn/1",
    "search": "/search?q=mug /catalogsearch/result/?q=mug /index.php?route=product/search /suche /#/search?q=mug",
    "login": "/account/login /my-account/lost-password/ /pages/login /anmelden /customer/account/login/",
    None: "/ /cart/change?line=1 /search/mugs /?s=mug /products/cart /collections/bag /blog/cart /checkout/thank-you /danke /order "
    "/collections/account /customers",
}


@pytest.mark.parametrize("place", PLACES)
def test_the_places_that_every_store_has(place):
    for path in PLACES[place].split():
        assert place_of(f"https://shop.example{path}") == place, path


@given(st.text(max_size=60))
def test_every_address_has_an_answer(path):
    assert isinstance(page_address(f"https://shop.example/{path.translate({91: None, 93: None})}"), PageAddress)
