"""A German store: pages from the server, controls in the manner of Radix, and a cookie banner that covers the page until it is closed.

The choice of a variant is a button that opens a list elsewhere in the page; additions are sent by a script, and a dialog
confirms them. Products are described by JSON-LD.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from html import escape
from pathlib import Path

from benchmarks.storefronts.catalogue import Product, make_catalogue
from benchmarks.storefronts.request_log import ADDED, ORDER, RequestLog
from benchmarks.storefronts.server import Answer, Asked, data, elsewhere

NAME = "Möbelwerk Nord"
CATALOGUE = make_catalogue(
    {
        "Sofas": ("Ecksofa", "Schlafsofa", "Zweisitzer", "Recamiere"),
        "Tische": ("Esstisch", "Couchtisch", "Schreibtisch", "Beistelltisch"),
        "Stühle": ("Stuhl", "Armlehnstuhl", "Hocker", "Barhocker"),
        "Leuchten": ("Stehleuchte", "Pendelleuchte", "Tischleuchte", "Wandleuchte"),
        "Teppiche": ("Teppich", "Läufer", "Wollteppich", "Vorleger"),
    },
    ("Alster", "Förde", "Geest", "Düne", "Hafen", "Elbe", "Deich"),
    (129900, 8990, 24950, 4999, 189000, 59900, 34900),
    {
        "Sofas": ("Anthrazit", "Sand", "Waldgrün"),
        "Stühle": ("Eiche", "Nussbaum"),
        "Teppiche": ("80 × 150 cm", "160 × 230 cm"),
    },
    per_collection=8,
)
SCRIPT = (Path(__file__).parent / "german.js").read_text(encoding="utf-8")


def price(cents: int) -> str:
    """As this store writes it: "1.299,00 €"."""
    return f"{cents / 100:,.2f} €".translate(str.maketrans(",.", ".,"))


class GermanStore:
    """The store with its carts."""

    def __init__(self) -> None:
        self.log = RequestLog()
        self._carts: dict[str, list[tuple[Product, str]]] = defaultdict(list)

    def answer(self, asked: Asked) -> Answer:
        """The page at the address, or the answer to a script or a form."""
        parts = [part for part in asked.path.split("/") if part]
        match parts:
            case []:
                chosen = [product for product in CATALOGUE.products if product.id % 6 == 0]
                answer = self._page(
                    asked, "Startseite", "<h1>Möbel aus dem Norden</h1><h2>Beliebt</h2>" + _cards(chosen)
                )
            case ["kategorie", slug] if slug in CATALOGUE.collections:
                title = CATALOGUE.collections[slug]
                body = f"<h1>{title}</h1>{_cards(CATALOGUE.of(slug))}"
                answer = self._page(asked, title, body, "collection_viewed", slug)
            case ["artikel", slug] if (product := CATALOGUE.by_slug(slug)) is not None:
                answer = self._page(asked, product.title, _article(product), "product_viewed", slug)
            case ["suche"]:
                answer = self._results(asked)
            case ["warenkorb", *rest]:
                answer = self._cart(asked, rest)
            case ["kasse", *rest]:
                answer = self._checkout(asked, rest)
            case _:
                answer = self._other(asked, parts)
        return answer

    def _other(self, asked: Asked, parts: list[str]) -> Answer:
        match parts:
            case ["shop.js"]:
                return Answer(SCRIPT, kind="text/javascript; charset=utf-8")
            case ["cookie-einwilligung"]:
                return data({"ok": True})
            case ["konto", "anmelden"]:
                return self._page(asked, "Anmelden", _LOGIN)
            case ["datenschutz"]:
                return self._page(
                    asked, "Datenschutz", "<h1>Datenschutz</h1><p>Wir speichern, was eine Bestellung braucht.</p>"
                )
        return Answer("<title>Nicht gefunden</title><h1>Seite nicht gefunden</h1>", 404)

    def _results(self, asked: Asked) -> Answer:
        query = asked.query.get("q", "")
        found = CATALOGUE.search(query)
        body = f"<h1>Suchergebnisse für „{escape(query)}“</h1><p>{len(found)} Treffer</p>" + _cards(found)
        return self._page(asked, "Suche", body, "search_submitted", query)

    def _cart(self, asked: Asked, rest: list[str]) -> Answer:
        lines = self._carts[asked.visitor]
        match rest:
            case ["positionen"] if asked.method == "POST":
                return self._add(asked)
            case ["positionen", at, "entfernen"] if asked.method == "POST" and at.isdigit() and int(at) < len(lines):
                del lines[int(at)]
                return elsewhere("/warenkorb")
            case ["gutschein"]:
                return elsewhere("/warenkorb")
        return self._page(asked, "Warenkorb", _cart_page(lines), "cart_viewed")

    def _add(self, asked: Asked) -> Answer:
        product = CATALOGUE.by_id(str(asked.form.get("artikelId", "")))
        option = str(asked.form.get("variante", ""))
        if product is None or product.sold_out:
            return data({"fehler": "Dieser Artikel ist leider ausverkauft."}, 422)
        if product.options and option not in product.options:
            return data({"fehler": "Bitte wählen Sie eine Ausführung."}, 422)
        self._carts[asked.visitor].append((product, option))
        self.log.happened(asked.visitor, ADDED, product.slug)
        return data({"anzahl": len(self._carts[asked.visitor]), "titel": product.title})

    def _checkout(self, asked: Asked, rest: list[str]) -> Answer:
        if asked.method == "POST" and rest == ["bestellung"]:
            self.log.happened(asked.visitor, ORDER)
            self._carts[asked.visitor].clear()
            return elsewhere("/kasse/danke")
        if rest == ["danke"]:
            return self._page(asked, "Danke", "<h1>Vielen Dank für Ihre Bestellung!</h1>")
        if not self._carts[asked.visitor]:
            return elsewhere("/warenkorb")
        if asked.method == "POST":
            return elsewhere("/kasse/versand" if rest == ["adresse"] else "/kasse/zahlung")
        body = {"versand": _SHIPPING, "zahlung": _PAYMENT}.get(rest[0] if rest else "", _ADDRESS)
        return self._page(asked, "Kasse", body, "checkout_started")

    def _page(self, asked: Asked, title: str, body: str, event: str = "", item: str = "") -> Answer:
        self.log.page(asked.visitor, event, item)
        count = len(self._carts[asked.visitor])
        badge = f'<span class="badge">{count}</span>' if count else ""
        banner = "" if "zustimmung" in asked.cookies else _BANNER
        return Answer(f"""<!doctype html><html lang="de"><head><title>{escape(title)} | {NAME}</title><style>{_STYLE}</style>
