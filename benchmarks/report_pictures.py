"""Draws the pictures of a run's report and of its replay viewer: python -m benchmarks.report_pictures RUN docs/pictures.

report-light.png and report-dark.png show the top of the report, report-personas.png the map and the first cards,
replay.png the visit that went furthest, in the browser that the project finds.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from simpersona.adapters.storefronts.browser_path import find_browser
from simpersona.config import StoreConfig
from simpersona.pipeline.replay import write_replays

WIDTH, HEIGHT = 1280, 1180
"""Of the window, in pixels."""
COLOURS = 128
"""A palette is enough for text and flat shapes, and makes a third of the file."""


def main(run: Path, folder: Path) -> None:
    """Writes the four pictures."""
    report = (run / "report/index.html").resolve().as_uri()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as driver:
        viewer = write_replays(run, None, "simulation", Path(place) / "replay.html").resolve().as_uri()
        browser = driver.chromium.launch(executable_path=find_browser(StoreConfig()), args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            _keep(_opened(browser, report, scheme), folder / f"report-{scheme}.png")
        page = _opened(browser, report, "light")
        page.locator("#personas").evaluate("one => one.scrollIntoView()")
        _keep(page, folder / "report-personas.png")
        page = _opened(browser, viewer, "light")
        for _ in range(3):
            page.locator(".visit .control", has_text="Next").click()
        _keep(page, folder / "replay.png")
        browser.close()


def _opened(browser: Browser, address: str, scheme: str) -> Page:
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme, reduced_motion="reduce")
    page.goto(address)
    page.wait_for_selector("[data-player][data-ready]")
    return page


def _keep(page: Page, place: Path) -> None:
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(place, optimize=True)
    print(f"{place}: {picture.width} x {picture.height}, {place.stat().st_size / 1000:.0f} kB")
    page.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
