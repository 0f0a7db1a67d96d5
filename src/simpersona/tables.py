"""Table contracts: declare the columns, key and rules of a table, check a table, and sample one.

A contract names the columns of a table with their Arrow types, its key and its rules:

    BUYERS = Contract("buyers", pa.schema([...]), key=("shop_id", "buyer_id"),
                      rules={"stratum is A-E": "stratum in ('A', 'B', 'C', 'D', 'E')"})

`check` reports all violations of a table in one error. `sample` makes a small valid table for tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simpersona.errors import ContractError

Rule = Callable[[pa.Table], pa.ChunkedArray | pa.Array]
"""Maps a table to one boolean per row: true where the row satisfies the rule. Null counts as satisfied."""


def required(name: str, kind: pa.DataType) -> pa.Field:
    """A column of a table that is never null."""
    return pa.field(name, kind, nullable=False)


@dataclass(frozen=True)
class Contract:
    """Columns, key and rules of one table.

    `name` is used in messages. `schema` gives column names, types and nullability. `key` lists the columns that
    identify a row. `rules` maps the description of a rule to a check over the whole table. `added` lists columns that
    tables written by an earlier version lack; `conform` reads them as null.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...] = ()
    rules: Mapping[str, Rule] = field(default_factory=dict)
    added: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Column names in order."""
        return self.schema.names

    def conform(self, table: pa.Table) -> pa.Table:
        """The table with the contract's columns in order, cast to its types, extra columns dropped, `added` ones filled in.

        Raises ContractError if another column is missing, cannot be cast, or is null where it must not be.
        """
        for name in set(self.added).difference(table.column_names):
            table = table.append_column(name, pa.nulls(table.num_rows, self.schema.field(name).type))
        table = self._cast(table)
        self._raise(table, self._null_problems(table))
        return table.cast(self.schema)

    def check(self, table: pa.Table) -> pa.Table:
        """Conforms the table, then checks key and rules. Returns the conformed table.

        Raises ContractError that lists all violations with counts and the first examples.
        """
        table = self._cast(table)
        self._raise(table, [*self._null_problems(table), *self._key_problems(table), *self._rule_problems(table)])
        return table.cast(self.schema)

    def empty(self) -> pa.Table:
        """A table with the contract's columns and no rows."""
        return self.schema.empty_table()

    def sample(self, rows: int, seed: int = 0, **columns: object) -> pa.Table:
        """A random table of `rows` rows with the contract's types; `columns` overrides whole columns.

        Keys are unique. The caller satisfies rules across columns by passing `columns`.
        """
        rng = np.random.default_rng(seed)
        arrays: list[pa.Array] = []
        for column in self.schema:
            if (values := columns.get(column.name)) is not None:
                arrays.append(pa.array(values, column.type))
            else:
                arrays.append(_random_array(column, rows, rng, column.name in self.key))
        return pa.table(arrays, schema=self.schema)

    def _cast(self, table: pa.Table) -> pa.Table:
        self._require_columns(table)
        nullable = pa.schema([column.with_nullable(True) for column in self.schema])
        try:
            return table.select(self.columns).cast(nullable)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
            raise ContractError(f"{self.name}: {error}. Expected types: {self._types()}.") from error

    def _raise(self, table: pa.Table, problems: list[str]) -> None:
        if problems:
            raise ContractError(f"{self.name} ({table.num_rows} rows): " + "; ".join(problems))

    def _require_columns(self, table: pa.Table) -> None:
        missing = [name for name in self.columns if name not in table.column_names]
        if missing:
            raise ContractError(
                f"{self.name}: missing column(s) {', '.join(missing)}; "
                f"found {', '.join(table.column_names)}; expected {self._types()}."
            )

    def _null_problems(self, table: pa.Table) -> list[str]:
        return [
            f"column {column.name} must not be null: {nulls} null value(s), first at row "
            f"{pc.index(pc.is_null(table[column.name]), True).as_py()}"
            for column in self.schema
            if not column.nullable and (nulls := table[column.name].null_count)
        ]

    def _key_problems(self, table: pa.Table) -> list[str]:
        if not self.key:
            return []
        groups = table.group_by(list(self.key)).aggregate([([], "count_all")])
        repeated = groups.filter(pc.greater(groups["count_all"], 1))
        if not repeated.num_rows:
            return []
        first = repeated.select(list(self.key)).slice(0, 3).to_pylist()
        return [f"key ({', '.join(self.key)}) repeats for {repeated.num_rows} value(s), first: {first}"]

    def _rule_problems(self, table: pa.Table) -> list[str]:
        problems: list[str] = []
        for description, rule in self.rules.items():
            violates = pc.invert(pc.fill_null(rule(table), True))
            if count := pc.sum(violates).as_py():
                examples = table.filter(violates).slice(0, 2).to_pylist()
                problems.append(f"rule '{description}' broken in {count} row(s), first: {examples}")
        return problems

    def _types(self) -> str:
        return ", ".join(f"{column.name} {column.type}" for column in self.schema)


def _random_array(column: pa.Field, rows: int, rng: np.random.Generator, unique: bool) -> pa.Array:
    kind = column.type
    if pa.types.is_string(kind):
        names = (f"{column.name}-{i}" for i in (range(rows) if unique else rng.integers(0, 5, rows)))
        return pa.array(list(names), kind)
    if pa.types.is_boolean(kind):
        return pa.array(rng.random(rows) < 0.5)
    if pa.types.is_integer(kind):
        return pa.array(rng.integers(0, 100, rows), kind)
    if pa.types.is_floating(kind):
        return pa.array(rng.random(rows), kind)
    if pa.types.is_timestamp(kind):
        return pa.array(np.sort(rng.integers(0, 10**15, rows)), pa.int64()).cast(kind)
    if pa.types.is_list(kind) or pa.types.is_struct(kind):
        return pa.array([[] if pa.types.is_list(kind) else None] * rows, kind)
    raise TypeError(f"cannot sample column {column.name} of type {kind}")
