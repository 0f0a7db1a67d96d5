"""Which requests may leave a store that is not the lab's, and which fields ask for what: decided by hand for each platform."""

import pytest

from simpersona.adapters.storefronts.form_fields import FormField, shown_fields
from simpersona.adapters.storefronts.guarded_visit import STOPPED, GuardedVisit
from simpersona.adapters.storefronts.payment_guard import Asked, PaymentGuard, Situation
from simpersona.config import GuardConfig
from simpersona.pages import Action, Node

GUARD = PaymentGuard(GuardConfig())
PRODUCT = Situation("https://s.example/products/order-of-the-phoenix", ("Phoenix",), (), "acts", "Go")
NEWS = (FormField(type="email", label="Newsletter"),)
CHECKOUT = Situation("https://s.example/x", ("Shop",), (FormField(label="Straße und Hausnummer"),), "acts", "Weiter")


def refused(method, path, body="", page=PRODUCT, kind="script"):
    url = path if path.startswith("https:") else f"https://s.example{path}"
    content_type = "application/json" if body.startswith("{") else "application/x-www-form-urlencoded"
    return GUARD.refused(Asked(method, url, kind, body.encode(), content_type), page)


@pytest.mark.parametrize("page", [PRODUCT, CHECKOUT], ids=["product", "checkout"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/cart/add", "id=1&quantity=1"),  # Shopify
        ("/en-gb/cart/add.js", '{"items": [{"id": 1, "quantity": 1}]}'),
        ("/cart", "updates[]=2"),
        ("/api/2025-01/graphql.json", '{"query": "mutation a($i: ID!) { cartLinesAdd(cartId: $i) { cart { checkoutUrl } } }"}'),
        ("/?wc-ajax=add_to_cart", "product_id=1"),  # WooCommerce
        ("/product/mug/", "quantity=1&add-to-cart=12"),
        ("/wp-json/wc/store/v1/cart/add-item", '{"id": 1, "quantity": 1}'),
        ("/wp-json/wc/store/v1/batch", '{"requests": [{"path": "/wc/store/v1/cart/add-item", "body": {"id": 1}}]}'),
        ("/checkout/cart/add/uenc/aHR0/product/12/", "product=12&qty=1"),  # Magento
        ("/checkout/sidebar/updateItemQty/", "item_id=1&item_qty=2"),
        ("/rest/V1/guest-carts/ab12/items", '{"cartItem": {"sku": "a", "qty": 1}}'),
        ("/graphql", '{"query": "mutation { addProductsToCart(cartId: 1) { cart { id } } }"}'),
        ("/cart.php", "action=add&product_id=1"),  # BigCommerce
        ("/api/storefront/carts/ab/items", '{"lineItems": [{"productId": 1}]}'),
        ("/panier", "add=1&action=update&id_product=1"),  # PrestaShop
        ("/checkout/line-item/add", "lineItems[1][id]=1"),  # Shopware
        ("/api/commerce/shopping-cart/entries", '{"itemId": "1"}'),  # Squarespace
        ("/warenkorb/hinzufuegen", "artikel=1"),
        ("/carrito-de-la-compra/agregar", "producto=1"),
        ("/carrello/aggiungi", "prodotto=1"),
        ("/winkelwagen/toevoegen", "sku=1"),
        ("/api/trpc/cart.add", "{}"),
        ("/search", "q=order"),
        ("/recherche", "q=jupe"),
        ("/localization", "country_code=DE"),
        ("/collect", "event=purchase"),
        ("https://region1.google-analytics.com/g/collect", '{"event": "purchase"}'),
        ("/graphql", '{"query": "query p($orderBy: X) { products(orderBy: $orderBy) { id } }", "variables": {"orderBy": "A"}}'),
    ],
)  # fmt: skip
def test_carts_search_consent_and_analytics_are_allowed(path, body, page):
    assert refused("POST", path, body, page) is None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/ordered", "b=0"),
        ("POST", "/kasse/abschluss", ""),
        ("PUT", "/rest/V1/guest-carts/ab12/order", "{}"),
        ("POST", "/rest/V1/guest-carts/ab12/payment-information", "{}"),
        ("POST", "/?wc-ajax=checkout", "x=1"),
        ("POST", "/wp-json/wc/store/v1/checkout", "{}"),
        ("POST", "/checkout/order", ""),
        ("POST", "/module/ps_wirepayment/validation", ""),
        ("POST", "/cart", "updates[]=1&checkout=Check+out"),
        ("POST", "/api/trpc/cart.get,order.place", "{}"),
        ("POST", "/graphql", '{"query": "mutation { checkoutCompleteFree(id: 1) { order { id } } }"}'),
        ("POST", "/graphql", '{"query": "mutation { cart: placeOrder(input: {cart_id: 1}) { order { id } } }"}'),
        ("POST", "/api/x", '{"action": "submitOrder", "cart": [1]}'),
        ("POST", "/onepagecheckout", ""),
        ("GET", "/order/confirm?pay=1", ""),
        ("GET", "/place-order", ""),
    ],
)
def test_orders_are_refused_on_every_page_and_the_checkout_is_reached(method, path, body):
    refusal = refused(method, path, body, kind="page")
    assert refusal is not None
    assert refusal.at_checkout


