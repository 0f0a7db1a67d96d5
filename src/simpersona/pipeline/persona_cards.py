"""Makes the persona cards from all buyers' codes, vectors, viewed products and sessions."""

from __future__ import annotations

from collections.abc import Iterator

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int

from simpersona.adapters.engines.open import open_engine
from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import PRODUCTS
from simpersona.personas.card_text import VISIT
from simpersona.personas.cards import persona_cards
from simpersona.personas.model import PersonaNetwork
from simpersona.personas.product_types import ProductTypeViews
from simpersona.pipeline.stage import StageContext


def cards_of(run: StageContext, personas: PersonaNetwork, vectors: BuyerVectors, assigned: pa.Table) -> pa.Table:
    """CARDS from `assigned` (ASSIGNMENTS, in the order of buyers.parquet) and the buyers' vectors, in the same order."""
    codes = assigned["code"].to_numpy()
    tastes = ProductTypeViews.of(
        _viewed(run, codes), run.table("events/products.parquet", PRODUCTS), len(personas.codebook)
    )
    return persona_cards(personas, vectors, codes, tastes, _visits(run, assigned))


def _viewed(run: StageContext, codes: Int[np.ndarray, " n"]) -> Iterator[tuple[pa.Table, Int[np.ndarray, " m"]]]:
    first = 0
    with pq.ParquetFile(run.folder / "buyers/buyers.parquet") as file:
        for batch in file.iter_batches(columns=["shop_id", "viewed"]):
            yield pa.Table.from_batches([batch]), codes[first : first + len(batch)]
            first += len(batch)


def _visits(run: StageContext, assigned: pa.Table) -> pa.Table:
    """For each code and each combination of counts: the number of sessions and the median duration in seconds."""
    with open_engine("duckdb", run.folder / ".cards") as engine:
        sessions = engine.read_parquet(run.folder / "events/sessions.parquet")
        coded = sessions.join(ibis.memtable(assigned), ["shop_id", "buyer_id"])
        kinds = coded.group_by(["code", *VISIT]).agg(sessions=coded.count(), seconds=coded.duration_seconds.median())
        return kinds.to_pyarrow()
