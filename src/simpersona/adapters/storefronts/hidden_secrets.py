"""A visitor's session whose pages and errors hold no secret of the access to the store (Storefront)."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace

from simpersona.adapters.storefronts.access import Access
from simpersona.errors import EpisodeError
from simpersona.pages import Action, Page
from simpersona.ports import Storefront


class HiddenSecrets:
    """Passes everything on to `session` and hides the secrets of `access` in what comes back."""

    def __init__(self, session: Storefront, access: Access) -> None:
        self._session, self._access = session, access

    async def open(self) -> Page:
        """The store's first page. Raises EpisodeError as the session does."""
        return await self._hidden(self._session.open())

    async def act(self, action: Action) -> Page:
        """The page after the action. Raises EpisodeError as the session does."""
        return await self._hidden(self._session.act(action))

    async def close(self) -> None:
        """Closes the session."""
        await self._session.close()

    async def _hidden(self, shown: Awaitable[Page]) -> Page:
        hide = self._access.hide
        try:
            page = await shown
        except EpisodeError as error:
            raise type(error)(hide(str(error))) from None
        nodes = tuple(
            replace(node, name=hide(node.name), value=hide(node.value), options=tuple(map(hide, node.options)))
            for node in page.nodes
        )
        failure = None if page.failure is None else hide(page.failure)
        return replace(page, url=hide(page.url), title=hide(page.title), nodes=nodes, failure=failure)
