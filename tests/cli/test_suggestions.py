"""`linli suggestions`: lists what waits, writes decisions behind what is there, refuses what would spoil the file."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from dagster_project.cli import suggestions as command
from dagster_project.config import load_chain
from dagster_project.reports.decisions import waiting_decisions
from tests.publications import open_audit, publish_audit

NIGHT = date(2026, 1, 3)


@pytest.fixture
def published(chain_dir: Path) -> Path:
    """Three pairs, one of them decided on an earlier night."""
    with duckdb.connect(str(chain_dir / "warehouse.duckdb")) as con:
        open_audit(con, NIGHT)
        con.execute(
            "create table audit.members as select * from (values"
            " ('a', '138****8000', 'S1', date '2026-01-02', true, false, false),"
            " ('b', null, null, null, false, true, true), ('c', '139****0000', 'S2', null, false, true, false))"
            " as m(member_id, phone_masked, home_store_code, last_purchase_on, has_pos, has_groupbuy, has_wecom)"
        )
        con.execute(
            "create table audit.identity_suggestions as select * from (values"
            " ('id1', 'a', 'b', 0.91, 'masked_phone,rare_name', 'pos_main|members|M1', 'group_main|users|x|o', null, null),"
            " ('id2', 'a', 'c', 0.97, 'common_name,same_store', 'pos_main|members|M1', 'group_main|orders|\"G\"', null, null),"
            " ('id3', 'b', 'c', 0.99, 'same_items', 'group_main|users|x|o', 'group_main|orders|\"G\"', 'different', 'X'))"
            " as s(suggestion_id, member_id_a, member_id_b, match_probability, reasons, record_a, record_b, decision, decided_by)"
        )
        con.execute("alter table audit.identity_suggestions alter match_probability type double")
        for column in ("decision", "decided_by"):
            con.execute(f"alter table audit.identity_suggestions alter {column} type varchar")
        paths = load_chain(chain_dir, resolve_secrets=False).paths
        publish_audit(con, paths, NIGHT, ["identity_suggestions", "members"])
    return chain_dir


def call(root: Path, *options: str) -> Result:
    return CliRunner().invoke(command.suggestions, ["--chain", str(root), *options])


def rules(root: Path) -> Path:
    return root / "rules" / "identity_decisions.yml"


def test_what_waits_is_listed_masked_and_the_likeliest_first(published: Path) -> None:
    output = call(published).output.splitlines()
    assert [line.split()[0] for line in output if not line.startswith(" ")] == ["id2", "id1"]
    assert "97.0%" in output[0] and "同名（常见）、同一门店" in output[0]
    assert output[1].split() == ["138****8000", "S1", "门店", "最近消费", "2026-01-02", "pos_main|members|M1"]
    assert output[5].split() == ["无手机号", "–", "团购+企微", "没有消费", "group_main|users|x|o"]
    assert "另有 1 对" in call(published, "--limit", "1").output


def test_a_decision_is_appended_comments_and_all_and_then_no_longer_listed(published: Path) -> None:
    path = rules(published)
    before = path.read_text("utf-8")
    assert call(published, "--accept", "id2", "--by", "店长A", "--why", '她说: "是我"').exit_code == 0
    assert call(published, "--reject", "id1").exit_code == 0
    after = path.read_text("utf-8")
    assert after.startswith(before) and not (path.parent / f".{path.name}.part").exists()
    same, different = load_chain(published).rules.identity_decisions
    assert (same.decision, same.by, same.why) == ("same", "店长A", '她说: "是我"')
    # what is published changes on the night that follows, by an event
    assert same.since == different.since == NIGHT + timedelta(days=1)
    assert {str(same.record_a), str(same.record_b)} == {"pos_main|members|M1", 'group_main|orders|"G"'}
    assert (different.decision, different.by) == ("different", None)
    assert different.line == len(after.splitlines()) - 1
    assert "没有等待裁定的建议" in call(published).output


@pytest.mark.parametrize(
    "old",
    [
        "",
        "# only a note",
        '  - same: ["pos_main|members|M7", "pos_main|members|M8"]   # indented\n',
        '- same: ["pos_main|members|M7", "pos_main|members|M8"]\r\n  why: x\r\n',
        '- different:\n  - "pos_main|members|M7"\n  - "pos_main|members|M8"',
    ],
)
def test_the_files_own_way_of_writing_is_kept(published: Path, old: str) -> None:
    rules(published).write_bytes(old.encode())
    known = len(load_chain(published).rules.identity_decisions)
    result = call(published, "--accept", "id1", "--why", "x")
    assert result.exit_code == 0, result.output
    new = rules(published).read_bytes().decode()
    assert new.startswith(old) and new.count("\r\n") in (0, new.count("\n"))
    decisions = load_chain(published).rules.identity_decisions
    assert len(decisions) == known + 1
    assert (
        result.output.split("：")[0].split("，")[0].endswith(f"identity_decisions.yml:{decisions[-1].line}")
    )


def test_a_missing_file_is_made(published: Path) -> None:
    rules(published).unlink()
    assert call(published, "--reject", "id1").exit_code == 0
    assert [d.decision for d in load_chain(published).rules.identity_decisions] == ["different"]


@pytest.mark.parametrize(
    ("old", "options", "told"),
    [
        ("# x\n", ["--accept", "nobody"], "没有建议"),
        ("# x\n", ["--accept", "id1", "--reject", "id1"], "只能写一个"),
        ("# x\n", ["--accept", "id1", "--why", "电话 13800138000"], "手机号"),
        ("# x\n", ["--accept", "id1", "--by", "138 0013 8000"], "手机号"),
        ('- same: ["group_main|users|x|o", "pos_main|members|M1"]\n', ["--reject", "id1"], "yml:1 已经裁定"),
        ('[{same: ["pos_main|members|M7", "pos_main|members|M8"]}]\n', ["--accept", "id1"], "手工加"),
    ],
)
def test_what_cannot_be_written_leaves_the_file_alone(
    published: Path, old: str, options: list[str], told: str
) -> None:
    rules(published).write_text(old, "utf-8")
    result = call(published, *options)
    assert result.exit_code != 0 and told in result.output
    assert rules(published).read_text("utf-8") == old


def test_a_decision_on_a_record_that_nobody_has_seen_is_noted_with_its_line(published: Path) -> None:
    with duckdb.connect(str(published / "warehouse.duckdb")) as con:
        con.execute(
            "create table audit.record_members as select * from (values ('pos_main', 'members', 'M1', 'a', 'member_ref'),"
            " ('group_main', 'users', 'x|o', null, 'none')) as r(connection, feed, record_id, member_id, basis)"
        )
        paths = load_chain(published, resolve_secrets=False).paths
        publish_audit(con, paths, NIGHT, ["identity_suggestions", "members", "record_members"])
    known, lost = (
        "[pos_main|members|M1, 'group_main|users|x|o']",
        "[pos_main|members|M1, pos_main|members|M9]",
    )
    rules(published).write_text(f"- same: {known}\n- different: {lost}\n", "utf-8")
    [note] = [line for line in call(published).output.splitlines() if "提示" in line]
    assert "identity_decisions.yml:2 [different]" in note and "还没有 pos_main|members|M9，" in note
    assert waiting_decisions(load_chain(published)) and "M1" not in note


def test_every_reason_has_words(published: Path) -> None:
    from dagster_project.identity.suggestions import REASONS

    assert set(command._words()) == set(REASONS)


def test_a_chain_without_splink_is_told_how_to_get_it(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    for name in ("id1", "id2"):
        assert call(published, "--reject", name).exit_code == 0
    assert "splink>=5.0" in call(published).output
