"""The settings of the raw log, one class per format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from simpersona.config.adapter_name import is_import_path, unknown_adapter
from simpersona.config.section import PositiveFloat, Section, known_time_zone

EventColumn = Literal[
    "shop_id", "buyer_id", "session_id", "time", "event", "product_id", "collection_id", "query", "price", "quantity",
    "order_id", "value", "currency", "seq", "event_id", "title", "vendor", "product_type", "collection",
]  # fmt: skip
"""What a column of a log can be: those of contracts.EVENTS, the order and the ids of events, and labels for the catalogue."""
EventName = Literal[
    "page_viewed", "product_viewed", "collection_viewed", "search_submitted", "product_added_to_cart",
    "product_removed_from_cart", "cart_viewed", "checkout_started", "checkout_completed", "order_refunded",
    "order_cancelled", "ignored",
]  # fmt: skip
"""The names in contracts.EVENT_NAMES and REFUND_NAMES, and "ignored" for events to set aside."""

NO_IDS = (
    "undefined", "null", "(null)", "none", "(none)", "nil", "nan", "n/a", "\\N", "(not set)", "not set", "(not provided)",
    "unknown", "anonymous", "guest", "[object Object]", "true", "false", "0", "-1", "00000000-0000-0000-0000-000000000000",
)  # fmt: skip
"""What logs hold in place of an id, in any case of letters; `NO_IDS` is the default of `source.no_ids`."""


TimeFormat = Annotated[str, Field(pattern=r"^(iso|s|ms|us|ns)$|%")]
Name = Annotated[str, Field(min_length=1)]
Names = tuple[Name, ...]

_SPEC_EVENTS: Mapping[str, EventName] = {
    "Product Viewed": "product_viewed", "Product List Viewed": "collection_viewed", "Products Searched": "search_submitted",
    "Product Added": "product_added_to_cart", "Product Removed": "product_removed_from_cart", "Cart Viewed": "cart_viewed",
    "Checkout Started": "checkout_started", "Order Completed": "checkout_completed", "product_list_viewed": "collection_viewed",
    "products_searched": "search_submitted", "product_added": "product_added_to_cart",
    "product_removed": "product_removed_from_cart", "order_completed": "checkout_completed",
    "Order Refunded": "order_refunded", "Refunded Order": "order_refunded", "Order Cancelled": "order_cancelled",
    "Order Canceled": "order_cancelled", "order_canceled": "order_cancelled", "*": "ignored",
}  # fmt: skip
"""Segment's names of events, in its two spellings, for tools in which a shop chooses the names; others are set aside."""


def _properties(path: str) -> dict[EventColumn, str | tuple[str, ...]]:
    """The properties of an event in Segment's e-commerce spec, as far as they are ours, below a path."""
    names: dict[EventColumn, tuple[str, ...]] = {
        "product_id": ("product_id", "sku"), "title": ("name",), "vendor": ("brand",), "product_type": ("category",),
        "price": ("price",), "quantity": ("quantity",), "query": ("query",), "order_id": ("order_id",),
        "value": ("subtotal", "revenue", "total", "value"), "currency": ("currency",), "collection_id": ("list_id",),
    }  # fmt: skip
    return {ours: tuple(f"{path}.{name}" for name in theirs) for ours, theirs in names.items()}


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        raise ValueError('no such encoding of text; expected one that Python knows, such as "cp1252"') from None
    return name


class SourceConfig(Section):
    """Where the raw log comes from. Each format has its own class, with the settings of that format."""

    example: ClassVar[dict[str, Any]] = {}
    """Settings that `simpersona init` writes for the format, as a start."""

    advanced: ClassVar[frozenset[str]] = frozenset(
        {"shops", "no_ids", "shared_ids", "header", "encoding", "records", "exchange_rates", "decimal"}
    )
    """Settings that `simpersona init` leaves to `init --all`."""

    format: str
    """Schema of the log; docs/events.md describes each."""
    path: Path | None = None
    """File, folder, or pattern with * and ?."""

    def reader_options(self) -> dict[str, Any]:
        """The arguments, by name, of the adapter that reads the format."""
        return {name: getattr(self, name) for name in type(self).model_fields if name not in SourceConfig.model_fields}


class _OneShopSourceConfig(SourceConfig):
    """A log that a store exports itself: its shop can be named, and its ids may be placeholders."""

    shop: Annotated[str, Field(min_length=1)] | None = None
    """The shop that the whole log belongs to. Not set: what the log says, such as the host name of a page."""
    shops: dict[str, str] = Field(default={})
    """The shop of each host name, where several hosts are one shop: {"checkout.example.com" = "example.com"}. A host that
    is mapped to itself stays a shop of its own. Hosts that are not named are joined where their buyers cross them."""
    no_ids: tuple[str, ...] = NO_IDS
    """Values that stand for no id of a buyer, session or order, in any case of letters."""
    shared_ids: Literal["reject", "keep"] = "reject"
    """Buyer ids that nearly everybody shares, such as that of all guests: no id, or the id of one buyer. An id is shared if it
    has more than 20% of its shop's rows, and at least 30 visits and 10 times as many as any buyer with fewer rows."""


