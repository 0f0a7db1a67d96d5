"""The form fields and frames of a page in the browser, as the guard of payments reads them: in shadow trees too."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from urllib.parse import urldefrag

from playwright.async_api import CDPSession, Error, Frame, Page

from simpersona.adapters.storefronts.checkout_way import fits_checkout
from simpersona.adapters.storefronts.form_fields import FormField

FRAME_SECONDS = 1.0
"""A frame that takes longer to answer is left out."""
_DESCRIBE = """const describe = field => {
    const text = node => (node && node.textContent || '').trim().slice(0, 200);
    const named = (field.getAttribute('aria-labelledby') || '').split(/\\s+/).filter(Boolean)
        .map(id => text(field.getRootNode().getElementById(id)));
    const labels = Array.from(field.labels || []).map(text);
    const words = [...labels, ...named, field.getAttribute('aria-label'), field.placeholder, field.title].filter(Boolean);
    if (!words.length) words.push(text(field.previousElementSibling) || text(field.parentElement));
    const around = field.form || field.closest('form') || field.getRootNode();
    return {
        type: (field.tagName === 'INPUT' ? field.type : '') || '', autocomplete: field.getAttribute('autocomplete') || '',
        inputmode: field.inputMode || '', name: [field.name, field.id].filter(Boolean).join(' '), label: words.join(' '),
        value: field.tagName === 'SELECT' ? '' : String(field.value || ''),
        beside_password: !!around.querySelector('input[type=password]'),
        is_shown: field.checkVisibility ? field.checkVisibility({visibilityProperty: true}) : true,
    };
};"""
_FRAMES = """() => {
    const found = [];
    const walk = root => {
        for (const element of root.querySelectorAll('*')) {
            if (element.shadowRoot) walk(element.shadowRoot);
            if (!(element instanceof HTMLIFrameElement) || !element.src) continue;
            const box = element.checkVisibility({visibilityProperty: true}) ? element.getBoundingClientRect() : {};
            found.push([element.src, box.width || 0, box.height || 0]);
        }
    };
    walk(document);
    return found;
}"""
_FIELD = "function () {" + _DESCRIBE + " return this.nodeType === 1 ? describe(this) : describe(this.parentElement); }"
_FIELDS = (
    "() => {"
    + _DESCRIBE
    + """
    const found = [];
    const walk = root => {
        for (const element of root.querySelectorAll('*')) {
            if (element.shadowRoot) walk(element.shadowRoot);
            if (element.matches('input:not([type=hidden]), select, textarea, [contenteditable], [role=textbox]'))
                found.push(describe(element));
        }
    };
    walk(document);
    return found;
}"""
)


async def page_fields(page: Page) -> list[FormField]:
    """The fields of a page and of its frames. Raises the browser's Error if the page cannot be read."""
    found = [FormField(**field) for field in await page.main_frame.evaluate(_FIELDS)]
    for frame in page.frames[1:]:
        found += await _frame_fields(frame)
    return found


async def _frame_fields(frame: Frame) -> list[FormField]:
    with contextlib.suppress(Error, TimeoutError):
        async with asyncio.timeout(FRAME_SECONDS):
            return [FormField(**field) for field in await frame.evaluate(_FIELDS)]
    return []


async def large_frames(page: Page) -> list[str]:
    """The addresses of the frames of a page that are shown large enough for a checkout. Raises the browser's Error."""
    shown: list[tuple[str, float, float]] = await page.main_frame.evaluate(_FRAMES)
    return [urldefrag(address).url for address, width, height in shown if fits_checkout(width, height)]


async def field_of(cdp: CDPSession, element: str) -> FormField:
    """The field that an object id stands for. Raises the browser's Error if it has left the page."""
    answer: dict[str, Any] = await cdp.send(
        "Runtime.callFunctionOn", {"functionDeclaration": _FIELD, "objectId": element, "returnByValue": True}
    )
    return FormField(**answer["result"].get("value", {}))  # a node that is no element describes nothing
