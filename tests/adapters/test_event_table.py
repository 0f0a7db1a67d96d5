"""Any table as a log: the map of columns and events, kinds of files, times."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simpersona.adapters.sources.open import open_source
from simpersona.adapters.sources.table import TableSource
from simpersona.config import EventsConfig
from simpersona.config.file import config_toml, load_config, parse_config
from simpersona.config.source import FORMATS, SOURCES, TableSourceConfig
from simpersona.contracts import COLLECTIONS, EVENT_NAMES, EVENTS, PRODUCTS, Capabilities
from simpersona.errors import ConfigError, SourceError
from simpersona.events.prepare import prepare

COLUMNS = {"buyer_id": "user", "time": "ts", "event": "action", "product_id": "item.id", "price": "item.price",
           "title": "item.name"}  # fmt: skip
NAMES = {"view": "product_viewed", "cart": "product_added_to_cart", "banner": "ignored"}
ROWS = [
    {"user": 1, "ts": 1709294400, "action": "view", "item": {"id": "a", "price": 2.5, "name": "Äpfel"}},
    {"user": 1, "ts": 1709294401, "action": "banner", "item": None},
    {"user": 2, "ts": 1709294402, "action": "cart", "item": {"id": "b", "price": None, "name": None}},
    {"user": None, "ts": 1709294403, "action": "view", "item": {"id": "b", "price": 1.0, "name": None}},
    {"user": 2, "ts": None, "action": "odd", "item": None},
]


def rows_of(table):
    return table.to_pyarrow().to_pylist()


def write(folder, kind):
    """ROWS as a file of that kind; the map has to say where the nested fields of a CSV are."""
    flat = [{"user": row["user"], "ts": row["ts"], "action": row["action"],
             **{f"item.{name}": (row["item"] or {}).get(name) for name in ("id", "price", "name")}}
            for row in ROWS]  # fmt: skip
    path = folder / f"log.{kind}"
    if kind.startswith("parquet"):
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    elif kind.startswith("jsonl"):
        path.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    else:
        sign = "\t" if kind.startswith("tsv") else "|"
        lines = [sign.join(flat[0])] + [sign.join("" if v is None else str(v) for v in row.values()) for row in flat]
        text = "\n".join(lines).encode()
        path.write_bytes(gzip.compress(text) if kind.endswith("gz") else text)
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv.gz", "jsonl", "parquet"])
def test_the_same_rows_in_files_of_any_kind(engine, tmp_path, kind):
    path = write(tmp_path, kind)
    raw = TableSource(COLUMNS, NAMES, shop="mine", time_format="s").read(path, engine)
    first = 2 if kind in {"csv", "tsv.gz"} else 1  # the header is a row
    events = sorted(rows_of(raw.events), key=lambda line: line["row"])
    told = ("row", "buyer_id", "event", "product_id", "price", "shop_id")
    assert [tuple(line[name] for name in told) for line in events] == [
        (first, "1", "product_viewed", "a", 2.5, "mine"),
        (first + 2, "2", "product_added_to_cart", "b", None, "mine"),
        (first + 3, None, "product_viewed", "b", 1.0, "mine"),
        (first + 4, "2", "odd", None, None, "mine"),
    ]
    assert events[0]["time"] == datetime(2024, 3, 1, 12, tzinfo=UTC)
    assert [(line["row"], line["reason"]) for line in rows_of(raw.rejected)] == [(first + 1, "ignored: banner")]
    assert raw.has == Capabilities(has_price=True, has_text=True)
    assert [(line["product_id"], line["title"]) for line in rows_of(raw.products)] == [
        ("a", "Äpfel"),
        ("b", "product b"),
    ]
    prepared = prepare(raw, EventsConfig(max_rejected_share=0.5), b"key")
    assert prepared.quality["reasons"] == {
        "buyer_id is missing": 1,
        "ignored: banner": 1,
        "time is missing or unreadable": 1,
    }
    assert (prepared.quality["rows_in"], prepared.quality["rows_kept"]) == (5, 2)


def test_a_table_in_our_shape_needs_no_map(engine, tmp_path):
    events = EVENTS.sample(40, event=list(EVENT_NAMES[1:]) * 5)
    for part, name in enumerate(("SHOP-0000.parquet", "SHOP-0001.parquet")):
        rows = events.slice(part * 20, 20).drop_columns("session_id")
        pq.write_table(rows.append_column("seq", pa.array(range(20), pa.int64())), tmp_path / name)
    products = PRODUCTS.sample(3, shop_id=["shop_id-0"] * 3)
    pq.write_table(products, tmp_path / "products.parquet")
    pq.write_table(COLLECTIONS.sample(2), tmp_path / "collections.parquet")
    raw = TableSource().read(tmp_path, engine)
    read = raw.events.to_pyarrow()
    keys = [("time", "ascending"), ("buyer_id", "ascending")]
    same = [name for name in EVENTS.columns if name != "session_id"]
    assert read.select(same).cast(events.select(same).schema).sort_by(keys).equals(events.select(same).sort_by(keys))
    assert sorted(zip(*read.select(["file", "row", "seq"]).to_pydict().values(), strict=True)) == [
        (name, row + 1, row) for name in ("SHOP-0000.parquet", "SHOP-0001.parquet") for row in range(20)
    ]
    assert raw.rows_in == 40
    assert raw.has == Capabilities(True, True, True, True, has_session=False, has_text=True)
    assert raw.products.to_pyarrow().equals(products.sort_by("product_id"))


@pytest.mark.parametrize(
    ("form", "zone", "given", "hour"),
    [
        ("iso", "UTC", "2024-07-01T12:00:00", 12),
        ("iso", "Europe/Berlin", "2024-07-01 12:00", 10),
        ("iso", "Europe/Berlin", "2024-07-01T12:00:00+05:30", 6),
        ("iso", "Europe/Berlin", "2024-07-01T12:00:00Z", 12),
        ("iso", "Europe/Berlin", "2024-01-01T12:00:00", 11),
        ("s", "Europe/Berlin", "1719835200", 12),
        ("s", "UTC", "1719835200.25", 12),
        ("ms", "UTC", "1719835200123", 12),
        ("us", "UTC", "1719835200123456", 12),
        ("%d.%m.%Y %H:%M", "Europe/Berlin", "01.07.2024 12:00", 10),
        ("%d/%b/%Y:%H:%M:%S %z", "Europe/Berlin", "01/Jul/2024:12:00:00 -0300", 15),
    ],
)
def test_times(engine, tmp_path, form, zone, given, hour):
    (tmp_path / "log.csv").write_text(f"buyer_id,time,event\nu,{given},page_viewed\n")
    (line,) = rows_of(TableSource(time_format=form, time_zone=zone).read(tmp_path, engine).events)
    assert line["time"].hour == hour


@pytest.mark.parametrize(
    ("form", "zone", "given", "right"),
    [
        ("iso", "UTC", "soon", "2024-07-01"),
        ("iso", "Europe/Berlin", "", "2024-07-01"),
        ("s", "UTC", "1e300", "1719835200"),
        ("ms", "UTC", "nan", "1719835200123"),
        ("%d.%m.%Y", "UTC", "31.02.2024", "01.07.2024"),
    ],
)
def test_a_time_that_cannot_be_read_beside_others_is_missing(engine, tmp_path, form, zone, given, right):
    rows = "".join(f"u{number},{time},page_viewed\n" for number, time in enumerate((right, given, right)))
    (tmp_path / "log.csv").write_text(f"buyer_id,time,event\n{rows}")
    read = rows_of(TableSource(time_format=form, time_zone=zone).read(tmp_path, engine).events)
    assert {line["buyer_id"] for line in read if line["time"] is None} == {"u1"}


def test_times_of_parquet_without_a_zone(engine, tmp_path):
    moment = datetime(2024, 7, 1, 12)  # noqa: DTZ001 (that is the point)
    pq.write_table(pa.table({"buyer_id": ["u"], "time": [moment], "event": ["page_viewed"]}), tmp_path / "log.parquet")
    (line,) = rows_of(TableSource(time_zone="Europe/Berlin").read(tmp_path, engine).events)
    assert line["time"] == datetime(2024, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_wrong_column_is_named_with_the_closest(engine, tmp_path, kind):
    path = write(tmp_path, kind)
    with pytest.raises(SourceError) as error:
        TableSource(columns=COLUMNS | {"order_id": "acton"}).read(path, engine)
    message = str(error.value)
    assert "source.columns.order_id names the column 'acton', which is not there. Found: user, ts, action" in message
    assert "Did you mean 'action'? Set [source.columns] order_id = \"action\"" in message
    with pytest.raises(SourceError, match="there is no column 'buyer_id', which is needed"):
        TableSource(columns={"time": "ts", "event": "action"}).read(path, engine)


def test_events_without_a_map_are_named(engine, tmp_path):
    said = r"Found: 'view' \(2 rows\), .* order_refunded, order_cancelled\. .*\[source\.events\]: \"its name in the log\" = \"product_viewed\""
    with pytest.raises(SourceError, match=said):
        TableSource(columns=COLUMNS).read(write(tmp_path, "csv"), engine)


def test_constants_and_the_star(engine, tmp_path):
    (tmp_path / "orders.csv").write_text("who,when,sku\nu,2024-01-01,p\nu,2024-01-02,\n")
    columns = {"buyer_id": "who", "time": "when", "event": "=sale", "product_id": "sku", "shop_id": "=corner"}
    raw = TableSource(columns=columns, events={"*": "checkout_completed"}).read(tmp_path, engine)
    assert [(line["shop_id"], line["event"], line["product_id"]) for line in rows_of(raw.events.order_by("row"))] == [
        ("corner", "checkout_completed", "p"),
        ("corner", "checkout_completed", None),
    ]
    assert raw.has == Capabilities(has_cart=False)


def test_files_of_several_kinds_and_unknown_ones_are_named(engine, tmp_path):
    write(tmp_path, "csv")
    write(tmp_path, "parquet")
    with pytest.raises(SourceError, match="files of several kinds, such as"):
        TableSource().read(tmp_path, engine)
    (tmp_path / "log.xlsx").write_bytes(b"x")
    with pytest.raises(SourceError, match=r"log.xlsx: not known by the end of its name. Expected .csv"):
        TableSource().read(tmp_path / "log.xlsx", engine)


def test_the_settings_of_a_config(engine, tmp_path):
    path = write(tmp_path, "jsonl")
    source = {"format": "table", "path": str(path), "shop": "mine", "columns": COLUMNS, "events": NAMES}
    raw = open_source(parse_config({"source": source | {"time_format": "s"}}).source).read(path, engine)
    assert raw.events.count().to_pyarrow().as_py() == 4


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"columns": {"buyer": "user"}}, "source.columns.buyer"),
        ({"events": {"view": "viewed"}}, "source.events.view"),
        ({"time_format": "epoch"}, "source.time_format"),
        (
            {"shop_by": "none"},
            "source.shop_by: a setting of the formats rees46, retailrocket; the format here is .table",
        ),
        ({"colour": "red"}, "source.colour: no such setting"),
    ],
)
def test_a_wrong_setting_is_named(setting, words):
    with pytest.raises(ConfigError, match=words):
        parse_config({"source": {"format": "table"} | setting})


def test_all_wrong_settings_of_a_source_are_listed_with_where_they_belong():
    source = {"format": "shopify", "shop_by": "none", "time_zone": "Europe/Berlin", "shop": "", "path": 3}
    with pytest.raises(ConfigError) as error:
        parse_config({"source": source, "sead": 1})
    first, *lines, last = str(error.value).splitlines()
    assert first == "config: 5 wrong setting(s)"
    assert {line.split(":")[0].strip() for line in lines} == {
        *(f"source.{name}" for name in ("shop_by", "time_zone", "shop", "path")),
        "sead",
    }
    assert "a setting of the formats table, amplitude, mixpanel, otto, taobao; the format here is" in str(error.value)
    assert "\"shopify\". (found 'Europe/Berlin')" in str(error.value)
    assert last.startswith("Settings and their defaults")


@pytest.mark.parametrize("name", ["shopfy", 3, None])
def test_an_unknown_format_is_named_with_the_closest(name):
    with pytest.raises(ConfigError, match=r"source.format: .* expected lab, shopify, .* or an import path") as error:
        parse_config({"source": {"format": name}})
    assert ("Did you mean 'shopify'?" in str(error.value)) == (name == "shopfy")


def test_defaults_of_other_formats_are_ignored():
    """The configs of older runs and packs list the settings of all formats."""
    older = {"format": "lab", "shop_by": "category_root", "time_format": "iso", "columns": {}, "events": {}}
    assert parse_config({"source": older}) == parse_config({"source": {"format": "lab"}})


@pytest.mark.parametrize("name", FORMATS)
def test_init_writes_what_a_format_needs(name, tmp_path):
    settings = parse_config({"source": {"format": name} | SOURCES[name].example})
    path = tmp_path / "settings.toml"
    path.write_text(config_toml(settings, comments=True), encoding="utf-8")
    told = path.read_text(encoding="utf-8")
    is_table = isinstance(settings.source, TableSourceConfig)
    assert ("[source.columns]" in told, "time_zone" in told.split("[lab]")[0]) == (is_table,) * 2
    assert ("shop_by" in told) == (name in {"rees46", "retailrocket"})
    read = load_config(path)
    assert read.source.model_dump(exclude={"path"}) == settings.source.model_dump(exclude={"path"})
    adapter = "table" if is_table else {"lab": "shopify"}.get(name, name)
    assert type(open_source(read.source)).__name__.lower().startswith(adapter)


def test_the_lines_of_an_order_are_one_event(engine, tmp_path):
    """As in the lab's parquet, where its JSON lines have one line for the order."""
    header = "buyer_id,time,event,product_id,price,order_id,seq"
    rows = [
        "u,2024-03-01T12:00:00Z,product_viewed,p1,2,,0",
        "u,2024-03-01T12:01:00Z,checkout_completed,p1,2,o1,1",
        "u,2024-03-01T12:01:00Z,checkout_completed,p2,3,o1,1",
        "u,2024-03-01T12:02:00Z,checkout_completed,p3,4,,2",  # lines without an order's id are events of their own,
        "u,2024-03-01T12:02:00Z,checkout_completed,p4,5,,3",  # though one order (REFERENCE 5)
        "u,2024-03-02T12:00:00Z,checkout_completed,p1,2,o1,0",  # told again another day
        "u,2024-03-02T12:00:00Z,checkout_completed,p2,3,o1,0",
    ]
    (tmp_path / "log.csv").write_text("\n".join([header, *rows]))
    prepared = prepare(TableSource().read(tmp_path / "log.csv", engine), EventsConfig(), b"key")
    first, second = rows_of(prepared.sessions)
    told = ("event_count", "purchase_count", "order_value")
    assert [tuple(session[name] for name in told) for session in (first, second)] == [(4, 2, 14.0), (1, 0, 0.0)]
    assert prepared.quality["rows_kept"] == 7
