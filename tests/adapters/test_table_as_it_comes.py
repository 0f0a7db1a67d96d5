"""Tables as exports give them: headerless, in other encodings, nested, partitioned, packed in any way."""

from __future__ import annotations

import gzip
import json
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simpersona.adapters.sources.ga4 import Ga4Source
from simpersona.adapters.sources.segment import SegmentSource
from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.adapters.sources.snowplow import SnowplowSource
from simpersona.adapters.sources.table import TableSource
from simpersona.config import EventsConfig
from simpersona.config.file import parse_config
from simpersona.contracts import PRODUCTS
from simpersona.errors import ConfigError, SourceError
from simpersona.events.prepare import prepare

COLUMNS = {"buyer_id": "user", "time": "ts", "event": "action", "product_id": "item"}
NAMES = {"view": "product_viewed", "buy": "checkout_completed"}
ALL = EventsConfig(max_rejected_share=1, keep_ids=True)


def kept(source, path, engine):
    """(row, buyer, event, product) of each event that is kept, after checking that every row is accounted for."""
    raw = source.read(path, engine)
    prepared = prepare(raw, ALL, b"key")
    quality = prepared.quality
    assert quality["rows_in"] == quality["rows_kept"] + quality["rows_rejected"]
    events = raw.events.filter(raw.events.event.notnull() & raw.events.time.notnull()).order_by("file", "row")
    lines = events.to_pyarrow().to_pylist()
    return [(line["row"], line["buyer_id"], line["event"], line["product_id"]) for line in lines]


def rejected(source, path, engine):
    lines = prepare(source.read(path, engine), ALL, b"key").rejected.to_pyarrow().to_pylist()
    return [(line["row"], line["reason"]) for line in lines]


BODY = [("u1", "2024-03-01 12:00:00", "view", "p1"), ("u2", "2024-03-01 12:01:00", "buy", "p2")]
KEPT = [(1, "u1", "product_viewed", "p1"), (2, "u2", "checkout_completed", "p2")]


