"""A population without a browser and without a language model, from a generated world to the report."""

import json
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SETTINGS = """
name = "population"
[lab]
shops = 3
buyers = 450
products_per_shop = 16
types = 6
output = "parquet"
[buyers]
embedder = "hashing"
channel_dim = 16
[personas]
codes = 8
epochs = 3
[store]
window = "http"
[traces]
sessions = 40
[agent]
policies = ["scorer"]
[simulation]
policy = "scorer"
episodes = 40
max_steps = 20
concurrency = 4
[evaluation]
bootstrap = 20
permutations = 100
"""


def test_a_population_is_simulated_by_the_scorer(tmp_path):
    (tmp_path / "run.toml").write_text(SETTINGS)
    command = [sys.executable, "-m", "simpersona.cli", "run", "run.toml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs/population"
    assert "40 of" in done.stderr + done.stdout
    assert {path.name for path in (run / "agent").iterdir()} == {"scorer", "training.json"}
    episodes = pq.read_table(run / "simulation/episodes.parquet").to_pandas()
    assert set(episodes["policy"]) == {"scorer"}
    assert len(episodes) == 40
    assert set(episodes["ending"]) <= {"goal_reached", "steps_limit"}
    metrics = json.loads((run / "evaluation/metrics.json").read_text())
    assert metrics["policy"] == "scorer"
    assert 0 <= metrics["conversion.overall.agent.add_to_cart"] <= 1
    assert "A surrogate acts, not a language model." in (run / "report/index.html").read_text()