@pytest.mark.parametrize(
    "path", ["/checkout", "/kasse", "/order", "/onepagecheckout", "/pages/payment-methods", "/search/complete?q=x"]
)
def test_a_checkout_can_be_opened(path):
    assert refused("GET", path, kind="page") is None


def test_what_is_not_known_is_refused_but_a_named_cart_and_a_page_that_loads_are_not():
    unknown = refused("POST", "/x7", '{"sku": 7}')
    assert unknown is not None
    assert not unknown.at_checkout
    cart = Situation(PRODUCT.address, (), NEWS, "acts", "In den Warenkorb")
    assert refused("POST", "/x7", '{"sku": 7}', cart) is None
    assert refused("POST", "/x7", '{"cart": [7], "total": 3}', cart) is not None
    loading = Situation(PRODUCT.address, (), (), "none")
    assert refused("POST", "/x7", '{"page": 2}', loading) is None
    assert refused("POST", "/x7", "page=2", loading, "page") is not None
    assert refused("POST", "/x7", '{"page": 2}', Situation(PRODUCT.address, (), NEWS, "none")) is not None


@pytest.mark.parametrize(
    ("method", "path", "at_checkout"),
    [("POST", "/x7", True), ("GET", "/checkout/payment", True), ("GET", "/x?a=1", True), ("DELETE", "/x", True)],
)
def test_a_checkout_lets_nothing_more_out(method, path, at_checkout):
    refusal = refused(method, path, "", CHECKOUT, "page")
    assert refusal is not None
    assert refusal.at_checkout is at_checkout
    assert refused("GET", "/products/x", "", CHECKOUT, "page") is None


def test_personal_data_leaves_nowhere_by_its_name_or_by_its_value():
    assert refused("POST", "/newsletter", "email=a@example.com") is not None
    assert refused("POST", "/cart/add", '{"id": 1, "customer": {"phone": "123"}}') is not None
    assert refused("POST", "/cart/add", '{"id": 1, "email": null}') is None
    typed = Situation(PRODUCT.address, typed=frozenset({"Main Street 1"}))
    assert refused("GET", "/x?v7=Main+Street+1", "", typed) is not None
    assert refused("GET", "/x?v7=Main%20Street%201", "", typed) is not None
    assert refused("POST", "/cart/add", "note=Main+Street+1", typed) is not None
    assert refused("GET", "/x?email=a%40example.com") is not None


def test_no_request_and_no_frame_reaches_a_payment_service():
    for method, url in (("POST", "https://api.stripe.com/v1/x"), ("GET", "https://www.paypal.com/checkoutnow")):
        refusal = refused(method, url, kind="frame")
        assert refusal is not None
        assert "payment service" in refusal.reason
    assert refused("GET", "https://mystripe.com.example/") is None


