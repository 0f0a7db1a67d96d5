"""Settings of the guard that keeps visitors from ordering in stores that are not the lab's.

The words of an address, a label or a title are compared, in small letters and with "*" for any letters: "saveOrder" has the
words "save" and "order", and "checkout/line-item" has the phrase "checkout line item". The defaults are those of Shopify,
WooCommerce, Magento, BigCommerce, PrestaShop, Shopware and Squarespace, and of stores in English, German, French,
Spanish, Italian and Dutch, Portuguese, Polish, Czech, Slovak, Hungarian, Romanian, Swedish, Danish,
Norwegian, Finnish, Turkish, Greek, Russian, Ukrainian, Japanese, Chinese, Korean, Arabic and Hebrew. A word that means something else in another
of these languages (Romanian "plata", "payment", is Spanish for "silver") is left out.
"""

from __future__ import annotations

from simpersona.config.section import Section

_ORDERS = (
    "*checkout*", "order*", "*order", "*orders", "purchase*", "pay", "pays", "paid", "paying", "payment*", "paynow", "buy",
    "buynow", "onepage*", "onestep*", "billing", "wallet*", "place*", "confirm*", "complete*", "finali*", "finish*",
    "transaction*", "invoice*", "charge", "capture",
    "*kasse", "*kaufen", "kauf", "*bestell*", "*zahlung*", "*bezahl*", "zahlen", "rechnung*", "*abschluss", "abschliess*",
    "commande*", "*paiement*", "payer", "paye", "caisse", "achat", "acheter", "valider", "validation",
    "*pedido*", "pago*", "pagar", "compra*", "caja", "tramitar",
    "ordine*", "ordini", "pagamento*", "paga", "cassa", "acquist*", "conferma*",
    "bestel*", "*betal*", "*betaal*", "afreken*", "kassa", "koop*", "kopen", "bevestig*",
)  # fmt: skip
_ORDERS_BY_GET = (
    "pay", "paynow", "place order", "placeorder", "place", "ordered", "confirm*", "complete*", "finali*", "submit*", "buy", "buynow",
    "purchase", "process", "capture", "charge", "authorize",
    "*bezahlen", "zahlen", "*kaufen", "*bestellen", "commander", "payer", "acheter", "valider", "pagar", "comprar", "tramitar",
    "paga", "acquista", "conferma*", "betalen", "bevestig*", "kopen",
)  # fmt: skip
_CART = (
    "cart", "carts", "*cart", "basket*", "bag", "bags", "trolley", "line item*", "wishlist*", "favorite*", "favourite*",
    "compare", "coupon*", "voucher*", "*warenkorb*", "einkaufswagen", "einkaufskorb", "merkliste", "wunschliste", "gutschein*",
    "panier*", "caddie", "carrito*", "cesta*", "carro", "carrello*", "winkelwagen*", "winkelmand*", "mandje",
    "checkout cart", "checkout sidebar", "checkout line item*", "checkout product", "checkout promotion", "checkout configure",
    "add to cart", "cesta de la compra", "carrito de compra*", "carrito de la compra", "carro de compra*", "panier d achat*",
    "panier achat*", "carrello acquisti",
)  # fmt: skip
_HARMLESS = (
    "search*", "*search", "suche*", "recherche*", "buscar", "busqueda", "cerca", "ricerca", "zoek*", "suggest*",
    "autocomplete", "autosuggest", "predictive", "facet*", "filter*", "consent*", "cookie*", "gdpr", "cmp", "analytic*",
    "collect", "beacon*", "rum", "telemetry", "metrics", "pixel*", "monorail", "tracking", "recommend*", "localization",
    "currency", "language", "locale",
)  # fmt: skip
_ORDERS_FARTHER = (
    "encomenda*", "fechar pedido", "finalizacao",
    "zamow*", "zamaw*", "kasa", "kup", "kupuje", "kup teraz", "platnos*", "zaplac", "zaplata", "zaplaty", "podsumowanie",
    "objedn*", "pokladn*", "platba", "platby", "platbu", "platbou", "zaplatit", "zaplatim", "koupit", "kupit",
    "penztar*", "megrendel*", "rendeles*", "fizetes*", "comanda", "comanda mea", "comenzi", "plateste", "finalizare*",
    "kassan", "kop nu", "slutfor*", "betalning*", "bestall*", "kob nu", "kjop na", "ordre", "ordren", "bekræft*", "bekreft*", "gennemfor*", "fullfor*", "osta nyt", "tilaus", "maksu", "maksa",
    "odeme*", "siparis*", "satin al", "satinal", "παραγγελ*", "ταμειο", "πληρωμ*", "αγορα τωρα",
    "*заказ", "заказа", "заказать", "оформ*", "оплат*", "купить", "замовлен*", "замовити", "купити", "zakaz", "zakaza", "oformlenie", "oplata", "zamovlennya",
    "*注文*", "*購入*", "*決済*", "*支払*", "*お会計*", "レジ*", "chumon*", "chuumon*", "konyu*", "kounyu*", "kessai*", "reji",
    "*结算*", "*结账*", "*結帳*", "*結賬*", "*下单*", "*下單*", "*订单*", "*訂單*", "*支付*", "*付款*", "*购买*", "*購買*", "*주문*", "*결제*", "*구매*",
    "طلب", "*الطلب*", "*الدفع*", "*ادفع*", "*الشراء*", "*اشتر*", "הזמנה*", "*ההזמנה", "*תשלום*", "*רכישה*", "*לקופה",
)  # fmt: skip
_ORDERS_BY_GET_FARTHER = (
    "potwierdz*", "zaplac", "zamawiam", "zamow", "kupuje", "kup teraz", "potvrd*", "zaplatit", "odeslat", "odeslani", "odoslat", "objednat", "koupit",
    "megrendelem", "plateste", "bekrafta*", "bekræft*", "bekreft*", "slutfor*", "gennemfor*", "fullfor*", "kop nu", "kob nu", "vahvista*",
    "onayla*", "satin al", "satinal", "επιβεβαιωσ*", "подтверд*", "оплатить", "купить", "підтверд*", "oplatit", "podtverdit",
    "*確定*", "*購入する*", "*注文する*", "kakutei", "*提交*", "*支付*", "*완료*",
)  # fmt: skip
_CART_FARTHER = (
    "carrinho*", "sacola*", "koszyk*", "kosik*", "kosar*", "cosul", "cos de cumparaturi", "varukorg*", "kundvagn*", "indkobskurv", "kurv", "kurven",
    "handlekurv*", "ostoskori*", "ostoskoriin", "sepet*", "καλαθι*", "корзин*", "кошик*", "korzina*", "*カート*", "*かご*", "*カゴ*", "*買い物かご*", "kago",
    "*购物车*", "*購物車*", "*购物袋*", "*장바구니*",
)  # fmt: skip
_HARMLESS_FARTHER = (
    "pesquisa*", "procurar", "szukaj", "wyszukiw*", "hledat", "hledani", "hladat", "vyhledav*", "kereses*", "cautare", "sok", "haku", "arama",
    "αναζητηση", "поиск", "пошук", "poisk", "kensaku", "*検索*", "*搜索*", "*검색*",
)  # fmt: skip
_PAYMENT_HOSTS = (
    "stripe.com", "stripe.network", "paypal.com", "paypalobjects.com", "braintreegateway.com", "braintree-api.com", "adyen.com",
    "adyenpayments.com", "klarna.com", "klarnacdn.net", "klarnapayments.com", "klarnaservices.com", "mollie.com", "squareup.com",
    "afterpay.com", "clearpay.co.uk", "affirm.com", "sezzle.com", "shop.app", "pay.google.com", "apple-pay-gateway.apple.com",
    "payments.amazon.com", "payments-amazon.com", "checkout.com", "worldpay.com", "authorize.net", "cybersource.com",
    "opayo.co.uk", "sagepay.com", "ogone.com", "payu.com", "razorpay.com", "sofort.com", "giropay.de", "ideal.nl",
    "multisafepay.com", "saferpay.com", "datatrans.com", "computop-paygate.com", "unzer.com", "payone.com", "sumup.com",
    "redsys.es", "nexi.it", "scalapay.com", "getalma.eu", "shopifycs.com", "checkout.shopify.com", "pci.shopifyinc.com",
)  # fmt: skip
_HARMLESS_HOSTS = (
    "google-analytics.com", "analytics.google.com", "googletagmanager.com", "doubleclick.net", "bat.bing.com", "clarity.ms",
    "hotjar.com", "hotjar.io", "segment.io", "segment.com", "amplitude.com", "mixpanel.com", "posthog.com", "rudderstack.com",
    "matomo.cloud", "plausible.io", "sentry.io", "bugsnag.com", "nr-data.net", "datadoghq.com", "datadoghq.eu", "cookiebot.com",
    "onetrust.com", "cookielaw.org", "usercentrics.eu", "didomi.io", "trustarc.com", "shopifysvc.com", "algolia.net",
    "algolianet.com", "doofinder.com", "searchanise.com", "klevu.com",
)  # fmt: skip


class GuardConfig(Section):
    """The guard against orders in stores that are not the lab's (docs/episodes.md). Words and phrases of addresses; "*" stands
    for any letters. A list in the settings replaces the default.
    """

    orders: tuple[str, ...] = (*_ORDERS, *_ORDERS_FARTHER)
    """Words of checkouts and orders. A page with such an address is a checkout; a request other than GET is refused."""
    orders_by_get: tuple[str, ...] = (*_ORDERS_BY_GET, *_ORDERS_BY_GET_FARTHER)
    """Words in whose presence opening an address may already order."""
    cart: tuple[str, ...] = (*_CART, *_CART_FARTHER)
    """Words of requests that change the cart. A phrase takes precedence over `orders`."""
    harmless: tuple[str, ...] = (*_HARMLESS, *_HARMLESS_FARTHER)
    """Words of other harmless requests: search, consent, analytics."""
    payment_hosts: tuple[str, ...] = _PAYMENT_HOSTS
    """Hosts of payment services, with their subdomains: no request and no frame reaches them."""
    harmless_hosts: tuple[str, ...] = _HARMLESS_HOSTS
    """Hosts of analytics, consent and search services, with their subdomains."""
