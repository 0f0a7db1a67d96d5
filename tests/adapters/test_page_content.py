"""What the markup of a page says: its kind, its parts, and the content of the cart, as the platforms' themes write them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simpersona.adapters.storefronts.analytics_events import collected, reported
from simpersona.adapters.storefronts.cart_requests import Answer, accepts, adds_to_cart
from simpersona.adapters.storefronts.page_content import content_of
from simpersona.adapters.storefronts.payment_guard import Asked
from simpersona.pages import Effect, Page
from simpersona.shopper.page_kinds import seen_page

SITE = "https://shop.example"


def content(markup, path="/blue-mug.html"):
    return content_of(f"<html>{markup}</html>", SITE + path)


def kind(markup, path="/blue-mug.html"):
    page = seen_page(Page(SITE + path, "", (), content=content(markup, path)))
    return page.kind, page.evidence


def ld(*things):
    return f'<script type="application/ld+json">{json.dumps(list(things) if len(things) > 1 else things[0])}</script>'


def cards(count):
    return "<ul class='products'>" + "".join(
        f'<li class="product post-{n}"><a href="/thing-{n}/"><img alt=""><h2>Thing {n}</h2><span class="price"><bdi><span>$</span>'
        f'{n}.00</bdi></span></a><a class="button" href="?add-to-cart={n}">Add to cart</a></li>' for n in range(count)
    ) + "</ul>"  # fmt: skip


PRODUCT = {"@type": "Product", "name": "Blue mug", "sku": "M-12", "offers": {"@type": "Offer", "price": 18}}
ENTRY = {"@type": "ListItem", "item": {"@type": "Product", "name": "Blue mug"}}
BUY = '<form method="post" action="/cart/add"><input name="quantity" value="1"><button>In den Warenkorb</button></form>'


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        (ld(PRODUCT), "product"),
        (ld({"@context": "https://schema.org", "@graph": [{"@type": "WebPage"}, PRODUCT]}), "product"),
        (ld({"@type": "ItemPage", "mainEntity": PRODUCT}), "product"),
        (ld({**PRODUCT, "@type": ["http://schema.org/Product", "Thing"]}), "product"),
        (f'<script type="application/ld+json">{"[" * 900}{"]" * 900}</script>{ld(PRODUCT)}', "product"),
        (ld({"@type": ["Product", "Thing"], "name": "Mug"}, {"@type": "ItemList", "itemListElement": [ENTRY]}), "product"),
        (ld(PRODUCT) + ld(PRODUCT), "product"),
        (ld(PRODUCT, PRODUCT | {"name": "Red mug", "sku": "M-13"}), "collection"),
        (ld({"@type": "ItemList", "itemListElement": [ENTRY]}), "collection"),
        (ld({"@type": "CollectionPage", "mainEntity": {"@type": "ItemList"}}), "collection"),
        (ld({"@type": ["CollectionPage", "SearchResultsPage"]}), "search"),
        ("<head><meta property='og:type' content='product'></head>", "product"),
        ("<head><meta property='og:type' content='product.group'></head>", "collection"),
        ("<div itemscope itemtype='http://schema.org/Product'><span itemprop='name'>Mug</span></div>", "product"),
        ("<ul>" + 3 * "<li itemscope itemtype='https://schema.org/Product'></li>" + "</ul>", "collection"),
        ("<body class='page-product-configurable catalog-product-view'>", "product"),
        ("<body class='page-with-filter catalog-category-view'>", "collection"),
        ("<body class='catalogsearch-result-index'>", "search"),
        ("<body class='archive tax-product_cat woocommerce'>", "collection"),
        ("<body class='single single-product woocommerce'>", "product"),
        ("<body class='search search-results post-type-archive-product woocommerce'>", "search"),
        ("<body class='is-ctl-navigation is-act-index'>", "collection"),
        ("<body class='is-ctl-navigation is-act-home'>", "other"),
        ("<body class='is-ctl-product is-act-index'>", "product"),
        ("<body id='category' class='lang-en page-category'>", "collection"),
        ("<body class='collection-type-products view-item'>", "product"),
        ("<body class='product-product-40'>", "product"),
        ("<div class='page' data-action='Product-Show'></div>", "product"),
        ("""<script>window.ShopifyAnalytics = {}; var meta = {"page":{"pageType":"collection"}}</script>""", "collection"),
    ],
)  # fmt: skip
def test_markup_that_states_the_kind_of_a_page(markup, expected):
    assert kind(markup) == (expected, "markup")


def test_the_structure_tells_where_nothing_else_does():
    related = f"<section><h2>You may also like</h2>{cards(4)}</section>"
    main = f'<h1>Blue mug</h1><div class="price">18,00 €</div><a href="/versand">zzgl. Versand</a>{BUY}'
    assert kind(f"<main>{main}</main>") == ("product", "structure")
    assert kind(f"<main>{main}{related}</main>") == ("product", "structure")
    assert kind(f"<main><h1>Mugs</h1>{cards(12)}</main>", "/mugs/") == ("collection", "structure")
    assert kind("<main><h1>Our story</h1><p>We began in 1987.</p></main>", "/our-story") == ("other", "structure")
    assert kind("<main><p>From $5</p></main>", "/gift-cards-info") == (None, None)
    assert kind(f"<main><p>Save $5 today</p>{BUY}</main>", "/mug") == (None, None)  # no price of anything
    assert kind(f"<main><p>Free shipping over $50</p>{cards(3)}</main>", "/mugs/") == ("collection", "structure")
    # a price and no control known to add it: products beside it do not make it a list
    assert kind(f"<main><h1>Mug</h1><p>$18.00</p><button>ថែម</button>{cards(4)}</main>") == (None, None)
    pictures = "<ul>" + 6 * "<li class='tile'><a href='/x'><img alt=''></a></li>" + "</ul>"
    assert kind(f"<main>{pictures}</main>", "/mugs/") == (None, None)  # products without prices, or anything else
    assert kind(f"<main>{cards(4)}</main>", "/") == ("other", "address")  # the home page shows products
    assert kind(ld({"@type": "ItemList"}), "/search?q=mug") == ("search", "address")
    assert kind(ld(PRODUCT), "/cart") == ("cart", "address")
    assert kind(ld(PRODUCT), "/") == ("product", "markup")  # a shop with one product
    assert kind("<main><form><input name='q'></form></main>", "/search") == ("other", "structure")


def test_the_parts_of_a_page():
    page = content(f"<nav>$1 {cards(3)}</nav><main><h1>Blue mug</h1><p class='price'>$18.00</p>{BUY}{cards(4)}</main>")
    assert (page.prices, page.add_controls, page.cards) == (1, 1, 4)


@pytest.mark.parametrize(
    ("markup", "count", "total"),
    [
        # Shopify's Dawn
        (("<a href='/cart' id='cart-icon-bubble'><span>Cart</span><div class='cart-count-bubble'><span aria-hidden='true'>2</span>"
         "<span class='visually-hidden'>2 items</span></div></a>"), 2, None),
        # WooCommerce's Storefront
        (("<a class='cart-contents' href='/cart/'><span class='woocommerce-Price-amount amount'><span>$</span>36.00</span> "
         "<span class='count'>2 items</span></a>"), 2, 36.0),
        # Magento's Luma: filled in by a script
        (("<a class='action showcart' href='/checkout/cart/'><span class='text'>My Cart</span><span class='counter qty'>"
         "<span class='counter-number'>2</span><span class='counter-label'>items</span></span></a>"), 2, None),
        (("<a class='action showcart' href='/checkout/cart/'><span class='text'>My Cart</span><span class='counter qty empty'>"
         "<span class='counter-number'></span></span></a>"), None, None),
        # PrestaShop's classic theme
        (("<div class='blockcart cart-preview'><a href='/cart?action=show'><span>Cart</span>"
         "<span class='cart-products-count'>(2)</span></a></div>"), 2, None),
        # Shopware
        (("<a class='header-cart-btn' href='/checkout/cart'><span class='badge header-cart-badge'>2</span>"
         "<span class='header-cart-total'>1.236,00 €</span></a>"), 2, 1236.0),
        ("<a href='/warenkorb'>Warenkorb (2)</a>", 2, None),
        ("<button aria-label='Open cart, 2 items' class='CartButton'></button>", 2, None),
        ("<body data-cart-count='2'>", 2, None),
        ("<details><summary>Bag (2)</summary></details>", 2, None),
        ("<button>2 Artikel im Warenkorb</button>", 2, None),
        ("<button>Kurv (2)</button>", 2, None),
        ("<div class='mini-kurv'><span class='badge'>2</span></div>", 2, None),
        ("<a href='/the-bag'>The bag $12</a>", None, None),
        ("<a href='/bags'>Bags (24)</a><h1>24 items</h1>", None, None),
        ("<form class='cart' action='/cart/add'><input class='qty' value='3'><button>Add 3 to cart</button></form>", None, None),
    ],
)  # fmt: skip
def test_the_cart_as_a_page_shows_it(markup, count, total):
    shown = content(markup)
    assert (shown.cart_count, shown.cart_total) == (count, total)


def test_the_quantities_of_a_cart_s_lines():
    assert content("<input name='updates[]' value='2'><input name='updates[]' value='1'>", "/cart").cart_quantity == 3
    assert content("<input name='cart[1a][qty]' value='2'>", "/cart/").cart_quantity == 2
    assert content("<input class='js-qty' value='2'>", "/warenkorb").cart_quantity == 2
    assert content("<input class='js-qty' value='2'>").cart_quantity is None  # what the product page would add


@pytest.mark.parametrize(
    ("markup", "complains"),
    [
        ("<ul class='woocommerce-error' role='alert'><li>Please choose product options</li></ul>", True),
        ("<div class='message-error error message'>You need to choose options for your item.</div>", True),
        ("<p role='alert'>Bitte wählen Sie eine Größe</p>", True),
        ("<div class='woocommerce-message' role='alert'>“Blue mug” has been added to your cart.</div>", False),
        ("<div class='error' hidden>Please select</div><p role='alert'></p>", False),
    ],
)
def test_error_messages(markup, complains):
    assert content(markup).complains is complains


@given(st.text(alphabet="<>/='\" abdhiprvclasnumeqtuoy$€1.,[]#?&-()\n", max_size=400))
@settings(max_examples=200, deadline=None)
def test_every_markup_is_read(markup):
    assert content_of(f"<a class='cart-count' href='{markup}'>{markup}</a>{markup}", SITE) is not None


def test_markup_that_is_no_page_says_nothing():
    assert content_of("\ud83d half a character", SITE) is not None
    assert content_of("<!-- nothing -->", SITE) is None
    assert content_of("x" * 5_000_001, SITE) is None


FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def asked(method, path, body="", content_type=FORM):
    return Asked(method, SITE + path, "script", body.encode(), content_type)


@pytest.mark.parametrize(
    "request_",
    [
        asked("POST", "/cart/add", "id=1&quantity=1"),
        asked("POST", "/de/cart/add.js", '{"items": [{"id": 1, "quantity": 1}]}', JSON),
        asked("POST", "/?wc-ajax=add_to_cart", "product_id=1&quantity=1"),
        asked("GET", "/?add-to-cart=1"),
        asked("POST", "/product/mug/", "quantity=1&add-to-cart=1"),
        asked("POST", "/wp-json/wc/store/v1/cart/add-item", '{"id": 1}', JSON),
        asked("POST", "/wp-admin/admin-ajax.php", "action=woocommerce_ajax_add_to_cart&product_id=1"),
        asked("POST", "/checkout/cart/add/uenc/aHR0/product/1/", "product=1&form_key=a"),
        asked("POST", "/rest/V1/guest-carts/abc/items", '{"cartItem": {"sku": "M", "qty": 1}}', JSON),
        asked("POST", "/cart.php", "action=add&product_id=1"),
        asked("POST", "/remote/v1/cart/add", "action=add&product_id=1"),
        asked("POST", "/api/storefront/carts/abc/items", '{"lineItems": [{"productId": 1}]}', JSON),
        asked("POST", "/api/storefront/carts", '{"lineItems": [{"productId": 1}]}', JSON),
        asked("POST", "/cart", "token=a&id_product=1&add=1&action=update"),
        asked("POST", "/checkout/line-item/add", "lineItems[a][id]=a&lineItems[a][quantity]=1"),
        asked("POST", "/checkout/addArticle", "sAdd=SW1"),
        asked("POST", "/api/commerce/shopping-cart/entries", '{"itemId": "a", "quantity": 1}', JSON),
        asked("POST", "/index.php?route=checkout/cart/add", "product_id=1"),
        asked("POST", "/on/demandware.store/Sites-A-Site/en_US/Cart-AddProduct", "pid=1&quantity=1"),
        asked("POST", "/api/v2/shop/cart", '{"variantId": 5, "quantity": 1}', JSON),
        asked("POST", "/graphql", '{"query": "mutation { cartLinesAdd(cartId: 1, lines: []) { cart { id } } }"}', JSON),
        asked("POST", "/graphql", '{"query": "mutation A { addProductsToCart(cartId: 1) { cart { id } } }"}', JSON),
        asked("POST", "/graphql", '{"query": "mutation { checkoutLinesAdd(id: 1) { checkout { id } } }"}', JSON),
    ],
    ids=lambda request: request.url.removeprefix(SITE),
)
def test_requests_that_add_to_the_cart(request_):
    assert adds_to_cart(request_)


@pytest.mark.parametrize(
    "request_",
    [
        asked("GET", "/cart"),
        asked("GET", "/cart.js"),
        asked("POST", "/cart", "updates[]=2&update=Update"),
        asked("POST", "/cart/change.js", '{"id": 1, "quantity": 0}', JSON),
        asked("POST", "/cart/update.js", '{"note": "x"}', JSON),
        asked("POST", "/checkout/cart/updatePost/", "cart[1][qty]=2"),
        asked("POST", "/checkout/cart/couponPost/", "coupon_code=A"),
        asked("POST", "/cart", "token=a&id_product=1&delete=1&action=update"),
        asked("POST", "/?wc-ajax=get_refreshed_fragments", "time=1"),
        asked("POST", "/?wc-ajax=remove_from_cart", "cart_item_key=a"),
        asked("DELETE", "/api/storefront/carts/abc/items/1"),
        asked("POST", "/search", "q=add+to+cart"),
        asked("POST", "/wishlist/add", "product=1"),
        asked("POST", "/graphql", '{"query": "mutation { removeItemFromCart(id: 1) { cart { id } } }"}', JSON),
        asked("POST", "/graphql", '{"query": "query { cart(id: 1) { id } }"}', JSON),
        asked("GET", "/products/add-on-kit"),
    ],
    ids=lambda request: request.url.removeprefix(SITE),
)
def test_requests_that_add_nothing(request_):
    assert not adds_to_cart(request_)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(500, "text/html", "<h1>Error</h1>"), False),
        (Answer(422, JSON, '{"status": 422, "message": "Cart Error"}'), False),
        (Answer(200, JSON, '{"id": 1, "errors": [], "user_errors": null, "error": false}'), True),
        (Answer(200, JSON, '{"success": false, "hasError": true, "errors": ["No stock"]}'), False),
        (Answer(200, JSON, '{"accepted": false, "reason": "none left"}'), False),
        (Answer(200, JSON, '{"accepted": true}'), True),
        (Answer(200, JSON, '{"error": {"option": {"218": "Select required!"}}}'), False),
        (Answer(200, JSON, '{"data": {"cartLinesAdd": {"userErrors": [{"message": "Sold out"}]}}}'), False),
        (Answer(200, JSON, '{"errors": [{"message": "Internal"}]}'), False),
        (Answer(204), True),
        (Answer(302, "", "", "/cart"), None),
        (Answer(302, "", "", "/blue-mug.html?options=cart"), False),
        (Answer(200, "text/html; charset=utf-8", "<!doctype html><p>Cart"), None),
    ],
)
def test_what_an_answer_says(answer, said):
    assert accepts(answer) is said


def test_events_that_a_page_reports():
    entries = [["gtm.js", []], ["view_item", ["M12"]], ["dl_add_to_cart", ["M12"]], ["addToCart", ["A", "B"]], None]
    assert [(one.event, one.product_id) for one in reported(entries)] == [
        ("product_viewed", "M12"),
        ("product_added_to_cart", "M12"),
        ("product_added_to_cart", None),
    ]
    one = f"{SITE}/g/collect?v=2&tid=G-1&en=add_to_cart&pr1=idM12~nmBlue%20mug"
    assert list(collected(one, "")) == [Effect("product_added_to_cart", "analytics", "M12")]
    several = f"{SITE}/g/collect?v=2&tid=G-1"
    assert [effect.event for effect in collected(several, "en=page_view\r\nen=begin_checkout&ep.currency=EUR")] == [
        "checkout_started"
    ]
    assert not list(collected(f"{SITE}/collect?en=add_to_cart", ""))


def test_an_application_keeps_its_addresses_behind_a_hash():
    """Links to pages of an application are links to pages; a link to a place on the page is none."""
    tiles = "".join(
        f'<div><a href="#{route}{name}"><img alt=""><span>{name}</span></a><b>€ 9,00</b><button>Add to bag</button></div>'
        for route in ("/product/", "!/product/")
        for name in ("fern", "moss", "palm")
    )
    badge = '<header><a href="#/bag" aria-label="Bag"><span>2</span></a><a href="#top">Top <span>7</span></a></header>'
    found = content_of(f"<html><body>{badge}<main><h1>Plants</h1>{tiles}</main></body></html>", "https://s.example/")
    assert (found.cards, found.prices, found.add_controls, found.cart_count) == (6, 0, 0, 2)
    places = content_of(
        f"<html><body><main>{tiles.replace('#!/', '#').replace('#/', '#')}</main></body></html>", "https://s.example/"
    )
    assert places.cards == 0


def test_a_page_without_a_body_tag_has_the_same_content():
    inside = f"<h1>Blue mug</h1><p>$18.00</p>{BUY}"
    bare = content_of(f"<title>Blue mug $18.00</title><main>{inside}</main>", SITE + "/x")
    whole = content_of(
        f"<html><head><title>Blue mug $18.00</title></head><body><main>{inside}</main></body></html>", SITE + "/x"
    )
    assert bare == whole
    assert (bare.prices, bare.add_controls) == (1, 1)