</head><body><div id="seite"><header><a href="/">{NAME}</a>
<form action="/suche" role="search"><input type="search" name="q" aria-label="Suchbegriff" placeholder="Wonach suchen Sie?">
<button>Suchen</button></form><a href="/konto/anmelden">Anmelden</a>
<a id="korb" href="/warenkorb" aria-label="Warenkorb, {count} Artikel">{_BAG}{badge}</a></header>
<nav>{"".join(f'<a href="/kategorie/{slug}">{name}</a> ' for slug, name in CATALOGUE.collections.items())}</nav>
<main>{body}</main><footer><form method="post" action="/newsletter"><label>Newsletter: Ihre E-Mail-Adresse
<input type="email" name="email"></label><button>Jetzt anmelden</button></form></footer></div>{banner}
<script src="/shop.js"></script></body></html>""")


def _cards(products: Iterable[Product]) -> str:
    return (
        '<div class="liste">'
        + "".join(
            f"""<article><a href="/artikel/{product.slug}"><img alt=""><h3>{escape(product.title)}</h3>
<span>{"ab " if product.options else ""}{price(product.cents)}</span></a></article>"""
            for product in products
        )
        + "</div>"
    )


def _article(product: Product) -> str:
    facts = {
        "@context": "https://schema.org/",
        "@type": "Product",
        "sku": str(product.id),
        "name": product.title,
        "offers": {"@type": "Offer", "price": f"{product.cents / 100:.2f}", "priceCurrency": "EUR"},
    }
    choice = ""
    if product.options:
        values = escape(json.dumps(product.options, ensure_ascii=False))
        choice = f"""<label id="ausfuehrung">Ausführung</label><button type="button" role="combobox" aria-expanded="false"
