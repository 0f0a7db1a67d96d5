"""Settings of the generated world."""

from __future__ import annotations

from typing import Annotated, Literal

from simpersona.config.section import Positive, PositiveFloat, ReadBy, Section


class VariantConfig(Section):
    """Differences from the plain store; each setting has a known effect on each buyer type."""

    free_shipping_notice: bool = False
    hidden_search: bool = False
    one_page_checkout: bool = False
    price_factor: PositiveFloat = 1.0
    """Factor on every price."""


class LabConfig(Section):
    """The generated world (format = "lab")."""

    shops: Positive = 12
    """The paper has 39 + 42 = 81."""
    buyers: Positive = 6000
    """Buyers of all shops together."""
    products_per_shop: Positive = 60
    types: Positive = 24
    """Latent buyer types."""
    days: Positive = 120
    """The paper's four months (App. C)."""
    output: Annotated[Literal["jsonl", "parquet", "both"], ReadBy("world", "events")] = "jsonl"
    """File format of the events: JSON lines as a store logs them, parquet for large worlds, or both."""
    seed: int = 15
    variant: VariantConfig = VariantConfig()
    variants: Literal["same", "varied"] = "same"
    """"same": every shop has `variant`. "varied": the shops take the plain store and the named variants (docs/lab.md) in
    turn, and `variant` is not used."""
