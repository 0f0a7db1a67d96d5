"""The forms of an HTML document: the values of their fields, what they send, and which values a browser accepts."""

from __future__ import annotations

import re
from math import isfinite
from urllib.parse import urlsplit

from lxml.html import HtmlElement

from simpersona.adapters.storefronts.field_hints import not_entered
from simpersona.adapters.storefronts.form_fields import FormField
from simpersona.adapters.storefronts.form_refusals import Fault, InvalidField
from simpersona.adapters.storefronts.http_tree import (
    chosen_option,
    content_of,
    form_of,
    labels_of,
    option_text,
    spaced,
)

_ENTERED = frozenset({"text", "search", "email", "tel", "url", "password", "number"})
_FORMED = {
    "date": re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"),
    "datetime-local": re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?"),
    "month": re.compile(r"\d{4}-(0[1-9]|1[0-2])"),
    "week": re.compile(r"\d{4}-W(0[1-9]|[1-4]\d|5[0-3])"),
    "time": re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?"),
    "color": re.compile(r"#[0-9a-f]{6}", re.IGNORECASE),
}
_WITH_PATTERN = frozenset({"", "text", "search", "email", "tel", "url", "password"})
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


def invalid_field(control: HtmlElement) -> InvalidField | None:
    """Why a browser would not send the form with this field; None if it would."""
    found = None if _is_barred(control) else _fault(control)
    if found is None:
        return None
    fault, detail = found
    return InvalidField(label_of(control), fault, detail)


def _is_barred(control: HtmlElement) -> bool:
    """Whether a browser does not look at the field."""
    kind = (control.get("type") or "").lower()
    return "disabled" in control.attrib or "readonly" in control.attrib or kind in ("hidden", *_NOT_SENT)


def _fault(control: HtmlElement) -> tuple[Fault, str] | None:
    text, kind = entered(control), (control.get("type") or "").lower()
    if control.tag == "input" and kind in ("checkbox", "radio"):
        return ("missing", "") if _is_missing(control, kind) else None
    if not text:
        return ("missing", "") if "required" in control.attrib else None
    if control.tag != "input":
        return None
    match kind:
        case "number":
            fault = _number_fault(control, text)
        case "email":
            fault = None if "@" in text[1:-1] else "kind"
        case "url":
            fault = None if urlsplit(text).scheme else "kind"
        case _:
            fault = None
    if fault is None and kind in _WITH_PATTERN and not _fits(control.get("pattern"), text):
        return "form", spaced(control.get("title"))
    return (fault, "") if fault is not None else None


def _is_missing(control: HtmlElement, kind: str) -> bool:
    """Whether a box has to be ticked and is not; of a group of radio buttons the first one counts for all."""
    if kind == "checkbox":
        return "required" in control.attrib and "checked" not in control.attrib
    form = form_of(control)
    group = [
        other
        for other in control.getroottree().iter("input")
        if (other.get("type") or "").lower() == "radio"
        and other.get("name") == control.get("name")
        and form_of(other) is form
    ]
    is_required = any("required" in other.attrib for other in group)
    return is_required and group[0] is control and not any("checked" in other.attrib for other in group)


def _number_fault(control: HtmlElement, text: str) -> Fault | None:
    value, low, high = (_number(limit) for limit in (text, control.get("min"), control.get("max")))
    step = _number(control.get("step", "1"))
    if value is None:
        return "kind"
    is_within = (low is None or value >= low) and (high is None or value <= high)
    return None if is_within and (not step or (value - (low or 0)) % step == 0) else "range"


def _fits(pattern: str | None, text: str) -> bool:
    """Whether a text has the form of a `pattern`; one that cannot be read fits everything, as in a browser."""
    try:
        return pattern is None or re.fullmatch(pattern, text) is not None
    except re.error:
        return True


def label_of(control: HtmlElement) -> str:
    """The text of a field's labels, or what it is called otherwise."""
    labels = " ".join(spaced(content_of(label)) for label in labels_of(control))
    given = (control.get(name) for name in ("aria-label", "placeholder", "name"))
    return spaced(labels) or next(filter(None, map(spaced, given)), "")


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
    elif control.tag == "input" and (kind := (control.get("type") or "").lower()) in _FORMED:
        if text and not _FORMED[kind].fullmatch(text):
            return not_entered(kind)
        control.set("value", text)
    else:
        return "Nothing can be typed there"
    return None


def choose(select: HtmlElement, label: str) -> str | None:
    """Sets a dropdown. Returns the reason of a failure."""
    if (select.get("type") or "").lower() == "range":
        select.set("value", label)
        return None
    option = next((choice for choice in select.iter("option") if option_text(choice) == label), None)
    if option is None:
        return f"There is no option {label!r}"
    for other in select.iter("option"):
        other.attrib.pop("selected", None)
    option.set("selected", "")
    return None


def leading_option(chosen_from: HtmlElement, label: str) -> HtmlElement | None:
    """The link in an option of a list of suggestions, or the button that it holds; None where a script would choose it."""
    if chosen_from.tag == "select":
        return None
    options = [other for other in chosen_from.iter() if other.get("role") == "option"]
    option = next((one for one in options if label in (one.get("aria-label"), spaced(content_of(one)))), None)
    inner = (
        [] if option is None else [one for one in option.iter("a", "button") if one.tag == "button" or one.get("href")]
    )
    return next(iter(inner), None)


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
