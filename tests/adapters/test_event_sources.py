"""One suite over every event source, then what is special to each."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from simpersona.adapters.engine_duckdb import connect
from simpersona.adapters.events_rees46 import Rees46Source
from simpersona.adapters.events_shopify import ShopifySource
from simpersona.config import EventsConfig
from simpersona.contracts import COLLECTIONS, EVENTS, PRODUCTS, PROVENANCE, REJECTED, Capabilities
from simpersona.errors import SourceError
from simpersona.events.prepare import prepare

HEADER = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
REES46_LINES = [
    HEADER,
    "2019-10-01 00:00:00 UTC,view,1,9,electronics.smartphone,apple,10.50,u1,s1",
    "2019-10-01 00:00:05 UTC,cart,1,9,electronics.smartphone,apple,10.50,u1,s1",
    "2019-10-01 00:00:06 UTC,remove_from_cart,1,9,electronics.smartphone,apple,10.50,u1,s1",
    "",
    "2019-10-01 00:00:09 UTC,purchase,2,9,,,20,u1,s1",
    "2019-10-01 00:00:09 UTC,purchase,2,9",
]


def variant(number, price="10.00"):
    return {
        "id": f"v{number}",
        "price": {"amount": price, "currencyCode": "USD"},
        "product": {"id": f"p{number}", "title": f"Shirt {number}", "vendor": "Acme", "type": "shirts"},
        "title": "M",
        "sku": None,
    }


def pixel(name, data=None, **other):
    place = {"document": {"location": {"href": "https://acme.example/x?y"}, "title": "Acme"}}
    line = {"id": name, "name": name, "clientId": "c1", "timestamp": "2024-03-01T12:00:00.500Z", "seq": 1}
    return line | {"type": "standard", "shop": "acme", "context": place, "data": data} | other


SHOPIFY_LINES = [
    json.dumps(line)
    for line in (
        pixel("page_viewed"),
        pixel("product_viewed", {"productVariant": variant(1)}),
        pixel("checkout_completed", {"checkout": {"lineItems": [{"variant": variant(1)}, {"variant": variant(2)}]}}),
    )
] + ["", '{"cut": "of']

SOURCES = {
    "rees46": (Rees46Source(), "log.csv", REES46_LINES, 5),
    "shopify": (ShopifySource(), "log.jsonl", SHOPIFY_LINES, 4),
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


@pytest.mark.parametrize("damage", [b"\xff", b"\0", b"\xc3\x28"])
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
    assert sorted((line["file"], line["row"]) for line in rows_of(raw.rejected)) == [
        (f"another-{path.name}", last + 2),
        (path.name, last),
    ]


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


@pytest.fixture
def read_pixels(engine, tmp_path):
    def read(*lines):
        path = tmp_path / "shop.jsonl"
        path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
        return ShopifySource().read(tmp_path, engine)

    return read


def test_pixels_of_a_funnel(read_pixels):
    cart = {"cartLine": {"merchandise": variant(1, 12.5), "quantity": 2, "cost": {"totalAmount": {"amount": 25}}}}
    order = {
        "order": {"id": "o1"},
        "token": "t",
        "lineItems": [
            {"id": "1", "title": "Shirt 1", "quantity": 2, "variant": variant(1), "finalLinePrice": {"amount": "18.0"}},
            {"id": "2", "title": "Shirt 2", "quantity": 1, "variant": variant(2, 7)},
        ],
        "subtotalPrice": {"amount": "25.0"},
        "totalPrice": {"amount": 31.0},
    }
    raw = read_pixels(
        pixel("collection_viewed", {"collection": {"id": "c1", "title": "Shirts", "productVariants": [variant(3)]}}),
        pixel("search_submitted", {"searchResult": {"query": "red shirt", "productVariants": []}}),
        pixel("product_added_to_cart", cart),
        pixel("cart_viewed", {"cart": None}),
        pixel("checkout_started", {"checkout": order}),
        pixel("checkout_completed", {"checkout": order}),
    )
    events = sorted(rows_of(raw.events), key=lambda line: (line["row"], line["part"]))
    assert [line["event"] for line in events] == [
        "collection_viewed",
        "search_submitted",
        "product_added_to_cart",
        "cart_viewed",
        "checkout_started",
        "checkout_completed",
        "checkout_completed",
    ]
    collection, search, added, _, started, first, second = events
    assert collection["collection_id"] == "c1"
    assert search["query"] == "red shirt"
    assert (added["product_id"], added["price"], added["quantity"]) == ("p1", 12.5, 2)
    assert (started["order_id"], started["value"], started["product_id"]) == (None, None, None)
    assert (first["product_id"], first["price"], first["quantity"]) == ("p1", 9.0, 2)  # what was paid for one
    assert (second["product_id"], second["price"], second["quantity"]) == ("p2", 7.0, 1)
    assert {(line["order_id"], line["value"]) for line in (first, second)} == {("o1", 25.0)}  # before shipping
    assert first["time"] == datetime(2024, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    assert (first["shop_id"], first["buyer_id"], first["seq"]) == ("acme", "c1", 1)
    products = {line["product_id"]: line for line in rows_of(raw.products)}
    assert set(products) == {"p1", "p2", "p3"}
    assert products["p3"]["collection_ids"] == ["c1"]
    assert products["p1"]["text"] == "Shirt 1 Acme shirts"
    assert rows_of(raw.collections) == [{"shop_id": "acme", "collection_id": "c1", "title": "Shirts"}]


def test_pixels_with_little_in_them(read_pixels):
    """Nested values may be absent, null or of another kind; the shop is then the page's host."""
    raw = read_pixels(
        pixel("product_viewed", {"productVariant": None}, shop=None),
        pixel("product_viewed", {"productVariant": {"price": "cheap", "product": []}}),
        pixel("checkout_completed", {"checkout": {"lineItems": [], "token": "t", "subtotalPrice": {"amount": 5}}}),
        {"name": "page_viewed", "clientId": 7, "timestamp": "2024-03-01T12:00:00+01:00", "shop": "acme"},
    )
    by_row = {line["row"]: line for line in rows_of(raw.events)}
    assert by_row[1]["shop_id"] == "acme.example"
    assert (by_row[2]["product_id"], by_row[2]["price"]) == (None, None)
    assert (by_row[3]["order_id"], by_row[3]["value"], by_row[3]["product_id"]) == ("t", 5.0, None)
    assert (by_row[4]["buyer_id"], by_row[4]["time"]) == ("7", datetime(2024, 3, 1, 11, tzinfo=UTC))


