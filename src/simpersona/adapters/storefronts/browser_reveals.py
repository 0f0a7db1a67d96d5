"""What a page in the browser shows only when the visitor scrolls or points: lists that go on, menus that open.

Both are offered where the page gives a sign of them, and no longer once they have changed nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from playwright.async_api import CDPSession, Error
from playwright.async_api import Page as Tab

from simpersona.adapters.storefronts.control_names import AxNode, text_below
from simpersona.shopper.affordances import CHOSEN, CLICKED, TYPED

_CONTROLS = CLICKED | TYPED | CHOSEN
MAX_MENUS = 40

_SCROLL = """async () => {
    const frame = () => new Promise(done => requestAnimationFrame(done)), state = window[Symbol.for('simpersona')];
    let comes = false;
    const watch = new MutationObserver(records => {
        comes = comes || records.some(record => [...record.addedNodes].some(node => node.nodeType === 1));
    });
    const inner = [...state.boxes.map(ref => ref.deref()), ...state.ends.map(([_, of]) => of.deref())].filter(Boolean)
        .map(node => { for (; node && node !== document.body; node = node.parentElement)
            if (node.scrollHeight - node.clientHeight > 20 && /auto|scroll/.test(getComputedStyle(node).overflowY)) return node;
            return null; }).filter(Boolean);
    const page = document.scrollingElement;
    const past = state.ends.map(([_, of]) => of.deref()).filter(Boolean).map(of => of.getBoundingClientRect().top)
        .filter(top => top < 0 && top + scrollY > innerHeight);
    if (page && past.length) page.scrollTo({top: page.scrollTop + Math.min(...past) - innerHeight, behavior: 'instant'});
    watch.observe(document, {subtree: true, childList: true});
    for (const box of new Set([page, ...inner])) {
        for (let steps = 0; box && steps < 80; steps++) {
            const top = box.scrollTop;
            box.scrollTo({top: top + box.clientHeight * 0.9, behavior: 'instant'});
            await frame();
            await frame();
            if (comes) { watch.disconnect(); return; }
            if (box.scrollTop === top) break;
        }
    }
    watch.disconnect();
}"""
_EXHAUSTED = """() => { window[Symbol.for('simpersona')].exhausted = document.scrollingElement.scrollHeight; }"""
_MENUS = """(() => {
    const state = window[Symbol.for('simpersona')], uses = 'a[href],button,input,select,[role=menuitem],[role=link],[role=button]';
    if (!state) return [];
    const shown = node => node.checkVisibility({visibilityProperty: true});
    const holds = node => node.matches(uses) || !!node.querySelector(uses);
    const places = 'nav,header,[role=navigation],[role=menubar],[role=banner]';
    const subjects = new Set();
    const under = (target, subject) => {
        for (let node = target; node; node = node.parentElement) {
            if (node !== target && node.matches(subject)) return node;
            for (let beside = node.previousElementSibling; beside; beside = beside.previousElementSibling)
                if (beside.matches(subject)) return beside;
        }
        return null;
    };
    for (const [subject, target] of state.rules) {
        for (const node of [...document.querySelectorAll(target)].slice(0, 300)) {
            if (shown(node) || !holds(node)) continue;
            const by = under(node, subject);
            if (by && shown(by)) subjects.add(by);
        }
    }
    const listening = state.hovers.map(ref => ref.deref()).filter(node => node && node.isConnected);
    listening.push(...document.querySelectorAll('[onmouseover],[onmouseenter]'));
    for (const node of document.querySelectorAll(places.split(',').map(one => one + ' *').join(',') + ',[aria-haspopup]')) {
        const key = Object.keys(node).find(name => name.startsWith('__reactProps$'));
        const given = key ? node[key] : {};
        if (given.onMouseEnter || given.onMouseOver || given.onPointerEnter || given.onPointerOver) listening.push(node);
    }
    for (const node of listening) {
        if (!shown(node)) continue;
        const near = [...node.querySelectorAll('*'), ...node.nextElementSibling ? [node.nextElementSibling] : []];
        const closed = near.filter(one => !shown(one) && holds(one) && one.parentElement && shown(one.parentElement)
            && !one.matches('script,style,template,noscript,option'));
        for (const one of closed) subjects.add(node.contains(one) && one.parentElement.textContent.trim() ? one.parentElement : node);
        const pops = node.matches('[aria-haspopup],[aria-expanded=false]') || node.querySelector('[aria-haspopup],[aria-expanded=false]');
        if (!closed.length && (pops || (node.closest(places) && !node.matches(places)))) subjects.add(node);
    }
    const controls = new Set();
    for (const subject of subjects) {
        const inner = subject.matches(uses) ? subject : [...subject.querySelectorAll(uses)].find(shown);
        const control = inner || subject;
        if (!state.dull.has(control) && !subject.contains(document.body)) controls.add(control);
    }
    return [...controls].slice(0, LIMIT);
})()""".replace("LIMIT", str(MAX_MENUS))
_DULL = """function () {
    const state = window[Symbol.for('simpersona')];
    if (state) state.dull.add(this.nodeType === 1 ? this : this.parentElement);
}"""


async def scroll_on(tab: Tab) -> None:
    """Scrolls down page by page, to the end or until something comes. Raises the browser's Error."""
    await tab.evaluate(_SCROLL)


async def note_exhausted(tab: Tab) -> None:
    """Notes in the page that scrolling has brought nothing: while it is as long as now, it is not offered again."""
    await tab.evaluate(_EXHAUSTED)


async def note_dull(cdp: CDPSession, backend_id: int) -> None:
    """Notes in the page that pointing at an element has changed nothing. Raises the browser's Error."""
    resolved = await cdp.send("DOM.resolveNode", {"backendNodeId": backend_id})
    await cdp.send("Runtime.callFunctionOn", {"functionDeclaration": _DULL, "objectId": resolved["object"]["objectId"]})


async def add_menus(cdp: CDPSession, ax_nodes: Sequence[AxNode]) -> None:
    """Offers to point at what opens a menu. Raises the browser's Error."""
    by_element = {node["backendDOMNodeId"]: node for node in ax_nodes if "backendDOMNodeId" in node}
    by_id = {node["nodeId"]: node for node in ax_nodes}
    for backend_id in await _menus(cdp):
        node = by_element.get(backend_id)
        if node is None:
            continue
        if node.get("ignored") or node.get("role", {}).get("value") not in _CONTROLS:
            name = text_below(node, by_id)
            node.update({"role": {"value": "button"}, "name": {"value": name}, "ignored": False})
        node["methods"] = (*node.get("methods", ()), "hover")


async def _menus(cdp: CDPSession) -> list[int]:
    found = (await cdp.send("Runtime.evaluate", {"expression": _MENUS, "returnByValue": False}))["result"]
    if "objectId" not in found:
        return []
    listed = (await cdp.send("Runtime.getProperties", {"objectId": found["objectId"], "ownProperties": True}))["result"]
    elements = [entry["value"]["objectId"] for entry in listed if entry["name"].isdigit()]
    described: list[Any] = await asyncio.gather(
        *(cdp.send("DOM.describeNode", {"objectId": element}) for element in elements), return_exceptions=True
    )
    for answer in described:
        if isinstance(answer, BaseException) and not isinstance(answer, Error):
            raise answer
    return [answer["node"]["backendNodeId"] for answer in described if isinstance(answer, dict)]
