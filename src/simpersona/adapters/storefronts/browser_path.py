"""Finds a Chromium on this machine."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from simpersona.config import StoreConfig
from simpersona.errors import ConfigError

ON_PATH = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
)
"""Names looked for on the PATH, in this order; the headless shell is the fastest."""


def find_browser(config: StoreConfig) -> Path:
    """The browser to start: `config.browser_path`, else the first one on the PATH, else Playwright's own.

    Raises ConfigError that says how to get one.
    """
    if config.browser_path is not None:
        browser = shutil.which(config.browser_path)
        if browser is None:
            raise ConfigError(f"store.browser_path: {config.browser_path} is not an executable file.")
        return Path(browser)
    on_path = next((path for name in ON_PATH if (path := shutil.which(name))), None)
    browser = Path(on_path) if on_path else _playwright_browser()
    if browser is None:
        raise ConfigError(
            f"No browser found: none of {', '.join(ON_PATH)} is on the PATH, and Playwright has installed none. "
            "Get one with `playwright install chromium`, or your distribution's package (Debian: "
            "`apt install chromium-headless-shell`), or name it with store.browser_path."
        )
    return browser


def _playwright_browser() -> Path | None:
    with ThreadPoolExecutor(1) as thread:  # its synchronous interface refuses to start inside an event loop
        path = thread.submit(_ask_playwright).result()
    return path if path is not None and path.is_file() else None


def _ask_playwright() -> Path | None:
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - an optional, heavy library
    except ImportError:
        return None
    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path)
