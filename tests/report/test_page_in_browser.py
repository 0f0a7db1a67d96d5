from pathlib import Path

import pytest

from simpersona.adapters.browser_path import find_browser
from simpersona.config import StoreConfig
from simpersona.errors import ConfigError
from simpersona.report.page import render_report

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    try:
        path = find_browser(StoreConfig())
    except ConfigError as error:
        pytest.skip(f"no browser: {error}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_draw_and_the_cards_sort_and_search_without_a_complaint(chromium, inputs, tmp_path, scheme):
    file = Path(tmp_path / "index.html")
    file.write_text(render_report(inputs), encoding="utf-8")
    page = chromium.new_page(viewport={"width": 1300, "height": 9000}, color_scheme=scheme)
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_function("[...document.querySelectorAll('.chart')].every((chart) => chart.dataset.drawn)")
    assert page.locator(".chart svg.main-svg").count() >= page.locator(".chart").count() > 10

    page.locator("#cards > thead th", has_text="buyers").click()
    buyers = [
        int(text.replace(",", "")) for text in page.locator("#cards > tbody > tr > td:nth-child(3)").all_inner_texts()
    ]
    assert buyers == sorted(buyers, reverse=True)
    page.fill("input[type=search]", "no card says this")
    assert page.locator("#cards tbody tr:visible").count() == 0

    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    page.close()
