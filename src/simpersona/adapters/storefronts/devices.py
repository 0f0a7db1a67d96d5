"""The devices of visitors in stores that are not the lab's: the user agent, and the options of a browser's context."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Playwright

from simpersona.adapters.storefronts.user_agent import user_agent
from simpersona.config import StoreConfig

VIEWPORT_WIDTH, VIEWPORT_HEIGHT = 1280, 900
_DESCRIPTORS = {"phone": "Pixel 7", "tablet": "Galaxy Tab S4"}
"""Names of Playwright's descriptions of devices with Chromium."""


def plain_context() -> dict[str, Any]:
    """The options of a context in the lab's stores."""
    return {"viewport": {"width": VIEWPORT_WIDTH, "height": VIEWPORT_HEIGHT}, "locale": "en-US"}


def device_context(config: StoreConfig, playwright: Playwright, own_agent: str) -> dict[str, Any]:
    """The options of a context with the device, the locale, the time zone and the user agent of the settings.

    `own_agent` is the browser's own user agent, which the desktop keeps.
    """
    options = plain_context() | {"locale": config.locale, "user_agent": own_agent}
    if config.device != "desktop":
        described = playwright.devices[_DESCRIPTORS[config.device]]
        options |= {name: value for name, value in described.items() if name != "default_browser_type"}
    if config.time_zone is not None:
        options["timezone_id"] = config.time_zone
    return options | {"user_agent": user_agent(config, options["user_agent"])}
