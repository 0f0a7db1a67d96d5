import base64
import dataclasses
import gzip
import itertools
import json
import re
from html.parser import HTMLParser

import pyarrow as pa
import pytest

from simpersona.contracts import CARDS, HEADS, LEVELS
from simpersona.report.inputs import ReportInputs
from simpersona.report.page import render_report

SECTIONS = (
    *("summary", "trust", "personas", "stores", "simulation", "episodes"),
    *("tables", "data", "training", "all", "run"),
)
HOSTILE = "<script>alert('x')</script>"


class Elements(HTMLParser):
    """Every element with its attributes, and the text of script and style elements."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def replace_column(table, name, values):
    return table.set_column(table.column_names.index(name), table.schema.field(name), pa.array(values))


def visits(html):
    """What the player is given."""
    packed = re.search(r'id="visit-data">(.*?)</script>', html, re.DOTALL).group(1)
    return json.loads(gzip.decompress(base64.b64decode(packed)))


@pytest.fixture(scope="module")
def empty_page():
    return render_report(ReportInputs())


def test_every_section_is_there_and_linked(inputs):
    elements = Elements(render_report(inputs)).found
    ids = {attrs.get("id") for _, attrs in elements}
    links = {attrs.get("href") for tag, attrs in elements if tag == "a"}
    assert set(SECTIONS) <= ids
    assert {f"#{section}" for section in SECTIONS} <= links


def test_a_run_without_anything_renders_and_says_so(empty_page):
    for words in ("No stage has finished", "No persona was learned yet", "No visit was simulated yet"):
        assert words in empty_page
    assert not [attrs for tag, attrs in Elements(empty_page).found if tag == "figure"]


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(ReportInputs)])
def test_any_single_part_may_be_missing(inputs, field):
    missing = {field: getattr(ReportInputs(), field)}
    assert "</html>" in render_report(dataclasses.replace(inputs, **missing))


def test_nothing_is_loaded_from_anywhere(inputs):
    html = render_report(inputs)
    elements = Elements(html).found
    assert not {tag for tag, _ in elements} & {"iframe", "img", "object", "embed", "base"}
    for tag, attrs in elements:
        assert "src" not in attrs, tag
        assert attrs.get("href", "#").startswith(("#", "data:")), tag
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL).group(1)
    assert "url(" not in style
    assert "@import" not in style


def test_headings_are_in_order(inputs):
    levels = [int(tag[1]) for tag, _ in Elements(render_report(inputs)).found if re.fullmatch(r"h[1-6]", tag)]
    assert levels[:2] == [1, 2]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_every_drawing_has_a_name_and_every_field_a_label(inputs):
    elements = Elements(render_report(inputs)).found
    assert all(attrs.get("aria-label") for tag, attrs in elements if tag == "svg")
    html = render_report(inputs)
    for field in re.findall(r"<(?:input|select)[^>]*>", html):
        before = html[: html.index(field)]
        assert before.rfind("<label>") > before.rfind("</label>"), field


def test_the_page_can_be_sent_by_mail(inputs):
    assert len(render_report(inputs)) < 300_000


def test_hostile_text_of_shops_and_pages_is_shown_not_run(inputs):
    count = inputs.simulated_episodes.num_rows
    hostile = dataclasses.replace(
        inputs,
        config={"name": HOSTILE},
        strata_by_shop={HOSTILE: {"A": 3}},
        notes={"tasks.lm.cart": HOSTILE},
        cards=replace_column(inputs.cards, "summary", [HOSTILE] * inputs.cards.num_rows),
        simulated_episodes=replace_column(inputs.simulated_episodes, "goal", [HOSTILE] * count),
        steps=replace_column(inputs.steps, "tree", [f"[0-1] link: {HOSTILE}"] * inputs.steps.num_rows),
    )
    html = render_report(hostile)
    assert HOSTILE not in html
    assert "&lt;script&gt;alert(" in html
    assert sum(tag == "script" for tag, _ in Elements(html).found) == 4  # visits, pictures, the player's, the page's
    assert visits(html)["episodes"][0]["goal"] == HOSTILE  # which becomes text when it is drawn


def test_warnings_tell_what_is_weak(inputs):
    html = render_report(inputs)
    for words in ("Generated data.", "Under-trained model.", "Few visits.", "Figures are missing.", "Malformed rows."):
        assert words in html
    assert "18 verified sessions" in html
    real = dataclasses.replace(inputs, metrics=inputs.metrics | {"source": "rees46"})
    assert "Generated data." not in render_report(real)
    assert "real data: rees46" in render_report(real)


def test_a_surrogate_is_called_so(inputs):
    html = render_report(dataclasses.replace(inputs, metrics=inputs.metrics | {"policy": "scorer"}))
    assert "A surrogate acts, not a language model." in html
    assert "Under-trained model." not in html


def test_a_missing_figure_has_its_reason_and_the_paper_stands_beside(inputs):
    html = render_report(inputs)
    assert "the benchmark of shopping tasks was not run" in html
    assert "84.5 %" in html
    assert "0.787" in html


def test_recovery_says_over_how_few_shops_it_is(inputs):
    two = dict(list(inputs.predicted_strata.items())[:2])
    assert "R² over 2 held-out stores, too few to rely on" in render_report(
        dataclasses.replace(inputs, predicted_strata=two)
    )


def test_cards_without_known_scalars_render(inputs):
    cards = CARDS.sample(1, stratum=["A"], **{head: [LEVELS[0]] for head in HEADS})
    cards = replace_column(cards, "checkout_rate", pa.nulls(1, pa.float64()))
    assert "</html>" in render_report(dataclasses.replace(inputs, cards=cards, codebook=None))


def test_the_account_of_the_input_rows_and_what_the_source_tells(inputs):
    html = render_report(inputs)
    assert "line is not JSON" in html
    assert "997" in html
    assert 'style="width:82.0%"' in html


def test_a_store_shows_its_funnel_and_its_largest_personas(inputs):
    figures = {"policy": "lm", "shop_id": "kids", "episodes": 40}
    figures |= {
        f"{side}_{rate}": 0.25 for side in ("real", "agent") for rate in ("add_to_cart", "checkout", "purchase")
    }
    html = render_report(dataclasses.replace(inputs, shop_figures=[figures]))
    first = re.search(r'<details class="card store">(.*?)</details>', html, re.DOTALL).group(1)
    assert "<b>kids</b>" in first
    assert "held-out store; 40 visits (language model)" in first
    assert first.count("25.0 %") == 6
    largest = max((row for row in inputs.mix.to_pylist() if row["shop_id"] == "kids"), key=lambda row: row["share"])
    assert f'<a href="#persona-{largest["code"]}">{largest["code"]}</a>' in first
