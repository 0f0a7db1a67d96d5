"""A run killed among its visits goes on with those that are not over, to the same tables."""

import re
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from .test_population_run import SETTINGS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SMALL = SETTINGS.replace("sessions = 40", "sessions = 24").replace("episodes = 40", "episodes = 24")


def start(folder, command=("run", "run.toml")):
    command = [sys.executable, "-m", "simpersona.cli", *command, "--quiet"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def episodes_kept(journal):
    return max(len(journal.read_bytes().splitlines()) - 1, 0) if journal.exists() else 0


def kill_after(folder, journal, episodes, command=("run", "run.toml")):
    """Kills the run when so many episodes are kept; how many were kept then."""
    process = start(folder, command)
    while episodes_kept(journal) < episodes:
        assert process.poll() is None, "it ended before so many episodes were kept"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return episodes_kept(journal)


def tables(run):
    """By name, without what no two runs share: seconds, the store's port, the numbers of orders."""
    rows = {}
    for name in (f"{stage}/{table}.parquet" for stage in ("traces", "simulation") for table in ("episodes", "steps")):
        rows[name] = pq.read_table(run / name).drop_columns(["seconds"]).to_pylist()
        for row in rows[name]:
            row |= {key: re.sub(r":\d+/|\b1\d{5}\b", "", text) for key, text in row.items() if isinstance(text, str)}
    return rows


def test_no_visit_is_lost_or_made_twice(tmp_path):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.toml").write_text(SMALL)
    whole, killed = (tmp_path / name / "runs/population" for name in ("whole", "killed"))
    assert start(tmp_path / "whole").wait(timeout=600) == 0
    traced, simulated = killed / ".traces.work/trace/episodes.jsonl", killed / ".simulation.work/sim/episodes.jsonl"
    first = kill_after(tmp_path / "killed", traced, 5)
    second = kill_after(tmp_path / "killed", traced, first + 4)
    assert 5 <= first < second < 24
    assert 8 <= kill_after(tmp_path / "killed", simulated, 8) < 24
    assert start(tmp_path / "killed").wait(timeout=600) == 0
    assert not list(killed.glob(".*.work"))
    expected, found = tables(whole), tables(killed)
    for name, rows in expected.items():
        assert len(rows) == len(found[name])
        assert found[name] == rows
