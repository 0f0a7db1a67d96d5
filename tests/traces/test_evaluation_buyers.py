"""No buyer of a shop that is kept for the evaluation is trained on, not even by visits of another shop."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simpersona.config import Config
from simpersona.contracts import ASSIGNMENTS, SESSIONS
from simpersona.files import write_json, write_table
from simpersona.pipeline.recorded import sessions_by_code
from simpersona.pipeline.run_folder import RunFolder
from simpersona.pipeline.stage import StageContext

VISITS = [("a", "ann"), ("a", "bob"), ("b", "bob"), ("b", "cid"), ("c", "dan")]
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def run(tmp_path):
    for stage in ("events", "buyers", "personas"):
        (tmp_path / stage).mkdir()
    keys = [{"shop_id": shop, "buyer_id": buyer} for shop, buyer in VISITS]
    counts = {name: 1 for name in SESSIONS.columns if name.endswith("_count")}
    moment = {"time": START, "event": "product_viewed", "product_id": "p", "title": "P"}
    filled = {"session_id": "s", "start": START, "end": START, "duration_seconds": 0.0, "timeline": [moment]}
    sessions = pa.Table.from_pylist([key | counts | filled for key in keys], schema=SESSIONS.schema)
    write_table(tmp_path / "events/sessions.parquet", sessions, SESSIONS)
    pq.write_table(pa.Table.from_pylist([key | {"stratum": "D"} for key in keys]), tmp_path / "buyers/buyers.parquet")
    codes = pa.Table.from_pylist([key | {"code": 1} for key in keys], schema=ASSIGNMENTS.schema)
    write_table(tmp_path / "personas/assignments.parquet", codes, ASSIGNMENTS)
    write_json(tmp_path / "personas/personas.json", {"held_out": ["b"]})
    return StageContext(Config(), RunFolder(tmp_path), lambda *_: None)


def test_neither_its_visits_nor_its_visitors_elsewhere_are_drawn(run):
    def found(held_out):
        drawn = sessions_by_code(run, held_out=held_out, per_cell=5)
        return {(session.shop_id, session.buyer_id) for session in drawn}

    assert found(held_out=False) == {("a", "ann"), ("c", "dan")}
    assert found(held_out=True) == {("b", "bob"), ("b", "cid")}
