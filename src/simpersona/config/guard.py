"""Settings of the guard that keeps visitors from ordering in stores that are not the lab's.

The words of an address, a label or a title are compared, in small letters and with "*" for any letters: "saveOrder" has the
words "save" and "order", and "checkout/line-item" has the phrase "checkout line item". The defaults are those of Shopify,
WooCommerce, Magento, BigCommerce, PrestaShop, Shopware and Squarespace, and of stores in English, German, French,
Spanish, Italian and Dutch.
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

    orders: tuple[str, ...] = _ORDERS
    """Words of checkouts and orders. A page with such an address is a checkout; a request other than GET is refused."""
    orders_by_get: tuple[str, ...] = _ORDERS_BY_GET
    """Words in whose presence opening an address may already order."""
    cart: tuple[str, ...] = _CART
    """Words of requests that change the cart. A phrase takes precedence over `orders`."""
    harmless: tuple[str, ...] = _HARMLESS
    """Words of other harmless requests: search, consent, analytics."""
    payment_hosts: tuple[str, ...] = _PAYMENT_HOSTS
    """Hosts of payment services, with their subdomains: no request and no frame reaches them."""
    harmless_hosts: tuple[str, ...] = _HARMLESS_HOSTS
    """Hosts of analytics, consent and search services, with their subdomains."""
