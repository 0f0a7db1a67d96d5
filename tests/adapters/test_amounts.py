"""Amounts and currencies as logs write them, and event names that no rule maps."""

from __future__ import annotations

import json

import ibis
import pyarrow as pa
import pytest

from simpersona.adapters.sources.amounts import AmountReader, currency_in
from simpersona.adapters.sources.segment import SegmentSource
from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.adapters.sources.snowplow import SnowplowSource
from simpersona.adapters.sources.table import TableSource
from simpersona.buyers.aggregate import aggregate
from simpersona.config import EventsConfig
from simpersona.errors import SourceError
from simpersona.events.prepare import prepare
from simpersona.events.summary_lines import summary_lines

READ = {  # text: number, currency
    "12.50": (12.5, None), "12,50": (12.5, None), "1.299,00": (1299.0, None), "1,299.00": (1299.0, None),
    "1 299,00": (1299.0, None), "1\u202f299,00": (1299.0, None), "1'299.00": (1299.0, None), "1’299.00": (1299.0, None),
    "$12.50": (12.5, "$"), "12.50 €": (12.5, "EUR"), "EUR 12,50": (12.5, "EUR"), "US$ 3.5": (3.5, "USD"),
    "12,- €": (12.0, "EUR"), "kr. 12": (12.0, "KR"), "-5.00": (-5.0, None), "(5.00)": (-5.0, None), "5.00-": (-5.0, None),
    "-$5.00": (-5.0, "$"), "1.299.000": (1299000.0, None), "1,29,900.00": (129900.0, None), "0.299": (0.299, None),
    "1,980円": (1980.0, "JPY"), "12,800 JPY": (12800.0, "JPY"), "₩1.299": (1299.0, "KRW"), "980 円": (980.0, "JPY"),
    "1 299,50 руб.": (1299.5, "RUB"), "R$ 1.299,90": (1299.9, "BRL"), "12,50 TL": (12.5, "TRY"), "￥1,280.00": (1280.0, "￥"),
    "1299.000": (1299.0, None), "1e-05": (1e-05, None), " 7 ": (7.0, None),
}  # fmt: skip
UNREADABLE = ["free", "P12", "SKU12", "12.50.1", "1:30", "12%", "12 50", "call us"]
AMBIGUOUS = ["1.299", "1,299", "USD 1,299", "1,299元"]


def rows_of(table):
    return table.to_pyarrow().to_pylist()


def texts(engine, *amounts, **columns):
    table = {"price": list(amounts)} | columns
    return engine.create_table(ibis.util.gen_name("texts"), ibis.memtable(pa.table(table)))


def log(engine, tmp_path, *lines, header="buyer_id;time;event;product_id;price", **settings):
    path = tmp_path / "log.csv"
    path.write_text("\n".join([header, *lines]), encoding="utf-8")
    return TableSource(**settings).read(path, engine)


def views(*prices):
    return [f"u;2024-05-01T10:00:{second:02}Z;product_viewed;p;{price}" for second, price in enumerate(prices)]


def prices(raw):
    return [line["price"] for line in sorted(rows_of(raw.events), key=lambda line: line["row"])]


def test_amounts_of_any_spelling(engine):
    table = texts(engine, *READ, *UNREADABLE, *AMBIGUOUS)
    reader = AmountReader.of(table)
    found = table.select("price", number=reader.number("price", table.price), currency=currency_in(table.price))
    read = {line["price"]: (line["number"], line["currency"]) for line in rows_of(found)}
    assert {text: read[text] for text in READ} == READ
    # both decimal marks occur, so nothing decides what 1.299 is
    assert [read[text][0] for text in UNREADABLE + AMBIGUOUS] == [None] * 12
    assert reader.counts["price"]["unreadable"] == 8
    assert reader.counts["price"]["either"] == 4


