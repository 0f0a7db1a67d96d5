"""WebShop's sessions: one written by hand in the published shape, and the published archive where it is at hand."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from simpersona.adapters.sources.webshop import WebshopSource
from simpersona.buyers.aggregate import aggregate
from simpersona.config import EventsConfig
from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.events.prepare import prepare

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "webshop" / "human_sessions.zip"
GOAL = {
    "asin": "B1",
    "category": "garden",
    "query": "sofas",
    "name": "Leather Futon",
    "product_category": "Home & Kitchen › Furniture › Futons",
    "instruction_text": "i need a futon",
}


def page(kind, goal=GOAL, **content):
    return {"page": kind, "url": f"http://shop.example/{kind}", "goal": goal} | (
        {"content": content} if content else {}
    )


def results(*keywords, number=1):
    return page("search_results", keywords=list(keywords), search_result_asins=["B1", "B2"], page=number)


def item(asin, kind="item_page", **options):
    return page(kind, keywords="['futon']", page="1", asin=asin, options=options)


SESSION = [
    (page("index"), "page_viewed"),
    (results("red", "futon"), "search_submitted"),
    (results("red", "futon", number=2), "page_viewed"),  # a further page
    (item("B2"), "product_viewed"),
    (item("B2", color="red"), "page_viewed"),  # options chosen
    (item("B2", color="red", size="xl"), "page_viewed"),
    (item("B2", kind="item_sub_page"), "page_viewed"),  # its description
    (item("B2"), "page_viewed"),  # and back
    (results("red", "futon"), "page_viewed"),  # back to the same results
    (item("B2"), "product_viewed"),  # looked at again
    (results("red", "futon"), "page_viewed"),
    (item("B1"), "product_viewed"),
    (page("index"), "page_viewed"),
    (results("red", "futon"), "search_submitted"),  # typed again
    (results("blue"), "search_submitted"),
    (item("B1"), "product_viewed"),
    (page("done", asin="B1", options={}, price=12.5) | {"reward": 1.0}, "checkout_completed"),
]


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "human_sessions.zip"
    other = [page("index", GOAL | {"category": "beauty", "asin": "B9", "name": "Soap"}), {"page": "cart"}]
    with zipfile.ZipFile(path, "w") as file:
        for name, lines in (("20220513_4_fixed_100_40", [line for line, _ in SESSION]), ("another", other)):
            file.writestr(f"human_sessions/{name}.jsonl", "\n".join(map(json.dumps, lines)))
    return path


def test_pages_are_told_from_those_before(engine, archive):
    raw = WebshopSource().read(archive, engine)
    events = (
        raw.events.filter(raw.events.buyer_id == "20220513_4_fixed_100_40").order_by("seq").to_pyarrow().to_pylist()
    )
    assert [line["event"] for line in events] == [name for _, name in SESSION]
    assert [line["query"] for line in events if line["query"]] == ["red futon", "red futon", "blue"]
    assert [line["product_id"] for line in events if line["product_id"]] == ["B2", "B2", "B1", "B1", "B1"]
    assert {line["time"] for line in events} == {datetime(2022, 5, 13, tzinfo=UTC)}
    assert [line["seq"] for line in events] == list(range(1, len(SESSION) + 1))
    assert {(line["shop_id"], line["session_id"]) for line in events} == {("garden", "20220513_4_fixed_100_40")}
    order = events[-1]
    assert (order["price"], order["quantity"]) == (12.5, 1)


def test_what_else_is_read(engine, archive):
    raw = WebshopSource().read(archive, engine)
    assert raw.rows_in == len(SESSION) + 2
    (unknown,) = raw.rejected.to_pyarrow().to_pylist()
    assert (unknown["file"], unknown["row"]) == ("human_sessions.zip/human_sessions/another.jsonl", 2)
    assert unknown["reason"] == "page is missing or unknown"
    (start,) = raw.events.filter(raw.events.buyer_id == "another").to_pyarrow().to_pylist()
    assert start["time"] == datetime(1970, 1, 1, tzinfo=UTC)  # no day in its name
    products = {line["product_id"]: line for line in PRODUCTS.check(raw.products.to_pyarrow()).to_pylist()}
    assert set(products) == {"B1", "B2", "B9"}
    task = products["B1"]
    assert (task["title"], task["product_type"], task["price"]) == ("Leather Futon", "Futons", 12.5)
    assert (products["B2"]["title"], products["B2"]["price"]) == ("product B2", None)
    assert COLLECTIONS.check(raw.collections.to_pyarrow()).num_rows == 0


def test_without_times_nothing_is_a_duplicate_and_durations_are_unknown(engine, archive):
    raw = WebshopSource().read(archive, engine)
    prepared = prepare(raw, EventsConfig(keep_ids=True, max_rejected_share=0.5), b"key")
    assert (prepared.quality["rows_kept"], prepared.quality["rows_duplicate"]) == (len(SESSION) + 1, 0)
    assert {"time", "cart"} <= set(prepared.quality["unknown"])
    assert prepared.sessions.cart_value.count().to_pyarrow().as_py() == 0  # not known, and not 0
    buyers = aggregate(prepared.events, prepared.sessions, raw.has, EventsConfig()).to_pyarrow().to_pylist()
    (shopper,) = [buyer for buyer in buyers if buyer["shop_id"] == "garden"]
    unknown = (
        "duration_seconds",
        "active_day_count",
        "add_to_cart_session_count",
        "add_to_cart_rate",
        "mean_cart_value",
    )
    assert [shopper[name] for name in unknown] == [None] * 5
    assert (shopper["product_view_count"], shopper["mean_order_value"], shopper["stratum"]) == (4, 12.5, "A")


@pytest.mark.skipif(not PUBLISHED.exists(), reason="WebShop's sessions are not beside the repository")
def test_the_published_sessions(engine):
    raw = WebshopSource().read(PUBLISHED, engine)
    assert raw.rows_in == 18_445
    table = raw.events.to_pyarrow()
    assert Counter(json.loads(line)["page"] for line in table["raw"].to_pylist()) == {
        "search_results": 5_812,
        "item_page": 7_174,
        "item_sub_page": 1_305,
        "index": 2_512,
        "done": 1_642,
    }
    assert raw.rejected.count().to_pyarrow().as_py() == 0
    sessions = set(zip(table["shop_id"].to_pylist(), table["session_id"].to_pylist(), strict=True))
    shops = {"beauty": 374, "fashion": 344, "garden": 332, "grocery": 304, "electronics": 289}
    assert Counter(shop for shop, _ in sessions) == shops
    # counted by a plain loop over the pages that follows the same three sentences
    events = Counter(table["event"].to_pylist())
    assert (events["checkout_completed"], events["product_viewed"], events["search_submitted"]) == (1_642, 3_570, 2_390)
