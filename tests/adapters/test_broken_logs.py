"""Broken logs of every format: one clear SourceError or counted rejects, and no row is lost.

Input rows are counted here by plain Python, apart from the code under test.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from simpersona.adapters.sources.ga4 import Ga4Source
from simpersona.adapters.sources.rees46 import Rees46Source
from simpersona.adapters.sources.retailrocket import RetailRocketSource
from simpersona.adapters.sources.segment import SegmentSource
from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.adapters.sources.snowplow import SnowplowSource
from simpersona.adapters.sources.table import TableSource
from simpersona.adapters.sources.webshop import WebshopSource
from simpersona.config import EventsConfig
from simpersona.contracts import PRODUCTS, SESSIONS
from simpersona.errors import SourceError
from simpersona.events.cleaning import DUPLICATE
from simpersona.events.prepare import prepare
from simpersona.events.refunds import REFUND
from simpersona.ports import EventSource

BEAR_ALL = EventsConfig(max_rejected_share=1)
LONG = "x" * 1_000_000
HOSTILE = (
    *("", " ", "null", "NaN", "nan", "inf", "-inf", "1e400", "-3", "0", "1e308", "99999999999999999999", "1.5.2"),
    *("1970-01-01T00:00:00Z", "2999-12-31T23:59:59Z", "0001-01-01", "-5", "24:61", "32503593600000"),
    *(
        "[]",
        "{}",
        '{"a":1}',
        "[[[[]]]]",
        "true",
        "'; DROP TABLE x",
        "\u202e\U0001f600",
        "a\x1fb",
        "\ufffd",
        "é",
        '"',
        '""',
        "\\",
        "\t",
    ),
)
"""What may stand in a field of text."""
WRONG_KINDS = (
    *(None, True, -1, 0, 1e308, float("nan"), float("inf"), 10**30),
    *([], {}, [None], [[1]], {"a": {"b": []}}, "x"),
)
"""What may stand in a place of JSON."""

ACTION = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1"
ENTITY = "contexts_com_snowplowanalytics_snowplow_ecommerce_{}_1"
VARIANT = {"price": {"amount": "10.00"}, "product": {"id": "p1", "title": "Shirt", "vendor": "Acme", "type": "shirts"}}
ITEM = {"id": "p1", "name": "Shirt", "category": "shirts", "price": 9.5, "quantity": 1}
TASK = {"asin": "B1", "category": "garden", "name": "Futon", "product_category": "Home › Futons"}


@dataclass(frozen=True)
class Log:
    """A small valid log: `header` is the first line of a CSV log, else empty."""

    source: EventSource
    name: str
    header: str
    lines: tuple[str, ...]


def pixel(name: str, data: Any) -> dict[str, Any]:
    time = {"clientId": "c1", "timestamp": "2024-03-01T12:00:00Z", "seq": 1}
    return {"name": name, "type": "standard", "shop": "acme", "data": data} | time


def snow(number: int, kind: str, **columns: Any) -> dict[str, Any]:
    ids = {"event_id": f"e{number}", "app_id": "acme", "domain_userid": "d1", "domain_sessionid": "s1"}
    time = {"derived_tstamp": "2024-03-01T12:00:00Z", "event_name": "snowplow_ecommerce_action"}
    return ids | time | {ACTION: {"type": kind, "name": "list"}} | columns


def ga4(second: int, name: str, **columns: Any) -> dict[str, Any]:
    params = [
        {"key": "ga_session_id", "value": {"int_value": 7}},
        {"key": "search_term", "value": {"string_value": "a"}},
    ]
    device = {"web_info": {"hostname": "acme.example"}}
    time = {"event_timestamp": 1_604_188_800_000_000 + second, "event_name": name, "user_pseudo_id": "c1"}
    return time | {"event_params": params, "device": device, "items": [{"item_id": "p1", "price": 9.5}]} | columns


def call(number: int, event: str, **properties: Any) -> dict[str, Any]:
    ids = {"messageId": f"e{number}", "type": "track", "event": event, "anonymousId": "c1", "properties": properties}
    return ids | {"timestamp": "2024-03-01T12:00:00Z", "context": {"page": {"url": "https://acme.example/"}}}


def page(kind: str, **content: Any) -> dict[str, Any]:
    return {"page": kind, "goal": TASK, "content": content}


def as_json(*lines: dict[str, Any]) -> tuple[str, ...]:
    return tuple(json.dumps(line) for line in lines)


LOGS = {
    "rees46": Log(
        Rees46Source(),
        "log.csv",
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session",
        (
            "2019-10-01 00:00:00 UTC,view,1,9,electronics.phone,acme,10.50,u1,s1",
            "2019-10-01 00:00:05 UTC,cart,1,9,electronics.phone,acme,10.50,u1,s1",
            '2019-10-01 00:00:09 UTC,purchase,2,9,,"a, b",20,u2,s2',
        ),
    ),
    "retailrocket": Log(
        RetailRocketSource(),
        "events.csv",
        "timestamp,visitorid,event,itemid,transactionid",
        ("1439694000000,1,view,100,", "1439694000001,1,addtocart,100,", "1439694000002,1,transaction,100,7"),
    ),
    "shopify": Log(
        ShopifySource(),
        "log.jsonl",
        "",
        as_json(
            pixel("product_viewed", {"productVariant": VARIANT}),
            pixel("product_added_to_cart", {"cartLine": {"merchandise": VARIANT, "quantity": 2}}),
            pixel("checkout_completed", {"checkout": {"order": {"id": "o"}, "lineItems": [{"variant": VARIANT}]}}),
        ),
    ),
    "snowplow": Log(
        SnowplowSource(),
        "log.jsonl",
        "",
        as_json(
            snow(1, "product_view", **{ENTITY.format("product"): [ITEM]}),
            snow(2, "list_view", **{ENTITY.format("product"): [ITEM, ITEM]}),
            snow(
                3, "transaction", **{ENTITY.format("product"): [ITEM], ENTITY.format("transaction"): [{"revenue": 9}]}
            ),
        ),
    ),
    "ga4": Log(
        Ga4Source(),
        "log.jsonl",
        "",
        as_json(
            ga4(1, "view_item"),
            ga4(2, "view_search_results"),
            ga4(3, "purchase", ecommerce={"transaction_id": "T", "purchase_revenue": 9.5}),
        ),
    ),
    "flat ga4": Log(
        Ga4Source(shop="acme"),
        "log.csv",
        "user_pseudo_id,event_timestamp,item_id,item_name,price,quantity",
        ("c1,1604188800000000,p1,Shirt,9.5,2", "c1,1604188800000000,p2,Cap,5,1", "c2,1604188800000001,p1,Shirt,9.5,1"),
    ),
    "segment": Log(
        SegmentSource(),
        "log.jsonl",
        "",
        as_json(
            call(1, "Product Viewed", product_id="p1", name="Shirt", price=9.5),
            call(2, "Products Searched", query="shirt"),
            call(3, "Order Completed", order_id="o", total=9.5, products=[{"product_id": "p1", "quantity": 2}]),
        ),
    ),
    "table of CSV": Log(
        TableSource(columns={"buyer_id": "user"}, events={"view": "product_viewed"}),
        "log.csv",
        "shop_id,user,time,event,product_id,price,quantity,title",
        (
            "s,u1,2024-03-01T12:00:00Z,view,p1,9.5,1,Shirt",
            "s,u1,2024-03-01T12:01:00Z,product_added_to_cart,p1,9.5,2,Shirt",
            "s,u1,2024-03-01T12:02:00Z,checkout_completed,p1,9.5,2,Shirt",
        ),
    ),
    "table of JSON": Log(
        TableSource(columns={"buyer_id": "user.id", "product_id": "item.id"}, events={"view": "product_viewed"}),
        "log.jsonl",
        "",
        as_json(
            {"user": {"id": "c1"}, "time": "2024-03-01T12:00:00Z", "event": "view", "item": {"id": "p1"}},
            {"user": {"id": "c1"}, "time": "2024-03-01T12:01:00Z", "event": "cart_viewed", "price": 9.5},
            {"user": {"id": "c1"}, "time": "2024-03-01T12:02:00Z", "event": "checkout_completed", "quantity": 2},
        ),
    ),
    "webshop": Log(
        WebshopSource(),
        "20220513_1.jsonl",
        "",
        as_json(
            page("search_results", keywords=["red", "futon"], page=1),
            page("item_page", asin="B1", options={}),
            page("done", asin="B1", options={}, price=12.5),
        ),
    ),
}


@pytest.fixture(params=LOGS)
def log(request: pytest.FixtureRequest) -> Log:
    return LOGS[request.param]


def written(folder: Path, log: Log, lines: list[bytes]) -> Path:
    path = folder / log.name
    path.write_bytes(b"\n".join([log.header.encode()] * bool(log.header) + lines))
    return path


def rows_of(data: bytes, log: Log) -> int:
    """Lines that hold something, without the header."""
    return sum(bool(line.strip(b" \t\r\f")) for line in data.split(b"\n")) - bool(log.header)


def account(log: Log, path: Path, engine: Backend) -> set[int] | None:
    """The numbers of the lines set aside; None where the log cannot be used at all and the error says so."""
    try:
        raw = log.source.read(path, engine)
        prepared = prepare(raw, BEAR_ALL, b"key")
    except SourceError as error:
        assert path.name in str(error) or "input rows can be used" in str(error)  # noqa: PT017
        return None
    quality = prepared.quality
    rejected = prepared.rejected.to_pyarrow().to_pylist()
    assert quality["rows_in"] == rows_of(path.read_bytes(), log)
    assert quality["rows_in"] == quality["rows_kept"] + quality["rows_rejected"]
    assert quality["rows_rejected"] == len(rejected)
    SESSIONS.check(prepared.sessions.to_pyarrow())
    PRODUCTS.check(raw.products.to_pyarrow())
    return {line["row"] for line in rejected}


def with_text(log: Log, line: str, text: str, place: int) -> str:
    """The line with another text in one of its fields."""
    if log.header:
        fields = line.split(",")
        fields[place % len(fields)] = text
        return ",".join(fields)
    return with_value(line, text, place)


def with_value(line: str, value: Any, place: int) -> str:
    """The JSON line with another value in one of its places, whatever was there."""
    record = json.loads(line)
    places = list(_places(record))
    inside, key = places[place % len(places)]
    inside[key] = value
    return json.dumps(record, ensure_ascii=False)


def _places(value: Any):
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def test_every_damage_to_a_line_at_once(log: Log, engine: Backend, tmp_path: Path) -> None:
    """No damaged line spoils a whole one, of which some stand before them and one after.

    The file has a byte order mark, ends its lines as Windows does and is cut off within the last one.
    """
    last, *others = log.lines
    damaged: list[str | bytes] = [*others]
    for line in others:
        damaged += [with_text(log, line, text, place) for place, text in enumerate(HOSTILE)]
        damaged += [with_text(log, line, text, 3 * place + 1) for place, text in enumerate(HOSTILE)]
        damaged += [line[: len(line) * share // 5] for share in range(1, 5)]
        damaged += [line.encode().replace(b"1", byte, 1) for byte in (b"\xff", b"\0", b"\xc3\x28", b"\r", b'"')]
        damaged += ["", " \t ", "," * 40, "[" * 5000, "{" * 5000, '{"a":' * 2000 + "1" + "}" * 2000, line + line]
        if not log.header:
            damaged += [with_value(line, value, place) for value in WRONG_KINDS for place in range(0, 24, 5)]
    damaged += [with_text(log, others[0], LONG, place) for place in (1, 3, 5)]
    lines = [line if isinstance(line, bytes) else line.encode() for line in [*damaged, last, others[0][:-20]]]
    path = written(tmp_path, log, lines)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    rejected = account(log, path, engine)
    first = 1 + bool(log.header)
    kept = {*range(first, first + len(others)), first + len(damaged)}
    assert rejected is not None
    assert not rejected & kept
    assert first + len(damaged) + 1 in rejected


AMOUNT, TIME = re.compile("price|amount|revenue|total|quantity"), re.compile("time|tstamp")
EARLY, LATE = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)


def with_named(log: Log, line: str, name: re.Pattern[str], changed: Callable[[str], object]) -> list[str]:
    """The line with another value in each field of such a name, one after the other."""
    if log.header:
        names, fields = log.header.split(","), next(csv.reader([line]))
        quoted = [f'"{field}"' if "," in field else field for field in fields]
        places = [place for place, column in enumerate(names) if name.search(column) and fields[place]]
        return [",".join([*quoted[:at], str(changed(fields[at])), *quoted[at + 1 :]]) for at in places]
    found = []
    for place, (inside, key) in enumerate(_places(json.loads(line))):
        if name.search(str(key)) and isinstance(inside[key], str | int | float):
            found.append(with_value(line, changed(str(inside[key])), place))
    return found


def as_written(before: str, moment: datetime) -> str:
    """The moment in the manner of the log: a number of milliseconds or microseconds, or a text.

    Numbers show their unit by their digits: those of earlier than 2001 have too few.
    """
    if before.isdigit():
        return str(max(int(moment.timestamp()), 10**9) * 10 ** (len(before) - 10))
    return moment.isoformat(sep=before[10]).replace("+00:00", before[19:])


def test_impossible_amounts_years_and_doubles(log: Log, engine: Backend, tmp_path: Path) -> None:
    """Amounts that cannot be are no fault of a row, nor is the year 1970; the year 2999 is, and a double is one. A negative
    amount of a purchase is a refund."""
    amounts = [with_named(log, line, AMOUNT, lambda _, new=new: new) for line in log.lines for new in ("NaN", "-2")]
    negative = set(chain(*amounts[1::2]))
    early = [with_named(log, line, TIME, lambda old: as_written(old, EARLY)) for line in log.lines]
    late = [with_named(log, line, TIME, lambda old: as_written(old, LATE)) for line in log.lines]
    good, bad = [*log.lines, *chain(*amounts), *chain(*early)], list(chain(*late))
    unique = [
        re.sub(r'"(messageId|event_id)": "\w+"', rf'"\1": "own{number}"', line)
        for number, line in enumerate(good + bad)
    ]
    path = written(tmp_path, log, [line.encode() for line in [*unique, unique[0], unique[0]]])
    raw = log.source.read(path, engine)
    prepared = prepare(raw, BEAR_ALL, b"key")
    reasons = {line["row"]: line["reason"] for line in prepared.rejected.to_pyarrow().to_pylist()}
    rejected, first = len(reasons), 1 + bool(log.header)
    for row, line in enumerate(good, start=first):
        reason = reasons.pop(row, None)
        assert reason is None or (reason.startswith(REFUND) and line in negative), (row, reason)
    assert (
        list(reasons.values()) == ["time is not between 1970 and 2200"] * len(bad) + [DUPLICATE] * 2 * raw.has.has_time
    )
    assert prepared.quality["rows_in"] == len(unique) + 2 == prepared.quality["rows_kept"] + rejected
    for line in prepared.events.to_pyarrow().to_pylist():
        assert all(line[name] is None or line[name] >= 0 for name in ("price", "value"))
        assert line["quantity"] is None or line["quantity"] > 0
    if raw.has.has_price:
        assert prepared.quality["impossible"]["price"] or prepared.quality["refunds"]


UNUSABLE = {"nothing": b"", "blank lines": b"\r\n \n\t\n", "noise": bytes(range(256)) * 64}


@pytest.mark.parametrize("content", UNUSABLE)
def test_what_is_no_text_at_all(log: Log, engine: Backend, tmp_path: Path, content: str) -> None:
    path = tmp_path / log.name
    path.write_bytes(UNUSABLE[content])
    assert account(log, path, engine) is None


@pytest.mark.parametrize("name", ["rees46", "retailrocket", "table of CSV", "shopify"])
def test_a_page_in_the_place_of_a_log(name: str, engine: Backend, tmp_path: Path) -> None:
    path = tmp_path / LOGS[name].name
    path.write_text("<!DOCTYPE html>\n<html><body>404, not found</body></html>\n")
    assert account(LOGS[name], path, engine) is None


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_log_in_utf_16_is_read_as_in_utf_8(log: Log, engine: Backend, tmp_path: Path, encoding: str) -> None:
    rows = []
    for name, code in (("plain", "utf-8"), ("wide", encoding)):
        path = tmp_path / name / log.name
        path.parent.mkdir()
        path.write_bytes("\n".join([*[log.header] * bool(log.header), *log.lines]).encode(code))
        rows.append(log.source.read(path, engine).events.order_by("row", "part").to_pyarrow())
    assert rows[0] == rows[1]


@pytest.mark.parametrize("name", ["rees46", "retailrocket"])
def test_a_header_alone(name: str, engine: Backend, tmp_path: Path) -> None:
    assert account(LOGS[name], written(tmp_path, LOGS[name], []), engine) is None


@pytest.mark.parametrize("ending", [".gz", ".zip"])
def test_an_archive_that_is_none_or_cut_off(log: Log, engine: Backend, tmp_path: Path, ending: str) -> None:
    path = tmp_path / (log.name + ending)
    for content in (log.lines[0].encode(), gzip.compress(log.lines[0].encode() * 99)[:-9], b"PK\x03\x04" + b"\0" * 99):
        path.write_bytes(content)
        with pytest.raises(SourceError, match=rf"{path.name}: cannot be read to its end"):
            log.source.read(path, engine)


@pytest.mark.parametrize("name", ["rees46", "retailrocket"])
def test_columns_in_another_order_and_further_ones(name: str, engine: Backend, tmp_path: Path) -> None:
    log = LOGS[name]
    plain = log.source.read(written(tmp_path, log, [log.lines[0].encode()]), engine)
    turned = [",".join(["extra", *line.split(",")[::-1], ""]) for line in (log.header, log.lines[0])]
    path = tmp_path / "turned" / log.name
    path.parent.mkdir()
    path.write_text("\n".join(turned))
    other = log.source.read(path, engine)
    assert other.events.drop("raw").to_pyarrow().to_pylist() == plain.events.drop("raw").to_pyarrow().to_pylist()


def damaged_lines(log: Log) -> st.SearchStrategy[list[bytes]]:
    line = st.sampled_from(log.lines)
    place = st.integers(0, 30)
    changed = st.builds(
        lambda line, text, place: with_text(log, line, text, place), line, st.sampled_from(HOSTILE), place
    )
    if not log.header:
        values = st.sampled_from(WRONG_KINDS) | st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=5,
        )
        changed |= st.builds(with_value, line, values, place)
    text = (line | changed | st.text(max_size=40)).map(lambda text: text.encode("utf-8", "surrogatepass"))
    cut = st.builds(
        lambda line, start, end, middle: line[:start] + middle + line[end:], text, place, place, st.binary(max_size=4)
    )
    return st.lists(text | cut, min_size=10, max_size=60).map(
        lambda lines: [line.replace(b"\n", b" ") for line in lines]
    )


@settings(max_examples=8, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_damage_is_one_error_or_counted(
    engine: Backend, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    log = LOGS[data.draw(st.sampled_from(sorted(LOGS)))]
    account(log, written(tmp_path_factory.mktemp("fuzz"), log, data.draw(damaged_lines(log))), engine)
