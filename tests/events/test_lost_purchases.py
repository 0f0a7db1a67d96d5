"""Purchases that a log has and the result lacks are said, whatever their share of the rows."""

from __future__ import annotations

import json
from dataclasses import replace

import ibis
import pyarrow as pa
import pytest

from simpersona.adapters.sources.ga4 import Ga4Source
from simpersona.adapters.sources.segment import SegmentSource
from simpersona.adapters.sources.table import TableSource
from simpersona.config import EventsConfig
from simpersona.errors import SourceError
from simpersona.events.prepare import prepare

HEADER = "buyer_id,time,event,product_id,order_id,value"


def table(tmp_path, engine, *lines, **settings):
    path = tmp_path / "log.csv"
    path.write_text("\n".join([HEADER, *lines]), encoding="utf-8")
    return TableSource(**settings).read(path, engine)


def said(raw, config=EventsConfig()):  # noqa: B008 - a frozen value
    warnings = prepare(raw, config, b"key").quality["warnings"]
    return [sentence for sentence in warnings if "rows of purchases" in sentence]


def views(number):
    return [f"u{n},2024-05-01T10:00:{n:02}Z,product_viewed,p{n},," for n in range(number)]


def test_a_few_malformed_rows_may_hold_many_of_the_orders(engine, tmp_path):
    lines = [
        *views(50),
        "u1,2024-05-01T11:00:00Z,checkout_completed,p1,o1,5.00",
        ",2024-05-01T11:00:00Z,checkout_completed,p1,o2,7.00",
        "u2,tomorrow,checkout_completed,p1,o3,7.00",
    ]
    (sentence,) = said(table(tmp_path, engine, *lines))
    assert sentence.startswith("2 of 3 rows of purchases (66.7%) are rejected, so orders and revenue are missing")
    assert "buyer_id is missing (1 rows), time is missing or unreadable (1 rows)" in sentence


def test_orders_of_placeholders_and_of_the_one_user_of_all_guests_are_said(engine, tmp_path):
    orders = [
        f"{who},2024-05-01T11:00:0{n}Z,checkout_completed,p1,o{n},5.00" for n, who in enumerate(["guest", "0", "u1"])
    ]
    (sentence,) = said(table(tmp_path, engine, *views(3), *orders))
    assert sentence.startswith("2 of 3 rows of purchases (66.7%)")
    assert "ignored: no buyer, the id is guest (1 rows)" in sentence


def test_purchases_that_are_set_aside_by_design_need_no_word(engine, tmp_path):
    order = "u1,2024-05-01T11:00:00Z,checkout_completed,p1,o1,5.00"
    refund = "u1,2024-05-02T11:00:00Z,checkout_completed,p1,o1,-5.00"
    shop = ",2024-05-03T11:00:00Z,banner,,,"
    raw = table(tmp_path, engine, *views(30), order, order, refund, shop, events={"banner": "ignored"})
    assert said(raw) == []


def test_what_a_source_sets_aside_by_its_own_rules_needs_no_word(engine, tmp_path):
    raw = table(tmp_path, engine, *views(3))
    aside = [("ignored: a purchase that is marked as repeated", 9), ("exact duplicate", 10), ("cut off", 11)]
    lines = [
        {"file": "log.csv", "row": row, "reason": reason, "raw": None, "event": "checkout_completed"}
        for reason, row in aside
    ]
    shape = pa.schema(
        [("file", pa.string()), ("row", pa.int64()), *[(name, pa.string()) for name in ("reason", "raw", "event")]]
    )
    rejected = engine.create_table("aside", ibis.memtable(pa.Table.from_pylist(lines, shape)))
    (sentence,) = said(replace(raw, rejected=rejected, rows_in=6), EventsConfig(max_rejected_share=1))
    assert sentence.startswith("1 of 1 rows of purchases")
    assert "cut off (1 rows)" in sentence


def test_orders_without_consent_or_an_id_are_said_by_other_sources(engine, tmp_path):
    hits = [
        {"event_name": name, "event_timestamp": 1714557600000000 + n, "user_pseudo_id": who,
         "device": {"web_info": {"hostname": "s.example"}}, "event_params": [], "items": []}
        for n, (name, who) in enumerate([("view_item", "a"), ("purchase", "a"), ("purchase", None)])
    ]  # fmt: skip
    calls = [
        {"type": "track", "event": name, "messageId": f"m{n}", "timestamp": "2024-05-01T10:00:00Z",
         "context": {"page": {"url": "https://s.example/"}}} | who
        for n, (name, who) in enumerate([
            ("Product Viewed", {"anonymousId": "a"}), ("Order Completed", {"anonymousId": "a"}), ("Order Completed", {}),
        ])
    ]  # fmt: skip
    for source, lines, reason in (
        (Ga4Source(), hits, "no user_pseudo_id, as where a visitor does not consent (1 rows)"),
        (SegmentSource(), calls, "anonymousId, userId and distinct_id are missing (1 rows)"),
    ):
        path = tmp_path / "log.jsonl"
        path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        (sentence,) = said(source.read(path, engine), EventsConfig(max_rejected_share=1))
        assert sentence.startswith("1 of 2 rows of purchases (50.0%)")
        assert reason in sentence


def test_the_error_gives_the_reasons_of_malformed_rows_alone(engine, tmp_path):
    names = {f"banner{number}": "ignored" for number in range(25)}  # more than reasons are shown
    banners = [f"u,2024-05-01T10:00:0{second}Z,{name},,," for name in names for second in (1, 2)]
    lines = [*views(3), *banners, *[f",2024-05-01T10:00:00Z,product_viewed,p{number},," for number in range(4)]]
    with pytest.raises(SourceError, match=r"Reasons: 4 × buyer_id is missing\. First examples"):
        prepare(table(tmp_path, engine, *lines, events=names), EventsConfig(), b"key")


@pytest.mark.parametrize(("viewed", "bought", "is_said"), [("p1", "", True), ("p1", "p1", False), ("", "", False)])
def test_purchases_without_a_product_are_said(engine, tmp_path, viewed, bought, is_said):
    lines = [
        f"u1,2024-05-01T10:00:00Z,product_viewed,{viewed},,",
        f"u1,2024-05-01T10:01:00Z,checkout_completed,{bought},o1,5.00",
    ]
    warnings = prepare(table(tmp_path, engine, *lines), EventsConfig(), b"key").quality["warnings"]
    assert any(sentence.startswith("No purchase names a product") for sentence in warnings) == is_said
