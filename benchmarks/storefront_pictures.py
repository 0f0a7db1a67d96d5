"""Draws the pictures of the storefront's themes for the docs: python -m benchmarks.storefront_pictures docs/pictures.

Four generated stores, one in each theme, seen in the browser that the project finds.
"""

from __future__ import annotations

import base64
import io
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from simpersona.adapters.storefronts.browser_path import find_browser
from simpersona.config import StoreConfig
from simpersona.lab.catalogue import make_catalogue
from simpersona.lab.storefront.launch import LabStores
from simpersona.lab.storefront.store_folder import Look
from simpersona.lab.storefront.themes import THEMES, get_theme

WIDTH, HEIGHT, GAP = 1160, 870, 12
"""Of one store's window, in pixels."""
SHOWN = 0.43
"""Of that size, four of them on a picture."""


def main(folder: Path) -> None:
    """Writes themes-lists.png and themes-products.png."""
    rng = np.random.default_rng(7)
    catalogues = [make_catalogue(number, 400, rng) for number in range(len(THEMES))]
    products = pa.concat_tables(catalogue.products for catalogue in catalogues)
    collections = pa.concat_tables(catalogue.collections for catalogue in catalogues)
    looks = {catalogue.shop_id: Look(theme) for catalogue, theme in zip(catalogues, THEMES, strict=True)}
    with tempfile.TemporaryDirectory() as data, LabStores(Path(data)) as stores, sync_playwright() as driver:
        stores.build(looks, products, collections)
        urls = stores.start()
        browser = driver.chromium.launch(executable_path=find_browser(StoreConfig()), args=["--no-sandbox"])
        lists, items = [], []
        for shop_id, look in looks.items():
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            lists.append(_list(page, urls[shop_id]))
            items.append(_product(page, look.theme))
        _draw(browser, lists, folder / "themes-lists.png")
        _draw(browser, items, folder / "themes-products.png")
        browser.close()


def _list(page: Page, url: str) -> bytes:
    """A collection as a visitor finds it."""
    page.goto(url)
    if page.locator("details.menu").count():
        page.locator("details.menu summary").click()
    page.locator("nav a").nth(1).click()
    return page.screenshot()


def _product(page: Page, theme: str) -> bytes:
    """One of its products; with a drawer, just after it was added."""
    page.locator(".cards a").nth(1).click()
    if get_theme(theme).has_drawer:
        page.get_by_role("button", name=get_theme(theme).add).click()
    return page.screenshot()


def _draw(browser: Browser, shots: list[bytes], place: Path) -> None:
    """Two by two, in colours of six bits: a file half as large, and none sees it."""
    width, height = int(WIDTH * SHOWN), int(HEIGHT * SHOWN)
    windows = "".join(f'<img src="data:image/png;base64,{base64.b64encode(shot).decode()}">' for shot in shots)
    page = browser.new_page(viewport={"width": 2 * width + 3 * GAP, "height": 2 * height + 3 * GAP})
    page.set_content(
        f"<style>body{{margin:0;padding:{GAP}px;background:#8b93a1;display:grid;grid-template-columns:1fr 1fr;"
        f"gap:{GAP}px}}img{{width:{width}px;height:{height}px}}</style>{windows}"
    )
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").point(lambda value: value & 0xFC | 2)
    picture.save(place, optimize=True)
    print(f"{place}: {picture.width} x {picture.height}, {place.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
