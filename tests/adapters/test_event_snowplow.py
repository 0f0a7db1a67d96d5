"""Snowplow's e-commerce events, written by hand from the published schemas (Iglu) and the loaders' column rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simpersona.adapters.sources.snowplow import SnowplowSource
from simpersona.config import EventsConfig
from simpersona.contracts import COLLECTIONS, EVENTS, PRODUCTS, PROVENANCE
from simpersona.errors import SourceError
from simpersona.events.prepare import prepare

ECOMMERCE = "com_snowplowanalytics_snowplow_ecommerce"
ACTION = f"unstruct_event_{ECOMMERCE}_snowplow_ecommerce_action_1"
PRODUCT = f"contexts_{ECOMMERCE}_product_1"
TRANSACTION = f"contexts_{ECOMMERCE}_transaction_1"
STEP = f"contexts_{ECOMMERCE}_checkout_step_1"
SEARCH = "unstruct_event_com_snowplowanalytics_snowplow_site_search_1"
MOBILE = "contexts_com_snowplowanalytics_snowplow_client_session_1"

SHIRT = {
    "id": "P125",
    "name": "Baseball T",
    "brand": "Acme",
    "category": "Mens/Apparel",
    "price": 200,
    "currency": "USD",
}
CAP = {"id": "P9", "name": None, "category": "Hats", "price": 12.5, "currency": "USD", "quantity": 2}


def event(number, name, **columns):
    """One row of the events table; times are a second apart."""
    return {
        "app_id": "store",
        "event_id": f"e{number}",
        "event_fingerprint": f"f{number}",
        "event": "unstruct" if name != "page_view" else name,
        "event_name": name,
        "derived_tstamp": f"2022-12-22T13:25:{number:02}.677Z",
        "collector_tstamp": "2022-12-22T14:00:00.000Z",
        "domain_userid": "d1",
        "domain_sessionid": "s1",
        "user_id": "ann@example.com",
        "user_ipaddress": "192.0.2.1",
        "useragent": "Mozilla/5.0 (X11)",
        "page_url": "https://store.example/x",
    } | columns


def action(number, kind, name=None, **columns):
    return event(number, "snowplow_ecommerce_action", **{ACTION: {"type": kind, "name": name}}, **columns)


ORDER = {"transaction_id": "T1", "revenue": 255, "currency": "USD", "tax": 20, "shipping": 10, "total_quantity": 3}
LOG = [
    event(1, "page_view"),
    event(2, "site_search", **{SEARCH: {"terms": ["red", "cap"], "totalResults": 2}}),
    action(3, "list_view", "shop the look", **{PRODUCT: [SHIRT, CAP]}),
    action(4, "list_view", "search results", **{PRODUCT: [CAP]}),
    action(5, "list_click", "shop the look", **{PRODUCT: [SHIRT]}),
    action(6, "product_view", **{PRODUCT: [SHIRT]}),
    action(7, "add_to_cart", **{PRODUCT: [SHIRT, CAP]}),
    action(8, "remove_from_cart", **{PRODUCT: [CAP]}),
    action(9, "checkout_step", **{STEP: [{"step": 1}]}),
    action(10, "checkout_step", **{STEP: [{"step": 2}]}),
    action(11, "transaction", **{PRODUCT: [SHIRT, CAP], TRANSACTION: [ORDER]}),
    event(12, "page_ping"),
    action(6, "product_view", **{PRODUCT: [SHIRT]}) | {"collector_tstamp": "2022-12-22T14:00:09.000Z"},  # sent again
]
EXPECTED = [  # event, row, product, price, quantity
    ("page_viewed", 1, None, None, None),
    ("search_submitted", 2, None, None, None),
    ("collection_viewed", 3, None, None, None),
    ("product_viewed", 6, "P125", 200.0, None),
    ("product_added_to_cart", 7, "P125", 200.0, None),
    ("product_added_to_cart", 7, "P9", 12.5, 2),
    ("product_removed_from_cart", 8, "P9", 12.5, 2),
    ("checkout_started", 9, None, None, None),
    ("checkout_completed", 11, "P125", 200.0, None),
    ("checkout_completed", 11, "P9", 12.5, 2),
]


def as_lines(folder, rows):
    path = folder / "events.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


def as_structs(folder, rows):
    """As lake loaders write: a struct or a list of structs per column, times as times."""
    path = folder / "events.parquet"
    texts = [name for name in event(0, "") if not name.endswith("tstamp")]
    times = [pa.field(name, pa.timestamp("us", "UTC")) for name in ("derived_tstamp", "collector_tstamp")]
    kinds = {
        ACTION: "type name",
        SEARCH: [("terms", pa.list_(pa.string()))],
        PRODUCT: [
            *((name, pa.string()) for name in ("id", "name", "brand", "category", "currency")),
            ("price", pa.decimal128(9, 2)),
            ("quantity", pa.int64()),
        ],
        STEP: [("step", pa.int64())],
        TRANSACTION: [
            ("transaction_id", pa.string()),
            *((name, pa.float64()) for name in ("revenue", "tax", "shipping")),
        ],
    }
    kinds[ACTION] = [("type", pa.string()), ("name", pa.string())]
    fields = [
        (name, pa.list_(pa.struct(kind)) if name.startswith("contexts") else pa.struct(kind))
        for name, kind in kinds.items()
    ]
    schema = pa.schema([*((name, pa.string()) for name in texts), *times, *fields])

    def typed(row):
        row = {name: row.get(name) for name in schema.names}
        for time in times:
            row[time.name] = datetime.fromisoformat(row[time.name])
        for product in row[PRODUCT] or []:
            product["price"] = (
                None
                if product["price"] is None
                else pa.scalar(product["price"], pa.float64()).cast(pa.decimal128(9, 2)).as_py()
            )
        return row

    pq.write_table(pa.Table.from_pylist([typed(json.loads(json.dumps(row))) for row in rows], schema), path)
    return path


def as_texts(folder, rows):
    """As exported of a warehouse: JSON as text, names in capitals, a version in full, [] for no entity."""
    path = folder / "events.parquet"
    names = dict.fromkeys(name for row in rows for name in row)

    def text(row, name):
        if name.startswith("contexts"):
            return json.dumps(row.get(name, []))
        return json.dumps(row[name]) if name.startswith("unstruct") and name in row else row.get(name)

    columns = {name: pa.array([text(row, name) for row in rows], pa.string()) for name in names}
    pq.write_table(
        pa.table({f"{name}_0_2" if name == ACTION else name.upper(): column for name, column in columns.items()}), path
    )
    return path


@pytest.mark.parametrize("written", [as_lines, as_structs, as_texts])
def test_a_funnel(engine, tmp_path, written):
    raw = SnowplowSource().read(written(tmp_path, LOG), engine)
    assert raw.rows_in == len(LOG)
    events = raw.events.order_by("row", "part").to_pyarrow().to_pylist()
    found = [(line["event"], line["row"], line["product_id"], line["price"], line["quantity"]) for line in events]
    assert found == EXPECTED
    assert [line["part"] for line in events if line["row"] == 7] == [0, 1]
    assert {(line["shop_id"], line["buyer_id"], line["session_id"]) for line in events} == {("store", "d1", "s1")}
    assert events[0]["time"] == datetime(2022, 12, 22, 13, 25, 1, 677_000, tzinfo=UTC)
    assert events[1]["query"] == "red cap"
    assert events[2]["collection_id"] == "shop the look"
    assert {(line["order_id"], line["value"]) for line in events[-2:]} == {("T1", 225.0)}  # without tax and shipping
    reasons = {line["row"]: line["reason"] for line in raw.rejected.to_pyarrow().to_pylist()}
    assert reasons == {
        4: "ignored: list_view of search results",
        5: "ignored: list_click",
        10: "ignored: later checkout_step",
        12: "ignored: page_ping",
        13: "exact duplicate",
    }


def test_shape_catalogue_and_account(engine, tmp_path):
    raw = SnowplowSource().read(as_lines(tmp_path, LOG), engine)
    assert set(raw.events.columns) == {*EVENTS.columns, *PROVENANCE.names}
    products = {line["product_id"]: line for line in PRODUCTS.check(raw.products.to_pyarrow()).to_pylist()}
    shirt, cap = products["P125"], products["P9"]
    assert (shirt["title"], shirt["vendor"], shirt["product_type"], shirt["price"]) == (
        "Baseball T",
        "Acme",
        "Apparel",
        200,
    )
    assert (cap["title"], cap["collection_ids"]) == ("Hats P9", ["shop the look"])
    (listed,) = COLLECTIONS.check(raw.collections.to_pyarrow()).to_pylist()
    assert (listed["collection_id"], listed["title"]) == ("shop the look", "shop the look")
    quality = prepare(raw, EventsConfig(), b"key").quality
    assert (quality["rows_in"], quality["rows_kept"], quality["rows_ignored"], quality["rows_duplicate"]) == (
        13,
        8,
        4,
        1,
    )
    assert quality["rows_malformed"] == 0


@pytest.mark.parametrize("written", [as_structs, as_texts])
def test_no_personal_data_of_the_table_is_read(engine, tmp_path, written):
    raw = SnowplowSource().read(written(tmp_path, LOG), engine)
    text = str(raw.events.to_pyarrow().to_pylist())
    assert not [word for word in ("ann@", "192.0.2.1", "Mozilla") if word in text]


def test_apps_shops_and_what_is_missing(engine, tmp_path):
    app = event(1, "screen_view", domain_userid=None, domain_sessionid=None, app_id=None, page_urlhost="acme.example")
    rows = [
        app | {MOBILE: [{"userId": "u7", "sessionId": "m7"}]},
        app | {MOBILE: [{"user_id": "u8", "session_id": "m8"}], "event_id": "e2", "derived_tstamp": None},
        event(3, "page_view", domain_userid=None),
        event(4, None, event=None),
        action(5, "product_view", **{PRODUCT: "no list"}),
        action(6, "transaction", **{TRANSACTION: [{"transaction_id": "T", "revenue": "9.5"}]}),
        event(7, "what? ever"),
        event(8, "snowplow_ecommerce_action"),
    ]
    raw = SnowplowSource().read(as_lines(tmp_path, rows), engine)
    first, second, anonymous, bare, order = raw.events.order_by("row").to_pyarrow().to_pylist()
    assert (first["shop_id"], first["buyer_id"], first["session_id"]) == ("acme.example", "u7", "m7")
    assert (second["buyer_id"], second["session_id"]) == ("u8", "m8")
    assert second["time"] == datetime(2022, 12, 22, 14, tzinfo=UTC)  # the collector's
    assert anonymous["buyer_id"] is None  # rejected later, with the reason
    assert (bare["event"], bare["product_id"]) == ("product_viewed", None)
    assert (order["value"], order["order_id"], order["product_id"]) == (9.5, "T", None)
    reasons = [line["reason"] for line in raw.rejected.order_by("row").to_pyarrow().to_pylist()]
    assert reasons == ["event_name is missing", "ignored: custom event", "the type of the action is missing"]
    named = SnowplowSource(shop="mine").read(as_lines(tmp_path, rows), engine)
    assert set(named.events.shop_id.to_pyarrow().to_pylist()) == {"mine"}


def test_what_is_no_log_is_named(engine, tmp_path):
    path = tmp_path / "events.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(SourceError, match=r"events\.parquet: cannot be read as parquet"):
        SnowplowSource().read(path, engine)
    pq.write_table(pa.table({"time": [1]}), path)
    with pytest.raises(SourceError, match=r"events\.parquet: no column event, event_name or unstruct.* Found: time\."):
        SnowplowSource().read(path, engine)
    as_lines(tmp_path, LOG)
    with pytest.raises(SourceError, match="holds both parquet and JSON lines"):
        SnowplowSource().read(tmp_path, engine)


def test_entities_of_another_type_are_as_good_as_none(engine, tmp_path):
    rows = {
        "event_name": ["x"] * 2,
        "domain_userid": ["a", "b"],
        "app_id": ["s"] * 2,
        ACTION: [{"type": "product_view"}] * 2,
    }
    rows |= {"derived_tstamp": [datetime(2024, 1, 1, tzinfo=UTC), None]}
    for number, products in enumerate(([1, 2], ["{bad", "[1]"], [["x"], []], [{"id": "x"}, None])):
        pq.write_table(pa.table(rows | {PRODUCT: products}), tmp_path / f"{number}.parquet")
    raw = SnowplowSource().read(tmp_path, engine)
    assert raw.rows_in == 8
    assert raw.events.product_id.to_pyarrow().to_pylist() == [None] * 8
    quality = prepare(raw, EventsConfig(max_rejected_share=1, keep_duplicates=True), b"key").quality
    assert (quality["rows_kept"], quality["reasons"]) == (4, {"time is missing or unreadable": 4})
