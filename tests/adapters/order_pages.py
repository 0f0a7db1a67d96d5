"""Made pages that try to order or to add to the cart in many ways, and a store that counts what arrives."""

import random
import threading
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LANGUAGES = {
    "en": (
        ("Order now", "Confirm & Pay", "Place order", "Continue", "Buy now", "OK", "Next"),
        ("First name", "Last name", "Email", "Street address", "ZIP code", "City", "Phone"),
        ("Card number", "Expiry date", "CVC"),
        ("Add to cart", "Add to bag"),
    ),
    "de": (
        ("Zahlungspflichtig bestellen", "Jetzt kaufen", "Bestellung abschließen", "Weiter", "Fertig"),
        ("Vorname", "Nachname", "E-Mail", "Straße und Hausnummer", "PLZ", "Ort", "Telefon"),
        ("Kartennummer", "Gültig bis", "Prüfnummer"),
        ("In den Warenkorb", "In den Einkaufswagen"),
    ),
    "fr": (
        ("Commander", "Commander et payer", "Valider ma commande", "Continuer", "Suivant"),
        ("Prénom", "Nom", "Courriel", "Adresse", "Code postal", "Ville", "Téléphone"),
        ("Numéro de carte", "Date d'expiration", "CVC"),
        ("Ajouter au panier",),
    ),
    "es": (
        ("Realizar pedido", "Pagar ahora", "Finalizar compra", "Continuar", "Listo"),
        ("Nombre", "Apellidos", "Correo electrónico", "Dirección", "Código postal", "Ciudad", "Teléfono"),
        ("Número de tarjeta", "Caducidad", "CVC"),
        ("Añadir al carrito", "Añadir a la cesta"),
    ),
    "it": (
        ("Paga ora", "Conferma l'ordine", "Acquista", "Continua", "Avanti"),
        ("Nome", "Cognome", "E-mail", "Indirizzo", "Codice postale", "Città", "Telefono"),
        ("Numero carta", "Scadenza", "CVV"),
        ("Aggiungi al carrello",),
    ),
    "nl": (
        ("Bestelling plaatsen", "Nu betalen", "Afrekenen", "Verder", "Klaar"),
        ("Voornaam", "Achternaam", "E-mailadres", "Adres", "Postcode", "Plaats", "Telefoon"),
        ("Kaartnummer", "Vervaldatum", "CVC"),
        ("In winkelwagen", "In winkelmand"),
    ),
}
PLACES = (
    "kasse",
    "order",
    "onepagecheckout",
    "checkout",
    "step",
    "a/b",
    "commande",
    "app#/checkout",
    "cassa",
    "afrekenen",
    "last",
)
TARGETS = (
    "ordered", "api/orders", "submit", "x7", "api/v1/do", "kasse/senden", "commande/valider", "pedido", "ordine", "bestelling", "send",
    "finish", "checkout", "cgi", "pay",
)  # fmt: skip
GET_TARGETS = (
    "order/confirm?pay=1",
    "place-order",
    "checkout/complete?ok=1",
    "pay?now=1",
    "bestellen?ja=1",
    "commande/valider?x=1",
)
FORM_WAYS = ("form", "input submit", "enter", "formaction", "blank", "multipart", "plain", "get form", "link", "frame")
SCRIPT_WAYS = (
    "fetch", "put", "patch", "xhr", "sync xhr", "beacon", "keepalive", "graphql", "operation", "form.submit", "timeout", "shadow",
    "closed shadow", "worker", "popup", "frame fetch", "keydown", "div",
)  # fmt: skip
CARTS = (
    ("cart/add", "id=7&quantity=1"), ("cart/add.js", '{"items":[{"id":7,"quantity":1}]}'), ("cart.php", "action=add&product_id=7"),
    ("checkout/cart/add/product/7", "product=7&qty=1"), ("checkout/line-item/add", "lineItems[7][id]=7"),
    ("warenkorb/hinzufuegen", "artikel=7"), ("panier", "add=1&id_product=7"), ("carrito/agregar", "producto=7"),
    ("carrello/aggiungi", "prodotto=7"), ("winkelwagen/toevoegen", "sku=7"), ("", "add-to-cart=7&quantity=1"), ("do", "sku=7&qty=1"),
    ("wc/store/v1/cart/add-item", '{"id":7,"quantity":1}'), ("api/commerce/shopping-cart/entries", '{"itemId":"7"}'),
    ("graphql", '{"query":"mutation { cartLinesAdd(cartId: 7, lines: []) { cart { id } } }"}'),
)  # fmt: skip
VALUES = "[...document.querySelectorAll('input')].map(i => i.name + '=' + i.value).join('&')"
SEND = {
    "graphql": "fetch(TO, {method: 'POST', body: JSON.stringify({query: 'mutation { done: placeOrder(id: 1) { id } }'})}).catch(() => 0)",
    "operation": "fetch(TO, {method: 'POST', body: JSON.stringify({action: 'submitOrder', cart: [7], total: 12})}).catch(() => 0)",
    "fetch": "fetch(TO, {method: 'POST', body: BODY}).catch(() => 0)",
    "put": "fetch(TO, {method: 'PUT', body: BODY}).catch(() => 0)",
    "patch": "fetch(TO, {method: 'PATCH', headers: {'Content-Type': 'application/json'}, body: BODY}).catch(() => 0)",
    "xhr": "{ const r = new XMLHttpRequest(); r.open('POST', TO); r.send(BODY); }",
    "sync xhr": "{ const r = new XMLHttpRequest(); r.open('POST', TO, false); try { r.send(BODY); } catch {} }",
    "beacon": "navigator.sendBeacon(TO, BODY)",
    "keepalive": "fetch(TO, {method: 'POST', body: BODY, keepalive: true}).catch(() => 0)",
    "form.submit": "{ const f = document.createElement('form'); f.method = 'post'; f.action = TO; document.body.append(f); f.submit(); }",
    "timeout": "setTimeout(() => fetch(TO, {method: 'POST', body: BODY}).catch(() => 0), 50)",
    "worker": "new Worker(URL.createObjectURL(new Blob([`fetch('${new URL(TO, location)}', {method: 'POST', body: 'a=1'})`])))",
    "popup": "window.open('about:blank').fetch(new URL(TO, location), {method: 'POST', body: BODY}).catch(() => 0)",
}


