"""What calls changed survives a clean stop, a kill and a line cut short."""

from __future__ import annotations

import json
import shutil

import pytest

from dagster_project.lang import LANGUAGE
from dagster_project.sandbox import SandboxError, running_sandbox
from dagster_project.sandbox.state import State
from dagster_project.sandbox.world import load_world

EDGE = {"userid": "amy", "external_userid": "wm0005"}


def use(call):
    """Changes everything a call can change; returns what to look for."""
    tag = call.ok("add_corp_tag", group_name="流失", tag=[{"name": "L1"}])["tag_group"]["tag"][0]["id"]
    call.ok("mark_tag", **EDGE, add_tag=[tag, "et-active"])
    call.ok("mark_tag", **EDGE, remove_tag=["et-active"])
    call.ok("remark", **EDGE, remark="新备注")
    msgid = call.ok("add_msg_template", sender="amy", external_userid=["wm0005"], text={"content": "x"})[
        "msgid"
    ]
    return tag, msgid


def check(call, tag, msgid):
    shown = call.ok("get", external_userid="wm0005")["follow_user"][0]
    assert [each["tag_id"] for each in shown["tags"]] == [tag]
    assert shown["remark"] == "新备注"
    assert call.ok("get_groupmsg_task", msgid=msgid)["task_list"][0]["userid"] == "amy"


def test_a_clean_stop_and_a_start(make_caller, world_file):
    call = make_caller()
    expected = use(call)
    again = make_caller()  # closes the one before
    check(again, *expected)
    folder = world_file.parent
    again.state.close()
    before = (folder / "state.json").read_bytes()
    assert (folder / "state.journal.jsonl").read_bytes() == b""
    make_caller().state.close()
    assert (folder / "state.json").read_bytes() == before  # nothing called, nothing changed


def test_a_kill_loses_nothing_that_was_answered(make_caller, world_file, tmp_path):
    call = make_caller()
    expected = use(call)
    # what a killed process leaves: no snapshot, the journal, and a line it was writing
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    shutil.copy(world_file, crashed)
    journal = (world_file.parent / "state.journal.jsonl").read_bytes()
    (crashed / "state.journal.jsonl").write_bytes(journal + b'{"seq":99,"kind":"mes')
    open_again = type(call)
    after = open_again(crashed / "wecom_world.json")
    check(after, *expected)
    assert after.ok("remark", **EDGE, remark="再改")  # and goes on after the cut line
    after.state.close()
    third = open_again(crashed / "wecom_world.json")
    assert third.ok("get", external_userid="wm0005")["follow_user"][0]["remark"] == "再改"
    third.state.close()


def test_a_kill_between_snapshot_and_emptying_the_journal_applies_once(make_caller, world_file):
    call = make_caller()
    use(call)
    folder = world_file.parent
    journal = (folder / "state.journal.jsonl").read_bytes()
    call.state.close()
    (folder / "state.journal.jsonl").write_bytes(journal)
    again = make_caller()
    assert len(again.state.messages) == 1
    assert len(again.state.tag_groups) == 1
    assert [len(group["tags"]) for group in again.state.tag_groups.values()] == [1]


def test_one_sandbox_per_folder(world_file):
    with (
        running_sandbox(world_file),
        pytest.raises(SandboxError, match="另一个沙箱"),
        running_sandbox(world_file),
    ):
        pass


def test_state_of_another_corp_or_unreadable_is_refused(world_file, tmp_path):
    State(tmp_path / "a" / "state.json", "other").close()
    with pytest.raises(SandboxError, match="other"):
        State(tmp_path / "a" / "state.json", "demo")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "state.json").write_text("{}")
    with pytest.raises(SandboxError, match=r"b/state\.json"):
        State(tmp_path / "b" / "state.json", "demo")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "没有这个文件"),
        ('{"corp_id": "demo",', "第 1 行第 20 列"),
        ('{"staff": []}', "corp_id"),
        ('{"corp_id": "demo", "staff": [], "contacts": [{"name": "x"}]}', "external_userid"),
        (
            '{"corp_id": "demo", "staff": [], "contacts": [{"external_userid": "wm1", "follow": [{"userid": "amy"}]}]}',
            "wm1",
        ),
        ("[]", "内容不合规"),
    ],
)
def test_a_wrong_world_file_says_what_is_wrong(tmp_path, text, says):
    path = tmp_path / "wecom_world.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SandboxError, match=says) as caught:
        load_world(path)
    assert str(path) in str(caught.value)


def test_errors_follow_the_language(tmp_path):
    token = LANGUAGE.set("en")
    try:
        with pytest.raises(SandboxError, match="no such file"):
            load_world(tmp_path / "none.json")
    finally:
        LANGUAGE.reset(token)


def test_the_snapshot_is_plain_json(make_caller, world_file):
    call = make_caller()
    use(call)
    call.state.close()
    saved = json.loads((world_file.parent / "state.json").read_text(encoding="utf-8"))
    assert sorted(saved) == ["corp_id", "edge_tags", "format", "messages", "remarks", "seq", "tag_groups"]
