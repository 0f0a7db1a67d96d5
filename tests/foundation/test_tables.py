"""Table contracts: what they accept, and that one error names every violation."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpersona import contracts
from simpersona.contracts import BUYERS, EPISODES, EVENTS, MIX
from simpersona.errors import ContractError
from simpersona.tables import Contract

ALL = [value for value in vars(contracts).values() if isinstance(value, Contract)]
VALID_COLUMNS = {
    "stratum": "D",
    "event": "product_viewed",
    "ending": "goal_reached",
    "kind": "neutral",
    "split": "train",
}


def valid_sample(contract: Contract, rows: int) -> pa.Table:
    fixed = {name: [value] * rows for name, value in VALID_COLUMNS.items() if name in contract.columns}
    return contract.sample(rows, **fixed)


@pytest.mark.parametrize("contract", ALL, ids=lambda contract: contract.name)
def test_a_sample_keeps_its_own_contract(contract):
    table = contract.check(valid_sample(contract, 7))
    assert table.num_rows == 7
    assert table.schema.names == contract.columns


@pytest.mark.parametrize("contract", ALL, ids=lambda contract: contract.name)
def test_an_empty_table_is_valid(contract):
    assert contract.check(contract.empty()).num_rows == 0


@pytest.mark.parametrize("contract", ALL, ids=lambda contract: contract.name)
def test_a_missing_column_is_named(contract):
    table = valid_sample(contract, 2).drop_columns(contract.columns[0])
    with pytest.raises(ContractError, match=rf"{contract.name}: missing column\(s\) {contract.columns[0]}"):
        contract.check(table)


def test_a_column_that_an_earlier_version_lacks_is_read_as_null_and_must_be_written():
    old = valid_sample(EPISODES, 2).drop_columns(["additions"])
    assert EPISODES.conform(old)["additions"].to_pylist() == [None, None]
    with pytest.raises(ContractError, match=r"missing column\(s\) additions"):
        EPISODES.check(old)


def test_all_violations_are_reported_at_once():
    table = pa.table(
        {
            "shop_id": ["s", "s", None],
            "code": [1, 1, 2],
            "share": [0.5, 0.5, 1.5],
            "buyers": [1, 1, 1],
            "low": [0.1, 0.1, 0.1],
            "high": [0.9, 0.9, 0.9],
        }
    )
    with pytest.raises(ContractError) as caught:
        MIX.check(table)
    message = str(caught.value)
    assert "mix (3 rows)" in message
    assert "column shop_id must not be null: 1 null value(s), first at row 2" in message
    assert "key (shop_id, code) repeats for 1 value(s)" in message
    assert "rule 'share is in 0..1' broken in 1 row(s)" in message


def test_conform_casts_orders_and_drops_extra_columns():
    table = pa.table({"extra": [1], "buyers": pa.array([3], pa.int32()), "share": [1.0], "code": [4], "shop_id": ["s"]})
    table = table.append_column("high", [[1]]).append_column("low", [[0]])
    conformed = MIX.conform(table)
    assert conformed.column_names == ["shop_id", "code", "share", "buyers", "low", "high"]
    assert conformed.schema.field("buyers").type == pa.int64()


def test_a_column_that_cannot_be_cast_is_an_error_with_the_expected_types():
    table = pa.table({"shop_id": ["s"], "code": ["many"], "share": [1.0], "buyers": [1], "low": [0.1], "high": [1.0]})
    with pytest.raises(ContractError, match="Expected types: shop_id string, code int32"):
        MIX.conform(table)


def test_an_unknown_event_breaks_the_rule():
    table = EVENTS.sample(2, event=["product_viewed", "teleported"])
    with pytest.raises(ContractError, match=r"event is a known name.*teleported"):
        EVENTS.check(table)


@given(st.lists(st.sampled_from("ABCDEF"), min_size=1, max_size=20))
def test_strata_outside_a_to_e_are_counted(strata):
    table = BUYERS.sample(len(strata), stratum=strata)
    if "F" not in strata:
        assert BUYERS.check(table).num_rows == len(strata)
        return
    with pytest.raises(ContractError, match=f"broken in {strata.count('F')} row"):
        BUYERS.check(table)
