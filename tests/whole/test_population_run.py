"""A population without a browser and without a language model, from a generated world to the report."""

import json
import subprocess
import sys

import pyarrow.csv
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
[tasks]
count = 6
repetitions = 2
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
    _check_tasks(run, metrics)
    _check_cold_start(tmp_path, run, metrics)


def _check_tasks(run, metrics):
    tasks = pq.read_table(run / "tasks/tasks.parquet").to_pandas()
    visits = pq.read_table(run / "tasks/episodes.parquet").to_pandas()
    assert metrics["tasks.count"] == len(tasks) == 6
    assert tasks["actions"].between(3, 27).all()
    assert visits["policy"].value_counts().to_dict() == {"scorer": 12, "replay": 6}  # the teacher once
    assert set(visits["goal"]) == set(tasks["goal"])
    assert set(tasks["shop_id"]) == set(pq.read_table(run / "simulation/episodes.parquet")["shop_id"].to_pylist())
    assert metrics["tasks.replay.verified"] == metrics["tasks.replay.self_reported"] == 1
    assert metrics["tasks.scorer.visits"] == 12
    assert metrics["tasks.scorer.judges_kappa"] is None


def _check_cold_start(folder, run, metrics):
    assert (metrics["cold_start.shops"], metrics["cold_start.training_shops"]) == (1, 2)
    assert 0 <= metrics["cold_start.js_mean"] <= 1
    command = [
        sys.executable,
        "-m",
        "simpersona",
        "coldstart",
        str(run),
        "--catalog",
        str(run / "events/products.parquet"),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "each predicted from the others" in done.stdout
    mixes = pyarrow.csv.read_csv(folder / "coldstart.csv").to_pandas()
    assert mixes.groupby("shop_id")["share"].sum().tolist() == pytest.approx([1, 1, 1])
    assert (mixes["low"] <= mixes["share"]).all()


def leaves(question):
    """A buyer who leaves at once, and a judge who believes it."""
    fields = set(question["response_format"]["json_schema"]["schema"].get("properties", {}))
    if fields == {"reason", "verified"}:
        return json.dumps({"reason": "It said so.", "verified": True})
    return json.dumps({"shouldEnd": True, "action": None, "reasoning": "Done."})


def test_a_served_model_does_tasks_and_judges_them(tmp_path, chat_server):
    chat_server.answers = [leaves]
    served = SETTINGS.replace("repetitions = 2", 'policies = ["llm", "replay"]\njudge = "llm"')
    served += f'[llm]\nurl = "{chat_server.url}"\nmodel = "test-model"\n'
    (tmp_path / "run.toml").write_text(served.replace("episodes = 40", "episodes = 2"))
    command = [sys.executable, "-m", "simpersona", "evaluate", "run.toml", "--quiet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "runs/population/evaluation/metrics.json").read_text())
    found = {name: metrics[f"tasks.llm.{name}"] for name in ("self_reported", "kept_word", "verified", "verified_llm")}
    assert found == {"self_reported": 1, "kept_word": 0, "verified": 0, "verified_llm": 1}
    assert (metrics["tasks.llm.steps_mean"], metrics["tasks.llm.judges_agree"]) == (0, 0)
    assert (metrics["tasks.replay.verified"], metrics["tasks.replay.judges_agree"]) == (1, 1)
