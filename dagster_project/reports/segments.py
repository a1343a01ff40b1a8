"""Segment lists as CSV files that a marketing colleague opens in Excel with a double click.

UTF-8 with BOM and CRLF, else Excel guesses the encoding; ids and masked phones start with a tab, else Excel makes
numbers of them; a text that Excel would take for a formula starts with an apostrophe.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import csv

from dagster_project.config import Chain
from dagster_project.privacy.phones import mask_text
from dagster_project.publish import Publication
from dagster_project.reports import words
from dagster_project.reports.published import connect, open_publication

MANIFEST = "manifest.json"
COLUMNS = {
    "邻里会员号": "同一个人在所有系统里的统一编号，日报里每位顾客下面也写着它，不是收银卡号；前面的制表符让 Excel 当作文本",
    "手机(脱敏)": "中间四位隐藏；空白表示没有手机号；前面的制表符让 Excel 当作文本",
    "归属门店": "会员的归属门店名称；空白表示还没有归属",
    "最近消费": "最近一次消费的营业日（年-月-日），任何渠道",
    "近30天消费(元)": "截至当日近 30 个营业日的净消费，已扣退款，单位元",
    "流失分层": "活跃、L1、L2、L3；空白表示没有消费过",
    "入选原因": "命中的人群规则",
}
_BOM = "\ufeff".encode()


def write_segment_csvs(chain: Chain, out: Path | None = None) -> Path:
    """Writes <as_of>/<segment_id>.csv per published segment, one row per person, and a manifest.json beside them.

    Args:
        chain: whose publication and shop names to use.
        out: the folder to write to; the chain's exports/segments/ when None.

    Returns:
        The manifest: rows, sha256 and definition of every file, and what each column means. It is written last,
        and lists of segments that no longer exist are removed. The same publication gives the same bytes.

    Raises:
        PublishError: nothing has been published yet.
    """
    publication = open_publication(chain)
    folder = (out or chain.paths.exports / "segments") / publication.as_of.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / MANIFEST
    before = _listed(manifest)
    con = connect(publication)
    try:
        _prepare(con, chain)
        entries = [
            _write_segment(con, folder, *row)
            for row in con.execute(
                "select segment_id, any_value(name), any_value(definition_hash) from segments "
                "group by segment_id order by segment_id"
            ).fetchall()
        ]
    finally:
        con.close()
    for name in before - {entry["file"] for entry in entries}:
        (folder / name).unlink(missing_ok=True)
    _replace(manifest, _manifest(publication, entries).encode())
    return manifest


def _prepare(con: duckdb.DuckDBPyConnection, chain: Chain) -> None:
    """Temp table `listed`: every cell of every list as text that is safe in Excel."""
    reasons = [row[0] or "" for row in con.execute("select distinct reason from segment_members").fetchall()]
    _lookup(con, "store_names", {store.store_code: mask_text(store.store_name) for store in chain.stores})
    _lookup(con, "told_reasons", {reason: mask_text(words.segment_reason(reason)) for reason in reasons})
    _lookup(con, "tier_names", words.TIERS)
    con.execute(
        """
        create temp macro as_words(cell) as case
            when regexp_matches(cell, '^\\s*[=+@＝＋＠−－-]') then '''' || regexp_replace(cell, '\\s+', ' ', 'g')
            when regexp_matches(cell, '^[0-9.,%/:eE+ -]+$') then chr(9) || cell
            else regexp_replace(cell, '\\s+', ' ', 'g')
        end
        """
    )
    con.execute(
        """
        create temp table listed as
        with reasons as (
            select segment_id, member_id, string_agg(distinct told_reasons.told, '；' order by told_reasons.told) as told
            from segment_members left join told_reasons on told_reasons.code = coalesce(segment_members.reason, '')
            group by segment_id, member_id
        )
        select
            r.segment_id, r.member_id,
            chr(9) || r.member_id as "邻里会员号",
            chr(9) || m.phone_masked as "手机(脱敏)",
            as_words(coalesce(s.told, m.home_store_code)) as "归属门店",
            coalesce(t.last_purchase_on, m.last_purchase_on) as "最近消费",
            coalesce(x.spend_30d_fen, 0) as spend_fen,
            as_words(coalesce(n.told, t.tier)) as "流失分层",
            as_words(r.told) as "入选原因"
        from reasons r
        left join members m using (member_id)
        left join member_metrics x using (member_id)
        left join churn_tiers t using (member_id)
        left join store_names s on s.code = m.home_store_code
        left join tier_names n on n.code = t.tier
        """
    )


def _lookup(con: duckdb.DuckDBPyConnection, table: str, told: Mapping[str, str]) -> None:
    """A temp table of code and what it is called."""
    con.execute(
        f"create temp table {table} as select unnest(?::varchar[]) as code, unnest(?::varchar[]) as told",
        [list(told), list(told.values())],
    )


def _write_segment(
    con: duckdb.DuckDBPyConnection, folder: Path, segment_id: str, name: str | None, definition: str | None
) -> dict[str, Any]:
    rows = con.sql(
        """
        select "邻里会员号", "手机(脱敏)", "归属门店", "最近消费",
            cast(cast(spend_fen as decimal(18, 0)) * 0.01 as decimal(18, 2)) as "近30天消费(元)", "流失分层", "入选原因"
        from listed where segment_id = ?
        order by spend_fen desc, member_id
        """,
        params=[segment_id],
    ).to_arrow_table()
    text = pa.BufferOutputStream()
    csv.write_csv(rows, text, csv.WriteOptions(eol="\r\n", quoting_header="none"))
    content = _BOM + text.getvalue().to_pybytes()
    file = f"{segment_id}.csv"
    _replace(folder / file, content)
    return {
        "segment_id": segment_id,
        "name": mask_text(name or segment_id),
        "file": file,
        "rows": rows.num_rows,
        "sha256": hashlib.sha256(content).hexdigest(),
        "definition_hash": definition,
    }


def _manifest(publication: Publication, entries: list[dict[str, Any]]) -> str:
    document = {
        "as_of_date": publication.as_of.isoformat(),
        # a push publishes the same night again with what became of it, and the manifest is written again then
        "publication_id": publication.publication_id,
        "format": "CSV，UTF-8 带 BOM，CRLF 换行，第一行是表头；一人一行，按近 30 天消费从高到低",
        "columns": [{"name": name, "meaning": meaning} for name, meaning in COLUMNS.items()],
        "segments": entries,
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _replace(path: Path, content: bytes) -> None:
    """Replaces the file in one step, so that nobody downloads half a list."""
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(content)
    os.replace(draft, path)  # noqa: PTH105


def _listed(manifest: Path) -> set[str]:
    if not manifest.is_file():
        return set()
    return {entry["file"] for entry in json.loads(manifest.read_text("utf-8"))["segments"]}
