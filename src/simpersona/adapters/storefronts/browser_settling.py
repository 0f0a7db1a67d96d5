"""When a page in the browser has settled: nothing changes, no short timer runs, no request of a script is open.

Chains are followed to their end: a request, a timer, a second request, the new text. What never ends (a long poll, a
ticker, an animation) is waited for once, up to a limit, and not again in the same tab.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.async_api import Page as Tab
from playwright.async_api import Request

QUIET_MS, MAX_UNQUIET_MS = 30, 400
"""A page is quiet after this time without a change; a page that never becomes quiet is read as it is."""
MAX_TIMER_MS = 1000
"""A timer with a longer delay is not waited for."""
MAX_FETCH_SECONDS = 2.0
"""A request that takes longer is not waited for again, as a long poll, unless the page says that it is loading."""
LONG_POLL_SECONDS = 8.0
"""A slow request that is answered before this time was no long poll: the next one like it is waited for again."""
MAX_CHAIN_SECONDS = 5.0
"""The longest wait for one chain of requests and timers, besides the waits for a turn."""
LOADING_SECONDS = 0.1
"""The pause before a page that says that it is loading is looked at again."""
MAX_REPEATS = 6
"""A request that is sent again more often after its own answer, without an action, is taken for polling."""

_COMPARED = 500
"""Bytes of a request's body that are compared."""
_VARYING = re.compile(r"\d+|[0-9a-f]{8,}", re.IGNORECASE)

WATCH = """(() => {
    const key = Symbol.for('simpersona');
    if (window[key]) return;
    const set = window.setTimeout, clear = window.clearTimeout;
    const state = {timers: new Map(), tickers: new Set(), restless: new WeakSet(), ends: [],
        hovers: [], invalid: [], boxes: [], rules: [], sheets: -1, dull: new WeakSet(), exhausted: 0, scrolls: false,
        set: (callback, ms) => set.call(window, callback, ms)};
    Object.defineProperty(window, key, {value: state});
    document.addEventListener('invalid', event => state.invalid.push(event.target), true);
    const HOVER = /^(mouse|pointer)(enter|over)$/;
    let depth = 0;
    window.setTimeout = function (callback, delay, ...rest) {
        const ms = Number(delay) || 0;
        if (typeof callback !== 'function' || ms > LONGEST) return set.call(window, callback, delay, ...rest);
        const inner = depth + 1;
        const id = set.call(window, function (...given) {
            state.timers.delete(id);
            const outer = depth;
            depth = inner;
            try { return callback.apply(this, given); } finally { depth = outer; }
        }, delay, ...rest);
        if (inner <= 3) state.timers.set(id, [performance.now() + ms, callback, ms]);
        return id;
    };
    window.clearTimeout = function (id) { state.timers.delete(id); clear.call(window, id); };
    const Observer = window.IntersectionObserver, observe = Observer && Observer.prototype.observe;
    if (observe) Observer.prototype.observe = function (target) {
        if (state.ends.length < 1000) state.ends.push([new WeakRef(this), new WeakRef(target)]);
        return observe.call(this, target);
    };
    for (const [name, gone] of [['unobserve', true], ['disconnect', false]]) {
        const original = Observer && Observer.prototype[name];
        if (original) Observer.prototype[name] = function (target) {
            state.ends = state.ends.filter(([by, of]) => by.deref() !== this || (gone && of.deref() !== target));
            return original.call(this, target);
        };
    }
    const listen = EventTarget.prototype.addEventListener;
    EventTarget.prototype.addEventListener = function (type, ...rest) {
        const whole = this === window || this === document || this === document.documentElement || this === document.body;
        if (whole && type === 'scroll' && rest[1] !== true) state.scrolls = true;
        if (!whole && type === 'scroll' && rest[1] !== true && this instanceof Element) state.boxes.push(new WeakRef(this));
        if (HOVER.test(type) && this instanceof Element && state.hovers.length < 500) state.hovers.push(new WeakRef(this));
        return listen.call(this, type, ...rest);
    };
})()""".replace("LONGEST", str(MAX_TIMER_MS))
"""Runs before a document's own scripts. It notes their short timers and what they watch on scrolling.

A timer that timers have set three times over is a ticker and is not noted. Frameworks that listen at their root for all
elements listen for scrolling there too, in the capture phase: that says nothing.
"""

