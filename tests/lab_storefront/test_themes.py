"""The four themes: every page of each, read as a screen reader would, and what the variants change in each."""

import json
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

import pyarrow as pa
import pytest

from simpersona.lab.storefront.launch import LabStores
from simpersona.lab.storefront.store_folder import Look
from simpersona.lab.variants import Variant

# Button or link: add, to the checkout, next step, order; then what the last page says.
WORDS = {
    "classic": ("Add to cart", "Proceed to checkout", "Continue", "Place order", "Thank you for your order"),
    "sidebar": ("Put in basket", "Go to checkout", "Next step", "Confirm order", "Thank you, order received"),
    "boutique": ("Add to bag", "Check out", "Continue", "Complete purchase", "Thank you, your order is placed"),
    "outlet": ("Buy now", "Checkout now", "Next", "Submit order", "Order confirmed"),
}
CHANGED = Variant(free_shipping_notice=True, hidden_search=True, one_page_checkout=True, price_factor=1.1)
VOID = {"meta", "link", "input", "br", "img"}


class Seen(HTMLParser):
    """A page's elements as (tag, attributes), its words by the tag around them, and what is left open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and self.open[-1] != "style":
            self.words.append((self.open[-1], data.strip()))

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]

    @property
    def links(self) -> list[str]:
        return [str(link["href"]) for link in self.all("a")]

    @property
    def text(self) -> str:
        return " ".join(words for _, words in self.words)


def complaints(page: str) -> list[str]:
    """What a screen reader's user would miss on the page."""
    seen = Seen(page)
    ids = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    named = {label["for"] for label in seen.all("label")}
    named |= {attributes["aria-labelledby"] for _, attributes in seen.elements if "aria-labelledby" in attributes}
    fields = [field for field in seen.all("input", "select") if field.get("type") != "hidden"]
    wrong = {
        "not closed": seen.open,
        "no language": seen.all("html")[0].get("lang") != "en",
        "no title": "title" not in dict(seen.words),
        "not one each of h1, main, header": [len(seen.all(tag)) for tag in ("h1", "main", "header")] != [1, 1, 1],
        "an id twice": len(set(ids)) != len(ids),
        "a label of nothing": named - set(ids),
        "no label": [field for field in fields if field.get("id") not in named and not field.get("aria-label")],
        "no name": [nav for nav in seen.all("nav") if not nav.get("aria-label")],
        "no words": [tag for tag in ("button", "summary") if dict(seen.words).get(tag) is None and seen.all(tag)],
        "a link to nowhere": [link for link in seen.all("a") if not link.get("href")],
    }
    return [f"{what}: {found}" for what, found in wrong.items() if found]


@pytest.fixture(scope="module")
def shops(tmp_path_factory, catalogue):
    """Eight shops with one catalogue: plain-THEME and changed-THEME; the addresses by shop, and the stores."""
    looks = {f"plain-{theme}": Look(theme) for theme in WORDS}
    looks |= {f"changed-{theme}": Look(theme, CHANGED) for theme in WORDS}
    tables = [catalogue(shop_id) for shop_id in looks]
    with LabStores(tmp_path_factory.mktemp("themes")) as stores:
        stores.build(looks, *(pa.concat_tables(column) for column in zip(*tables, strict=True)))
        yield stores.start(), stores


@pytest.fixture
def shopper(shops, shopper_at):
    return lambda shop_id, visitor=None: shopper_at(shops[0][shop_id], visitor)


def recorded(shops, shop_id, visitor):
    lines = shops[1].events_log(shop_id).read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["clientId"] == visitor]


def crawl(visitor, url):
    """Every page that links lead to from the front page, by its address; what answers an error raises."""
    pages, waiting = {}, [url]
    while waiting:
        address = waiting.pop()
        if address not in pages:
            pages[address] = visitor.get(address)
            found = (urldefrag(urljoin(address, link)).url for link in Seen(pages[address]).links)
            waiting += [link for link in found if link.startswith(url)]
    return pages


