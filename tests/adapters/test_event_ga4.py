"""GA4's BigQuery export, written by hand from the published schema (support.google.com/analytics/answer/7029846)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simpersona.adapters.sources.ga4 import Ga4Source
from simpersona.config import EventsConfig
from simpersona.contracts import EVENTS, PRODUCTS, Capabilities
from simpersona.errors import SourceError
from simpersona.events.prepare import prepare

VALUE = pa.struct([("string_value", pa.string()), ("int_value", pa.int64()), ("float_value", pa.float64()),
                   ("double_value", pa.float64())])  # fmt: skip
PARAMS = pa.list_(pa.struct([("key", pa.string()), ("value", VALUE)]))
ITEM = pa.struct(
    [("item_id", pa.string()), ("item_name", pa.string()), ("item_brand", pa.string()), ("item_variant", pa.string()),
     ("item_category", pa.string()), ("price_in_usd", pa.float64()), ("price", pa.float64()), ("quantity", pa.int64()),
     ("item_revenue", pa.float64()), ("item_list_id", pa.string()), ("item_list_name", pa.string())]
)  # fmt: skip
SCHEMA = pa.schema(
    [("event_date", pa.string()), ("event_timestamp", pa.int64()), ("event_name", pa.string()), ("event_params", PARAMS),
     ("event_bundle_sequence_id", pa.int64()), ("user_id", pa.string()), ("user_pseudo_id", pa.string()),
     ("user_properties", PARAMS), ("device", pa.struct([("category", pa.string()), ("web_info", pa.struct([
         ("browser", pa.string()), ("hostname", pa.string())]))])), ("geo", pa.struct([("city", pa.string())])),
     ("ecommerce", pa.struct([("total_item_quantity", pa.int64()), ("purchase_revenue_in_usd", pa.float64()),
                              ("purchase_revenue", pa.float64()), ("transaction_id", pa.string())])),
     ("items", pa.list_(ITEM)), ("batch_event_index", pa.int64())]
)  # fmt: skip
START = 1_604_188_800_000_000  # 2020-11-01T00:00:00Z

CAP = {"item_id": "GGOEG1", "item_name": "Google Cap", "item_brand": "Google", "item_category": "Apparel", "price": 14.0,
       "quantity": 2, "item_list_id": "hats", "item_list_name": "Hats"}  # fmt: skip
MUG = {"item_id": "(not set)", "item_name": "Super Mug", "item_category": "(not set)", "price": 9.5, "quantity": None}


def param(key, **value):
    return {"key": key, "value": dict.fromkeys(VALUE.names) | value}


def row(second, name, *params, **columns):
    always = [param("ga_session_id", int_value=77), param("page_location", string_value="https://shop.example/a?b#c")]
    empty = dict.fromkeys(SCHEMA.names)
    given = {"event_date": "20201101", "event_timestamp": START + second * 1_000_000, "event_name": name}
    return empty | given | {"event_params": always + list(params), "user_pseudo_id": "11.22", "items": []} | columns


def good(**fields):
    return dict.fromkeys(ITEM.names) | fields


HOST = {"category": "mobile", "web_info": {"browser": "Chrome", "hostname": "www.shop.example"}}
ROWS = [
    row(0, "session_start"),
    row(0, "page_view", batch_event_index=1),
    row(1, "view_search_results", param("search_term", string_value="röd mössa"), device=HOST),
    row(2, "view_item_list", items=[good(**CAP), good(**MUG)]),
    row(3, "select_item", items=[good(**CAP)]),
    row(4, "view_item", items=[good(**CAP)]),
    row(5, "add_to_cart", items=[good(**CAP), good(**MUG)]),
    row(6, "remove_from_cart", items=[good(**MUG)]),
    row(7, "view_cart"),
    row(8, "begin_checkout", items=[good(**CAP)]),
    row(9, "purchase", items=[good(**CAP), good(**MUG)],
        ecommerce={"total_item_quantity": 3, "purchase_revenue_in_usd": 40.0, "purchase_revenue": 37.5,
                   "transaction_id": "T_12345"}),
    row(10, "purchase", param("transaction_id", string_value="T2"), param("value", double_value=5.5)),
    row(11, "page_view", user_pseudo_id=None),
    row(12, None),
]  # fmt: skip
USED = [  # second, event, product, collection, query, price, quantity, order, value
    (0, "page_viewed", None, None, None, None, None, None, None),
    (1, "search_submitted", None, None, "röd mössa", None, None, None, None),
    (2, "collection_viewed", None, "hats", None, None, None, None, None),
    (4, "product_viewed", "GGOEG1", None, None, 14.0, 2, None, None),
    (5, "product_added_to_cart", "GGOEG1", None, None, 14.0, 2, None, None),
    (5, "product_added_to_cart", "Super Mug", None, None, 9.5, None, None, None),
    (6, "product_removed_from_cart", "Super Mug", None, None, 9.5, None, None, None),
    (7, "cart_viewed", None, None, None, None, None, None, None),
    (8, "checkout_started", None, None, None, None, None, None, None),
    (9, "checkout_completed", "GGOEG1", None, None, 14.0, 2, "T_12345", 37.5),
    (9, "checkout_completed", "Super Mug", None, None, 9.5, None, "T_12345", 37.5),
    (10, "checkout_completed", None, None, None, None, None, "T2", 5.5),
]


def as_text(value):
    """BigQuery writes whole numbers as text into JSON, and leaves out what is null."""
    if isinstance(value, dict):
        return {name: as_text(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [as_text(inner) for inner in value]
    return str(value) if isinstance(value, int) else value


@pytest.fixture(params=["json", "parquet", "parquet of older exports"])
def log(request, tmp_path):
    if request.param == "json":
        path = tmp_path / "events_20201101.json"
        path.write_text("\n".join(json.dumps(as_text(line)) for line in ROWS), encoding="utf-8")
        return path
    path = tmp_path / "events_20201101.parquet"
    table = pa.Table.from_pylist(ROWS, SCHEMA)
    if "older" in request.param:
        for name in ("event_params", "items"):
            wrapped = [{"list": [{"element": one} for one in line]} for line in table[name].to_pylist()]
            kind = pa.struct([("list", pa.list_(pa.struct([("element", SCHEMA.field(name).type.value_type)])))])
            table = table.set_column(SCHEMA.names.index(name), name, pa.array(wrapped, kind))
    pq.write_table(table, path)
    return path


def rows_of(table):
    return table.to_pyarrow().to_pylist()


def test_a_day_of_the_export(log, engine):
    raw = Ga4Source().read(log, engine)
    events = sorted(rows_of(raw.events), key=lambda line: (line["row"], line["part"]))
    told = ("event", "product_id", "collection_id", "query", "price", "quantity", "order_id", "value")
    assert [(line["time"].second, *[line[name] for name in told]) for line in events] == USED
    assert {(line["buyer_id"], line["session_id"]) for line in events} == {("11.22", "77")}
    assert events[0]["time"] == datetime(2020, 11, 1, tzinfo=UTC)
    assert [line["seq"] for line in events[:2]] == [1, None]
    assert [line["shop_id"] for line in events[:3]] == [
        "shop.example",
        "shop.example",
        "shop.example",
    ]  # one of them as www.
    assert sorted((line["row"], line["reason"]) for line in rows_of(raw.rejected)) == [
        (1, "ignored: session_start"),
        (5, "ignored: select_item"),
        (13, "ignored: no user_pseudo_id, as where a visitor does not consent"),
        (14, "event_name is missing"),
    ]
    assert raw.rows_in == len(ROWS)
    assert raw.has == Capabilities(True, True, True, True, True, True)
    EVENTS.check(raw.events.to_pyarrow())
    cap, mug = PRODUCTS.check(raw.products.to_pyarrow()).to_pylist()
    assert (cap["title"], cap["vendor"], cap["product_type"], cap["price"]) == ("Google Cap", "Google", "Apparel", 14.0)
    assert (mug["product_id"], mug["title"], mug["collection_ids"], mug["product_type"]) == (
        *["Super Mug"] * 2,
        ["hats"],
        None,
    )
    assert rows_of(raw.collections) == [{"shop_id": "shop.example", "collection_id": "hats", "title": "Hats"}]


def test_one_shop_of_several_hosts(log, engine):
    raw = Ga4Source(shop="mine").read(log, engine)
    assert {line["shop_id"] for line in rows_of(raw.events)} == {"mine"}
    quality = prepare(raw, EventsConfig(max_rejected_share=0.1), b"key").quality
    assert (quality["rows_kept"], quality["rows_ignored"], quality["rows_malformed"]) == (10, 3, 1)
    assert quality["sessions"] == 1


def test_parquet_of_something_else_is_named(engine, tmp_path):
    pq.write_table(pa.table({"event_name": ["page_view"], "time": [1]}), tmp_path / "log.parquet")
    with pytest.raises(
        SourceError, match=r"missing column\(s\) event_timestamp, user_pseudo_id. Found: event_name, time"
    ):
        Ga4Source().read(tmp_path, engine)


def test_a_broken_parquet_is_named(engine, tmp_path):
    (tmp_path / "log.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(SourceError, match=r"log.parquet: cannot be read as parquet"):
        Ga4Source().read(tmp_path, engine)


def test_a_csv_of_something_else_is_named(engine, tmp_path):
    (tmp_path / "log.csv").write_text("user,when\n1,2\n")
    with pytest.raises(SourceError, match=r"Found: user, when. Any other table"):
        Ga4Source().read(tmp_path, engine)


SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "google_store"
sampled = pytest.mark.skipif(not SAMPLES.exists(), reason="Google's public samples are not beside the repository")


@sampled
def test_the_purchases_of_googles_shop(engine):
    raw = Ga4Source().read(SAMPLES / "ga4_purchases.csv", engine)
    events = raw.events.to_pyarrow().to_pylist()
    named = [line for line in events if line["product_id"] is not None]
    assert (len(named), len({line["buyer_id"] for line in named})) == (15_555, 4_066)
    assert raw.rows_in == len(events) == 16_003  # the others name no item
    assert {line["event"] for line in events} == {"checkout_completed"}
    assert all(line["order_id"] and line["value"] is None for line in events)
    assert raw.products.count().to_pyarrow().as_py() == 809  # of 810 item ids one is "(not set)"
    assert raw.has == Capabilities(has_price=True, has_text=True, has_cart=False)


@sampled
def test_the_hits_of_googles_shop(engine):
    raw = Ga4Source().read(SAMPLES / "ga360_hits.csv", engine)
    assert raw.rows_in == 15_134
    events = raw.events.to_pyarrow().to_pylist()
    counts = {name: sum(line["event"] == name for line in events) for name in ("product_viewed", "checkout_completed",
                                                                               "product_added_to_cart")}  # fmt: skip
    assert counts == {"product_viewed": 137, "product_added_to_cart": 37, "checkout_completed": 9}
    rejected = rows_of(raw.rejected)
    assert len(events) + len(rejected) == 15_134
    # of 388 result pages, 11 hits are clicks on a product
    assert sum(line["event"] == "search_submitted" for line in events) == 388 - 11
    visit = next(line for line in events if line["buyer_id"] == "1473757371" and line["row"] == 2)
    # 122,213 ms into the visit that began at 1473757371 s
    assert visit["time"] == datetime(2016, 9, 13, 9, 4, 53, 213_000, tzinfo=UTC)
    assert raw.has == Capabilities(
        has_search=True, has_checkout_start=True, has_price=True, has_session=True, has_text=True
    )