def test_a_body_that_cannot_be_read_and_multipart_are_judged():
    assert GUARD.refused(Asked("POST", "https://s.example/cart/add", "page", None), PRODUCT) is not None
    body = b'--b\r\nContent-Disposition: form-data; name="email"\r\n\r\na@example.com\r\n--b--\r\n'
    asked = Asked("POST", "https://s.example/cart/add", "page", body, "multipart/form-data; boundary=b")
    assert GUARD.refused(asked, PRODUCT) is not None


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("payment", FormField(autocomplete="section-a billing cc-number")),
        ("payment", FormField(label="Numéro de carte")),
        ("payment", FormField(name="cardnumber")),
        ("payment", FormField(label="IBAN")),
        ("street", FormField(autocomplete="shipping street-address", label="?")),
        ("street", FormField(label="Straße und Hausnummer")),
        ("street", FormField(label="Dirección")),
        ("street", FormField(name="shippingAddress1")),
        ("email", FormField(label="E-mail address")),
        ("email", FormField(inputmode="email")),
        ("phone", FormField(type="tel")),
        ("phone", FormField(label="Telefoonnummer", name="telefoon")),
        ("zip", FormField(label="Codice postale")),
        ("zip", FormField(name="plz")),
        ("person", FormField(label="Prénom")),
        ("person", FormField(label="Name *")),
        ("password", FormField(type="password")),
        ("login", FormField(type="text", label="Your id", beside_password=True)),
        (None, FormField(type="text", name="q", label="Search for products")),
        (None, FormField(label="Quantity")),
        (None, FormField(label="Gutscheincode")),
        (None, FormField(type="hidden", name="email")),
        (None, FormField(label="Product name")),
    ],
)  # fmt: skip
def test_the_structure_of_a_field_decides_first_then_its_words(kind, field):
    assert field.kind == kind


def node(name, role="button"):
    return Node("0-2", role, name)


def test_passwords_and_logins_are_never_typed_and_a_checkout_is_not_filled_in():
    visit = GuardedVisit(GUARD, "https://s.example/")
    fill = Action("0-2", "fill", "", ("secret",))
    login = FormField(type="text", label="Login", beside_password=True)
    troubles = []
    for field in (FormField(type="password"), login):
        refusal = visit.begin(fill, node("", "textbox"), link="", field=field)
        assert refusal is not None
        assert visit.not_done(refusal, troubles) == "Passwords and logins are never typed"
    assert visit.begin(fill, node("", "textbox"), link="", field=NEWS[0]) is None
    visit.see(CHECKOUT.address, (), CHECKOUT.fields)
    refusal = visit.begin(fill, node("", "textbox"), link="", field=CHECKOUT.fields[0])
    assert refusal is not None
    assert visit.not_done(refusal, troubles) == STOPPED
    assert troubles == ["refused", "refused", "checkout_reached"]


def test_what_a_page_sends_beside_an_addition_to_the_cart_does_not_end_the_visit():
    visit, troubles = GuardedVisit(GUARD, "https://s.example/"), []
    visit.see(PRODUCT.address, (), ())
    visit.begin(Action("0-2", "click", ""), node("Add to cart"), link="", field=None)
    assert visit.decide(Asked("POST", "https://s.example/cart/add", "script", b"id=1")) is None
    assert visit.decide(Asked("POST", "https://s.example/payment/buttons", "script", b"{}")) is not None
    assert (visit.outcome(None, troubles), troubles) == (None, ["refused"])
    visit.begin(Action("0-2", "click", ""), node("Buy it"), link="", field=None)
    visit.decide(Asked("POST", "https://s.example/payment/buttons", "script", b"{}"))
    failure = visit.outcome(None, troubles)
    assert failure is not None
    assert failure.startswith(STOPPED)
    assert "POST request to /payment/buttons" in failure
    assert troubles[1:] == ["refused", "checkout_reached"]


@pytest.mark.parametrize(
    ("control", "request_to", "ends"),
    [
        ("Buy it now", "/checkouts/unstable/start", True),
        ("Jetzt kaufen", "/bestellung", True),
        ("Buy it now", "/track", False),  # names no order
        ("Buy", "/payment/buttons", False),  # often only adds
        ("Add to cart", "/checkouts/unstable/start", False),
    ],
)
def test_a_control_that_skips_the_cart_reaches_the_checkout_after_it_has_added(control, request_to, ends):
    visit, troubles = GuardedVisit(GUARD, "https://s.example/"), []
    visit.see(PRODUCT.address, (), ())
    visit.begin(Action("0-2", "click", ""), node(control), link="", field=None)
    assert visit.decide(Asked("POST", "https://s.example/cart/add.js", "script", b"id=1")) is None
    assert visit.decide(Asked("POST", f"https://s.example{request_to}", "script", b"{}")) is not None
    assert str(visit.outcome(None, troubles)).startswith(STOPPED) == ends


