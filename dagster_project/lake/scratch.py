"""DuckDB in memory for work on one table at a time, before anything is kept."""

from __future__ import annotations

from functools import cache

import duckdb


def scratch(setup: str) -> duckdb.DuckDBPyConnection:
    """A connection of one's own, to be closed, to a database in memory that was set up with these statements.

    The process keeps one database per `setup`: opening one costs tens of milliseconds, as much as a small file, and a
    night has hundreds of small files. Views, temporary tables and registered tables are the connection's and go with it;
    a setting that holds by connection has to be set as `global`.
    """
    return _database(setup).cursor()


@cache
def _database(setup: str) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect()
    database.execute(setup)
    return database
