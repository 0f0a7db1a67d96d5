"""What the published months of REES46's log hold beside the first one: packing, dates, removals, many files."""

from __future__ import annotations

import gzip
import zipfile
from datetime import UTC, datetime

import pytest

from simpersona.adapters.engine_duckdb import connect
from simpersona.adapters.events_rees46 import Rees46Source
from simpersona.errors import SourceError

HEADER = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"


def line(second, kind="view", end=" UTC"):
    return f"2019-12-01 00:00:{second:02}{end},{kind},7,9,apparel.shoes,acme,5.00,u1,s1"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return connect(tmp_path_factory.mktemp("engine"))


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
