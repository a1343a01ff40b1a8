"""Reads what a plan looks at: the newest publication, the journal, and whom each staff member follows now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from dagster_project.activation.errors import PushError
from dagster_project.activation.plan import Inputs
from dagster_project.config import Chain
from dagster_project.lake import list_manifests
from dagster_project.lake.batches import read_manifest
from dagster_project.lake.feedback import load_push_journal
from dagster_project.lang import tr
from dagster_project.publish import Publication, current_publication

_TABLES = {
    "members": "member_id, home_store_code, phone_masked, external_userid, consent_marketing",
    "member_identifiers": "member_id, namespace, identifier, valid_from, valid_to, is_shared",
    "member_redirects": "retired_member_id, member_id",
    "record_members": "feed, record_id",
}
_CANDIDATES = "campaign_id, business_date, member_id, arm, outcome, lapse_key, coupon_code, subject"


@dataclass(frozen=True)
class Night:
    """The inputs of a push, and the night they are from."""

    as_of: date
    inputs: Inputs


def read_inputs(chain: Chain, business_date: date, *, is_evening: bool = False) -> Night:
    """Everything a plan of `business_date` needs, as of the newest publication.

    `is_evening`: of the evening markdown, which is decided and published before the night of its day.

    Raises:
        PushError: nothing is published, or not as far as `business_date`.
    """
    publication = current_publication(chain.paths)
    if publication is None:
        raise PushError(
            tr(
                f"{chain.paths.published} 里还没有任何发布，请先运行 linli run --chain {chain.root} --date {business_date}",
                f"nothing is published in {chain.paths.published}: run linli run first",
            )
        )
    if publication.as_of < business_date and not is_evening:
        raise PushError(
            tr(
                f"{business_date} 还没有发布（最新是 {publication.as_of}），请先运行 linli run",
                f"{business_date} is not published yet (newest is {publication.as_of}): run linli run first",
            )
        )
    with duckdb.connect(config={"threads": 2}) as con:
        tables = {
            name: _published(con, publication, name, columns, "true") for name, columns in _TABLES.items()
        }
        tables["record_members"] = _rows(
            con,
            f"select {_TABLES['record_members']} from {publication.sql('record_members')} where feed = 'users'",
        )
        candidates = _published(
            con, publication, "campaign_candidates", _CANDIDATES, f"business_date = date '{business_date}'"
        )
        return Night(
            publication.as_of,
            Inputs(
                candidates=candidates,
                journal=load_push_journal(chain.paths.lake),
                edges=_follow_edges(con, chain),
                shop_staff=_shop_staff(con, chain),
                **tables,
            ),
        )


def _published(
    con: duckdb.DuckDBPyConnection, publication: Publication, table: str, columns: str, where: str
) -> pa.Table:
    if not publication.tables[table].rows:
        wanted = {name.strip() for name in columns.split(",")}
        types = ", ".join(
            f'null::{kind} as "{name}"'
            for name, kind in publication.tables[table].shape.columns
            if name in wanted
        )
        return _rows(con, f"select {types} where false")
    return _rows(con, f"select {columns} from {publication.sql(table)} where {where}")


def _follow_edges(con: duckdb.DuckDBPyConnection, chain: Chain) -> pa.Table:
    """userid, external_userid of the relations that stood when the staff member was last read completely."""
    target = chain.target("wecom")
    names = [
        connection.name
        for connection in chain.connections
        # customer ids mean something only inside one corp
        if connection.kind == "wecom"
        and target is not None
        and connection.settings.get("corp_id") == target.corp_id
    ]
    staff = _batches(chain, names, "snapshot_staff")
    contacts = _batches(chain, names, "contacts")
    if not staff or not contacts:
        return _rows(con, "select null::varchar as userid, null::varchar as external_userid where false")
    return _rows(
        con,
        f"""
        with read_last as (
            select _connection, userid, max(_night) as night from {_parquet(staff)}
            where complete = 'Y' group by _connection, userid
        )
        select distinct userid, external_userid
        from {_parquet(contacts)} as contacts
        inner join read_last using (_connection, userid)
        where contacts._night = read_last.night and external_userid is not null
        order by all
        """,
    )


def _shop_staff(con: duckdb.DuckDBPyConnection, chain: Chain) -> pa.Table:
    """store_code, userid, rank of the WeCom accounts at a shop: 0 the manager of stores.csv, 1 the staff feed."""
    managers = pa.Table.from_pylist(
        [
            {"store_code": store.store_code, "userid": store.manager_wecom_userid, "rank": 0}
            for store in chain.stores
            if store.manager_wecom_userid
        ],
        schema=pa.schema([("store_code", pa.string()), ("userid", pa.string()), ("rank", pa.int32())]),
    )
    names = [connection.name for connection in chain.connections if connection.kind == "pos"]
    batches = _batches(chain, names, "staff")
    if not batches:
        return managers
    con.register("managers", managers)
    return _rows(
        con,
        f"""
        with newest as (
            select * from {_parquet(batches)}
            qualify row_number() over (
                partition by _connection, staff_id order by _night desc, _file desc, _row_no desc
            ) = 1
        )
        select * from managers
        union all
        select distinct store_code, wecom_userid, 1::int from newest where wecom_userid is not null
        order by all
        """,
    )


def _batches(chain: Chain, connections: Iterable[str], feed: str) -> list[str]:
    lake = chain.paths.lake
    manifests = [
        read_manifest(path) for name in sorted(connections) for path in list_manifests(lake, name, feed)
    ]
    return [(lake / manifest.lake_path).as_posix() for manifest in manifests if manifest.lake_path]


def _parquet(paths: Iterable[str]) -> str:
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def _rows(con: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    return con.sql(sql).to_arrow_table()