def test_a_field_without_a_name_is_labelled_by_the_text_before_it():
    nodes = [node("PLZ", "StaticText"), node("", "textbox"), node("", "textbox"), node("Ort", "textbox")]
    assert [field.kind for field in shown_fields(nodes)] == ["zip", None, "city"]
    visit = GuardedVisit(GUARD, "https://s.example/")
    visit.see("https://s.example/x", (), shown_fields(nodes))
    assert visit.decide(Asked("POST", "https://s.example/x7", "script", b"a=1")) is not None


def late(visit, referrer):
    return visit.decide(Asked("POST", "https://s.example/x7", "script", b"a=1", referrer=referrer))


def test_what_a_page_sends_while_it_is_left_is_judged_as_its_own():
    """A checkout's timer may fire after the next page was asked for, and before its document has begun."""
    visit, home = GuardedVisit(GUARD, "https://s.example/"), "https://s.example/list"
    visit.see(CHECKOUT.address, (), CHECKOUT.fields)
    visit.begin(Action("0-3", "click", ""), node("Home", "link"), link=home, field=None)
    assert visit.decide(Asked("GET", home, "page")) is None
    refusal = late(visit, CHECKOUT.address)
    assert refusal is not None
    assert refusal.at_checkout
    visit.begin_document()
    assert late(visit, CHECKOUT.address) is not None  # it has left before the document began, and comes after
    assert str(visit.outcome(None, [])).startswith(STOPPED)
    assert late(visit, home) is None  # the new document's own
    visit.see(home, (), ())
    assert late(visit, home) is None


def test_what_an_action_sends_late_is_judged_as_its_result():
    now = 100.0
    visit = GuardedVisit(GUARD, "https://s.example/", clock=lambda: now)
    visit.see("https://s.example/last", (), ())
    visit.begin(Action("0-2", "click", ""), node("OK"), link="", field=None)
    visit.begin(Action("0-3", "scrollTo", ""), node("Below", "heading"), link="", field=None)
    now = 102.9
    assert late(visit, "https://s.example/last") is not None
    now = 103.1
    assert late(visit, "https://s.example/last") is None
    visit.begin(Action("0-2", "click", ""), node("OK"), link="", field=None)
    visit.arrive("https://s.example/next")  # another document: the timers of the one before are gone
    visit.begin_document()
    visit.see("https://s.example/next", (), ())
    assert late(visit, "https://s.example/next") is None


def test_a_word_typed_into_a_newsletter_does_not_close_the_store():
    """A shopper types what it looks for into the wrong field: links and searches with that word stay open."""
    visit = GuardedVisit(GUARD, "https://s.example/")
    visit.see("https://s.example/home", (), NEWS)
    fill = Action("0-2", "fill", "", ("lamps",))
    visit.begin(fill, node("Newsletter", "textbox"), link="", field=NEWS[0])
    visit.see("https://s.example/home", (), (FormField(type="email", label="Newsletter", value="lamps"),))
    search = Asked("GET", "https://s.example/search?q=lamps", "page")
    visit.begin(Action("0-5", "click", ""), node("Go"), link="", field=None)
    assert visit.decide(search) is not None
    visit.begin(Action("0-4", "fill", "", ("lamps",)), node("", "searchbox"), link="", field=FormField(name="q"))
    visit.begin(Action("0-4", "press", "", ("Enter",)), node("", "searchbox"), link="", field=FormField(name="q"))
    assert visit.decide(search) is None
    visit.see("https://s.example/home", (), ())
    link = "https://s.example/lamps.html"
    visit.begin(Action("0-3", "click", ""), node("Lamps", "link"), link=link, field=None)
    assert visit.decide(Asked("GET", link, "page")) is None


def test_the_settings_say_what_is_harmless_and_what_orders():
    own = PaymentGuard(GuardConfig(cart=("korb*",), orders=("zauber*",)))
    assert own.refused(Asked("POST", "https://s.example/korbablage", "page"), PRODUCT) is None
    assert own.refused(Asked("POST", "https://s.example/korb/zaubern", "page"), PRODUCT) is not None
