"""One night's snapshot: what lands, what is marked incomplete, and when the source counts as missing."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pyarrow as pa
import pytest
from wecom_stub import Stub, contact, err, ok

from dagster_project.contracts import feeds_of
from dagster_project.sources import Night, SourceUnavailable, VendorConfigError, pull_night
from dagster_project.sources.wecom import local_time_text

BATCH = "batch/get_by_user"
PHONE = "138" + "00138000"


def batch(**by_member: Any) -> Any:
    """batch/get_by_user that answers per member: a list of items, or any other stub answer."""

    def answer(body: dict[str, Any]) -> Any:
        value = by_member[body["userid_list"][0]]
        return ok(external_contact_list=value) if isinstance(value, list) else value

    return answer


def group(chat_id: str) -> dict[str, Any]:
    return ok(
        group_chat={
            "chat_id": chat_id,
            "owner": "a",
            "create_time": 1_572_505_490,
            "member_list": [{"userid": "wm1", "type": 2, "unionid": "u", "join_time": 1_572_505_491, "join_scene": 3}],
        }
    )  # fmt: skip


@pytest.fixture
def wecom() -> Stub:
    """A healthy corp: three members, one of them without customers, one group, one message."""
    stub = Stub().on("get_follow_user_list", ok(follow_user=["c", "a", "b"]))
    stub.on(
        BATCH,
        batch(
            a=[contact("a", "wm2"), contact("a", "wm1", tag_id=["et1"], remark_mobiles=[PHONE])],
            b=[contact("b", "wm1")],
            c=err(84061),
        ),
    )
    tag = {"id": "et1", "name": "L2"}
    stub.on("get_corp_tag_list", ok(tag_group=[{"group_id": "g", "group_name": "活跃度", "tag": [tag]}]))
    stub.on("groupchat/list", ok(group_chat_list=[{"chat_id": "wr1", "status": 0}]))
    stub.on("groupchat/get", lambda body: group(body["chat_id"]))
    stub.on("get_groupmsg_task", ok(task_list=[{"userid": "a", "status": 2}]))
    sent = [
        {"external_userid": "wm2", "userid": "a", "status": 0, "send_time": 0},
        {"external_userid": "wm1", "userid": "a", "status": 1, "send_time": 1_572_505_490},
    ]
    return stub.on("get_groupmsg_send_result", ok(send_list=sent))


def pull(stub: Stub, *pending: str, timezone: str = "Asia/Shanghai") -> Night:
    return pull_night(stub.client(), timezone=timezone, pending_messages=pending)


def complete(night: Night) -> dict[str, str]:
    rows = night["snapshot_staff"].to_pylist()
    return {row["userid"]: row["complete"] for row in rows}


def relations(night: Night) -> list[tuple[str, str]]:
    return [(row["userid"], row["external_userid"]) for row in night["contacts"].to_pylist()]


class TestHealthyNight:
    def test_every_feed_has_the_contracts_columns_as_text(self, wecom: Stub) -> None:
        night = pull(wecom, "m1")
        assert set(night) == {feed.name for feed in feeds_of("wecom")}
        for feed in feeds_of("wecom"):
            assert night[feed.name].schema.names == [column.name for column in feed.columns]
            assert set(night[feed.name].schema.types) == {pa.string()}
        assert night.notes == []

    def test_rows(self, wecom: Stub) -> None:
        night = pull(wecom, "m1")
        assert night["staff"].column("userid").to_pylist() == ["a", "b", "c"]
        assert complete(night) == {"a": "Y", "b": "Y", "c": "Y"}
        assert relations(night) == [("a", "wm1"), ("a", "wm2"), ("b", "wm1")]
        assert night["contacts"].to_pylist()[0] == {
            "userid": "a",
            "external_userid": "wm1",
            "unionid": "u-wm1",
            "type": "1",
            "createtime": "2018-05-08 19:43:32",
            "add_way": "1",
            "state": "store01",
            "oper_userid": "a",
            "tag_ids": '["et1"]',
            "remark_phone_count": "1",
            "remark_name": "张三",
            "phone": PHONE,
        }
        assert night["tags"].to_pylist() == [
            {"tag_id": "et1", "group_id": "g", "tag_name": "L2", "group_name": "活跃度", "deleted": "N"}
        ]
        assert night["group_chats"].to_pylist() == [
            {"chat_id": "wr1", "owner": "a", "status": "0", "create_time": "2019-10-31 15:04:50"}
        ]
        assert night["group_members"].to_pylist()[0]["join_time"] == "2019-10-31 15:04:51"
        assert night["message_results"].to_pylist() == [
            {"msgid": "m1", "userid": "a", "external_userid": "wm1", "status": "1", "send_time": "2019-10-31 15:04:50"},
            {"msgid": "m1", "userid": "a", "external_userid": "wm2", "status": "0", "send_time": None},
        ]  # fmt: skip

    def test_of_names_and_remarks_only_what_the_door_takes_lands(self, wecom: Stub) -> None:
        night = pull(wecom, "m1")
        assert "楼下" not in "".join(str(table.to_pylist()) for table in night.values())
        night["contacts"] = night["contacts"].drop_columns(["remark_name"])
        assert "张三" not in "".join(str(table.to_pylist()) for table in night.values())

    def test_the_same_answers_give_the_same_bytes(self, wecom: Stub) -> None:
        def content(night: Night) -> list[bytes]:
            sinks = []
            for name in sorted(night):
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, night[name].schema) as writer:
                    writer.write_table(night[name])
                sinks.append(sink.getvalue().to_pybytes())
            return sinks

        assert content(pull(wecom, "m1", "m2")) == content(pull(wecom, "m2", "m1", "m1"))

    def test_each_message_is_asked_once(self, wecom: Stub) -> None:
        night = pull(wecom, "m2", "m1", "m1")
        assert [body["msgid"] for body in wecom.bodies("get_groupmsg_task")] == ["m1", "m2"]
        assert night["message_results"].num_rows == 4

    def test_a_corp_without_customers_is_an_empty_night(self) -> None:
        stub = Stub().on("get_follow_user_list", ok(follow_user=[]))
        stub.on("get_corp_tag_list", ok(tag_group=[])).on("groupchat/list", ok(group_chat_list=[]))
        night = pull(stub)
        assert {name: table.num_rows for name, table in night.items()} == dict.fromkeys(
            [feed.name for feed in feeds_of("wecom")], 0
        )
        assert night.notes == []


class TestOneMemberFails:
    @pytest.mark.parametrize(
        "fault",
        [
            *(err(code) for code in (60111, 60011, 40003, 84074, 84084, 40129, 40058, 999, -1)),
            httpx.ReadTimeout("x"),
            b"<html>",
            ok(),
            502,
            404,
            ok(external_contact_list=[{}]),
            ok(external_contact_list=[contact("b", "wm9")], next_cursor="same"),
        ],
    )
    def test_the_others_go_on(self, wecom: Stub, fault: Any) -> None:
        wecom.on(BATCH, batch(a=[contact("a", "wm1")], b=fault, c=[contact("c", "wm3")]))
        night = pull(wecom)
        assert complete(night) == {"a": "Y", "b": "N", "c": "Y"}
        assert relations(night) == [("a", "wm1"), ("c", "wm3")]
        assert len(night.notes) == 1 and " b " in night.notes[0]

    def test_a_member_read_in_part_has_no_rows(self, wecom: Stub) -> None:
        def answer(body: dict[str, Any]) -> Any:
            if body["userid_list"] != ["b"]:
                return ok(external_contact_list=[])
            if body.get("cursor"):
                return err(60111)
            return ok(external_contact_list=[contact("b", "wm1")], next_cursor="c1")

        night = pull(wecom.on(BATCH, answer))
        assert complete(night)["b"] == "N"
        assert relations(night) == []

    def test_only_rejected_members_is_still_a_night(self, wecom: Stub) -> None:
        wecom.on("get_follow_user_list", ok(follow_user=["a"])).on(BATCH, err(60111))
        assert complete(pull(wecom)) == {"a": "N"}

    def test_many_failures_make_one_note(self, wecom: Stub) -> None:
        members = [f"u{i:02d}" for i in range(30)]
        wecom.on("get_follow_user_list", ok(follow_user=members)).on(BATCH, err(60111))
        night = pull(wecom)
        assert len(night.notes) == 1
        assert "30" in night.notes[0] and "u29" not in night.notes[0]


class TestSourceFails:
    @pytest.mark.parametrize(
        "fault", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), 502, 404, b"<html>", err(-1), err(42001), ok()]
    )  # fmt: skip
    def test_nothing_can_be_read(self, wecom: Stub, fault: Any) -> None:
        with pytest.raises(SourceUnavailable) as caught:
            pull_night(
                wecom.on("get_follow_user_list", fault).client(connection="wecom_east"),
                timezone="Asia/Shanghai",
                pending_messages=[],
            )
        assert caught.value.connection == "wecom_east"
        assert caught.value.reason

    @pytest.mark.parametrize("code", [40001, 40013, 40091, 60020, 48002])
    def test_a_wrong_configuration_is_not_an_outage(self, wecom: Stub, code: int) -> None:
        with pytest.raises(VendorConfigError):
            pull(wecom.on("get_follow_user_list", err(code)))

    @pytest.mark.parametrize("code", [40001, 60020, 48002])
    def test_also_when_it_breaks_in_the_middle(self, wecom: Stub, code: int) -> None:
        with pytest.raises(VendorConfigError):
            pull(wecom.on(BATCH, err(code)))

    @pytest.mark.parametrize("fault", [httpx.ConnectError("x"), b"<html>", 404, err(45009)])
    def test_members_without_any_customers_page_are_an_outage(self, wecom: Stub, fault: Any) -> None:
        with pytest.raises(SourceUnavailable):
            pull(wecom.on(BATCH, fault))

    def test_an_outage_in_the_middle_keeps_what_was_read_and_does_not_wait_for_the_rest(
        self, wecom: Stub
    ) -> None:
        members = [f"u{i:03d}" for i in range(500)]
        wecom.on("get_follow_user_list", ok(follow_user=members))

        def answer(body: dict[str, Any]) -> Any:
            userid = body["userid_list"][0]
            return (
                ok(external_contact_list=[contact(userid, "wm1")])
                if userid < "u010"
                else httpx.ConnectError("x")
            )

        night = pull(wecom.on(BATCH, answer))
        assert list(complete(night).values()) == ["Y"] * 10 + ["N"] * 490
        assert len(relations(night)) == 10
        assert len(wecom.bodies(BATCH)) == 10 + 3 * 4
        assert "487" in "".join(night.notes)

    def test_a_long_block_stops_that_api_only(self, wecom: Stub) -> None:
        wecom.on(BATCH, batch(a=[contact("a", "wm1")], b=err(45009), c=[]))
        night = pull(wecom)
        assert complete(night) == {"a": "Y", "b": "N", "c": "N"}
        assert "tags" in night and sum(wecom.clock.slept) == 120.0


class TestOptionalFeeds:
    FAULTS = (404, err(48002), err(60011), err(-1), httpx.ConnectError("x"), b"<html>", ok())

    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize(
        ("api", "lacking"),
        [
            ("get_corp_tag_list", {"tags"}),
            ("groupchat/list", {"group_chats", "group_members"}),
            ("groupchat/get", {"group_chats", "group_members"}),
            ("get_groupmsg_task", {"message_results"}),
        ],
    )
    def test_what_cannot_be_read_is_absent_and_noted(
        self, wecom: Stub, api: str, lacking: set[str], fault: Any
    ) -> None:
        night = pull(wecom.on(api, fault), "m1")
        assert {feed.name for feed in feeds_of("wecom")} - set(night) == lacking
        assert len(relations(night)) == 3
        assert len(night.notes) == 1

    def test_one_group_fails(self, wecom: Stub) -> None:
        chats = [{"chat_id": f"wr{i}", "status": 0} for i in range(3)]
        wecom.on("groupchat/list", ok(group_chat_list=chats))
        wecom.on(
            "groupchat/get", lambda body: err(999) if body["chat_id"] == "wr1" else group(body["chat_id"])
        )
        night = pull(wecom)
        assert night["group_chats"].column("chat_id").to_pylist() == ["wr0", "wr2"]
        assert "wr1" in night.notes[0]

    def test_a_big_corp_is_asked_by_owner(self, wecom: Stub) -> None:
        wecom.on(
            "groupchat/list",
            lambda body: (
                ok(group_chat_list=[{"chat_id": "wr1", "status": 0}])
                if "owner_filter" in body
                else err(81017)
            ),
        )
        night = pull(wecom)
        assert night["group_chats"].num_rows == 1
        assert wecom.bodies("groupchat/list")[1]["owner_filter"] == {"userid_list": ["a", "b", "c"]}

    def test_results_of_one_sender_fail(self, wecom: Stub) -> None:
        wecom.on(
            "get_groupmsg_task", ok(task_list=[{"userid": "a", "status": 2}, {"userid": "b", "status": 0}])
        )
        one = {"external_userid": "wm1", "userid": "b", "status": 0}
        wecom.on(
            "get_groupmsg_send_result",
            lambda body: err(60111) if body["userid"] == "a" else ok(send_list=[one, {"chat_id": "wr1", "status": 1}]),
        )  # fmt: skip
        night = pull(wecom, "m1")
        assert [row["userid"] for row in night["message_results"].to_pylist()] == ["b"]
        assert "m1/a" in night.notes[0]


class TestTimes:
    @pytest.mark.parametrize(
        ("seconds", "zone", "expected"),
        [
            (1_525_779_812, "Asia/Shanghai", "2018-05-08 19:43:32"),
            (1_525_779_812, "Asia/Urumqi", "2018-05-08 17:43:32"),
            (1_525_779_812, "UTC", "2018-05-08 11:43:32"),
            (1_262_304_000, "UTC", "2010-01-01 00:00:00"),
            (1_262_303_999, "UTC", None),
            (4_102_444_799, "UTC", "2099-12-31 23:59:59"),
            (4_102_444_800, "UTC", None),
            (1_525_779_812_000, "UTC", None),
            (-1, "UTC", None),
        ],
    )
    def test_text(self, seconds: int, zone: str, expected: str | None) -> None:
        assert local_time_text(seconds, ZoneInfo(zone)) == expected

    def test_implausible_times_are_emptied_and_counted(self, wecom: Stub) -> None:
        rows = [
            contact("a", "wm1", createtime=1_525_779_812_000),
            contact("a", "wm2", createtime=0),
            contact("a", "wm3", createtime="1525779812"),
        ]
        night = pull(wecom.on(BATCH, batch(a=rows, b=[], c=[])))
        assert night["contacts"].column("createtime").to_pylist() == [None, None, "2018-05-08 19:43:32"]
        assert len(night.notes) == 1 and night.notes[0].startswith("1 ")
