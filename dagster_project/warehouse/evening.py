"""Readies the warehouse for an afternoon: everything as of the night that is published, and today's stock counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
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
        NotReadyError: a night was begun and not published, or the models are newer than the warehouse; says which
        nights to run.
    """
    with connect(chain.paths.warehouse) as connection:
        stored = read_state(connection)
        if unready := _unready(stored, as_of, staging_code(models)):
            mend = catch_up_command(chain.root, as_of, day)
            raise NotReadyError(
                tr(
                    f"最新发布是 {as_of}，但数仓不是那一晚的样子：{unready}。请先运行 {mend}",
                    f"the newest publication is of {as_of}, and the warehouse is not as it was that night: {unready}."
                    f" First run {mend}",
                )
            )
        pending = _stock(connection, chain, day)
        write_tables(connection, make_night(connection, chain, as_of, key, stock_on=day))
        set_state(connection, "counted_on", max(day.isoformat(), stored.get("counted_on", "")))
    return pending


def catch_up_command(root: Path, as_of: date, day: date) -> str:
    """The command that runs the nights between the published one and `day`; the published one when none is missing."""
    first, last = as_of + timedelta(days=1), day - timedelta(days=1)
    if first > last:
        first = last = as_of
    span = f"--date {last}" if first == last else f"--from {first} --to {last}"
    return f"linli run --chain {root} {span}"


def _unready(stored: Mapping[str, str], as_of: date, code: str) -> str:
    """Why the warehouse is not the one of the publication; '' when it is."""
    attempted = stored.get("attempted_as_of", as_of.isoformat())
    if attempted != as_of.isoformat():
        return tr(
            f"{attempted} 那一晚开始了，没有跑完，也没有发布",
            f"the night of {attempted} was begun, and neither finished nor published",
        )
    if stored.get("built_as_of") != as_of.isoformat() or "refresh_reason" in stored:
        return tr(f"{as_of} 那一晚重跑过，没有跑完", f"the night of {as_of} was run again and not finished")
    if stored.get("staging_code") != code:
        return tr("程序升级以后还没有跑过一晚", "no night was run since the release is new")
    return ""


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