def fill_cart(visitor, url, theme):
    visitor.get(f"{url}products/linen-skirt/")
    (option,) = [o["value"] for o in Seen(visitor.page).all("option")][:1]
    return visitor.submit(WORDS[theme][0], variant=option)


@pytest.mark.parametrize("theme", WORDS)
def test_every_page_can_be_read_and_every_link_leads_somewhere(shops, shopper, theme):
    visitor, url = shopper(f"plain-{theme}"), shops[0][f"plain-{theme}"]
    pages = crawl(visitor, url)
    pages["added"] = fill_cart(visitor, url, theme)
    pages |= {path: visitor.get(url + path) for path in ("cart/", "checkout/", "search", "search?q=nothing-like-it")}
    visitor.get(f"{url}checkout/")
    pages["address"] = visitor.submit(WORDS[theme][2], username="a@example.com")
    pages["wrong"] = visitor.submit(WORDS[theme][2], last_name="", line1="")
    pages["review"] = visitor.submit(WORDS[theme][2], last_name="A", line1="1 Main Street")
    pages["thanks"] = visitor.submit(WORDS[theme][3])
    assert {address: found for address, page in pages.items() if (found := complaints(page))} == {}
    assert f"<h1>{WORDS[theme][4]}</h1>" in pages["thanks"]
    products = {urlsplit(address).path for address in pages if "/products/" in address}
    assert len(products) == 19  # the whole catalogue can be reached by links
    with_navigation = [page for address, page in pages.items() if address.startswith(url)]
    assert all('<nav aria-label="' in page for page in with_navigation)


@pytest.mark.parametrize("theme", WORDS)
def test_lists_are_sorted_and_go_on_sorted(shops, shopper, theme):
    visitor, url = shopper(f"plain-{theme}", f"sort-{theme}"), shops[0][f"plain-{theme}"]

    def titles(query):
        links = Seen(visitor.get(f"{url}collections/rugs/{query}")).links
        return list(dict.fromkeys(link.split("/")[-2] for link in links if "/products/" in link))

    rugs = ["grey-rug", *(f"grey-rug-{n}" for n in range(2, 15))]  # ever dearer, and all of one name
    size = len(titles(""))
    assert titles("") == titles("?sort=price-up") == titles("?sort=title") == titles("?sort=nonsense") == rugs[:size]
    assert titles("?sort=price-down") == rugs[::-1][:size]
    following = [link for link in Seen(visitor.page).links if "page=2" in link]
    visitor.get(following[-1])
    assert [link.split("/")[-2] for link in Seen(visitor.page).links if "/products/" in link] == rugs[::-1][size:]
    names = [line["name"] for line in recorded(shops, f"plain-{theme}", f"sort-{theme}")]
    assert names.count("collection_viewed") == 3  # those in the store's own order; the others are no new views
    assert names.count("page_viewed") == len(names) - 3


@pytest.mark.parametrize("theme", WORDS)
def test_related_products_are_others_of_the_collection(shops, shopper, theme):
    visitor, url = shopper(f"plain-{theme}"), shops[0][f"plain-{theme}"]
    for slug, others in (
        ("grey-rug-13", ["grey-rug-14", "grey-rug", "grey-rug-2"]),
        ("wool-skirt", ["linen-skirt"]),
        ("hiking-boot", []),
    ):
        links = Seen(visitor.get(f"{url}products/{slug}/")).links
        assert [link.split("/")[-2] for link in links if "/products/" in link] == others