class _DecimalSourceConfig(SourceConfig):
    """A log whose amounts may be texts."""

    decimal: Literal["auto", ".", ","] = "auto"
    """The decimal mark of amounts that are texts. "auto": what each column's unambiguous amounts show; an amount such as
    1.299 that stays ambiguous is masked and counted."""


class _AmountsSourceConfig(_DecimalSourceConfig):
    """A log whose amounts may be texts, and in several currencies."""

    exchange_rates: dict[str, PositiveFloat] = Field(default={})
    """What one unit of each currency is worth in the one that all amounts are converted into: {EUR = 1.0, USD = 0.92}.
    Not set: amounts that are not in the most frequent currency of their store are masked and counted."""


class _CategorySourceConfig(SourceConfig):
    """A log of one large shop, whose categories can serve as shops."""

    shop_by: Literal["category_root", "none"] = "category_root"
    """What a shop is. "none": the whole log is one shop."""


class LabSourceConfig(SourceConfig):
    """The generated world; it needs no path."""

    format: str = "lab"
    """Where the raw log comes from; docs/events.md describes each format. "lab": the world of [lab] is generated."""


class ShopifySourceConfig(_OneShopSourceConfig, _AmountsSourceConfig):
    """A store's Web Pixels events."""

    example: ClassVar[dict[str, Any]] = {"path": "events/"}

    format: str = "shopify"
    """Shopify Web Pixels standard events as JSON lines."""


class Ga4SourceConfig(_OneShopSourceConfig, _AmountsSourceConfig):
    """An export of Google Analytics 4."""

    example: ClassVar[dict[str, Any]] = {"path": "events_*.parquet"}

    format: str = "ga4"
    """Google Analytics 4 as exported to BigQuery: parquet or JSON lines."""


class SegmentSourceConfig(_OneShopSourceConfig, _AmountsSourceConfig):
    """Calls of Segment, RudderStack or PostHog."""

    example: ClassVar[dict[str, Any]] = {"path": "calls/*.jsonl.gz"}

    format: str = "segment"
    """Segment's e-commerce spec as JSON lines, as RudderStack and PostHog write it too."""


class SnowplowSourceConfig(_OneShopSourceConfig, _AmountsSourceConfig):
    """Enriched events of Snowplow."""

    example: ClassVar[dict[str, Any]] = {"path": "enriched/"}

    format: str = "snowplow"
    """Snowplow's e-commerce events as JSON lines or parquet."""


class Rees46SourceConfig(_CategorySourceConfig, _DecimalSourceConfig):
    """A published log of REES46."""

    example: ClassVar[dict[str, Any]] = {"path": "2019-Oct.csv"}

    format: str = "rees46"
    """The published logs of REES46 as CSV."""


class RetailRocketSourceConfig(_CategorySourceConfig):
    """The published log of RetailRocket."""

    example: ClassVar[dict[str, Any]] = {"path": "retailrocket/"}

    format: str = "retailrocket"
    """The published log of RetailRocket: a folder of CSV files."""


class WebshopSourceConfig(SourceConfig):
    """The recorded sessions of WebShop."""

    example: ClassVar[dict[str, Any]] = {"path": "human_sessions.zip"}

    format: str = "webshop"
    """Sessions of human shoppers in WebShop as JSON lines."""


