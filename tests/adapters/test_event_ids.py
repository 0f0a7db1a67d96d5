"""An export that holds a day again adds nothing: each format's own event ids."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simpersona.adapters.sources.open import open_source
from simpersona.config.source import source_of

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
