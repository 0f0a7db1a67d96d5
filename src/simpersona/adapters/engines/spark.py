"""The other table engine: Ibis on PySpark, in this process (`local[4]`) or on a cluster (`spark://host:7077`).

This file holds the differences from DuckDB, so that both engines compute the same Ibis expressions.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from py4j.protocol import Py4JError
from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from simpersona.adapters.engines.java_path import find_java
from simpersona.errors import ConfigError

with warnings.catch_warnings():  # of a newer pandas; tables go through Arrow here
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    from ibis.backends.pyspark import Backend
    from ibis.backends.pyspark.datatypes import PySparkSchema

LOCAL = "local[*]"
"""The meaning of the address `spark`: every core of this machine."""

_SETTINGS = {
    "spark.app.name": "simpersona",
    "spark.log.level": "ERROR",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.optimizer.canChangeCachedPlanOutputPartitioning": "true",  # few partitions for a small cached table
    "spark.sql.ansi.enabled": "false",  # a failed cast is null, as on DuckDB
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
_TIMEZONE = """
CREATE OR REPLACE TEMPORARY FUNCTION timezone(zone STRING, moment TIMESTAMP) RETURNS TIMESTAMP
RETURN from_utc_timestamp(moment, zone)
"""  # DuckDB's name for it


class SparkBackend(Backend):
    """Ibis's backend, with Arrow where Ibis goes through pandas (which turns null into NaN)."""

    def create_table(self, name: str, /, obj: Any = None, **_: Any) -> ir.Table:
        """The rows of an expression under a name, until the session ends.

        The executors hold them in memory and on their disks; no shared file is written. A checkpoint and not `persist`, which
        keeps the plan of all that the rows were made from: with each table made from tables it doubled, and Spark took minutes
        to plan what it computes in seconds. The price: rows of a lost executor cannot be made again, and the run ends.
        """
        self._frame(obj).localCheckpoint(eager=False, storageLevel=StorageLevel.MEMORY_AND_DISK).createTempView(name)
        return self.table(name)

    def to_pyarrow(self, expr: ir.Expr, /, **_: Any) -> Any:
        """The expression's value, as Ibis gives it on any backend."""
        table = expr.as_table()
        return expr.__pyarrow_result__(self._frame(table).toArrow().cast(table.schema().to_pyarrow()))

    def to_parquet(self, expr: ir.Table, /, path: str | Path, **_: Any) -> None:
        """One parquet file, in the order of the expression; `path` is on a file system that every worker sees.

        The executors write their parts at the same time; the parts are joined a row group at a time.
        """
        parts = Path(f"{path}.parts")
        self._frame(expr).write.parquet(parts.absolute().as_uri(), mode="overwrite")
        schema = expr.schema().to_pyarrow()
        with pq.ParquetWriter(path, schema, compression="zstd") as file:
            for part in sorted(parts.glob("part-*.parquet")):
                for batch in pq.ParquetFile(part).iter_batches():
                    file.write_table(pa.Table.from_batches([batch]).cast(schema))
        shutil.rmtree(parts)

    def read_parquet(self, path: str | Path, /, *, table_name: str | None = None, **options: Any) -> ir.Table:
        """A file or folder of parquet that every worker sees under this path."""
        return super().read_parquet(Path(path).absolute().as_uri(), table_name=table_name, **options)

    def read_numbered(self, paths: Sequence[str], /) -> ir.Table:
        """Files of parquet as one table, whose rows have their `source_file` and `source_row` (from 1)."""
        name = ibis.util.gen_name("numbered")
        files = self._session.read.parquet(*[Path(path).as_uri() for path in paths], mergeSchema=True)
        files.selectExpr(
            "*", "_metadata.file_path AS source_file", "_metadata.row_index + 1 AS source_row"
        ).createTempView(name)
        return self.table(name)

    def get_schema(self, table_name: str, **options: Any) -> ibis.Schema:
        """The table's schema; its times are in UTC."""
        return ibis.schema({name: _in_utc(kind) for name, kind in super().get_schema(table_name, **options).items()})

    def _frame(self, expr: ir.Expr) -> DataFrame:
        self._run_pre_execute_hooks(expr)
        return self._session.sql(self.compile(expr))

    def _register_in_memory_table(self, op: Any) -> None:
        schema = PySparkSchema.from_ibis(op.schema)
        self._session.createDataFrame(op.data.to_pyarrow(op.schema), schema).createOrReplaceTempView(op.name)


def _in_utc(kind: dt.DataType) -> dt.DataType:
    if isinstance(kind, dt.Timestamp):
        return dt.Timestamp(timezone="UTC")
    if isinstance(kind, dt.Array):
        return kind.copy(value_type=_in_utc(kind.value_type))
    if isinstance(kind, dt.Struct):
        return dt.Struct.from_tuples((name, _in_utc(inner)) for name, inner in kind.items())
    return kind


def connect(address: str, folder: Path) -> SparkBackend:
    """Spark at `address`: `spark` (this machine), `local[N]` or `spark://host:port`; it spills to `folder`.

    Times are in UTC. Spark reads further settings, such as the executors' memory, from
    `$SPARK_CONF_DIR/spark-defaults.conf`.

    Raises ConfigError if there is no Java, Spark does not start, or this process has a Spark at another address.
    """
    find_java()
    folder.mkdir(parents=True, exist_ok=True)
    master = LOCAL if address == "spark" else address
    settings: dict[str, Any] = {
        **_SETTINGS,
        "spark.local.dir": str(folder.absolute()),
        "spark.sql.warehouse.dir": (folder / "warehouse").absolute().as_uri(),
    }
    if _on_this_machine(master):  # elsewhere the workers have to reach us
        settings |= {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
    try:
        session = SparkSession.builder.master(master).config(map=settings).getOrCreate()
    except (PySparkException, Py4JError) as error:
        cause = " ".join(str(error).partition("\n\tat ")[0].split())  # Java's stack stays with the error below
        raise ConfigError(
            f"Spark at {master} did not start: {cause}. Expected `spark`, `local[N]` or the spark://host:port of a"
            " master that runs; `simpersona doctor` shows which Java is used."
        ) from error
    if session.sparkContext.master != master:
        raise ConfigError(f"this process has Spark at {session.sparkContext.master} already; {master} needs another.")
    session.sql(_TIMEZONE)
    SparkBackend.register_options()  # which Ibis does where it names the backend itself
    backend = SparkBackend()
    backend.do_connect(session)
    return backend


def _on_this_machine(master: str) -> bool:
    return master.startswith("local") or urlsplit(master).hostname in {"localhost", "127.0.0.1"}