@pytest.mark.parametrize(("others", "decimal", "expected"), [
    (["12.50"], "auto", {"1.299": 1.299, "1,299": 1299.0}),
    (["12,50"], "auto", {"1.299": 1299.0, "1,299": 1.299}),
    (["12,50", "12.50"], "auto", {"1.299": None, "1,299": None}),
    (["5"], "auto", {"1.299": None, "1,299": None}),
    (["5"], ".", {"1.299": 1.299, "1,299": 1299.0, "12,50": None}),
    (["5"], ",", {"1.299": 1299.0, "1,299": 1.299, "12.50": None}),
])  # fmt: skip
def test_ambiguous_amounts_are_read_as_the_others_of_their_column(engine, others, decimal, expected):
    table = texts(engine, *others, *expected)
    reader = AmountReader.of(table, decimal)
    read = {line["price"]: line["number"] for line in rows_of(table.mutate(number=reader.number("price", table.price)))}
    assert {text: read[text] for text in expected} == expected


def test_what_cannot_be_read_is_missing_counted_and_shown_without_its_letters(engine, tmp_path):
    raw = log(engine, tmp_path, *views("12.50", "Ann Lee", "n/a", "", "3.999.1"))
    assert prices(raw) == [12.5, None, None, None, None]
    (said,) = raw.warnings
    assert said.startswith('2 of 3 amounts of the column price cannot be read, such as "9.999.9" and "aaa aaa"')
    assert "source.decimal" in said


def test_a_column_of_which_nothing_can_be_read_is_an_error(engine, tmp_path):
    with pytest.raises(SourceError, match=r'column price cannot be read, such as "9.999".*source.decimal'):
        log(engine, tmp_path, *views("1.299", "2.499"))
    assert prices(log(engine, tmp_path, *views("1.299", "2.499"), decimal=",")) == [1299.0, 2499.0]
    # and it can be left out
    left_out = log(engine, tmp_path, *views("x", "y"), columns={"price": "="})
    assert prices(left_out) == [None, None]
    assert not left_out.has.has_price


def test_a_quantity_that_is_not_whole_is_missing(engine, tmp_path):
    header = "buyer_id;time;event;product_id;quantity"
    raw = log(engine, tmp_path, *views("2", "2.0", "3,00", "1.5"), header=header)
    read = sorted(rows_of(raw.events), key=lambda line: line["row"])
    assert [line["quantity"] for line in read] == [2, 2, 3, None]
    assert "1 of 4 amounts of the column quantity cannot be read" in raw.warnings[-1]


def test_amounts_in_another_currency_are_masked_or_converted(engine, tmp_path):
    header = "buyer_id;time;event;product_id;price;currency"
    lines = views("10.00;eur", "20.00;EUR", "30.00;USD", "40.00;", "$50.00;", "60.00;JPY")
    masked = log(engine, tmp_path, *lines, header=header)
    assert prices(masked) == [10.0, 20.0, None, 40.0, None, None]
    assert dict(masked.currencies) == {"EUR": 2, "$": 1, "JPY": 1, "USD": 1}
    assert "EUR (2 rows), $ (1 rows), JPY (1 rows), USD (1 rows)" in masked.warnings[0]
    assert rows_of(masked.products)[0]["price"] == 20.0  # the median of 10, 20 and 40
    converted = log(engine, tmp_path, *lines, header=header, exchange_rates={"EUR": 1.0, "USD": 0.5, "$": 0.5})
    assert prices(converted) == [10.0, 20.0, 15.0, 40.0, 25.0, None]
    assert "without a rate in source.exchange_rates are masked: JPY (1 rows)" in converted.warnings[0]


