"""The product channels of a buyer's vector: mean product vector per channel, dim-z, one PCA (Table 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array
from sklearn.decomposition import PCA

from simpersona.contracts import CHANNELS

_SEPARATOR = "\x1f"  # in no id
_ALIKE = 1e-9  # a dimension that varies less than this does not vary


@dataclass(frozen=True)
class ChannelBags:
    """For each channel, a sparse (buyers × products) matrix whose rows average over the buyer's distinct
    products that the catalogue knows; a row without any is empty.
    """

    matrices: tuple[csr_array, ...]

    @classmethod
    def of(cls, buyers: pa.Table, products: pa.Table) -> ChannelBags:
        """The bags of BUYERS over PRODUCTS; products that the catalogue does not know are skipped."""
        catalogue = _key(products["shop_id"], products["product_id"])
        return cls(tuple(_bag(buyers, channel, catalogue) for channel in CHANNELS))

    def means(self, products: Float[np.ndarray, "m c"]) -> Float[np.ndarray, "n 3c"]:
        """The mean product of each channel, side by side; a missing one is 0."""
        return np.concatenate([matrix @ products for matrix in self.matrices], axis=1)

    def vectors(self, z: Float[np.ndarray, "n 16"], products: Float[np.ndarray, "m c"]) -> Float[np.ndarray, "n dim"]:
        """The whole vectors, float32: scalars, means and masks (Figure 4)."""
        return np.concatenate([z, self.means(products), self.present], axis=1, dtype=np.float32)

    def take(self, rows: Int[np.ndarray, " n"]) -> ChannelBags:
        """The bags of the buyers at `rows`."""
        return ChannelBags(tuple(matrix[rows] for matrix in self.matrices))

    @property
    def present(self) -> Bool[np.ndarray, "n 3"]:
        """Which buyers have at least one known product in each channel."""
        return np.stack([np.diff(matrix.indptr) > 0 for matrix in self.matrices], axis=1)


@dataclass(frozen=True)
class Projection:
    """dim-z and PCA as one affine map from `dim` to `c` dimensions (REFERENCE 8)."""

    weight: Float[np.ndarray, "dim c"]
    bias: Float[np.ndarray, " c"]
    explained_variance: float
    """Share of the variance of the training buyers' means that the c dimensions hold."""

    @classmethod
    def fit(cls, bags: ChannelBags, embeddings: Float[np.ndarray, "m dim"], channel_dim: int) -> Projection:
        """Fitted on the present means of the three channels together.

        Where the data allow fewer than `channel_dim` components (fewer means or dimensions), the rest of
        the output is 0.
        """
        dim = embeddings.shape[1]
        weight, bias = np.zeros((dim, channel_dim)), np.zeros(channel_dim)
        present = bags.present
        means = [(matrix @ embeddings)[present[:, i]] for i, matrix in enumerate(bags.matrices)]
        means = np.concatenate(means).astype(np.float64)
        components = min(channel_dim, dim, len(means) - 1)
        if components < 1 or np.ptp(means, axis=0).max() < _ALIKE:
            return cls(weight, bias, 0.0)
        location, spread = means.mean(axis=0), means.std(axis=0)
        spread[spread < _ALIKE] = 1.0
        pca = PCA(components, svd_solver="covariance_eigh").fit((means - location) / spread)
        weight[:, :components] = np.asarray(pca.components_).T / spread[:, None]
        bias[:components] = pca.transform(-(location / spread)[None])[0]  # where the zero vector goes
        return cls(weight, bias, float(pca.explained_variance_ratio_.sum()))

    def __call__(self, embeddings: Float[np.ndarray, "m dim"]) -> Float[np.ndarray, "m c"]:
        """The catalogue projected, float32. The map is affine: a mean of these is the projection of the mean."""
        return embeddings @ self.weight.astype(np.float32) + self.bias.astype(np.float32)


def _bag(buyers: pa.Table, channel: str, catalogue: pa.ChunkedArray) -> csr_array:
    lists = buyers[channel].combine_chunks()
    owner = pc.list_parent_indices(lists)
    wanted = _key(pc.take(buyers["shop_id"].combine_chunks(), owner), pc.list_flatten(lists))
    row = np.asarray(pc.index_in(wanted, catalogue).fill_null(-1)).astype(np.int64)
    known = row >= 0
    pairs = np.unique(np.asarray(owner, dtype=np.int64)[known] * len(catalogue) + row[known])  # distinct products
    owner, row = np.divmod(pairs, max(len(catalogue), 1))
    counts = np.bincount(owner, minlength=len(buyers))
    share = (1.0 / counts[owner]).astype(np.float32)
    return csr_array((share, row, np.concatenate([[0], np.cumsum(counts)])), shape=(len(buyers), len(catalogue)))


def _key(shop: pa.ChunkedArray, product: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(shop, product, _SEPARATOR)