aria-haspopup="listbox" aria-autocomplete="none" aria-labelledby="ausfuehrung" data-state="closed" data-values="{values}">
<span>Bitte wählen</span></button>"""
    button = (
        f'<button id="hinein" data-artikel="{product.id}">In den Warenkorb</button><p role="alert" id="hinweis"></p>'
    )
    if product.sold_out:
        button = "<p>Ausverkauft</p>"
    others = [other for other in CATALOGUE.of(product.collection) if other is not product][:3]
    return f"""<script type="application/ld+json">{json.dumps(facts, ensure_ascii=False)}</script>
<p><a href="/">Startseite</a> › <a href="/kategorie/{product.collection}">{CATALOGUE.collections[product.collection]}</a></p>
<h1>{escape(product.title)}</h1><p class="preis">{price(product.cents)}</p><p>inkl. MwSt., zzgl. Versand</p>{choice}{button}
<h2>Beschreibung</h2><p>{escape(product.title)}: schlicht, robust und in Deutschland gefertigt.</p>
<h2>Das könnte Ihnen auch gefallen</h2>{_cards(others)}"""


def _cart_page(lines: list[tuple[Product, str]]) -> str:
    if not lines:
        return '<h1>Warenkorb</h1><p>Ihr Warenkorb ist leer.</p><a href="/">Weiter einkaufen</a>'
    rows = "".join(
        f"""<li><a href="/artikel/{product.slug}">{escape(product.title)}</a> {option} {price(product.cents)}
<form method="post" action="/warenkorb/positionen/{at}/entfernen"><button>Entfernen</button></form></li>"""
        for at, (product, option) in enumerate(lines)
    )
    return f"""<h1>Warenkorb</h1><ul>{rows}</ul><form method="post" action="/warenkorb/gutschein"><label>Gutscheincode
<input name="gutscheincode"></label><button>Einlösen</button></form>
<p>Gesamtsumme {price(sum(product.cents for product, _ in lines))}</p><a class="knopf" href="/kasse">Zur Kasse</a>"""


_BAG = '<svg width="24" height="24" aria-hidden="true"><path d="M4 8h16l-2 12H6z"/></svg>'
_STYLE = """.liste{display:flex;flex-wrap:wrap;gap:1em}article{width:14em}
.decke{position:fixed;inset:0;background:#0008;z-index:9}.decke>div{background:#fff;margin:20vh auto;width:30em;padding:2em}
[role=listbox]{position:absolute;background:#fff;border:1px solid;z-index:8}[role=option]{padding:.3em 1em;cursor:default}"""
_BANNER = """<div class="decke" id="banner"><div role="dialog" aria-modal="true" aria-label="Datenschutz-Einstellungen">
<h2>Wir verwenden Cookies</h2><p>Einige sind notwendig, andere helfen uns, diesen Shop zu verbessern.</p>
<button>Alle akzeptieren</button> <button>Nur notwendige</button> <a href="/datenschutz">Datenschutz</a></div></div>"""
_LOGIN = """<h1>Anmelden</h1><form method="post" action="/konto/anmelden"><label>E-Mail <input type="email" name="email"></label>
<label>Passwort <input type="password" name="passwort"></label><button>Anmelden</button></form>"""
_ADDRESS = """<h1>Kasse</h1><h2>Lieferadresse</h2><form method="post" action="/kasse/adresse"><label>Vorname <input name="vorname">
</label><label>Nachname <input name="nachname"></label><label>Straße und Hausnummer <input name="strasse"></label><label>PLZ
<input name="plz"></label><label>Ort <input name="ort"></label><label>E-Mail <input type="email" name="email"></label>
<button>Weiter zum Versand</button></form>"""
_SHIPPING = """<h1>Versandart</h1><form method="post" action="/kasse/versand"><label><input type="radio" name="art" value="spedition"
checked> Spedition, kostenlos</label><button>Weiter zur Zahlung</button></form>"""
_PAYMENT = """<h1>Zahlungsart</h1><form method="post" action="/kasse/bestellung"><label><input type="radio" name="zahlung"
value="rechnung" checked> Rechnung</label><label><input type="radio" name="zahlung" value="vorkasse"> Vorkasse</label>
<button>Zahlungspflichtig bestellen</button></form>"""