@pytest.mark.parametrize("name", ["log.csv", "log.dat", "LOG.TXT", "log.tsv.gz", "log.CSV.GZ", "log.csv.zip"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_csv_without_a_header(engine, tmp_path, name, separator):
    text = "\n".join(map(separator.join, BODY)).encode()
    path = tmp_path / name
    if name.lower().endswith(".gz"):
        text = gzip.compress(text)
    path.write_bytes(text)
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inner", text)
    header = ["user", "ts", "action", "item"]
    source = TableSource(columns=COLUMNS, events=NAMES, header=header)
    assert kept(source, path, engine) == kept(source, tmp_path, engine) == KEPT


def test_a_given_header_that_is_there_too_is_no_row(engine, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,ts,action,item\n" + "\n".join(map(",".join, BODY)))
    source = TableSource(columns=COLUMNS, events=NAMES, header=("user", "ts", "action", "item"))
    assert kept(source, path, engine) == [(row + 1, *rest) for row, *rest in KEPT]


def test_a_missing_header_is_recognised(engine, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("\n".join(map(",".join, BODY)))
    with pytest.raises(SourceError, match=r"first line looks like a row.*source\.header"):
        TableSource(columns=COLUMNS).read(path, engine)


def test_rows_of_another_width_than_the_header_are_rejected(engine, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("u1,2024-03-01,view\nu2,2024-03-01,view,p1\n")
    source = TableSource(columns=COLUMNS, events=NAMES, header=["user", "ts", "action", "item"])
    assert rejected(source, path, engine) == [(1, "expected 4 fields, found 3")]


MESSY = (
    'sep=;\r\nuser;ts;action;item;title\r\nu1;2024-03-01 12:00:00;view;p1;"Two\r\n\r\nlines; and ""more"""\r\n'
    'u2;2024-03-01 12:01:00;buy;p2;Größe\r\nu3;2024-03-01 12:02:00;view;"p3;x";"a\r\nb"\r\n'
)


@pytest.mark.parametrize(
    ("encoding", "named"), [("utf-8", None), ("utf-8-sig", None), ("utf-16", None), ("cp1252", "cp1252")]
)
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_what_a_spreadsheet_writes(engine, tmp_path, encoding, named, end):
    path = tmp_path / "log.csv"
    path.write_bytes(MESSY.replace("\r\n", end).encode(encoding))
    source = TableSource(columns=COLUMNS, events=NAMES, encoding=named)
    assert kept(source, path, engine) == [
        (3, "u1", "product_viewed", "p1"),
        (6, "u2", "checkout_completed", "p2"),
        (7, "u3", "product_viewed", "p3;x"),
    ]
    assert rejected(source, path, engine) == []
    titles = {line["product_id"]: line["title"] for line in source.read(path, engine).products.to_pyarrow().to_pylist()}
    inner = "\r\n" if end == "\r\n" and encoding == "never" else "\n"
    assert titles == {"p1": f'Two{inner}{inner}lines; and "more"', "p2": "Größe", "p3;x": f"a{inner}b"}


def test_many_lines_of_another_encoding_stop_with_its_name(engine, tmp_path):
    path = tmp_path / "log.csv"
    lines = [
        f"u{number},2024-03-01 12:00:00,view,p{number},{'Hülle' if number % 20 == 0 else 'Hose'}"
        for number in range(400)
    ]
    path.write_bytes("\n".join(["user,ts,action,item,title", *lines]).encode("cp1252"))
    with pytest.raises(
        SourceError, match=r'20 of its 401 line\(s\) are not.*may be cp1252.*source\.encoding = "cp1252"'
    ):
        TableSource(columns=COLUMNS, events=NAMES).read(path, engine)
    assert len(kept(TableSource(columns=COLUMNS, events=NAMES, encoding="cp1252"), path, engine)) == 400
    # the named encoding is right: what is not of it is damage
    assert len(rejected(TableSource(columns=COLUMNS, events=NAMES, encoding="utf-8"), path, engine)) == 20


def test_a_few_damaged_lines_are_rejected(engine, tmp_path):
    path = tmp_path / "log.csv"
    lines = [f"u{number},2024-03-01 12:00:00,view,p{number}".encode() for number in range(400)]
    lines[7] = lines[7] + b"\xff"
    path.write_bytes(b"\n".join([b"user,ts,action,item", *lines]))
    assert rejected(TableSource(columns=COLUMNS, events=NAMES), path, engine) == [(9, "not UTF-8 text")]


def test_a_wrong_encoding_is_named():
    with pytest.raises(ConfigError, match=r"source\.encoding: .*no such encoding of text"):
        parse_config({"source": {"format": "table", "encoding": "cp125x"}})


SESSIONS = [
    {"session": 1, "events": [{"ts": 1709294400000, "what": {"type": "view"}, "aid": "p1"},
                              {"ts": 1709294401000, "what": {"type": "buy"}, "aid": "p1"}]},
    {"session": 2, "events": []},
    {"session": 3, "events": [{"ts": 1709294400000, "what": {"type": "view"}, "aid": "p1"}]},
    {"session": 4},
]  # fmt: skip
NESTED = {"buyer_id": "session", "time": "events.ts", "event": "events.what.type", "product_id": "events.aid"}


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])
@pytest.mark.parametrize("records", ["events", None])
def test_entries_of_a_list_are_rows(engine, tmp_path, kind, records):
    path = tmp_path / f"log.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(SESSIONS), path)
    else:
        path.write_text(json.dumps(SESSIONS) if kind == "json" else "\n".join(map(json.dumps, SESSIONS)))
    source = TableSource(columns=NESTED, events=NAMES, time_format="ms", records=records)
    assert kept(source, path, engine) == [
        (1, "1", "product_viewed", "p1"),
        (2, "1", "checkout_completed", "p1"),
        (4, "3", "product_viewed", "p1"),  # equal to the first, but of another session
    ]
    assert rejected(source, path, engine) == [(3, "ignored: an empty list events"), (5, "no list events")]
    said = source.read(path, engine).warnings
    assert len(said) == (records is None)
    assert all("source.records = 'events'" in sentence for sentence in said)


def test_entries_that_repeat_are_duplicates_and_those_that_are_none_are_rejected(engine, tmp_path):
    entry = {"ts": 1709294400000, "what": {"type": "view"}, "aid": "p1"}
    path = tmp_path / "log.jsonl"
    path.write_text(
        json.dumps({"session": 1, "events": [entry, entry, 5, None, {"ts": "never", "what": {"type": "view"}}]})
    )
    source = TableSource(columns=NESTED, events=NAMES, time_format="ms", records="events")
    assert rejected(source, path, engine) == [
        (2, "exact duplicate"),
        (3, "not a JSON object"),
        (4, "not a JSON object"),
        (5, "time is missing or unreadable"),
    ]


def test_a_list_deeper_inside_and_one_that_is_not_there(engine, tmp_path):
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"data": {"rows": [{"u": "a", "t": "2024-03-01", "e": "view"}]}}, indent=1))
    columns = {"buyer_id": "data.rows.u", "time": "data.rows.t", "event": "data.rows.e"}
    assert kept(TableSource(columns=columns, events=NAMES, records="data.rows"), path, engine) == [
        (1, "a", "product_viewed", None)
    ]
    path.with_name("log.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"source\.records names a list of JSON or parquet"):
        TableSource(columns={"buyer_id": "a", "time": "b", "event": "b"}, records="x").read(
            path.with_name("log.csv"), engine
        )


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "csv.gz"])
def test_folders_of_partitions_are_columns(engine, tmp_path, kind):
    folders = {
        "country=DE/day=2024-03-01": "u1",
        "country=DE/day=2024-03-02": "u2",
        "country=S%20A/day=2024-03-02": "u3",
    }
    for folder, user in folders.items():
        path = tmp_path / folder / f"part-0.{kind}"
        path.parent.mkdir(parents=True)
        row = {"user": user, "action": "view", "item": "p"}
        if kind == "parquet":
            pq.write_table(pa.Table.from_pylist([row]), path)
        elif kind == "jsonl":
            path.write_text(json.dumps(row))
        else:
            text = f"{','.join(row)}\n{','.join(row.values())}\n".encode()
            path.write_bytes(gzip.compress(text) if kind == "csv.gz" else text)
    title = {"shop_id": "x", "product_id": "p", "title": "Shirt", "text": "Shirt"}
    pq.write_table(pa.Table.from_pylist([title], PRODUCTS.schema), tmp_path / "products.parquet")
    columns = COLUMNS | {"time": "day", "shop_id": "country"}
    source = TableSource(columns=columns, events=NAMES)
    for path in (tmp_path, tmp_path / "country=*" / "day=*" / f"part-*.{kind}"):
        raw = source.read(path, engine)
        lines = raw.events.order_by("buyer_id").to_pyarrow().to_pylist()
        assert [(line["shop_id"], line["buyer_id"], line["time"].day) for line in lines] == [
            ("DE", "u1", 1),
            ("DE", "u2", 2),
            ("S A", "u3", 2),
        ]
        assert lines[0]["file"] == f"country=DE:day=2024-03-01:part-0.{kind}"
        assert raw.products.title.to_pyarrow().to_pylist() == ["Shirt"]
    (one,) = source.read(tmp_path / "country=DE" / "day=2024-03-01", engine).events.to_pyarrow().to_pylist()
    assert (one["shop_id"], one["time"].day) == ("DE", 1)