class TableSourceConfig(_OneShopSourceConfig, _AmountsSourceConfig):
    """A table, with a map from its columns and event names to ours."""

    example: ClassVar[dict[str, Any]] = {
        "path": "events.csv",
        "columns": {"buyer_id": "user_id", "time": "timestamp", "event": "event_name"},
        "events": {
            "view": "product_viewed",
            "add": "product_added_to_cart",
            "buy": "checkout_completed",
            "*": "ignored",
        },
    }

    usual: ClassVar[Mapping[EventColumn, str | tuple[str, ...]]] = {}
    """The map of columns of a published format; `columns` goes before it. Of several names, the first that a row has counts."""
    usual_events: ClassVar[Mapping[str, EventName]] = {}
    """The map of event names of a published format; `events` goes before it."""

    format: str = "table"
    """Any CSV, JSON lines or parquet; see columns."""
    time_format: TimeFormat = "iso"
    """"iso" (2024-03-01T12:00:00+01:00), "s", "ms", "us" or "ns" (numbers since 1970), or a pattern (%d.%m.%Y)."""
    time_zone: Annotated[str, AfterValidator(known_time_zone)] = "UTC"
    """Time zone of times that do not name theirs."""
    header: Names = ()
    """Names of the columns of a CSV that has no line for them, in order: ["user", "ts", "action"]."""
    encoding: Annotated[str, AfterValidator(_known_encoding)] | None = None
    """Encoding of a text, such as "cp1252". Not set: UTF-8, or UTF-16 where the first bytes show it."""
    records: Name | None = None
    """The list whose entries are the rows, in JSON or parquet: "events" for {"session": 1, "events": [{…}, {…}]}.
    Columns "events.ts" then lead into the entry, and others to what holds it."""
    columns: dict[EventColumn, str] = Field(default={})
    """Our column = "the log's", where their names differ; "=text" is the same text in every row.
    A dot leads into a nested value: product.id."""
    events: dict[str, EventName] = Field(default={})
    """The log's event = "ours"; "ignored": without a use; "order_refunded" (its amount) and "order_cancelled" take back orders;
    "*": all events that are not named; "": rows with an empty event name."""

    def reader_options(self) -> dict[str, Any]:
        """The arguments, by name, of the adapter that reads the format."""
        return super().reader_options() | {"usual": dict(self.usual), "usual_events": dict(self.usual_events)}


class AmplitudeSourceConfig(TableSourceConfig):
    """The export of Amplitude's events. Event names are the shop's own: those of Segment's spec are mapped."""

    example: ClassVar[dict[str, Any]] = {"path": "export.zip", "events": {"Item Viewed": "product_viewed"}}
    usual: ClassVar[Mapping[EventColumn, str | tuple[str, ...]]] = {
        "buyer_id": "amplitude_id",  # which Amplitude also gives to people without a user id
        "session_id": "session_id",
        "time": "event_time",
        "event": "event_type",
        "seq": "event_id",  # a counter of the device
        "event_id": ("$insert_id", "insert_id", "uuid"),
        **_properties("event_properties"),
    }
    usual_events: ClassVar[Mapping[str, EventName]] = {**_SPEC_EVENTS, "[Amplitude] Page Viewed": "page_viewed"}

    format: str = "amplitude"
    """Amplitude's export: JSON lines, a .zip of .json.gz as it comes."""


class MixpanelSourceConfig(TableSourceConfig):
    """The raw export of Mixpanel's events. Event names are the shop's own: those of Segment's spec are mapped."""

    example: ClassVar[dict[str, Any]] = {"path": "export.jsonl", "events": {"Item Viewed": "product_viewed"}}
    usual: ClassVar[Mapping[EventColumn, str | tuple[str, ...]]] = {
        "buyer_id": "properties.distinct_id",
        "time": "properties.time",
        "event_id": ("properties.$insert_id", "properties.insert_id", "$insert_id"),
        **_properties("properties"),
    }
    usual_events: ClassVar[Mapping[str, EventName]] = {**_SPEC_EVENTS, "$mp_web_page_view": "page_viewed"}

    format: str = "mixpanel"
    """Mixpanel's raw export: JSON lines of {"event", "properties"}."""
    time_format: TimeFormat = "s"
    """"iso", "s", "ms", "us" or "ns" (numbers since 1970), or a pattern (%d.%m.%Y)."""


class OttoSourceConfig(TableSourceConfig):
    """The published sessions of OTTO. A session counts as a buyer."""

    example: ClassVar[dict[str, Any]] = {"path": "otto-recsys-train.jsonl"}
    usual: ClassVar[Mapping[EventColumn, str | tuple[str, ...]]] = {
        "buyer_id": "session", "session_id": "session", "time": "events.ts", "event": "events.type",
        "product_id": "events.aid",
    }  # fmt: skip
    usual_events: ClassVar[Mapping[str, EventName]] = {
        "clicks": "product_viewed", "carts": "product_added_to_cart", "orders": "checkout_completed",
    }  # fmt: skip

    format: str = "otto"
    """OTTO's published sessions: JSON lines with a list of events."""
    time_format: TimeFormat = "ms"
    """"iso", "s", "ms", "us" or "ns" (numbers since 1970), or a pattern (%d.%m.%Y)."""
    records: Name | None = "events"
    """The list whose entries are the rows."""


