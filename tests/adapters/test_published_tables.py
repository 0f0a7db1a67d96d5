"""Formats that are a map of columns and names: Amplitude, Mixpanel, OTTO, Taobao; and YooChoose."""

from __future__ import annotations

import gzip
import json
import zipfile

import pytest

from simpersona.adapters.sources.open import open_source
from simpersona.config import EventsConfig
from simpersona.config.file import parse_config
from simpersona.errors import SourceError
from simpersona.events.prepare import prepare

KEEP = EventsConfig(max_rejected_share=1, keep_ids=True)


def prepared(engine, path, **settings):
    raw = open_source(parse_config({"source": settings}).source).read(path, engine)
    return prepare(raw, KEEP, b"key"), raw


def events_of(result):
    lines = result.events.to_pyarrow().to_pylist()
    told = ("buyer_id", "event", "product_id", "price", "quantity", "order_id", "value")
    return [tuple(line[name] for name in told) for line in lines]


def amplitude(second, event, **properties):
    return {"amplitude_id": 7, "user_id": None, "session_id": 1709294400000, "event_id": second, "event_type": event,
            "event_time": f"2024-03-01 12:00:0{second}.123000", "event_properties": properties}  # fmt: skip


def test_amplitude(engine, tmp_path):
    lines = [
        amplitude(1, "[Amplitude] Page Viewed"),
        amplitude(2, "Product Viewed", product_id="p", name="Shirt", price=9.5),
        amplitude(3, "item put in bag", product_id="p", price=9.5, quantity=2),
        amplitude(4, "Order Completed", order_id="o", revenue=19.0),
        amplitude(5, "session_start"),
    ]
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, line in enumerate(lines):
            archive.writestr(f"1/1_2024-03-01_{number}#1.json.gz", gzip.compress(json.dumps(line).encode()))
    result, raw = prepared(engine, path, format="amplitude", events={"item put in bag": "product_added_to_cart"})
    assert events_of(result) == [
        ("7", "page_viewed", None, None, None, None, None),
        ("7", "product_viewed", "p", 9.5, None, None, None),
        ("7", "product_added_to_cart", "p", 9.5, 2, None, None),
        ("7", "checkout_completed", None, None, None, "o", 19.0),
    ]
    assert result.quality["reasons"] == {"ignored: session_start": 1}
    assert raw.has.has_session
    # a column of the user's own goes before that of the format
    other, _ = prepared(engine, path, format="amplitude", columns={"buyer_id": "session_id"})
    assert {event[0] for event in events_of(other)} == {"1709294400000"}


def test_mixpanel(engine, tmp_path):
    lines = [
        {
            "event": name,
            "properties": {"distinct_id": "c", "time": 1709294400 + second, "product_id": "p", "price": "9.50"},
        }
        for second, name in enumerate(["product_viewed", "Product Added", "Signed Up"])
    ]
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    result, _ = prepared(engine, path, format="mixpanel")
    assert events_of(result) == [
        ("c", "product_viewed", "p", 9.5, None, None, None),
        ("c", "product_added_to_cart", "p", 9.5, None, None, None),
    ]
    assert result.quality["first_event"] == "2024-03-01T12:00:00+00:00"
    assert result.quality["reasons"] == {"ignored: Signed Up": 1}


def test_otto(engine, tmp_path):
    kinds = ["clicks", "carts", "orders"]
    events = [{"aid": 5, "ts": 1709294400000 + 1000 * place, "type": kind} for place, kind in enumerate(kinds)]
    path = tmp_path / "otto.jsonl"
    path.write_text("\n".join(json.dumps({"session": session, "events": events}) for session in (1, 2)))
    result, raw = prepared(engine, path, format="otto")
    names = ["product_viewed", "product_added_to_cart", "checkout_completed"]
    assert events_of(result) == [(buyer, name, "5", None, None, None, None) for buyer in "12" for name in names]
    assert (result.quality["rows_in"], raw.warnings) == (6, ())


def test_taobao(engine, tmp_path):
    lines = ["1,2268318,2520377,pv,1511544070", "1,2333346,2520771,cart,1511561733", "1,2333346,2520771,fav,1511561734",
             "2,2333346,2520771,buy,1511561735"]  # fmt: skip
    path = tmp_path / "UserBehavior.csv"
    path.write_text("\n".join(lines))
    result, raw = prepared(engine, path, format="taobao")
    assert events_of(result) == [
        ("1", "product_viewed", "2268318", None, None, None, None),
        ("1", "product_added_to_cart", "2333346", None, None, None, None),
        ("2", "checkout_completed", "2333346", None, None, None, None),
    ]
    assert result.quality["rows_ignored"] == 1
    assert not raw.has.has_price
    assert {line["product_type"] for line in raw.products.to_pyarrow().to_pylist()} == {"2520377", "2520771"}


def test_yoochoose(engine, tmp_path):
    (tmp_path / "yoochoose-clicks.dat").write_text(
        "1,2014-04-07T10:51:09.277Z,214536502,0\n1,2014-04-07T10:54:09.868Z,214536500,S\n2,2014-04-07T13:56:37.614Z,214,0\n"
    )
    (tmp_path / "yoochoose-buys.dat").write_text(
        "1,2014-04-07T10:58:00.306Z,214536502,1046,2\n1,2014-04-07T10:58:00.307Z,214536500,0,0\n"
    )
    result, raw = prepared(engine, tmp_path, format="yoochoose")
    assert events_of(result) == [
        ("1", "product_viewed", "214536502", None, None, None, None),
        ("1", "product_viewed", "214536500", None, None, None, None),
        ("1", "checkout_completed", "214536502", 1046.0, 2, None, None),
        ("1", "checkout_completed", "214536500", None, None, None, None),
        ("2", "product_viewed", "214", None, None, None, None),
    ]
    assert [session["purchase_count"] for session in result.sessions.to_pyarrow().to_pylist()] == [1, 0]
    assert result.quality["rows_in"] == 5
    assert raw.has.has_price
    assert raw.has.has_session
    assert not raw.has.has_cart
    (tmp_path / "other.dat").write_text("1,2014-04-07T10:58:00.306Z,1,1\n")
    with pytest.raises(SourceError, match="neither clicks nor buys"):
        prepared(engine, tmp_path / "other.dat", format="yoochoose")
