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

_SEPARATOR = "\x1f"  # a control character that no id contains
_CONSTANT = 1e-9  # a dimension that varies less than this counts as constant


@dataclass(frozen=True)
class ChannelBags:
    """For each channel, a sparse matrix of shape (buyers, products) that averages over products.

    A row has equal weights, summing to 1, at the buyer's distinct products of the catalogue. The row of a buyer
    without such a product is empty.
    """

    matrices: tuple[csr_array, ...]

    @classmethod
    def of(cls, buyers: pa.Table, products: pa.Table) -> ChannelBags:
        """The bags of BUYERS over PRODUCTS; products missing from the catalogue are skipped."""
        catalogue = _key(products["shop_id"], products["product_id"])
        return cls(tuple(_bag(buyers, channel, catalogue) for channel in CHANNELS))

    def means(self, products: Float[np.ndarray, "m c"]) -> Float[np.ndarray, "n 3*c"]:
        """The mean product vectors of the channels, concatenated; 0 for a channel without products."""
        return np.concatenate([matrix @ products for matrix in self.matrices], axis=1)

    def vectors(self, z: Float[np.ndarray, "n 16"], products: Float[np.ndarray, "m c"]) -> Float[np.ndarray, "n dim"]:
        """The complete buyer vectors, float32: scalars, channel means and masks (Figure 4)."""
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
        """Fits one projection on the means of all three channels, without the empty ones.

        If the data have fewer than `channel_dim` components (too few means or dimensions), the remaining output
        dimensions are 0.
        """
        dim = embeddings.shape[1]
        weight, bias = np.zeros((dim, channel_dim)), np.zeros(channel_dim)
        present = bags.present
        means = [(matrix @ embeddings)[present[:, i]] for i, matrix in enumerate(bags.matrices)]
        means = np.concatenate(means).astype(np.float64)
        components = min(channel_dim, dim, len(means) - 1)
        if components < 1 or np.ptp(means, axis=0).max() < _CONSTANT:
            return cls(weight, bias, 0.0)
        location, spread = means.mean(axis=0), means.std(axis=0)
        spread[spread < _CONSTANT] = 1.0
        pca = PCA(components, svd_solver="covariance_eigh").fit((means - location) / spread)
        weight[:, :components] = np.asarray(pca.components_).T / spread[:, None]
        bias[:components] = pca.transform(-(location / spread)[None])[0]  # the projection of the zero vector
        return cls(weight, bias, float(pca.explained_variance_ratio_.sum()))

    def __call__(self, embeddings: Float[np.ndarray, "m dim"]) -> Float[np.ndarray, "m c"]:
        """Projects the product vectors, float32. The map is affine: the mean of projections is the projected mean."""
        return embeddings @ self.weight.astype(np.float32) + self.bias.astype(np.float32)


def _bag(buyers: pa.Table, channel: str, catalogue: pa.ChunkedArray) -> csr_array:
    lists = buyers[channel].combine_chunks()
    parents = pc.list_parent_indices(lists)
    keys = _key(pc.take(buyers["shop_id"].combine_chunks(), parents), pc.list_flatten(lists))
    positions = np.asarray(pc.index_in(keys, catalogue).fill_null(-1)).astype(np.int64)
    known = positions >= 0
    # one number per distinct (buyer, product) pair
    pairs = np.unique(np.asarray(parents, dtype=np.int64)[known] * len(catalogue) + positions[known])
    buyer, product = np.divmod(pairs, max(len(catalogue), 1))
    counts = np.bincount(buyer, minlength=len(buyers))
    weight = (1.0 / counts[buyer]).astype(np.float32)
    return csr_array((weight, product, np.concatenate([[0], np.cumsum(counts)])), shape=(len(buyers), len(catalogue)))


def _key(shop: pa.Array | pa.ChunkedArray, product: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    return pc.binary_join_element_wise(shop, product, _SEPARATOR)