class TaobaoSourceConfig(TableSourceConfig):
    """The published log of Taobao, UserBehavior.csv."""

    example: ClassVar[dict[str, Any]] = {"path": "UserBehavior.csv"}
    usual: ClassVar[Mapping[EventColumn, str | tuple[str, ...]]] = {
        "buyer_id": "user", "time": "time", "event": "behavior", "product_id": "item", "product_type": "category",
    }  # fmt: skip
    usual_events: ClassVar[Mapping[str, EventName]] = {
        "pv": "product_viewed", "cart": "product_added_to_cart", "buy": "checkout_completed", "fav": "ignored",
    }  # fmt: skip

    format: str = "taobao"
    """Taobao's UserBehavior.csv, which has no header."""
    time_format: TimeFormat = "s"
    """"iso", "s", "ms", "us" or "ns" (numbers since 1970), or a pattern (%d.%m.%Y)."""
    header: Names = ("user", "item", "category", "behavior", "time")
    """Names of the columns, in order."""


class AdobeSourceConfig(_OneShopSourceConfig, _AmountsSourceConfig):
    """A data feed of Adobe Analytics."""

    example: ClassVar[dict[str, Any]] = {"path": "feed/"}

    format: str = "adobe"
    """Hits of Adobe Analytics' data feed, tab-separated, with column_headers.tsv beside them."""
    header: Names = ()
    """Names of the columns, in order. Not set: those in column_headers.tsv beside the hits, else the first line."""


class YoochooseSourceConfig(SourceConfig):
    """The published log of YooChoose (RecSys Challenge 2015)."""

    example: ClassVar[dict[str, Any]] = {"path": "yoochoose/"}

    format: str = "yoochoose"
    """YooChoose's yoochoose-clicks.dat and yoochoose-buys.dat, in one folder."""


class ImportedSourceConfig(SourceConfig):
    """A log that an adapter outside this package reads."""

    options: dict[str, Any] = Field(default={})
    """Keyword arguments of the class that `format` names, such as "my_shop.pixels:Source"."""

    def reader_options(self) -> dict[str, Any]:
        """The arguments, by name, of the adapter that reads the format."""
        return self.options


SOURCES: dict[str, type[SourceConfig]] = {
    source.model_fields["format"].default: source
    for source in (
        LabSourceConfig, ShopifySourceConfig, Ga4SourceConfig, SegmentSourceConfig, SnowplowSourceConfig,
        Rees46SourceConfig, RetailRocketSourceConfig, WebshopSourceConfig, TableSourceConfig, AmplitudeSourceConfig,
        MixpanelSourceConfig, OttoSourceConfig, TaobaoSourceConfig, YoochooseSourceConfig, AdobeSourceConfig,
    )
}  # fmt: skip
"""The settings of each format that comes with the package."""
FORMATS = tuple(SOURCES)


def source_of(settings: Any) -> Any:
    """The settings of a raw log as the class of their format.

    Raises ValidationError with one line for each wrong setting. A setting of another format is wrong unless it has its
    default value: older versions wrote the settings of all formats into a run's config.
    """
    if not isinstance(settings, Mapping):
        return settings
    name = settings.get("format", FORMATS[0])
    if not isinstance(name, str) or not (name in SOURCES or is_import_path(name)):
        raise _wrong([_line(("format",), name, unknown_adapter(str(name), FORMATS))])
    source = SOURCES.get(name, ImportedSourceConfig)
    own = {key: value for key, value in settings.items() if key in source.model_fields or not _formats_with(key)}
    foreign = {key: value for key, value in settings.items() if key not in own and not _is_default(key, value)}
    lines = [_line((key,), value, _other_format(key, name)) for key, value in foreign.items()]
    read = None
    try:
        read = source.model_validate(own)
    except ValidationError as error:
        lines += [
            _line(problem["loc"], problem["input"], problem["msg"], problem["type"]) for problem in error.errors()
        ]
    if lines:
        raise _wrong(lines)
    return read


AnySource = Annotated[SerializeAsAny[SourceConfig], BeforeValidator(source_of)]
"""The settings of a raw log of any format."""


def _formats_with(setting: object) -> list[str]:
    return [name for name, source in SOURCES.items() if setting in source.model_fields]


def _is_default(setting: str, value: object) -> bool:
    fields = (SOURCES[name].model_fields[setting] for name in _formats_with(setting))
    return any(value == field.default for field in fields)


def _other_format(setting: str, name: str) -> str:
    formats = ", ".join(_formats_with(setting))
    hint = "" if name in SOURCES else " Settings of an imported adapter belong in source.options."
    return f'a setting of the formats {formats}; the format here is "{name}".{hint}'


def _line(path: tuple[int | str, ...], value: object, message: str, kind: str = "source") -> InitErrorDetails:
    # the message is a value of the template, for it may hold braces
    custom = PydanticCustomError(kind, "{message}", {"message": message})  # pyright: ignore[reportArgumentType]
    return InitErrorDetails(type=custom, loc=path, input=value)


def _wrong(lines: list[InitErrorDetails]) -> ValidationError:
    return ValidationError.from_exception_data("source", lines)
