"""The folder of a publication: what changed is written, the rest is shared with the publication before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from duckdb import DuckDBPyConnection

from dagster_project.lake import write_atomically
from dagster_project.lang import tr
from dagster_project.publish.errors import PublishError
from dagster_project.publish.publication import (
    CURRENT,
    MANIFEST,
    PUBLICATIONS,
    Publication,
    PublishedTable,
    PublishPaths,
)
from dagster_project.publish.relations import (
    FILE_FORMAT,
    Shape,
    literal,
    parquet_files,
    partition_filter,
    partition_path,
    projection,
    quoted,
    sync,
    write_parquet,
)

# Inside the publications folder while it is built; a killed run leaves it, the next removes it.
BUILDING = ".building"
_CHUNK = "temp.publish_chunk"
# Bounds the memory of writing a table, whatever its size.
_CHUNK_ROWS = 2_000_000

StepHook = Callable[[str], None]


def publications_folder(paths: PublishPaths) -> Path:
    """Where the publications of a chain stand, made when missing."""
    # Resolved, because `current` is resolved too and both must name one folder.
    folder = paths.published.resolve() / PUBLICATIONS
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def shareable(before: Publication | None, name: str, shape: Shape) -> bool:
    """May files of `before` stand unchanged in a publication where the table has `shape`?"""
    if before is None or name not in before.tables:
        return False
    return before.file_format == FILE_FORMAT and before.tables[name].shape == shape


def published_rows(publication: Publication, name: str, shape: Shape, key: str) -> str:
    """Query over a published partition in the columns of `shape`; a column it did not have yet is null."""
    old = publication.tables[name].shape
    file = publication.folder / partition_path(name, old, key)
    return f"select {projection(shape, old.names)} from {parquet_files([file])}"


def build_folder(
    con: DuckDBPyConnection,
    paths: PublishPaths,
    target: Publication,
    before: Publication | None,
    schema: str,
    step: StepHook,
) -> tuple[str, ...]:
    """Makes the folder of `target` from `schema` and the files of `before`; returns the files it wrote."""
    publications = publications_folder(paths)
    if (target.folder / MANIFEST).is_file():
        # The contents of a kept publication came back: only its place in the succession is new.
        _write_manifest(target.folder, target)
        return ()
    building = publications / BUILDING
    building.mkdir()
    written: list[str] = []
    for name, table in target.tables.items():
        old = before.tables[name].partitions if before and shareable(before, name, table.shape) else {}
        changed = []
        for key, part in table.partitions.items():
            inside = partition_path(name, table.shape, key)
            (building / inside).parent.mkdir(parents=True, exist_ok=True)
            if not (before and old.get(key) == part and _share(before.folder / inside, building / inside)):
                changed.append(key)
        for keys in _chunks(table, changed):
            relation = f"{schema}.{quoted(name)}"
            if len(keys) > 1 and table.shape.kind == "fact":
                _gather(con, table.shape, relation, keys)
                relation = _CHUNK
            for key in keys:
                _write(con, target, before, name, key, relation, building)
                written.append(str(partition_path(name, table.shape, key)))
            con.execute(f"drop table if exists {_CHUNK}")
        step(f"written:{name}")
    _write_manifest(building, target)
    for folder, _, _ in os.walk(building):
        sync(Path(folder))
    building.rename(target.folder)
    sync(publications)
    return tuple(written)


def _chunks(table: PublishedTable, keys: Sequence[str]) -> Iterator[list[str]]:
    """Partitions to write, oldest first, in groups of about `_CHUNK_ROWS` rows."""
    chunk: list[str] = []
    rows = 0
    for key in sorted(keys):
        if chunk and rows + table.partitions[key][0] > _CHUNK_ROWS:
            yield chunk
            chunk, rows = [], 0
        chunk.append(key)
        rows += table.partitions[key][0]
    if chunk:
        yield chunk


def _gather(con: DuckDBPyConnection, shape: Shape, relation: str, keys: Sequence[str]) -> None:
    """Puts the partitions `keys` side by side: one pass over a big table per chunk instead of one per day."""
    column = quoted(str(shape.partition_column))
    days = ", ".join(f"date {literal(key)}" for key in keys)
    con.execute(
        f"create or replace temp table {_CHUNK} as"
        f" select * from {relation} where {column} in ({days}) order by {column}"
    )


def _write(
    con: DuckDBPyConnection,
    target: Publication,
    before: Publication | None,
    name: str,
    key: str,
    relation: str,
    building: Path,
) -> None:
    """Writes one partition from `relation`; an earlier night's from where it was kept."""
    shape = target.tables[name].shape
    query = f"select * from {relation} where {partition_filter(shape, key)}"
    if shape.kind == "as_of" and key < target.as_of.isoformat():
        query = _earlier_rows(before, name, shape, key)
    rows = write_parquet(con, shape, query, building / partition_path(name, shape, key))
    expected, _ = target.tables[name].partitions[key]
    if rows != expected:
        place = f"{name} {key}".rstrip()
        raise PublishError(
            tr(
                f"表 {place} 在发布途中被改动：应有 {expected} 行，实有 {rows} 行。请重新运行",
                f"{place} changed while it was published: {expected} rows were {rows}. Run again",
            )
        )


def _earlier_rows(before: Publication | None, name: str, shape: Shape, key: str) -> str:
    if before is not None and name in before.tables:
        file = before.folder / partition_path(name, before.tables[name].shape, key)
        if file.is_file():
            return published_rows(before, name, shape, key)
    return f"select * from marts.{quoted(name)} where {partition_filter(shape, key)}"


def _share(old: Path, new: Path) -> bool:
    """Lets `new` be the same file as `old`; False when `old` is not there any more."""
    try:
        os.link(old, new)
    except FileNotFoundError:
        return False
    except OSError:
        # Some file systems know no hard links; a copy costs space, not correctness.
        shutil.copy(old, new)
        sync(new)
    return True


def _write_manifest(folder: Path, publication: Publication) -> None:
    def write(path: Path) -> None:
        path.write_text(publication.to_json(), "utf-8")

    write_atomically(folder / MANIFEST, write)


def prune(publications: Path, current: Publication | None) -> None:
    """Removes every folder that is neither current nor one of its kept predecessors.

    Raises PublishError when there is a history and nothing says which of it is current.
    """
    folders = sorted(folder for folder in publications.iterdir() if folder.is_dir())
    if current is None and len(folders) > 1:
        # One folder is what a killed first run leaves; several are a history that must not be thrown away.
        link = f"ln -s {PUBLICATIONS}/{folders[-1].name} {publications.parent / CURRENT}"
        raise PublishError(
            tr(
                f"{publications} 里有 {len(folders)} 个发布，但 {CURRENT} 不见了：请执行 {link} 后重新运行",
                f"{publications} holds {len(folders)} publications but {CURRENT} is gone: run {link}, then run again",
            )
        )
    kept = {current.publication_id, *current.earlier} if current else set()
    for folder in folders:
        if folder.name not in kept:
            shutil.rmtree(folder)
