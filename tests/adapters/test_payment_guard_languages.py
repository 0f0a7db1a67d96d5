"""Stores in languages beyond the six of the controls' words: nothing is ordered there, and the cart can be used."""

import pytest

from simpersona.adapters.storefronts.form_fields import FormField
from simpersona.adapters.storefronts.payment_guard import Asked, PaymentGuard, Situation
from simpersona.config import GuardConfig

GUARD = PaymentGuard(GuardConfig())


@pytest.mark.parametrize(
    ("checkout", "order", "control"),
    [
        ("/finalizar-compra", "/pedido/enviar", "Finalizar compra"),
        ("/kasa", "/zamowienie/potwierdz", "Zamawiam z obowiązkiem zapłaty"),
        ("/pokladna", "/objednavka/odeslat", "Objednat s povinností platby"),
        ("/penztar", "/megrendeles", "Megrendelem"),
        ("/finalizare-comanda", "/comanda/trimite", "Trimite comanda"),
        ("/kassan", "/bestallning", "Slutför köp"),
        ("/kasse", "/ordre", "Bekræft ordre"),
        ("/odeme", "/siparis", "Siparişi onayla"),
        ("/oformlenie", "/zakaz", "Оформить заказ"),
        ("/reji", "/chumon", "注文を確定する"),
        ("/结算", "/订单", "提交订单"),
        ("/결제", "/주문", "결제하기"),
    ],
)
@pytest.mark.parametrize("query", ["", "?go=1"])
def test_opening_an_address_from_a_checkout_does_not_order(checkout, order, control, query):
    page = Situation(f"https://s.example{checkout}", (), (), "acts", control)
    assert GUARD.is_checkout(page)
    refusal = GUARD.refused(Asked("GET", f"https://s.example{order}{query}", "page"), page)
    assert refusal is not None
    assert refusal.at_checkout
    assert GUARD.refused(Asked("POST", f"https://s.example{order}", "page"), page) is not None


@pytest.mark.parametrize(
    ("address", "control", "body"),
    [
        ("/carrinho/adicionar", "Adicionar ao carrinho", "produto=1"),
        ("/koszyk/dodaj", "Dodaj do koszyka", "produkt=1"),
        ("/kosik/pridat", "Vložit do košíku", "zbozi=1"),
        ("/kosar/hozzaad", "Kosárba", "termek=1"),
        ("/varukorg/lagg-till", "Lägg i varukorg", "vara=1"),
        ("/sepet/ekle", "Sepete ekle", "urun=1"),
        ("/корзина/добавить", "В корзину", "id=1"),
        ("/kago/ireru", "カートに入れる", "shohin=1"),
        ("/购物车", "加入购物车", "id=1"),
        ("/장바구니", "장바구니 담기", "id=1"),
    ],
)
def test_the_cart_can_be_used(address, control, body):
    page = Situation("https://s.example/p/1", ("Mug",), (), "acts", control)
    asked = Asked("POST", f"https://s.example{address}", "page", body.encode(), "application/x-www-form-urlencoded")
    assert GUARD.refused(asked, page) is None


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("Ulica i numer domu", "street"),
        ("Kod pocztowy", "zip"),
        ("Imię i nazwisko", "person"),
        ("PSČ", "zip"),
        ("Příjmení", "person"),
        ("Heslo", "password"),
        ("Endereço", "street"),
        ("Postnummer", "zip"),
        ("Číslo karty", "payment"),
        ("Улица", "street"),
        ("Телефон", "phone"),
        ("ご住所", "street"),
        ("郵便番号", "zip"),
        ("お名前", "person"),
        ("カード番号", "payment"),
        ("收货地址", "street"),
        ("비밀번호", "password"),
        ("Szukaj produktów", None),
        ("商品を検索", None),
        ("Ilość", None),
    ],
)
def test_a_field_is_known_by_its_label(label, kind):
    assert FormField(label=label).kind == kind


@pytest.mark.parametrize(
    "address", ["/collections/plata", "/umbrellas/plastic", "/satin", "/collections/kop", "/mugs/kubek", "/陶器/急須"]
)
def test_a_word_of_another_language_makes_no_checkout(address):
    assert not GUARD.is_checkout(Situation(f"https://s.example{address}"))
    assert GUARD.refused(Asked("GET", f"https://s.example{address}", "page"), Situation()) is None
