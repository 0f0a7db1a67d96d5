"""The user agent of visitors in stores that are not the lab's."""

from __future__ import annotations

from simpersona.config import StoreConfig

AGENT = "simpersona"
"""The name of our visitors in a robots.txt, and without a browser also their user agent."""
_WITHOUT_BROWSER = {
    "desktop": "",
    "phone": "Mozilla/5.0 (Linux; Android 14; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36",
    "tablet": "Mozilla/5.0 (Linux; Android 14; SM-T837A) AppleWebKit/537.36 (KHTML, like Gecko) Safari/537.36",
}


def user_agent(config: StoreConfig, own: str | None = None) -> str:
    """The user agent that a store sees. `own` is that of the browser or its device; without a browser None."""
    base = config.user_agent or (_WITHOUT_BROWSER[config.device] if own is None else own)
    suffix = config.politeness.user_agent_suffix
    return " ".join(part for part in (base, suffix) if part) or AGENT


def visitor_headers(config: StoreConfig) -> dict[str, str]:
    """The user agent and the language of a visitor without a browser."""
    language, _, region = config.locale.partition("-")
    languages = f"{config.locale},{language};q=0.9" if region else config.locale
    return {"User-Agent": user_agent(config), "Accept-Language": languages}
