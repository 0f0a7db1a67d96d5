"""Settings of the buyers' vectors and of the model that turns them into personas."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simpersona.config.adapter_name import adapter_name
from simpersona.config.section import Positive, PositiveFloat, ReadBy, Section, Share


class SplitConfig(Section):
    """Which shops train and which are held out (3.2)."""

    held_out_share: Share = 0.25
    """Share of the shops that are never trained on; at least one if there are two shops or more."""
    held_out: tuple[str, ...] = ()
    """The names of the held-out shops, instead of a share."""


class BuyersConfig(Section):
    """Sessions to the 403-d vector (2.1.1, Table 5)."""

    embedder: Annotated[
        str,
        adapter_name("minilm", "hashing", "given"),
        ReadBy("buyers", "personas", "agent", "tasks", "simulation", "experiment"),
    ] = "minilm"
    """"given": the column `embedding` of the products.parquet beside the log. "hashing" needs no model: for tests.
    An import path such as "my_shop.vectors:Embedder" names a class of another package (ports.Embedder)."""
    channel_dim: Positive = 128
    """Dimensions of one product channel after PCA."""
    clip: PositiveFloat = 10
    """Robust z values are clipped to ± this (REFERENCE 7)."""


class PersonasConfig(Section):
    """The behaviour-aware VQ-VAE (2.2, App. C, D, E)."""

    codes: Positive = 32
    """K; 256 in the paper."""
    hidden: tuple[Positive, ...] = (256, 128)
    latent: Positive = 96
    dropout: Share = 0.1
    reconstruction_weight: float = 0.3
    """λ_r of Eq. 2."""
    commitment_weight: float = 0.75
    """β of Eq. 2."""
    commitment_over: Literal["mean", "sum"] = "mean"
    """The commitment loss is the mean over the dimensions of the latent, or their sum. The sum is `latent` times as large;
    it is the squared norm as the paper writes it (REFERENCE 9)."""
    contrastive_weight: float = 0.15
    """λ_c of Eq. 2."""
    head_weight: float = 0.5
    """λ_a of Eq. 2."""
    decay: Share = 0.9
    """γ of Eq. 7."""
    dead_fraction: Share = 0.1
    """α of Eq. 8."""
    dead_warmup_steps: int = 100
    dead_every_steps: Positive = 50
    temperature: PositiveFloat = 0.1
    """τ of Eq. 9."""
    product_peers: Positive = 10
    """M of the product filter."""
    behaviour_peers: Positive = 3
    """F of the behavioural filter; smaller than M (App. D)."""
    purchase_weights: tuple[Positive, Positive] = (8, 3)
    """Weights of a session with a completed checkout, and of a session with an add-to-cart (App. E)."""
    purchase_bins: Literal["merge", "semantic"] = "merge"
    """"merge": App. E's merging. "semantic": none, cart only, any purchase (REFERENCE 11)."""
    buyers_per_shop: Positive = 1500
    buyers_per_stratum: Positive = 300
    validation_share: Share = 0.15
    """Share of the sampled buyers that are validation buyers."""
    min_buyers_per_code: int = Field(default=20, ge=0)
    """Fewest training buyers of a published code; a smaller code is merged into the nearest."""
    # not published (REFERENCE 14)
    batch_size: Positive = 64
    epochs: Positive = 60
    learning_rate: PositiveFloat = 1e-3
    patience: Positive = 10
    """Epochs without a better validation loss before training stops."""

    @model_validator(mode="after")
    def _peers_narrow(self) -> PersonasConfig:
        if self.behaviour_peers >= self.product_peers:
            raise ValueError("behaviour_peers (F) must be smaller than product_peers (M), or one filter has no effect")
        return self
