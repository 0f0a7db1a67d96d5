"""Small stores made in ways that none of the usual software has, each with its own record of what happened."""

from __future__ import annotations

from urllib.parse import quote

from benchmarks.storefronts.request_log import ADDED, RequestLog
from benchmarks.storefronts.scripted_shopper import Do
from benchmarks.storefronts.server import Answer, Asked, data, elsewhere

ITEMS = {"1": ("Blue mug", 18), "2": ("Red jug", 20), "3": ("Tin cup", 9), "4": ("Oak tray", 31), "5": ("Clay pot", 12)}
GONE = "2"
"""The product that is sold out."""
ADDRESS = "<label>Full name <input></label><label>Street and number <input></label><label>Town <input></label>"


def tiles(folder, *, more="", price="${}.00", numbers=tuple(ITEMS)):
    """A list of products whose pages are in a folder; `more` is further markup of each, with its number."""
    return "".join(
        f"<div class=tile><a href='{folder}{number}'><img src=/x.png alt=''><h3>{ITEMS[number][0]}</h3></a>"
        f"<span>{price.format(ITEMS[number][1])}</span>{more.format(number)}</div>"
        for number in numbers
    )


class StrangeStore:
    """A store for one visitor. `header` and `script` are on every page; `pages` are made by the methods of a subclass."""

    header = script = ""

    def __init__(self):
        self.log, self.cart = RequestLog(), []
        self.visitor = ""

    def answer(self, asked: Asked) -> Answer:
        self.visitor = asked.visitor
        return self.shown(asked) or Answer("Not found", 404)

    def page(self, title, inside, event="", item=""):
        self.log.page(self.visitor, event, item)
        header = self.header.format(len(self.cart))
        return Answer(
            f"<title>{title}</title><header><a href=/>Home</a>{header}</header><main>{inside}</main>{self.script}"
        )

    def add(self, number):
        self.cart.append(number)
        self.log.happened(self.visitor, ADDED, number)

    def order(self):
        self.log.happened(self.visitor, "checkout_completed")
        return Answer("Thank you")

    def product(self, number, buy, price="<p>${}.00</p>"):
        return self.page(
            ITEMS[number][0],
            f"<h1>{ITEMS[number][0]}</h1>{price.format(ITEMS[number][1])}{buy}",
            "product_viewed",
            number,
        )


class AddsByLinks(StrangeStore):
    """Additions are links (?add-to-cart=12), and the checkout is on another host."""

    header = "<a class=cart-contents href=/cart/>{} items</a><form role=search><input type=search name=s aria-label=Search></form>"
    plan = (
        Do("fill", "^Search$", "jug"), Do("press", "^Search$", "Enter"), Do("click", "^Red jug"), Do("click", "^Buy$"), Do("click", "^Home$"),
        Do("click", "^Pots$"), Do("click", "^Add to cart$", at=3), Do("click", "^Add to cart$", at=1), Do("click", "^Oak tray"),
        Do("click", "^Buy$"), Do("click", "items"), Do("click", "^Proceed to checkout$"),
    )  # fmt: skip

    def shown(self, asked):
        notice = self._notice(asked.query.get("add-to-cart"))
        if asked.path.startswith("/product/"):
            number = asked.path.removeprefix("/product/")
            return self.product(number, f"{notice}<a href='?add-to-cart={number}'>Buy</a>")
        if asked.path == "/product-category/pots/":
            more = "<a href='?add-to-cart={}'>Add to cart</a>"
            return self.page(
                "Pots", f"{notice}<h1>Pots</h1>{tiles('/product/', more=more)}", "collection_viewed", "pots"
            )
        if asked.path == "/cart/":
            away = "<a href=http://checkout.store.example/c/7>Proceed to checkout</a>"
            return self.page("Cart", f"<h1>Cart</h1>{away}", "cart_viewed")
        if words := asked.query.get("s"):
            return self.page("Search", tiles("/product/", numbers="12"), "search_submitted", words)
        return self.page("Home", "<h1>Home</h1><a href=/product-category/pots/>Pots</a>")

    def _notice(self, number):
        if number == GONE:
            return "<ul class=woocommerce-error role=alert><li>Sorry, this product is out of stock.</li></ul>"
        if number is not None:
            self.add(number)
            return "<div class=woocommerce-message role=alert>Added to your cart.</div>"
        return ""


