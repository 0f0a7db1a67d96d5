"""RetailRocket's files, written by hand from the publisher's description."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime

import pytest

from simpersona.adapters.sources.retailrocket import RetailRocketSource
from simpersona.config import EventsConfig
from simpersona.contracts import COLLECTIONS, EVENTS, PRODUCTS, Capabilities
from simpersona.errors import SourceError
from simpersona.events.prepare import prepare

EVENTS_CSV = """timestamp,visitorid,event,itemid,transactionid
1439694000000,1,view,100,
1439694000500,1,addtocart,100,
1439694001000,1,transaction,100,234
1439694001000,1,transaction,200,234
1439694000000,2,view,300,
1439694000000,2,clicked,300,
-5,2,view,300,
99999999999999999999,2,view,300,
1439694000000,2,view
"""
PARTS = {  # item 100 moves from category 7 to 5; what is hashed is not looked at
    "item_properties_part1.csv": """timestamp,itemid,property,value
1435460400000,100,categoryid,7
1435460400000,100,790,n15360.000
1435460400000,200,888,421694 n552.000 769062
1435460400000,200,categoryid,9
""",
    "item_properties_part2.csv": """timestamp,itemid,property,value
1439089200000,100,categoryid,5
1439089200000,100,available,1
1439089200000,300,categ
""",
}
TREE_CSV = """categoryid,parentid
1,
5,3
3,1
7,2
2,
8,8
"""


@pytest.fixture
def folder(tmp_path):
    for name, text in {"events.csv": EVENTS_CSV, "category_tree.csv": TREE_CSV, **PARTS}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def events_of(raw):
    return raw.events.order_by("row").to_pyarrow().to_pylist()


def test_events(engine, folder):
    raw = RetailRocketSource("none").read(folder, engine)
    assert raw.rows_in == 9
    (cut,) = raw.rejected.to_pyarrow().to_pylist()
    assert (cut["file"], cut["row"], cut["reason"]) == ("events.csv", 10, "expected 5 fields, found 3")
    events = events_of(raw)
    assert [line["event"] for line in events[:4]] == [
        "product_viewed",
        "product_added_to_cart",
        "checkout_completed",
        "checkout_completed",
    ]
    assert [line["order_id"] for line in events[:4]] == [None, None, "234", "234"]
    assert events[1]["time"] == datetime(2015, 8, 16, 3, 0, 0, 500_000, tzinfo=UTC)  # 1439694000.5 s
    assert (events[0]["shop_id"], events[0]["buyer_id"], events[0]["price"]) == ("retailrocket", "1", None)
    assert [line["time"] for line in events[6:]] == [None, None]
    assert raw.has == Capabilities()


def test_one_order_of_two_items(engine, folder):
    raw = RetailRocketSource("none").read(folder, engine)
    prepared = prepare(raw, EventsConfig(keep_ids=True, max_rejected_share=0.5), b"key")
    quality = prepared.quality
    assert (quality["rows_in"], quality["rows_kept"], quality["rows_malformed"]) == (9, 5, 4)
    EVENTS.check(prepared.events.to_pyarrow())
    first, _ = prepared.sessions.order_by("buyer_id").to_pyarrow().to_pylist()
    assert (first["purchase_count"], first["product_view_count"], first["add_to_cart_count"]) == (1, 1, 1)
    assert first["order_value"] is None


def test_category_roots_as_shops(engine, folder):
    raw = RetailRocketSource().read(folder, engine)
    # 100: 5 under 3 under 1; 200: 9, which the tree does not know; 300: none that could be read
    shops = {(line["product_id"], line["shop_id"]) for line in events_of(raw)}
    assert shops == {("100", "1"), ("200", "9"), ("300", "uncategorized")}
    products = {line["product_id"]: line for line in PRODUCTS.check(raw.products.to_pyarrow()).to_pylist()}
    assert products["100"]["text"] == "category 1 category 3 category 5"
    assert (products["100"]["title"], products["100"]["collection_ids"]) == ("Item 100", ["5"])
    assert products["200"]["text"] == "category 9"
    assert (products["300"]["text"], products["300"]["collection_ids"]) == ("item without a category", [])
    collections = COLLECTIONS.check(raw.collections.to_pyarrow()).to_pylist()
    assert [(line["shop_id"], line["collection_id"], line["title"]) for line in collections] == [
        ("1", "5", "Category 5"),
        ("9", "9", "Category 9"),
    ]


def test_the_events_alone_and_packed(engine, folder, tmp_path_factory):
    alone = tmp_path_factory.mktemp("alone")
    (alone / "events.csv.gz").write_bytes(gzip.compress(EVENTS_CSV.encode()))
    raw = RetailRocketSource("none").read(alone, engine)
    known = RetailRocketSource("none").read(folder, engine)
    assert [line | {"file": ""} for line in events_of(raw)] == [line | {"file": ""} for line in events_of(known)]
    assert {line["shop_id"] for line in events_of(RetailRocketSource().read(alone, engine))} == {"uncategorized"}


def test_a_broken_file_beside_the_events_is_named(engine, folder):
    (folder / "category_tree.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"category_tree.csv, row 1: missing column\(s\) categoryid, parentid"):
        RetailRocketSource().read(folder, engine)