def test_rows_that_differ_in_their_folders_only_are_no_duplicates(engine, tmp_path):
    for day in (1, 2):
        path = tmp_path / f"day=2024-03-0{day}" / "log.csv"
        path.parent.mkdir()
        path.write_text("user,action\nu1,view\nu1,view\n")
    source = TableSource(columns=COLUMNS | {"time": "day", "product_id": "=p"}, events=NAMES)
    assert rejected(source, tmp_path, engine) == [(3, "exact duplicate")] * 2


def test_a_column_of_the_file_goes_before_one_of_its_folder(engine, tmp_path):
    path = tmp_path / "user=folder" / "x=__HIVE_DEFAULT_PARTITION__" / "log.csv"
    path.parent.mkdir(parents=True)
    path.write_text("user,ts,action\nfile,2024-03-01,view\n")
    columns = {"buyer_id": "user", "time": "ts", "event": "action", "product_id": "x"}
    assert kept(TableSource(columns=columns, events=NAMES), tmp_path, engine) == [(2, "file", "product_viewed", None)]


def test_an_archive_is_known_by_the_files_in_it(engine, tmp_path):
    path = tmp_path / "export.zip"
    rows = [dict(zip(("user", "ts", "action", "item"), row, strict=True)) for row in BODY]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1/a.json.gz", gzip.compress(json.dumps(rows[0]).encode()))
        archive.writestr("1/b.json.gz", gzip.compress(json.dumps(rows[1:]).encode()))
    source = TableSource(columns=COLUMNS, events=NAMES)
    assert kept(source, path, engine) == kept(source, tmp_path, engine) == [(1, *row[1:]) for row in KEPT]


