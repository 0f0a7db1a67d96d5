"""Words of web shops' addresses by what they lead to, from the documentation of the platforms and in seven languages.

Shopify, WooCommerce, Magento, BigCommerce, PrestaShop, Shopware, Squarespace, Wix, OpenCart, Salesforce Commerce Cloud,
OXID, osCommerce and Zen Cart; English, German, French, Spanish, Italian, Dutch and Polish. What stores call the cart is in
`store_words.py`, in more languages. A word is one part of the path,
in small letters, with "-" for "_" and without an ending such as ".php".
"""

from __future__ import annotations

from simpersona.pages import PageKind
from simpersona.shopper.store_words import CARTS


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PRODUCT = _words(
    "product products produkt produkte produit produits producto productos prodotto prodotti produto produtos artikel "
    "item items itm p dp pd pdp prd prod sku gp listing product-page product-detail productdetail detail"
)
"""What follows is a product."""
COLLECTION = _words(
    "collection collections category categories categorie categories-produit categoria categorias kategorie kategorien "
    "kategoria product-category product-categories product-categorie produkt-kategorie categorie-produit "
    "categoria-producto categoria-prodotto kategoria-produktu product-tag c cat catalog catalogue department departments "
    "rayon rayons brand brands marke marken marque marques marca marche merk hersteller manufacturer navigation shop-by"
)
"""What follows is a collection."""
WHOLE_SHOP = _words(
    "shop store products produkte produits productos prodotti boutique all-products shop-all catalog sklep"
)
"""At the end of an address: the list of all products."""
SEARCH = _words(
    "search suche recherche rechercher buscar busqueda ricerca cerca zoeken szukaj hledani vyhledavani kereses cautare haku arama pesquisa busca catalogsearch searchresults "
    "search-results advanced-search-result find"
)
CART = frozenset(CARTS) | _words(
    "shopping-cart shoppingcart shopping-bag shoppingbag shopping-basket shoppingbasket view-cart viewcart cart-page my-cart "
    "mycart my-bag mybag my-basket mybasket mein-warenkorb mon-panier carrito-de-compra carrito-de-compras mi-carrito mi-cesta "
    "mijn-winkelwagen cos cos-cumparaturi cosul-meu nakupni-kosik moj-koszyk carrinho-de-compras min-kurv indkoebskurv cesto "
    "alisveris-sepetim カート 買い物かご 购物车 購物車 장바구니 سلة السلة سلة-التسوق סל-קניות"
)
ADDING = _words("add add-item additem add-product")
"""After a word of the cart: the answer to an addition, which may show any page."""
CHECKOUT = _words(
    "checkout checkouts onepage one-page-checkout onestep onestepcheckout multishipping checkout-shipping checkout-payment "
    "checkout-confirmation kasse zur-kasse kasa bestellvorgang caisse commander finalizar-compra tramitar-pedido caja "
    "cassa afrekenen zamowienie pokladna penztar finalizare-comanda kassa kassan kassen til-kassen kassalle finalizar-pedido odeme ταμειο "
    "ταμείο oformlenie oformlenie-zakaza إتمام-الطلب إتمام-الشراء"
)
ORDERING = _words("order bestellung bestelling commande pedido ordine quick-order order-opc orderopc")
"""At the end of an address: the checkout (PrestaShop)."""
CONFIRMED = _words(
    "thank-you thankyou thanks thank-you-page danke vielen-dank merci gracias grazie bedankt order-confirmation "
    "orderconfirmation order-received order-complete order-completed order-success order-placed checkout-success "
    "bestellbestatigung bestellbestaetigung bestellabschluss confirmation-commande confirmacion-pedido conferma-ordine "
    "bestelbevestiging orderbevestiging potwierdzenie-zamowienia"
)
"""The confirmation of an order."""
CONFIRMED_AFTER = _words("success finish finished complete completed received erfolg erfolgreich done")
"""The confirmation of an order, after a word of the checkout or of an order."""
LOGIN = _words(
    "account my-account myaccount customer login log-in signin sign-in register mein-konto konto kundenkonto anmelden mon-compte "
    "compte connexion mi-cuenta cuenta mio-account accedi mijn-account inloggen logowanie moje-konto prihlaseni muj-ucet bejelentkezes "
    "fiokom autentificare contul-meu logga-in mitt-konto log-ind min-konto logg-inn kirjaudu oma-tili giris hesabim entrar minha-conta"
)
"""The visitor's account, and the way into it."""
OTHER = LOGIN | _words(
    "customers wishlist merkzettel merkliste favorites blog blogs news pages page policies about about-us contact contact-us "
    "contacts kontakt impressum agb datenschutz privacy terms faq faqs help hilfe cms content info newsletter stores careers "
    "sitemap order-history order-detail order-follow order-status order-tracking track-order guest-tracking sales"
)
"""At the beginning of an address: none of the kinds that are counted."""
HOME = _words("index home default")
RESULTS = _words("result results")
PAGING = _words("page pagina seite")
"""What follows is the number of a page of a list."""

QUERY = ("q", "query", "s", "search", "search_query", "searchterm", "searchtext", "search_text", "keyword", "keywords",
         "term", "text", "ssearch", "searchparam", "suche", "suchausdruck", "searchphrase", "w", "ntt", "filter_name")  # fmt: skip
"""Parameters that hold the words of a search, in order of precedence."""
ON_ANY_PAGE = ("s", "q", "search", "query", "search_query")
"""Those that make a search of the home page's address."""
PRODUCT_ID = ("product_id", "id_product", "products_id", "productid", "pid", "anid", "product", "sku", "info", "id")
COLLECTION_ID = ("path", "id_category", "cpath", "cgid", "cnid", "product_cat", "category", "category_id", "id")

ROUTES: dict[str, dict[str, PageKind]] = {
    "route": {
        "product/product": "product",
        "product/category": "collection",
        "product/manufacturer/info": "collection",
        "product/special": "collection",
        "product/search": "search",
        "checkout/cart": "cart",
        "checkout/checkout": "checkout",
        "checkout/confirm": "checkout",
        "checkout/success": "order",
        "common/home": "other",
    },
    "controller": {
        "product": "product",
        "category": "collection",
        "manufacturer": "collection",
        "search": "search",
        "cart": "cart",
        "order": "checkout",
        "order-opc": "checkout",
        "orderopc": "checkout",
        "order-confirmation": "order",
        "orderconfirmation": "order",
        "index": "other",
        "cms": "other",
    },
    "cl": {
        "details": "product",
        "alist": "collection",
        "search": "search",
        "basket": "cart",
        "user": "checkout",
        "payment": "checkout",
        "order": "checkout",
        "thankyou": "order",
        "start": "other",
        "content": "other",
    },
    "main_page": {
        "product_info": "product",
        "advanced_search_result": "search",
        "search_result": "search",
        "shopping_cart": "cart",
        "checkout_shipping": "checkout",
        "checkout_payment": "checkout",
        "checkout_confirmation": "checkout",
        "checkout_success": "order",
    },
}
"""Pages that a parameter of the address names: OpenCart, PrestaShop, OXID, Zen Cart."""
SCRIPTS: dict[str, PageKind] = {
    "product": "product",
    "products": "product",
    "product-info": "product",
    "item": "product",
    "product-show": "product",
    "category": "collection",
    "categories": "collection",
    "brands": "collection",
    "search-show": "search",
    "cart-show": "cart",
    "checkout-begin": "checkout",
    "checkout-login": "checkout",
    "order-confirm": "order",
}
"""The last part of an address whose parameters say which product or collection it is: osCommerce, Salesforce Commerce Cloud."""
