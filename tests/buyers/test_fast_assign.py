"""New buyers from a typed log: the fast path gives the same codes and mixes as the general path."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from simpersona.adapters.embedders.hashing import HashingEmbedder
from simpersona.adapters.engines.duckdb import connect
from simpersona.adapters.sources.table import TableSource
from simpersona.adapters.sources.typed_log import TypedLog
from simpersona.buyers.aggregate import aggregate
from simpersona.buyers.catalogue_vectors import embed_texts
from simpersona.buyers.vectorizer import Vectorizer
from simpersona.config import EventsConfig, LabConfig, PersonasConfig
from simpersona.config.file import parse_config
from simpersona.contracts import BUYERS, EVENTS, PRODUCTS
from simpersona.events.prepare import prepare
from simpersona.lab.world import generate_world
from simpersona.pack.assign import AssignSettings, assign_new_buyers
from simpersona.personas.fitted import FittedPersonas
from simpersona.personas.vqvae_training import train_vqvae

pytest.importorskip("numba", reason="the fast path needs the extra `fast`")
from simpersona.buyers.fused import fused_buyers


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    generate_world(folder, LabConfig(shops=3, buyers=600, output="parquet"), lambda *_: None)
    return folder / "events"


@pytest.fixture(scope="module")
def fitted(world):
    log = TypedLog.at(world)
    settings = config(world)
    buyers = pa.concat_tables(fused_buyers(log.events(shop), log.has, settings.events).table() for shop in log.pieces)
    products = pq.read_table(world / "products.parquet")
    embedder = HashingEmbedder()
    embeddings = embed_texts(embedder, products["text"])
    vectorizer = Vectorizer.fit(buyers, products, embeddings, settings.buyers)
    vectors = vectorizer.transform(buyers, products, embeddings)
    half = np.arange(len(vectors)) % 2 == 0
    personas = train_vqvae(
        vectors.take(half), vectors.take(~half), PersonasConfig(codes=16, epochs=2, hidden=(64, 32)), 0, lambda *_: None
    )
    return FittedPersonas(vectorizer, personas, embedder.name)


def config(events, **source):
    buyers = {"embedder": "hashing", "channel_dim": 16}
    read = parse_config({"source": {"format": "table", "path": str(events)} | source, "buyers": buyers}, "test")
    return AssignSettings(read.source, read.events, read.buyers)


def test_both_ways_give_the_same_files(world, fitted, tmp_path):
    fast, plain = tmp_path / "fast.parquet", tmp_path / "plain.parquet"
    said = assign_new_buyers(fitted, config(world), fast)
    assert "(fast path)" in said.summary
    # a map that changes nothing: the general way
    also = assign_new_buyers(fitted, config(world, columns={"time": "time"}), plain)
    assert "(fast path)" not in also.summary
    assert (said.rows_in, said.rows_out, said.rejected) == (also.rows_in, also.rows_out, also.rejected)
    assert pq.read_table(fast).equals(pq.read_table(plain))
    assert pq.read_table(tmp_path / "fast-mix.parquet").equals(pq.read_table(tmp_path / "plain-mix.parquet"))


def test_shops_may_share_row_groups(world, fitted, tmp_path):
    """The same log as one file, rows of all shops mixed, in small row groups."""
    parts = [pq.read_table(file) for file in sorted(world.glob("*-0*.parquet"))]
    rows = pa.concat_tables(parts)
    folder = tmp_path / "mixed"
    folder.mkdir()
    shuffled = rows.take(np.random.default_rng(0).permutation(len(rows)))
    pq.write_table(shuffled, folder / "all.parquet", row_group_size=1000)
    pq.write_table(pq.read_table(world / "products.parquet"), folder / "products.parquet")
    for events, name in ((world, "apart.parquet"), (folder, "mixed.parquet")):
        assert "(fast path)" in assign_new_buyers(fitted, config(events), tmp_path / name).summary
    assert pq.read_table(tmp_path / "mixed.parquet").equals(pq.read_table(tmp_path / "apart.parquet"))


OPTIONAL = ("session_id", "collection_id", "query", "price", "quantity", "order_id", "value")
LACKING = {
    "all": [OPTIONAL, OPTIONAL],
    "texts": [("session_id", "collection_id", "query", "order_id")] * 2,
    "prices": [("price", "value")] * 2,
    "session ids": [("session_id",)] * 2,
    "order ids": [("order_id", "quantity")] * 2,
    "the first file lacks them": [OPTIONAL, ()],
    "the second file lacks some": [(), ("query", "price", "order_id")],
}


@pytest.mark.parametrize("lacking", LACKING)
def test_optional_columns_may_be_missing(tmp_path, lacking):
    """The buyers are those of the general way, also where a file lacks a column that another has."""
    shirt = {"shop_id": "s", "product_id": "p", "title": "Shirt", "text": "Shirt"}
    pq.write_table(pa.Table.from_pylist([shirt], PRODUCTS.schema), tmp_path / "products.parquet")
    for number, names in enumerate(LACKING[lacking]):
        lines = [
            {"shop_id": "s", "buyer_id": buyer, "time": datetime(2024, 3, 1 + number, 12, minute, tzinfo=UTC), "event": event,
             "product_id": "p", "price": 9.5, "quantity": 2, "query": "q", "order_id": f"o{number}", "value": 30.0}
            for buyer in ("ann", "bob")[: 1 + number]
            for minute, event in enumerate(("product_viewed", "product_added_to_cart", "checkout_completed"))
        ]  # fmt: skip
        table = pa.Table.from_pylist(lines, EVENTS.schema)
        pq.write_table(table.drop_columns(list(names)), tmp_path / f"{number}.parquet")
    log = TypedLog.at(tmp_path)
    assert log is not None
    settings = EventsConfig(keep_ids=True)
    fast = fused_buyers(log.events("s"), log.has, settings).table().sort_by("buyer_id")
    raw = TableSource().read(tmp_path, connect(tmp_path / "spill"))
    assert raw.has == log.has
    prepared = prepare(raw, settings, b"key")
    plain = aggregate(prepared.events, prepared.sessions, raw.has, settings).to_pyarrow()
    assert fast.to_pylist() == BUYERS.conform(plain).sort_by("buyer_id").to_pylist()


def test_folders_of_partitions_are_left_to_the_general_way(tmp_path):
    folder = tmp_path / "query=shirt"
    folder.mkdir()
    line = {"shop_id": "s", "buyer_id": "ann", "time": datetime(2024, 3, 1, tzinfo=UTC), "event": "page_viewed"}
    pq.write_table(pa.Table.from_pylist([line], EVENTS.schema).drop_columns(["query"]), folder / "0.parquet")
    pq.write_table(PRODUCTS.empty(), tmp_path / "products.parquet")
    assert TypedLog.at(tmp_path) is None


@pytest.mark.parametrize(
    "other", ["session ids", "a row without a shop", "prices as text", "no catalogue", "no parquet"]
)
def test_other_logs_are_left_to_the_general_way(world, tmp_path, other):
    events = pq.read_table(min(world.glob("*-0*.parquet")))

    def put(name, column):
        return events.set_column(events.column_names.index(name), name, column)

    if other == "session ids":
        events = put("session_id", pa.array(["s"] + [None] * (len(events) - 1)))
    elif other == "a row without a shop":
        events = put("shop_id", pc.if_else(np.arange(len(events)) == 0, None, events["shop_id"]))
    elif other == "prices as text":
        events = put("price", events["price"].cast(pa.string()))
    if other == "no parquet":
        (tmp_path / "log.csv").write_text("shop_id,buyer_id\n")
    else:
        pq.write_table(events, tmp_path / "log.parquet")
    if other != "no catalogue":
        pq.write_table(pq.read_table(world / "products.parquet"), tmp_path / "products.parquet")
    assert TypedLog.at(tmp_path) is None


def test_too_many_malformed_rows_stop_it(world, fitted, tmp_path):
    from simpersona.errors import SourceError

    events = pq.read_table(min(world.glob("*-0*.parquet")))
    names = pc.if_else(np.arange(len(events)) % 10 == 0, "clicked", events["event"].cast(pa.string()))
    pq.write_table(events.set_column(events.column_names.index("event"), "event", names), tmp_path / "log.parquet")
    pq.write_table(pq.read_table(world / "products.parquet"), tmp_path / "products.parquet")
    with pytest.raises(SourceError, match=r"are malformed: .* × event is missing or unknown"):
        assign_new_buyers(fitted, config(tmp_path), tmp_path / "out.parquet")
