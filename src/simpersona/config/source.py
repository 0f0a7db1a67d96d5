"""The settings of the raw log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field

from simpersona.config.section import Section, known_time_zone

EventColumn = Literal[
    "shop_id", "buyer_id", "session_id", "time", "event", "product_id", "collection_id", "query", "price", "quantity",
    "order_id", "value", "seq", "title", "vendor", "product_type", "collection",
]  # fmt: skip
"""What a column of a log can be: those of contracts.EVENTS, the order of events, and words for the catalogue."""
EventName = Literal[
    "page_viewed", "product_viewed", "collection_viewed", "search_submitted", "product_added_to_cart",
    "product_removed_from_cart", "cart_viewed", "checkout_started", "checkout_completed", "ignored",
]  # fmt: skip
"""Those of contracts.EVENT_NAMES, and what is set aside."""


class SourceConfig(Section):
    """Where the raw log comes from."""

    format: Literal["lab", "shopify", "ga4", "segment", "snowplow", "rees46", "retailrocket", "webshop", "table"] = (
        "lab"
    )
    """Schema of the log; docs/events.md describes each. "table": any CSV, JSON lines or parquet, see columns."""
    path: Path | None = None
    """File, folder, or pattern with * and ?. With format = "lab" the world is generated and no path is needed."""
    shop: Annotated[str, Field(min_length=1)] | None = None
    """shopify, ga4, segment, snowplow, table only: the shop that the whole log belongs to. None: what the log says, such as the host name of a page."""
    shop_by: Literal["category_root", "none"] = "category_root"
    """rees46, retailrocket only: what a shop is. "none": the whole log is one shop."""
    time_format: Annotated[str, Field(pattern=r"^(iso|s|ms|us)$|%")] = "iso"
    """table only: "iso" (2024-03-01T12:00:00+01:00), "s", "ms" or "us" (numbers since 1970), or a pattern (%d.%m.%Y)."""
    time_zone: Annotated[str, AfterValidator(known_time_zone)] = "UTC"
    """table only: of times that do not name theirs."""
    columns: dict[EventColumn, str] = Field(default={})
    """table only: our column = "the log's", where their names differ; "=text" is the same text in every row.
    A dot goes into a nested value: product.id."""
    events: dict[str, EventName] = Field(default={})
    """table only: the log's event = "ours", where their names differ; "ignored" for events without a use,
    and "*" for all that are not named."""

    def is_for(self, description: str) -> bool:
        """Whether a setting with this description is one of the format: "a, b only: ..." names the formats."""
        formats, found, _ = description.partition(" only: ")
        return not found or self.format in formats.split(", ")


FORMATS: tuple[str, ...] = get_args(SourceConfig.model_fields["format"].annotation)
SOURCE_EXAMPLES: dict[str, dict[str, Any]] = {
    "shopify": {"path": "events/"},
    "ga4": {"path": "events_*.parquet"},
    "segment": {"path": "calls/*.jsonl.gz"},
    "snowplow": {"path": "enriched/"},
    "rees46": {"path": "2019-Oct.csv"},
    "retailrocket": {"path": "retailrocket/"},
    "webshop": {"path": "human_sessions.zip"},
    "table": {
        "path": "events.csv",
        "columns": {"buyer_id": "user_id", "time": "timestamp", "event": "event_name"},
        "events": {
            "view": "product_viewed",
            "add": "product_added_to_cart",
            "buy": "checkout_completed",
            "*": "ignored",
        },
    },
}
"""What `simpersona init` writes for a format, to be changed."""
