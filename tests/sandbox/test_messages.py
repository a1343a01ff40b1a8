"""Group chats, and bulk messages from the task to what became of each customer."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import pytest

from dagster_project.sandbox import Delivery
from dagster_project.sandbox.clock import BEIJING, beijing_day, to_unix
from dagster_project.sandbox.delivery import confirmed_at

DAY = 86_400
NOW = 1_760_000_400
ALWAYS = Delivery(never=0, not_a_friend=0, capped=0)
TEXT = {"text": {"content": "满50减8，今天有效"}}


def results(call, msgid, userid="amy", limit=1000):
    return call.pages("get_groupmsg_send_result", "send_list", msgid=msgid, userid=userid, limit=limit)


def test_group_chats_page_and_filter(call):
    chats = call.pages("groupchat/list", "group_chat_list", limit=2)
    assert [chat["chat_id"] for chat in chats] == [f"wr{number}" for number in range(7)]
    assert chats[3] == {"chat_id": "wr3", "status": 3}
    amys = call.ok("groupchat/list", limit=1000, owner_filter={"userid_list": ["amy"]})["group_chat_list"]
    assert [chat["chat_id"] for chat in amys] == ["wr1", "wr3", "wr5"]
    ones = call.ok("groupchat/list", limit=1000, status_filter=1)["group_chat_list"]
    assert [chat["chat_id"] for chat in ones] == ["wr1", "wr5"]
    assert call.code("groupchat/list") == 40063
    assert call.code("groupchat/list", limit=1001) == 40058
    assert call.code("groupchat/list", limit=10, owner_filter={"userid_list": ["amy"] * 101}) == 40058


def test_group_chat_members(call):
    chat = call.ok("groupchat/get", chat_id="wr1", need_name=1)["group_chat"]
    assert (chat["owner"], chat["name"]) == ("amy", "1号群")
    assert [member["userid"] for member in chat["member_list"]] == ["amy", "wm0000"]  # wm0001 comes tomorrow
    staff, guest = chat["member_list"]
    assert "invitor" not in staff
    assert "unionid" not in staff
    assert (guest["unionid"], guest["invitor"], guest["name"]) == ("o-first", {"userid": "amy"}, "王阿姨")
    bare = call.ok("groupchat/get", chat_id="wr1")["group_chat"]["member_list"]
    assert all("name" not in member for member in bare)
    call.at(NOW + 2 * DAY)
    later = call.ok("groupchat/get", chat_id="wr1")["group_chat"]
    assert len(later["member_list"]) == 3
    assert later["member_version"] != chat["member_version"]
    assert call.code("groupchat/get", chat_id="wr-none") == 40050
    call.at(NOW)
    assert call.code("groupchat/get", chat_id="wr-tomorrow") == 40050


def test_a_task_is_not_a_delivery(make_caller):
    call = make_caller(delivery=ALWAYS)
    made = call.ok(
        "add_msg_template", chat_type="single", sender="amy", external_userid=["wm0000", "wm0001"], **TEXT
    )
    assert made["fail_list"] == []
    msgid = made["msgid"]
    assert call.ok("get_groupmsg_task", msgid=msgid)["task_list"] == [{"userid": "amy", "status": 0}]
    assert results(call, msgid) == [
        {"external_userid": external, "userid": "amy", "status": 0} for external in ("wm0000", "wm0001")
    ]
    at = confirmed_at(call.state.messages[msgid], "amy", ALWAYS)
    call.at(at - 1)
    assert {row["status"] for row in results(call, msgid)} == {0}
    call.at(at)
    assert call.ok("get_groupmsg_task", msgid=msgid)["task_list"] == [
        {"userid": "amy", "status": 2, "send_time": at}
    ]
    assert [(row["status"], row["send_time"]) for row in results(call, msgid)] == [(1, at), (1, at)]
    assert call.code("get_groupmsg_send_result", msgid="msg-none", userid="amy") == 41047
    assert call.code("get_groupmsg_send_result", userid="amy") == 41046
    assert call.code("get_groupmsg_task", msgid="msg-none") == 41047


def test_fail_list_and_refusals(call):
    def send(**args):
        return call("add_msg_template", **{"chat_type": "single", "sender": "ben", **TEXT, **args})

    mixed = send(external_userid=["wm0000", "wm0100", "wm-unknown"])  # wm0100 is amy's
    assert (mixed["errcode"], mixed["fail_list"]) == (0, ["wm0100", "wm-unknown"])
    none = send(external_userid=["wm0100"])
    assert (none["errcode"], none["fail_list"]) == (41048, ["wm0100"])
    assert "msgid" not in none
    assert send(external_userid=["wm-unknown"])["errcode"] == 40096
    assert send(external_userid=[], sender="")["errcode"] == 40063
    assert send(external_userid=["wm0000"], sender="nobody")["errcode"] == 40003
    assert send(external_userid=["wm0000"] * 10_001)["errcode"] == 40058
    assert send(external_userid=["wm0000"], text={"content": ""})["errcode"] == 44004
    assert send(external_userid=["wm0000"], text={"content": "字" * 1334})["errcode"] == 45002
    image = {"msgtype": "image", "image": {"media_id": "m"}}
    assert send(external_userid=["wm0000"], attachments=[image] * 10)["errcode"] == 41064
    assert send(external_userid=["wm0000"], attachments=[{"msgtype": "image"}])["errcode"] == 41065
    assert send(external_userid=["wm0000"], chat_type="broadcast")["errcode"] == 40058
    assert send(external_userid=["wm0000"], text={}, attachments=[image])["errcode"] == 0


def test_the_same_payload_twice_is_two_tasks_with_known_ids(make_caller, world_file):
    payload = {"chat_type": "single", "sender": "amy", "external_userid": ["wm0000"], **TEXT}
    call = make_caller()
    first, second = (call.ok("add_msg_template", **payload)["msgid"] for _ in range(2))
    assert first != second
    other = call.ok("add_msg_template", **payload | {"sender": "ben"})["msgid"]
    assert other not in (first, second)
    call.state.close()
    (world_file.parent / "state.json").unlink()
    fresh = make_caller()
    assert [fresh.ok("add_msg_template", **payload)["msgid"] for _ in range(2)] == [first, second]


def test_without_sender_a_customer_goes_to_one_member(call):
    msgid = call.ok("add_msg_template", external_userid=["wm0000", "wm0100"], **TEXT)["msgid"]
    tasks = call.ok("get_groupmsg_task", msgid=msgid)["task_list"]
    assert [task["userid"] for task in tasks] == ["amy", "ben"]
    assert [row["external_userid"] for row in results(call, msgid, "ben")] == ["wm0000"]  # ben added last
    assert [row["external_userid"] for row in results(call, msgid, "amy")] == ["wm0100"]


def test_sender_alone_means_all_customers_and_tags_narrow(call):
    everyone = call.ok("add_msg_template", sender="amy", **TEXT)["msgid"]
    assert len(results(call, everyone)) == 230
    tagged = {"group_list": [{"tag_list": ["et-active"]}]}
    few = call.ok("add_msg_template", sender="amy", tag_filter=tagged, **TEXT)["msgid"]
    assert [row["external_userid"] for row in results(call, few)] == ["wm0000"]
    unknown = {"group_list": [{"tag_list": ["et-unknown"]}]}
    assert call.code("add_msg_template", sender="amy", tag_filter=unknown, **TEXT) == 40068


def test_group_messages_go_to_the_senders_chats(make_caller):
    call = make_caller(delivery=ALWAYS)
    made = call.ok("add_msg_template", chat_type="group", sender="amy", chat_id_list=["wr1", "wr2"], **TEXT)
    assert made["fail_list"] == ["wr2"]
    assert results(call, made["msgid"]) == [{"chat_id": "wr1", "userid": "amy", "status": 0}]
    call.at(NOW + 2 * DAY)
    assert [row["status"] for row in results(call, made["msgid"])] == [1]
    assert call.code("add_msg_template", chat_type="group", **TEXT) == 41009


def test_results_page_completely(call):
    msgid = call.ok("add_msg_template", sender="amy", **TEXT)["msgid"]
    rows = results(call, msgid, limit=33)
    assert len({row["external_userid"] for row in rows}) == len(rows) == 230
    too_many = call.ok("get_groupmsg_send_result", msgid=msgid, userid="amy", limit=5000)
    assert len(too_many["send_list"]) == 230  # read as the default of 500


def test_most_arrive_some_do_not_and_asking_twice_agrees(make_caller):
    call = make_caller(delivery=Delivery(never=0, not_a_friend=0.1, capped=0.1))
    msgid = call.ok("add_msg_template", sender="amy", **TEXT)["msgid"]
    call.at(NOW + 2 * DAY)
    rows = results(call, msgid)
    assert rows == results(call, msgid)
    counts = Counter(row["status"] for row in rows)
    assert counts[1] > 150
    assert set(counts) == {1, 2, 3}
    assert all(("send_time" in row) == (row["status"] == 1) for row in rows)


def test_some_members_never_send(make_caller):
    call = make_caller(delivery=Delivery(never=1))
    msgid = call.ok("add_msg_template", sender="amy", **TEXT)["msgid"]
    call.at(NOW + 30 * DAY)
    assert call.ok("get_groupmsg_task", msgid=msgid)["task_list"] == [{"userid": "amy", "status": 0}]
    assert {row["status"] for row in results(call, msgid)} == {0}


def test_a_customer_gets_one_bulk_message_a_day(make_caller):
    call = make_caller(delivery=ALWAYS)
    start = to_unix(datetime(2025, 10, 9, 10, 0, tzinfo=BEIJING))
    call.at(start)
    first, second = (
        call.ok("add_msg_template", sender="amy", external_userid=["wm0000"], **TEXT)["msgid"]
        for _ in range(2)
    )
    call.at(start + DAY)
    third = call.ok("add_msg_template", sender="amy", external_userid=["wm0000"], **TEXT)["msgid"]
    call.at(start + 3 * DAY)
    statuses = {msgid: results(call, msgid)[0]["status"] for msgid in (first, second, third)}
    assert sorted((statuses[first], statuses[second])) == [1, 3]
    assert statuses[third] == 1


def test_a_customer_who_left_before_the_member_pressed_send(make_caller):
    call = make_caller(delivery=ALWAYS)
    call.at(NOW - DAY - 60)  # one minute before the relation ends
    msgid = call.ok("add_msg_template", sender="amy", external_userid=["wm-gone"], **TEXT)["msgid"]
    call.at(NOW + DAY)
    assert [row["status"] for row in results(call, msgid)] == [2]


@pytest.mark.parametrize("hour", [2, 8, 20, 23])
def test_members_press_send_in_working_hours(hour):
    created = beijing_day(NOW) * DAY - 8 * 3600 + hour * 3600
    for number in range(50):
        at = confirmed_at({"msgid": f"m{number}", "create_time": created}, "amy", ALWAYS)
        assert created < at < created + 2 * DAY
        assert 9 <= (at + 8 * 3600) % DAY // 3600 < 21


def test_message_records(call):
    msgids = [
        call.ok("add_msg_template", sender="amy", external_userid=["wm0000"], text={"content": f"第{n}条"})[
            "msgid"
        ]
        for n in range(5)
    ]
    span = {"start_time": NOW - DAY, "end_time": NOW + DAY}
    records = call.pages("get_groupmsg_list_v2", "group_msg_list", **span, limit=2)
    assert sorted(record["msgid"] for record in records) == sorted(msgids)
    assert {record["create_type"] for record in records} == {0}
    assert records[0]["text"]["content"].startswith("第")

    def count(**args):
        return len(call.ok("get_groupmsg_list_v2", **span | args)["group_msg_list"])

    assert count(creator="amy") == 5
    assert count(creator="ben") == 0
    assert count(chat_type="group") == 0
    assert count(filter_type=1) == 0
    assert count(end_time=NOW - 1) == 0
    assert call.code("get_groupmsg_list_v2", start_time=NOW, end_time=NOW + 40 * DAY) == 40058
    assert call.code("get_groupmsg_list_v2", start_time=NOW) == 40063
    call.at(NOW - 60)
    assert call.code("get_groupmsg_task", msgid=msgids[0]) == 41047  # made later than the clock
