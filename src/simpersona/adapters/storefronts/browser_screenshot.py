"""A small picture of the page that a visitor sees in the browser, for the replay viewer."""

from __future__ import annotations

import asyncio
import base64
import contextlib

from playwright.async_api import CDPSession, Error

SCALE, QUALITY, SECONDS = 0.5, 60, 5


async def screenshot(cdp: CDPSession) -> bytes | None:
    """The visible part of the page as a JPEG at half the size; None if the browser gives none, which is no failure."""
    with contextlib.suppress(Error, TimeoutError):
        async with asyncio.timeout(SECONDS):
            view = (await cdp.send("Page.getLayoutMetrics"))["cssVisualViewport"]
            corner = {"x": view["pageX"], "y": view["pageY"]}
            clip = corner | {"width": view["clientWidth"], "height": view["clientHeight"], "scale": SCALE}
            shot = await cdp.send("Page.captureScreenshot", {"format": "jpeg", "quality": QUALITY, "clip": clip})
            return base64.b64decode(shot["data"])
    return None
