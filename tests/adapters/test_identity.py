"""Whose shop, whose buyer, and once: placeholder and shared ids, hosts of one shop, orders of a server, event ids."""

from __future__ import annotations

import json

import pytest

from simpersona.adapters.sources.ga4 import Ga4Source
from simpersona.adapters.sources.hosts import Host, joined_hosts
from simpersona.adapters.sources.segment import SegmentSource
from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.adapters.sources.table import TableSource
from simpersona.config import EventsConfig
from simpersona.errors import SourceError
from simpersona.events.prepare import prepare

KEEP = EventsConfig(keep_ids=True, max_rejected_share=1)


@pytest.fixture
def table(engine, tmp_path):
    """The log of a CSV, whose header has our names."""

    def read(*lines, **settings):
        (tmp_path / "log.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return TableSource(**settings).read(tmp_path / "log.csv", engine)

    return read


@pytest.fixture
def calls(engine, tmp_path):
    """The log of Segment's calls."""

    def read(*lines, **settings):
        (tmp_path / "calls.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
        return SegmentSource(**settings).read(tmp_path / "calls.jsonl", engine)

    return read


def call(minute, event="Product Viewed", url="https://shop.example/p", **other):
    order = {"order_id": f"o{minute}", "revenue": 10} if event == "Order Completed" else {"product_id": "p"}
    page = {"page": {"url": url}} if url else {}
    stamp = f"2024-05-01T{10 + minute // 60}:{minute % 60:02}:00Z"
    return {"type": "track", "event": event, "timestamp": stamp, "context": page, "properties": order} | other


def rows_of(table):
    return table.to_pyarrow().to_pylist()


def buyers_of(raw):
    return {line["buyer_id"] for line in rows_of(raw.events)}


def reasons_of(raw):
    reasons = [line["reason"] for line in rows_of(raw.rejected)]
    return {reason: reasons.count(reason) for reason in reasons}


def test_placeholders_are_no_ids(table):
    names = (
        "undefined",
        "NULL",
        "None",
        "\\N",
        "(not set)",
        "(none)",
        "0",
        "-1",
        "NaN",
        "Guest",
        "u1",
        "10",
        "-10",
        "nano",
    )
    names = (*names, "00000000-0000-0000-0000-000000000000")
    lines = [f"{name},2024-05-01T10:{minute:02}:00Z,page_viewed,0,-1" for minute, name in enumerate(names)]
    raw = table("buyer_id,time,event,session_id,order_id", *lines)
    assert buyers_of(raw) == {"u1", "10", "-10", "nano"}
    assert sum(reasons_of(raw).values()) == 11
    assert reasons_of(raw)["ignored: no buyer, the id is undefined"] == 1
    assert {line["session_id"] for line in rows_of(raw.events)} == {None}
    assert {line["order_id"] for line in rows_of(raw.events)} == {None}
    assert not raw.has.has_session
    said = " ".join(raw.warnings)
    assert "11 rows hold a placeholder in place of the buyer's id" in said
    assert "'undefined' in 1" in said or "'0' in 1" in said
    quality = prepare(raw, KEEP, b"key").quality
    assert (quality["rows_in"], quality["rows_kept"], quality["rows_ignored"], quality["rows_malformed"]) == (
        15,
        4,
        11,
        0,
    )
    own = table("buyer_id,time,event,session_id,order_id", *lines, no_ids=("u1",))
    assert buyers_of(own) == set(names) - {"u1"}


def test_the_other_id_of_a_call_counts(calls):
    raw = calls(
        call(0, userId="undefined", anonymousId="a0"),
        call(1, userId="null", anonymousId="a1"),
        call(2, userId="u2", anonymousId="a1"),
        call(3, userId="0"),
        call(4, userId=None, anonymousId="None"),
        call(5, distinct_id="(not set)", anonymousId=" "),
    )
    assert buyers_of(raw) == {"a0", "u2"}
    assert sum(reasons_of(raw).values()) == 3
    assert any("2 rows hold a placeholder" in warning and "other id" in warning for warning in raw.warnings)


def crowd(shared, each=5, others=30):
    """Rows of others, five each, and of one id in `shared` rows that are an hour apart."""
    for buyer in range(others):
        for row in range(each):
            yield f"b{buyer},2024-05-{1 + buyer % 28:02}T10:0{row}:00Z,page_viewed"
    for hour in range(shared):
        yield f"web,2024-05-{1 + hour // 24:02}T{hour % 24:02}:30:00Z,page_viewed"


@pytest.mark.parametrize(("shared", "rejected"), [(100, 100), (37, 0), (20, 0)])
def test_an_id_that_too_many_rows_share(table, shared, rejected):
    """150 rows of others: 100 rows are 40 %, 37 are below a fifth, and 20 visits are those of a heavy buyer."""
    raw = table("buyer_id,time,event", *crowd(shared))
    assert reasons_of(raw) == ({"ignored: no buyer, the id is shared by too many rows": rejected} if rejected else {})
    assert ("web" in buyers_of(raw)) == (not rejected)
    assert bool(raw.warnings) == bool(rejected)


def test_a_heavy_buyer_is_kept(table):
    # 100 of 250 rows in 100 hours, but another buyer comes in 11 hours: not ten times as often
    also = [f"b0,2024-05-20T{hour:02}:45:00Z,page_viewed" for hour in range(10)]
    assert "web" in buyers_of(table("buyer_id,time,event", *crowd(100), *also))
    # the whole log in few visits, and a setting
    few = [f"web,2024-05-01T10:00:{second:02}Z,page_viewed" for second in range(60)]
    assert "web" in buyers_of(table("buyer_id,time,event", *crowd(0), *few))
    assert "web" in buyers_of(table("buyer_id,time,event", *crowd(100), shared_ids="keep"))


def test_a_user_of_many_devices_links_nobody(calls):
    devices = [call(number % 50, userId="customer", anonymousId=f"a{number}") for number in range(40)]
    raw = calls(*devices, call(51, userId="u1", anonymousId="b1"), call(52, userId="u1", anonymousId="b2"))
    assert len(buyers_of(raw)) == 41
    assert any("'customer'" in warning for warning in raw.warnings)


def test_ids_as_floating_point_numbers(table):
    header = "buyer_id,time,event,product_id,order_id"
    raw = table(
        header,
        "1234567.0,2024-05-01T10:00:00Z,product_viewed,11.0,",
        "1234567,2024-05-01T10:01:00Z,product_viewed,11.50,",
        "1.5e+17,2024-05-01T10:02:00Z,checkout_completed,12.0,7.0",
        "u7,2024-05-01T10:02:00Z,page_viewed,,",
    )
    assert buyers_of(raw) == {"1234567", "150000000000000000", "u7"}
    # "11.50" is no whole number, so that "11.0" may be a version
    assert {line["product_id"] for line in rows_of(raw.events)} == {"11.0", "11.50", "12.0", None}
    assert [line["order_id"] for line in rows_of(raw.events) if line["order_id"]] == ["7"]
    assert any("buyer_id holds floating-point numbers in 2 rows" in warning for warning in raw.warnings)
    assert any("In 1 of them" in warning and "2^53" in warning for warning in raw.warnings)
    assert (
        table(header, "1e5,2024-05-01T10:00:00Z,page_viewed,,", "GA1.2.3,2024-05-01T10:00:00Z,page_viewed,,").warnings
        == ()
    )


def host(name, rows=100, buyers=50, orders=5, browsing=50, checkouts=10):
    return Host(name, rows, buyers, orders, browsing, checkouts)


CHECKOUT = {"browsing": 0, "orders": 20, "checkouts": 40}


@pytest.mark.parametrize(
    ("second", "crossing"),
    [
        (host("example.myshopify.com", 40, 20, **CHECKOUT), 20),
        (host("checkout.example.com", 40, 20, **CHECKOUT), 4),
        (host("pay.provider.example", 40, 20, **CHECKOUT), 10),
        (host("m.example.com", 90, 40), 10),
        (host("de.example.com", 90, 40), 8),
        (host("example-com.translator.example", 1, 1, 0, 1, 0), 1),
    ],
)
def test_hosts_with_the_same_buyers_are_one_shop(second, crossing):
    pair = tuple(sorted(("example.com", second.name)))
    of_host, warnings = joined_hosts([second, host("example.com")], {pair: crossing}, {})
    assert of_host == {second.name: "example.com"}
    assert second.name in warnings[0]


@pytest.mark.parametrize(
    ("second", "crossing"),
    [
        (host("other.example", 90, 40), 7),  # buyers of two stores, below a fifth
        (host("de.example.com", 90, 40), 0),  # nobody crosses
        (host("example.myshopify.com", 90, 40), 0),  # a whole store of another merchant
    ],
)
def test_hosts_without_common_buyers_are_shops(second, crossing):
    pair = tuple(sorted(("example.com", second.name)))
    assert joined_hosts([host("example.com"), second], {pair: crossing}, {}) == ({}, [])


@pytest.mark.parametrize(
    ("second", "crossing"),
    [
        (host("de.example.com", 90, 40), 2),  # 5 %
        (host("other.example", 90, 40), 20),  # half of the buyers, but of another name
        (host("checkout.example.com", 40, 20, **CHECKOUT), 0),  # all checkouts, and nobody is known at both
        (host("pay.provider.example", 40, 20, **CHECKOUT), 1),
    ],
)
def test_unsure_hosts_are_asked_for_and_a_setting_answers(second, crossing):
    hosts = [host("example.com", 1000, 500, 0), second]
    shared = {tuple(sorted(("example.com", second.name))): crossing}
    with pytest.raises(SourceError) as error:
        joined_hosts(hosts, shared, {})
    said = str(error.value)
    assert all(text in said for text in (second.name, "1,000", "source.shop"))
    assert f'{{"{second.name}" = "example.com"}}' in said
    one = {second.name: "example.com"}
    assert joined_hosts(hosts, shared, one) == (one, [])
    apart = {second.name: second.name}
    assert joined_hosts(hosts, shared, apart) == ({}, [])


def pixel(number, name, client, address):
    where = {"document": {"location": {"href": address}}}
    moment = f"2024-05-01T10:{number:02}:00Z"
    return {"id": f"e{number}", "name": name, "clientId": client, "timestamp": moment, "data": {}, "context": where}


def test_hosts_of_a_log(engine, tmp_path):
    lines = [
        pixel(0, "product_viewed", "c1", "https://WWW.Example.com/"),
        pixel(1, "product_viewed", "c1", "https://example.com/"),
        pixel(2, "checkout_started", "c1", "https://checkout.example.com/"),
        pixel(3, "page_viewed", "c2", "https://third.example/"),
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    raw = ShopifySource().read(tmp_path, engine)
    assert {line["shop_id"] for line in rows_of(raw.events)} == {"example.com", "third.example"}
    mapped = ShopifySource(shops={"third.example": "example.com", "checkout.example.com": "pay"}).read(tmp_path, engine)
    assert {line["shop_id"] for line in rows_of(mapped.events)} == {"example.com", "pay"}
    long_names = {"www.third.example": "www.example.com"}
    joined = ShopifySource(shops=long_names).read(tmp_path, engine)
    assert {line["shop_id"] for line in rows_of(joined.events)} == {"example.com"}
    one = ShopifySource(shop="mine").read(tmp_path, engine)
    assert {line["shop_id"] for line in rows_of(one.events)} == {"mine"}


def test_orders_of_a_server(calls):
    raw = calls(
        call(0, userId="u1", url="https://a.example/"),
        call(5, "Order Completed", userId="u1", url=None),
        call(100, userId="u1", url="https://b.example/"),
        call(110, "Order Completed", userId="u1", url=None),
        call(0, "Order Completed", userId="u2", url=None),  # before the buyer's first page
        call(9, userId="u2", url="https://b.example/"),
        call(9, "Order Completed", userId="u3", url=None),  # known from nowhere
        shared_ids="keep",
        shops={"a.example": "a", "b.example": "b"},
    )
    shops = {(line["buyer_id"], line["order_id"]): line["shop_id"] for line in rows_of(raw.events) if line["order_id"]}
    assert shops == {("u1", "o5"): "a", ("u1", "o110"): "b", ("u2", "o0"): "b"}
    ((reason, count),) = reasons_of(raw).items()
    assert "source.shop" in reason
    assert count == 1
    assert "4 events (4 of them orders) name no page" in " ".join(raw.warnings)


def test_an_order_of_a_server_in_a_log_of_one_shop(calls):
    raw = calls(call(0, userId="u1"), call(5, "Order Completed", userId="u2", url=None))
    assert {line["shop_id"] for line in rows_of(raw.events)} == {"shop.example"}
    with pytest.raises(SourceError, match=r"source\.shop"):
        calls(call(5, "Order Completed", userId="u2", url=None))


@pytest.mark.parametrize(("minutes", "sessions"), [(4, ["s1"]), (30, ["s1"]), (45, ["gap-1", "s1"])])
def test_the_order_of_a_server_joins_the_open_session(calls, minutes, sessions):
    context = {"sessionId": "s1", "page": {"url": "https://shop.example/p"}}
    raw = calls(
        call(0, userId="u1", context=context),
        call(minutes, "Order Completed", userId="u1", url=None),
    )
    found = rows_of(prepare(raw, KEEP, b"key").sessions)
    assert sorted(line["session_id"] for line in found) == sessions
    assert sum(line["purchase_count"] for line in found) == 1


def test_an_event_id_removes_doubles(table):
    header = "event_id,buyer_id,time,event,product_id,price,quantity,order_id,loaded"
    line = "u1,2024-05-01T10:00:00Z,product_added_to_cart,p1,12.50,1,"
    raw = table(
        header,
        f"e1,{line},monday",
        f"e1,{line},tuesday",  # exported again
        f"e2,{line},monday",  # another event
        f",{line},monday",  # without an id
        f",{line},tuesday",
        # the lines of one order, and the order again
        "e3,u1,2024-05-01T10:05:00Z,checkout_completed,p1,12.5,1,o1,monday",
        "e3,u1,2024-05-01T10:05:00Z,checkout_completed,p2,5,1,o1,monday",
        "e3,u1,2024-05-01 10:05:00+00:00,checkout_completed,p1,12.5,1,o1,tuesday",
        # a counter that starts again is no double
        "e1,u1,2024-05-02T10:00:00Z,product_added_to_cart,p1,12.50,1,,monday",
    )
    assert len(rows_of(raw.events)) == 7
    assert reasons_of(raw) == {"exact duplicate": 2}
    quality = prepare(raw, KEEP, b"key").quality
    assert (quality["rows_in"], quality["rows_kept"], quality["rows_duplicate"]) == (9, 7, 2)


def ga4_event(second, name="view_item", item="p1", **columns):
    params = [{"key": "ga_session_id", "value": {"int_value": "7"}}]
    params += [{"key": "page_location", "value": {"string_value": "https://shop.example/"}}]
    row = {"event_timestamp": str(1714557600000000 + second * 1_000_000), "event_name": name, "user_pseudo_id": "u1"}
    return json.dumps(row | {"event_params": params, "items": [{"item_id": item, "price": 5}]} | columns)


def test_a_day_in_two_tables_counts_once(engine, tmp_path):
    daily = [ga4_event(0, geo="x"), ga4_event(0, geo="y"), ga4_event(5, "add_to_cart", geo="x")]
    # the same moment, but another item; and one that the daily table lacks
    intraday = [ga4_event(0), ga4_event(0), ga4_event(0, item="p2"), ga4_event(5, "add_to_cart"), ga4_event(9)]
    (tmp_path / "a_intraday_20240501.jsonl").write_text("\n".join(intraday))
    (tmp_path / "events_20240501.jsonl").write_text("\n".join(daily))
    raw = Ga4Source().read(tmp_path, engine)
    kept = [(line["file"].partition("_")[0], line["row"]) for line in rows_of(raw.events)]
    assert sorted(kept) == [("a", 3), ("a", 5), ("events", 1), ("events", 2), ("events", 3)]
    assert reasons_of(raw) == {"exact duplicate": 3}


@pytest.mark.parametrize(
    ("cookie", "session"),
    [
        ("s1714557600$o5$g1$t1714557660$j5$l0$h0", "1714557600"),
        ("GS2.1.s1714557600$o5$g1$t1714557660$j5$l0$h0", "1714557600"),
        ("GS1.1.1714557600.5.1.1714557660.0.0.0", "1714557600"),
        ("1714557600", "1714557600"),
        ("s1", "s1"),
        ("s17$", "s17$"),
        ("shoes$o", "shoes$o"),
    ],
)
def test_the_part_of_a_cookie_that_names_the_session(table, cookie, session):
    raw = table("buyer_id,time,event,session_id", f"u1,2024-05-01T10:00:00Z,page_viewed,{cookie}")
    assert [line["session_id"] for line in rows_of(raw.events)] == [session]


def test_an_address_in_several_spellings_is_one_buyer(table):
    lines = [f"{name},2024-05-01T10:0{minute}:00Z,page_viewed" for minute, name in enumerate(
        ["Ann@Mail.example", "ann@mail.example", "ANN@mail.example", "Bob", "bob"])]  # fmt: skip
    raw = table("buyer_id,time,event", *lines)
    assert buyers_of(raw) == {"ann@mail.example", "Bob", "bob"}
    assert raw.warnings[0].startswith("2 rows have an e-mail address with capital letters")


def test_numbers_that_a_spreadsheet_shortened_may_be_several_ids(table):
    rows = [f"1.23457E+11,2024-05-01 1{hour}:00:00,product_viewed,p" for hour in range(3)]
    raw = table("buyer_id,time,event,product_id", *rows)
    assert any("In 3 of them the number is above 2^53 or has an exponent" in warning for warning in raw.warnings)
    assert {row["buyer_id"] for row in rows_of(raw.events)} == {"123457000000"}


def test_spaces_around_an_id_are_no_part_of_it(engine, tmp_path):
    ids = [("u1", "s1"), (" u1", "s1 "), ("u1\t", "s1"), ("u 1", "s1")]
    lines = [
        {"buyer_id": buyer, "session_id": session, "time": f"2024-05-01T10:00:0{n}Z", "event": "page_viewed"}
        for n, (buyer, session) in enumerate(ids)
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    raw = TableSource().read(tmp_path / "log.jsonl", engine)
    assert {(row["buyer_id"], row["session_id"]) for row in rows_of(raw.events)} == {("u1", "s1"), ("u 1", "s1")}
    assert any(warning.startswith("2 rows have") and "spaces around it" in warning for warning in raw.warnings)


def test_a_port_is_no_part_of_a_host(table):
    rows = [
        f"u,2024-05-01 10:0{n}:00,page_viewed,{host}"
        for n, host in enumerate(["a.example:443", "WWW.A.example", "a.example."])
    ]
    raw = table("buyer_id,time,event,host", *rows, columns={"shop_id": "host"})
    assert {row["shop_id"] for row in rows_of(raw.events)} == {"a.example"}
