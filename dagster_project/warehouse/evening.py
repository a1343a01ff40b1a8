"""Readies the warehouse for an afternoon: everything as of the night that is published, and today's stock counts."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from dagster_project.config import Chain
from dagster_project.lang import tr
from dagster_project.privacy import ChainKey
from dagster_project.warehouse.connect import connect
from dagster_project.warehouse.digested import read_state, set_state
from dagster_project.warehouse.prepare import make_night, raw_view, staging_code, write_tables


class NotReadyError(RuntimeError):
    """The warehouse is not the one of the newest publication; names the mend."""


def prepare_evening(chain: Chain, as_of: date, day: date, key: ChainKey, *, models: Path) -> int:
    """Writes what the models of the evening markdown read besides what the night left.

    Of the lake only the stock counts that arrived up to `day` and are not digested yet show; nothing is marked as
    digested, so the night of `day` digests the same batches, to the same rows.

    Args:
        as_of: the night that is published.
        day: the day of the count.
        models: the dbt project folder.

    Returns: batches of stock counts that staging will look at.

    Raises:
        NotReadyError: the last night was not finished, or the models are newer than the warehouse.
    """
    with connect(chain.paths.warehouse) as connection:
        stored = read_state(connection)
        if (
            stored.get("built_as_of") != as_of.isoformat()
            or stored.get("attempted_as_of") != as_of.isoformat()
            or stored.get("staging_code") != staging_code(models)
            or "refresh_reason" in stored
        ):
            raise NotReadyError(
                tr(
                    f"数仓不是 {as_of} 那次发布的样子（上一晚没有跑完，或程序刚升级过）。"
                    f"请先运行 linli run --chain {chain.root} --date {as_of}",
                    f"the warehouse is not as it was published for {as_of} (the last night was not finished, or the"
                    f" release is new). First run linli run --chain {chain.root} --date {as_of}",
                )
            )
        pending = _stock(connection, chain, day)
        write_tables(connection, make_night(connection, chain, as_of, key, stock_on=day))
        set_state(connection, "counted_on", max(day.isoformat(), stored.get("counted_on", "")))
    return pending


def _stock(connection: duckdb.DuckDBPyConnection, chain: Chain, day: date) -> int:
    connection.execute(
        "create or replace table ops.pending_batches as select batch_id from ops.files"
        f" where feed = 'stock' and status = 'loaded' and gated and night <= date '{day}'"
        " and batch_id not in (select batch_id from ops.digested_batches) order by batch_id"
    )
    paths = connection.execute(
        "select lake_path from ops.files join ops.pending_batches using (batch_id) order by batch_id"
    ).fetchall()
    raw_view(connection, "pos", "stock", [f"{chain.paths.lake.as_posix()}/{path}" for (path,) in paths])
    return len(paths)