@pytest.mark.parametrize("theme", WORDS)
def test_variants_change_what_they_say_in_every_theme(shops, shopper, theme):
    add, _, _, order, thanks = WORDS[theme]
    visitor, url = shopper(f"changed-{theme}", f"changed-{theme}"), shops[0][f"changed-{theme}"]
    plain, plain_url = shopper(f"plain-{theme}"), shops[0][f"plain-{theme}"]

    for page in crawl(visitor, url).values():  # hidden search
        assert not [form for form in Seen(page).all("form") if form.get("role") == "search"]
        assert not [link for link in Seen(page).links if "/search" in link]
    assert "/products/wool-skirt/" in visitor.get(f"{url}search?q=wool")  # its address still answers
    plain.get(plain_url)
    assert 'role="search"' in plain.page or "/search" in " ".join(Seen(plain.page).links)

    notice = {"classic": "Free shipping", "sidebar": "Delivery is free", "boutique": "Complimentary shipping"}
    said = notice.get(theme, "FREE SHIPPING")
    assert said in visitor.get(f"{url}products/wool-skirt/")
    assert said not in plain.get(f"{plain_url}products/wool-skirt/")
    assert "$14.85" in visitor.page  # 13.50 and a tenth
    assert "$13.50" in plain.page
    for each, address in ((visitor, url), (plain, plain_url)):
        each.submit(add)
        each.get(f"{address}cart/")
    assert said in visitor.page
    assert said not in plain.page

    before = len(recorded(shops, f"changed-{theme}", f"changed-{theme}"))
    visitor.get(f"{url}checkout/")  # one page
    fields = [field["name"] for field in Seen(visitor.page).all("input") if field.get("type") != "hidden"]
    assert fields == ["username", "last_name", "line1"]
    assert "Wool Skirt" in visitor.page
    assert complaints(visitor.page) == []
    visitor.submit(order, username="not an address", last_name="B", line1="")
    assert visitor.page.count('role="alert"') == 2
    visitor.submit(order, username="b@example.com", last_name="B", line1="1 Main Street")
    assert f"<h1>{thanks}</h1>" in visitor.page
    started, completed = recorded(shops, f"changed-{theme}", f"changed-{theme}")[before:]
    assert (started["name"], completed["name"]) == ("checkout_started", "checkout_completed")
    for line in (started, completed):
        assert line["data"]["checkout"]["totalPrice"]["amount"] == 14.85
    assert started["data"]["checkout"]["token"] == completed["data"]["checkout"]["token"]


def test_facts_are_the_same_in_every_theme(shops, shopper):
    """Titles, prices and options of a product: whatever its page calls the rest."""
    facts = set()
    for theme in WORDS:
        seen = Seen(shopper(f"plain-{theme}").get(f"{shops[0][f'plain-{theme}']}products/hiking-boot/"))
        facts.add(tuple(sorted(words for tag, words in seen.words if tag in ("h1", "option") or words[0] == "$")))
    assert facts == {("$14.50", "38", "42", "Hiking Boot")}


def test_the_drawer_shows_what_was_added_and_is_no_view_of_cart_or_product(shops, shopper):
    visitor, url = shopper("plain-boutique", "drawer"), shops[0]["plain-boutique"]
    assert "Your bag is waiting" in visitor.get(url)
    fill_cart(visitor, url, "boutique")
    assert urlsplit(visitor.address).path.endswith("/products/linen-skirt/")
    assert '<details class="drawer" open>' in visitor.page
    assert "1 × Linen Skirt (Small)" in visitor.page
    assert f"{urlsplit(url).path}checkout/" in Seen(visitor.page).links
    assert '<details class="drawer">' in visitor.get(url)
    names = [line["name"] for line in recorded(shops, "plain-boutique", "drawer")]
    assert names == ["page_viewed", "product_viewed", "product_added_to_cart", "page_viewed"]


WITH_ASIDES = {"sidebar": ("Subscribe", "Apply", "Save note"), "outlet": ("Sign up", "Redeem", "Keep note")}
"""The themes that show more than the purchase, with the buttons of newsletter, coupon and note."""


