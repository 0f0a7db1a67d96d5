"""Writes the vectors of a run's buyers to one dense file for other tools, in chunks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simpersona.buyers.catalogue_vectors import with_vectors
from simpersona.contracts import PRODUCTS
from simpersona.errors import ConfigError
from simpersona.files import read_table
from simpersona.personas.fitted import FittedPersonas, buyer_chunks
from simpersona.pipeline.stage import StageResult

KEYS = ("shop_id", "buyer_id", "stratum")


def export_vectors(run: Path, out: Path) -> StageResult:
    """Writes the vectors of all buyers of a run to `out`.

    `.arrow`: an Arrow IPC file (lz4) with shop_id, buyer_id, stratum and x, a list of as many float32 as a
    vector has dimensions. `.npy`: float32 of shape (buyers, dim), to be opened with
    `numpy.load(out, mmap_mode="r")`, and NAME-buyers.parquet with the keys of its rows.

    Raises ConfigError for another suffix or a run without trained personas.
    """
    if out.suffix not in {".arrow", ".npy"}:
        raise ConfigError(f"--export {out}: the name must end with .arrow or .npy")
    fitted = FittedPersonas.load(run)
    buyers = run / "buyers/buyers.parquet"
    products = read_table(run / "events/products.parquet", PRODUCTS)
    products, embeddings = with_vectors(products, np.load(run / "buyers/embeddings.npy"))
    count, dim = pq.read_metadata(buyers).num_rows, len(fitted.vectorizer.projection.bias) * 3 + 19
    chunks = fitted.vectorizer.chunks(buyer_chunks(buyers), products, embeddings)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".arrow":
        schema = pa.schema([*((name, pa.string()) for name in KEYS), ("x", pa.list_(pa.float32(), dim))])
        with pa.ipc.new_file(str(out), schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as file:
            for part in chunks:
                x = pa.FixedSizeListArray.from_arrays(pa.array(part.x.ravel()), dim)
                file.write_batch(pa.record_batch([*(pa.array(getattr(part, name)) for name in KEYS), x], schema=schema))
    else:
        matrix = np.lib.format.open_memmap(out, "w+", np.float32, (count, dim))
        first = 0
        for part in chunks:
            matrix[first : first + len(part)] = part.x
            first += len(part)
        matrix.flush()
        keys = pq.read_table(buyers, columns=list(KEYS))
        pq.write_table(keys, out.with_name(f"{out.stem}-buyers.parquet"), compression="zstd")
    return StageResult(count, count, f"{count:,} vectors of {dim} dimensions in {out}")
