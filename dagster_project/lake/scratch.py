"""DuckDB in memory for work on one table at a time, before anything is kept."""

from __future__ import annotations

from functools import cache

import duckdb

# nothing of what is worked on goes to disk
SETUP = "set threads = 2; set temp_directory = ''"


def scratch(setup: str = SETUP, of: str = "") -> duckdb.DuckDBPyConnection:
    """A connection of one's own, to be closed, to a database in memory that was set up with these statements.

    The process keeps one database per `setup` and `of`: opening one costs tens of milliseconds, as much as a small file,
    and a night has hundreds of small files. Views, temporary tables and registered tables are the connection's and go
    with it; a setting that holds by connection has to be set as `global`.

    Args:
        of: whose statements are run, where they are not our own: nobody else's work is in reach of them.
    """
    return _database(setup, of).cursor()


@cache
def _database(setup: str, _of: str) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect()
    database.execute(setup)
    return database
