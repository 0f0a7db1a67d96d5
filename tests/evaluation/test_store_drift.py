import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from benchmarks.quiet import Quiet
from simpersona.cli.main import app
from simpersona.config import BuyersConfig, Config, LabConfig, PersonasConfig
from simpersona.contracts import ASSIGNMENTS
from simpersona.errors import ConfigError, SourceError
from simpersona.evaluation.drift import DRIFT, MOVES
from simpersona.pipeline.drift import periods_of_files, periods_of_run, write_drift
from simpersona.pipeline.run import run_pipeline


def codes(seed, shares):
    drawn = np.random.default_rng(seed).choice(3, 400, p=shares)
    ids = [f"b{row}" for row in range(400)]
    return pa.table({"shop_id": ["s"] * 400, "buyer_id": ids, "code": drawn}).cast(ASSIGNMENTS.schema)


def test_two_files_of_codes(tmp_path):
    pq.write_table(codes(0, [0.5, 0.3, 0.2]), tmp_path / "may.parquet")
    pyarrow.csv.write_csv(codes(1, [0.2, 0.3, 0.5]), tmp_path / "june.csv")
    words = [str(tmp_path / "may.parquet"), str(tmp_path / "june.csv"), "--out", str(tmp_path / "drift.parquet")]
    done = CliRunner().invoke(app, ["drift", *words])
    assert done.exit_code == 0, done.output
    assert "s: 400 and 400 buyers; JS" in done.output
    shops = DRIFT.check(pq.read_table(tmp_path / "drift.parquet")).to_pylist()
    moves = MOVES.check(pq.read_table(tmp_path / "drift-codes.parquet")).to_pylist()
    assert shops[0]["codes_moved"] == 2
    assert [move["moved"] for move in moves] == [True, False, True]


def test_what_cannot_be_compared_is_told(tmp_path):
    with pytest.raises(SourceError, match=r"no such file\. Give a run folder with --split DAY"):
        periods_of_files(tmp_path / "none.csv", tmp_path / "none.csv")
    with pytest.raises(ConfigError, match="holds no trained personas"):
        periods_of_run(tmp_path, "2026-03-01")
    wrong = CliRunner().invoke(app, ["drift", str(tmp_path)])
    assert isinstance(wrong.exception, ConfigError)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = Config(
        folder=tmp_path_factory.mktemp("runs"),
        lab=LabConfig(shops=2, buyers=150, products_per_shop=12, types=4),
        buyers=BuyersConfig(embedder="hashing", channel_dim=8),
        personas=PersonasConfig(codes=3, epochs=1, min_buyers_per_code=1),
    )
    return run_pipeline(config, Quiet(), upto="personas").path


def test_a_run_is_split_into_equal_periods(run, tmp_path):
    periods = periods_of_run(run, "2026-02-01")
    sessions = pq.read_table(run / "events/sessions.parquet", columns=["shop_id", "buyer_id", "start"]).to_pandas()
    day = pd.Timestamp("2026-02-01", tz="UTC")
    length = min(day - sessions["start"].min(), sessions["start"].max() - day)
    for table, low in ((periods.before, day - length), (periods.after, day)):
        own = sessions[(sessions["start"] >= low) & (sessions["start"] < low + length)]
        expected = sorted(set(zip(own["shop_id"], own["buyer_id"], strict=True)))
        assert list(zip(table["shop_id"].to_pylist(), table["buyer_id"].to_pylist(), strict=True)) == expected
    shops, _ = write_drift(periods, tmp_path / "drift.csv")
    assert shops.num_rows == 2
    assert (tmp_path / "drift-codes.csv").is_file()


def test_a_day_outside_of_the_run(run):
    with pytest.raises(ConfigError, match=r"the run's sessions are from 2026-01-\d\d to .*; give a day in between"):
        periods_of_run(run, "2020-01-01")
    with pytest.raises(ConfigError, match="expected a day such as 2026-03-01"):
        periods_of_run(run, "March")
    with pytest.raises(ConfigError, match=r"must end with \.parquet or \.csv"):
        write_drift(periods_of_run(run, "2026-03-01"), run / "drift.xls")
