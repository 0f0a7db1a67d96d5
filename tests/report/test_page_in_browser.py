"""The report and the viewer in a real browser: nothing complains, nothing is fetched, everything can be used."""

import dataclasses
import io

import pytest

from simpersona.adapters.storefronts.browser_path import find_browser
from simpersona.config import StoreConfig
from simpersona.errors import ConfigError
from simpersona.report.page import render_report
from simpersona.report.replays import replays
from simpersona.report.viewer import render_viewer

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


@pytest.fixture
def open_page(chromium, tmp_path):
    """Opens HTML from a file; what it complains of and fetches is looked at in the end."""
    complaints, requests, pages = [], [], []

    def opened(html, *, width=1300, scheme="light", at=""):
        file = tmp_path / "index.html"
        file.write_text(html, encoding="utf-8")
        page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        pages.append(page)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri() + at)
        page.wait_for_selector("[data-player][data-ready]")
        return page

    yield opened
    for page in pages:
        page.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


def brightness(page, place):
    colour = page.eval_on_selector(place, "one => getComputedStyle(one).backgroundColor")
    return sum(int(part) for part in colour.strip("rgb()").split(","))


def test_the_report_can_be_searched_filtered_and_coloured(open_page, inputs):
    page = open_page(render_report(inputs))
    cards = page.locator("#cards article:visible")
    assert cards.count() == 12
    page.get_by_role("button", name="Show all 16 personas").click()
    assert cards.count() == 16
    page.locator("select[name=purchase]").select_option("high")
    high = [row for row in inputs.cards.to_pylist() if row["purchase"] == "high"]
    assert cards.count() == len(high)
    page.locator("[data-cards-filter] input[type=search]").fill("no card says this")
    assert cards.count() == 0
    assert page.locator("[data-cards-count]").inner_text() == "0 of 16 personas match"

    circle = page.locator("[data-map] a").first
    before = circle.locator("circle").evaluate("one => getComputedStyle(one).fill")
    page.get_by_role("radio", name="purchase level").check()
    assert page.locator("[data-map]").get_attribute("data-by") == "purchase"
    assert page.locator("[data-legend=level]").is_visible()
    after = circle.locator("circle").evaluate("one => getComputedStyle(one).fill")
    assert after.startswith("rgb")
    assert before.startswith("rgb")
    circle.focus()
    code = circle.get_attribute("data-code")
    assert page.locator(".map-card h4").inner_text().startswith(f"Persona {code}")
    page.keyboard.press("Enter")  # a link like any other: to the card, though the filter hid it
    assert page.evaluate("document.activeElement.id") == f"persona-{code}"


def test_visits_are_stepped_through_by_mouse_and_keyboard_and_filtered(open_page, inputs):
    page = open_page(render_report(inputs))
    player = page.locator("[data-player]")
    shown = player.locator(".visits li:visible")
    assert shown.count() == 16
    player.get_by_label("store").select_option(label="kids")
    assert player.locator(".count").inner_text() == "4 of 16 visits"
    shown.first.locator("button").click()
    assert player.locator(".stepper [role=status]").inner_text() == "Step 1 of 3"
    assert player.locator(".acted").inner_text().replace("\n", " ").startswith("link Product number 7")
    player.get_by_role("button", name="Next →").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")  # there is no fourth
    assert player.locator(".stepper [role=status]").inner_text() == "Step 3 of 3"
    player.get_by_label("search").fill("no visit says this")
    assert shown.count() == 0


def test_dark_where_the_system_is_and_readable_on_a_phone(open_page, inputs):
    html = render_report(inputs)
    light, dark = open_page(html), open_page(html, scheme="dark", width=390)
    assert brightness(light, ".card") > 700
    assert brightness(dark, ".card") < 150
    assert dark.evaluate("document.documentElement.scrollWidth") == 390  # nothing sticks out
    small = dark.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((one) => one.checkVisibility() &&
        [...one.childNodes].some((part) => part.nodeType === 3 && part.data.trim()) &&
        parseFloat(getComputedStyle(one).fontSize) < 10.5).map((one) => one.className || one.tagName)"""
    )
    assert set(small) <= {""} | {"SPAN"}, small


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(open_page, inputs, scheme):
    page = open_page(render_report(inputs), scheme=scheme)
    assert page.evaluate(CONTRAST) == []


CONTRAST = """() => {
  const parse = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const channel = (value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (getComputedStyle(at).backgroundColor.startsWith("rgb") && (colour[3] ?? 1) === 1) return colour;
    }
    return [255, 255, 255];
  };
  const weak = new Set();
  for (const one of document.querySelectorAll("main *")) {
    if (!one.checkVisibility() || one.matches(":disabled, option") || one.closest("svg")) continue;
    if (![...one.childNodes].some((part) => part.nodeType === 3 && part.data.trim())) continue;
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(ground(one))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) weak.add(`${one.tagName}.${one.className}: ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
  }
  return [...weak];
}"""
"""WCAG 2.2, 1.4.3: every text against the ground it stands on, 4.5 to 1."""


def test_it_prints_on_white_without_what_is_only_for_the_screen(open_page, inputs):
    page = open_page(render_report(inputs), scheme="dark")
    assert page.pdf(format="A4")[:5] == b"%PDF-"
    page.emulate_media(media="print")
    assert brightness(page, ".card") > 700
    assert not page.locator("nav, .filters").first.is_visible()
    assert page.locator(".chart .bars").first.is_visible()


def test_a_viewer_opens_at_the_visit_and_step_of_its_address_with_the_screenshot(open_page, inputs):
    image = pytest.importorskip("PIL.Image")
    jpeg = io.BytesIO()
    image.new("RGB", (64, 45), "teal").save(jpeg, "JPEG")
    found = replays(inputs.simulated_episodes, inputs.steps, inputs.cards, lambda _: {1: jpeg.getvalue()}, 10_000_000)
    page = open_page(render_viewer(found, "demo"), at="#sim-5/2")
    assert page.locator(".stepper [role=status]").inner_text() == "Step 2 of 3"
    assert page.locator(".window img").evaluate("one => [one.complete, one.naturalWidth]") == [True, 64]
    assert page.locator(".window img").get_attribute("alt") == "Screenshot of All products"
    page.get_by_role("button", name="← Back").click()
    assert page.evaluate("location.hash") == "#sim-5/1"
    assert page.locator(".window img").count() == 0


def test_text_of_pages_stays_text(open_page, inputs):
    hostile = "[0-7] link: <img src=x onerror=alert(1)>"
    steps = inputs.steps.set_column(
        inputs.steps.column_names.index("tree"), "tree", [[hostile] * inputs.steps.num_rows]
    )
    page = open_page(render_report(dataclasses.replace(inputs, steps=steps)))
    assert page.locator(".tree img").count() == 0
    assert "<img src=x onerror=alert(1)>" in page.locator(".tree .acted").first.inner_text()
