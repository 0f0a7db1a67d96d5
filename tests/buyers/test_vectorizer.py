"""The buyer's vector: layout, product channels against scikit-learn, masks, state."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from simpersona.buyers.vectorizer import Vectorizer
from simpersona.buyers.vectors import BuyerVectors
from simpersona.config import BuyersConfig
from simpersona.contracts import BUYERS, CHANNELS, PRODUCTS, SCALARS
from simpersona.errors import ContractError

DIM = 12


@pytest.fixture
def world():
    """60 buyers in two shops that name their products alike, 20 products a shop."""
    rng = np.random.default_rng(1)
    shops = [f"shop-{i % 2}" for i in range(40)]
    products = PRODUCTS.sample(40, shop_id=shops, product_id=[f"p{i // 2}" for i in range(40)])
    embeddings = rng.normal(size=(40, DIM)).astype(np.float32)
    lists = {
        channel: [[f"p{p}" for p in rng.permutation(20)[: rng.integers(0, 5)]] for _ in range(60)]
        for channel in CHANNELS
    }
    has = {f"has_{channel}": [bool(found) for found in lists[channel]] for channel in CHANNELS}
    scalars = {name: rng.integers(1, 9, 60).astype(float) for name in SCALARS}
    scalars |= {name: rng.random(60) for name in SCALARS if name.endswith("_rate") or name == "intent_strength"}
    buyers = BUYERS.sample(
        60, shop_id=[f"shop-{i % 2}" for i in range(60)], stratum=["A", "D"] * 30, **scalars, **has, **lists
    )
    return buyers, products, embeddings


def channel_means(buyers, products, embeddings):
    """By plain loops: {channel: (buyers, dim)}, nan where there is no product."""
    row = {(p["shop_id"], p["product_id"]): i for i, p in enumerate(products.to_pylist())}
    means = {}
    for channel in CHANNELS:
        found = [
            [embeddings[row[line["shop_id"], p]] for p in set(line[channel]) if (line["shop_id"], p) in row]
            for line in buyers.to_pylist()
        ]
        means[channel] = np.array([np.mean(f, axis=0, dtype=np.float64) if f else np.full(DIM, np.nan) for f in found])
    return means


def test_channels_are_dim_z_and_pca_of_the_means(world):
    buyers, products, embeddings = world
    vectorizer = Vectorizer.fit(buyers, products, embeddings, BuyersConfig(channel_dim=5))
    vectors = vectorizer.transform(buyers, products, embeddings)

    means = channel_means(*world)
    together = np.concatenate(list(means.values()))
    reference = make_pipeline(StandardScaler(), PCA(5)).fit(together[~np.isnan(together[:, 0])])
    for number, channel in enumerate(CHANNELS):
        present = ~np.isnan(means[channel][:, 0])
        np.testing.assert_array_equal(vectors.masks[:, number], present)
        np.testing.assert_allclose(
            vectors.channel(channel)[present], reference.transform(means[channel][present]), atol=1e-4
        )
        np.testing.assert_array_equal(vectors.channel(channel)[~present], 0)
    assert vectorizer.explained_variance == pytest.approx(reference[-1].explained_variance_ratio_.sum(), rel=1e-5)


def test_layout(world):
    vectors = Vectorizer.fit(*world, BuyersConfig()).transform(*world)
    assert vectors.x.shape == (60, 403)
    assert vectors.x.dtype == np.float32
    assert vectors.channel_dim == 128
    # 12 dimensions allow 12 components; the rest is empty
    assert np.abs(vectors.channel("viewed")[:, :12]).sum() > 0
    assert np.abs(vectors.channel("viewed")[:, 12:]).sum() == 0
    np.testing.assert_array_equal(vectors.scalar("session_count"), world[0]["session_count"].to_numpy())
    np.testing.assert_array_equal(vectors.buyer_id, world[0]["buyer_id"].to_pylist())


def test_scalars_are_the_robust_z_of_the_logs(world):
    buyers = world[0]
    z = Vectorizer.fit(*world, BuyersConfig()).transform(*world).z[:, 0]
    logs = np.log1p(buyers["session_count"].to_numpy())
    low, median, high = np.percentile(logs, [25, 50, 75])
    np.testing.assert_allclose(z, (logs - median) / (high - low), rtol=1e-5, atol=1e-6)


def test_only_training_buyers_are_fitted_on(world):
    buyers, products, embeddings = world
    fitted = Vectorizer.fit(buyers.slice(0, 40), products, embeddings, BuyersConfig(channel_dim=4))
    alone = fitted.transform(buyers.slice(40, 5), products, embeddings)
    among = fitted.transform(buyers, products, embeddings).take(np.arange(40, 45))
    np.testing.assert_allclose(alone.x, among.x, atol=1e-6)


def test_products_that_the_catalogue_does_not_know_are_skipped(world):
    buyers, products, embeddings = world
    lists = [["gone"], ["p1", "gone"], ["p1"], ["p1", "p1"], None]
    some = buyers.slice(0, 5)
    at = some.schema.get_field_index("viewed")
    some = some.set_column(at, "viewed", pa.array(lists, pa.list_(pa.string())))
    some = some.set_column(0, "shop_id", pa.array(["shop-0"] * 5))
    vectors = Vectorizer.fit(*world, BuyersConfig(channel_dim=4)).transform(some, products, embeddings)
    np.testing.assert_array_equal(vectors.masks[:, 0], [False, True, True, True, False])
    for other in (1, 3):
        np.testing.assert_array_equal(vectors.channel("viewed")[other], vectors.channel("viewed")[2])


def test_unknown_scalars_are_0(world):
    buyers, products, embeddings = world
    at = buyers.schema.get_field_index("mean_order_value")
    unknown = buyers.set_column(at, "mean_order_value", pa.nulls(60, pa.float64()))
    vectors = Vectorizer.fit(unknown, products, embeddings, BuyersConfig()).transform(unknown, products, embeddings)
    np.testing.assert_array_equal(vectors.z[:, SCALARS.index("mean_order_value")], 0)
    assert np.isnan(vectors.scalar("mean_order_value")).all()
    assert np.isfinite(vectors.x).all()


def test_state_gives_the_same_vectors(world):
    vectorizer = Vectorizer.fit(*world, BuyersConfig(channel_dim=4))
    again = Vectorizer.from_state(vectorizer.state())
    np.testing.assert_array_equal(again.transform(*world).x, vectorizer.transform(*world).x)
    assert again.explained_variance == vectorizer.explained_variance


def test_no_product_at_all(world):
    buyers, _, _ = world
    empty = (buyers, PRODUCTS.empty(), np.zeros((0, DIM), np.float32))
    vectors = Vectorizer.fit(*empty, BuyersConfig(channel_dim=4)).transform(*empty)
    assert vectors.x.shape == (60, 16 + 12 + 3)
    assert not vectors.masks.any()


def test_wrong_inputs_are_named(world):
    buyers, products, embeddings = world
    with pytest.raises(ContractError, match="39 embeddings for 40 products"):
        Vectorizer.fit(buyers, products, embeddings[1:], BuyersConfig())
    with pytest.raises(ContractError, match="no training buyer"):
        Vectorizer.fit(buyers.slice(0, 0), products, embeddings, BuyersConfig())
    fitted = Vectorizer.fit(*world, BuyersConfig())
    with pytest.raises(ContractError, match="have 11 dimensions; the vectors were fitted on 12"):
        fitted.transform(buyers, products, embeddings[:, 1:])


@pytest.mark.parametrize("rows", [1, 7, 60])
def test_chunks_are_the_whole_in_parts(world, rows):
    buyers, products, embeddings = world
    vectorizer = Vectorizer.fit(*world, BuyersConfig(channel_dim=4))
    tables = [buyers.slice(start, rows) for start in range(0, 60, rows)]
    parts = list(vectorizer.chunks(iter(tables), products, embeddings))
    assert [len(part) for part in parts] == [len(table) for table in tables]
    joined, whole = BuyerVectors.joined(parts), vectorizer.transform(*world)
    np.testing.assert_allclose(joined.x, whole.x, atol=1e-6)
    np.testing.assert_array_equal(joined.buyer_id, whole.buyer_id)
    np.testing.assert_array_equal(joined.scalars, whole.scalars)


def test_any_embedding_width_is_reduced_to_the_channel_width(world):
    buyers, products, _ = world
    wide = np.random.default_rng(2).normal(size=(40, 768)).astype(np.float32)
    vectorizer = Vectorizer.fit(buyers, products, wide, BuyersConfig(channel_dim=8))
    assert vectorizer.transform(buyers, products, wide).x.shape == (60, 16 + 24 + 3)
    assert 0 < vectorizer.explained_variance < 1
