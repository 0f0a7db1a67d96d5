"""An export that holds a day again adds nothing: each format's own event ids."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simpersona.adapters.sources.ga4 import Ga4Source
from simpersona.adapters.sources.open import open_source
from simpersona.adapters.sources.table import TableSource
from simpersona.config import EventsConfig
from simpersona.config.source import source_of
from simpersona.events.prepare import prepare

AT = "2024-05-01T10:00:00Z"


def pixel(number, copy):
    return {"id": f"e{number}", "name": "page_viewed", "clientId": "c", "timestamp": AT, "shop": "s", "sent": copy}


def segment(number, copy, **ids):
    ids = ids or {"messageId": f"m{number}"}
    return {"type": "page", "anonymousId": "a", "timestamp": AT, "receivedAt": f"2024-05-0{copy + 2}T00:00:00Z",
            "context": {"page": {"url": "https://s.example/"}}} | ids  # fmt: skip


def posthog(number, copy, **ids):
    properties = {"$current_url": "https://s.example/"} | (ids if "$insert_id" in ids else {})
    return {"event": "$pageview", "distinct_id": "a", "timestamp": AT, "properties": properties, "batch": copy} | (
        {} if ids else {"uuid": f"u{number}"}
    )


def snowplow(number, copy):
    return {"event_id": f"e{number}", "event_fingerprint": "f", "app_id": "s", "domain_userid": "u", "domain_sessionid": "a",
            "event_name": "page_view", "derived_tstamp": AT, "etl_tstamp": f"2024-05-0{copy + 2}T00:00:00Z"}  # fmt: skip


def amplitude(number, copy, name="$insert_id"):
    return {"amplitude_id": 7, "event_type": "Product Viewed", "event_time": "2024-05-01 10:00:00", "session_id": 1,
            name: f"i{number}", "event_properties": {"product_id": "p"}, "server_upload_time": copy}  # fmt: skip


def mixpanel(number, copy):
    properties = {
        "time": 1_714_557_600,
        "distinct_id": "d",
        "$insert_id": f"i{number}",
        "product_id": "p",
        "mp_lib": copy,
    }
    return {"event": "Product Viewed", "properties": properties}


FORMATS: dict[str, tuple[str, Any]] = {
    "shopify": ("shopify", pixel),
    "segment": ("segment", segment),
    "posthog": ("segment", posthog),
    "posthog, an import": ("segment", lambda number, copy: posthog(number, copy, **{"$insert_id": f"i{number}"})),
    "snowplow": ("snowplow", snowplow),
    "amplitude": ("amplitude", amplitude),
    "amplitude, its own id": ("amplitude", lambda number, copy: amplitude(number, copy, "uuid")),
    "mixpanel": ("mixpanel", mixpanel),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_day_that_is_exported_again_adds_nothing(engine, tmp_path, name):
    form, line = FORMATS[name]
    for copy in range(2):
        (tmp_path / f"{copy}.jsonl").write_text("\n".join(json.dumps(line(number, copy)) for number in range(3)))
    raw = open_source(source_of({"format": form, "path": tmp_path})).read(tmp_path, engine)
    kept = raw.events.count().to_pyarrow().as_py()
    assert (raw.rows_in, kept) == (6, 3)
    assert raw.rejected.reason.to_pyarrow().to_pylist() == ["exact duplicate"] * 3


def test_a_table_without_event_ids_says_which_rows_another_file_repeats(engine, tmp_path):
    header = "buyer_id,time,event,value,order_id,exported"
    for copy, name in enumerate(["a.csv", "b.csv", "c.csv"]):
        lines = [f"u{number},2024-05-01T10:00:00Z,checkout_completed,5,o{number},{copy}" for number in range(copy, 4)]
        (tmp_path / name).write_text("\n".join([header, *lines]) + "\n")
    prepared = prepare(TableSource().read(tmp_path, engine), EventsConfig(), b"key")
    (again,) = [said for said in prepared.quality["warnings"] if "same as a row of another file" in said]
    assert again.startswith("5 rows are the same")
    assert "a.csv and c.csv" in again
    assert prepared.quality["orders"][0]["orders"] == 4  # which their order ids show


def test_an_order_that_two_buyers_report_is_said(engine, tmp_path):
    lines = [f"{buyer},2024-05-01T10:00:00Z,checkout_completed,5,{order}" for buyer, order in (
        ("browser", "o1"), ("server", "o1"), ("server", "o2"))]  # fmt: skip
    (tmp_path / "log.csv").write_text("\n".join(["buyer_id,time,event,value,order_id", *lines]) + "\n")
    quality = prepare(TableSource().read(tmp_path, engine), EventsConfig(), b"key").quality
    assert quality["orders_of_several_buyers"] == 1
    assert any(
        said.startswith("1 order ids stand in the purchases of more than one buyer") for said in quality["warnings"]
    )


def test_ga4_events_whose_parameters_are_no_list_are_malformed(engine, tmp_path):
    line = {"event_timestamp": 1_714_557_600_000, "event_name": "page_view", "user_pseudo_id": "1"}
    odd = line | {"event_params": {"ga_session_id": 77}}
    (tmp_path / "log.json").write_text("\n".join(json.dumps(one) for one in (line, odd)))
    raw = Ga4Source(shop="s").read(tmp_path, engine)
    assert raw.rejected.reason.to_pyarrow().to_pylist() == ["event_params is not a list of key and value"]
    assert raw.events.time.to_pyarrow().to_pylist()[0].isoformat() == "2024-05-01T10:00:00+00:00"