_QUIET = """([quiet, longest, timed]) => new Promise(done => {
    const state = window[Symbol.for('simpersona')], wait = state ? state.set : setTimeout;
    const began = performance.now(), changes = new Map(), OFTEN = 8;
    let last = began;
    const isText = record => record.type !== 'childList' || [...record.addedNodes].every(node => node.nodeType === 3);
    const watch = new MutationObserver(records => {
        for (const target of new Set(records.filter(isText).map(record => record.target))) {
            changes.set(target, (changes.get(target) || 0) + 1);
            if (state && changes.get(target) >= OFTEN) state.restless.add(target);
        }
        if (records.some(record => !state || !isText(record) || !state.restless.has(record.target))) last = performance.now();
    });
    watch.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
    const kind = timer => timer[2] + String(timer[1]);
    const open = () => state ? [...state.timers.values()].filter(timer => !state.tickers.has(kind(timer))) : [];
    const appears = () => document.getAnimations().some(one => /visibility|display/.test(one.transitionProperty || ''));
    const check = () => {
        const now = performance.now(), timers = open(), late = now - began >= timed;
        if (late) for (const timer of timers) state.tickers.add(kind(timer));
        const still = quiet - (now - last), limit = timers.length ? timed : longest;
        if ((still <= 0 && !timers.length && !appears()) || now - began >= limit) { watch.disconnect(); done(facts()); return; }
        const due = timers.length ? Math.min(...timers.map(timer => timer[0])) - now : still;
        wait(check, Math.min(Math.max(due, still, 4), Math.max(limit - (now - began), 4)));
    };
    const shows = /display|visibility|height|clip/, sign = /:hover/;
    const rulesOf = (rules, found) => {
        for (const rule of rules) {
            if (rule.selectorText && sign.test(rule.selectorText) && shows.test(rule.style.cssText)) {
                for (const one of rule.selectorText.split(/,(?![^(]*\\))/)) {
                    const upTo = one.match(/^(.*:hover[^\\s>+~]*)(?=[\\s>+~])/);
                    const bare = text => text.replace(/(^|[\\s>+~]):hover/g, '$1*').replace(/:hover/g, '').trim();
                    try {
                        if (upTo && document.querySelector(bare(one))) found.push([bare(upTo[1]), bare(one)]);
                    } catch (error) { /* a selector that is not for elements */ }
                }
            }
            if (rule.cssRules && (!rule.media || matchMedia(rule.media.mediaText).matches)) rulesOf(rule.cssRules, found);
        }
        return found;
    };
    const menus = () => {
        if (!state) return false;
        if (state.sheets !== document.styleSheets.length) {
            state.sheets = document.styleSheets.length;
            state.rules = [];
            for (const sheet of document.styleSheets)
                try { rulesOf(sheet.cssRules, state.rules); } catch (error) { /* of another site: it cannot be read */ }
        }
        return state.rules.length > 0;
    };
    const room = node => node && node.scrollHeight - node.clientHeight > 20;
    const goesOn = () => {
        const page = document.scrollingElement;
        if (!state || !page || state.exhausted === page.scrollHeight) return false;
        if (state.scrolls && room(page)) return true;
        if (state.boxes.some(ref => room(ref.deref()) && ref.deref().clientHeight > 100)) return true;
        const watched = new Map();
        for (const [by] of state.ends) watched.set(by.deref(), (watched.get(by.deref()) || 0) + 1);
        return state.ends.some(([by, of]) => {
            const target = of.deref();
            if (!by.deref() || !target || !target.isConnected || target.matches('img,picture,video,iframe,source')) return false;
            const isMark = !target.textContent.trim() || watched.get(by.deref()) <= 3;
            const top = target.getBoundingClientRect().top, isPast = top < 0 && top + scrollY > innerHeight;
            return isMark && !target.querySelector('img,video,iframe') && (top >= innerHeight || isPast);
        });
    };
    const over = node => {
        for (; node; node = node.parentElement || (node.getRootNode() || {}).host)
            if (getComputedStyle(node).position === 'fixed') return node;
        return null;
    };
    const deepest = (root, x, y) => {
        const hit = root.elementFromPoint(x, y), inner = hit && hit.shadowRoot && hit.shadowRoot.elementFromPoint(x, y);
        return inner && inner !== hit ? deepest(hit.shadowRoot, x, y) : hit;
    };
    const covered = () => {
        const at = [.1, .37, .63, .9], layers = new Set();
        for (const right of at) for (const down of at) {
            const layer = over(deepest(document, innerWidth * right, innerHeight * down));
            if (!layer || layers.add(layer).size > 3) return false;
        }
        const inside = node => [...layers].some(layer => layer.contains(node));
        return [...document.querySelectorAll('a[href],button,input,select')].some(
            one => !inside(one) && one.checkVisibility({visibilityProperty: true, opacityProperty: true}));
    };
    const facts = () => {
        const of = view => {
            const page = view.document;
            const runs = [...page.scripts].some(script => !script.type || /javascript|module/.test(script.type)) || !!page
                .querySelector('[onclick],[onchange],[oninput],[onkeydown],[onkeyup],[onmouseover],[onmouseenter],[onmousedown]');
            let hides = [...page.querySelectorAll('input[type=radio],input[type=checkbox]')].some(
                box => !box.getClientRects().length && box.labels.length);
            let inner = [];
            for (let i = 0; i < view.length; i++) try { inner.push(of(view[i])); } catch (error) { /* another site's */ }
            return {runs: runs || inner.some(one => one.runs), hides: hides || inner.some(one => one.hides)};
        };
        const entry = performance.getEntriesByType('navigation')[0];
        const all = of(window);
        const busy = [...document.querySelectorAll('[aria-busy=true],[role=progressbar]:not([aria-valuenow]),[class*=spinner i],[class*=skeleton i]')];
        return {...all, is_loading: busy.some(one => one.checkVisibility({visibilityProperty: true, opacityProperty: true})), menus: menus() || all.runs, goes_on: goesOn(), is_covered: covered(), status: entry && entry.responseStatus || 0};
    };
    wait(check, quiet);
})"""


