"""Politeness towards stores that are not the lab's: their robots.txt, a low rate, a signature.

All sessions of a run share one object, so that the rate holds for all visitors together.
"""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from urllib.parse import urlsplit, urlunsplit

from protego import Protego

from simpersona.adapters.storefronts.access import Access
from simpersona.adapters.storefronts.plain_get import plain_get
from simpersona.adapters.storefronts.retry_after import Clock, Sleep, StoreWaits
from simpersona.adapters.storefronts.user_agent import AGENT
from simpersona.adapters.storefronts.web_bot_auth import RequestSigner
from simpersona.config import PolitenessConfig

MAX_ROBOTS_BYTES = 512 * 1024
"""More is not read (RFC 9309, 2.5)."""


class Politeness:
    """The rules for visitors of real stores, whose robots.txt is read with the `access`. `clock` and `sleep` are the system's
    unless given.
    """

    def __init__(
        self,
        config: PolitenessConfig,
        access: Access | None = None,
        waits: StoreWaits | None = None,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._config, self._clock, self._sleep = config, clock, sleep
        self._access = access or Access()
        self._waits = waits or StoreWaits(config.max_wait_seconds, clock=clock, sleep=sleep)
        self._robots: dict[str, asyncio.Task[Protego | None]] = {}
        self._next: dict[str, float] = {}
        self._signer = None
        if config.signature_key is not None:
            self._signer = RequestSigner.of_file(config.signature_key, config.signature_agent)

    async def refused(self, url: str) -> str | None:
        """The reason why the store forbids to visit this page; None if it allows it."""
        if not self._config.robots:
            return None
        rules = await self._robots_of(url)
        if rules is None:
            return f"{urlsplit(url).netloc} does not answer when asked for its robots.txt, and so may not be visited"
        if rules.can_fetch(url, AGENT):
            return None
        return f"The store's robots.txt asks visitors like this one not to open {urlsplit(url).path or '/'}: not opened"

    async def turn(self, url: str) -> float:
        """Waits until the next page may be requested from the store. Returns the seconds waited."""
        gap = 60 / self._config.requests_per_minute
        if self._config.robots:
            rules = await self._robots_of(url)
            gap = max(gap, (rules.crawl_delay(AGENT) if rules is not None else None) or 0)
        waited = await self._waits.ready(url)
        host, now = urlsplit(url).netloc, self._clock()
        at = max(now, self._next.get(host, now))
        self._next[host] = at + gap * self._waits.slower(url)
        if at > now:
            await self._sleep(at - now)
            waited += await self._waits.ready(url)  # it may have asked meanwhile
        return waited + at - now

    def headers(self, url: str) -> dict[str, str]:
        """Further headers of a request for a page: the signature, or the ready-made headers."""
        if self._signer is None:
            return dict(self._access.signature)
        return self._signer.headers(url, int(time.time()), os.urandom(32))

    async def _robots_of(self, url: str) -> Protego | None:
        """The host's robots.txt, read once; None if the host does not answer."""
        address = urlsplit(url)
        host = urlunsplit((address.scheme, address.netloc, "", "", ""))
        if host not in self._robots:
            self._robots[host] = asyncio.ensure_future(
                asyncio.to_thread(partial(_robots, host + "/robots.txt", self._access))
            )
        return await asyncio.shield(self._robots[host])


def _robots(url: str, access: Access) -> Protego | None:
    """A robots.txt. Everything is allowed if there is none, and nothing if the host does not answer (RFC 9309, 2.3.1)."""
    try:
        answer = plain_get(url, access, {"User-Agent": AGENT}, max_bytes=MAX_ROBOTS_BYTES)
    except OSError:
        return None
    if answer.status < 300:
        return Protego.parse(answer.text)
    return Protego.parse("") if answer.status < 500 else None