class Streams(StrangeStore):
    """Forms of line items; with scripts the answer to an addition is a stream that changes the number, not a page."""

    header = "<a href=/products>Products</a><a href=/cart>Cart (<span id=count>{}</span>)</a><p id=flash></p>"
    script = """<script>addEventListener('submit', async event => {
        if (!event.target.action.includes('line_items')) return;
        event.preventDefault();
        const answer = await fetch(event.target.action + '&stream=1', {method: 'POST', body: new FormData(event.target)});
        const streams = document.createElement('div');
        streams.innerHTML = await answer.text();
        for (const one of streams.children) document.getElementById(one.getAttribute('target')).innerHTML = one.firstElementChild.innerHTML;
    });</script>"""
    plan = (
        Do("click", "^Products$"), Do("click", "^Red jug"), Do("click", "^Add to Cart$"), Do("click", "^Products$"), Do("click", "^Blue mug"),
        Do("click", "^Add to Cart$"), Do("click", "^Cart"), Do("click", "^Checkout$"), Do("fill", "^Full name$", "A"), Do("click", "^Place Order$"),
    )  # fmt: skip

    def shown(self, asked):
        if asked.path == "/products":
            return self.page("Products", f"<h1>Products</h1>{tiles('/products/')}", "collection_viewed")
        if asked.path.startswith("/products/"):
            number = asked.path.removeprefix("/products/")
            return self.product(
                number,
                f"<form method=post action='/line_items?product_id={number}'><button>Add to Cart</button></form>",
            )
        if asked.path == "/line_items":
            return self._add(asked.query["product_id"], streams="stream" in asked.query)
        if asked.path == "/cart":
            onward = "<form action=/orders/new><button>Checkout</button></form>"
            return self.page("Cart", f"<h1>Your cart</h1>{onward}", "cart_viewed")
        if asked.path == "/orders/new":
            inside = f"<form method=post action=/orders>{ADDRESS}<button>Place Order</button></form>"
            return self.page("Details", inside, "checkout_started")
        return self.order() if asked.path == "/orders" else self.page("Hello", "<h1>Hello</h1>")

    def _add(self, number, *, streams):
        said = "Red jug is gone"
        if number != GONE:
            self.add(number)
        if streams:
            target, inside = ("flash", said) if number == GONE else ("count", len(self.cart))
            stream = f"<turbo-stream target={target}><template><b>{inside}</b></template></turbo-stream>"
            return Answer(stream, kind="text/vnd.turbo-stream.html")
        return self.page("Sorry", f"<h1>{said}</h1><p>$20.00</p>") if number == GONE else elsewhere("/cart")


class Arabic(StrangeStore):
    """From right to left, with a page about cookies before the first one, and addresses in Arabic."""

    header = "<a href=/سلة><i class=icon-cart></i><b>{}</b></a><form action=/بحث><input name=q placeholder=ابحث></form>"
    plan = (
        Do("click", "^أوافق$"), Do("fill", "^ابحث$", "كوب"), Do("press", "^ابحث$", "Enter"), Do("click", "Red jug"), Do("click", "^أضف"),
        Do("click", "^Home$"), Do("click", "^أواني$"), Do("click", "Tin cup"), Do("click", "^1$|^Cart|^سلة"), Do("click", "^إتمام الطلب$"),
        Do("click", "^تأكيد الطلب$"),
    )  # fmt: skip

    def __init__(self):
        super().__init__()
        self._agreed = False

    def shown(self, asked):
        self._agreed = self._agreed or asked.path == "/agree"
        if not self._agreed:
            return self.page("ملفات", "<h1>ملفات تعريف الارتباط</h1><a href=/agree>أوافق</a>")
        if asked.path.startswith("/منتج/"):
            number = asked.path.removeprefix("/منتج/")
            buy = f"<form method=post action=/cart/add><input type=hidden name=product_id value={number}><button>أضف إلى السلة</button></form>"
            return self.product(number, buy, price="<p>{}٫00 ر.س</p>")
        if asked.path == "/cart/add":
            self.add(asked.form["product_id"])
            return elsewhere(quote("/سلة"))
        listed = tiles("/منتج/", price="{}٫00 ر.س")
        pages = {
            "/اواني": ("أواني", listed, "collection_viewed"),
            "/بحث": ("بحث", listed, "search_submitted"),
            "/سلة": ("سلة", "<h1>سلة التسوق</h1><a href=/إتمام-الطلب>إتمام الطلب</a>", "cart_viewed"),
            "/إتمام-الطلب": (
                "إتمام",
                (
                    "<form method=post action=/طلب><label>الاسم<input name=name></label><label>العنوان<input name=address1></label>"
                    "<label>الهاتف<input type=tel name=phone></label><button>تأكيد الطلب</button></form>"
                ),
                "checkout_started",
            ),
        }
        if asked.path == "/طلب":
            return self.order()
        return self.page(*pages.get(asked.path, ("متجر", "<h1>متجر</h1><a href=/اواني>أواني</a>")))


