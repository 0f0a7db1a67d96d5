"""Data feeds of Adobe Analytics: lists of events and products in one cell, and hits that are no events of a visitor."""

from __future__ import annotations

import gzip

import pytest

from simpersona.adapters.sources.adobe import AdobeSource
from simpersona.config import EventsConfig
from simpersona.errors import SourceError
from simpersona.events.prepare import prepare

START = 1714557600  # 2024-05-01 10:00 UTC
COLUMNS = (
    "hit_time_gmt", "post_visid_high", "post_visid_low", "visit_num", "visit_start_time_gmt", "post_event_list",
    "post_product_list", "post_purchaseid", "post_page_url", "post_page_event", "exclude_hit", "hit_source",
    "duplicate_purchase", "hitid_high", "hitid_low",
)  # fmt: skip


def hit(number, events="", products="", **others):
    usual = {
        "hit_time_gmt": START + 60 * number, "post_visid_high": 11, "post_visid_low": 22, "visit_num": 3,
        "visit_start_time_gmt": START, "post_event_list": events, "post_product_list": products, "post_page_event": 0,
        "post_page_url": 'https://www.mugs.example/"offers"', "exclude_hit": 0, "hit_source": 1, "hitid_high": 7,
        "hitid_low": number,
    }  # fmt: skip
    return "\t".join(str((usual | others).get(name, "")) for name in COLUMNS)


ORDER = ";MUG;2;25.00,Pots;POT;1;30.50;200=3|201=1;eVar1=a|eVar2=b"
HITS = [
    hit(0),
    hit(1, "2,200", ";MUG"),
    hit(2, "10,12", "Cups;MUG;2;25.00"),
    hit(3, "11,2=5", ORDER),
    hit(4, "1,200,20112", ORDER, post_purchaseid="o1"),
    hit(4, "1,200,20112", ORDER, post_purchaseid="o1", visit_num="3 "),  # delivered again
    hit(5, "1", ";MUG;2;25.00", post_purchaseid="o1", duplicate_purchase=1),
    hit(6, exclude_hit=4),
    hit(7, hit_source=7),
    hit(8, post_page_event=100),
    "a cut line\t1",
]


def write(folder, hits=HITS, header=True):
    (folder / "01-shop_20240501.tsv.gz").write_bytes(gzip.compress("\n".join(hits).encode()))
    (folder / "browser.tsv").write_text("1\tA browser\n", encoding="utf-8")
    if header:
        (folder / "column_headers.tsv").write_text("\t".join(COLUMNS).upper() + "\n", encoding="utf-8")
    return folder


def test_lists_of_events_and_products(engine, tmp_path):
    raw = AdobeSource().read(write(tmp_path), engine)
    rows = raw.events.order_by("time", "part").to_pyarrow().to_pylist()
    found = [(row["event"], row["product_id"], row["price"], row["quantity"], row["order_id"]) for row in rows]
    assert found == [
        ("page_viewed", None, None, None, None),
        ("product_viewed", "MUG", None, None, None),
        ("product_added_to_cart", "MUG", 12.5, 2, None),
        ("checkout_started", None, None, None, None),
        ("checkout_completed", "MUG", 12.5, 2, "o1"),
        ("checkout_completed", "POT", 30.5, 1, "o1"),
    ]
    assert {(row["shop_id"], row["buyer_id"], row["session_id"]) for row in rows} == {
        ("mugs.example", "11-22", f"3-{START}")
    }
    assert any("1 hits hold several events" in line for line in raw.warnings)
    assert (raw.has.has_search, raw.has.has_collection) == (False, False)
    products = raw.products.order_by("product_id").to_pyarrow().to_pylist()
    assert [(line["product_id"], line["product_type"]) for line in products] == [("MUG", "Cups"), ("POT", "Pots")]


def test_every_hit_is_kept_or_has_its_reason(engine, tmp_path):
    prepared = prepare(AdobeSource().read(write(tmp_path), engine), EventsConfig(max_rejected_share=0.5), b"key")
    quality = prepared.quality
    assert quality["reasons"] == {
        "ignored: a hit that Adobe excludes from its reports": 2,
        "exact duplicate": 1,
        "expected 15 fields, found 2": 1,
        "ignored: a click on a link": 1,
        "ignored: a purchase that Adobe marks as repeated": 1,
    }
    assert quality["rows_in"] == len(HITS) == quality["rows_kept"] + quality["rows_rejected"]
    assert quality["orders"] == [{"currency": None, "orders": 1, "revenue": 55.5}]


def test_the_names_of_columns_may_be_in_the_file_or_a_setting(engine, tmp_path):
    one = tmp_path / "hits.tsv"
    one.write_text("\n".join(["\t".join(COLUMNS), *HITS[:3]]), encoding="utf-8")
    assert AdobeSource().read(one, engine).rows_in == 3
    folder = tmp_path / "feed"
    folder.mkdir()
    assert AdobeSource(header=COLUMNS).read(write(folder, header=False), engine).rows_in == len(HITS)
    with pytest.raises(
        SourceError, match=r"column_headers.tsv, which has to lie beside the hits; else set source.header"
    ):
        AdobeSource().read(folder, engine)


def test_only_the_list_before_processing_is_in_the_currency_of_the_hit(engine, tmp_path):
    """Adobe converts the amounts of post_product_list into the currency of the report suite."""
    for name, currency in (("product_list", "USD"), ("post_product_list", None)):
        columns = [{"post_product_list": name, "hitid_high": "currency"}.get(each, each) for each in COLUMNS]
        line = hit(4, "1", ORDER, post_purchaseid="o1", hitid_high="USD")
        (tmp_path / "hits.tsv").write_text("\t".join(columns) + "\n" + line, encoding="utf-8")
        assert AdobeSource().read(tmp_path / "hits.tsv", engine).currency == currency


def test_folder_without_hits(engine, tmp_path):
    (tmp_path / "event.tsv").write_text("1\tPurchase\n", encoding="utf-8")
    with pytest.raises(SourceError, match="holds tables of a data feed but no hits"):
        AdobeSource().read(tmp_path, engine)
