"""Any log that is a table: CSV, JSON lines or parquet, with a map from its columns and event names to ours."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Unpack, get_args

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import above_partitions, as_duckdb, log_files
from simpersona.adapters.sources.amounts import AmountReader, AmountSettings, currency_code, currency_in
from simpersona.adapters.sources.catalogue import CATALOGUE_FILES, catalogue
from simpersona.adapters.sources.clock_change import skipped_hours, with_one_hour
from simpersona.adapters.sources.currencies import in_one_currency
from simpersona.adapters.sources.event_rows import event_rows, ignored, page_host, unmapped_names
from simpersona.adapters.sources.exported_again import exported_again
from simpersona.adapters.sources.identity import Identity, with_shops
from simpersona.adapters.sources.json_fields import mark_repeated
from simpersona.adapters.sources.refund_rows import is_refund, names_a_part, refund_event
from simpersona.adapters.sources.several_names import column_of, first_of, other_names
from simpersona.adapters.sources.shop_log import ShopLogOptions, ShopLogSource
from simpersona.adapters.sources.table_files import TableRows, read_rows
from simpersona.adapters.sources.table_kinds import PATTERNS, FileForm, columns_of, kind_of, leads_into_text, list_of
from simpersona.adapters.sources.time_check import check_times
from simpersona.adapters.sources.times import UNITS, time_of
from simpersona.config.source import EventColumn, EventName
from simpersona.contracts import COLLECTIONS, EVENT_NAMES, PRODUCTS, REFUND_NAMES, Capabilities, RawLog
from simpersona.errors import SourceError
from simpersona.events.cleaning import DUPLICATE
from simpersona.events.materialize import materialize

COLUMNS: tuple[str, ...] = get_args(EventColumn)
"""What a column can be mapped to."""
NEEDED = ("buyer_id", "time", "event")

_NUMBERS = {"price": "float64", "value": "float64", "quantity": "int64", "seq": "int64"}
_KNOWN = (*EVENT_NAMES, *REFUND_NAMES)
_VALUE = r"\d[\d .:TZ+-]*$"  # a number or a time, which is no name of a column
_SAME = ("buyer_id", "time", "event", "product_id", "collection_id", "price", "quantity")
"""With the same event id and the same of these, a row is the same event again; the lines of an order differ in them."""
_MOST_NAMES = 1000  # of events that are counted
_SHOWN = 30  # names in a message
_LIST = r"^[^\s,;|]+(?:[,;|][^\s,;|]+)+$|^[^,;]*;[^\s,;][^,;]*(?:$|[;,])"  # several values in one text
_FEW_LISTS = 0.01  # share of the product ids; fewer may be ids with a comma
_NAME = r"^[\w $.:-]{1,60}$"  # of an event that is set aside


class TableSource(ShopLogSource):
    """Reads a file, a folder or a pattern of files of one kind: CSV or TSV, JSON lines or arrays (each plain, .gz or .zip)
    or parquet; an EventSource.

    `columns` maps names of COLUMNS to the log's own: {"buyer_id": "user"}. A column that is not in the map is read under
    its own name, so a table in the shape of contracts.EVENTS needs no map. "=text" is a constant, and a dot leads
    into a nested value ("product.id") unless a column has exactly that name. `events` maps the log's event
    names to those of EVENT_NAMES or to "ignored"; "*" stands for all names that are neither in it nor ours, and "" for rows
    with an empty name. `time_format`
    and `time_zone` are those of `times.time_of`; a text in `nothing` counts as missing.

    `usual` is the map of a published format: a column of `columns` takes the place of one in it, and one that the log lacks is
    absent. Of several names of one column, the first that a row has a value for counts. `usual_events` is its map of events. `header` names the columns of a CSV that has no line for them, `encoding` the encoding of a text. `records` is
    the path of a list whose entries are the rows; if it is not given, a list that the column of the event or of the
    time leads into is.

    The shop is `shop`, else the column, else "shop". The capabilities follow from the columns that hold a value and
    from the events that are mapped or occur. The catalogue is the one beside the log, else made from the columns title,
    vendor, product_type and price; a row's collection_id is a collection of its product, and `collection` its name.
    """

    def __init__(
        self,
        columns: Mapping[EventColumn, str] | None = None,
        events: Mapping[str, EventName] | None = None,
        time_format: str = "iso",
        time_zone: str = "UTC",
        nothing: Sequence[str] = ("",),
        header: Sequence[str] = (),
        encoding: str | None = None,
        records: str | None = None,
        usual: Mapping[EventColumn, str | Sequence[str]] | None = None,
        usual_events: Mapping[str, EventName] | None = None,
        **options: Unpack[ShopLogOptions],
    ) -> None:
        super().__init__(**options)
        # a table in the shape of EVENTS names shops, and a column that is mapped may hold hosts
        self.identity = replace(self.identity, hosts="shop_id" in (columns or {}))
        self.columns: dict[str, str] = {str(ours): theirs for ours, theirs in (columns or {}).items()}
        self.mapped: dict[str, str] = {theirs.strip(): str(ours) for theirs, ours in (events or {}).items()}
        self.events: dict[str, str] = {
            str(theirs): str(ours) for theirs, ours in (usual_events or {}).items()
        } | self.mapped
        self.time_format, self.time_zone, self.nothing = time_format, time_zone, tuple(nothing)
        paths = {
            str(ours): [theirs] if isinstance(theirs, str) else [*theirs] for ours, theirs in (usual or {}).items()
        }
        self.usual: dict[str, str] = {ours: names[0] for ours, names in paths.items()}
        self.others = other_names(paths)
        self.form = FileForm(tuple(header), encoding, records)

    @classmethod
    def of(cls, identity: Identity, amounts: AmountSettings, **settings: Any) -> TableSource:
        """The source with the settings of another source about ids and amounts."""
        source = cls(**settings)
        source.identity, source.amounts = replace(identity, hosts=source.identity.hosts), amounts
        return source

    def read(self, path: Path, engine: SQLBackend) -> RawLog:
        """The log at `path`; an input row is a line or a row. Lines that cannot be split are rejected, and
        events that are mapped to "ignored" are set aside.

        Raises SourceError if there is no log, it cannot be read, a column of the map is not in it, one of
        NEEDED is not found, or no event has a known name.
        """
        files = [file for file in log_files(path, PATTERNS, "CSV, JSON lines or parquet") if not _is_catalogue(file)]
        if not files:
            raise SourceError(f"{path}: holds a catalogue but no log. Expected CSV, JSON lines or parquet.")
        names = columns_of(files, self.form)
        form = self._form(files)
        resolved = self._resolved(files, names)
        if (
            self.time_zone != "UTC"
            or self.time_format not in {"iso", *UNITS}
            or leads_into_text(files, resolved.values())
        ):
            engine = as_duckdb(engine)
        read = read_rows(engine, files, resolved, form)
        # JSON may leave out what it does not have: a key is missing only if no row has it
        unsure = [ours for ours, theirs in resolved.items() if not _there(theirs, names)]
        filled = _filled(read.rows, unsure)
        for ours in unsure:
            if not filled[ours] and (ours in self.columns or ours in NEEDED):
                raise self._no_column(files[0], ours, names)
        absent = [ours for ours in unsure if not filled[ours]]
        rows = first_of(read.rows.drop(*absent))
        raw = self.of_rows(engine, read._replace(rows=rows), above_partitions(files[0].parent))
        if form.records == self.form.records:
            return raw
        found = f"{form.records!r} is a list: each of its entries is read as a row (source.records = {form.records!r})"
        return replace(raw, warnings=(*raw.warnings, f"{files[0].name}: {found}."))

    def _form(self, files: list[Path]) -> FileForm:
        """How the files are to be read, with the list that the column of the event or of the time leads into."""
        paths = [(self.usual | self.columns).get(ours, ours) for ours in ("event", "time")]
        nested = [path.partition(".")[0] for path in paths if "." in path]
        if self.form.records or not nested:
            return self.form
        return self.form._replace(records=list_of(files, nested, self.form))

    def of_rows(self, engine: SQLBackend, read: TableRows, folder: Path) -> RawLog:
        """The log of rows whose columns are named as ours; any but NEEDED may be absent. The catalogue may lie
        in `folder`.

        Raises SourceError if no event has a known name, or no amount of a column can be read.
        """
        read = read._replace(rows=read.rows.mutate(event=read.rows.event.cast("string").strip().nullif("")))
        filled, counts = _filled(read.rows, ["title", "event_id"]), _event_counts(read.rows)
        self._check_events(counts)
        reader = AmountReader.of(read.rows, self.amounts.decimal)
        self._check_amounts(reader)
        rows = self._typed(read.rows, reader)
        if reader.reads_texts:  # whose expressions are long, and every later step would repeat them
            rows = materialize(rows, "table_rows")
        times = check_times(rows, self.time_format)
        times += skipped_hours(rows, self.time_format, self.time_zone)
        rows, changes = with_one_hour(rows, self.time_format, self.time_zone)
        named = self._named(rows.event)
        rows = rows.mutate(
            event=refund_event(ibis.ifelse(named == "ignored", None, named), rows.is_part),
            aside=(named == "ignored").fill_null(False),
            name=rows.event,
        )
        unmapped = ()
        if "*" in self.events:
            by_star = rows.filter(rows["name"].notnull() & ~rows["name"].isin([*self.events, *_KNOWN]))
            setting = f' They are covered by [source.events] "*" = "{self.events["*"]}".'
            unmapped = unmapped_names(by_star, _NAME, setting)
        reason = ibis.ifelse(rows.aside, ignored(rows.name, _NAME), None)
        if filled["event_id"]:
            rows = mark_repeated(rows, "event_id", *_SAME)
            reason = ibis.coalesce(reason, ibis.ifelse(rows.repeated, DUPLICATE, None))
        again = [] if filled["event_id"] else exported_again(rows)
        rows, of_host, warnings = self.identity.resolve(rows.mutate(reason=reason))
        shape = {"file": "string", "row": "int64", "reason": "string", "raw": "string"}
        aside = rows.filter(rows.reason.notnull()).select(*shape, "event").cast(shape)
        unread = read.rejected.select(*shape).cast(shape).mutate(event=ibis.null("string"))
        rejected = ibis.union(unread, aside)
        rows = rows.filter(rows.reason.isnull())
        one = in_one_currency(rows, self.amounts.exchange_rates)
        rows = one.rows
        products, collections = catalogue(engine, folder, lambda: _mentions(rows.filter(~is_refund(rows.event))))
        if of_host:
            products = with_shops(products, of_host, PRODUCTS.key, hosts=self.identity.hosts)
            collections = with_shops(collections, of_host, COLLECTIONS.key, hosts=self.identity.hosts)
        known = set(counts) & set(EVENT_NAMES) | set(self.events.values())
        return RawLog(
            events=event_rows(rows),
            rejected=rejected,
            products=products,
            collections=collections,
            rows_in=read.rows_in,
            has=Capabilities(
                has_search="search_submitted" in known,
                has_collection="collection_viewed" in known,
                has_checkout_start="checkout_started" in known,
                has_price=reader.is_readable("price", "value"),
                has_session=bool(_filled(rows, ["session_id"])["session_id"]),
                has_text=bool(filled["title"]) or (folder / CATALOGUE_FILES[0]).is_file(),
                has_cart="product_added_to_cart" in known,
            ),
            warnings=(
                *times,
                *changes,
                *self._never_seen(counts),
                *_products_in_lists(read.rows),
                *again,
                *unmapped,
                *warnings,
                *reader.warnings(),
                *one.warnings,
            ),
            currencies=one.counts,
            currency=one.currency,
            store_currencies=one.of_store,
        )

    def _resolved(self, files: list[Path], names: list[str]) -> dict[str, str]:
        """The log's name, or "=text", of each of our columns that the log has or may have."""
        resolved = {ours: (self.usual | self.columns).get(ours, ours) for ours in COLUMNS}
        resolved |= {other: theirs for other, theirs in self.others.items() if column_of(other) not in self.columns}
        if kind_of(files) == "json":
            return resolved
        for ours, theirs in list(resolved.items()):
            # parquet names each of its nested fields, which another name may lack
            if not _there(theirs, names) or (ours in self.others and "." in theirs):
                if ours in self.columns or ours in NEEDED:
                    raise self._no_column(files[0], ours, names)
                del resolved[ours]
        return resolved

    def _no_column(self, file: Path, ours: str, names: list[str]) -> SourceError:
        theirs = (self.usual | self.columns).get(ours, ours)
        what = f"there is no column {ours!r}, which is needed"
        if ours in self.columns:
            what = f"source.columns.{ours} names the column {theirs!r}, which is not there"
        close = get_close_matches(theirs.lower(), [name.lower() for name in names], 1, 0.5)
        nearest = next((name for name in names if close and name.lower() == close[0]), None)
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        if not self.form.header and kind_of([file]) == "csv" and any(re.match(_VALUE, name) for name in names):
            return SourceError(
                f"{file}: {what}. Found: {shown}. Its first line looks like a row, not like the names of columns: give them in"
                ' order in source.header = ["user", "time", ...]'
            )
        held = list_of([file], names, self.form)
        if held and not self.form.records:
            return SourceError(
                f'{file}: {what}. Found: {shown}. {held!r} is a list of objects: with source.records = "{held}" each of its entries'
                f' is a row, and [source.columns] {ours} = "{held}..." leads into it.'
            )
        return SourceError(
            f"{file}: {what}. Found: {shown}."
            + (f" Did you mean {nearest!r}?" if nearest else "")
            + f' Set [source.columns] {ours} = "{nearest or "..."}"'
        )

    def _check_events(self, counts: Mapping[str, int]) -> None:
        if not counts or "*" in self.events or any(name in _KNOWN or name in self.events for name in counts):
            return
        shown = ", ".join(f"{name!r} ({rows} rows)" for name, rows in list(counts.items())[:_SHOWN])
        raise SourceError(
            f"none of the log's events has a known name. Found: {shown}. Expected: {', '.join(_KNOWN)}."
            ' Give each name a line under [source.events]: "its name in the log" = "product_viewed", or "ignored"'
        )

    def _never_seen(self, counts: Mapping[str, int]) -> list[str]:
        """What to say about events of the map that no row has."""
        if len(counts) >= _MOST_NAMES:
            return []  # not all names were counted
        sentences = []
        harmless = [name for name in counts if re.search(_NAME, name)]
        for theirs, ours in self.mapped.items():
            if theirs in ("", "*", *counts) or ours == "ignored":
                continue
            close = get_close_matches(theirs.lower(), [name.lower() for name in harmless], 3, 0.5)
            nearest = [f'"{name}" ({counts[name]:,} rows)' for name in harmless if name.lower() in close]
            sentences.append(
                f'[source.events] maps "{theirs}" to {ours}, but no row has that event.'
                + (f" The closest names in the log: {', '.join(nearest)}." if nearest else "")
            )
        return sentences

    def _check_amounts(self, reader: AmountReader) -> None:
        for name in reader.nothing_readable():
            mapped = f" (source.columns.{name} = {self.columns[name]!r})" if name in self.columns else ""
            raise SourceError(
                f"{reader.problem(name)}{mapped}. Expected amounts such as 12.50, 1.299,00 or $12.50. Correct"
                f' [source.columns] {name}, set source.decimal to "." or ",", or leave the column out with {name} = "=".'
            )

    def _named(self, event: ir.StringValue) -> ir.StringValue:
        """Our name of the event, else the log's."""
        plain = {theirs: ours for theirs, ours in self.events.items() if theirs != "*"}
        if "" in self.events:  # rows with an empty event name
            event = event.fill_null("")
        others = event
        if "*" in self.events:
            others = ibis.ifelse(event.isin(_KNOWN) | event.isnull(), event, self.events["*"])
        return event.cases(*plain.items(), else_=others) if plain else others

    def _typed(self, rows: ibis.Table, reader: AmountReader) -> ibis.Table:
        """The rows with every column of COLUMNS in its type, and those of PROVENANCE."""
        values: dict[str, ir.Value] = {}
        for name in COLUMNS:
            kind = _NUMBERS.get(name, "string")
            if name == "currency":
                values[name] = _currency(rows)
            elif name not in rows.columns:
                values[name] = ibis.null("timestamp('UTC')" if name == "time" else kind)
            elif name == "time":
                values[name] = time_of(rows[name], self.time_format, self.time_zone)
            elif kind == "string":
                text = rows[name].cast("string")
                values[name] = ibis.ifelse(text.isin(self.nothing), None, text)
            elif name == "seq":
                values[name] = rows[name].try_cast("float64").try_cast(kind)
            else:
                values[name] = reader.number(name, rows[name])
        if self.identity.shop or "shop_id" not in rows.columns:
            values["shop_id"] = ibis.literal(self.identity.shop or "shop")
        elif self.identity.hosts:  # a whole address serves as well as its host
            values["shop_id"] = ibis.coalesce(page_host(values["shop_id"]), values["shop_id"])
        return rows.select(
            "file",
            "row",
            "raw",
            part=ibis.literal(0, "int64"),
            stamp=rows.time,
            is_part=names_a_part(rows),
            **values,
        )


