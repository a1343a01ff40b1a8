"""The WeCom client: envelope, token, paging, shapes, and what each error code means."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vendor_stub import NO_ENVELOPE
from wecom_stub import Stub, contact, err, ok, token

from dagster_project.sources import (
    MalformedResponse,
    OutcomeUncertain,
    RateLimited,
    RowRejected,
    SourceError,
    TagRejected,
    TokenRejected,
    Unreachable,
    VendorBusy,
    VendorConfigError,
    VendorError,
)
from dagster_project.sources.wecom_client import Contact, decode_envelope

BATCH = "batch/get_by_user"
PHONE = "138" + "00138000"


def pages(*contents: list[dict[str, Any]]) -> Any:
    """A batch endpoint that keeps its pages by cursor."""

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        at = int(body.get("cursor", "c0")[1:])
        more = {"next_cursor": f"c{at + 1}"} if at + 1 < len(contents) else {"next_cursor": ""}
        return ok(external_contact_list=contents[at], **more)

    return answer


class TestEnvelope:
    def test_branches_on_errcode_alone(self) -> None:
        answer = {"errcode": 0, "errmsg": "Warning: wrong json format. ", "x": 1}
        assert decode_envelope("api", json.dumps(answer).encode()) == answer

    @pytest.mark.parametrize(
        "content",
        [
            *NO_ENVELOPE,
            b"0",
            b'"ok"',
            b'{"errmsg":"ok","follow_user":[]}',
            b'{"errcode":null}',
            b'{"errcode":"0"}',
            b'{"errcode":0.0}',
            b'{"errcode":false}',
            b'{"errcode":true}',
            b'{"errcode":NaN}',
            b'{"errcode":0',
            b'{"errcode":0}{"errcode":0}',
            b'{"errcode":' + b"9" * 5000 + b"}",
            b'{"code":200,"data":[]}',
        ],
    )
    def test_anything_undocumented_is_malformed(self, content: bytes) -> None:
        with pytest.raises(MalformedResponse):
            decode_envelope("api", content)

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            *((code, VendorConfigError) for code in (40001, 40013, 40091, 60020, 48002)),
            *((code, TokenRejected) for code in (40014, 42001, 41001)),
            *((code, RowRejected) for code in (84061, 40003, 40096, 60111, 84074, 84084, 40129, 60011)),
            *((code, TagRejected) for code in (40068, 40071)),
            (-1, VendorBusy),
            (45033, VendorBusy),
            (45009, RateLimited),
            (40058, VendorError),
            (999999, VendorError),
        ],
    )
    def test_an_error_inside_200_is_an_error(self, code: int, kind: type[VendorError]) -> None:
        with pytest.raises(VendorError) as caught:
            decode_envelope("api", json.dumps({"errcode": code, "errmsg": "ok"}).encode())
        assert type(caught.value) is kind
        assert caught.value.code == code
        assert str(code) in str(caught.value)

    @given(st.binary(max_size=200))
    def test_any_bytes(self, content: bytes) -> None:
        with pytest.raises(SourceError):  # 200 random bytes are never a success
            decode_envelope("api", content)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["errcode", "errmsg", "follow_user"]), inner, max_size=3)
            ),
        )
    )
    def test_any_json_is_success_only_with_an_integer_zero(self, value: Any) -> None:
        content = json.dumps(value).encode()
        try:
            answer = decode_envelope("api", content)
        except SourceError:
            return
        assert type(answer["errcode"]) is int and answer["errcode"] == 0

    @pytest.mark.parametrize(
        "fields",
        [{}, {"follow_user": None}, {"follow_user": {}}, {"follow_user": "a"}, {"follow_user": [None]},
         {"follow_user": [""]}, {"follow_user": [1.5]}, {"follow_user": [{"userid": "a"}]}, {"userlist": []}],
    )  # fmt: skip
    def test_success_without_its_list_is_not_empty(self, fields: dict[str, Any]) -> None:
        with pytest.raises(MalformedResponse):
            Stub().on("get_follow_user_list", ok(**fields)).client().follow_users()

    def test_an_empty_list_is_empty(self) -> None:
        assert Stub().on("get_follow_user_list", ok(follow_user=[])).client().follow_users() == []

    def test_ids_stay_text(self) -> None:
        stub = Stub().on(
            "get_follow_user_list", ok(follow_user=["0012", "Zhang", "zhang", 12345678901234567890])
        )
        assert stub.client().follow_users() == ["0012", "12345678901234567890", "Zhang", "zhang"]


class TestToken:
    def test_is_fetched_once_and_kept(self) -> None:
        stub = Stub().on("get_follow_user_list", ok(follow_user=["a"]))
        client = stub.client()
        for _ in range(3):
            client.follow_users()
        assert stub.tokens == 1
        assert stub.asked[0][2].params["corpid"] == "corp1"
        assert {url.params["access_token"] for api, _, url in stub.asked if api != "gettoken"} == {"token-1"}

    def test_is_renewed_before_it_runs_out(self) -> None:
        stub = Stub().on("get_follow_user_list", ok(follow_user=["a"]))
        client = stub.client()
        client.follow_users()
        stub.clock.now += 7200 - 301
        client.follow_users()
        assert stub.tokens == 1
        stub.clock.now += 2
        client.follow_users()
        assert stub.tokens == 2

    @pytest.mark.parametrize("code", [40014, 42001, 41001])
    def test_an_early_death_is_one_refresh_and_one_replay(self, code: int) -> None:
        stub = Stub().on("get_follow_user_list", err(code), ok(follow_user=["a"]))
        assert stub.client().follow_users() == ["a"]
        assert stub.tokens == 2

    def test_a_second_refusal_fails(self) -> None:
        stub = Stub().on("get_follow_user_list", err(42001))
        with pytest.raises(TokenRejected):
            stub.client().follow_users()
        assert stub.tokens == 2
        assert len(stub.bodies("get_follow_user_list")) == 2

    def test_death_between_pages_replays_that_page(self) -> None:
        whole = pages([contact("a", "wm1")], [contact("a", "wm2")], [contact("a", "wm3")])
        stub = Stub().on(BATCH, whole, whole, err(42001), whole)
        assert [row.external_userid for row in stub.client().contacts_of("a")] == ["wm1", "wm2", "wm3"]
        assert [body.get("cursor") for body in stub.bodies(BATCH)] == [None, "c1", "c2", "c2"]
        assert [url.params["access_token"] for api, _, url in stub.asked if api == BATCH] == [
            *["token-1"] * 3,
            "token-2",
        ]

    @pytest.mark.parametrize("code", [40001, 40013, 40091, 60020])
    def test_a_wrong_configuration_fails_at_once(self, code: int) -> None:
        stub = Stub().on("gettoken", err(code))
        with pytest.raises(VendorConfigError, match=str(code)):
            stub.client().follow_users()
        assert len(stub.asked) == 1
        assert stub.clock.slept == []

    @pytest.mark.parametrize(
        "answer",
        [
            ok(),
            ok(access_token="", expires_in=7200),
            ok(access_token=None, expires_in=7200),
            ok(access_token="t"),
            ok(access_token="t", expires_in=0),
            ok(access_token="t", expires_in="soon"),
            {"access_token": "t", "expires_in": 7200},
        ],
    )
    def test_no_token_in_the_answer(self, answer: dict[str, Any]) -> None:
        with pytest.raises(MalformedResponse):
            Stub().on("gettoken", answer).client().follow_users()

    def test_a_busy_token_service_is_waited_for(self) -> None:
        stub = Stub().on("gettoken", err(-1), httpx.ConnectError("x"), token())
        stub.on("get_follow_user_list", ok(follow_user=[]))
        assert stub.client().follow_users() == []
        assert stub.clock.slept == [0.5, 1.0]

    def test_retries_of_the_token_do_not_multiply(self) -> None:
        stub = Stub().on("gettoken", httpx.ConnectError("x"))
        with pytest.raises(Unreachable):
            stub.client().follow_users()
        assert len(stub.asked) == 4


class TestRetries:
    def test_busy_is_retried_three_times(self) -> None:
        stub = Stub().on("get_follow_user_list", err(-1), err(-1), err(-1), ok(follow_user=["a"]))
        assert stub.client().follow_users() == ["a"]

    def test_and_no_more(self) -> None:
        stub = Stub().on("get_follow_user_list", err(-1))
        with pytest.raises(VendorBusy):
            stub.client().follow_users()
        assert len(stub.bodies("get_follow_user_list")) == 4

    def test_over_the_limit_waits_a_minute(self) -> None:
        stub = Stub().on("get_follow_user_list", err(45009), ok(follow_user=["a"]))
        assert stub.client().follow_users() == ["a"]
        assert stub.clock.slept == [60.0]

    def test_a_long_block_is_not_waited_out(self) -> None:
        stub = Stub().on("get_follow_user_list", err(45009))
        with pytest.raises(RateLimited):
            stub.client().follow_users()
        assert stub.clock.slept == [60.0, 60.0]

    @pytest.mark.parametrize("code", [60111, 40058, 84061, 40068, 999])
    def test_other_codes_are_final(self, code: int) -> None:
        stub = Stub().on("get_follow_user_list", err(code))
        with pytest.raises(VendorError):
            stub.client().follow_users()
        assert len(stub.bodies("get_follow_user_list")) == 1

    def test_lost_answers_of_a_reading_call_are_asked_again(self) -> None:
        stub = Stub().on("get_follow_user_list", httpx.ReadTimeout("x"), 502, ok(follow_user=["a"]))
        assert stub.client().follow_users() == ["a"]


class TestContacts:
    def test_one_member_per_call_and_the_vendors_page_size(self) -> None:
        stub = Stub().on(BATCH, pages([contact("a", "wm1")]))
        stub.client().contacts_of("a")
        assert stub.bodies(BATCH) == [{"userid_list": ["a"], "limit": 100}]

    def test_batch_shape(self) -> None:
        item = contact("a", "wm1", tag_id=["etB", "etA", "etA"], remark_mobiles=["138 0013 8000"], state="")
        row = Stub().on(BATCH, pages([item])).client().contacts_of("a")[0]
        assert row == Contact(
            userid="a",
            external_userid="wm1",
            unionid="u-wm1",
            type=1,
            createtime=1_525_779_812,
            add_way=1,
            state=None,
            oper_userid="a",
            tag_ids=("etA", "etB"),
            remark_phone_count=1,
            phone=PHONE,
            remark_name="张三",
        )

    @pytest.mark.parametrize("key", ["follow_info", "follow_user"])
    def test_single_customer_shape(self, key: str) -> None:
        item = contact("a", "wm1")
        mine = item.pop("follow_info")
        del mine["tag_id"]
        mine["tags"] = [
            {"group_name": "活跃度", "tag_name": "近7天未消费", "tag_id": "etA", "type": 1},
            {"group_name": "", "tag_name": "自己的标签", "type": 2},
        ]
        other = {**mine, "userid": "b", "tags": [{"tag_id": "etZ", "type": 1}]}
        item[key] = [other, mine]
        row = Stub().on(BATCH, pages([item])).client().contacts_of("a")[0]
        assert (row.userid, row.tag_ids) == ("a", ("etA",))

    def test_neither_name_nor_remark_nor_phone_can_be_printed(self) -> None:
        item = contact("a", "wm1", remark_mobiles=[PHONE])
        row = Stub().on(BATCH, pages([item])).client().contacts_of("a")[0]
        assert row.phone == PHONE
        assert PHONE not in repr(row) and "张三" not in repr(row)

    def test_remark_numbers_not_given_are_unknown_not_zero(self) -> None:
        without, empty = contact("a", "wm1"), contact("a", "wm2")
        del without["follow_info"]["remark_mobiles"]
        rows = Stub().on(BATCH, pages([without, empty])).client().contacts_of("a")
        assert [row.remark_phone_count for row in rows] == [None, 0]

    @pytest.mark.parametrize(
        ("typed", "count", "phone"),
        [
            ([PHONE], 1, PHONE),
            (PHONE, 1, PHONE),
            ([int(PHONE)], 1, PHONE),
            ([""], 0, None),
            ([None, PHONE], 1, PHONE),
            ([f"{PHONE} 13900000000"], 2, None),
            (["021-55551234"], 0, None),
        ],
    )
    def test_remark_numbers(self, typed: Any, count: int, phone: str | None) -> None:
        item = contact("a", "wm1", remark_mobiles=typed)
        row = Stub().on(BATCH, pages([item])).client().contacts_of("a")[0]
        assert (row.remark_phone_count, row.phone) == (count, phone)

    def test_all_pages_are_read(self) -> None:
        content = [[contact("a", f"wm{page}-{i:03d}") for i in range(100)] for page in range(7)]
        stub = Stub().on(BATCH, pages(*content, []))
        assert len(stub.client().contacts_of("a")) == 700
        assert len(stub.bodies(BATCH)) == 8

    def test_a_customer_on_two_pages_counts_once_and_the_later_reading_wins(self) -> None:
        stub = Stub().on(BATCH, pages([contact("a", "wm1", state="old")], [contact("a", "wm1", state="new")]))
        assert [row.state for row in stub.client().contacts_of("a")] == ["new"]

    @pytest.mark.parametrize("cycle", [["c1"], ["c1", "c2"], ["c1", "c2", "c3", "c2"]])
    def test_a_cursor_that_repeats_is_an_error(self, cycle: list[str]) -> None:
        answers = [
            ok(external_contact_list=[contact("a", f"wm{i}")], next_cursor=cursor)
            for i, cursor in enumerate([*cycle, *cycle])
        ]
        stub = Stub().on(BATCH, *answers)
        with pytest.raises(MalformedResponse):
            stub.client().contacts_of("a")
        assert len(stub.asked) < 10

    def test_cursors_without_end_are_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dagster_project.sources.wecom_client.MAX_PAGES", 20)
        stub = Stub().on(
            BATCH,
            lambda body: ok(external_contact_list=[], next_cursor=f"c{len(stub.asked)}"),
        )
        with pytest.raises(MalformedResponse):
            stub.client().contacts_of("a")

    def test_no_customers_is_empty(self) -> None:
        answer = {**err(84061), "external_contact_list": []}
        assert Stub().on(BATCH, answer).client().contacts_of("a") == []

    def test_no_customers_in_the_middle_of_the_pages_is_not(self) -> None:
        stub = Stub().on(BATCH, ok(external_contact_list=[contact("a", "wm1")], next_cursor="c1"), err(84061))
        with pytest.raises(RowRejected):
            stub.client().contacts_of("a")

    @pytest.mark.parametrize(
        "item",
        [
            None,
            [],
            {},
            {"external_contact": {"external_userid": "wm1"}},
            {"follow_info": {"userid": "a"}},
            {"external_contact": {}, "follow_info": {"userid": "a"}},
            {"external_contact": {"external_userid": ""}, "follow_info": {"userid": "a"}},
            {"external_contact": {"external_userid": 1.5e20}, "follow_info": {"userid": "a"}},
            {"external_contact": {"external_userid": "\ud800"}, "follow_info": {"userid": "a"}},
            {"external_contact": {"external_userid": "wm1"}, "follow_info": []},
            {"external_contact": {"external_userid": "wm1"}, "follow_info": {"userid": "somebody"}},
            contact("a", "wm1", createtime="yesterday"),
            contact("a", "wm1", add_way=True),
            contact("a", "wm1", tag_id="etA"),
            contact("a", "wm1", tag_id=[{}]),
            contact("a", "wm1", remark_mobiles={}),
            contact("a", "wm1", state={"x": 1}),
        ],
    )
    def test_a_malformed_row_is_never_dropped_in_silence(self, item: Any) -> None:
        content = json.dumps(ok(external_contact_list=[contact("a", "wm0"), item])).encode()
        with pytest.raises(MalformedResponse):
            Stub().on(BATCH, content).client().contacts_of("a")


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_any_mutation_of_a_page_is_read_whole_or_refused(data: st.DataObject) -> None:
    """Two good customers, then one field anywhere replaced by anything: never a silently shorter list."""
    page = ok(external_contact_list=[contact("a", "wm1", tag_id=["et1"]), contact("a", "wm2")])
    places = [
        (page, "external_contact_list"),
        (page, "errcode"),
        (page, "next_cursor"),
        (page["external_contact_list"], 1),
        *((page["external_contact_list"][1], key) for key in ("external_contact", "follow_info")),
        *((page["external_contact_list"][1]["external_contact"], key) for key in ("external_userid", "type")),
        *((page["external_contact_list"][1]["follow_info"], key) for key in contact("a", "x")["follow_info"]),
    ]
    holder, key = data.draw(st.sampled_from(places))
    value = data.draw(json_value)
    if value == [] and key == "external_contact_list":
        return
    holder[key] = value
    stub = Stub().on(BATCH, json.dumps(page).encode(), ok(external_contact_list=[]))
    with contextlib.suppress(SourceError):
        rows = stub.client().contacts_of("a")
        assert len(rows) == 2 or (key == "external_userid" and value == "wm1")
        assert rows[0].external_userid
        "".join(str(getattr(row, name)) for row in rows for name in row.__slots__).encode()


class TestTags:
    CATALOGUE = ok(
        tag_group=[
            {
                "group_id": "g1",
                "group_name": "活跃度",
                "deleted": False,
                "tag": [{"id": "et2", "name": "L2", "deleted": False}, {"id": "et1", "name": "L1", "deleted": True}],
            },
            {"group_id": "g2", "group_name": "旧", "deleted": True, "tag": [{"id": "et3", "name": "x"}]},
        ]
    )  # fmt: skip

    def test_catalogue(self) -> None:
        tags = Stub().on("get_corp_tag_list", self.CATALOGUE).client().corp_tags()
        assert [(tag.tag_id, tag.group_name, tag.tag_name, tag.deleted) for tag in tags] == [
            ("et1", "活跃度", "L1", True),
            ("et2", "活跃度", "L2", False),
            ("et3", "旧", "x", True),
        ]

    def test_new_tags(self) -> None:
        created = ok(
            tag_group={"group_id": "g", "group_name": "活跃度", "tag": [{"id": "e1", "name": "A"}, {"id": "e2", "name": "B"}]}
        )  # fmt: skip
        stub = Stub().on("add_corp_tag", created)
        assert stub.client().add_corp_tag("活跃度", ["A", "B"], agent_id=7) == {"A": "e1", "B": "e2"}
        assert stub.bodies("add_corp_tag") == [
            {"group_name": "活跃度", "tag": [{"name": "A"}, {"name": "B"}], "agentid": 7}
        ]

    def test_a_name_that_exists_is_looked_up_and_only_the_rest_is_made(self) -> None:
        created = ok(tag_group={"group_id": "g1", "tag": [{"id": "e9", "name": "L3"}]})
        stub = Stub().on("add_corp_tag", err(40071), created).on("get_corp_tag_list", self.CATALOGUE)
        assert stub.client().add_corp_tag("活跃度", ["L2", "L3"]) == {"L2": "et2", "L3": "e9"}
        assert stub.bodies("add_corp_tag")[1]["tag"] == [{"name": "L3"}]

    def test_all_names_exist(self) -> None:
        stub = Stub().on("add_corp_tag", err(40071)).on("get_corp_tag_list", self.CATALOGUE)
        assert stub.client().add_corp_tag("活跃度", ["L2"]) == {"L2": "et2"}
        assert len(stub.bodies("add_corp_tag")) == 1

    def test_tags_that_do_not_appear_are_an_error(self) -> None:
        stub = Stub().on("add_corp_tag", ok(tag_group={"tag": []})).on("get_corp_tag_list", ok(tag_group=[]))
        with pytest.raises(MalformedResponse):
            stub.client().add_corp_tag("活跃度", ["A"])

    def test_mark(self) -> None:
        stub = Stub().on("mark_tag", httpx.ReadTimeout("x"), ok())
        stub.client().mark_tag("a", "wm1", add=["e1"], remove=["e2"])
        body = {"userid": "a", "external_userid": "wm1", "add_tag": ["e1"], "remove_tag": ["e2"]}
        assert stub.bodies("mark_tag") == [body, body]
        with pytest.raises(ValueError, match="mark_tag"):
            stub.client().mark_tag("a", "wm1")

    @pytest.mark.parametrize(("code", "kind"), [(84061, RowRejected), (40068, TagRejected)])
    def test_mark_refused(self, code: int, kind: type[VendorError]) -> None:
        with pytest.raises(kind):
            Stub().on("mark_tag", err(code)).client().mark_tag("a", "wm1", add=["e1"])


class TestGroups:
    def test_list_pages(self) -> None:
        stub = Stub().on(
            "groupchat/list",
            ok(group_chat_list=[{"chat_id": "wr2", "status": 0}], next_cursor="n"),
            ok(group_chat_list=[{"chat_id": "wr1", "status": 3}]),
        )
        assert stub.client().group_chats() == {"wr1": 3, "wr2": 0}
        assert stub.bodies("groupchat/list")[1]["cursor"] == "n"

    def test_list_by_owners_in_hundreds(self) -> None:
        stub = Stub().on("groupchat/list", ok(group_chat_list=[]))
        stub.client().group_chats(owners=[f"u{i}" for i in range(250)])
        sizes = [len(body["owner_filter"]["userid_list"]) for body in stub.bodies("groupchat/list")]
        assert sizes == [100, 100, 50]

    def test_detail_is_read_without_names(self) -> None:
        chat = {
            "chat_id": "wr1",
            "name": "一号店群",
            "owner": "a",
            "create_time": 1_572_505_490,
            "member_list": [
                {"userid": "wm1", "type": 2, "unionid": "o1", "join_time": 1_572_505_491, "join_scene": 3,
                 "state": "s", "invitor": {"userid": "a"}, "name": "张三", "group_nickname": "三"},
                {"userid": "a", "type": 1, "join_time": 1_572_505_490, "join_scene": 1},
            ],
        }  # fmt: skip
        stub = Stub().on("groupchat/get", ok(group_chat=chat))
        group = stub.client().group_chat("wr1")
        assert stub.bodies("groupchat/get") == [{"chat_id": "wr1", "need_name": 0}]
        assert [(m.userid, m.member_type, m.invitor_userid) for m in group.members] == [
            ("a", 1, None),
            ("wm1", 2, "a"),
        ]
        assert "张三" not in repr(group) and "一号店群" not in repr(group)

    @pytest.mark.parametrize("answer", [ok(), ok(group_chat={"chat_id": "wr1"}), ok(group_chat={"chat_id": "wr2", "member_list": []})])  # fmt: skip
    def test_detail_malformed(self, answer: dict[str, Any]) -> None:
        with pytest.raises(MalformedResponse):
            Stub().on("groupchat/get", answer).client().group_chat("wr1")


class TestMessages:
    def send(self, stub: Stub, **options: Any) -> Any:
        arguments = {"sender": "a", "external_userids": ["wm1", "wm2"], "text": "您好"} | options
        return stub.client().add_msg_template(**arguments)

    def test_created(self) -> None:
        stub = Stub().on("add_msg_template", ok(msgid="msg1", fail_list=["wm2"]))
        created = self.send(stub)
        assert (created.msgid, created.failed) == ("msg1", ("wm2",))
        assert stub.bodies("add_msg_template") == [
            {
                "chat_type": "single",
                "external_userid": ["wm1", "wm2"],
                "sender": "a",
                "text": {"content": "您好"},
            }
        ]

    @pytest.mark.parametrize("fail_list", [None, []])
    def test_created_for_all(self, fail_list: list[str] | None) -> None:
        assert self.send(Stub().on("add_msg_template", ok(msgid="m", fail_list=fail_list))).failed == ()

    @pytest.mark.parametrize(
        "answer",
        [
            httpx.ReadTimeout("x"),
            httpx.RemoteProtocolError("x"),
            502,
            b"<html>",
            b'{"errmsg":"ok"}',
            ok(),
            ok(msgid=""),
            ok(msgid="m", fail_list="wm1"),
        ],
    )
    def test_without_a_readable_answer_it_is_uncertain_and_sent_once(self, answer: Any) -> None:
        stub = Stub().on("add_msg_template", answer)
        with pytest.raises(OutcomeUncertain):
            self.send(stub)
        assert len(stub.bodies("add_msg_template")) == 1

    @pytest.mark.parametrize("first", [httpx.ConnectError("x"), err(-1), err(42001), err(45009), 429])
    def test_what_certainly_did_not_happen_is_tried_again(self, first: Any) -> None:
        stub = Stub().on("add_msg_template", first, ok(msgid="m"))
        assert self.send(stub).msgid == "m"

    @pytest.mark.parametrize(
        "options",
        [
            {"external_userids": []},
            {"external_userids": ["x"] * 10_001},
            {"text": ""},
            {"text": "字" * 1334},
            {"attachments": [{}] * 10},
        ],
    )
    def test_the_vendors_limits_are_kept(self, options: dict[str, Any]) -> None:
        stub = Stub()
        with pytest.raises(ValueError, match=r"receivers|bytes"):
            self.send(stub, **options)
        assert stub.asked == []

    def test_task_and_results(self) -> None:
        stub = Stub().on("get_groupmsg_task", ok(task_list=[{"userid": "a", "status": 2, "send_time": 1}]))
        stub.on(
            "get_groupmsg_send_result",
            ok(send_list=[{"external_userid": "wm1", "userid": "a", "status": 1, "send_time": 5}], next_cursor="n"),
            ok(send_list=[{"chat_id": "wr1", "userid": "a", "status": 0}]),
        )  # fmt: skip
        client = stub.client()
        assert [(task.userid, task.status) for task in client.groupmsg_task("m")] == [("a", 2)]
        results = client.groupmsg_send_result("m", "a")
        assert [(r.external_userid, r.chat_id, r.status, r.send_time) for r in results] == [
            ("wm1", None, 1, 5),
            (None, "wr1", 0, None),
        ]

    @pytest.mark.parametrize("row", [{"userid": "a", "status": 1}, {"userid": "a", "external_userid": "wm1"}])
    def test_results_malformed(self, row: dict[str, Any]) -> None:
        with pytest.raises(MalformedResponse):
            Stub().on("get_groupmsg_send_result", ok(send_list=[row])).client().groupmsg_send_result("m", "a")

    def test_list_finds_an_uncertain_message_again(self) -> None:
        row = {"msgid": "m", "creator": "a", "create_time": 9, "text": {"content": "您好"}}
        stub = Stub().on("get_groupmsg_list_v2", ok(group_msg_list=[row, {"msgid": "n"}]))
        found = stub.client().groupmsg_list(5, 10, creator="a")
        assert [(m.msgid, m.create_time, m.text) for m in found] == [("m", 9, "您好"), ("n", None, None)]
        assert stub.bodies("get_groupmsg_list_v2") == [
            {"chat_type": "single", "start_time": 5, "end_time": 10, "limit": 100, "creator": "a"}
        ]
