"""Requests of a visitor without a browser: in turn, signed, with the access, and repeated where the store fails or is busy."""

from __future__ import annotations

import asyncio
from itertools import count

import httpx2

from simpersona.adapters.storefronts.access import Access
from simpersona.adapters.storefronts.politeness import Politeness
from simpersona.adapters.storefronts.retry_after import StoreWaits, asks_to_wait
from simpersona.adapters.storefronts.safety import RETRY_SECONDS
from simpersona.errors import StorefrontError
from simpersona.pages import Trouble


class StoreRequests:
    """Sends the requests of one visit to the store at `store`."""

    def __init__(
        self, store: str, timeout_seconds: float, waits: StoreWaits, politeness: Politeness | None, access: Access
    ) -> None:
        self._store, self._timeout_seconds = store, timeout_seconds
        self._waits, self._politeness, self._access = waits, politeness, access

    async def answer(
        self, client: httpx2.AsyncClient, request: httpx2.Request, troubles: list[Trouble]
    ) -> httpx2.Response | str:
        """The store's answer, or the reason why there is none. A failed request is repeated, but a form is sent only once.

        Faults are added to `troubles`. Raises StorefrontError if the store no longer answers, BusyStoreError if it asks to come
        back later than visitors may wait.
        """
        outcome = await self._after_waits(client, request, troubles)
        for pause in RETRY_SECONDS:
            if outcome[1] is None:
                break
            troubles.append(outcome[1])
            is_again = outcome[1] == "slow_page" and "slow_page" in troubles[:-1]
            if is_again or request.method != "GET":
                break
            await asyncio.sleep(pause)
            outcome = await self._after_waits(client, request, troubles)
        else:
            if outcome[1] is not None:
                troubles.append(outcome[1])
        answer, trouble = outcome
        if trouble == "no_answer" and request.method == "GET":
            raise StorefrontError(f"the store no longer answers ({answer})")
        return "The store did not answer" if trouble == "no_answer" else answer

    async def _after_waits(
        self, client: httpx2.AsyncClient, request: httpx2.Request, troubles: list[Trouble]
    ) -> tuple[httpx2.Response | str, Trouble | None]:
        """As `_once`, after the waits that the store asks for. A form that it did not take is not sent again.

        Raises BusyStoreError if it asks for too much.
        """
        waited = 0.0
        for attempt in count(1):
            answer, trouble = await self._once(client, request)
            if isinstance(answer, str) or not asks_to_wait(answer.status_code, answer.headers):
                return answer, trouble
            troubles.append("rate_limited")
            waited += await self._waits.wait(str(request.url), answer.headers.get("Retry-After"), attempt, waited)
            if request.method != "GET":
                return f"The store asks to come back later ({answer.status_code})", None
        raise AssertionError

    async def _once(
        self, client: httpx2.AsyncClient, request: httpx2.Request
    ) -> tuple[httpx2.Response | str, Trouble | None]:
        """The answer, or the reason why there is none; and the name of the fault."""
        if self._politeness is not None:
            await self._politeness.turn(str(request.url))
            request.headers.update(self._politeness.headers(str(request.url)))
        request.headers.update(self._access.headers_for(str(request.url), self._store))
        try:
            response = await client.send(request, follow_redirects=False)
        except httpx2.TimeoutException:
            return f"The page did not load within {self._timeout_seconds:g} s", "slow_page"
        except httpx2.HTTPError as error:
            return type(error).__name__, "no_answer"
        return response, "server_error" if response.status_code >= 500 else None
