"""The event source that the settings name."""

from __future__ import annotations

from simpersona.adapters.named import Shipped, build
from simpersona.config.source import SourceConfig
from simpersona.ports import EventSource

_HERE = "simpersona.adapters.sources"
SOURCES = {
    "lab": Shipped(f"{_HERE}.shopify:ShopifySource"),
    "shopify": Shipped(f"{_HERE}.shopify:ShopifySource"),
    "ga4": Shipped(f"{_HERE}.ga4:Ga4Source"),
    "segment": Shipped(f"{_HERE}.segment:SegmentSource"),
    "snowplow": Shipped(f"{_HERE}.snowplow:SnowplowSource"),
    "rees46": Shipped(f"{_HERE}.rees46:Rees46Source"),
    "retailrocket": Shipped(f"{_HERE}.retailrocket:RetailRocketSource"),
    "webshop": Shipped(f"{_HERE}.webshop:WebshopSource"),
    "adobe": Shipped(f"{_HERE}.adobe:AdobeSource"),
    "yoochoose": Shipped(f"{_HERE}.yoochoose:YoochooseSource"),
    **dict.fromkeys(("table", "amplitude", "mixpanel", "otto", "taobao"), Shipped(f"{_HERE}.table:TableSource")),
}
"""The sources that come with the package, by `source.format`."""


def open_source(config: SourceConfig, *, as_parquet: bool = False) -> EventSource:
    """The source of a format, with the format's settings; `as_parquet` says that the lab's world was written so.

    Raises ConfigError if an import path leads to no event source.
    """
    name = "table" if config.format == "lab" and as_parquet else config.format
    return build(EventSource, name, SOURCES, "source.format", **config.reader_options())
