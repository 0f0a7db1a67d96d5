"""What the sources share whose log is of one shop or of shops by their hosts, with ids and amounts as its platform writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from simpersona.adapters.sources.amounts import AmountSettings, Decimal
from simpersona.adapters.sources.identity import Identity
from simpersona.config.source import NO_IDS


class ShopLogSource:
    """A source with the settings of `Identity` and of `AmountSettings`."""

    def __init__(
        self,
        shop: str | None = None,
        shops: Mapping[str, str] | None = None,
        no_ids: Sequence[str] = NO_IDS,
        shared_ids: Literal["reject", "keep"] = "reject",
        decimal: Decimal = "auto",
        exchange_rates: Mapping[str, float] | None = None,
    ) -> None:
        self.identity = Identity(shop, shops or {}, no_ids, shared_ids)
        self.amounts = AmountSettings(decimal, exchange_rates or {})
