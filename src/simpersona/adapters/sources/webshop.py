"""WebShop's recorded sessions of human shoppers (Yao et al. 2022, MIT licence): one JSON-lines file a session."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import log_files, read_lines
from simpersona.adapters.sources.catalogue import products_named
from simpersona.adapters.sources.event_rows import event_rows, number, rejected_rows
from simpersona.adapters.sources.json_fields import json_objects, json_value
from simpersona.contracts import COLLECTIONS, Capabilities, RawLog
from simpersona.events.materialize import materialize

PAGES = ("index", "search_results", "item_page", "item_sub_page", "done")
"""The kinds of pages: the start with the task, results, a product, its details, and the end, a purchase."""

_FIELDS = {
    "page": "$.page",
    "shop_id": "$.goal.category",
    "goal_product": "$.goal.asin",
    "goal_name": "$.goal.name",
    "goal_type": "$.goal.product_category",
    "product": "$.content.asin",
    "price": "$.content.price",
    "keywords": "$.content.keywords",
    "result_page": "$.content.page",
    "options": "$.content.options",
}


class WebshopSource:
    """Reads `human_sessions.zip` as published, or a folder of its files, or one of them; an EventSource.

    A file is one session of one shopper, named by the file, and a shop is the category of the session's
    task. The pages have no times, only an order: all events of a session have one nominal time, the start (UTC) of the
    day in the session's name ("20220513_…"), else of 1970, and `seq` orders them.

    A product view is a page of a product, without chosen options, if the page before was not about that product:
    choosing options, reading details and coming back belong to the same view. A search is a first page of results for
    other keywords than the results before, or after a return to the start; turning pages and coming back to results is
    no search (REFERENCE 23). Every other page but a purchase is a page view.
    """

    def read(self, path: Path, engine: SQLBackend) -> RawLog:
        """The sessions at `path`; an input row is a line, that is a page. Lines that are no JSON object or no
        page of WebShop are rejected.

        Raises SourceError if there are no sessions or they cannot be read.
        """
        files = log_files(path, ("*.jsonl", "*.jsonl.gz", "*.zip"), "WebShop's human_sessions.zip or its files")
        lines, rows_in = read_lines(engine, files)
        parsed = materialize(json_objects(lines, _FIELDS), "webshop_lines")
        is_page = parsed.page.isin(PAGES).fill_null(False)
        unknown = ibis.ifelse(is_page, None, "page is missing or unknown")
        parsed = parsed.mutate(fault=ibis.coalesce(parsed.fault, unknown))
        pages = materialize(_in_context(parsed.filter(parsed.fault.isnull())), "webshop_pages")
        return RawLog(
            events=_events(pages),
            rejected=rejected_rows(parsed, "fault", raw="line"),
            products=materialize(products_named(_products(pages)), "webshop_products").order_by(
                "shop_id", "product_id"
            ),
            collections=engine.create_table(ibis.util.gen_name("collections"), ibis.memtable(COLLECTIONS.empty())),
            rows_in=rows_in,
            has=Capabilities(
                has_search=True, has_price=True, has_session=True, has_text=True, has_cart=False, has_time=False
            ),
        )


def _in_context(pages: ibis.Table) -> ibis.Table:
    """The pages with `session`, `event` and `query`, which depend on the pages before in the same session."""
    session = ibis.window(group_by="file", order_by="row")
    is_results = pages.page == "search_results"
    pages = pages.mutate(
        last_product=pages["product"].lag().over(session),
        starts=(pages.page == "index").sum().over(ibis.cumulative_window(group_by="file", order_by="row")),
        keywords=ibis.ifelse(is_results, pages.keywords.fill_null(""), None),
    )
    of_page = ibis.window(group_by=["file", "page"], order_by="row")
    same = (pages.keywords == pages.keywords.lag().over(of_page)) & (pages.starts == pages.starts.lag().over(of_page))
    is_search = (pages.page == "search_results") & (pages.result_page == "1") & ~same.fill_null(False)
    is_view = (pages.page == "item_page") & ~pages["product"].identical_to(pages.last_product)
    is_view &= pages.options.fill_null("{}") == "{}"
    event = ibis.cases(
        (pages.page == "done", "checkout_completed"),
        (is_search.fill_null(False), "search_submitted"),
        (is_view, "product_viewed"),
        else_="page_viewed",
    )
    keywords = json_value(pages.keywords, "array<string>").join(" ")
    return pages.mutate(
        session=pages.file.re_extract(r"([^/]*?)(\.jsonl)?(\.gz)?$", 1),
        event=event,
        query=ibis.ifelse(event == "search_submitted", keywords, None).nullif(""),
    )


def _events(pages: ibis.Table) -> ibis.Table:
    is_order = pages.event == "checkout_completed"
    # without an order_id the purchase of a session is one order (REFERENCE 5)
    return event_rows(
        pages,
        buyer_id="session",
        session_id="session",
        time=_nominal_time(pages.session),
        product_id=ibis.ifelse(is_order | (pages.event == "product_viewed"), pages["product"], None),
        price=ibis.ifelse(is_order, number(pages.price), None),
        quantity=ibis.ifelse(is_order, ibis.literal(1, "int64"), None),
        seq="row",
        raw="line",
    )


def _nominal_time(session: ir.StringValue) -> ir.TimestampValue:
    day = session.re_extract(r"^(20\d{6})_", 1)
    midnight = day.substr(0, 4) + "-" + day.substr(4, 2) + "-" + day.substr(6, 2) + " 00:00:00"
    return ibis.coalesce(midnight.try_cast("timestamp('UTC')"), ibis.timestamp("1970-01-01 00:00:00+00:00"))


def _products(pages: ibis.Table) -> ibis.Table:
    """Every mention of a product. Only products of tasks have a name and a type."""
    tasks = pages.select(
        "shop_id",
        product_id="goal_product",
        title="goal_name",
        product_type=pages.goal_type.re_extract("([^›]*)$", 1).strip().nullif(""),
        price=ibis.null("float64"),
    ).distinct()
    seen = pages.filter(pages["product"].notnull()).select(
        "shop_id",
        product_id="product",
        title=ibis.null("string"),
        product_type=ibis.null("string"),
        price=ibis.ifelse(pages.page == "done", number(pages.price), None),
    )
    return ibis.union(tasks, seen).mutate(vendor=ibis.null("string"), collection_id=ibis.null("string"))
