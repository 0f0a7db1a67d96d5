"""Reads pages of a store without a visitor, under the same rules as its visitors: politeness, guard of payments, access."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import count

from simpersona.adapters.storefronts.access import Access
from simpersona.adapters.storefronts.payment_guard import Asked, PaymentGuard, Situation
from simpersona.adapters.storefronts.plain_get import Answer, plain_get
from simpersona.adapters.storefronts.politeness import Politeness
from simpersona.adapters.storefronts.retry_after import StoreWaits, asks_to_wait
from simpersona.adapters.storefronts.user_agent import visitor_headers
from simpersona.config import StoreConfig
from simpersona.errors import StorefrontError


class StoreReader:
    """Sends GET requests to the store at `url`, which is not the lab's. Raises ConfigError for a missing secret."""

    def __init__(self, config: StoreConfig, url: str) -> None:
        self.access = Access.of(config)
        self.url = url
        self._config = config
        self._waits = StoreWaits(config.politeness.max_wait_seconds)
        self.politeness = Politeness(config.politeness, self.access, self._waits)
        self._guard = PaymentGuard(config.guard)

    async def get(self, url: str) -> Answer:
        """The store's answer; an error is an answer too. The address of the start gets the secret parameters.

        Raises StorefrontError if robots.txt or the guard forbids the request, if the store does not answer, or if it asks to
        come back later than visitors may wait. No secret is in the answer's address or in the error.
        """
        start = self.access.start(url) if url == self.url else url
        refusal = self._guard.refused(Asked("GET", start, "page"), Situation())
        reason = refusal.reason if refusal is not None else await self.politeness.refused(url)
        if reason is not None:
            raise StorefrontError(reason)
        answer = await self._answer(start, url)
        return Answer(self.access.hide(answer.url), answer.status, answer.headers, answer.text, answer.seconds)

    async def _answer(self, start: str, url: str) -> Answer:
        """The answer after the waits that the store asks for; `url` is `start` without secrets."""
        waited = 0.0
        for attempt in count(1):
            await self.politeness.turn(url)
            headers = visitor_headers(self._config) | self.politeness.headers(url)
            try:
                answer = await asyncio.to_thread(partial(plain_get, start, self.access, headers, store=self.url))
            except OSError as error:
                raise StorefrontError(self.access.hide(f"{url} does not answer ({error})")) from None
            if not asks_to_wait(answer.status, answer.headers):
                return answer
            waited += await self._waits.wait(url, answer.headers.get("retry-after"), attempt, waited)
        raise AssertionError
