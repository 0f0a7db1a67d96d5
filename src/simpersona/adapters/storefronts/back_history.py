"""The history of one visit for the step back: its addresses in order, without those that were left by going back."""

from __future__ import annotations

from urllib.parse import urldefrag


class BackHistory:
    """The addresses of one visit. A fragment of a page is no separate page, and a page shown again is not repeated."""

    def __init__(self) -> None:
        self._addresses: list[str] = []

    def seen(self, url: str) -> None:
        """The page at `url` is shown."""
        address = urldefrag(url).url
        if self._addresses[-1:] != [address]:
            self._addresses.append(address)

    @property
    def here(self) -> str | None:
        """The address of the page shown last."""
        return self._addresses[-1] if self._addresses else None

    @property
    def before(self) -> str | None:
        """The address of the page before the one shown last."""
        return self._addresses[-2] if len(self._addresses) > 1 else None

    def step_back(self) -> str | None:
        """Goes back to `before` and returns it; returns None and changes nothing if there is no page before."""
        before = self.before
        if before is not None:
            self._addresses.pop()
        return before
