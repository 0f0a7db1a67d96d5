"""What stores call their controls, in six languages and more, as seen on their pages."""

import pytest

from simpersona.pages import Node, Page
from simpersona.shopper.affordances import ADD
from simpersona.shopper.asides import CONSENT_SHARE, SHARE, aside, aside_shares
from simpersona.shopper.cart_count import cart_count, in_cart
from simpersona.shopper.moves import move_of
from simpersona.shopper.store_words import is_cart_name, words_of

ADDS = """Add to cart|Add to Bag|ADD TO CART - $12|Add|Quick add|Add item|+ Add|Add to order|Buy now|Buy with Shop Pay|Pre-order|
Add to shopping bag|Add 1 to cart|Add Blue mug to cart|In den Warenkorb|In den Warenkorb legen|Jetzt kaufen|Ajouter au panier|
Ajouter Tasse bleue au panier|Acheter|Añadir al carrito|Añadir a la cesta|Comprar ahora|Aggiungi al carrello|Acquista ora|In winkelwagen|
Toevoegen aan winkelwagen|カートに入れる"""


@pytest.mark.parametrize("name", [name.strip() for name in ADDS.replace("\n", "").split("|")])
def test_what_adds_to_the_cart(name):
    assert ADD.search(name)
    assert move_of(Node("0-1", "button", name), "click") == "add"


@pytest.mark.parametrize(
    "name",
    [
        "Zum Warenkorb",
        "Added to cart: mug",
        "Voir le panier",
        "Add to wishlist",
        "Add a note to your order",
        "Shop now",
    ],
)
def test_what_does_not_add(name):
    assert not ADD.search(name)


@pytest.mark.parametrize(
    ("role", "name", "kind"),
    [
        ("button", "Zur Kasse", "checkout"),
        ("link", "Tramitar pedido", "checkout"),
        ("link", "Afrekenen", "checkout"),
        ("button", "Vai alla cassa", "checkout"),
        ("button", "Zahlungspflichtig bestellen", "order"),
        ("button", "Confirmer la commande", "order"),
        ("button", "Bestelling plaatsen", "order"),
        ("button", "Entfernen", "remove"),
        ("link", "Supprimer", "remove"),
        ("button", "Weiter", "onward"),
        ("link", "Nächste Seite", "page"),
        ("button", "Mehr anzeigen", "page"),
        ("link", "Siguiente", "page"),
        ("link", "Suche", "search"),
        ("link", "Weiter einkaufen", "link"),
        ("link", "Panier (2)", "cart"),
        ("link", "Cesta de mimbre 12,00 €", "product"),
        ("link", "Becher - 12.50 EUR", "product"),
    ],
)
def test_kinds_in_other_languages(role, name, kind):
    assert move_of(Node("0-1", role, name), "click") == kind


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("Cart (2)", 2),
        ("Cart, 2 items", 2),
        ("2 Artikel im Warenkorb", 2),
        ("Basket, 1 item", 1),
        ("Shopping cart 3 $24.00", 3),
        ("Voir le panier (4)", 4),
        ("Cart 2 2 items", 2),
        ("Cart 2 items 24.00", 2),
        ("Warenkorb", None),
        ("Cart $24.00", None),
        ("Skirts (24)", None),
        ("Basket Weave Mug 12", None),
    ],
)
def test_the_number_in_the_cart_in_any_wording(name, count):
    assert cart_count(Node("0-1", "link", name)) == count


def test_a_badge_counts_and_a_heading_does_where_no_control_has_a_number():
    badge = Node("0-1", "link", "Cart", detail="3", purpose="cart")
    assert (badge.label, cart_count(badge)) == ("Cart (3)", 3)
    first = Node("0-1", "link", "Cart", detail="3, 1 of 2", purpose="cart")  # two of one name, which are told apart
    assert [cart_count(each) for each in (first, Node("0-2", "link", "Cart", detail="1 of 2"))] == [3, None]
    heading, link = Node("0-1", "heading", "Your cart (2 items)"), Node("0-2", "link", "Cart")
    assert in_cart(Page("", "", (heading, link))) == 2
    assert not is_cart_name("Bag & Purse")


@pytest.mark.parametrize(
    ("role", "name", "beside"),
    [
        ("textbox", "Newsletter", "newsletter"),
        ("textbox", "Gutscheincode", "coupon"),
        ("textbox", "Order note", "note"),
        ("button", "Subscribe", "newsletter"),
        ("button", "Apply", "coupon"),
        ("button", "Accept all cookies", "consent"),
        ("button", "Alle akzeptieren", "consent"),
        ("link", "Log in", "login"),
        ("textbox", "Email", None),
        ("searchbox", "Search notes", None),
        ("spinbutton", "Quantity of Sticky Notes", None),
        ("button", "Update quantity of Cookie Jar", None),
        ("button", "Remove Gift Card Holder", None),
        ("link", "Chocolate Cookies - $4.00", None),
    ],
)
def test_what_is_beside_the_purchase_by_its_name_alone(role, name, beside):
    assert aside(Node("0-1", role, name)) == beside


def test_shares_of_what_is_beside_the_purchase():
    offered = [None, "newsletter", "newsletter", None, "consent", "consent"]
    assert aside_shares(offered, []) == pytest.approx(
        [0, SHARE / 2, SHARE / 2, 0, CONSENT_SHARE / 2, CONSENT_SHARE / 2]
    )
    assert aside_shares(offered, ["consent"]) == pytest.approx([0, *[SHARE / 4] * 2, 0, *[SHARE / 4] * 2])
    assert aside_shares([None, None], []) == [0, 0]


def test_words_are_small_without_accents_and_split_at_capitals():
    assert words_of("saveOrder für-Añadir") == "save order fur anadir"
