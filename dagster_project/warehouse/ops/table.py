"""What an ops table is, and what its rows are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.config import Chain
from dagster_project.config.rules import Rules
from dagster_project.privacy import ChainKey

TEXT, INTEGER, BIGINT, NUMBER = pa.string(), pa.int32(), pa.int64(), pa.float64()
BOOLEAN, DATE, QUANTITY = pa.bool_(), pa.date32(), pa.decimal128(18, 3)

Schema = dict[str, pa.DataType]
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Night:
    """What the ops tables of one night are made from.

    `run_seq`: number of the run, one more with every night that was published; `previous_as_of`: night of the last
    green build, None before the first; `stock_on`: day whose stock count the run is about, None in the night.
    """

    chain: Chain
    as_of: date
    key: ChainKey
    run_seq: int = 1
    previous_as_of: date | None = None
    is_refresh: bool = False
    stock_on: date | None = None

    @property
    def rules(self) -> Rules:
        return self.chain.rules


@dataclass(frozen=True)
class OpsTable:
    """A table of schema `ops` that every run writes anew."""

    name: str
    schema: Schema
    rows: Callable[[Night], list[Row]] = field(repr=False)

    def arrow(self, night: Night) -> pa.Table:
        """Its rows of a night, in the order they are given."""
        rows = self.rows(night)
        columns = list(zip(*rows, strict=True)) if rows else [() for _ in self.schema]
        arrays = [pa.array(cells, kind) for cells, kind in zip(columns, self.schema.values(), strict=True)]
        return pa.table(dict(zip(self.schema, arrays, strict=True)))


def write(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table, order: str = "") -> None:
    """Replaces ops.`name` by the rows of an Arrow table; `order`: an `order by` clause."""
    connection.register("rows", rows)
    connection.execute(f"create or replace table ops.{name} as select * from rows {order}")
    connection.unregister("rows")
