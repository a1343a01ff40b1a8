"""Segment lists: what Excel sees when a colleague opens one with a double click."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from dagster_project.config import Chain, Store
from dagster_project.orchestration import push as feedback
from dagster_project.publish import (
    PublicationContext,
    PublishError,
    current_publication,
    publish,
    published_tables,
)
from dagster_project.reports import write_segment_csvs

HEADER = ["邻里会员号", "手机(脱敏)", "归属门店", "最近消费", "近30天消费(元)", "流失分层", "入选原因"]


def _rows(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def test_lists_open_in_excel(chain: Chain, tmp_path: Path) -> None:
    manifest = write_segment_csvs(chain, tmp_path)
    assert manifest == tmp_path / "2026-01-11" / "manifest.json"
    content = (manifest.parent / "spend_30d_over_500.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\r\n") == content.count(b"\n")
    header, *rows = _rows(manifest.parent / "spend_30d_over_500.csv")
    assert header == HEADER
    assert rows
    for member, phone, _store, last, spend, tier, reason in rows:
        assert member.startswith("\t")
        assert phone == "" or re.fullmatch(r"\t\d{3}\*{4}\d{4}", phone)
        assert last == "" or re.fullmatch(r"\d{4}-\d\d-\d\d", last)
        assert re.fullmatch(r"\d+\.\d\d", spend)
        assert float(spend) > 500
        assert tier in ("", "活跃", "L1 初步流失", "L2 中度流失", "L3 重度流失")
        assert reason == "近30天消费超过 500 元"
    spends = [float(row[4]) for row in rows]
    assert spends == sorted(spends, reverse=True)
    assert len({row[0] for row in rows}) == len(rows)
    assert not re.search(r"1[3-9]\d{9}", content.decode())


def test_manifest_adds_up(chain: Chain, tmp_path: Path) -> None:
    path = write_segment_csvs(chain, tmp_path)
    manifest = json.loads(path.read_text("utf-8"))
    assert [column["name"] for column in manifest["columns"]] == HEADER
    assert [entry["segment_id"] for entry in manifest["segments"]] == [
        "no_purchase_7d",
        "nobody",
        "spend_30d_over_500",
    ]
    for entry in manifest["segments"]:
        content = (path.parent / entry["file"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert entry["rows"] == len(_rows(path.parent / entry["file"])) - 1
        assert len(entry["definition_hash"]) == 12
    assert {entry["segment_id"]: entry["rows"] for entry in manifest["segments"]}["nobody"] == 0
    assert sorted(p.name for p in path.parent.iterdir()) == sorted(
        ["manifest.json", *(entry["file"] for entry in manifest["segments"])]
    )


def test_same_publication_gives_same_bytes(chain: Chain, twin: Chain, tmp_path: Path) -> None:
    first = write_segment_csvs(chain, tmp_path)
    before = {path.name: path.read_bytes() for path in first.parent.iterdir()}
    write_segment_csvs(chain, tmp_path)
    second = write_segment_csvs(twin)
    assert {path.name: path.read_bytes() for path in first.parent.iterdir()} == before
    assert {path.name: path.read_bytes() for path in second.parent.iterdir()} == before


def test_a_text_is_never_a_formula_or_a_number(make_chain: Callable[..., Chain]) -> None:
    stores = (
        Store("S001", '=HYPERLINK("x","点我")'),
        Store("S002", "001"),
        Store("S003", "-1+2\n@店 13800138000"),
    )
    folder = write_segment_csvs(make_chain(stores=stores)).parent
    seen = {row[2] for row in _rows(folder / "no_purchase_7d.csv")[1:]}
    assert seen == {"", '\'=HYPERLINK("x","点我")', "\t001", "'-1+2 @店 138****8000"}


def test_a_person_is_listed_once(make_chain: Callable[..., Chain]) -> None:
    chain = make_chain(
        change="insert into audit.segment_members select as_of_date, segment_id, member_id, '再来一次' "
        "from audit.segment_members where segment_id = 'spend_30d_over_500';"
    )
    rows = _rows(write_segment_csvs(chain).parent / "spend_30d_over_500.csv")[1:]
    assert len({row[0] for row in rows}) == len(rows)
    assert {row[6] for row in rows} == {"再来一次；近30天消费超过 500 元"}


def test_a_dropped_segment_loses_its_file_and_strangers_stay(
    chain: Chain, make_chain: Callable[..., Chain], tmp_path: Path
) -> None:
    folder = write_segment_csvs(chain, tmp_path).parent
    (folder / "mine.csv").write_text("own", "utf-8")
    write_segment_csvs(make_chain(change="delete from audit.segments where segment_id = 'nobody';"), tmp_path)
    assert not (folder / "nobody.csv").exists()
    assert (folder / "mine.csv").exists()


def test_a_chain_without_anything_has_an_empty_manifest(make_chain: Callable[..., Chain]) -> None:
    chain = make_chain(people=0, days=0, stores=(), change="delete from audit.segments;")
    assert json.loads(write_segment_csvs(chain).read_text("utf-8"))["segments"] == []


def test_after_a_push_the_manifest_names_the_publication_that_readers_see(
    make_chain: Callable[..., Chain], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push publishes the night again; the lists are the same people, cut from what is current."""
    chain = make_chain()
    before = {path.name: path.read_bytes() for path in write_segment_csvs(chain).parent.iterdir()}

    def republish(chain: Chain, as_of: date) -> None:
        with duckdb.connect(str(chain.paths.warehouse)) as con:
            con.execute("update audit.campaign_candidates set outcome = 'sent' where outcome = 'quiet_hours'")
            present = con.execute(
                "select table_name from information_schema.tables where table_schema = 'audit'"
            ).fetchall()
            tables = [spec for spec in published_tables() if (spec.name,) in present]
            publish(con, chain.paths, as_of=as_of, context=PublicationContext(), tables=tables)

    monkeypatch.setattr(feedback, "prepare", lambda *args, **more: None)
    monkeypatch.setattr(feedback, "run_dbt", lambda *args, **more: SimpleNamespace(success=True))
    monkeypatch.setattr(feedback, "publish_night", republish)
    feedback.refresh_feedback(chain)
    folder = chain.paths.exports / "segments" / "2026-01-11"
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    current = current_publication(chain.paths)
    assert current is not None
    told = json.loads(after.pop("manifest.json"))["publication_id"]
    assert told == current.publication_id != json.loads(before.pop("manifest.json"))["publication_id"]
    assert after == before


def test_without_a_publication_the_error_says_what_to_run(chain: Chain, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="linli run"):
        write_segment_csvs(replace(chain, root=tmp_path))
