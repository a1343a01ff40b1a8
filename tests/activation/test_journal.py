"""The journal's file: what a kill leaves readable, and what is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from push_world import D

from dagster_project.lake.feedback import (
    PUSH_EVENTS,
    JournalError,
    PushJournal,
    journal_path,
    load_push_events,
)


def event(message_id: str, state: str = "intent", **more: Any) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "campaign_id": "l2",
        "business_date": D.isoformat(),
        "member_id": "会员\n1",
        "target": "wecom",
        "action": "message",
        "attempt": 1,
        "state": state,
        "vendor_code": None,
        "vendor_ref": None,
        "payload_sha256": "0" * 64,
        "at": "2026-11-21 10:00:00",
        "task": None,
        "sender": None,
        "receiver": None,
        **more,
    }


def test_every_cut_of_the_last_line_loads_and_is_repaired(tmp_path: Path) -> None:
    path = journal_path(tmp_path, D, "l2")
    with PushJournal(path) as journal:
        journal.append([event("a"), event("b")])
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole)):
        path.write_bytes(whole[:cut])
        assert load_push_events(tmp_path)["message_id"].to_pylist() == ["a"]
        if cut % 40 == 0:
            with PushJournal(path) as journal:
                journal.append([event("c")])
            assert load_push_events(tmp_path).select(["message_id", "seq"]).to_pylist() == [
                {"message_id": "a", "seq": 1},
                {"message_id": "c", "seq": 2},
            ]


def test_columns_and_types_are_those_of_the_ops_table(tmp_path: Path) -> None:
    assert load_push_events(tmp_path).schema == PUSH_EVENTS
    with PushJournal(journal_path(tmp_path, D, "l2")) as journal:
        journal.append([event("a", more="of a later release")])
    with PushJournal(journal_path(tmp_path, date(2026, 11, 21), "l2")) as journal:
        journal.append([event("b", business_date="2026-11-21")])
    assert load_push_events(tmp_path).schema == PUSH_EVENTS
    assert load_push_events(tmp_path)["member_id"].to_pylist() == ["会员\n1", "会员\n1"]
    assert load_push_events(tmp_path, D)["message_id"].to_pylist() == ["a"]


@pytest.mark.parametrize("bad", [b"not json", b'{"message_id":"x"}', b"", b"[]", b"\xff\xfe"])
def test_a_spoilt_line_is_named_and_stops_everything(tmp_path: Path, bad: bytes) -> None:
    path = journal_path(tmp_path, D, "l2")
    with PushJournal(path) as journal:
        journal.append([event("a"), event("b")])
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], bad, lines[1], b""]))
    if not bad:  # an empty line says nothing, so nothing is lost
        assert load_push_events(tmp_path).num_rows == 2
        return
    with pytest.raises(JournalError, match=r"l2\.jsonl:2 "):
        load_push_events(tmp_path)
