"""Runs and visits that are interrupted, or shared by several processes or machines, give the tables of a run that is not."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings

import pyarrow.parquet as pq
import pytest

from simpersona.errors import ConfigError
from simpersona.pipeline.run import STAGE_NAMES

from .conftest import POPULATION

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


ERRORS = "errors.txt"


def start(folder, *words):
    command = [sys.executable, "-m", "simpersona", *(words or ("simulate",)), "run.toml", "--quiet"]
    with (folder / ERRORS).open("w") as errors:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": errors}
        return subprocess.Popen(command, cwd=folder, **quiet)


def run_to_the_end(folder, *words):
    assert start(folder, *words).wait(timeout=600) == 0, (folder / ERRORS).read_text()


def episodes_kept(journal):
    return max(len(journal.read_bytes().splitlines()) - 1, 0) if journal.exists() else 0


def kill_after(folder, journal, episodes):
    """Kills the run when so many episodes are kept; how many were kept then."""
    process = start(folder)
    while episodes_kept(journal) < episodes:
        assert process.poll() is None, (folder / ERRORS).read_text() or "it ended before so many episodes were kept"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return episodes_kept(journal)


def tables(run, *stages):
    """By name, without what no two runs share: seconds, the store's port, the numbers of orders."""
    rows = {}
    for name in (f"{stage}/{table}.parquet" for stage in stages for table in ("episodes", "steps")):
        rows[name] = pq.read_table(run / name).drop_columns(["seconds"]).to_pylist()
        rows[name] = [comparable(row) for row in rows[name]]
    return rows