def test_a_file_or_a_line_of_utf_8_beside_the_named_encoding(engine, tmp_path):
    """Exports of several years lie in one folder."""
    lines = [f"u{n},2024-03-01 12:00:0{n},view,p{n},{title}" for n, title in enumerate(["Müsli", "Käse", "Öl €"])]
    header = "user,ts,action,item,title"
    (tmp_path / "a.csv").write_bytes("\n".join([header, *lines]).encode())
    older = "\n".join([header, *(line.replace(",p", ",q") for line in lines)])
    (tmp_path / "b.csv").write_bytes(older.encode("cp1252") + b"\n" + "u9,2024-03-01 12:00:09,view,q9,Öl".encode())
    raw = TableSource(columns=COLUMNS, events=NAMES, encoding="cp1252").read(tmp_path, engine)
    titles = {line["product_id"]: line["title"] for line in raw.products.to_pyarrow().to_pylist()}
    right = dict(enumerate(["Müsli", "Käse", "Öl €"]))
    assert titles == {f"{kind}{n}": title for n, title in right.items() for kind in "pq"} | {"q9": "Öl"}
    (tmp_path / "b.csv").write_bytes(older.encode("cp1252") + b"\nu9,2024-03-01 12:00:09,view,q9,\x81\n")
    assert rejected(TableSource(columns=COLUMNS, events=NAMES, encoding="cp1252"), tmp_path, engine) == [
        (5, "not cp1252 text")
    ]


def test_a_column_that_occurs_twice_is_not_guessed(engine, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,ts,action,item,title,title\nu,2024-03-01 12:00:00,view,p,a,b\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"log.csv, row 1: the column\(s\) title occur more than once"):
        TableSource(columns=COLUMNS, events=NAMES).read(path, engine)
    path.write_text("user,ts,action,item,x,x\nu,2024-03-01 12:00:00,view,p,a,b\n", encoding="utf-8")
    assert len(kept(TableSource(columns=COLUMNS, events=NAMES), path, engine)) == 1


@pytest.mark.parametrize(("products", "said"), [(["p1,p2", "p3"], 1), ([";p1;2;25.00,Pots;p 2;1;3", ";p1"], 2),
                                                (["Mug, blue", "gid://x/1"], 0), (["a|b"] + ["p"] * 200, 0)])  # fmt: skip
def test_lists_of_products_in_one_cell_are_said(engine, tmp_path, products, said):
    lines = [f'u,2024-03-01 12:00:00,view,"{product}"' for product in products]
    (tmp_path / "log.csv").write_text("\n".join(["user,ts,action,item", *lines]), encoding="utf-8")
    raw = TableSource(columns=COLUMNS, events=NAMES).read(tmp_path / "log.csv", engine)
    found = [warning for warning in raw.warnings if "look like lists" in warning]
    assert [warning.split()[0] for warning in found] == ([str(said)] if said else [])


PIXEL = {"id": "e", "name": "page_viewed", "clientId": "c", "timestamp": "2024-03-01T12:00:00Z"}
GA4 = {"event_name": "page_view", "event_timestamp": "1709294400000000", "user_pseudo_id": "c"}
CALL = {"type": "page", "name": "Home", "messageId": "m", "anonymousId": "c", "timestamp": "2024-03-01T12:00:00Z"}
SNOW = {"event_id": "e", "event": "page_view", "domain_userid": "c", "derived_tstamp": "2024-03-01T12:00:00Z"}


@pytest.mark.parametrize(
    ("source", "line", "identity"),
    [(ShopifySource(shop="s"), PIXEL, "id"), (Ga4Source(shop="s"), GA4, "event_timestamp"), (SegmentSource(shop="s"), CALL, "messageId"),
     (SnowplowSource(shop="s"), SNOW, "event_id")],
)  # fmt: skip
@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_is_read_by_every_importer_of_json(engine, tmp_path, source, line, identity, indent):
    lines = [line, line | {identity: str(line[identity])[:-1] + "1"}]
    path = tmp_path / "part=1" / "export.JSON"
    path.parent.mkdir()
    path.write_text(json.dumps(lines, indent=indent))
    assert kept(source, tmp_path, engine) == [(1, "c", "page_viewed", None), (2, "c", "page_viewed", None)]
