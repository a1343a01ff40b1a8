"""What calls changed in the corp: tags put on relations, new tags, remarks, bulk messages. It survives a kill.

Every change is one line appended to `state.journal.jsonl` before the vendor answers; a clean stop folds the journal
into `state.json`. A process that dies between the two loses nothing: the next start reads both, and a line whose
number the snapshot already has is skipped.
"""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any, BinaryIO

from dagster_project.lang import tr
from dagster_project.sandbox.errors import SandboxError

FORMAT = 2
Change = dict[str, Any]


def edge_name(userid: str, external_userid: str) -> str:
    return f"{userid}|{external_userid}"


class State:
    """Mutable facts of one corp, kept in the folder of `path`. Not for two processes at once: the journal is locked.

    `tag_groups`: groups and tags made by calls, `{group_id: {group_name, create_time, order, tags: [...]}}` (a group
    of the world appears here too when a tag was added to it). `edge_tags`: `{"userid|external": [[at, tag, on]]}`,
    changes relative to the world. `remarks`: `{"userid|external": [[at, fields]]}`. `messages`: bulk message tasks in
    order of creation. Every change keeps its instant (Unix seconds), so that a clock set back hides it again.
    """

    def __init__(self, path: Path, corp_id: str) -> None:
        self.path = path
        self.corp_id = corp_id
        self.seq = 0
        self.tag_groups: dict[str, dict[str, Any]] = {}
        self.edge_tags: dict[str, list[tuple[int, str, bool]]] = {}
        self.remarks: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self.messages: dict[str, dict[str, Any]] = {}
        self.received: dict[
            str, list[tuple[str, str]]
        ] = {}  # customer or chat → (msgid, sender) of its tasks
        path.parent.mkdir(parents=True, exist_ok=True)
        self._journal: BinaryIO = (path.parent / "state.journal.jsonl").open("a+b")
        try:
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._journal.close()
            raise SandboxError(
                tr(
                    f"{path.parent}：另一个沙箱正在使用这个目录，先停掉它",
                    f"{path.parent}: another sandbox uses this folder; stop it first",
                )
            ) from error
        try:
            self._read_snapshot()
            self._replay()
        except BaseException:
            self._journal.close()
            raise

    # reading back

    def _read_snapshot(self) -> None:
        if not self.path.exists():
            return
        try:
            saved = json.loads(self.path.read_bytes())
            if saved["format"] != FORMAT:
                raise ValueError(f"format {saved['format']}")
            corp_id = saved["corp_id"]
            self.seq = saved["seq"]
            self.tag_groups = saved["tag_groups"]
            self.edge_tags = saved["edge_tags"]
            self.remarks = saved["remarks"]
            self.messages = {}
            for message in saved["messages"]:
                self._add_message(message)
        except (ValueError, KeyError, TypeError) as error:
            raise SandboxError(
                tr(
                    f"{self.path}：读不懂（{error}）；删掉它就从空白状态开始",
                    f"{self.path}: unreadable ({error}); delete it to start blank",
                )
            ) from error
        if corp_id != self.corp_id:
            raise SandboxError(
                tr(
                    f"{self.path}：属于企业 {corp_id}，而世界文件是 {self.corp_id}",
                    f"{self.path}: belongs to corp {corp_id}, the world is {self.corp_id}",
                )
            )

    def _replay(self) -> None:
        self._journal.seek(0)
        good = 0
        for line in self._journal:
            try:
                change = json.loads(line)
            except ValueError:
                break  # the line a kill cut short: its call was never answered
            if not line.endswith(b"\n"):
                break
            good += len(line)
            if change["seq"] > self.seq:
                self._apply(change)
                self.seq = change["seq"]
        self._journal.truncate(good)
        self._journal.seek(0, 2)

    # changing

    def commit(self, change: Change) -> None:
        """Writes the change down, then makes it. `change["kind"]`: tag_group, edge_tags, remark, message."""
        record = {"seq": self.seq + 1, **change}
        self._journal.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        self._journal.flush()
        self._apply(record)
        self.seq += 1

    def _apply(self, change: Change) -> None:
        kind = change["kind"]
        if kind == "tag_group":
            group = self.tag_groups.setdefault(
                change["group_id"],
                {
                    "group_name": change["group_name"],
                    "create_time": change["create_time"],
                    "order": change["order"],
                    "tags": [],
                },
            )
            _put_first(group, change["create_time"])
            made = {tag["id"]: tag for tag in group["tags"]}
            for tag in change["tags"]:
                if tag["id"] in made:
                    _put_first(made[tag["id"]], tag["create_time"])
                else:
                    group["tags"].append(tag)
        elif kind == "edge_tags":
            changes = self.edge_tags.setdefault(change["edge"], [])
            changes.extend((change["at"], tag, True) for tag in change["add"])
            changes.extend((change["at"], tag, False) for tag in change["remove"])
            changes.sort(key=lambda each: each[0])
        elif kind == "remark":
            writings = self.remarks.setdefault(change["edge"], [])
            writings.append((change["at"], change["fields"]))
            writings.sort(key=lambda each: each[0])
        elif kind == "message":
            self._add_message(change["message"])
        else:
            raise SandboxError(f"{self.path}: unknown change {kind}")

    def _add_message(self, message: dict[str, Any]) -> None:
        self.messages[message["msgid"]] = message
        for sender, targets in message["targets"].items():
            for target in targets:
                self.received.setdefault(target, []).append((message["msgid"], sender))

    # stopping

    def close(self) -> None:
        """Folds the journal into the snapshot (written whole, then renamed) and frees the folder."""
        if self._journal.closed:
            return
        body = {
            "format": FORMAT,
            "corp_id": self.corp_id,
            "seq": self.seq,
            "tag_groups": self.tag_groups,
            "edge_tags": self.edge_tags,
            "remarks": self.remarks,
            "messages": list(self.messages.values()),
        }
        draft = self.path.with_suffix(".json.part")
        draft.write_text(
            json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
        draft.replace(self.path)
        self._journal.truncate(0)
        self._journal.close()


def _put_first(record: dict[str, Any], create_time: int) -> None:
    """A clock set back may make a tag again, earlier: it is the same tag, as old as its first making."""
    record["create_time"] = min(record["create_time"], create_time)
