"""Intermediate tables that an engine works out once."""

from __future__ import annotations

import ibis


def keep(table: ibis.Table, name: str) -> ibis.Table:
    """The rows of an expression as a table of its engine: what follows does not work them out again."""
    # a table of our own and not `cache()`: dropping that fails with the sqlglot that Ibis gets
    return table.get_backend().create_table(ibis.util.gen_name(name), table)
