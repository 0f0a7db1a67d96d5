"""TODO."""

from __future__ import annotations

from simpersona.adapters.sources.ga4 import Ga4Source
from simpersona.adapters.sources.rees46 import Rees46Source
from simpersona.adapters.sources.retailrocket import RetailRocketSource
from simpersona.adapters.sources.segment import SegmentSource
from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.adapters.sources.snowplow import SnowplowSource
from simpersona.adapters.sources.table import TableSource
from simpersona.adapters.sources.webshop import WebshopSource
from simpersona.config.source import SourceConfig
from simpersona.errors import ConfigError
from simpersona.ports import EventSource


def open_source(config: SourceConfig, *, as_parquet: bool = False) -> EventSource:  # noqa: PLR0911 (one each)
    """The adapter for a source's format; `as_parquet` says that the lab's world was written so."""
    match config.format:
        case "lab" if as_parquet:
            return TableSource()
        case "table":
            return TableSource(config.shop, config.columns, config.events, config.time_format, config.time_zone)
        case "ga4":
            return Ga4Source(config.shop)
        case "segment":
            return SegmentSource(config.shop)
        case "snowplow":
            return SnowplowSource(config.shop)
        case "rees46":
            return Rees46Source(shop_by=config.shop_by)
        case "retailrocket":
            return RetailRocketSource(shop_by=config.shop_by)
        case "webshop":
            return WebshopSource()
        case "shopify" | "lab":
            return ShopifySource(config.shop)
    raise ConfigError(f'source.format = "{config.format}" cannot be read yet')
