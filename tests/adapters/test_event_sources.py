"""One suite over every event source, then what is special to each."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime

import pytest

from simpersona.adapters.engine_duckdb import connect
from simpersona.adapters.events_ga4 import Ga4Source
from simpersona.adapters.events_rees46 import Rees46Source
from simpersona.adapters.events_segment import SegmentSource
from simpersona.adapters.events_shopify import ShopifySource
from simpersona.adapters.events_table import TableSource
from simpersona.config import EventsConfig
from simpersona.contracts import COLLECTIONS, EVENTS, PRODUCTS, PROVENANCE, REJECTED, Capabilities
from simpersona.errors import SourceError
from simpersona.events.cleaning import DUPLICATE
from simpersona.events.prepare import prepare

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

SOURCES = {
    "rees46": (Rees46Source(), "log.csv", REES46_LINES, 5),
    "shopify": (ShopifySource(), "log.jsonl", SHOPIFY_LINES, 4),
    "ga4": (Ga4Source(), "log.jsonl", GA4_LINES, 4),
    "segment": (SegmentSource(), "log.jsonl", SEGMENT_LINES, 4),
    "table of lines": (TableSource(), "log.csv", TABLE_LINES, 3),
    "table of objects": (TableSource(), "log.jsonl", TABLE_OBJECTS, 4),
}


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    return connect(tmp_path_factory.mktemp("engine"))


@pytest.fixture(params=SOURCES)
def sample(request, tmp_path):
    source, name, lines, rows = SOURCES[request.param]
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return source, path, rows


def rows_of(table):
    return table.to_pyarrow().to_pylist()


def test_tables_have_the_promised_shape(sample, engine):
    source, path, rows_in = sample
    raw = source.read(path, engine)
    assert set(raw.events.columns) == {*EVENTS.columns, *PROVENANCE.names}
    assert raw.rows_in == rows_in
    EVENTS.check(raw.events.to_pyarrow())
    PRODUCTS.check(raw.products.to_pyarrow())
    COLLECTIONS.check(raw.collections.to_pyarrow())
    rejected = REJECTED.check(raw.rejected.to_pyarrow()).to_pylist()
    (last,) = rejected
    assert last["file"] == path.name
    assert last["row"] == len(path.read_text().splitlines())
    whole = [line for line in rows_of(raw.events) if line["part"] == 0]
    assert len(whole) + len(rejected) == rows_in


def test_prepared_without_a_loss(sample, engine):
    source, path, rows_in = sample
    quality = prepare(source.read(path, engine), EventsConfig(max_rejected_share=0.5), b"key").quality
    assert quality["rows_in"] == rows_in == quality["rows_kept"] + quality["rows_rejected"]


def test_gzip_folders_and_line_ends_do_not_matter(sample, engine, tmp_path):
    source, path, rows_in = sample
    folder = tmp_path / "folder"
    folder.mkdir()
    text = path.read_text().replace("\n", "\r\n")
    (folder / f"{path.name}.gz").write_bytes(gzip.compress(text.encode()))
    raw = source.read(folder, engine)
    plain = source.read(path, engine)
    assert raw.rows_in == rows_in

    def facts(log):
        return sorted(str([line[name] for name in EVENTS.columns]) for line in rows_of(log.events))

    assert facts(raw) == facts(plain)


def test_a_missing_file_is_named(sample, engine, tmp_path):
    with pytest.raises(SourceError, match=r"gone.csv: no such file or folder. Expected .*source.path"):
        sample[0].read(tmp_path / "gone.csv", engine)


def test_a_folder_without_a_log_is_named(sample, engine, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"empty: the folder holds no"):
        sample[0].read(tmp_path / "empty", engine)


@pytest.mark.parametrize("content", [b"", b"\n  \n"])
def test_an_empty_file_is_named(sample, engine, content):
    source, path, _ = sample
    path.write_bytes(content)
    with pytest.raises(SourceError, match=rf"{path.name}: the file is empty"):
        source.read(path, engine)


def test_a_binary_file_is_named(sample, engine):
    source, path, _ = sample
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(SourceError, match=rf"{path.name}: cannot be read as lines of UTF-8 text"):
        source.read(path, engine)


@pytest.mark.parametrize("damage", [b"\xff", b"\0"])
def test_a_damaged_line_is_one_rejected_row(sample, engine, damage):
    source, path, rows_in = sample
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2][:40] + damage + lines[2][40:]
    path.write_bytes(b"\n".join(lines))
    raw = source.read(path, engine)
    faults = {line["row"]: line["reason"] for line in rows_of(raw.rejected)}
    assert faults[3] == "not UTF-8 text"
    assert len(faults) == 2  # the other is the sample's own
    assert raw.rows_in == rows_in
    assert 3 not in [line["row"] for line in rows_of(raw.events)]


def test_what_a_text_may_hold_spoils_no_line(sample, engine):
    """A byte order mark, a separator that no keyboard has, the replacement sign, a line of some megabytes."""
    source, path, rows_in = sample
    lines = path.read_text().split("\n")
    lines[1] = lines[1].replace("apple", "a\x1fp\ufffdle" + "e" * 3_000_000).replace('"type":', '"x":"\ufffd", "type":')
    lines[2] = lines[2].replace('"sku": null', '"sku": "' + "k" * 3_000_000 + '"')
    path.write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    raw = source.read(path, engine)
    assert raw.rows_in == rows_in
    assert [line["row"] for line in rows_of(raw.rejected)] == [len(lines) - 1]


def test_a_cut_off_archive_is_named(sample, engine):
    source, path, _ = sample
    broken = path.with_name(path.name + ".gz")
    broken.write_bytes(gzip.compress(path.read_bytes())[:-20])
    with pytest.raises(SourceError, match=r"\.gz: cannot be read to its end .* exported again"):
        source.read(broken, engine)


def test_several_files_keep_their_rows_apart(sample, engine, tmp_path):
    source, path, rows_in = sample
    (tmp_path / f"another-{path.name}").write_bytes(b"\n\n" + path.read_bytes())
    raw = source.read(tmp_path, engine)
    assert raw.rows_in == 2 * rows_in
    last = len(path.read_text().splitlines())
    # a source with event ids already knows the second copy of a whole row
    unread = [line for line in rows_of(raw.rejected) if line["reason"] != DUPLICATE]
    assert sorted((line["file"], line["row"]) for line in unread) == [
        (f"another-{path.name}", last + 2),
        (path.name, last),
    ]


def test_what_is_personal_stays_outside(sample, engine):
    source, path, _ = sample
    raw = source.read(path, engine)
    prepared = prepare(raw, EventsConfig(max_rejected_share=0.5), b"key")
    tables = {name: rows_of(getattr(prepared, name)) for name in ("events", "sessions", "rejected")}
    tables |= {"products": rows_of(raw.products), "collections": rows_of(raw.collections)}
    tables["raw events"] = [line | {"raw": None, "buyer_id": None} for line in rows_of(raw.events)]
    found = {(name, secret) for name, rows in tables.items() for secret in PERSONAL if secret in str(rows)}
    assert not found
    assert EMAIL in path.read_text()


def test_read_twice_gives_the_same(sample, engine, tmp_path):
    source, path, _ = sample
    one, two = source.read(path, engine), source.read(path, connect(tmp_path / "another"))
    for name in ("events", "rejected", "products", "collections"):
        tables = [sorted(map(str, rows_of(getattr(raw, name)))) for raw in (one, two)]
        assert tables[0] == tables[1]
    assert one.has == two.has


def test_another_format_is_no_such_log(sample, engine):
    """A source that is given another one's log raises, or rejects each row."""
    source, path, _ = sample
    path.write_text("a,b\n1,2\n" if path.suffix == ".csv" else '{"a": 1}\n{"b": 2}\n')
    with pytest.raises(SourceError, match=r"missing|needed|none of|malformed"):
        prepare(source.read(path, engine), EventsConfig(), b"key")


