"""Buyers to vectors: 16 scalars | 3 product channels | 3 masks (2.1.1, App. A, Table 5, Figure 4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from simpersona.buyers.channels import ChannelBags, Projection
from simpersona.buyers.scaling import RobustZ, transform_scalars
from simpersona.buyers.vectors import BuyerVectors
from simpersona.config import BuyersConfig
from simpersona.contracts import SCALARS
from simpersona.errors import ContractError


@dataclass(frozen=True)
class Vectorizer:
    """The transforms fitted on the training buyers: the robust z of the scalars and the projection of the products."""

    robust: RobustZ
    projection: Projection

    @classmethod
    def fit(
        cls, buyers: pa.Table, products: pa.Table, embeddings: Float[np.ndarray, "m dim"], config: BuyersConfig
    ) -> Vectorizer:
        """Fits the transforms on BUYERS (training buyers only), PRODUCTS and one embedding per product.

        Raises ContractError if there is no buyer, or the numbers of embeddings and products differ.
        """
        if not buyers.num_rows:
            raise ContractError("buyers: no training buyer to fit the vectors on; expected at least one.")
        _match(products, embeddings)
        robust = RobustZ.fit(transform_scalars(_scalars(buyers)), config.clip)
        return cls(robust, Projection.fit(ChannelBags.of(buyers, products), embeddings, config.channel_dim))

    def transform(self, buyers: pa.Table, products: pa.Table, embeddings: Float[np.ndarray, "m dim"]) -> BuyerVectors:
        """The vectors of one table of BUYERS; see `chunks`."""
        (vectors,) = self.chunks([buyers], products, embeddings)
        return vectors

    def chunks(
        self, tables: Iterable[pa.Table], products: pa.Table, embeddings: Float[np.ndarray, "m dim"]
    ) -> Iterator[BuyerVectors]:
        """Yields the vectors of each of `tables` (BUYERS), float32, with 19 + 3c dimensions (403 with c = 128).

        One table's vectors are in memory at a time; the catalogue is projected once. An unknown scalar is 0 after
        the z. A channel without a product of the catalogue is 0, and so is its mask.

        Raises ContractError if the embeddings have another dimension than those of the fit.
        """
        _match(products, embeddings)
        if embeddings.shape[1] != (dim := len(self.projection.weight)):
            raise ContractError(
                f"embeddings have {embeddings.shape[1]} dimensions; the vectors were fitted on {dim}."
                " Use the embedder that the personas were trained with."
            )
        projected = self.projection(embeddings)
        for buyers in tables:
            yield self._vectors(buyers, products, projected)

    def sparse(
        self, buyers: pa.Table, products: pa.Table
    ) -> tuple[BuyerVectors, Float[np.ndarray, "n 16"], ChannelBags]:
        """The parts of the vectors of BUYERS, without the dense vectors themselves.

        Returns the buyers with an empty `x` of shape (n, 0), the normalised scalars (float32), and the products of
        each channel.
        """
        raw, no_x = _scalars(buyers), np.empty((buyers.num_rows, 0), np.float32)
        shop, buyer, stratum = (_texts(buyers, name) for name in ("shop_id", "buyer_id", "stratum"))
        z = self.robust(transform_scalars(raw)).astype(np.float32)
        return BuyerVectors(shop, buyer, stratum, no_x, raw), z, ChannelBags.of(buyers, products)

    def _vectors(self, buyers: pa.Table, products: pa.Table, projected: Float[np.ndarray, "m c"]) -> BuyerVectors:
        known, z, bags = self.sparse(buyers, products)
        return replace(known, x=bags.vectors(z, projected))

    @property
    def explained_variance(self) -> float:
        """Share of the variance of product preference that the PCA explains (about 0.85 in the paper)."""
        return self.projection.explained_variance

    def state(self) -> dict[str, np.ndarray]:
        """The fitted values, as arrays by name."""
        return {
            "scalar_median": self.robust.median,
            "scalar_scale": self.robust.scale,
            "clip": np.array([self.robust.clip]),
            "channel_weight": self.projection.weight,
            "channel_bias": self.projection.bias,
            "explained_variance": np.array([self.projection.explained_variance]),
        }

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Vectorizer:
        """The vectorizer restored from `state`; it gives the same vectors."""
        robust = RobustZ(state["scalar_median"], state["scalar_scale"], float(state["clip"][0]))
        explained = float(state["explained_variance"][0])
        return cls(robust, Projection(state["channel_weight"], state["channel_bias"], explained))


def _scalars(buyers: pa.Table) -> Float[np.ndarray, "n 16"]:
    columns = [buyers[name].combine_chunks().to_numpy(zero_copy_only=False) for name in SCALARS]
    return np.stack(columns, axis=1).astype(np.float64)  # null becomes nan


def _texts(buyers: pa.Table, name: str) -> np.ndarray:
    return np.asarray(buyers[name].to_pylist(), dtype=np.str_)


def _match(products: pa.Table, embeddings: np.ndarray) -> None:
    if len(embeddings) != products.num_rows:
        raise ContractError(f"{len(embeddings)} embeddings for {products.num_rows} products; expected one per product.")