@pytest.mark.parametrize(("amounts", "expected", "counts"), [
    (["$1.50", "$2.50", "4.00;usd"], [1.5, 2.5, 4.0], {"USD": 3}),
    (["$1.50", "4.00;CAD", "5.00;CAD"], [1.5, 4.0, 5.0], {"CAD": 3}),
    (["¥150", "4;JPY"], [150.0, 4.0], {"JPY": 2}),
    (["$1.50", "$2.50", "4.00;USD", "4.00;CAD"], [1.5, 2.5, None, None], {"$": 2, "CAD": 1, "USD": 1}),  # which of them?
    (["$1.50", "4.00;EUR", "5.00;EUR", "6.00;USD"], [None, 4.0, 5.0, None], {"EUR": 2, "$": 1, "USD": 1}),
])  # fmt: skip
def test_a_sign_is_the_only_currency_that_it_can_mean(engine, tmp_path, amounts, expected, counts):
    lines = views(*[amount if ";" in amount else f"{amount};" for amount in amounts])
    raw = log(engine, tmp_path, *lines, header="buyer_id;time;event;product_id;price;currency")
    assert prices(raw) == expected
    assert dict(raw.currencies) == counts
    assert any("read as" in said for said in raw.warnings) == (len(counts) == 1)


def test_a_rate_for_a_sign_goes_before_its_meaning(engine, tmp_path):
    rates = {"USD": 1.0, "$": 0.5}
    lines = views("$8.00;", "4.00;USD")
    raw = log(engine, tmp_path, *lines, header="buyer_id;time;event;product_id;price;currency", exchange_rates=rates)
    assert prices(raw) == [4.0, 4.0]


def test_each_store_keeps_its_own_currency_and_the_difference_is_said(engine, tmp_path):
    header = "buyer_id;time;event;product_id;price;shop_id"
    raw = log(engine, tmp_path, *views("10 €;a", "12 €;a", "9 £;b"), header=header)
    assert prices(raw) == [10.0, 12.0, 9.0]
    assert "EUR in 1 store(s), GBP in 1 store(s)" in raw.warnings[-1]
    assert raw.store_currencies == {"a": "EUR", "b": "GBP"}


def test_totals_and_means_are_of_one_currency(engine, tmp_path):
    header = "buyer_id;time;event;order_id;value;shop_id"
    orders = ("10 €", "a"), ("12 €", "a"), ("100 ¥", "b"), ("7", "c")
    lines = [f"u{number};2024-05-01T10:00:0{number}Z;checkout_completed;o{number};{value};{shop}"
             for number, (value, shop) in enumerate(orders)]  # fmt: skip
    raw = log(engine, tmp_path, *lines, header=header)
    prepared = prepare(raw, EventsConfig(keep_ids=True), b"key")
    assert [tuple(line.values()) for line in prepared.quality["orders"]] == [
        ("EUR", 2, 22.0), ("¥", 1, 100.0), (None, 1, 7.0),
    ]  # fmt: skip
    assert prepared.quality["stores_in_another_currency"] == ["b", "c"]
    assert summary_lines(prepared.quality)[2].endswith("4 orders worth 22.00 EUR + 100.00 ¥ + 7.00")
    buyers = aggregate(prepared.events, prepared.sessions, raw.has, EventsConfig(), ["b", "c"])
    assert [line["mean_order_value"] for line in rows_of(buyers)] == [10.0, 12.0, None, None]
    rates = {"EUR": 1.0, "¥": 0.5}
    converted = prepare(log(engine, tmp_path, *lines[:3], header=header, exchange_rates=rates), EventsConfig(), b"key")
    assert [tuple(line.values()) for line in converted.quality["orders"]] == [("EUR", 3, 72.0)]
    assert converted.quality["stores_in_another_currency"] == []


def test_a_log_of_one_currency_needs_no_word(engine, tmp_path):
    assert log(engine, tmp_path, *views("10.00 €", "12.50 €")).warnings == ()


def lines_of(tmp_path, *objects):
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, objects)), encoding="utf-8")
    return tmp_path


def order(number, properties, **other):
    return {"type": "track", "event": "Order Completed", "messageId": f"m{number}", "anonymousId": "a",
            "timestamp": f"2024-05-01T10:0{number}:00Z", "context": {"page": {"url": "https://s.example/"}},
            "properties": properties} | other  # fmt: skip


