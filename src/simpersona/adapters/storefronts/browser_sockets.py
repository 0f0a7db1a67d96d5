"""Ways to send that the guard of payments cannot read are not there: web sockets in workers, as streams, WebTransport.

What a page's own web sockets send is read and decided (`browser_session`). A worker has no way to pass that on, so its script
begins with lines that take its web sockets away. Shared workers, which outlive pages, are not offered.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote

_TAKE = (
    "if (typeof document === 'undefined') "
    "for (const name of ['WebSocket', 'WebSocketStream', 'WebTransport', 'Worker']) delete globalThis[name];\n"
)
"""A script that is loaded ahead as one of a worker may be one of a page, too."""
_TAKE_FIRST = f"import 'data:text/javascript,{quote(_TAKE)}';\n"
"""The same for a module, whose imports run before its own lines."""
_IMPORTS = re.compile(r"^\s*(import|export)\b(?!\s*\()", re.MULTILINE)

IN_PAGES = """(() => {
    for (const name of ['WebSocketStream', 'WebTransport', 'SharedWorker']) delete window[name];
    if (!window.Worker) return;
    const blobs = new Map(), create = URL.createObjectURL, revoke = URL.revokeObjectURL;
    URL.createObjectURL = function (what) {
        const address = create.call(URL, what);
        if (what instanceof Blob) blobs.set(address, what);
        return address;
    };
    URL.revokeObjectURL = function (address) { blobs.delete(String(address)); return revoke.call(URL, address); };
    window.Worker = new Proxy(window.Worker, {construct(target, [given, options, ...rest], made) {
        const address = String(given);
        if (!/^(blob|data):/i.test(address)) return Reflect.construct(target, [given, options, ...rest], made);
        const isModule = options && options.type === 'module', quoted = JSON.stringify(address);
        const code = blobs.get(address) || (isModule ? `import ${quoted};` : `importScripts(${quoted});`);
        const whole = new Blob([isModule ? TAKE_FIRST : TAKE_NOW, code], {type: 'text/javascript'});
        return Reflect.construct(target, [create.call(URL, whole), options, ...rest], made);
    }});
})()""".replace("TAKE_FIRST", json.dumps(_TAKE_FIRST)).replace("TAKE_NOW", json.dumps(_TAKE))
"""Runs before a document's own scripts. Scripts of workers that are not loaded over the network begin with the lines here."""


def without_sockets(script: str) -> str:
    """The script of a worker that begins with taking its web sockets away."""
    return (_TAKE_FIRST if _IMPORTS.search(script) else _TAKE) + script