class Attributes(StrangeStore):
    """Attributes say what a button sends and where the answer goes; no name says that it adds."""

    header = "<a href=/our-basket>Basket <span id=n>{}</span></a><form action=/find><input name=words aria-label='What are you after?'></form>"
    script = """<script>addEventListener('click', async event => {
        const button = event.target.closest('[hx-post]');
        if (!button) return;
        const body = new URLSearchParams(JSON.parse(button.getAttribute('hx-vals')));
        const answer = await fetch(button.getAttribute('hx-post'), {method: 'POST', headers: {'HX-Request': 'true'}, body});
        document.querySelector(button.getAttribute('hx-target')).innerHTML = await answer.text();
    });</script>"""
    plan = (
        Do("fill", "after", "mug"), Do("press", "after", "Enter"), Do("click", "^Blue mug"), Do("click", "^Pop it"), Do("click", "^Home$"),
        Do("click", "^Kitchen$"), Do("click", "^Tin cup"), Do("click", "^Pop it"), Do("click", "^Basket"), Do("click", "^To the till$"),
        Do("fill", "^Town$", "A"), Do("click", "^Done$"),
    )  # fmt: skip

    def shown(self, asked):
        if asked.path.startswith("/thing/"):
            number = asked.path.removeprefix("/thing/")
            return self.product(
                number,
                f"<button hx-post=/our-basket/lines hx-vals='{{\"thing\": {number}}}' hx-target=#n>Pop it in</button>",
            )
        if asked.path == "/our-basket/lines":
            self.add(asked.form["thing"])
            return Answer(str(len(self.cart)))
        pages = {
            "/kitchen": ("Kitchen", f"<h1>Kitchen</h1>{tiles('/thing/')}", "collection_viewed"),
            "/find": ("Found", f"<h1>Found</h1>{tiles('/thing/', numbers='12')}", "search_submitted"),
            "/our-basket": ("Basket", "<h1>Your basket</h1><a href=/till>To the till</a>", "cart_viewed"),
            "/till": (
                "Till",
                f"<form method=post action=/till/done>{ADDRESS}<button>Done</button></form>",
                "checkout_started",
            ),
        }
        if asked.path == "/till/done":
            return self.order()
        return self.page(*pages.get(asked.path, ("Pots", "<h1>Hello</h1><a href=/kitchen>Kitchen</a>")))


class Parts(StrangeStore):
    """Web components with open shadow roots: a stepper, a number that grows at once and goes back if the store says no."""

    header = "<bag-count></bag-count><script>var bag = {}</script>"
    script = """<script>
        customElements.define('bag-count', class extends HTMLElement { connectedCallback() {
            const root = this.attachShadow({mode: 'open'}), draw = () => {
                root.innerHTML = `<a href=/bag aria-label="Bag, ${bag} items"><span>${bag}</span></a>`; };
            draw(); addEventListener('bag', draw);
        } });
        customElements.define('buy-box', class extends HTMLElement { connectedCallback() {
            const root = this.attachShadow({mode: 'open'});
            root.innerHTML = '<output>1</output><button>More</button><button>Take it home</button><p role=status></p>';
            const [more, take] = root.querySelectorAll('button'), count = root.querySelector('output');
            more.onclick = () => { count.value = Number(count.value) + 1; };
            take.onclick = async () => {
                const number = Number(count.value), change = by => { bag += by; dispatchEvent(new Event('bag')); };
                change(number);
                const answer = await fetch('/api/bag/entries', {method: 'POST', headers: {'Content-Type': 'application/json'},
                    body: JSON.stringify({sku: this.getAttribute('sku'), count: number})});
                if (!(await answer.json()).accepted) { change(-number); root.querySelector('p').textContent = 'None left'; }
            };
        } });</script>"""
    plan = (
        Do("click", "^Pots$"), Do("click", "^Red jug"), Do("click", "^More$"), Do("click", "^Take it home$"), Do("click", "^Home$"),
        Do("click", "^Pots$"), Do("click", "^Tin cup"), Do("click", "^More$"), Do("click", "^Take it home$"), Do("click", "^Bag"),
        Do("click", "^Onwards$"), Do("fill", "^Town$", "A"),
    )  # fmt: skip

    def shown(self, asked):
        if asked.path.startswith("/pots/"):
            number = asked.path.removeprefix("/pots/")
            return self.product(number, f"<buy-box sku={number}></buy-box>")
        if asked.path == "/api/bag/entries":
            accepts = asked.form["sku"] != GONE
            if accepts:
                self.add(asked.form["sku"])
            return data({"accepted": accepts})
        pages = {
            "/shelf": ("Pots", f"<h1>Pots</h1>{tiles('/pots/')}", "collection_viewed"),
            "/bag": ("Bag", "<h1>Bag</h1><a href=/bag/onwards>Onwards</a>", "cart_viewed"),
            "/bag/onwards": (
                "Delivery",
                f"<form method=post action=/bag/end>{ADDRESS}<button>End</button></form>",
                "checkout_started",
            ),
        }
        if asked.path == "/bag/end":
            return self.order()
        return self.page(*pages.get(asked.path, ("Start", "<h1>Start</h1><a href=/shelf>Pots</a>")))
