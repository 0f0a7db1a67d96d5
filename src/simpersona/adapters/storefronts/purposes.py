"""What the controls of a page are for, by its structure: cards, addresses, forms, fields, icons, banners.

It does not depend on a language, apart from the names in markup, which are mostly English on all stores.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache
from itertools import takewhile

from simpersona.adapters.storefronts.cards import Card, same_product
from simpersona.adapters.storefronts.kept import Kept
from simpersona.adapters.storefronts.markup import Element, Markup, all_around
from simpersona.adapters.storefronts.store_addresses import COLLECTION, purpose_of_address
from simpersona.pages import Purpose
from simpersona.shopper import store_words as words
from simpersona.shopper.affordances import CLICKED, typed
from simpersona.shopper.asides import ASIDES
from simpersona.shopper.page_words import QUERY
from simpersona.shopper.prices import amounts
from simpersona.shopper.store_words import A_CART, KEPT, words_of

_ICONS: tuple[tuple[Purpose, re.Pattern[str]], ...] = (
    ("cart", re.compile(rf"(?<![a-z])(shopping[ -]?)?{A_CART}(?![a-z])", re.IGNORECASE)),
    ("search", re.compile(r"(?<![a-z])(search|magnif\w*|lupe|loupe)(?![a-z])", re.IGNORECASE)),
    ("login", re.compile(r"(?<![a-z])(account|user|login|profile|customer)(?![a-z])", re.IGNORECASE)),
    ("remove", re.compile(r"(?<![a-z])(trash|bin|remove|delete)(?![a-z])", re.IGNORECASE)),
)
_BANNER = re.compile(
    r"(cookie|consent)[-_ ]?(banner|bar|notice|consent|popup|modal|dialog|law|overlay|message|box|wrapper|container|layer|disclaimer)|"
    r"^cookies?$|\b(onetrust|usercentrics|didomi|cookiebot|cybotcookie|gdpr|truste|cc-window|cmplz|klaro)",
    re.IGNORECASE,
)
_BANNER_NAME = re.compile(r"\bcookies?\b", re.IGNORECASE)
_QUERY = frozenset(QUERY) - {"text", "w"}
"""Names of fields that are searched with; reviews have a field called "text"."""
_WHOLE = frozenset({"html", "body", "main", "header", "footer", "aside", "table", "form"})
"""Elements that hold more than one field and its button."""
_NEAR = 3
"""Elements around a field without a form in which its button is looked for."""


def purposes(lines: Sequence[Kept], cards: Sequence[Card | None], markup: Markup) -> list[Purpose | None]:
    """What each line of a page is for; None for what is no control and where the structure shows nothing."""
    elements = [markup.element(line) for line in lines]
    fields = [number for number, line in enumerate(lines) if elements[number] is not None and typed(line.node)]
    buttons = _buttons(lines, elements, fields)
    found: list[Purpose | None] = [None] * len(lines)
    for number in fields:
        element = elements[number]
        if element is not None and lines[number].node.role != "spinbutton":
            found[number] = _field(lines[number], element, buttons.get(element.nearest("form"), ""))
    forms = _forms_of(elements, fields, found)
    banners = {one for one in all_around(elements) if one.attributes and _is_banner(one)}
    for number, (line, element, card) in enumerate(zip(lines, elements, cards, strict=True)):
        if element is not None and line.node.role in CLICKED:
            found[number] = _pressed(line, element, card, forms, banners)
    return found


# --- fields -----------------------------------------------------------------------------------


def _buttons(
    lines: Sequence[Kept], elements: Sequence[Element | None], fields: Sequence[int]
) -> dict[Element | None, str]:
    """The name of the button of each form that has one field and one button; `fields` are the numbers of the typed lines."""
    sizes = Counter(element.nearest("form") for number in fields if (element := elements[number]) is not None)
    buttons = defaultdict[Element | None, list[str]](list)
    for line, element in zip(lines, elements, strict=True) if sizes else ():
        if line.node.role == "button" and element is not None:
            buttons[element.nearest("form")].append(line.node.name)
    buttons.pop(None, None)
    return {form: names[0] for form, names in buttons.items() if sizes[form] == len(names) == 1}


def _field(line: Kept, element: Element, button: str) -> Purpose | None:
    """What a field asks for that is beside the purchase, or a search; `button` is the name of its form's only button."""
    form = element.nearest("form")
    if line.node.role == "searchbox" or element.get("type") == "search" or _searches(element, form):
        return "search"
    if words.SEARCH_FIELD.search(line.node.name):
        return "search"
    if _is_login(element, form) or words.LOGIN.search(button):
        return "login"
    asked = " ".join((line.node.name, words_of(element.get("name", "id", "placeholder", "aria-label", "title"))))
    near = [one for one in element.around[1 : 1 + _NEAR] if one.tag not in ("html", "body", "main")]
    around = words_of(" ".join(one.get("id", "class", "name", "aria-label") for one in (*near, *filter(None, [form]))))
    sends = words_of("" if form is None else form.get("action"))
    wishes: dict[Purpose, bool] = {
        "newsletter": bool(words.NEWSLETTER.search(f"{asked} {around} {sends}") or words.SUBSCRIBE.search(button))
        or _is_footer_email(element, form),
        "coupon": bool(words.COUPON.search(f"{asked} {around} {sends}") or words.APPLY.search(button)),
        "note": bool(words.NOTE.search(asked)),
    }
    return next((purpose for purpose, asks in wishes.items() if asks), None)