@dataclass(frozen=True)
class Trial:
    """One page: where it is, what is done on it (a click on `control`, or Enter in the field `field`)."""

    number: int
    place: str
    body: str
    target: tuple[str, str]
    control: str
    by_enter: bool
    has_delivery: bool
    language: str
    way: str

    def is_reached_by(self, method: str, path: str) -> bool:
        """Whether such a request orders, or adds to the cart."""
        target = self.target[1]
        if method == "GET" and path == self.place:
            return False  # the page itself
        return method == self.target[0] and path in (target.partition("?")[0], f"{target}/confirm")


def _field(random_: random.Random, label: str, number: int) -> str:
    kind = "email" if "mail" in label.lower() and random_.random() < 0.5 else "text"
    return {
        "for": f'<label for="f{number}">{label}</label><input id="f{number}" name="v{number}" type="{kind}">',
        "around": f'<label>{label} <input name="v{number}" type="{kind}"></label>',
        "placeholder": f'<input name="v{number}" placeholder="{label}" type="{kind}">',
        "aria": f'<input aria-label="{label}" type="{kind}" name="v{number}">',
        "before": f'<p><span>{label}</span><input name="v{number}" type="{kind}"></p>',
    }[random_.choice(("for", "around", "placeholder", "aria", "before"))]


def order_trial(number: int, *, scripts: bool) -> Trial:
    """A page that orders by one act, made from its number."""
    random_ = random.Random(number)
    language = random_.choice(list(LANGUAGES))
    buttons, address, payment, _ = LANGUAGES[language]
    button, place = random_.choice(buttons), random_.choice(PLACES)
    asks = random_.choice(("nothing", "address", "payment", "contact", "address"))
    labels = {
        "nothing": (),
        "address": address,
        "payment": payment,
        "contact": random_.sample(address[:3], 2),
    }[asks]
    way = random_.choice((*SCRIPT_WAYS, *FORM_WAYS) if scripts else FORM_WAYS)
    if way in ("enter", "keydown") and not labels:
        labels, asks = address, "address"
    target = f"/t{number}/{random_.choice(GET_TARGETS if way == 'link' else TARGETS)}"
    fields = "".join(_field(random_, label, index) for index, label in enumerate(labels))
    method, body = _page(way, fields, button, target)
    title = random_.choice(("Shop", "Shop", button))
    body = f'<html lang="{language}"><title>{title}</title><body><a href="/list">List</a><h1>{title}</h1>{body}</body>'
    return Trial(
        number, f"/t{number}/{place}", body, (method, target), button, way in ("enter", "keydown"),
        asks in ("address", "payment"), language, way,
    )  # fmt: skip


def _page(way: str, fields: str, button: str, target: str) -> tuple[str, str]:
    """(method of the order, HTML of the page)."""
    if way in FORM_WAYS:
        return "GET" if way in ("get form", "link") else "POST", _form_page(way, fields, button, target)
    return {"put": "PUT", "patch": "PATCH"}.get(way, "POST"), _script_page(way, fields, button, target)