def _products_in_lists(rows: ibis.Table) -> list[str]:
    """A warning if ids of products are lists, such as "p1,p2" or Adobe's ";p1;2;25.00,;p2;1;30.00"."""
    if "product_id" not in rows.columns:
        return []
    each = rows.group_by(product=rows.product_id.cast("string")).aggregate(rows=rows.count())
    is_list = each["product"].re_search(_LIST).fill_null(False)
    total = each.filter(each["product"].notnull()).aggregate(
        products=each.rows.sum(), lists=each.rows.sum(where=is_list), example=each["product"].min(where=is_list)
    )
    line = total.to_pyarrow().to_pylist()[0]
    if not line["lists"] or line["lists"] < _FEW_LISTS * line["products"]:
        return []
    return [
        (
            f"{line['lists']:,} of {line['products']:,} product ids look like lists (such as {line['example'][:60]!r}). Each is read as one"
            ' product: divide such rows into one for each product, with the same order_id. source.format = "adobe" reads the lists of'
            " Adobe's data feed."
        )
    ]


def _currency(rows: ibis.Table) -> ir.StringValue:
    """The currency in its column, else the one that the amounts name."""
    named = [currency_code(rows.currency.cast("string"))] if "currency" in rows.columns else []
    amounts = [currency_in(rows[name]) for name in ("value", "price") if name in rows.columns]
    return ibis.coalesce(*named, *amounts, ibis.null("string"))


