"""A run's vectors as one file: the same numbers as those of the vectorizer, in both formats."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simpersona.buyers.vectorizer import Vectorizer
from simpersona.config import BuyersConfig, PersonasConfig
from simpersona.contracts import BUYERS, CHANNELS, PRODUCTS, SCALARS
from simpersona.errors import ConfigError
from simpersona.personas.fitted import FittedPersonas, buyer_chunks
from simpersona.personas.vqvae_training import train_vqvae
from simpersona.pipeline.dense_vectors import export_vectors


@pytest.fixture
def run(tmp_path):
    """A run folder of 50 buyers, as far as vectors need it; and its vectors."""
    rng = np.random.default_rng(0)
    products = PRODUCTS.sample(10, shop_id=["s"] * 10, product_id=[f"p{i}" for i in range(10)])
    embeddings = rng.normal(size=(10, 6)).astype(np.float32)
    lists = {channel: [[f"p{i % 10}"] for i in range(50)] for channel in CHANNELS}
    scalars = {name: rng.random(50) for name in SCALARS}
    buyers = BUYERS.sample(50, shop_id=["s"] * 50, stratum=["A"] * 50, **scalars, **lists)
    for name in ("buyers", "events", "personas"):
        (tmp_path / name).mkdir()
    pq.write_table(buyers, tmp_path / "buyers/buyers.parquet", row_group_size=20)
    np.save(tmp_path / "buyers/embeddings.npy", embeddings)
    pq.write_table(products, tmp_path / "events/products.parquet")
    vectorizer = Vectorizer.fit(buyers, products, embeddings, BuyersConfig(channel_dim=4))
    vectors = vectorizer.transform(buyers, products, embeddings)
    settings = PersonasConfig(codes=3, epochs=1, hidden=(8,), latent=4)
    personas = train_vqvae(vectors, vectors, settings, 0, lambda *_: None)
    FittedPersonas(vectorizer, personas, "given").save(tmp_path / "personas")
    return tmp_path, vectors


def test_an_arrow_file(run):
    folder, vectors = run
    assert export_vectors(folder, folder / "out/vectors.arrow").rows_out == 50
    with pa.ipc.open_file(folder / "out/vectors.arrow") as file:
        table = file.read_all()
    assert table["buyer_id"].to_pylist() == vectors.buyer_id.tolist()
    assert table["stratum"].to_pylist() == ["A"] * 50
    np.testing.assert_allclose(np.array(table["x"].to_pylist()), vectors.x, atol=1e-6)


def test_a_memory_map(run):
    folder, vectors = run
    export_vectors(folder, folder / "vectors.npy")
    matrix = np.load(folder / "vectors.npy", mmap_mode="r")
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix, vectors.x, atol=1e-6)
    assert pq.read_table(folder / "vectors-buyers.parquet")["buyer_id"].to_pylist() == vectors.buyer_id.tolist()


def test_another_kind_is_refused(run):
    with pytest.raises(ConfigError, match=r"must end with \.arrow or \.npy"):
        export_vectors(run[0], run[0] / "vectors.csv")


def test_buyers_are_read_in_chunks(run):
    assert [len(chunk) for chunk in buyer_chunks(run[0] / "buyers/buyers.parquet", 15)] == [15, 15, 15, 5]
