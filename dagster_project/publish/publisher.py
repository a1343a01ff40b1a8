"""Write–audit–publish: an audited night becomes what readers see, in one step that a kill cannot halve.

Steps of a night and why in this order:

1. the new folder is written under a temporary name, synced and renamed; nobody looks at it yet;
2. one transaction changes `marts`, records the publication, keeps the decisions and the ids: from here on the night counts.
   It goes first because it is the step that can fail (disk, lock); only the pipeline itself reads the warehouse;
3. decisions and ids go to the lake and `current` is switched: two renames, which need nothing but the disk;
4. publications beyond the last few are removed.

Killed before 2, the night never happened and the next run removes the leftovers. Killed after 2, `recover` finds the
warehouse ahead of `current` and repeats 3 and 4, which give the same bytes any number of times.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from dagster_project.lake.candidates import decisions_path
from dagster_project.lang import tr
from dagster_project.publish import feedback, member_ids
from dagster_project.publish.errors import PublishError
from dagster_project.publish.folder import (
    BUILDING,
    StepHook,
    build_folder,
    prune,
    publications_folder,
    published_rows,
    shareable,
)
from dagster_project.publish.mirror import mirror, mirrored, prepare, transaction
from dagster_project.publish.publication import (
    CURRENT,
    MANIFEST,
    PUBLICATIONS,
    Publication,
    PublicationContext,
    PublishedTable,
    PublishPaths,
    canonical,
    content_id,
    current_publication,
)
from dagster_project.publish.relations import (
    Shape,
    columns_of,
    digests,
    partition_filter,
    quoted,
    shape_of,
    sync,
)
from dagster_project.publish.tables import TableSpec, published_tables
from dagster_project.publish.touched import digests_of_touched, go_on_with, remember_run, touched_days

KEPT_PUBLICATIONS = 7
_NEW_LINK = ".current.building"


def _silent(step: str) -> None:
    """The usual step hook."""


def publish(
    warehouse: Path | DuckDBPyConnection,
    paths: PublishPaths,
    *,
    as_of: date,
    context: PublicationContext,
    tables: Sequence[TableSpec] | None = None,
    only: Collection[str] | None = None,
    step: StepHook = _silent,
) -> Publication:
    """Publishes the audited night `as_of` from schema `audit` and returns what readers see from now on.

    `warehouse`: the DuckDB file, or a connection to it outside any transaction. `step` is told the name of each
    step that was finished. `only`: names of the tables that were built anew; the others stay as they are published,
    whatever `audit` holds of them. The same contents published again change nothing. Call it only after a green audit.
    Raises PublishError, with nothing switched, when `audit` is not that night's, lacks a declared table or holds an
    undeclared one, or when readers already see a later night.
    """
    specs = published_tables() if tables is None else tuple(tables)
    with _connected(warehouse) as con:
        recover(con, paths)
        step("recovered")
        before = current_publication(paths)
        _check_night(con, as_of, before)
        shapes = _audited_shapes(con, specs)
        told_by = {spec.name: spec.touched for spec in specs}
        target = _plan(con, paths, shapes, told_by, as_of, context, before, only)
        step("digested")
        if before is not None and target.publication_id == before.publication_id:
            if only is None:
                remember_run(con, before.publication_id)
            return before
        written = build_folder(con, paths, target, before, "audit", step)
        step("folder_renamed")
        with transaction(con):
            mirror(con, target, mirrored(con, target.folder.parent))
            feedback.keep_decisions(con, as_of)
            member_ids.keep_ids(con, as_of)
            if only is None:
                remember_run(con, target.publication_id)
            elif before is not None:
                go_on_with(con, before.publication_id, target.publication_id)
            step("marts_changed")
        step("committed")
        _finish(con, paths, target, step)
        return replace(target, written=written)


def recover(warehouse: Path | DuckDBPyConnection, paths: PublishPaths) -> None:
    """Makes warehouse, lake and `published/` agree after a kill or a loss. Cheap when they do; safe at any time.

    To be called before the decisions of earlier nights are read. The one that is further on wins; a lost `published/`
    is written again from `marts`, a lost or older `marts` from `published/`.
    """
    with _connected(warehouse) as con:
        prepare(con)
        feedback.prepare_decisions(con)
        member_ids.prepare_ids(con)
        publications = publications_folder(paths)
        shutil.rmtree(publications / BUILDING, ignore_errors=True)
        (paths.published / _NEW_LINK).unlink(missing_ok=True)
        seen = current_publication(paths)
        held = mirrored(con, publications)
        if held is not None and _is_ahead(held, seen):
            if not (held.folder / MANIFEST).is_file():
                build_folder(con, paths, held, seen, "marts", _silent)
            _finish(con, paths, held, _silent)
            return
        if seen is not None:
            if held is None or held.publication_id != seen.publication_id or not _complete(con, seen):
                with transaction(con):
                    mirror(con, seen, held)
            if not decisions_path(paths.lake, seen.as_of).is_file():
                feedback.write_decisions(con, paths, seen)
        prune(publications, seen)


@contextmanager
def _connected(warehouse: Path | DuckDBPyConnection) -> Iterator[DuckDBPyConnection]:
    if isinstance(warehouse, DuckDBPyConnection):
        yield warehouse
        return
    with duckdb.connect(str(warehouse)) as con:
        yield con


def _is_ahead(held: Publication, seen: Publication | None) -> bool:
    """Is the warehouse's publication a successor of the one readers see?"""
    if seen is None:
        return True
    if held.publication_id == seen.publication_id or held.publication_id in seen.earlier:
        return False
    return seen.publication_id in held.earlier or held.as_of > seen.as_of


