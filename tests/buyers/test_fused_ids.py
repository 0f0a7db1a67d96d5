"""What the compiled path leaves to the general one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from simpersona.buyers.fused_ids import refuse_unclear_ids, refuse_unclear_rows
from simpersona.errors import GeneralPathError

HOUR = 3_600_000_000
START = 1_714_557_600_000_000  # a day in 2024


@pytest.mark.parametrize(
    ("column", "texts", "why"),
    [
        ("buyer_id", ["u1", " Undefined"], "placeholders"),
        ("buyer_id", ["0"], "placeholders"),
        ("order_id", [None, "-1"], "placeholders"),
        ("buyer_id", ["u1", "Ann@mail.example"], "e-mail addresses"),
        ("buyer_id", ["u1", "u2 "], "spaces"),
        ("product_id", ["1004856.0"], "floating-point"),
        ("buyer_id", ["u1", "1.5e+17"], "floating-point"),
    ],
)
def test_ids_that_the_general_path_replaces(column, texts, why):
    with pytest.raises(GeneralPathError, match=f"{column}.*{why}"):
        refuse_unclear_ids({column: pa.array(texts, pa.string())})


def test_plain_ids():
    plain = pa.array(["u1", "ann@mail.example", "10", "nano", "a.b", "7f3e5", "1e5", "", None])
    refuse_unclear_ids({"buyer_id": plain, "order_id": pa.array([], pa.string()), "product_id": pa.array(["0"])})


def test_rows_of_one_buyer_and_times_in_1970():
    others = np.repeat(np.arange(1, 31), 5)
    spread = np.arange(100) * HOUR + START
    buyer = np.concatenate([others, np.zeros(100, int), [-1]])
    time = np.concatenate([np.full(150, START), spread, [-1]])
    with pytest.raises(GeneralPathError, match="very many of the rows"):
        refuse_unclear_rows(buyer, time)
    refuse_unclear_rows(buyer, np.full(251, START))  # in one visit
    refuse_unclear_rows(buyer[:180], time[:180])
    with pytest.raises(GeneralPathError, match="1970"):
        refuse_unclear_rows(np.array([0]), np.array([5]))
    refuse_unclear_rows(np.array([], int), np.array([], int))
