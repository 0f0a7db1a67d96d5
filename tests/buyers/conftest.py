"""An engine for the aggregates."""

from __future__ import annotations

import pytest
from ibis.backends.duckdb import Backend

from simpersona.adapters.engine_duckdb import connect


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Backend:
    return connect(tmp_path_factory.mktemp("engine"))
