"""The cart in languages other than the six that the rest of the words are in: by its address, by its marks, and by its name."""

import pytest

from simpersona.adapters.storefronts.page_content import content_of
from simpersona.pages import Node, Page
from simpersona.shopper.cart_count import cart_count
from simpersona.shopper.page_kinds import seen_page
from simpersona.shopper.store_words import ADD, CHECKOUT, is_cart_name

# language: (the cart with two things, the empty cart, adding, the way to the checkout, the cart's address)
CARTS = {
    "Polish": ("Koszyk, 2 produkty", "Koszyk jest pusty", "Dodaj do koszyka", "Przejdź do kasy", "/koszyk"),
    "Czech": ("Nákupní košík: 2 položky", "Košík je prázdný", "Vložit do košíku", "Přejít k pokladně", "/kosik"),
    "Hungarian": ("Kosár (2 termék)", "A kosár üres", "Kosárba teszem", "Tovább a pénztárhoz", "/kosar"),
    "Romanian": ("Coșul meu 2 produse", "Coșul meu", "Adaugă în coș", "Finalizează comanda", "/cos"),
    "Swedish": ("Varukorgen, 2 varor", "Varukorgen är tom", "Lägg i varukorgen", "Till kassan", "/varukorg"),
    "Danish": ("Indkøbskurv 2 varer", "Kurven er tom", "Læg i indkøbskurven", "Gå til kassen", "/kurv"),
    "Norwegian": ("Handlekurv (2 varer)", "Handlekurven er tom", "Legg i handlekurven", "Til kassen", "/handlekurv"),
    "Finnish": ("Ostoskori, 2 tuotetta", "Ostoskori on tyhjä", "Lisää ostoskoriin", "Siirry kassalle", "/ostoskori"),
    "Portuguese": ("Carrinho: 2 itens", "Carrinho vazio", "Adicionar ao carrinho", "Finalizar compra", "/carrinho"),
    "Turkish": ("Sepetim (2 ürün)", "Sepetim boş", "Sepete ekle", "Ödemeye geç", "/sepet"),
    "Greek": ("Το καλάθι μου: 2 προϊόντα", "Το καλάθι μου", "Προσθήκη στο καλάθι", "Ταμείο", "/καλαθι"),
    "Russian": ("Корзина: 2 товара", "Корзина пуста", "Добавить в корзину", "Оформить заказ", "/korzina"),
    "Ukrainian": ("Кошик (2 товари)", "Кошик порожній", "Додати до кошика", "Оформити замовлення", "/кошик"),
    "Korean": ("장바구니 상품 2개", "장바구니", "장바구니에 담기", "주문하기", "/장바구니"),
    "Chinese": ("购物车(2)", "我的购物车", "加入购物车", "去结算", "/购物车"),
    "Chinese, traditional": ("購物車 2 件商品", "購物車", "加入購物車", "結帳", "/購物車"),
    "Arabic": ("سلة التسوق (2)", "سلة التسوق", "أضف إلى السلة", "إتمام الطلب", "/سلة"),
    "Japanese": ("カートの中の商品 2点", "カートは空", "カートに入れる", "レジに進む", "/カート"),
}  # fmt: skip
OTHERS = (
    "Plisovaná sukně",
    "Wiklinowy koszyk na kwiaty",
    "プリーツスカート 2",
    "スカート",
    "Kosár formájú tál",
    "裙子 2 件",
    "치마 2개",
)


@pytest.mark.parametrize("language", CARTS)
def test_the_cart_its_number_and_what_adds_to_it_are_known_by_their_names(language):
    two, empty, add, checkout, _ = CARTS[language]
    assert is_cart_name(two)
    assert is_cart_name(empty)
    assert (cart_count(Node("0-2", "button", two)), cart_count(Node("0-2", "button", empty))) == (2, None)
    assert ADD.search(add)
    assert not is_cart_name(add)
    assert CHECKOUT.search(checkout)


@pytest.mark.parametrize("name", OTHERS)
def test_a_product_is_no_cart(name):
    assert not is_cart_name(name)
    assert cart_count(Node("0-2", "link", name)) is None


@pytest.mark.parametrize("language", CARTS)
def test_the_number_at_the_cart_is_read_by_its_address_and_by_its_name(language):
    two, _, add, _, address = CARTS[language]
    product = f"<html><main><h1>7 x</h1><p>12 €</p><button>{add}</button></main>"
    by_address = content_of(
        f"<header><a href='{address}'><svg></svg><b>2</b></a></header>{product}", "https://s.example/x"
    )
    by_name = content_of(f"<header><button>{two}</button></header>{product}", "https://s.example/x")
    without = content_of(product, "https://s.example/x")
    assert (by_address.cart_count, by_name.cart_count, without.cart_count) == (2, 2, None)
    assert without.add_controls == 1
    assert seen_page(Page(f"https://s.example{address}", "", (), content=without)).kind == "cart"
