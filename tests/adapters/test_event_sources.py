"""One suite over every event source. What is special to each stands in its own file, and what damaged logs do in
test_broken_logs.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest

from simpersona.adapters.engines.duckdb import connect
from simpersona.adapters.sources.adobe import AdobeSource
from simpersona.adapters.sources.ga4 import Ga4Source
from simpersona.adapters.sources.rees46 import Rees46Source
from simpersona.adapters.sources.retailrocket import RetailRocketSource
from simpersona.adapters.sources.segment import SegmentSource
from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.adapters.sources.snowplow import SnowplowSource
from simpersona.adapters.sources.table import TableSource
from simpersona.adapters.sources.webshop import WebshopSource
from simpersona.config import EventsConfig
from simpersona.contracts import COLLECTIONS, EVENTS, PRODUCTS, PROVENANCE, REJECTED, RawLog
from simpersona.errors import SourceError
from simpersona.events.cleaning import DUPLICATE
from simpersona.events.prepare import Prepared, prepare
from simpersona.ports import EventSource

PERSONAL = ("jane.roe@mail.example", "+49 170 1234567", "203.0.113.77", "Elm Street 5", "Jane Roe", "Mozilla/5.0")
"""What no table of ours may hold; every sample below has some of it where its schema has a place for it."""
EMAIL, PHONE, ADDRESS_IP, STREET, PERSON, AGENT = PERSONAL

HEADER = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
REES46_LINES = [
    HEADER,
    "2019-10-01 00:00:00 UTC,view,1,9,electronics.smartphone,apple,10.50,u1,s1",
    f"2019-10-01 00:00:05 UTC,cart,1,9,electronics.smartphone,apple,10.50,{EMAIL},s1",
    "2019-10-01 00:00:06 UTC,remove_from_cart,1,9,electronics.smartphone,apple,10.50,u1,s1",
    "",
    "2019-10-01 00:00:09 UTC,purchase,2,9,,,20,u1,s1",
    "2019-10-01 00:00:09 UTC,purchase,2,9",
]


def pixel(number, name, data):
    document = {"location": {"href": f"https://acme.example/?email={EMAIL}"}}
    context = {"document": document, "navigator": {"userAgent": AGENT}}
    line = {"id": f"e{number}", "name": name, "clientId": "c1", "timestamp": "2024-03-01T12:00:00.500Z"}
    return json.dumps(line | {"type": "standard", "context": context, "data": data})


PIXEL_GOOD = {"price": {"amount": 10}, "sku": None, "product": {"id": "p1", "title": "Shirt", "vendor": "Acme"}}
SHIPPING = {"address1": STREET, "firstName": PERSON, "phone": PHONE}
SHOPIFY_LINES = [
    pixel(1, "page_viewed", None).replace('"data": null', '"type": "standard"'),
    pixel(2, "product_viewed", {"productVariant": PIXEL_GOOD}),
    pixel(3, "checkout_completed", {"checkout": {"email": EMAIL, "phone": PHONE, "shippingAddress": SHIPPING,
                                                 "lineItems": [{"variant": PIXEL_GOOD}] * 2}}),
    "",
    '{"cut": "of',
]  # fmt: skip


def ga4(name, moment, **columns):
    page = f"https://acme.example/?email={EMAIL}"
    params = [
        {"key": "page_location", "value": {"string_value": page}},
        {"key": "ga_session_id", "value": {"int_value": "7"}},
    ]
    device = {"web_info": {"hostname": "acme.example"}, "browser": AGENT, "sku": None}
    user = [{"key": "email", "value": {"string_value": EMAIL}}]
    row = {"event_timestamp": str(moment), "event_name": name, "user_pseudo_id": "1.2", "user_id": EMAIL}
    return json.dumps(row | {"event_params": params, "user_properties": user, "device": device} | columns)


GA4_GOODS = [{"item_id": "p1", "item_name": "Shirt", "item_brand": "Acme", "price": 10}]
GA4_LINES = [
    ga4("page_view", 1_604_000_000_000_000, type="any"),
    ga4("view_item", 1_604_000_001_000_000, items=GA4_GOODS),
    ga4("purchase", 1_604_000_002_000_000, items=GA4_GOODS * 2, ecommerce={"transaction_id": "T1"}),
    "",
    '{"cut": "of',
]


def call(number, event, properties):
    context = {"ip": ADDRESS_IP, "userAgent": AGENT, "traits": {"email": EMAIL, "address": {"street": STREET}}}
    context["page"] = {"url": f"https://acme.example/?email={EMAIL}"}
    line = {"messageId": f"m{number}", "type": "track", "event": event, "anonymousId": "a1", "userId": EMAIL}
    return json.dumps(line | {"timestamp": "2024-03-01T12:00:00Z", "context": context, "properties": properties})


CALL_GOOD = {"product_id": "p1", "sku": None, "name": "Shirt", "brand": "Acme", "price": 10, "email": EMAIL}
SEGMENT_LINES = [
    call(1, "Products Searched", {"query": "shirt", "phone": PHONE}),
    call(2, "Product Viewed", CALL_GOOD),
    call(3, "Order Completed", {"order_id": "o1", "name": PERSON, "products": [CALL_GOOD] * 2}),
    "",
    '{"cut": "of',
]

TABLE_LINES = [
    "time;event;buyer_id;product_id;title;vendor;price;email;ip;agent",
    f"2024-03-01T12:00:00;product_viewed;u1;p1;Shirt;apple;10.5;{EMAIL};{ADDRESS_IP};{AGENT}",
    f"2024-03-01T12:00:01;product_added_to_cart;{EMAIL};p1;Shirt;apple;10.5;{EMAIL};{ADDRESS_IP};{AGENT}",
    "",
    "2024-03-01T12:00:02;checkout_completed;u1",
]
TABLE_OBJECTS = [
    json.dumps(
        {"time": "2024-03-01T12:00:00Z", "event": name, "buyer_id": "u1", "sku": None, "email": EMAIL, "type": 1}
    )
    for name in ("page_viewed", "product_viewed", "cart_viewed")
] + ['{"cut": "of']

RETAILROCKET_LINES = [
    "timestamp,visitorid,event,itemid,transactionid",
    "1433221332117,257597,view,355908,",
    f"1433221332118,{EMAIL},addtocart,355908,",
    "1433221332119,257597,transaction,355908,4000",
    "",
    "1433221332120,257597,view",
]

COMMERCE = "com_snowplowanalytics_snowplow_ecommerce"
SNOWPLOW_GOODS = {f"contexts_{COMMERCE}_product_1": [{"id": "p1", "name": "Shirt", "price": 10, "currency": "EUR"}] * 2}


def snow(number, action, **columns):
    row = {"app_id": "acme", "event_id": f"e{number}", "event_fingerprint": f"f{number}", "event": "unstruct"}
    row |= {"event_name": "snowplow_ecommerce_action", "derived_tstamp": f"2024-03-01T12:00:0{number}.000Z"}
    row |= {"user_id": EMAIL, "user_ipaddress": ADDRESS_IP, "useragent": AGENT, "sku": None}
    row |= {f"unstruct_event_{COMMERCE}_snowplow_ecommerce_action_1": {"type": action}}
    return json.dumps(row | {"domain_userid": "d1", "domain_sessionid": "s1"} | columns)


SNOWPLOW_LINES = [
    snow(1, "product_view", **SNOWPLOW_GOODS),
    snow(2, "add_to_cart", **SNOWPLOW_GOODS),
    snow(3, "transaction", **SNOWPLOW_GOODS, **{f"contexts_{COMMERCE}_transaction_1": [{"transaction_id": "T1"}]}),
    "",
    '{"cut": "of',
]


def shop_page(kind, **content):
    goal = {"asin": "B1", "category": "garden", "name": "Futon", "product_category": "Home › Futons", "sku": None}
    return json.dumps({"page": kind, "url": f"http://acme.example/?email={EMAIL}", "goal": goal, "content": content})


WEBSHOP_LINES = [
    shop_page("search_results", keywords=["red", "futon"], page=1),
    shop_page("item_page", asin="B1", options={}),
    shop_page("done", asin="B1", options={}, price=12.5),
    "",
    '{"cut": "of',
]


ADOBE_LINES = [
    "hit_time_gmt\tvisid_high\tvisid_low\tvisit_num\tevent_list\tproduct_list\tpurchaseid\tpage_url\tip\tuser_agent\tevar1",
    *[
        f"170929440{n}\t1\t2\t1\t{events}\t{goods}\t{order}\thttps://acme.example/?e={EMAIL}\t{ADDRESS_IP}\t{AGENT}\t{PERSON}"
        for n, (events, goods, order) in enumerate([("", "", ""), ("2", ";p1", ""), ("1", ";p1;2;21,;p2;1;5", "o1")])
    ],
    "",
    "1709294409\t1",
]


@dataclass(frozen=True)
class Sample:
    """A small log whose last line is the only one that cannot be read."""

    source: EventSource
    name: str
    lines: list[str]
    rows_in: int

    def write(self, folder: Path) -> Path:
        path = folder / self.name
        path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        return path


@dataclass(frozen=True)
class Read:
    """What was read, and what was made of it."""

    path: Path
    raw: RawLog
    prepared: Prepared
    tables: dict[str, pa.Table]


SAMPLES = {
    "rees46": Sample(Rees46Source(), "log.csv", REES46_LINES, 5),
    "retailrocket": Sample(RetailRocketSource(), "events.csv", RETAILROCKET_LINES, 4),
    "shopify": Sample(ShopifySource(), "log.jsonl", SHOPIFY_LINES, 4),
    "ga4": Sample(Ga4Source(), "log.jsonl", GA4_LINES, 4),
    "segment": Sample(SegmentSource(), "log.jsonl", SEGMENT_LINES, 4),
    "snowplow": Sample(SnowplowSource(), "log.jsonl", SNOWPLOW_LINES, 4),
    "webshop": Sample(WebshopSource(), "20220513_4_fixed.jsonl", WEBSHOP_LINES, 4),
    "adobe": Sample(AdobeSource(), "hits.tsv", ADOBE_LINES, 4),
    "table of lines": Sample(TableSource(), "log.csv", TABLE_LINES, 3),
    "table of objects": Sample(TableSource(), "log.jsonl", TABLE_OBJECTS, 4),
}
TABLES = ("events", "rejected", "products", "collections")


@pytest.fixture(params=SAMPLES)
def sample(request):
    return SAMPLES[request.param]


@pytest.fixture(scope="module")
def read(engine, tmp_path_factory):
    """Reads a sample once: nearly all of a read is Ibis writing SQL."""

    @cache
    def read(name):
        path = SAMPLES[name].write(tmp_path_factory.mktemp("sample"))
        raw = SAMPLES[name].source.read(path, engine)
        prepared = prepare(raw, EventsConfig(max_rejected_share=0.5), b"key")
        return Read(path, raw, prepared, {table: getattr(raw, table).to_pyarrow() for table in TABLES})

    return read


@pytest.fixture(params=SAMPLES)
def whole(request, read):
    return read(request.param), SAMPLES[request.param]


def rows_of(table):
    return table.to_pyarrow().to_pylist()


def facts(events):
    return sorted(str([line[name] for name in EVENTS.columns]) for line in events.to_pylist())


def test_tables_have_the_promised_shape(whole):
    found, sample = whole
    assert set(found.raw.events.columns) == {*EVENTS.columns, *PROVENANCE.names}
    assert found.raw.rows_in == sample.rows_in
    EVENTS.check(found.tables["events"])
    PRODUCTS.check(found.tables["products"])
    COLLECTIONS.check(found.tables["collections"])
    (last,) = REJECTED.check(found.tables["rejected"]).to_pylist()
    assert (last["file"], last["row"]) == (sample.name, len(sample.lines))
    whole_rows = [line for line in found.tables["events"].to_pylist() if line["part"] == 0]
    assert len(whole_rows) + 1 == sample.rows_in


def test_prepared_without_a_loss(whole):
    found, sample = whole
    quality = found.prepared.quality
    assert quality["rows_in"] == sample.rows_in == quality["rows_kept"] + quality["rows_rejected"]


def test_what_is_personal_stays_outside(whole):
    found, _ = whole
    tables = {name: rows_of(getattr(found.prepared, name)) for name in ("events", "sessions", "rejected")}
    tables |= {name: found.tables[name].to_pylist() for name in ("products", "collections")}
    tables["raw events"] = [line | {"raw": None, "buyer_id": None} for line in found.tables["events"].to_pylist()]
    seen = {(name, secret) for name, rows in tables.items() for secret in PERSONAL if secret in str(rows)}
    assert not seen
    assert EMAIL in found.path.read_text()


def test_read_by_another_engine_packed_from_a_folder_it_is_the_same(whole, tmp_path):
    """Line ends do not matter either."""
    found, sample = whole
    (tmp_path / "folder").mkdir()
    text = found.path.read_text().replace("\n", "\r\n")
    (tmp_path / "folder" / f"{sample.name}.gz").write_bytes(gzip.compress(text.encode()))
    raw = sample.source.read(tmp_path / "folder", connect(tmp_path / "another"))
    assert (raw.rows_in, raw.has) == (sample.rows_in, found.raw.has)
    assert facts(raw.events.to_pyarrow()) == facts(found.tables["events"])
    for name in ("products", "collections"):
        assert sorted(map(str, rows_of(getattr(raw, name)))) == sorted(map(str, found.tables[name].to_pylist()))


def test_what_is_not_there_is_named(sample, engine, tmp_path):
    read = sample.source.read
    with pytest.raises(SourceError, match=r"gone.csv: no such file or folder. Expected .*source.path"):
        read(tmp_path / "gone.csv", engine)
    with pytest.raises(SourceError, match=r"no file matches this pattern. Expected .*source.path"):
        read(tmp_path / "nothing-*.csv", engine)
    with pytest.raises(SourceError, match=r": the folder holds no"):
        read(tmp_path, engine)


def test_a_damaged_line_is_one_rejected_row(sample, engine, tmp_path):
    path = sample.write(tmp_path)
    lines = path.read_bytes().split(b"\n")
    for number, damage in ((1, b"\0"), (2, b"\xff")):
        lines[number] = lines[number][:40] + damage + lines[number][40:]
    path.write_bytes(b"\n".join(lines))
    raw = sample.source.read(path, engine)
    faults = {line["row"]: line["reason"] for line in rows_of(raw.rejected)}
    assert faults.keys() == {2, 3, len(sample.lines)}  # the last is the sample's own
    assert faults[2] == faults[3] == "not UTF-8 text"
    assert raw.rows_in == sample.rows_in
    assert not {2, 3} & {line["row"] for line in rows_of(raw.events)}


def test_another_format_is_no_such_log(sample, engine, tmp_path):
    """A source that is given another one's log raises, or rejects each row."""
    path = tmp_path / sample.name
    path.write_text("a,b\n1,2\n" if path.suffix == ".csv" else '{"a": 1}\n{"b": 2}\n')
    with pytest.raises(SourceError, match=r"missing|needed|none of|malformed"):
        prepare(sample.source.read(path, engine), EventsConfig(), b"key")


def test_files_of_a_pattern_keep_their_rows_apart(sample, engine, tmp_path):
    """At any depth, and of one name."""
    for day in ("day=1", "day=2"):
        (tmp_path / day).mkdir()
        sample.write(tmp_path / day)
    second = tmp_path / "day=2" / sample.name
    second.write_bytes(b"\n\n" + second.read_bytes())
    raw = sample.source.read(tmp_path / "day=?" / "*", engine)
    assert raw.rows_in == 2 * sample.rows_in
    # a source with event ids already knows the second copy of a whole row
    unread = [line for line in rows_of(raw.rejected) if line["reason"] != DUPLICATE]
    last = len(sample.lines)
    assert sorted((line["file"], line["row"]) for line in unread) == [
        (f"day=1:{sample.name}", last),
        (f"day=2:{sample.name}", last + 2),
    ]


@pytest.mark.parametrize("source", [Ga4Source(), SnowplowSource(), TableSource()])
def test_parquet_that_is_none_is_named(source, engine, tmp_path):
    (tmp_path / "log.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(SourceError, match=r"log\.parquet: cannot be read as parquet"):
        source.read(tmp_path, engine)
