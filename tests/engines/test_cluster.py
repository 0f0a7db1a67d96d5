"""The command line on a Spark cluster of this machine: a master and two workers, started and stopped by the test."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simpersona.config import LabConfig
from simpersona.contracts import BUYERS, COLLECTIONS, EVENTS, PRODUCTS, SESSIONS
from simpersona.lab.world import generate_world

TABLES = {
    "events/events": EVENTS,
    "events/sessions": SESSIONS,
    "events/products": PRODUCTS,
    "events/collections": COLLECTIONS,
    "buyers/buyers": BUYERS,
}
PATIENCE = 600  # seconds; seconds suffice where the machine is idle
CONFIG = """
[source]
format = "table"
path = "world/events"
[buyers]
embedder = "hashing"
"""


@contextmanager
def daemon(log: Path, *command: str) -> Iterator[None]:
    """A process of Spark with all that it starts, until the end of the block."""
    home = Path(next(iter(find_spec("pyspark").submodule_search_locations)))
    own = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m"}
    own["SPARK_DAEMON_JAVA_OPTS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [home / "bin/spark-class", *command, "--host", "127.0.0.1", "--port", "0", "--webui-port", "0"],
            stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=os.environ | own, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)


def said(log: Path, pattern: str, times: int = 1) -> str:
    """What the pattern's group is in the log, once it is there so often."""
    end = time.monotonic() + PATIENCE
    while len(found := re.findall(pattern, log.read_text(errors="replace"))) < times:
        assert time.monotonic() < end, log.read_text(errors="replace")[-2000:]
        time.sleep(0.1)
    return found[0]


@pytest.fixture
def cluster(spark_settings: Path, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The master's address, and the folder in which each worker has one of its own."""
    master, deploy = tmp_path / "master.log", "org.apache.spark.deploy"
    with ExitStack() as stack:
        stack.enter_context(daemon(master, f"{deploy}.master.Master"))
        address = said(master, r"Starting Spark master at (spark://127\.0\.0\.1:\d+)")
        for name in ("one", "two"):
            folder = str(tmp_path / "workers" / name)
            worker = (f"{deploy}.worker.Worker", address, "--cores", "1", "--memory", "512m", "--work-dir", folder)
            stack.enter_context(daemon(tmp_path / f"{name}.log", *worker))
        said(master, r"(Registering worker)", times=2)
        yield address, tmp_path / "workers"


def buyers(folder: Path, engine: str, **environment: str) -> dict[str, pa.Table]:
    """The tables of the run."""
    name = engine.partition(":")[0]
    command = [sys.executable, "-m", "simpersona", "buyers", "run.toml", "--engine", engine, "--name", name]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    run = folder / "runs" / name
    return {table: shape.check(pq.read_table(run / f"{table}.parquet")) for table, shape in TABLES.items()}


@pytest.mark.slow
@pytest.mark.timeout(1800)  # under a minute where the machine is idle
def test_two_workers_give_the_rows_of_duckdb(cluster: tuple[str, Path], spark_settings: Path, tmp_path: Path) -> None:
    address, workers = cluster
    generate_world(
        tmp_path / "world", LabConfig(shops=2, buyers=60, products_per_shop=12, output="parquet"), lambda *_: None
    )
    (tmp_path / "run.toml").write_text(CONFIG)
    settings = tmp_path / "settings"
    settings.mkdir()
    small = (spark_settings / "spark-defaults.conf").read_text() + "spark.executor.memory 512m\n"
    (settings / "spark-defaults.conf").write_text(small)
    found = buyers(tmp_path, address, SPARK_CONF_DIR=str(settings))
    for table, expected in buyers(tmp_path, "duckdb").items():
        assert len(expected) > 5
        assert found[table].to_pylist() == expected.to_pylist(), table
    assert {log.parents[2].name for log in workers.glob("*/app-*/*/stderr")} == {"one", "two"}
