"""Data feeds of Adobe Analytics: hits with lists of events and of products in one cell."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import first_lines, log_files, read_lines
from simpersona.adapters.sources.event_rows import ALL_KNOWN, event_log, number, page_host, whole_number
from simpersona.adapters.sources.json_fields import mark_repeated
from simpersona.adapters.sources.shop_log import ShopLogOptions, ShopLogSource
from simpersona.adapters.sources.times import stamp_of
from simpersona.contracts import RawLog
from simpersona.errors import SourceError
from simpersona.events.cleaning import DUPLICATE, IGNORED
from simpersona.events.materialize import materialize

LOGS = tuple(f"*.{end}{packed}" for end in ("tsv", "txt") for packed in ("", ".gz", ".zip"))
EVENT_OF = {
    "1": "checkout_completed",
    "11": "checkout_started",
    "12": "product_added_to_cart",
    "13": "product_removed_from_cart",
    "14": "cart_viewed",
    "2": "product_viewed",
}
"""The numbers of Adobe's standard events, the one that counts first if a hit has several. Others are a shop's own."""

_HEADERS = "column_headers.tsv"
_LOOKUPS = ("browser", "browser_type", "color_depth", "column_headers", "connection_type", "country", "event",
            "javascript_version", "languages", "operating_systems", "plugins", "referrer_type", "resolution",
            "search_engines")  # fmt: skip
"""Files of a delivery that name the values of columns and hold no hits."""
_NAMES: Mapping[str, tuple[str, ...]] = {
    "visitor_high": ("post_visid_high", "visid_high"),
    "visitor_low": ("post_visid_low", "visid_low"),
    "visit": ("visit_num",),
    "visit_start": ("visit_start_time_gmt",),
    "sent": ("post_cust_hit_time_gmt", "cust_hit_time_gmt"),
    "received": ("hit_time_gmt",),
    "place": ("visit_page_num",),
    "events": ("post_event_list", "event_list"),
    "products": ("post_product_list", "product_list"),
    "link": ("post_page_event", "page_event"),
    "order": ("post_purchaseid", "purchaseid"),
    "page": ("post_page_url", "page_url"),
    "excluded": ("exclude_hit",),
    "origin": ("hit_source",),
    "again": ("duplicate_purchase",),
    "hit_high": ("hitid_high",),
    "hit_low": ("hitid_low",),
    "currency": ("currency",),
}
"""The names of each column; the first that a feed has counts."""
_NEEDED = ("visitor_high", "visitor_low", "received", "events", "products")
_UPLOADED = ("5", "7", "8", "9")  # of data sources: summaries, and no hits of a visitor


class AdobeSource(ShopLogSource):
    """Reads a file, a folder or a pattern of files of a data feed: tab-separated hits (plain, .gz or .zip); an EventSource.

    The names of the columns are `header`, else those in `column_headers.tsv` in the same folder, else the first line. The
    shop is `shop`, else the host of the page. A buyer is the two halves of the visitor's id, a session a visit's number and
    start. A hit is the furthest of its standard events, else a page view. A product's name is its id, and its price the
    line's total divided by its quantity.
    """

    def __init__(self, header: Sequence[str] = (), **options: Unpack[ShopLogOptions]) -> None:
        super().__init__(**options)
        self.header = tuple(header)

    def read(self, path: Path, engine: SQLBackend) -> RawLog:
        """The log at `path`; an input row is a hit. Hits that Adobe excludes from its reports, links and purchases that it
        marks as repeated are set aside.

        Raises SourceError if there is no log, it cannot be read or lacks a column that is needed.
        """
        files = log_files(path, LOGS, "hits of a data feed, tab-separated")
        files = [file for file in files if file.name.lower().split(".")[0] not in _LOOKUPS]
        if not files:
            raise SourceError(f"{path}: holds tables of a data feed but no hits. Expected a file such as hit_data.tsv.")
        names, line = self._header(files[0])
        lines, _ = read_lines(engine, files)
        hits = _hits(lines.filter(lines.line != line), names)
        flat = materialize(_flat(hits), "adobe_hits")
        rows = _with_reason(mark_repeated(flat, "hit", "event"))
        rows_in = int(rows.count().to_pyarrow().as_py())
        has = replace(ALL_KNOWN, has_search=False, has_collection=False)
        said = _several_events(rows)
        return event_log(engine, files[0].parent, rows, rows_in, has, self.identity, self.amounts, warnings=said)

    def _header(self, file: Path) -> tuple[list[str], str]:
        """The names of the columns, and the line that has them; it is no hit if it stands in the file."""
        beside = file.parent / _HEADERS
        line = "\t".join(self.header) or first_lines(beside if beside.is_file() else file, 1)[0]
        names = [name.strip().lower() for name in line.split("\t")]
        for column in _NEEDED:
            if not set(_NAMES[column]) & set(names):
                raise SourceError(
                    f"{file}: missing column {' or '.join(_NAMES[column])}. Found: {', '.join(names)[:300]}. A data feed names its columns"
                    f" in {_HEADERS}, which has to lie beside the hits; else set source.header to the names, in order."
                )
        return names, line


def _hits(lines: ibis.Table, header: Sequence[str]) -> ibis.Table:
    """The lines with the cells of _NAMES, null where they are empty or the feed lacks the column.

    A feed has no quotes: a quote is a character like others.
    """
    fields = lines.line.split("\t")
    count = fields.length()
    wrong = f"expected {len(header)} fields, found " + count.cast("string")
    lines = lines.mutate(
        fields=fields, fault=ibis.coalesce(lines.fault, ibis.ifelse(count == len(header), None, wrong))
    )
    cells: dict[str, ir.Value] = {}
    for name, names in _NAMES.items():
        column = next((each for each in names if each in header), None)
        cells[name] = ibis.null("string") if column is None else lines.fields[header.index(column)].strip().nullif("")
    if "post_product_list" in header:  # whose amounts are in one currency, which no column names
        cells["currency"] = ibis.null("string")
    return materialize(lines.select("file", "row", "line", "fault", **cells), "adobe_cells")


def _flat(hits: ibis.Table) -> ibis.Table:
    """One row per hit with what is needed of it; `goods` are its products."""
    names = hits.events.split(",").map(lambda event: event.re_extract(r"^\d+", 0))
    furthest = ibis.array([*EVENT_OF]).filter(lambda event: names.contains(event))  # noqa: PLW0108 - Ibis gives the argument by name
    hits = materialize(hits.mutate(furthest=furthest), "adobe_events")
    is_page = hits.link.fill_null("0") == "0"
    event = hits.furthest[0].cases(*EVENT_OF.items(), else_=ibis.ifelse(is_page, "page_viewed", None))
    hits = hits.mutate(event=event)
    is_order = hits.event == "checkout_completed"
    goods = hits.products.fill_null("").split(",").map(_good)
    return hits.select(
        "file",
        "row",
        "fault",
        "event",
        "currency",
        raw="line",
        events=hits.furthest.length(),
        shop_id=page_host(hits.page),
        buyer_id=_joined(hits.visitor_high, hits.visitor_low),
        session_id=ibis.coalesce(_joined(hits.visit, hits.visit_start), hits.visit),
        hit=_joined(hits.hit_high, hits.hit_low),
        time=stamp_of(ibis.coalesce(hits.sent.nullif("0"), hits.received)),
        seq=whole_number(number(hits.place)),
        collection_id=ibis.null("string"),
        collection=ibis.null("string"),
        order_id=ibis.ifelse(is_order, hits.order, None),
        goods=goods.filter(lambda good: good["product_id"].notnull()),
        is_excluded=(hits.excluded.fill_null("0") != "0") | hits.origin.isin(_UPLOADED).fill_null(False),
        is_again=is_order & (hits.again == "1").fill_null(False),
    )


def _joined(high: ir.StringValue, low: ir.StringValue) -> ir.StringValue:
    """An id of two halves; null where one is missing, or both are 0."""
    return ibis.ifelse((high == "0") & (low == "0"), None, high + "-" + low)


def _good(product: ir.StringValue) -> ir.StructValue:
    """A product of a list: category;name;quantity;total;events;variables."""
    parts = product.split(";")
    return ibis.struct(
        {
            "product_id": parts[1].strip().nullif(""),
            "title": parts[1].strip().nullif(""),
            "vendor": ibis.null("string"),
            "product_type": parts[0].strip().nullif(""),
            "price": ibis.null("string"),
            "quantity": parts[2].strip().nullif(""),
            "line_total": parts[3].strip().nullif(""),
        }
    )


def _with_reason(rows: ibis.Table) -> ibis.Table:
    return rows.mutate(
        reason=ibis.cases(
            (rows.fault.notnull(), rows.fault),
            (rows.is_excluded, f"{IGNORED}a hit that Adobe excludes from its reports"),
            (rows.is_again, f"{IGNORED}a purchase that Adobe marks as repeated"),
            (rows.event.isnull(), f"{IGNORED}a click on a link"),
            (rows.repeated, DUPLICATE),
            else_=ibis.null("string"),
        )
    )


def _several_events(rows: ibis.Table) -> tuple[str, ...]:
    count = rows.filter(rows.reason.isnull() & (rows.events > 1)).count().to_pyarrow().as_py()
    if not count:
        return ()
    return (
        (
            f"{count:,} hits hold several events at once, such as a product view and a cart addition. The furthest counts:"
            f" {', '.join(EVENT_OF.values())}, in this order."
        ),
    )
