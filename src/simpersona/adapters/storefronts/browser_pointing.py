"""Where a visitor's pointer reaches an element of a page in the browser, and what is in its way.

What covers a control blocks it, as it does for a person. The control's own label, its parts, a link to the same address and
decoration that lets the pointer through are no cover, and neither is what scrolling can avoid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MAX_COVER_CHARS = 60

POINT = """function () {
    const element = this.nodeType === 1 ? this : this.parentElement;
    if (!element.isConnected) return null;
    element.addEventListener('click', () => { element.simpersonaClicked = true; }, {once: true, capture: true});
    element.addEventListener('pointerdown', () => { element.simpersonaPressed = true; }, {once: true, capture: true});
    const state = element.ownerDocument.defaultView[Symbol.for('simpersona')];
    if (state) state.invalid = [];
    const above = node => node.assignedSlot || node.parentNode || node.host;
    const within = (node, outer) => { for (; node; node = above(node)) if (node === outer) return true; return false; };
    const nearest = (node, what) => {
        for (; node; node = above(node)) if (node.nodeType === 1 && node.matches(what)) return node;
        return null;
    };
    const at = (page, x, y) => {
        let hit = page.elementFromPoint(x, y);
        while (hit && hit.shadowRoot) {
            const inner = hit.shadowRoot.elementFromPoint(x, y);
            if (!inner || inner === hit) break;
            hit = inner;
        }
        return hit;
    };
    const text = node => (node ? node.getAttribute('aria-label') || node.innerText || node.textContent || '' : '')
        .trim().split(/\\s+/).join(' ').slice(0, LONGEST);
    const shown = node => node.checkVisibility({visibilityProperty: true, opacityProperty: true});
    const called = hit => {
        const named = node => node.getAttribute('aria-label') || text(node.querySelector('h1,h2,h3,h4,h5,h6,[role=heading]'))
            || text(node) || node.title;
        const dialogs = 'dialog[open],[role=dialog],[role=alertdialog],[aria-modal=true]';
        if (within(element, hit)) return text(nearest(hit, 'a[href],button,[role]') || hit);
        let whole = nearest(hit, dialogs);
        if (!whole) for (let node = hit; node && !within(element, node); node = above(node)) if (node.nodeType === 1) whole = node;
        whole = whole || hit;
        const open = [...whole.ownerDocument.querySelectorAll(dialogs)].filter(shown)[0];
        return named(whole) || (open && named(open)) || (whole.id || whole.getAttribute('class') || '').replace(/[-_]+/g, ' ').trim()
            || 'another part of the page';
    };
    const answers = (hit, target) => {
        if (within(hit, target)) return true;
        const label = nearest(hit, 'label'), inside = nearest(hit, 'a[href],button');
        if (label && label.control === element) return !inside || !within(inside, label);
        const link = nearest(hit, 'a[href]'), own = nearest(target, 'a[href]');
        return !!link && !!own && link.href === own.href;
    };
    const boxes = target => {
        let found = [...target.getClientRects()];
        if (!found.some(box => box.width >= 3 && box.height >= 3)) {
            const range = target.ownerDocument.createRange();
            range.selectNodeContents(target);
            if (getComputedStyle(target).display === 'contents' || target.matches('a, button')) found = [...range.getClientRects()];
        }
        return found.filter(box => box.width >= 3 && box.height >= 3);
    };
    const outside = (box, view) => box.x < 0 || box.y < 0 || box.right > view.innerWidth || box.bottom > view.innerHeight;
    const result = {x: 0, y: 0, found: 'hidden', cover: ''};
    const onPage = (x, y) => {
        for (let frame = element.ownerDocument.defaultView.frameElement; frame; ) {
            const edge = frame.getBoundingClientRect();
            x += edge.x + frame.clientLeft;
            y += edge.y + frame.clientTop;
            const hit = at(frame.ownerDocument, x, y);
            if (hit && hit !== frame) { result.found = 'covered'; result.cover = called(hit); return false; }
            frame = frame.ownerDocument.defaultView.frameElement;
        }
        Object.assign(result, {x, y, found: 'reached', cover: ''});
        return true;
    };
    const controls = 'a[href],button,input,select,summary,[role=button],[role=link],[role=menuitem]';
    const tries = target => {
        const view = target.ownerDocument.defaultView;
        let instead = null;  // a point on another control inside: only if there is no better one
        for (const box of boxes(target).slice(0, 4)) {
            for (const [right, down] of [[.5, .5], [.5, .2], [.5, .8], [.15, .5], [.85, .5], [.1, .1], [.9, .9]]) {
                const x = box.x + box.width * right, y = box.y + box.height * down;
                if (x < 0 || y < 0 || x >= view.innerWidth || y >= view.innerHeight) continue;
                const hit = at(target.ownerDocument, x, y);
                if (!hit) continue;
                if (answers(hit, target)) {
                    const inner = nearest(hit, controls);
                    const other = inner && inner !== target && inner !== element && within(inner, target);
                    if (other && instead === null) instead = [x, y];
                    if (!other && onPage(x, y)) return true;
                    continue;
                }
                if (within(element, hit) && !nearest(hit, controls)) {
                    if (result.found === 'hidden') Object.assign(result, {x, y, found: 'around'});
                } else if (result.found === 'hidden' && (within(element, hit) || getComputedStyle(target).pointerEvents !== 'none')) {
                    result.found = 'covered';
                    result.cover = called(hit);
                }
            }
        }
        return instead !== null && onPage(...instead);
    };
    for (const target of [element, ...(element.labels || [])]) {
        const view = target.ownerDocument.defaultView;
        for (const block of ['', 'center', 'start', 'end']) {
            const seen = boxes(target);
            if (!seen.length) break;
            if (!block && (view.parent !== view || outside(seen[0], view))) continue;  // the frame itself may be out of sight
            if (block) target.scrollIntoView({block, inline: 'center', behavior: 'instant'});
            if (tries(target)) return result;
        }
    }
    return result;
}""".replace("LONGEST", str(MAX_COVER_CHARS))


@dataclass(frozen=True)
class Point:
    """Where to point at an element, in pixels of the page's window.

    `found`: the element answers there; only what is around it does, as it lets the pointer through; something named `cover`
    is in the way; or it is nowhere to be seen, and is used with the keyboard only.
    """

    x: float
    y: float
    found: Literal["reached", "around", "covered", "hidden"]
    cover: str = ""

    @property
    def refusal(self) -> str | None:
        """Why the visitor cannot use the element; None if it can be used."""
        return f"It is covered by “{self.cover}”: close that first" if self.found == "covered" else None
