"""An engine named by an address for `ibis.connect`. DuckDB is the one that can be had here."""

from __future__ import annotations

import pytest

from simpersona.adapters.engines.duckdb import as_duckdb
from simpersona.adapters.engines.open import open_engine
from simpersona.errors import ConfigError


def test_an_address_is_opened_by_ibis_and_closed(tmp_path):
    address = f"duckdb://{tmp_path / 'tables.duckdb'}"
    with open_engine(address, tmp_path / "spill") as engine:
        engine.raw_sql("CREATE TABLE kept AS SELECT 42 AS answer")
        (files,) = as_duckdb(engine).con.execute("SELECT path FROM duckdb_databases() WHERE NOT internal").fetchall()
        assert files == (str(tmp_path / "tables.duckdb"),)
    with open_engine(address, tmp_path / "spill") as engine:
        assert engine.table("kept").to_pyarrow().to_pylist() == [{"answer": 42}]


@pytest.mark.parametrize("address", ["nosuch://secret@host/db", "duckdb:///no/such/folder/secret.db"])
def test_what_cannot_be_opened_is_said_without_the_address(address, tmp_path):
    with (
        pytest.raises(ConfigError, match=r"events\.engine: no connection to the (nosuch|duckdb)") as failed,
        open_engine(address, tmp_path),
    ):
        pass
    assert "secret" not in str(failed.value)
