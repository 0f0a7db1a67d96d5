import dataclasses
import json
import re
from html.parser import HTMLParser

import pyarrow as pa
import pytest

from simpersona.contracts import CARDS, EPISODES, HEADS, LEVELS
from simpersona.report.inputs import ReportInputs
from simpersona.report.page import render_report

SECTIONS = ("figures", "flow", "data", "personas", "shops", "traces", "simulation", "episodes", "all", "settings")
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


def page_data(html):
    text = re.search(r'<script type="application/json" id="figure-data">(.*?)</script>', html, re.DOTALL).group(1)
    return json.loads(text)


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
    assert page_data(empty_page) == {}
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


def test_plotly_is_inside_once(inputs):
    assert render_report(inputs).count("* plotly.js v") == 1


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
    assert sum(tag == "script" for tag, _ in Elements(html).found) == 3  # data, plotly, ours
    strata = page_data(html)["strata"]["data"][0]
    assert strata["y"] == ["&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;"]  # plotly reads tags in labels


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


def test_replays_follow_the_steps(inputs):
    html = render_report(inputs)
    assert html.count('<details class="card episode">') == 16
    assert "Clicking on the Shop all Skirts link" in html
    assert "[0-3] link: Product number 3" in html
    assert "&lt;|persona_" in html


def test_actions_are_counted_as_the_table_has_them(inputs):
    episodes = replace_column(inputs.simulated_episodes, "steps", [1, *[7] * (inputs.simulated_episodes.num_rows - 1)])
    html = render_report(dataclasses.replace(inputs, simulated_episodes=episodes))
    assert (html.count("· 1 action ·"), html.count("· 7 actions ·")) == (1, episodes.num_rows - 1)


def test_recovery_says_over_how_few_shops_it_is(inputs):
    two = dict(list(inputs.predicted_strata.items())[:2])
    assert "R² over the 2 simulated shops, too few to rest on" in render_report(
        dataclasses.replace(inputs, predicted_strata=two)
    )


def test_many_episodes_are_cut_to_a_few_of_every_shop(inputs):
    many = EPISODES.sample(
        100,
        shop_id=["big"] * 97 + ["small"] * 3,
        ending=["other"] * 100,
        code=[None] * 100,
    )
    html = render_report(dataclasses.replace(inputs, simulated_episodes=many))
    assert html.count('<details class="card episode">') == 40
    assert "40 of 100 visits" in html
    assert html.count("no persona token in small") == 3


def test_cards_without_known_scalars_render(inputs):
    cards = CARDS.sample(1, stratum=["A"], **{head: [LEVELS[0]] for head in HEADS})
    cards = replace_column(cards, "checkout_rate", pa.nulls(1, pa.float64()))
    assert "</html>" in render_report(dataclasses.replace(inputs, cards=cards, codebook=None))


def test_the_account_of_the_input_rows_and_what_the_source_tells(inputs):
    html = render_report(inputs)
    assert "line is not JSON" in html
    assert "997" in html
    assert '<meter min="0" max="1" value="0.82">' in html
