"""RetailRocket's published log (Kaggle, "Retailrocket recommender system dataset"): events, item properties, tree."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from pathlib import Path
from typing import Literal

import ibis
import pyarrow as pa
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import log_files
from simpersona.adapters.sources.csv_lines import read_csv_lines
from simpersona.adapters.sources.event_rows import event_rows, whole_number
from simpersona.contracts import Capabilities, RawLog
from simpersona.events.materialize import materialize

COLUMNS = ("timestamp", "visitorid", "event", "itemid", "transactionid")
PROPERTY_COLUMNS = ("timestamp", "itemid", "property", "value")
TREE_COLUMNS = ("categoryid", "parentid")
EVENT_OF = {"view": "product_viewed", "addtocart": "product_added_to_cart", "transaction": "checkout_completed"}
UNCATEGORIZED = "uncategorized"
"""The shop of items without a known category, where a shop is a category root."""

_LATEST = 253_402_300_799_999  # milliseconds; the end of the year 9999


class RetailRocketSource:
    """Reads the folder of events.csv, item_properties_part1.csv, item_properties_part2.csv and
    category_tree.csv, each plain, .gz or .zip; an EventSource. All but the events may be missing.

    With `shop_by` = "category_root" each root of the category tree is a shop, and items without a category
    are the shop "uncategorized"; with "none" the whole log is the shop "retailrocket". An item's category is
    its latest. The publisher hashed every property but the category and whether the item is available, and
    does not say which one is the price: prices and titles are unknown, and a product's text is the path of its
    category numbers. A transaction row is one unit; there are no sessions, searches, collection views or
    checkout starts.
    """

    def __init__(self, shop_by: Literal["category_root", "none"] = "category_root") -> None:
        self.shop_by = shop_by

    def read(self, path: Path, engine: SQLBackend) -> RawLog:
        """The log at `path`; an input row is a line of the events. Lines with a wrong number of fields are
        rejected.

        Raises SourceError if there are no events, a file cannot be read or a needed column is missing.
        """
        folder = path if path.is_dir() else path.parent
        files = log_files(path, ("events.csv", "events.csv.gz", "events.csv.zip"), "RetailRocket's events.csv")
        log = read_csv_lines(engine, files, COLUMNS, "RetailRocket's events.csv")
        paths = _category_paths(engine, folder)
        items = materialize(_items(engine, folder, paths), "retailrocket_items")
        events = log.rows.left_join(items, log.rows.itemid == items.item)
        shop = ibis.literal("retailrocket") if self.shop_by == "none" else events.root.fill_null(UNCATEGORIZED)
        events = materialize(_events(events.mutate(shop_id=shop)), "retailrocket_events")
        products = materialize(_products(events, items), "retailrocket_products")
        return RawLog(
            events=events,
            rejected=log.rejected,
            products=products.order_by("shop_id", "product_id"),
            collections=_collections(products).order_by("shop_id", "collection_id"),
            rows_in=log.rows_in,
            has=Capabilities(),
        )


def _items(engine: SQLBackend, folder: Path, tree: ibis.Table) -> ibis.Table:
    """The items with their `category`, its `root` and the text of its `path`."""
    log = _read_beside(engine, folder, "item_properties*", PROPERTY_COLUMNS, containing="categoryid")
    rows = log.filter((log.property == "categoryid") & log.itemid.notnull())
    rank = ibis.row_number().over(
        group_by="itemid", order_by=[whole_number(rows.timestamp).desc(nulls_first=False), rows.value.desc()]
    )
    latest = rows.mutate(rank=rank).filter(ibis._.rank == 0).select(item="itemid", category="value")
    items = latest.left_join(tree, latest.category == tree.of)
    return items.select(
        "item",
        "category",
        root=items.root.fill_null(items.category),
        path=items.path.fill_null("category " + items.category),
    )


def _read_beside(
    engine: SQLBackend, folder: Path, name: str, columns: tuple[str, ...], *, containing: str = ""
) -> ibis.Table:
    """The rows of such files in the folder, as texts; an empty table where there is no file."""
    files = sorted(file for end in (".csv", ".csv.gz", ".csv.zip") for file in folder.glob(name + end))
    if files:
        return read_csv_lines(engine, files, columns, f"RetailRocket's {name}.csv", containing=containing).rows
    empty = pa.table({name: pa.array([], pa.string()) for name in columns})
    return engine.create_table(ibis.util.gen_name("nothing"), ibis.memtable(empty))


def _category_paths(engine: SQLBackend, folder: Path) -> ibis.Table:
    """Each category of the tree (`of`), its `root` and the text of its `path`. The tree is small and walked in memory."""
    tree = _read_beside(engine, folder, "category_tree", TREE_COLUMNS).select(*TREE_COLUMNS).to_pyarrow().to_pylist()
    parent = {line["categoryid"]: line["parentid"] for line in tree if line["categoryid"]}
    rows = []
    for category in parent:
        path: list[str] = []
        above: str | None = category
        while above is not None and above not in path:  # a broken tree may run in a circle
            path.insert(0, above)
            above = parent.get(above)
        rows.append({"of": category, "root": path[0], "path": " ".join(f"category {number}" for number in path)})
    table = pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in ("of", "root", "path")]))
    return engine.create_table(ibis.util.gen_name("categories"), ibis.memtable(table))


def _events(rows: ibis.Table) -> ibis.Table:
    milliseconds = whole_number(rows.timestamp)
    is_time = milliseconds.between(0, _LATEST)  # beyond it the engine stops with an error
    return event_rows(
        rows,
        buyer_id="visitorid",
        time=ibis.ifelse(is_time, milliseconds, None).as_timestamp("ms").cast("timestamp('UTC')"),
        event=rows.event.cases(*EVENT_OF.items(), else_=rows.event),
        product_id="itemid",
        quantity=ibis.literal(1, "int64"),
        order_id=ibis.ifelse(rows.event == "transaction", rows.transactionid, None),
    )


def _products(events: ibis.Table, items: ibis.Table) -> ibis.Table:
    products = events.filter(events.product_id.notnull()).select("shop_id", "product_id").distinct()
    products = products.left_join(items, products.product_id == items.item)
    none = ibis.literal([], type="array<string>")
    return products.select(
        "shop_id",
        "product_id",
        title="Item " + products.product_id,
        text=products.path.fill_null("item without a category"),
        vendor=ibis.null("string"),
        product_type=ibis.null("string"),
        price=ibis.null("float64"),
        collection_ids=ibis.ifelse(products.category.isnull(), none, ibis.array([products.category])),
        variants=ibis.null("array<string>"),
    )


def _collections(products: ibis.Table) -> ibis.Table:
    categories = products.select("shop_id", collection_id=products.collection_ids.unnest()).distinct()
    return categories.mutate(title="Category " + categories.collection_id)
