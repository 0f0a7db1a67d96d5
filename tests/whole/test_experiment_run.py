"""An experiment at the command line: killed among its visits, gone on with, and asked for its power."""

import json
import shutil
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from .test_killed_visits import kill_after
from .test_population_run import SETTINGS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PLAIN = SETTINGS.replace("sessions = 40", "sessions = 16").replace("episodes = 40", "episodes = 24")
CHANGED = PLAIN.replace('window = "http"', 'window = "http"\nvariant.one_page_checkout = true')
COMMAND = ("experiment", "a.toml", "run.toml")


def simpersona(*words, cwd):
    command = [sys.executable, "-m", "simpersona.cli", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=800)


def visits(folder):
    table = pq.read_table(folder / "episodes.parquet")
    return table.select(["episode_id", "goal", "seed", "ending", "steps", "purchase_count"]).to_pylist()


def test_an_experiment_is_made_once_whatever_happens(tmp_path):
    (tmp_path / "a.toml").write_text(PLAIN)
    (tmp_path / "run.toml").write_text(CHANGED)
    run = tmp_path / "runs/population"

    done = simpersona(*COMMAND, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = run.glob("experiment-*")
    told = json.loads((folder / "experiment.json").read_text())
    assert told["verdict"] in {"A wins", "B wins", "cannot tell"}
    assert told["buyers"] == 24
    assert set(told["outcomes"]) == {"add_to_cart", "checkout_start", "purchase"}
    assert f"{told['verdict']}: {told['reason']}" in done.stdout
    assert told["verdict"] in (folder / "index.html").read_text()
    whole = visits(folder)
    assert [row["seed"] for row in whole[:24]] == [row["seed"] for row in whole[24:]]
    assert [row["goal"] for row in whole[:24]] == [row["goal"] for row in whole[24:]]

    again = simpersona(*COMMAND, cwd=tmp_path)
    assert "up to date" in again.stderr
    assert again.stdout == done.stdout
    assert "buyers see +10.0% of" in simpersona("power", folder, "--lift", 0.1, cwd=tmp_path).stdout

    shutil.rmtree(folder)  # killed among B's visits, when those of A are over and the stores' logs of them are gone
    work = run / f".{folder.name}.work"
    kill_after(tmp_path, work / "b/episodes.jsonl", 3, *COMMAND[:2])
    assert simpersona(*COMMAND, cwd=tmp_path).returncode == 0
    assert visits(folder) == whole
    assert json.loads((folder / "experiment.json").read_text()) == told
    assert not work.exists()


def test_arms_that_differ_in_more_than_the_store_are_refused(tmp_path):
    (tmp_path / "a.toml").write_text(PLAIN)
    (tmp_path / "run.toml").write_text(
        CHANGED.replace("codes = 8", "codes = 4").replace("max_steps = 20", "max_steps = 9")
    )
    done = simpersona(*COMMAND, cwd=tmp_path)
    assert done.returncode == 2
    assert "personas.codes: 8 and 4" in done.stderr
    assert "simulation.max_steps: 20 and 9" in done.stderr
    assert "store.variant" not in done.stderr.split("but for")[1].split("\n", 1)[1]
    for words in (COMMAND[:2], (*COMMAND, "--store-a", "http://localhost:1"), (*COMMAND[:2], "--store-a", "http://x")):
        assert "give two configs, or one" in simpersona(*words, cwd=tmp_path).stderr
    assert "no experiment.json here" in simpersona("power", tmp_path, cwd=tmp_path).stderr