def _complete(con: DuckDBPyConnection, publication: Publication) -> bool:
    existing = columns_of(con, "marts")
    return all(existing.get(name) == table.shape.columns for name, table in publication.tables.items())


def _check_night(con: DuckDBPyConnection, as_of: date, before: Publication | None) -> None:
    if before is not None and as_of < before.as_of:
        raise PublishError(
            tr(
                f"已发布到 {before.as_of}，不能退回发布 {as_of}：补跑旧日期时请按最新日期 {before.as_of} 发布",
                f"{before.as_of} is published, {as_of} would go back: publish older nights as of {before.as_of}",
            )
        )
    row = None
    if "run_context" in columns_of(con, "ops"):
        row = con.execute("select as_of_date from ops.run_context").fetchone()
    if row is None or row[0] != as_of:
        built = row[0] if row else "?"
        raise PublishError(
            tr(
                f"audit 是为 {built} 生成的，不是 {as_of}：请先运行该日期的 dbt 模型与检查",
                f"audit was built for {built}, not for {as_of}: run that night's dbt models and checks first",
            )
        )


def _audited_shapes(con: DuckDBPyConnection, specs: Sequence[TableSpec]) -> dict[str, Shape]:
    # A killed dbt run may leave its own `…__dbt_…` tables behind; its next run removes them.
    audited = {name: cols for name, cols in columns_of(con, "audit").items() if "__dbt_" not in name}
    declared = {spec.name for spec in specs}
    if missing := sorted(declared - audited.keys()):
        names = ", ".join(missing)
        raise PublishError(
            tr(
                f"audit 缺少待发布的表 {names}：请先完整运行 dbt build",
                f"audit lacks {names}: run the whole dbt build first",
            )
        )
    if extra := sorted(audited.keys() - declared):
        names = ", ".join(extra)
        raise PublishError(
            tr(
                f"audit 的表 {names} 没有登记：请写入 publish/tables.yml（kind 与 sort）",
                f"audit holds {names}, which nobody declared: add kind and sort to publish/tables.yml",
            )
        )
    return {spec.name: shape_of(spec, audited[spec.name]) for spec in specs}


def _plan(
    con: DuckDBPyConnection,
    paths: PublishPaths,
    shapes: Mapping[str, Shape],
    told_by: Mapping[str, Sequence[str]],
    as_of: date,
    context: PublicationContext,
    before: Publication | None,
    only: Collection[str] | None = None,
) -> Publication:
    """The publication that tonight's audit gives, with every digest, before anything is written.

    `told_by`: the facts whose touched days say which days of a table may have changed; none: all of it is read.
    """
    tables = {}
    touched = touched_days(con, before)
    for name, shape in shapes.items():
        if only is not None and name not in only and before is not None and shareable(before, name, shape):
            tables[name] = before.tables[name]
            continue
        audited = f"audit.{quoted(name)}"
        if shape.kind == "as_of":
            tonight = f"(select * from {audited} where {partition_filter(shape, as_of.isoformat())})"
            partitions = _earlier_nights(con, name, shape, as_of, before)
            # Also written when nobody qualified: an empty night is an answer, a missing one is a question.
            partitions[as_of.isoformat()] = digests(con, shape, tonight, split=False)[""]
        else:
            days = touched.of(told_by[name]) if touched else None
            if before is not None and days is not None and shareable(before, name, shape):
                known = {day: part for day, part in before.tables[name].partitions.items() if day}
                partitions = digests_of_touched(con, shape, audited, known, days, as_of)
            else:
                partitions = digests(con, shape, audited, split=shape.kind == "fact")
            if not partitions:
                # A table without any day still has one file, so that readers find its columns.
                partitions = digests(con, shape, audited, split=False)
        tables[name] = PublishedTable(shape, partitions)
    clean = PublicationContext(
        sorted(canonical(context.sources), key=lambda s: (str(s.get("connection")), str(s.get("feed")))),
        canonical(context.quality),
    )
    decisions = feedback.decisions_digest(con, as_of)
    publication_id = content_id(as_of, tables, clean, decisions)
    earlier = [before.publication_id, *before.earlier] if before else []
    return Publication(
        folder=publications_folder(paths) / publication_id,
        publication_id=publication_id,
        as_of=as_of,
        earlier=tuple(i for i in earlier if i != publication_id)[: KEPT_PUBLICATIONS - 1],
        tables=tables,
        sources=clean.sources,
        quality=clean.quality,
        decisions=decisions,
    )


def _earlier_nights(
    con: DuckDBPyConnection, name: str, shape: Shape, as_of: date, before: Publication | None
) -> dict[str, tuple[int, str]]:
    """Partitions that earlier nights published: as they are, or digested anew when the table's shape changed."""
    table = before.tables.get(name) if before else None
    if before is None or table is None or table.shape.kind != "as_of":
        return {}
    nights = [key for key in table.partitions if key < as_of.isoformat()]
    if shareable(before, name, shape):
        return {key: table.partitions[key] for key in nights}
    return {
        key: digests(con, shape, f"({published_rows(before, name, shape, key)})", split=False)[""]
        for key in nights
    }


def _finish(con: DuckDBPyConnection, paths: PublishPaths, target: Publication, step: StepHook) -> None:
    """Everything after the commit. May be repeated at will."""
    feedback.write_decisions(con, paths, target)
    member_ids.write_ids(con, paths, target)
    step("decisions_written")
    new_link = paths.published / _NEW_LINK
    new_link.unlink(missing_ok=True)
    new_link.symlink_to(Path(PUBLICATIONS, target.publication_id))
    step("link_made")
    new_link.replace(paths.published / CURRENT)
    sync(paths.published)
    step("switched")
    prune(target.folder.parent, target)
    step("pruned")
