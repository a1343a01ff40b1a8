"""The client against the sandbox over real HTTP: two readings of the vendor's documents have to meet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dagster_project.sandbox import running_sandbox
from dagster_project.sources import WecomClient, pull_night

NOW = 1_760_000_400  # 2025-10-09 17:00 in Beijing


def world() -> dict[str, Any]:
    def follow(userid: str, **more: Any) -> dict[str, Any]:
        return {"userid": userid, "createtime": NOW - 86_400, "add_way": 1, "oper_userid": userid, **more}

    contacts = [
        {"external_userid": f"wm{i:04d}", "name": "邻居", "type": 1, "gender": 0, "unionid": f"o{i}", "follow": [follow("amy")]}
        for i in range(230)
    ]  # fmt: skip
    contacts[0]["follow"] = [
        follow("amy", tag_id=["et1"], remark_mobiles=["138 0013 8000"], state="store01"),
        follow("ben"),
    ]
    return {
        "corp_id": "demo",
        "staff": ["amy", "ben", "cat"],
        "contacts": contacts,
        "tag_groups": [
            {"group_id": "g1", "group_name": "活跃度", "tags": [{"id": "et1", "name": "活跃", "create_time": NOW - 9}]}
        ],
        "group_chats": [
            {
                "chat_id": "wr1",
                "name": "一号店群",
                "owner": "amy",
                "status": 0,
                "create_time": NOW - 99,
                "members": [
                    {"userid": "amy", "type": 1, "join_time": NOW - 99, "join_scene": 1, "name": "amy"},
                    {"userid": "wm0000", "type": 2, "join_time": NOW - 9, "join_scene": 3, "name": "邻居"},
                ],
            }
        ],
    }  # fmt: skip


def test_one_night_and_one_push(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    path.write_text(json.dumps(world(), ensure_ascii=False), encoding="utf-8")
    with (
        running_sandbox(path, clock=NOW) as sandbox,
        WecomClient(sandbox.base_url, "demo", "demo") as client,
    ):
        night = pull_night(client, timezone="Asia/Shanghai", pending_messages=[])
        assert night.notes == []
        assert set(night["snapshot_staff"].column("complete").to_pylist()) == {"Y"}
        assert night["contacts"].num_rows == 231
        first = night["contacts"].to_pylist()[0]
        assert (first["tag_ids"], first["remark_phone_count"], first["createtime"]) == (
            '["et1"]',
            "1",
            "2025-10-08 17:00:00",
        )
        assert night["group_members"].num_rows == 2

        tags = client.add_corp_tag("活跃度", ["活跃", "L2 唤回"])
        assert tags["活跃"] == "et1"
        client.mark_tag("ben", "wm0000", add=[tags["L2 唤回"]])
        created = client.add_msg_template("amy", ["wm0001", "wm0002"], "今天的菜很新鲜")
        listed = client.groupmsg_list(NOW - 60, NOW + 60)
        assert [message.msgid for message in listed] == [created.msgid]

        night = pull_night(client, timezone="Asia/Shanghai", pending_messages=[created.msgid])
        assert night.notes == []
        marked = {(row["userid"], row["external_userid"]): row for row in night["contacts"].to_pylist()}
        assert marked["ben", "wm0000"]["tag_ids"] == json.dumps([tags["L2 唤回"]])
        results = night["message_results"].to_pylist()
        assert [(row["external_userid"], row["status"]) for row in results] == [
            ("wm0001", "0"),
            ("wm0002", "0"),
        ]
