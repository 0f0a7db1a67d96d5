import pyarrow as pa
import pytest

from simpersona.contracts import ASSIGNMENTS, BUYERS
from simpersona.evaluation.strata_table import predicted_strata


def test_equation_5_by_hand():
    # code 0: two A and two D in training; code 1: one C; code 7 has no training buyer
    rows = [
        ("train", 0, "A"), ("train", 0, "A"), ("train", 0, "D"), ("train", 0, "D"), ("train", 1, "C"), ("train", 1, "E"),
        ("new", 0, "A"), ("new", 0, "B"), ("new", 0, "D"), ("new", 1, "D"), ("new", 7, "A"), ("new", 1, "E"),
        ("strange", 7, "A"),
    ]  # fmt: skip
    ids = [f"b{place}" for place in range(len(rows))]
    shops = [row[0] for row in rows]
    buyers = BUYERS.sample(len(rows), shop_id=shops, buyer_id=ids, stratum=[row[2] for row in rows])
    assignments = pa.table(
        {"shop_id": shops, "buyer_id": ids, "code": pa.array([row[1] for row in rows], pa.int32())},
        schema=ASSIGNMENTS.schema,
    )
    predicted = predicted_strata(buyers, assignments, {"train"})
    # the mix of "new" over known codes is 3/4 and 1/4
    assert predicted == {"new": pytest.approx({"A": 0.375, "B": 0, "C": 0.25, "D": 0.375})}