def _form_page(way: str, fields: str, button: str, target: str) -> str:
    push = f"<button>{button}</button>"
    post = f'<form method="post" action="{target}"'
    if way == "get form":  # it sends a person's data, or has the address of an order
        return f'<form action="{target if fields else target + "/confirm"}">{fields}<input name="a" type="hidden">{push}</form>'
    return {
        "form": f"{post}>{fields}{push}</form>",
        "enter": f"{post}>{fields}{push}</form>",
        "input submit": f'{post}>{fields}<input type="submit" value="{button}"></form>',
        "formaction": f'<form action="/list">{fields}<button formmethod="post" formaction="{target}">{button}</button></form>',
        "blank": f'{post} target="_blank">{fields}{push}</form>',
        "multipart": f'{post} enctype="multipart/form-data">{fields}{push}</form>',
        "plain": f'{post} enctype="text/plain">{fields}{push}</form>',
        "link": f'{fields}<a href="{target}">{button}</a>',
        "frame": _frame(f"{post}>{fields}{push}</form>"),
    }[way]


def _frame(inner: str) -> str:
    return f'<iframe width="900" height="700" srcdoc="{escape(inner)}"></iframe>'


def _script_page(way: str, fields: str, button: str, target: str) -> str:
    send = SEND.get(way, SEND["fetch"]).replace("TO", f"'{target}'").replace("BODY", VALUES)
    run, bare = escape(send), escape(SEND["fetch"].replace("TO", f"'{target}'").replace("BODY", "'a=1'"))
    mode = "closed" if way == "closed shadow" else "open"
    shadow = f"{fields}<button>{button}</button>".replace("'", "\\'")
    return {
        "keydown": f"""<div onkeydown="if (event.key === 'Enter') {run}">{fields}</div><button>{button}</button>""",
        "div": f"""{fields}<div role="button" tabindex="0" onclick="{run}">{button}</div>""",
        "frame fetch": _frame(f"""{fields}<button onclick="{bare}">{button}</button>"""),
        f"{mode} shadow".removeprefix("open "): f"""<pay-box></pay-box><script>
            customElements.define('pay-box', class extends HTMLElement {{ connectedCallback() {{
                const root = this.attachShadow({{mode: '{mode}'}});
                root.innerHTML = '{shadow}';
                root.querySelector('button').onclick = () => fetch('{target}', {{method: 'POST', body: 'a=1'}}).catch(() => 0);
            }} }});</script>""",
    }.get(way, f"""{fields}<button onclick="{run}">{button}</button>""")


def cart_trial(number: int, *, scripts: bool) -> Trial:
    """A product's page that adds it to the cart, with a newsletter's field in its footer."""
    random_ = random.Random(number)
    language = random_.choice(list(LANGUAGES))
    label, (path, sent) = random_.choice(LANGUAGES[language][3]), random_.choice(CARTS)
    place = f"/t{number}/products/order-of-the-phoenix"
    target = f"/t{number}/{path}" if path else place
    if scripts and (sent.startswith("{") or random_.random() < 0.5):
        kind = "application/json" if sent.startswith("{") else "application/x-www-form-urlencoded"
        body = f"<button>{label}</button><script>document.querySelector('button').onclick = () => fetch('{target}', "
        body += f"{{method: 'POST', headers: {{'Content-Type': '{kind}'}}, body: '{sent}'}});</script>"
    else:
        pairs = [pair.partition("=") for pair in sent.split("&")] if not sent.startswith("{") else [("id", "", "7")]
        hidden = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, _, value in pairs)
        body = f'<form method="post" action="{target}">{hidden}<button>{label}</button></form>'
        if sent.startswith("{") and path == "graphql":
            target = f"/t{number}/cart/add"
            body = body.replace(f"/t{number}/graphql", target)
    newsletter = '<footer><form method="post" action="/news"><label>Newsletter <input type="email" name="email"></label><button>Go'
    body = f"<title>Phoenix</title><a href='/list'>List</a><h1>Order of the Phoenix</h1>{body}{newsletter}</button></form></footer>"
    return Trial(number, place, body, ("POST", target), label, False, False, language, "cart")


class _Handler(BaseHTTPRequestHandler):
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        trials, path = self.server.trials, self.path.partition("?")[0]
        trial = next((trial for trial in trials if self.path.startswith(f"/t{trial.number}/")), None)
        body = "<title>Done</title><a href='/list'>List</a><p>Thank you</p>"
        if self.path == "/list":
            body = "<title>List</title>" + " . ".join(f'<a href="{t.place}">Page {t.number}</a>' for t in trials)
        elif trial is not None and trial.is_reached_by(self.command, path):
            self.server.reached.append(trial)
        elif trial is not None and path == trial.place.partition("#")[0]:
            body = trial.body
        data = body.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def do_PUT(self):
        self.answer()

    def do_PATCH(self):
        self.answer()

    def log_message(self, *_):
        pass


class CountingStore:
    """The pages of trials, and the trials whose target a request has reached; a context manager."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.trials, self._server.reached = [], []
        self.url = f"http://127.0.0.1:{self._server.server_port}/list"

    @property
    def reached(self) -> list[Trial]:
        return self._server.reached

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def offer(self, trials: list[Trial]) -> None:
        """The trials whose pages are served and listed from now on."""
        self._server.trials = trials
