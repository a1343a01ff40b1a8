"""Which arrived rows could not be used, file by file, for the run's text and for Dagster's page of the feed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from dagster_project.lake.batches import Manifest
from dagster_project.landing import FeedLanding
from dagster_project.lang import tr

SHOWN = 5
_COLUMNS = 4
# one file of a feed: file (connection/feed/night/name), read, rejected, columns; `rejected` 0 means a file without rows
Finding = dict[str, Any]


def empty_files(landings: Mapping[str, FeedLanding]) -> set[tuple[str, str, str]]:
    """(first feed, night, file) of loaded files that brought no row to any feed of a connection."""
    first: dict[tuple[str, str], str] = {}
    rows: dict[tuple[str, str], int] = {}
    for name, landing in landings.items():
        for manifest in landing.manifests:
            if manifest.status == "loaded":
                key = manifest.night, manifest.file
                first.setdefault(key, name)
                rows[key] = rows.get(key, 0) + manifest.rows_read
    return {(first[key], *key) for key, count in rows.items() if not count}


def unusable_rows(
    landing: FeedLanding, lake: Path, empty: Iterable[tuple[str, str, str]] = ()
) -> list[Finding]:
    """Files of a feed with rejected rows or without any row, most rejected rows first.

    The columns at fault are looked up for the first few files only.
    """
    without_rows = {(night, file) for feed, night, file in empty if feed == landing.feed}
    rejected = sorted((m for m in landing.manifests if m.rows_rejected), key=lambda m: -m.rows_rejected)
    findings = [_finding(m, _columns(lake, m) if n < SHOWN else []) for n, m in enumerate(rejected)]
    findings += [_finding(m, []) for m in landing.manifests if (m.night, m.file) in without_rows]
    return findings


def _finding(manifest: Manifest, columns: Sequence[str]) -> Finding:
    return {
        "file": f"{manifest.connection}/{manifest.feed}/{manifest.night}/{manifest.file}",
        "read": manifest.rows_read,
        "rejected": manifest.rows_rejected,
        "columns": list(columns),
    }


def _columns(lake: Path, manifest: Manifest) -> list[str]:
    """Columns for which rows were rejected, most often first; '' stands for the row as a whole."""
    if not manifest.rejects_path:
        return []
    table = pq.read_table(lake / manifest.rejects_path, columns=["column_name", "action"])
    names = table.filter(pc.equal(table["action"], "row_rejected"))["column_name"]
    counted = sorted(pc.value_counts(names).to_pylist(), key=lambda item: (-item["counts"], item["values"]))
    return [item["values"] for item in counted]


def finding_text(finding: Finding) -> str:
    """One finding as a line, e.g. `pos_main/tickets/2026-11-22/a.csv 3/45 行不合格（sold_at、kind）`."""
    file, read, rejected = finding["file"], finding["read"], finding["rejected"]
    if not rejected:
        return tr(f"{file} 没有数据行（0 行）", f"{file}: no rows in it (0)")
    names = [name or tr("整行", "whole row") for name in finding["columns"]]
    listed = tr("、", ", ").join([*names[:_COLUMNS], *(["…"] if len(names) > _COLUMNS else [])])
    zh, en = (f"（{listed}）", f" ({listed})") if listed else ("", "")
    return tr(
        f"{file} {rejected:,}/{read:,} 行不合格{zh}", f"{file}: {rejected:,} of {read:,} rows rejected{en}"
    )


def findings_text(findings: Iterable[Finding]) -> list[str]:
    """The worst few as lines, and how many more there are."""
    ordered = sorted(findings, key=lambda finding: (-finding["rejected"], finding["file"]))
    lines = [finding_text(finding) for finding in ordered[:SHOWN]]
    if rest := ordered[SHOWN:]:
        rows = sum(finding["rejected"] for finding in rest)
        lines.append(
            tr(
                f"另有 {len(rest)} 个文件，共 {rows:,} 行不合格（明细见 ops.rejects）",
                f"{len(rest)} more files with {rows:,} rejected rows (listed in ops.rejects)",
            )
        )
    return lines
