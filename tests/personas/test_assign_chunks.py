import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from simpersona import PersonaModel
from simpersona.contracts import CHANNELS, SCALARS
from simpersona.personas.fitted import FOLD_FROM, assign_chunks
from simpersona.personas.frame import BuyerFrame


def test_many_buyers_get_the_codes_that_few_get(make_population):
    pytest.importorskip("numba")
    vectors, _ = make_population(400, 5)
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(40, 20)).astype(np.float32)
    products = pa.table({"shop_id": [f"shop-{i % 3}" for i in range(40)], "product_id": [f"p{i}" for i in range(40)]})
    channels = {
        name: [[f"p{i}" for i in rng.choice(45, rng.integers(1, 6))] if has else [] for has in mask]  # 5 are unknown
        for name, mask in zip(CHANNELS, vectors.masks.T, strict=True)
    }
    keys = {"shop_id": vectors.shop_id, "buyer_id": vectors.buyer_id, "stratum": vectors.stratum}
    scalars = dict(zip(SCALARS, vectors.scalars.T, strict=True))
    frame = pd.DataFrame(keys | scalars | channels)
    model = PersonaModel(codes=12, epochs=2, channel_dim=8, min_buyers_per_code=0)
    pack = model.fit(frame, products=products, embeddings=embeddings).fitted_
    # so many entries that some buyers are all but equally near to two of them
    pack.network.codebook[1::2] = pack.network.codebook[::2] + 1e-7
    tables = [part for part, *_ in BuyerFrame.read(frame, products, embeddings).parts(20, rows=150)]
    for count in (0, FOLD_FROM):
        found = [*assign_chunks(pack, tables, products, embeddings, count)]
        assert [len(known) for known, _ in found] == [150, 150, 100]
        assert np.concatenate([known.buyer_id for known, _ in found]).tolist() == vectors.buyer_id.tolist()
        codes = np.concatenate([codes for _, codes in found])
        assert np.array_equal(codes, model.predict(frame, products=products, embeddings=embeddings))