def _is_login(element: Element, form: Element | None) -> bool:
    if element.get("type") == "password" or element.get("autocomplete") in ("username", "current-password"):
        return True
    return form is not None and any(one.get("type") == "password" for one in form.inside())


def _searches(element: Element, form: Element | None) -> bool:
    if element.get("name").lower() in _QUERY:
        return True
    around = [one for one in element.around if one.get("role") == "search"]
    return bool(around) or (form is not None and purpose_of_address(form.get("action")) == "search")


def _is_footer_email(element: Element, form: Element | None) -> bool:
    """Whether a field asks for an address alone, at the foot of a page: what it is called says no more."""
    in_footer = any(one.tag == "footer" or one.get("role") == "contentinfo" for one in element.around)
    if not in_footer or element.get("type") not in ("email", "text", ""):
        return False
    fields = [
        one
        for one in (form or element).inside()
        if one.tag in ("input", "textarea") and one.get("type") in ("email", "text", "")
    ]
    return len(fields) == 1


def _forms_of(
    elements: Sequence[Element | None], fields: Sequence[int], found: Sequence[Purpose | None]
) -> dict[Element, Purpose]:
    """The forms that hold nothing but fields beside the purchase, or the elements near such a field that have no form."""
    forms: dict[Element, Purpose] = {}
    others: set[Element] = set()
    for number in fields:
        element, purpose = elements[number], found[number]
        if element is None:
            continue
        form = element.nearest("form")
        near = takewhile(lambda one: one.tag not in _WHOLE, element.around[1 : 1 + _NEAR])
        around = [form] if form is not None else list(near)
        if purpose in ASIDES and purpose is not None:
            forms.update(dict.fromkeys(around, purpose))
        else:
            others.update(around if form is not None else element.around)
    return {form: purpose for form, purpose in forms.items() if form not in others}


# --- links and buttons ------------------------------------------------------------------------


def _pressed(
    line: Kept, element: Element, card: Card | None, forms: dict[Element, Purpose], banners: set[Element]
) -> Purpose | None:
    role, name = line.node.role, line.node.name
    if banners and not banners.isdisjoint(element.around):
        return "consent"
    if card is not None and role == "link" and same_product(line.href) == card.address:
        return "product"
    beside: Purpose | None = next((forms[one] for one in element.around if one in forms), None) if forms else None
    if beside is not None and role != "link" and not words.ADD.search(name):
        return beside
    if role == "link" and line.leads_on(element.get("href")):
        return _of_link(line, element)
    return _of_button(element, name)


def _is_banner(element: Element) -> bool:
    if element.tag in ("html", "body", "main", "form"):
        return False  # pages mark themselves so while a banner is shown
    attributes = element.attributes
    marks, name = f"{attributes.get('id', '')} {attributes.get('class', '')}".strip(), attributes.get("aria-label")
    return (bool(marks) and _marks_banner(marks)) or (
        bool(name)
        and (
            element.tag in ("section", "aside", "dialog") or element.get("role") in ("dialog", "alertdialog", "region")
        )
        and bool(_BANNER_NAME.search(name))
    )


@lru_cache(maxsize=KEPT)  # the elements of a store's pages have the same marks
def _marks_banner(marks: str) -> bool:
    return bool(_BANNER.search(marks))


def _of_link(line: Kept, element: Element) -> Purpose | None:
    name = line.node.name
    return _by_address(line.href, name, element.get("rel")) or _of_icon(element, name)


@lru_cache(maxsize=KEPT)
def _by_address(address: str, name: str, rel: str) -> Purpose | None:
    """What a link is for, by where it leads."""
    is_collection = COLLECTION.search(address) is not None
    if not is_collection and (purpose := purpose_of_address(address)) is not None:
        return purpose
    if rel.lower() in ("next", "prev"):
        return "page"
    if is_collection:
        names_cart = words.CART.search(name) and not words.is_cart_name(name) and not words.ADD.search(name)
        if names_cart or amounts(name):
            return "link"
    return None


def _of_button(element: Element, name: str) -> Purpose | None:
    form = element.nearest("form")
    if element.get("type") not in ("button", "reset"):
        target = element.get("formaction") or (form.get("action") if form is not None else "")
        if (purpose := purpose_of_address(target)) in ("add", "remove", "checkout"):
            return purpose
        if words.ADD_MARK.search(element.get("name")) or (form is not None and _adds(form)):
            return "add"
    return _of_icon(element, name)


def _adds(form: Element) -> bool:
    """Whether a form sends one product to the cart."""
    names = {one.get("name").lower() for one in form.inside() if one.tag in ("input", "select", "button")}
    return any(map(words.ADD_MARK.search, names)) or (
        purpose_of_address(form.get("action")) in ("add", "cart")
        and bool(names & {"id", "product", "product_id", "variant", "sku", "id_product"})
    )


def _of_icon(element: Element, name: str) -> Purpose | None:
    """What the icon of a control without a name shows, by the names in its markup."""
    if _has_words(name) and not _is_made_up(name, element):
        return None
    drawn = " ".join(
        one.get("class", "id", "src", "href", "xlink:href", "data-icon", "alt") for one in element.inside()
    )
    return next((purpose for purpose, icon in _ICONS if icon.search(drawn)), None)


@lru_cache(maxsize=KEPT)
def _has_words(name: str) -> bool:
    return any(len(word) > 1 for word in re.findall(r"[^\W\d_]+", name))


def _is_made_up(name: str, element: Element) -> bool:
    """Whether a name is that of the element, not of anything that is read on the page."""
    return bool(name) and name.casefold() in {part.casefold() for part in element.get("class", "id", "href").split()}
