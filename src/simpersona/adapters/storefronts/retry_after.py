"""Waiting for a store that says "not now": the statuses 429, and 503 with Retry-After (RFC 9110, 10.2.3; RFC 6585, 4).

All visitors of a run share one object, so that a store that asks one visitor to wait is left alone by all of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from simpersona.errors import BusyStoreError

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]

UNSAID_SECONDS = (2.0, 4.0)
"""The waits before the first and the later new attempts, where the store does not say how long to wait."""
MAX_ATTEMPTS = 4
"""Attempts at one page, the first included."""
MOST_SLOWER = 8
"""The pause between two pages grows at most so many times over."""
EASED_AFTER = 20
"""After so many pages without such an answer, the pause is halved again."""


def asks_to_wait(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an answer asks its visitor to come back later; `headers` have names in lower case."""
    return status == 429 or (status == 503 and "retry-after" in headers)


def seconds_to_wait(value: str | None, now: datetime | None = None) -> float | None:
    """The seconds in a header Retry-After, which holds seconds or a date; None if there is none or it cannot be read."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, IndexError):
        return None
    date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())


class StoreWaits:
    """How long each store has asked its visitors to stay away. `clock` and `sleep` are the system's unless given."""

    def __init__(self, max_wait_seconds: float, *, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep) -> None:
        self._max_wait_seconds, self._clock, self._sleep = max_wait_seconds, clock, sleep
        self._until: dict[str, float] = {}
        self._slower: dict[str, float] = {}
        self._undisturbed: dict[str, int] = {}

    def asked(self, url: str, retry_after: str | None, attempt: int, waited: float) -> float | None:
        """Notes that a store asks to wait, after attempt number `attempt` (1, 2 …) at a page that was waited for `waited`
        seconds already. Returns the seconds to wait before the next attempt, None if that is too long or too often.
        """
        host = urlsplit(url).netloc
        said = seconds_to_wait(retry_after)
        seconds = UNSAID_SECONDS[min(attempt, len(UNSAID_SECONDS)) - 1] if said is None else said
        self._slower[host] = min(MOST_SLOWER, 2 * self._slower.get(host, 1))
        self._undisturbed[host] = 0
        self._until[host] = max(
            self._until.get(host, 0.0), self._clock() + min(seconds, self._max_wait_seconds)
        )  # who waits for too long ends; the others come back in time to be told the same
        is_too_long = waited + seconds > self._max_wait_seconds
        return None if is_too_long or attempt >= MAX_ATTEMPTS else seconds

    async def wait(self, url: str, retry_after: str | None, attempt: int, waited: float) -> float:
        """Waits as long as a store asks to, before attempt number `attempt` + 1. Returns the seconds waited.

        Raises BusyStoreError if that is too long or too often.
        """
        seconds = self.asked(url, retry_after, attempt, waited)
        if seconds is None:
            raise BusyStoreError(
                f"the store asks to come back later (Retry-After: {retry_after or 'not given'}), {attempt} time(s) for one page: "
                f"expected at most store.politeness.max_wait_seconds = {self._max_wait_seconds:g} s. "
                "Lower store.politeness.requests_per_minute, or raise max_wait_seconds"
            )
        return await self.ready(url)

    async def ready(self, url: str) -> float:
        """Waits until the store at `url` may be asked again. Returns the seconds waited."""
        host, waited = urlsplit(url).netloc, 0.0
        while (left := self._until.get(host, 0.0) - self._clock()) > 0:
            await self._sleep(left)
            waited += left
        return waited

    def slower(self, url: str) -> float:
        """How many times longer than usual the pause before the next page of the store is."""
        host = urlsplit(url).netloc
        self._undisturbed[host] = self._undisturbed.get(host, 0) + 1
        if self._undisturbed[host] % EASED_AFTER == 0:
            self._slower[host] = max(1.0, self._slower.get(host, 1.0) / 2)
        return self._slower.get(host, 1.0)