def test_calls_with_amounts_and_products_as_text(engine, tmp_path):
    mug = {"product_id": "P1", "price": "$12.50", "quantity": "2.0"}
    raw = SegmentSource().read(lines_of(
        tmp_path,
        order(1, {"order_id": "o1", "revenue": "$25.00", "products": json.dumps([mug])}),
        order(2, {"order_id": "o2", "total": "NaN", "products": mug}),
        order(3, {"order_id": "o3", "revenue": 1.299}, context=json.dumps({"page": {"url": "https://s.example/"}})),
        order(4, {"order_id": "o4", "revenue": "free"}),
        order(5, {"order_id": "o1"}, event="Order Chargeback Refunded"),
    ), engine)  # fmt: skip
    told = ("shop_id", "order_id", "product_id", "price", "quantity", "value")
    assert sorted(tuple(line[name] for name in told) for line in rows_of(raw.events)) == [
        ("s.example", "o1", "P1", 12.5, 2, 25.0),
        ("s.example", "o2", "P1", 12.5, 2, None),
        ("s.example", "o3", None, None, None, 1.299),  # a JSON number has a decimal point
        ("s.example", "o4", None, None, None, None),
    ]
    assert any('"Order Chargeback Refunded" (1 rows)' in said for said in raw.warnings)
    assert any("1 rows are refunds or cancellations" in said for said in raw.warnings)
    assert any('1 of 3 amounts of the column value cannot be read, such as "aaaa"' in said for said in raw.warnings)


def test_calls_without_any_readable_amount_have_no_prices(engine, tmp_path):
    raw = SegmentSource().read(lines_of(tmp_path, order(1, {"order_id": "o1", "revenue": "free"})), engine)
    assert not raw.has.has_price


def test_pixels_whose_data_is_text(engine, tmp_path):
    data = {
        "productVariant": {"price": {"amount": "12,50", "currencyCode": "EUR"}, "product": {"id": "P1", "title": "Mug"}}
    }
    line = {
        "id": "e1",
        "name": "product_viewed",
        "clientId": "c",
        "timestamp": "2024-05-01T10:00:00Z",
        "type": "standard",
    }
    where = {"document": {"location": {"href": "https://s.example/"}}}
    custom = line | {"id": "e2", "name": "wheel_spun", "type": "custom"}
    text = line | {"data": json.dumps(data), "context": json.dumps(where)}
    raw = ShopifySource().read(lines_of(tmp_path, text, custom), engine)
    (event,) = rows_of(raw.events)
    assert (event["shop_id"], event["product_id"], event["price"]) == ("s.example", "P1", 12.5)
    assert [(line["title"], line["price"]) for line in rows_of(raw.products)] == [("Mug", 12.5)]
    assert raw.currencies == {"EUR": 1}
    assert '"wheel_spun" (1 rows)' in raw.warnings[0]


def step(number, session, step, kind="checkout_step"):
    action = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1"
    entity = "contexts_com_snowplowanalytics_snowplow_ecommerce_checkout_step_1"
    return {"event_id": str(number), "event_name": "snowplow_ecommerce_action", "app_id": "s", "domain_userid": "u",
            "domain_sessionid": session, "derived_tstamp": f"2026-01-01T10:{number:02}:00Z", action: {"type": kind},
            entity: [{"step": step}]}  # fmt: skip


def test_a_checkout_first_seen_at_a_later_step_starts_once(engine, tmp_path):
    path = lines_of(
        tmp_path, step(2, "a", 3), step(1, "a", 2), step(3, "a", 4), step(4, "b", 1), step(5, "b", 2),
        step(7, "c", 2), step(8, "c", 1), step(9, "d", 1, kind="wish"),
    )  # fmt: skip
    raw = SnowplowSource().read(path, engine)
    started = [(line["session_id"], line["row"]) for line in rows_of(raw.events)]
    assert sorted(started) == [("a", 2), ("b", 4), ("c", 7)]
    assert '"wish" (1 rows)' in raw.warnings[0]


