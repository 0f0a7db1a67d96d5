"""The table engines. Tests that ask for `engine` run on DuckDB; with `--engine spark`, on Spark.

Spark takes seconds where DuckDB takes milliseconds; tests/engines compares the two in every run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engine_duckdb import connect
from simpersona.adapters.java_path import find_java
from simpersona.errors import ConfigError

QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # of Java: most of a short life is compiling
FOR_SMALL_TABLES = {  # compiling a query takes far longer than running it on a few rows
    "spark.driver.extraJavaOptions": QUICK_START,
    "spark.executor.extraJavaOptions": QUICK_START,
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
}


@pytest.fixture(scope="session")
def duckdb_engine(tmp_path_factory: pytest.TempPathFactory) -> SQLBackend:
    return connect(tmp_path_factory.mktemp("duckdb"))


@pytest.fixture(scope="session")
def spark_settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for SPARK_CONF_DIR; skips where Spark cannot run."""
    pytest.importorskip("pyspark", reason="the extra `spark` is not installed")
    try:
        find_java()
    except ConfigError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("spark_settings")
    lines = [f"{name} {value}\n" for name, value in FOR_SMALL_TABLES.items()]
    (folder / "spark-defaults.conf").write_text("".join(lines))
    return folder


@pytest.fixture(scope="session")
def spark_engine(tmp_path_factory: pytest.TempPathFactory, spark_settings: Path) -> Iterator[SQLBackend]:
    """The one Spark of this test process: starting it takes longer than most tests."""
    from simpersona.adapters import engine_spark

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CONF_DIR", str(spark_settings))
        engine = engine_spark.connect("local[2]", tmp_path_factory.mktemp("spark"))
    yield engine
    engine.disconnect()


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> SQLBackend:
    return request.getfixturevalue(f"{request.config.getoption('engine')}_engine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=("duckdb", "spark"), default="duckdb", help="what tests of tables run on")