@dataclass(frozen=True)
class PageFacts:
    """What is known of a settled page besides its tree."""

    status: int = 0
    """The HTTP status of its document; 0 where it has none."""
    runs: bool = False
    """Whether it runs scripts: only then can what is no control react to the visitor."""
    hides: bool = False
    """Whether it hides radio buttons or checkboxes behind their labels."""
    is_loading: bool = False
    """Whether it says that it is loading (`aria-busy`, a progress bar without a value, a spinner, a skeleton)."""
    menus: bool = False
    """Whether something may open when the visitor points at it."""
    goes_on: bool = False
    """Whether more may come when the visitor scrolls."""
    is_covered: bool = False
    """Whether something lies over all of the page that is in sight, such as a cookie banner with its backdrop."""


async def quiet(tab: Tab) -> PageFacts:
    """Waits until a page is quiet. Raises the browser's Error if the page is replaced meanwhile."""
    return PageFacts(**await tab.evaluate(_QUIET, [QUIET_MS, MAX_UNQUIET_MS, MAX_TIMER_MS]))


class OpenRequests:
    """The requests of a tab's scripts, and its frames, that a settling page waits for."""

    def __init__(self) -> None:
        self._open: dict[Request, float] = {}  # with the time at which it was sent
        self._given_up: dict[Request, float] = {}  # likewise
        self._frames: dict[str, float] = {}
        self._answered: Counter[str] = Counter()  # since the last action
        self._endless: set[str] = set()
        self._changed = asyncio.Event()

    def forget(self) -> None:
        """Forgets what is open before the next action: it is not that action's doing."""
        self._open.clear()
        self._answered.clear()

    def begin(self, request: Request) -> None:
        """Notes a request of a script."""
        kind = _kind(request)
        if self._answered[kind] > MAX_REPEATS:
            self._endless.add(kind)
        if kind not in self._endless:
            self._open[request] = time.monotonic()

    def end(self, request: Request) -> None:
        """Notes that a request was answered or has failed."""
        if self._open.pop(request, None) is not None:
            self._answered[_kind(request)] += 1
            self._changed.set()
        sent = self._given_up.pop(request, None)
        if sent is not None and time.monotonic() - sent < LONG_POLL_SECONDS:
            self._endless.discard(_kind(request))

    def begin_frame(self, frame: str) -> None:
        """Notes that a frame loads."""
        self._frames[frame] = time.monotonic()

    def end_frame(self, frame: str) -> None:
        """Notes that a frame has loaded or is gone."""
        if self._frames.pop(frame, None) is not None:
            self._changed.set()

    def __bool__(self) -> bool:
        return bool(self._open or self._frames)

    async def change(self, longest: float, *, counts: bool, is_loading: bool) -> None:
        """Waits until one of them has ended or has taken too long, `longest` seconds at most.

        Without `counts` the time is not held against them; a page that says that it `is_loading` is given all of it.
        """
        begun = [*self._open.values(), *self._frames.values()]
        left = longest if is_loading else min(begun, default=0.0) + MAX_FETCH_SECONDS - time.monotonic()
        self._changed.clear()
        try:
            async with asyncio.timeout(min(max(left, 0), longest) if counts else QUIET_MS / 1000):
                await self._changed.wait()
        except TimeoutError:
            if not counts:
                self._open = dict.fromkeys(self._open, time.monotonic())
                self._frames = dict.fromkeys(self._frames, time.monotonic())
            elif not is_loading:
                self.give_up(MAX_FETCH_SECONDS)

    def give_up(self, seconds: float) -> None:
        """No longer waits for what has taken so many seconds, nor for what is like it."""
        since = time.monotonic() - seconds + QUIET_MS / 1000
        for request in [request for request, begun in self._open.items() if begun <= since]:
            self._endless.add(_kind(request))
            self._given_up[request] = self._open.pop(request)
        self._frames = {frame: begun for frame, begun in self._frames.items() if begun > since}


def _kind(request: Request) -> str:
    """What a request has in common with its repetitions: method, address and what it sends, without what varies."""
    address = urlsplit(request.url)
    sent = (request.post_data_buffer or b"")[:_COMPARED].decode("utf-8", "replace")
    return f"{request.method} {address.netloc}{_VARYING.sub('0', f'{address.path}?{address.query} {sent}')}"