def names(*events):
    return [f"u;2024-05-01T10:00:{second:02}Z;{event};p;1.50" for second, event in enumerate(events)]


def test_forgotten_and_missing_event_names_are_said(engine, tmp_path):
    maps = {"view": "product_viewed", "purchase": "checkout_completed", "banner": "ignored", "*": "ignored"}
    raw = log(engine, tmp_path, *names("view", "purchased", "purchased", "banner", "a@b.example"), events=maps)
    never, unmapped = raw.warnings
    assert '"purchase" to checkout_completed, but no row has that event' in never
    assert '"purchased" (2 rows)' in never
    assert "3 rows have an event name that no rule maps" in unmapped
    assert '"purchased" (2 rows), other names (1 rows)' in unmapped
    assert "banner" not in unmapped
    warnings = prepare(raw, EventsConfig(), b"key").quality["warnings"]
    assert [said.split(" (")[0] for said in warnings[2:]] == [
        "The log has not a single purchase",
        "The log has not a single cart addition",
    ]


def test_rows_with_an_empty_name_can_be_mapped(engine, tmp_path):
    raw = log(engine, tmp_path, *names("", "product_viewed", "  "), events={"": "page_viewed", "*": "ignored"})
    assert [line["event"] for line in sorted(rows_of(raw.events), key=lambda line: line["row"])] == [
        "page_viewed", "product_viewed", "page_viewed",
    ]  # fmt: skip
    left = log(engine, tmp_path, *names("", "product_viewed"), events={"*": "ignored"})
    quality = prepare(left, EventsConfig(max_rejected_share=1), b"key").quality
    assert quality["reasons"] == {"event is missing": 1}


def test_unknown_names_are_listed(engine, tmp_path):
    raw = log(engine, tmp_path, *names("product_viewed", "buy", "buy", "add"))
    said = prepare(raw, EventsConfig(max_rejected_share=1), b"key").quality["warnings"][0]
    assert said.startswith('3 rows are rejected because no rule maps their event name: "buy" (2 rows), "add" (1 rows)')


def test_orders_without_an_amount_are_said(engine, tmp_path):
    header = "buyer_id;time;event;order_id;value"
    lines = [f"u{number};2024-05-01T10:00:0{number}Z;checkout_completed;o{number};{value}" for number, value in enumerate(
        ["5.00", "", "7.50"])]  # fmt: skip
    quality = prepare(log(engine, tmp_path, *lines, header=header), EventsConfig(), b"key").quality
    assert quality["orders"] == [{"currency": None, "orders": 3, "revenue": 12.5}]
    assert any(said.startswith("1 of 3 orders have no amount that is known") for said in quality["warnings"])


@pytest.mark.parametrize(("rates", "currency", "revenue"), [
    ({}, "EUR", 10.0),
    ({"EUR": 1.0, "USD": 0.5}, "EUR", 12.0),
    ({"EUR": 1.25, "USD": 0.5, "GBP": 1.0}, "GBP", 14.5),
    ({"EUR": 1.25, "USD": 0.5}, None, 14.5),
])  # fmt: skip
def test_the_total_of_the_orders_names_its_currency(engine, tmp_path, rates, currency, revenue):
    header = "buyer_id;time;event;order_id;value"
    lines = [f"u{number};2024-05-01T10:00:0{number}Z;checkout_completed;o{number};{value}" for number, value in enumerate(
        ["4.00 EUR", "6.00 EUR", "4.00 USD"])]  # fmt: skip
    raw = log(engine, tmp_path, *lines, header=header, exchange_rates=rates)
    (orders,) = prepare(raw, EventsConfig(), b"key").quality["orders"]
    assert (orders["currency"], orders["orders"], orders["revenue"]) == (currency, 3, revenue)
