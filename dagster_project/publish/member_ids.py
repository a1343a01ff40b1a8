"""Which member ids a publication shows goes back into the lake, where the next night and every rebuild find it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from duckdb import DuckDBPyConnection

from dagster_project.lake import write_atomically
from dagster_project.lake.member_ids import PUBLISHED_IDS, member_ids_path
from dagster_project.publish.publication import Publication, PublishPaths
from dagster_project.publish.relations import Shape, columns_of, literal, write_parquet

_TYPES = {"night": "DATE", "generation": "INTEGER", "owned": "BOOLEAN"}
_SHAPE = Shape(
    "state",
    tuple((column.name, _TYPES.get(column.name, "VARCHAR")) for column in PUBLISHED_IDS),
    ("member_id",),
)
_KEPT = "ops.kept_member_ids"


def prepare_ids(con: DuckDBPyConnection) -> None:
    """Makes the table that keeps a night's changes until they are safe in the lake."""
    columns = ", ".join(f"{name} {kind}" for name, kind in _SHAPE.columns)
    con.execute(f"create table if not exists {_KEPT} ({columns})")


def keep_ids(con: DuckDBPyConnection, as_of: date) -> None:
    """Keeps what the night changed, in the caller's transaction: what a kill must not lose.

    A publication repeated on its own night adds to what that night kept before. A warehouse without One ID keeps nothing.
    """
    con.execute(f"delete from {_KEPT}")
    if "int_identity_ids" in columns_of(con, "intermediate") and "published_ids" in columns_of(con, "ops"):
        con.execute(f"insert into {_KEPT} {changed_ids(as_of)}")


def changed_ids(as_of: date) -> str:
    """SQL of the rows (PUBLISHED_IDS) that the night `as_of` adds to ops.published_ids, all of that night's."""
    tonight = f"date {literal(as_of)}"
    ids = ", ".join(name for name in _SHAPE.names if name not in ("night", "state", "owned"))
    return f"""
        with before as (
            select * from ops.published_ids
            where night <= {tonight}
            qualify row_number() over (partition by member_id order by night desc) = 1
        )
        select
            {tonight} as night, {ids}, ids.state,
            ids.state = 'own' or coalesce(before.since = {tonight} and before.owned, false) as owned
        from intermediate.int_identity_ids as ids
        left join (select member_id, state as was, night as since, owned from before) as before using (member_id)
        where ids.state is distinct from before.was or before.since = {tonight}
    """


def write_ids(con: DuckDBPyConnection, paths: PublishPaths, publication: Publication) -> None:
    """Writes the kept rows of the publication's night into the lake, in one rename. May be repeated at will."""
    kept = f"{_KEPT} where night = date {literal(publication.as_of)}"
    [(rows,)] = con.execute(f"select count(*) from {kept}").fetchall()
    if not rows:
        return

    def write(path: Path) -> None:
        write_parquet(con, _SHAPE, f"select * from {kept}", path)

    write_atomically(member_ids_path(paths.lake, publication.as_of), write)
