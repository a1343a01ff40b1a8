"""A publication as readers see it: its folder, its `publication.json`, and which one is current. Reading only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from dagster_project.lang import tr
from dagster_project.publish.errors import PublishError
from dagster_project.publish.relations import (
    FILE_FORMAT,
    Partition,
    Shape,
    literal_path,
    partition_path,
    quoted,
    total_rows,
)

MANIFEST = "publication.json"
PUBLICATIONS = "publications"
CURRENT = "current"


class PublishPaths(Protocol):
    """The places of a chain that publishing touches (`Chain.paths` is one)."""

    @property
    def lake(self) -> Path: ...

    @property
    def published(self) -> Path: ...


@dataclass(frozen=True)
class PublicationContext:
    """What a night knows besides its tables. It is part of the publication's identity: no clock, no run id.

    `sources`: dicts of connection, feed, last_night, age_days, seldom. `quality`: any JSON value by name.
    """

    sources: Sequence[Mapping[str, Any]] = ()
    quality: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishedTable:
    """One table of a publication: its shape and, per partition (ISO date, '' when unsplit), rows and digest."""

    shape: Shape
    partitions: Mapping[str, Partition]

    @property
    def rows(self) -> int:
        return total_rows(self.partitions)


@dataclass(frozen=True)
class Publication:
    """One publication. `folder` is its own folder, not the moving `current`: who holds it keeps one night.

    `earlier`: publication ids before it, newest first, that are kept with it. `decisions`: rows and digest of the
    candidate decisions of the night. `written`: files that publishing it had to write, empty when read from disk.
    """

    folder: Path
    publication_id: str
    as_of: date
    earlier: tuple[str, ...]
    tables: Mapping[str, PublishedTable]
    sources: Sequence[Mapping[str, Any]]
    quality: Mapping[str, Any]
    decisions: Partition
    file_format: int = FILE_FORMAT
    written: tuple[str, ...] = ()

    @property
    def previous(self) -> str | None:
        """Id of the publication that this one replaced."""
        return self.earlier[0] if self.earlier else None

    def files(self, table: str) -> list[Path]:
        """Absolute paths of a table's files, oldest partition first. KeyError: no such table."""
        entry = self.tables[table]
        return [self.folder / partition_path(table, entry.shape, key) for key in sorted(entry.partitions)]

    def sql(self, table: str) -> str:
        """A FROM item over a table's files. KeyError: no such table."""
        if table not in self.tables:
            raise KeyError(table)
        return f"read_parquet({literal_path(self.folder / table, '**/*.parquet')}, hive_partitioning = false)"

    def to_json(self) -> str:
        """Text of `publication.json`; depends on the contents and the succession only."""
        tables = {
            name: {
                "kind": table.shape.kind,
                "rows": table.rows,
                "sort": list(table.shape.sort),
                "columns": [list(column) for column in table.shape.columns],
                "partitions": {
                    key: {"rows": rows, "digest": digest}
                    for key, (rows, digest) in sorted(table.partitions.items())
                },
            }
            for name, table in sorted(self.tables.items())
        }
        document = {
            "as_of_date": self.as_of.isoformat(),
            "publication_id": self.publication_id,
            "previous": self.previous,
            "earlier": list(self.earlier),
            "file_format": self.file_format,
            "tables": tables,
            "decisions": {"rows": self.decisions[0], "digest": self.decisions[1]},
            "sources": list(self.sources),
            "quality": self.quality,
        }
        return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def canonical(value: Any) -> Any:
    """The JSON value of a context entry: sorted keys, dates as ISO text. TypeError: not JSON."""

    def iso(item: object) -> str:
        if isinstance(item, date):
            return item.isoformat()
        raise TypeError(f"the publication context holds {item!r}, which is not JSON")

    return json.loads(json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False, default=iso))


def content_id(
    as_of: date,
    tables: Mapping[str, PublishedTable],
    context: PublicationContext,
    decisions: Partition,
) -> str:
    """`<as_of>-<12 hex>`: the same contents and context give the same id, whatever came before."""
    content = [
        FILE_FORMAT,
        as_of.isoformat(),
        {
            name: {key: digest for key, (_, digest) in table.partitions.items()}
            for name, table in tables.items()
        },
        context.sources,
        context.quality,
        decisions,
    ]
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, allow_nan=False)
    return f"{as_of.isoformat()}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def publication_from_json(text: str, publications: Path) -> Publication:
    """The publication that `text` describes, with its folder under `publications`."""
    document = json.loads(text)
    tables = {
        name: PublishedTable(
            Shape(
                entry["kind"],
                tuple((column, kind) for column, kind in entry["columns"]),
                tuple(entry["sort"]),
            ),
            {key: (part["rows"], part["digest"]) for key, part in entry["partitions"].items()},
        )
        for name, entry in document["tables"].items()
    }
    return Publication(
        folder=publications / document["publication_id"],
        publication_id=document["publication_id"],
        as_of=date.fromisoformat(document["as_of_date"]),
        earlier=tuple(document["earlier"]),
        tables=tables,
        sources=document["sources"],
        quality=document["quality"],
        decisions=(document["decisions"]["rows"], document["decisions"]["digest"]),
        file_format=document["file_format"],
    )


def current_publication(paths: PublishPaths) -> Publication | None:
    """What readers see now; None before the first publication.

    Raises PublishError when `published/current` is not the link that publishing made.
    """
    link = paths.published / CURRENT
    if not link.is_symlink():
        if link.exists():
            raise PublishError(
                tr(
                    f"{link} 应为指向 {PUBLICATIONS}/ 的符号链接，现为普通文件或目录：请移走后重新运行",
                    f"{link} must be a link into {PUBLICATIONS}/ and is a plain file or folder: move it away, run again",
                )
            )
        return None
    manifest = link.resolve() / MANIFEST
    if not manifest.is_file():
        return None
    return publication_from_json(manifest.read_text("utf-8"), manifest.parent.parent)


def last_published_as_of(paths: PublishPaths) -> date | None:
    """The night readers see; None before the first publication."""
    publication = current_publication(paths)
    return publication.as_of if publication else None


def decided_up_to(paths: PublishPaths, as_of: date) -> date:
    """The last day of which readers see an evening markdown: it is decided, and published, before the night of its day.

    `as_of` when readers see another night, or nothing later.
    """
    publication = current_publication(paths)
    if publication is None or publication.as_of != as_of:
        return as_of
    days = publication.tables["markdown_plan"].partitions if "markdown_plan" in publication.tables else {}
    return max([as_of, *(date.fromisoformat(day) for day in days if day)])


def read_current(paths: PublishPaths, table: str, con: DuckDBPyConnection) -> DuckDBPyRelation:
    """The rows of a published table, bound to the publication that is current now, not to the moving link.

    Raises PublishError when nothing is published, KeyError when the table is not.
    """
    publication = current_publication(paths)
    if publication is None:
        raise PublishError(
            tr(
                f"{paths.published} 里还没有任何发布：请先运行 linli run",
                f"nothing is published in {paths.published} yet: run linli run first",
            )
        )
    columns = ", ".join(quoted(name) for name in publication.tables[table].shape.names)
    return con.sql(f"select {columns} from {publication.sql(table)}")
