"""Vectors that a catalogue comes with, from its file to the buyers' vectors."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simpersona.adapters.embedders.given import given_embeddings
from simpersona.buyers.vectorizer import Vectorizer
from simpersona.cli.console import QuietReporter
from simpersona.config import BuyersConfig
from simpersona.config.file import parse_config
from simpersona.contracts import BUYERS, PRODUCTS
from simpersona.errors import SourceError
from simpersona.files import read_json
from simpersona.pipeline.run import run_pipeline
from simpersona.pipeline.stage import StageContext

DIM = 768


def catalogue(path, vectors, kind=None):
    """A catalogue of a shop whose products p0, p1, … have these vectors."""
    names = [f"p{number}" for number in range(len(vectors))]
    products = PRODUCTS.sample(len(names), shop_id=["s"] * len(names), product_id=names)
    table = products.append_column("embedding", pa.array(vectors, kind or pa.list_(pa.float32())))
    pq.write_table(table, path)
    return products


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.list_(pa.float32(), 2)])
def test_vectors_are_taken_as_they_are_and_missing_ones_told(tmp_path, kind):
    path = tmp_path / "products.parquet"
    products = catalogue(path, [[1, 2], None, [3, float("nan")], [-0.5, 4]], kind)
    wanted = products.take([3, 1, 0, 2]).select(["shop_id", "product_id"])
    stranger = pa.table({"shop_id": ["t"], "product_id": ["p0"]}, schema=wanted.schema)
    found = given_embeddings(path, pa.concat_tables([wanted, stranger]))
    assert found.dtype == np.float32
    none = [np.nan, np.nan]
    np.testing.assert_array_equal(found, np.array([[-0.5, 4], none, [1, 2], none, none], np.float32))


@pytest.mark.parametrize(
    ("vectors", "kind", "message"),
    [
        ([[1, 2], [1, 2], [1]], None, r"1 product\(s\) have an embedding of another length, first 'p2' of shop 's'"),
        ([[], [], []], None, r"3 product\(s\) have an embedding of another length, first 'p0' of shop 's': 0 numbers"),
        ([None, None], None, r"every embedding is null"),
        ([[float("inf")], [float("nan")]], None, r"no product of the log has an embedding of finite numbers"),
        (["a", "b"], pa.string(), r"the column embedding is of type string. buyers.embedder = \"given\" needs"),
        ([["a"]], pa.list_(pa.string()), r"is of type list<"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, vectors, kind, message):
    path = tmp_path / "products.parquet"
    products = catalogue(path, vectors, kind)
    with pytest.raises(SourceError, match=r"products\.parquet: .*" + message):
        given_embeddings(path, products)


def test_a_catalogue_without_them_is_named(tmp_path):
    products = PRODUCTS.sample(2)
    with pytest.raises(SourceError, match=r"products\.parquet: cannot be read"):
        given_embeddings(tmp_path / "products.parquet", products)
    pq.write_table(products, tmp_path / "products.parquet")
    with pytest.raises(SourceError, match=r"no column embedding. Found: shop_id, product_id"):
        given_embeddings(tmp_path / "products.parquet", products)


def test_from_a_log_and_its_catalogue_to_vectors(tmp_path):
    """Six products of 768 dimensions, of which two matter: one has no vector, and who saw it alone has no channel."""
    rng = np.random.default_rng(7)
    plane = np.linalg.qr(rng.normal(size=(DIM, 2)))[0].T
    given = rng.normal(size=(5, 2)) @ plane
    catalogue(tmp_path / "products.parquet", [*given.tolist(), None])
    seen = {"a": (0,), "b": (1, 2), "c": (3,), "d": (4, 0, 5), "e": (5,)}
    lines = [
        f"{buyer},2024-03-01T12:{at:02}:00Z,product_viewed,s,p{product}"
        for buyer, products in seen.items()
        for at, product in enumerate(products)
    ]
    (tmp_path / "log.csv").write_text("\n".join(["buyer_id,time,event,shop_id,product_id", *lines]))
    config = parse_config(
        {
            "folder": str(tmp_path / "runs"),
            "source": {"format": "table", "path": str(tmp_path / "*.csv")},
            "events": {"keep_ids": True},
            "buyers": {"embedder": "given"},
        }
    )
    folder = run_pipeline(config, QuietReporter(), "buyers")
    facts = read_json(folder / "manifest.json")["stages"]["buyers"]
    assert "1 of 6 products without an embedding count as unknown" in facts["summary"]

    products, embeddings = StageContext(config, folder, lambda *_: None).products()
    assert products["product_id"].to_pylist() == ["p0", "p1", "p2", "p3", "p4"]
    np.testing.assert_array_equal(embeddings, given.astype(np.float32))

    buyers = BUYERS.check(pq.read_table(folder / "buyers/buyers.parquet"))
    means = np.array([given[0], given[1:3].mean(axis=0), given[3], given[[4, 0]].mean(axis=0)])
    scaled = (means - means.mean(axis=0)) / means.std(axis=0)
    share = np.linalg.svd(scaled, compute_uv=False) ** 2
    for channel_dim in (1, 2):
        vectorizer = Vectorizer.fit(buyers, products, embeddings, BuyersConfig(channel_dim=channel_dim))
        explained = share[:channel_dim].sum() / share.sum()
        assert vectorizer.projection.explained_variance == pytest.approx(explained, rel=1e-5)
    vectors = vectorizer.transform(buyers, products, embeddings)
    assert vectors.x[:, -3].tolist() == [1, 1, 1, 1, 0]
