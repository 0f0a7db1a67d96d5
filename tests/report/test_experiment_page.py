"""The page of an experiment: complete, escaped, and without anything from elsewhere."""

import re
from dataclasses import asdict
from html.parser import HTMLParser

import numpy as np

from simpersona.report.experiment_page import outcome_rows, render_experiment, store_label
from simpersona.simulation.paired_lift import paired_lift

LIFT = asdict(paired_lift(np.arange(40) < 10, np.arange(40) < 16, np.ones(40), 0.05))
NASTY = "<script>alert(1)</script>"


def figures(shop="shop-1", url=None):
    told = LIFT | {"p_adjusted": 0.03, "verdict": "B wins"}
    part = {"pairs": 40, "verdict": "B wins", "reason": "B has more purchases", "outcomes": {"purchase": told}}
    plain = {"theme": "varied", "free_shipping_notice": False, "hidden_search": False, "one_page_checkout": False, "price_factor": 1.0}  # fmt: skip
    return part | {
        "run": "demo", "source": "lab", "policy": "scorer", "seed": 0, "reseed": False, "level": 0.05, "buyers": 41,
        "a": plain, "b": {"url": url} if url else plain | {"one_page_checkout": True, "price_factor": 1.1},
        "sample_ratio": {"lost_a": 1, "lost_b": 0, "p_value": 1.0, "fair": True},
        "shops": {shop: part, "shop-2": part},
        "groups": {"stratum": {"A": {"pairs": 9, "outcomes": {"purchase": LIFT}}}, "engagement": {}},
        "cost": {"lift": 0.02, "power": 0.8, "outcomes": {"purchase": {"buyers": 1234, "visitors_per_arm": None, "detectable": 0.1}}},
    }  # fmt: skip


class Balance(HTMLParser):
    VOID = frozenset({"meta", "link", "br", "hr", "img"})

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_says_the_verdict_and_loads_nothing():
    page = render_experiment(figures())
    for words in ("B wins", "B has more purchases", "one page checkout, price factor 1.1", "1,234", "a surrogate"):
        assert words in page
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", page)
    assert "url(" not in page
    balance = Balance()
    balance.feed(page)
    assert balance.open == []


def test_what_came_in_is_escaped():
    page = render_experiment(figures(shop=NASTY, url=f"https://example.com/{NASTY}"))
    assert NASTY not in page
    assert page.count("&lt;script&gt;") >= 2


def test_a_row_in_words():
    """10 and 16 of 40, all 6 that differ in B's favour: +15 points; a quarter's ratio 1.6."""
    (row,) = outcome_rows(figures())
    assert (row.rate_a, row.rate_b, row.differ) == ("25.0%", "40.0%", "0 / 6")
    assert row.lift.startswith("+15.00 [+")
    assert row.relative.startswith("+60.0% [")
    assert 50 < row.low < row.point < row.high == 100
    assert store_label({"url": "https://a.example"}) == "https://a.example"
    assert store_label(figures()["a"]) == "the plain store"


def test_a_page_of_inferred_visits_says_so():
    page = render_experiment(figures() | {"inferred": True, "unknown": {"purchase": 3, "add_to_cart": 9}})
    assert "inferred from what the stores did and showed" in page
    assert "purchase: unknown in 3 pairs" in page
    assert "inferred" not in render_experiment(figures())


def test_the_page_shows_what_was_found_in_each_store_before_the_visits():
    weak = {"topic": "robots.txt", "mark": "weak", "found": "it forbids the cart <b>", "advice": "allow it"}
    fine = {"topic": "answer", "mark": "good", "found": "the first page answers", "advice": ""}
    page = render_experiment(figures(), {"a": [weak, fine], "b": [fine]})
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert all(title in page for title in ("Store A, before the visits", "Store B, before the visits"))
    assert "it forbids the cart &lt;b&gt;" in page
    assert page.count("What to do:") == 1
    assert "before the visits" not in render_experiment(figures())