@pytest.mark.parametrize("theme", WORDS)
def test_two_themes_show_what_real_stores_show_beside_the_purchase(shops, shopper, theme):
    visitor, url = shopper(f"plain-{theme}"), shops[0][f"plain-{theme}"]
    fill_cart(visitor, url, theme)
    seen = Seen(visitor.get(f"{url}cart/"))
    shown = {str(field["type"]) for field in seen.all("input")} - {"hidden", "number", "search"}
    has_note, has_login = bool(seen.all("textarea")), f"{urlsplit(url).path}account/login/" in seen.links
    assert (shown, has_note, has_login) == (
        ({"email", "text"}, True, True) if theme in WITH_ASIDES else (set(), False, False)
    )
    visitor.get(f"{url}checkout/")
    fields = [field["name"] for field in Seen(visitor.page).all("input") if field.get("type") != "hidden"]
    assert fields == ["username"]  # a checkout shows nothing else


@pytest.mark.parametrize(("theme", "buttons"), WITH_ASIDES.items())
def test_what_is_beside_the_purchase_works_and_is_no_event(shops, shopper, theme, buttons):
    visitor, url = shopper(f"plain-{theme}", f"beside-{theme}"), shops[0][f"plain-{theme}"]
    subscribe, redeem, keep = buttons
    visitor.get(f"{url}collections/rugs/?sort=title")
    visitor.submit(subscribe, email="a@example.com")
    assert visitor.address == f"{url}collections/rugs/?sort=title"  # back where the form stands
    assert 'role="status"' in visitor.page
    fill_cart(visitor, url, theme)
    visitor.submit(redeem, code="SAVE10")
    assert 'role="status"' in visitor.page
    assert "$12.50" in visitor.page  # no coupon is known
    visitor.submit(keep, note="Ring twice, please")
    assert ">Ring twice, please</textarea>" in visitor.get(f"{url}cart/")
    names = [line["name"] for line in recorded(shops, f"plain-{theme}", f"beside-{theme}")]
    assert names == ["page_viewed", "product_viewed", "product_added_to_cart", "cart_viewed"]
    lines = json.dumps(recorded(shops, f"plain-{theme}", f"beside-{theme}"))
    assert "a@example.com" not in lines
    assert "Ring twice" not in lines


@pytest.mark.parametrize("theme", WITH_ASIDES)
def test_a_cookie_banner_is_answered_once(shops, shopper, theme):
    visitor, url = shopper(f"plain-{theme}", f"cookies-{theme}"), shops[0][f"plain-{theme}"]
    accept = {"sidebar": "Accept all", "outlet": "Accept cookies"}[theme]
    assert 'class="cookie-banner"' in visitor.get(f"{url}products/wool-skirt/")
    visitor.submit(accept)
    assert visitor.address == f"{url}products/wool-skirt/"
    assert 'class="cookie-banner"' not in visitor.page
    assert 'class="cookie-banner"' not in visitor.get(url)
    names = [line["name"] for line in recorded(shops, f"plain-{theme}", f"cookies-{theme}")]
    assert names == ["product_viewed", "page_viewed"]


@pytest.mark.parametrize("theme", WITH_ASIDES)
def test_no_account_can_be_logged_into_and_the_form_leads_nowhere_else(shops, shopper, theme):
    visitor, url = shopper(f"plain-{theme}"), shops[0][f"plain-{theme}"]
    visitor.get(f"{url}account/login/")
    assert complaints(visitor.page) == []
    visitor.submit({"sidebar": "Log in", "outlet": "My account"}[theme], email="a@example.com", password="x")
    assert visitor.address == f"{url}account/login/"
    assert 'role="status"' in visitor.page


def test_the_icon_of_the_cart_says_what_is_in_it(shops, shopper):
    said = {}
    for theme in WITH_ASIDES:
        visitor, url = shopper(f"plain-{theme}"), shops[0][f"plain-{theme}"]
        fill_cart(visitor, url, theme)
        seen = Seen(visitor.get(url))
        (cart,) = [link["aria-label"] for link in seen.all("a") if link.get("class") == "cart"]
        said[theme] = (cart, [words for tag, words in seen.words if tag == "span"])
    assert said == {"sidebar": ("Basket, 1 item", []), "outlet": ("My cart", ["1"])}
