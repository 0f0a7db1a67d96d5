"""What is entered into a field of a page in the browser: typed with real keys where the page may listen to them.

A page without scripts cannot tell how a value came, so there it is set at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Page

ELEMENT = "const element = this.nodeType === 1 ? this : this.parentElement;"
MAX_KEYS = 20
"""The last characters of a text that are typed key by key; what stands before them is entered at once."""

FILL = (
    "function (text, listens) {"
    + ELEMENT
    + """
    element.focus();
    if (element.isContentEditable) {
        document.getSelection().selectAllChildren(element);
        if (listens) return 'keys';
        return document.execCommand('insertText', false, text) ? '' : 'none';
    }
    if (!('value' in element) || element.readOnly || element.disabled || element.matches('button, select, li')) return 'none';
    const typed = ['text', 'search', 'email', 'tel', 'url', 'password', 'number', 'textarea'].includes(element.type);
    if (listens && typed) { element.select(); return 'keys'; }
    const kind = element instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
    const before = element.value, set = value => Object.getOwnPropertyDescriptor(kind.prototype, 'value').set.call(element, value);
    set(text);
    const same = element.type === 'color' ? element.value === text.trim().toLowerCase()
        : element.type === 'range' ? Number.isFinite(parseFloat(text)) : typed || text === '' || element.value !== '';
    if (!same) { set(before); return element.type; }
    element.dispatchEvent(new InputEvent('input', {bubbles: true, data: text, inputType: 'insertText'}));
    element.dispatchEvent(new Event('change', {bubbles: true}));
    return '';
}"""
)
"""Gives "" if the text was entered, "keys" if it has to be typed, "none" if the element takes no text, else the type of the
field that does not take this text."""

ENTERED = (
    "function () {"
    + ELEMENT
    + """
    if (element.type === 'number') element.dispatchEvent(new Event('change', {bubbles: true}));
    return true;
}"""
)
"""After typing: a store counts again when a quantity has changed, not only when the visitor has gone on."""

CHOOSE = (
    "function (label) {"
    + ELEMENT
    + """
    const spaced = text => text.trim().split(/\\s+/).join(' ');
    if (element instanceof HTMLInputElement && element.type === 'range') {
        Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(element, label);
    } else {
        if (!(element instanceof HTMLSelectElement)) return false;
        const option = Array.from(element.options).find(o => spaced(o.label || o.text) === label);
        if (!option) return false;
        element.focus();
        option.selected = true;
    }
    element.dispatchEvent(new Event('input', {bubbles: true}));
    element.dispatchEvent(new Event('change', {bubbles: true}));
    return true;
}"""
)
OPTION = (
    "function (label) {"
    + ELEMENT
    + """
    const bare = text => (text || '').replace(/\\s+/g, '');  // a name has spaces between the parts of an option, its text has none
    const owned = ((element.getAttribute('aria-owns') || '') + ' ' + (element.getAttribute('aria-controls') || '')).split(/\\s+/)
        .filter(Boolean).map(id => element.getRootNode().getElementById(id)).filter(Boolean);
    const used = option => option.querySelector('a[href]')  // a suggestion is a link or a button
        || Array.from(option.querySelectorAll('button')).find(button => bare(button.textContent) === bare(option.textContent)) || option;
    const is_named = option => [option.getAttribute('aria-label'), option.innerText, option.textContent].map(bare).includes(bare(label));
    const has_rest = option => bare(option.textContent) && bare(label).endsWith(bare(option.textContent));  // after a picture's name
    for (const [is_it, places] of [[is_named, [element, ...owned, element.ownerDocument]], [has_rest, [element, ...owned]]])
        for (const around of places)
            for (const option of around.querySelectorAll('[role=option]'))
                if (is_it(option)) return used(option);
    return null;
}"""
)
"""What is clicked to choose an option of a list that is no `select`: the option, or the link or button in it."""

SLIDE = (
    "function (wanted) {"
    + ELEMENT
    + """
    element.focus();
    const now = Number(element.getAttribute('aria-valuenow'));
    return Number.isFinite(now) && now !== Number(wanted) ? (now < Number(wanted) ? 'ArrowRight' : 'ArrowLeft') : '';
}"""
)
"""The key that moves a slider made of other elements nearer to a value; "" if it is there."""


async def type_keys(page: Page, text: str) -> None:
    """Types a text into the field that has the focus, over what is selected there."""
    if not text:
        await page.keyboard.press("Delete")
        return
    by_key = "" if "\n" in text else text[-MAX_KEYS:]  # Enter would send a form or a message
    if at_once := text.removesuffix(by_key):
        await page.keyboard.insert_text(at_once)
    if by_key:
        await page.keyboard.type(by_key)
