"""REES46's log, as published: columns, quotes, packing, dates, removals, many files."""

from __future__ import annotations

import gzip
import zipfile
from datetime import UTC, datetime

import pytest

from simpersona.adapters.sources.rees46 import Rees46Source
from simpersona.contracts import EVENTS, Capabilities
from simpersona.errors import SourceError

HEADER = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"

LINES = [
    HEADER,
    "2019-10-01 00:00:00 UTC,view,1,9,electronics.smartphone,apple,10.50,u1,s1",
    "2019-10-01 00:00:05 UTC,cart,1,9,electronics.smartphone,apple,10.50,u1,s1",
    "2019-10-01 00:00:06 UTC,remove_from_cart,1,9,electronics.smartphone,apple,10.50,u1,s1",
    "",
    "2019-10-01 00:00:09 UTC,purchase,2,9,,,20,u1,s1",
    "2019-10-01 00:00:09 UTC,purchase,2,9",
]


def rows_of(table):
    return table.to_pyarrow().to_pylist()


def line(second, kind="view", end=" UTC"):
    return f"2019-12-01 00:00:{second:02}{end},{kind},7,9,apparel.shoes,acme,5.00,u1,s1"


def facts(raw):
    """What was read, but for the name of the file."""
    table = raw.events.drop("file").order_by("time").to_pyarrow()
    return raw.rows_in, table.to_pylist()


def test_packed_as_published(engine, tmp_path):
    text = "\n".join([HEADER, line(1), line(2, "cart"), ""])
    plain, packed, archive = tmp_path / "2019-Dec.csv", tmp_path / "2019-Dec.csv.gz", tmp_path / "2019-Dec.csv.zip"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("2019-Dec.csv", text)
    logs = [Rees46Source().read(path, engine) for path in (plain, packed, archive)]
    assert [facts(log) for log in logs] == [facts(logs[0])] * 3
    assert logs[0].rows_in == 2
    assert set(logs[2].events.file.to_pyarrow().to_pylist()) == {"2019-Dec.csv.zip/2019-Dec.csv"}


def test_months_in_a_folder_and_in_an_archive(engine, tmp_path):
    months = {"2019-Nov.csv": [line(1), line(2)], "2019-Dec.csv": [line(3), "cut,off"]}
    with zipfile.ZipFile(tmp_path / "all.csv.zip", "w") as archive:
        for name, lines in months.items():
            (tmp_path / "folder").mkdir(exist_ok=True)
            (tmp_path / "folder" / name).write_text("\n".join([HEADER, *lines]))
            archive.writestr(f"months/{name}", "\n".join([HEADER, *lines]))
    for path, place in ((tmp_path / "folder", ""), (tmp_path / "all.csv.zip", "all.csv.zip/months/")):
        raw = Rees46Source().read(path, engine)
        assert raw.rows_in == 4
        (cut,) = raw.rejected.to_pyarrow().to_pylist()
        assert (cut["file"], cut["row"], cut["reason"]) == (f"{place}2019-Dec.csv", 3, "expected 9 fields, found 2")


@pytest.mark.parametrize("end", [" UTC", "", "+00:00", "Z"])
def test_dates_with_and_without_their_zone(engine, tmp_path, end):
    path = tmp_path / "log.csv"
    path.write_text("\n".join([HEADER, line(7, "remove_from_cart", end)]))
    (event,) = Rees46Source().read(path, engine).events.to_pyarrow().to_pylist()
    assert event["time"] == datetime(2019, 12, 1, 0, 0, 7, tzinfo=UTC)
    assert event["event"] == "product_removed_from_cart"


def test_what_is_no_archive_is_named(engine, tmp_path):
    path = tmp_path / "log.csv.zip"
    path.write_text("\n".join([HEADER, line(1)]))
    with pytest.raises(SourceError, match=r"log\.csv\.zip: cannot be read to its end \(File is not a zip file\)"):
        Rees46Source().read(path, engine)
    with zipfile.ZipFile(path, "w"):
        pass
    with pytest.raises(SourceError, match=r"log\.csv\.zip: the file is empty"):
        Rees46Source().read(path, engine)


def test_quoted_fields(engine, tmp_path):
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


def test_files_with_other_columns(engine, tmp_path):
    names = HEADER.split(",")
    row = LINES[1].split(",")
    (tmp_path / "a.csv").write_text("\n".join([HEADER, LINES[1]]))
    (tmp_path / "b.csv").write_text("\n".join([",".join(names[::-1]), ",".join(row[::-1])]))
    one, other = sorted(rows_of(Rees46Source().read(tmp_path, engine).events), key=lambda line: line["file"])
    assert {name: one[name] for name in EVENTS.columns} == {name: other[name] for name in EVENTS.columns}


def test_prices_that_cannot_be_are_not_in_the_catalogue(engine, tmp_path):
    path = tmp_path / "log.csv"
    rows = [f"2019-10-01 00:00:0{i} UTC,view,1,9,a,b,{price},u,s" for i, price in enumerate(["-5", "nan", "", "7"])]
    path.write_text("\n".join([HEADER, *rows]))
    (product,) = rows_of(Rees46Source().read(path, engine).products)
    assert product["price"] == 7


def test_events(engine, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("\n".join(LINES))
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


def test_columns_may_stand_in_another_order(engine, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user_id,user_session,event_time,event_type,product_id,category_code,brand,price\n"
                    "u,s,2019-10-01 00:00:00 UTC,view,1,a.b,x,1\n")  # fmt: skip
    (line,) = rows_of(Rees46Source().read(path, engine).events)
    assert (line["buyer_id"], line["shop_id"], line["price"]) == ("u", "a", 1.0)


def test_wrong_columns_are_named(engine, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("time,event_type,price\n1,2,3\n")
    with pytest.raises(SourceError) as error:
        Rees46Source().read(path, engine)
    message = str(error.value)
    assert "log.csv, row 1: missing column(s) event_time, product_id" in message
    assert "Found: time, event_type, price" in message
    assert "Expected: event_time, event_type" in message
