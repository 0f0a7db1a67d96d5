"""Columns of a table that hold JSON as text, into which a dot leads; and errors that say where the rows are."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simpersona.adapters.sources.segment import SegmentSource
from simpersona.adapters.sources.table import TableSource
from simpersona.errors import SourceError

COLUMNS = {"buyer_id": "who", "time": "ts", "event": "what", "product_id": "$props.item.id", "price": "$props.price",
           "title": "$props.name"}  # fmt: skip
PROPS = [
    {"item": {"id": "p1"}, "price": 1.299, "name": 'A "big" mug'},
    {"item": {"id": 2}, "price": "3,50"},
    {"item": None},
]
ROWS = [
    {"who": f"u{number}", "ts": "2024-05-01T10:00:00Z", "what": "product_viewed", "$props": json.dumps(props)}
    for number, props in enumerate(PROPS)
]


def as_csv(path):
    def quoted(text):
        return '"' + text.replace('"', '""') + '"'

    lines = [",".join(ROWS[0]), *[",".join(map(quoted, row.values())) for row in ROWS]]
    (path / "log.csv").write_text("\n".join(lines), encoding="utf-8")


def as_json(path):
    (path / "log.jsonl").write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")


def as_parquet(path):
    pq.write_table(pa.Table.from_pylist(ROWS), path / "log.parquet")


@pytest.mark.parametrize("write", [as_csv, as_json, as_parquet])
def test_a_dot_leads_into_json_that_a_column_holds_as_text(engine, tmp_path, write):
    write(tmp_path)
    raw = TableSource(columns=COLUMNS).read(tmp_path, engine)
    rows = raw.events.order_by("buyer_id").to_pyarrow().to_pylist()
    assert [(row["product_id"], row["price"]) for row in rows] == [("p1", 1.299), ("2", 3.5), (None, None)]
    assert raw.products.title.to_pyarrow().to_pylist() == ["product 2", 'A "big" mug']


def test_a_list_of_objects_is_named_where_a_column_is_missing(engine, tmp_path):
    (tmp_path / "log.json").write_text(json.dumps({"data": ROWS, "links": {}}), encoding="utf-8")
    with pytest.raises(SourceError, match=r"'data' is a list of objects: with source.records = \"data\""):
        TableSource(columns={"buyer_id": "who", "time": "ts", "event": "what"}).read(tmp_path, engine)


def test_a_csv_is_no_log_of_json(engine, tmp_path):
    as_csv(tmp_path)
    with pytest.raises(SourceError, match=r'reads JSON lines, and this is a CSV.*source.format = "table" reads it'):
        SegmentSource().read(tmp_path / "log.csv", engine)