def test_pixels_with_wild_numbers_and_kinds(read_pixels):
    cart = {"cartLine": {"merchandise": variant(1, -3), "quantity": 1e300}}
    raw = read_pixels(
        pixel("product_added_to_cart", cart, seq=1e300),
        pixel("checkout_completed", {"checkout": {"lineItems": "[not a list", "order": {"id": "o"}}}),
        pixel("checkout_completed", {"checkout": {"lineItems": [None, 3], "order": "o"}}),
    )
    by_row = {line["row"]: line for line in rows_of(raw.events)}
    assert (by_row[1]["seq"], by_row[1]["quantity"], by_row[1]["product_id"]) == (None, None, "p1")
    assert (by_row[2]["order_id"], by_row[2]["product_id"]) == ("o", None)
    assert by_row[3]["order_id"] is None
    (product,) = rows_of(raw.products)
    assert product["price"] is None


def test_pixels_set_aside(read_pixels):
    raw = read_pixels(
        pixel("page_viewed"),
        "not json",
        "[1, 2]",
        pixel("page_viewed", clientId=None),
        pixel(None),
        pixel("page_viewed", timestamp=""),
        pixel("clicked"),
        pixel("quiz_taken", type="custom"),
        pixel("page_viewed", timestamp="yesterday"),
    )
    prepared = prepare(raw, EventsConfig(max_rejected_share=0.99), b"key")
    assert [(line["row"], line["reason"]) for line in rows_of(prepared.rejected)] == [
        (2, "not JSON"),
        (3, "not a JSON object"),
        (4, "clientId is missing"),
        (5, "name is missing"),
        (6, "timestamp is missing"),
        (7, "ignored: clicked"),
        (8, "ignored: custom event"),
        (9, "time is missing or unreadable"),
    ]
    quality = prepared.quality
    assert (quality["rows_malformed"], quality["rows_ignored"], quality["rows_kept"]) == (6, 2, 1)
    assert quality["rejected_share"] == 6 / 9


def test_pixels_beside_a_catalogue(read_pixels, tmp_path):
    shop = {"shop_id": "acme", "product_id": "p1", "title": "Shirt", "text": "a shirt", "vendor": None}
    catalogue = PRODUCTS.empty().from_pylist([shop], PRODUCTS.schema)
    pq.write_table(catalogue, tmp_path / "products.parquet")
    raw = read_pixels(pixel("product_viewed", {"productVariant": variant(2)}))
    assert [line["title"] for line in rows_of(raw.products)] == ["Shirt"]
    assert rows_of(raw.collections) == []


@pytest.mark.parametrize("broken", ["columns", "bytes", "key"])
def test_a_broken_catalogue_is_named(read_pixels, tmp_path, broken):
    path = tmp_path / "products.parquet"
    rows = PRODUCTS.sample(2, shop_id=["a", "a"], product_id=["p", "p"])
    if broken == "bytes":
        path.write_bytes(b"PAR1 no")
    else:
        pq.write_table(rows.drop_columns("title") if broken == "columns" else rows, path)
    with pytest.raises(SourceError, match=r"products\.parquet: not a catalogue as expected"):
        read_pixels(pixel("page_viewed"))