def comparable(value):
    """Texts without the store's port and the numbers of orders, also those of a page's nodes."""
    if isinstance(value, dict):
        return {key: comparable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [comparable(inner) for inner in value]
    return re.sub(r":\d+/|\b1\d{5}\b", "", value) if isinstance(value, str) else value


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, rows in expected.items():
        assert len(rows) == len(found[name])
        assert found[name] == rows


def kill_in(folder, stage):
    """Kills the run when it is well inside the stage, or (for the shortest) just after it."""
    command = [sys.executable, "-m", "simpersona", "run", "run.toml"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert any(line.strip() == f"{stage} …" for line in process.stderr)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)


@pytest.fixture
def trained(population, tmp_path):
    """A folder with a run that has still to simulate."""
    shutil.copytree(population, tmp_path / "copy", symlinks=True)
    shutil.rmtree(tmp_path / "copy/runs/population/simulation")
    return tmp_path / "copy"


def test_killed_at_every_stage_it_goes_on_and_gives_the_same_result(population, tmp_path):
    (tmp_path / "run.toml").write_text(POPULATION)
    killed, whole = tmp_path / "runs/population", population / "runs/population"
    traced, simulated = killed / ".traces.work/trace/episodes.jsonl", killed / ".simulation.work/scorer/episodes.jsonl"
    for stage in STAGE_NAMES:
        kill_in(tmp_path, stage)
        if stage == "traces":  # no visit is lost or made twice
            first = kill_after(tmp_path, traced, 5)
            second = kill_after(tmp_path, traced, first + 4)
            assert 5 <= first < second < 24
        elif stage == "simulation":
            assert 8 <= kill_after(tmp_path, simulated, 8) < 24
    run_to_the_end(tmp_path, "run")
    assert not [*killed.glob(".*.work"), *killed.glob(".*.partial")]
    for name in (
        "personas/model.safetensors",
        "traces/stage1.jsonl",
        "traces/stage2.jsonl",
        "traces/instructions.jsonl",
        "evaluation/metrics.json",
    ):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    for name in ("events/events", "events/sessions", "buyers/buyers", "personas/assignments", "personas/mix"):
        assert pq.read_table(killed / f"{name}.parquet").equals(pq.read_table(whole / f"{name}.parquet")), name
    stages = ("traces", "simulation", "tasks")
    assert_same(tables(killed, *stages), tables(whole, *stages))


def test_an_experiment_is_gone_on_with_and_its_arms_are_paired(trained):
    (trained / "run.toml").rename(trained / "a.toml")
    (trained / "run.toml").write_text(POPULATION.replace('"http"', '"http"\nvariant.one_page_checkout = true'))
    run = trained / "runs/population"
    process = start(trained, "experiment", "a.toml")  # and run.toml
    while not (journals := list(run.glob(".experiment-*.work/b/episodes.jsonl"))) or episodes_kept(journals[0]) < 3:
        assert process.poll() is None, "it ended before so many visits of B were kept"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run_to_the_end(trained, "experiment", "a.toml")
    assert not list(run.glob(".*.work"))
    (folder,) = run.glob("experiment-*")
    told = json.loads((folder / "experiment.json").read_text())
    assert told["verdict"] in {"A wins", "B wins", "cannot tell"}
    assert told["reason"] in (folder / "index.html").read_text()
    assert (told["a"]["one_page_checkout"], told["b"]["one_page_checkout"]) == (False, True)
    assert told["buyers"] == pq.read_table(folder / "pairs.parquet").num_rows == 24
    visits = pq.read_table(folder / "episodes.parquet").to_pylist()
    for a, b in zip(visits[:24], visits[24:], strict=True):
        assert (a["episode_id"][:2], b["episode_id"][:2]) == ("a-", "b-")
        assert [a[name] for name in ("shop_id", "goal", "code", "seed")] == [
            b[name] for name in ("shop_id", "goal", "code", "seed")
        ]
    stores = {row["url"].split("/")[2] for row in pq.read_table(folder / "steps.parquet").to_pylist()}
    assert len(stores) >= 2  # A's visits, and B's before and after the kill, each on a port of its own


@pytest.fixture(scope="module")
def two_machines():
    """A Ray cluster of two nodes on this machine: its address for who joins it, and the one for who does not."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        # other tests run beside this one: starting may take long, and memory that they use is no reason to end a worker
        patch.setenv("RAY_raylet_start_wait_time_s", "180")
        patch.setenv("RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S", "180")
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")
        from ray.cluster_utils import Cluster

        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        head = {"num_cpus": 2, "include_dashboard": False, "ray_client_server_port": port}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.add_node(num_cpus=2)
    yield cluster.address, f"ray://127.0.0.1:{port}"
    cluster.shutdown()


def test_a_shard_and_what_machines_of_a_cluster_play_of_the_rest_are_joined(population, trained, two_machines):
    run = trained / "runs/population"
    run_to_the_end(trained, "simulate", "--shard", "2/3")
    assert episodes_kept(run / ".simulation.work/scorer/episodes-2-of-3.jsonl") == 8
    assert not (run / "simulation").exists()
    run_to_the_end(trained, "simulate", "--cluster", two_machines[1])
    assert_same(tables(run, "simulation"), tables(population / "runs/population", "simulation"))
    assert not list(run.glob(".*.work"))


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_what_a_lost_worker_had_to_do_is_done_by_another(two_machines, tmp_path, monkeypatch):
    from simpersona.adapters.engines.ray import on_cluster

    monkeypatch.setenv("RAY_ADDRESS", two_machines[0])
    lost = tmp_path / "lost"

    class Squares:  # here, so that it is sent and not looked up
        def __init__(self, power):
            self.power = power

        def work(self, batch):
            if 3 in batch and not lost.exists():
                lost.touch()
                os._exit(1)
            if max(batch) > 90:
                raise ConfigError(f"{max(batch)} is too much")
            return [number**self.power for number in batch]

        def close(self):
            (tmp_path / "closed").touch()

    found = on_cluster("ray", Squares, 2, [[0, 1], [2, 3], [4], [5, 6]])
    assert sorted(found) == [number**2 for number in range(7)]
    assert lost.exists()
    assert (tmp_path / "closed").exists()
    with pytest.raises(ConfigError, match=r"^91 is too much$"):
        list(on_cluster("ray", Squares, 2, [[91]]))
