"""The forms of an HTML document: the values of their fields, what they send, and which values a browser accepts."""

from __future__ import annotations

from math import isfinite

from lxml.html import HtmlElement

from simpersona.adapters.storefronts.form_fields import FormField
from simpersona.adapters.storefronts.http_tree import chosen_option, form_of, option_text, spaced

_ENTERED = frozenset({"text", "search", "email", "tel", "url", "password", "number"})
_NOT_SENT = frozenset({"button", "submit", "reset", "image", "file"})


def controls(form: HtmlElement) -> list[HtmlElement]:
    """The fields and buttons of a form, in the order of the page."""
    tags = ("input", "select", "textarea", "button")
    return [control for control in form.getroottree().iter(*tags) if form_of(control) is form]


def submits(control: HtmlElement) -> bool:
    """Whether a click on the control sends its form."""
    if "disabled" in control.attrib:
        return False
    kind = (control.get("type") or "").lower()
    return (control.tag == "button" and kind in ("", "submit")) or (
        control.tag == "input" and kind in ("submit", "image")
    )


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if isfinite(value) else None


def valid(control: HtmlElement) -> bool:
    """Whether a browser would send the field: it is filled if required, and a number is within its limits."""
    text = entered(control)
    if not text or control.tag != "input":
        return "required" not in control.attrib
    match (control.get("type") or "").lower():
        case "number":
            value, low, high = (_number(limit) for limit in (text, control.get("min"), control.get("max")))
            step = _number(control.get("step", "1"))
            return (
                value is not None
                and (low is None or value >= low)
                and (high is None or value <= high)
                and (not step or (value - (low or 0)) % step == 0)
            )
        case "email":
            return "@" in text[1:-1]
    return True


def entered(control: HtmlElement) -> str:
    """The value of a field or a dropdown."""
    if control.tag == "select":
        chosen = chosen_option(control)
        return "" if chosen is None else chosen.get("value", option_text(chosen))
    return (control.text if control.tag == "textarea" else control.get("value")) or ""


def sent(form: HtmlElement, by: HtmlElement | None) -> list[tuple[str, str]]:
    """Names and values that a form sends, in the order of the page."""
    pairs = []
    for control in controls(form):
        name, kind = control.get("name"), (control.get("type") or "").lower()
        if not name or "disabled" in control.attrib:
            continue
        if control.tag == "button" or (control.tag == "input" and kind in _NOT_SENT):
            if control is by:
                pairs.append((name, control.get("value") or ""))
        elif kind in ("checkbox", "radio"):
            if "checked" in control.attrib:
                pairs.append((name, control.get("value", "on")))
        elif control.tag != "select" or chosen_option(control) is not None:
            pairs.append((name, entered(control)))
    return pairs


def enter(control: HtmlElement, text: str) -> str | None:
    """Enters a text into a field. Returns the reason of a failure."""
    if "readonly" in control.attrib:
        return "Nothing can be typed there"
    if control.tag == "textarea":
        control.text = text
    elif control.tag == "input" and (control.get("type") or "text").lower() in _ENTERED:
        control.set("value", text if control.get("type") != "number" or _number(text) is not None else "")
    else:
        return "Nothing can be typed there"
    return None


def choose(select: HtmlElement, label: str) -> str | None:
    """Sets a dropdown. Returns the reason of a failure."""
    option = next((choice for choice in select.iter("option") if option_text(choice) == label), None)
    if option is None:
        return f"There is no option {label!r}"
    for other in select.iter("option"):
        other.attrib.pop("selected", None)
    option.set("selected", "")
    return None


def tick(control: HtmlElement) -> None:
    """Ticks or unticks a checkbox; ticks a radio button and unticks the others of its group."""
    if control.get("type", "").lower() == "radio":
        for other in control.getroottree().iter("input"):
            if other.get("name") == control.get("name") and form_of(other) is form_of(control):
                other.attrib.pop("checked", None)
        control.set("checked", "")
    elif control.attrib.pop("checked", None) is None:
        control.set("checked", "")


def described(control: HtmlElement) -> FormField:
    """What the markup says about a field."""
    root, form = control.getroottree(), form_of(control)
    labels = [
        label for label in root.iter("label") if control.get("id") is not None and label.get("for") == control.get("id")
    ]
    labels += control.iterancestors("label")
    ids = (control.get("aria-labelledby") or "").split()
    labels += [element for element in root.iter() if ids and element.get("id") in ids]
    words = [spaced(label.text_content()) for label in labels]
    words += [control.get(name) or "" for name in ("aria-label", "placeholder", "title")]
    if not any(words):
        near = [
            spaced(element.text_content())
            for element in (control.getprevious(), control.getparent())
            if element is not None
        ]
        words = [next(filter(None, near), "")]
    around = root.iter("input") if form is None else form.iter("input")
    return FormField(
        type=(control.get("type") or "text").lower() if control.tag == "input" else "",
        autocomplete=control.get("autocomplete") or "",
        inputmode=(control.get("inputmode") or "").lower(),
        name=" ".join(filter(None, (control.get("name"), control.get("id")))),
        label=" ".join(filter(None, words)),
        value="" if control.tag == "select" else entered(control),
        beside_password=any((other.get("type") or "").lower() == "password" for other in around),
    )
