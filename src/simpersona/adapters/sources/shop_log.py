"""What the sources share whose log is of one shop or of shops by their hosts, with ids and amounts as its platform writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict, Unpack

from simpersona.adapters.sources.amounts import AmountSettings, Decimal
from simpersona.adapters.sources.identity import Identity

_OF_AMOUNTS = AmountSettings.__dataclass_fields__.keys()


class ShopLogOptions(TypedDict, total=False):
    """The settings of `Identity` and of `AmountSettings`, by their names in `config.source`."""

    shop: str | None
    shops: Mapping[str, str]
    no_ids: Sequence[str]
    shared_ids: Literal["reject", "keep"]
    decimal: Decimal
    exchange_rates: Mapping[str, float]


class ShopLogSource:
    """A source with the settings of ShopLogOptions."""

    def __init__(self, **options: Unpack[ShopLogOptions]) -> None:
        of_amounts = {name: value for name, value in options.items() if name in _OF_AMOUNTS}
        of_ids = {name: value for name, value in options.items() if name not in _OF_AMOUNTS}
        self.identity = Identity(**of_ids)  # pyright: ignore[reportArgumentType] - as the options say
        self.amounts = AmountSettings(**of_amounts)  # pyright: ignore[reportArgumentType]
