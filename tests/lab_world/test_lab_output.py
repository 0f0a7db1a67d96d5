import itertools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simpersona.adapters.engines.duckdb import connect
from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.config import LabConfig
from simpersona.contracts import EVENTS
from simpersona.lab.world import generate_world

CONFIG = LabConfig(shops=3, buyers=400, products_per_shop=30, types=5, days=60, output="both")
AT_ONCE = 70


def _silent(*_) -> None:
    pass


@dataclass(frozen=True)
class Both:
    folder: Path
    count: int
    imported: pa.Table
    """What the importer makes of the lines."""
    written: pa.Table
    """The parts as they stand."""


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> Both:
    scratch = tmp_path_factory.mktemp("output")
    count = generate_world(scratch / "world", CONFIG, _silent, buyers_at_once=AT_ONCE)
    engine = connect(scratch / "spill")
    log = ShopifySource().read(scratch / "world/events", engine)
    imported = log.events.to_pyarrow()
    assert log.rows_in == count
    assert log.rejected.to_pyarrow().num_rows == 0
    engine.disconnect()
    parts = [pq.read_table(path) for path in _parts(scratch / "world")]
    return Both(scratch / "world", count, imported, pa.concat_tables(parts))


def _parts(world: Path) -> list[Path]:
    return sorted((world / "events").glob("*-[0-9][0-9][0-9][0-9].parquet"))


def _sorted_rows(table: pa.Table) -> list[tuple]:
    columns = [name for name in EVENTS.columns if name != "session_id"]
    rows = zip(*(table[name].to_pylist() for name in [*columns, "seq"]), strict=True)
    return sorted(rows, key=repr)


def test_the_lines_read_by_the_importer_are_the_parquet_row_by_row(both):
    assert _sorted_rows(both.imported) == _sorted_rows(both.written)


def test_counts_per_event_and_buyer_and_the_orders_agree(both):
    """What the test above must give in the figures that matter, each row of an order and each order once."""
    counts = [
        Counter(zip(*(table[name].to_pylist() for name in ("shop_id", "buyer_id", "event")), strict=True))
        for table in (both.imported, both.written)
    ]
    assert counts[0] == counts[1]
    rows = both.written.to_pandas()
    assert {*rows.event} == {*both.imported["event"].to_pylist()}
    ordered = rows[rows.event == "checkout_completed"]
    orders = ordered.groupby(["shop_id", "order_id"])
    assert len(orders) > 20
    costs = (ordered.price * ordered.quantity).groupby([ordered.shop_id, ordered.order_id]).sum()
    assert costs.to_numpy() == pytest.approx(orders.value.first().to_numpy())
    assert {*ordered.quantity} == {1, 2}
    assert (orders.value.nunique() == 1).all()
    assert (orders.buyer_id.nunique() == 1).all()
    assert rows[rows.event != "checkout_completed"][["order_id", "value"]].isna().all(axis=None)
    assert len(rows) - len(ordered) + len(orders) == both.count  # one event per order


def test_parts_are_in_the_shape_of_events_and_in_order_of_time(both):
    sizes = Counter(pq.read_table(both.folder / "truth/buyers.parquet")["shop_id"].to_pylist())
    expected = {f"{shop}-{n:04d}" for shop, size in sizes.items() for n in range(-(-size // AT_ONCE))}
    assert len(expected) > 3
    buyers: list[str] = []
    for path in _parts(both.folder):
        table = pq.read_table(path)
        EVENTS.check(table)
        assert table.schema.field("time").type == EVENTS.schema.field("time").type
        assert table["buyer_id"].type == pa.string()
        times = table["time"].to_pylist()
        assert times == sorted(times)
        assert {*table["shop_id"].to_pylist()} == {path.stem.rpartition("-")[0]}
        mine = {*table["buyer_id"].to_pylist()}
        assert len(mine) <= AT_ONCE
        buyers += mine
    assert {path.stem for path in _parts(both.folder)} == expected
    assert len(buyers) == len(set(buyers)) == CONFIG.buyers  # a buyer is whole in one part


def test_the_outputs_describe_the_same_world(both, tmp_path):
    for output in ("jsonl", "parquet"):
        generate_world(tmp_path / output, CONFIG.model_copy(update={"output": output}), _silent, AT_ONCE)
    for path in sorted(path for path in both.folder.rglob("*") if path.is_file()):
        place = path.relative_to(both.folder)
        found = [tmp_path / output / place for output in ("jsonl", "parquet") if (tmp_path / output / place).exists()]
        assert len(found) == (1 if place.parts[0] == "events" and path.stem not in ("products", "collections") else 2)
        assert all(other.read_bytes() == path.read_bytes() for other in found)


def test_a_buyer_is_drawn_the_same_whoever_comes_after(tmp_path):
    """A part has its own seed: the first part of a shop does not depend on how many follow."""
    one = LabConfig(shops=1, buyers=AT_ONCE, products_per_shop=20, output="parquet")
    for name, buyers in (("short", AT_ONCE), ("long", 3 * AT_ONCE)):
        generate_world(tmp_path / name, one.model_copy(update={"buyers": buyers}), _silent, AT_ONCE)
    first = {name: _parts(tmp_path / name) for name in ("short", "long")}
    assert [len(paths) for paths in first.values()] == [1, 3]
    assert first["short"][0].read_bytes() == first["long"][0].read_bytes()


def test_ids_are_unique_over_parts_and_shops(both):
    rows = both.written.to_pandas()
    assert (rows.dropna(subset=["order_id"]).groupby("order_id").shop_id.nunique() == 1).all()
    sessions = pq.read_table(both.folder / "truth/sessions.parquet").to_pandas()
    assert not sessions.duplicated(["shop_id", "buyer_id", "session"]).any()
    assert sessions.events.sum() == both.count
    per_buyer = rows.drop_duplicates(["shop_id", "buyer_id", "time", "seq"]).groupby(["shop_id", "buyer_id"]).size()
    assert (sessions.groupby(["shop_id", "buyer_id"]).events.sum() == per_buyer).all()


def test_progress_tells_the_buyers_done(tmp_path):
    told: list[tuple[int, int]] = []
    generate_world(
        tmp_path / "world", CONFIG, lambda done, total, note: told.append((done, total)), buyers_at_once=AT_ONCE
    )
    assert told[-1] == (CONFIG.buyers, CONFIG.buyers)
    assert len(told) >= CONFIG.buyers // AT_ONCE
    assert all(1 <= after[0] - before[0] <= AT_ONCE for before, after in itertools.pairwise(told))