def test_a_pattern_takes_files_of_any_depth_and_one_name(sample, engine, tmp_path):
    source, path, rows_in = sample
    for day in ("day=1", "day=2"):
        (tmp_path / day).mkdir()
        (tmp_path / day / path.name).write_bytes(path.read_bytes())
    raw = source.read(tmp_path / "day=?" / "*", engine)
    assert raw.rows_in == 2 * rows_in
    assert {line["file"] for line in rows_of(raw.rejected)} == {f"day=1:{path.name}", f"day=2:{path.name}"}


def test_a_pattern_without_a_match_is_named(sample, engine, tmp_path):
    with pytest.raises(SourceError, match=r"no file matches this pattern. Expected .*source.path"):
        sample[0].read(tmp_path / "nothing-*.csv", engine)


def test_rees46_quoted_fields(engine, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        ",".join(f'"{name}"' for name in HEADER.split(","))
        + """
"2019-10-01 00:00:00 UTC","view","1","9","a.b","Marks, ""Sons"" & Co","1.5","u1","s1"
2019-10-01 00:00:00 UTC,view,2,9,,"one, two",1.5,u1,s1
2019-10-01 00:00:00 UTC,view,3,9,,5" tubes,1.5,u1,s1
2019-10-01 00:00:00 UTC,view,4,9,"a"b,brand,1.5,u1,s1
2019-10-01 00:00:00 UTC,view,5,9,,"open,1.5,u1,s1
"""
    )
    raw = Rees46Source("none").read(path, engine)
    vendors = {line["product_id"]: line["vendor"] for line in rows_of(raw.products)}
    # the last line's quote never ends: it is a part of the word, as it stands
    assert vendors == {"1": 'Marks, "Sons" & Co', "2": "one, two", "3": '5" tubes', "5": '"open'}
    (bad,) = rows_of(raw.rejected)
    assert (bad["row"], bad["reason"]) == (5, "a quoted field does not end before a comma")


