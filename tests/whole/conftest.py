"""The whole run that several files look at: made once, by the first test process that asks for it."""

import subprocess
import sys

import pytest
from filelock import FileLock

POPULATION = """
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
driver = "http"
[traces]
sessions = 24
[agent]
policies = ["scorer"]
[simulation]
policy = "scorer"
episodes = 24
max_steps = 20
concurrency = 4
[tasks]
count = 6
repetitions = 2
[evaluation]
bootstrap = 20
permutations = 100
"""


def command(folder, *words):
    """What the command line says; it must succeed."""
    whole = [sys.executable, "-m", "simpersona", *words]
    done = subprocess.run(whole, cwd=folder, capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def population(tmp_path_factory, worker_id):
    """A folder with a finished run of POPULATION, the pack made of it, and what was said; nobody writes there."""
    base = tmp_path_factory.getbasetemp()
    place = (base if worker_id == "master" else base.parent) / "population"
    with FileLock(f"{place}.lock"):
        if not (place / "said.txt").exists():
            place.mkdir()
            (place / "run.toml").write_text(POPULATION)
            said = command(place, "run", "run.toml") + command(place, "pack", "runs/population", "--out", "packs/mine")
            (place / "said.txt").write_text(said)
    return place