def _is_catalogue(file: Path) -> bool:
    return file.name in CATALOGUE_FILES


def _there(theirs: str, names: list[str]) -> bool:
    return theirs.startswith("=") or theirs in names or theirs.partition(".")[0] in names


def _filled(rows: ibis.Table, columns: Sequence[str]) -> dict[str, int]:
    """The number of rows with a value in each column; 0 for a column that is absent."""
    counts = {name: rows[name].count() for name in columns if name in rows.columns}
    filled = rows.aggregate(**counts).to_pyarrow().to_pylist()[0] if counts else {}
    return dict.fromkeys(columns, 0) | filled


def _event_counts(rows: ibis.Table) -> dict[str, int]:
    """The number of rows of each event name, the most frequent first."""
    event = rows.event.cast("string")
    names = rows.select(event=event).filter(ibis._.event.notnull()).group_by("event").aggregate(rows=ibis._.count())
    counts = names.order_by([ibis.desc("rows"), "event"]).limit(_MOST_NAMES).to_pyarrow().to_pylist()
    return {line["event"]: line["rows"] for line in counts}


def _mentions(rows: ibis.Table) -> tuple[ibis.Table, ibis.Table]:
    return (
        rows.select("shop_id", "product_id", "title", "vendor", "product_type", "price", "collection_id"),
        rows.select("shop_id", "collection_id", title="collection"),
    )