def test_rees46_files_with_other_columns(engine, tmp_path):
    names = HEADER.split(",")
    row = REES46_LINES[1].split(",")
    (tmp_path / "a.csv").write_text("\n".join([HEADER, REES46_LINES[1]]))
    (tmp_path / "b.csv").write_text("\n".join([",".join(names[::-1]), ",".join(row[::-1])]))
    one, other = sorted(rows_of(Rees46Source().read(tmp_path, engine).events), key=lambda line: line["file"])
    assert {name: one[name] for name in EVENTS.columns} == {name: other[name] for name in EVENTS.columns}


def test_rees46_prices_that_cannot_be_are_not_in_the_catalogue(engine, tmp_path):
    path = tmp_path / "log.csv"
    rows = [f"2019-10-01 00:00:0{i} UTC,view,1,9,a,b,{price},u,s" for i, price in enumerate(["-5", "nan", "", "7"])]
    path.write_text("\n".join([HEADER, *rows]))
    (product,) = rows_of(Rees46Source().read(path, engine).products)
    assert product["price"] == 7


def test_rees46_events(engine, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("\n".join(REES46_LINES))
    raw = Rees46Source().read(path, engine)
    events = sorted(rows_of(raw.events), key=lambda line: line["row"])
    assert [line["event"] for line in events] == [
        "product_viewed",
        "product_added_to_cart",
        "product_removed_from_cart",
        "checkout_completed",
    ]
    assert [line["row"] for line in events] == [2, 3, 4, 6]
    assert [line["shop_id"] for line in events] == ["electronics"] * 3 + ["uncategorized"]
    first = events[0]
    assert (first["buyer_id"], first["session_id"], first["product_id"]) == ("u1", "s1", "1")
    assert (first["price"], first["quantity"], first["time"]) == (10.5, 1, datetime(2019, 10, 1, tzinfo=UTC))
    assert raw.has == Capabilities(has_price=True, has_session=True, has_text=True)
    assert {line["shop_id"] for line in rows_of(Rees46Source("none").read(path, engine).events)} == {"rees46"}
    known, bare = sorted(rows_of(raw.products), key=lambda line: line["shop_id"])
    assert (known["title"], known["text"]) == ("Apple smartphone 1", "apple electronics smartphone")
    assert (bare["title"], bare["product_type"], bare["collection_ids"]) == ("Product 2", None, [])


def test_rees46_columns_may_stand_in_another_order(engine, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user_id,user_session,event_time,event_type,product_id,category_code,brand,price\n"
                    "u,s,2019-10-01 00:00:00 UTC,view,1,a.b,x,1\n")  # fmt: skip
    (line,) = rows_of(Rees46Source().read(path, engine).events)
    assert (line["buyer_id"], line["shop_id"], line["price"]) == ("u", "a", 1.0)


def test_rees46_wrong_columns_are_named(engine, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("time,event_type,price\n1,2,3\n")
    with pytest.raises(SourceError) as error:
        Rees46Source().read(path, engine)
    message = str(error.value)
    assert "log.csv, row 1: missing column(s) event_time, product_id" in message
    assert "Found: time, event_type, price" in message
    assert "Expected: event_time, event_type" in message
