"""Token, members, customers, tags and remarks: shapes, errors, paging, and the clock."""

from __future__ import annotations

import pytest

DAY = 86_400
NOW = 1_760_000_400


def edges(rows):
    return [(row["follow_info"]["userid"], row["external_contact"]["external_userid"]) for row in rows]


@pytest.mark.parametrize(
    ("args", "errcode"),
    [
        ({"corpid": "demo", "corpsecret": "wrong"}, 40001),
        ({"corpid": "demo", "corpsecret": "not a secret!"}, 40091),
        ({"corpid": "other", "corpsecret": "demo"}, 40013),
        ({"corpsecret": "demo"}, 41002),
        ({"corpid": "demo"}, 41004),
    ],
)
def test_gettoken_refuses(call, args, errcode):
    answer = call.raw("gettoken", method="GET", **args)
    assert answer["errcode"] == errcode
    assert "access_token" not in answer


def test_one_token_lives_two_hours_of_the_clock(call):
    first = call.raw("gettoken", corpid="demo", corpsecret="demo")
    assert first["expires_in"] == 7200
    call.gate.clock.set(NOW + 3600)
    assert call.raw("gettoken", corpid="demo", corpsecret="demo") == first | {"expires_in": 3600}
    call.gate.clock.set(NOW + 7200)
    assert call.code("get_follow_user_list") == 42001
    second = call.raw("gettoken", corpid="demo", corpsecret="demo")["access_token"]
    assert second != first["access_token"]
    api = "externalcontact/get_follow_user_list"
    assert call.raw(api, token=second)["errcode"] == 0
    assert call.raw(api, token=first["access_token"])["errcode"] == 42001
    assert call.raw(api, token="made up")["errcode"] == 40014
    assert call.raw(api)["errcode"] == 41001


def test_errmsg_carries_more_than_words(call):
    answer = call("list", userid="cat")
    assert answer["errmsg"].startswith("not external contact, hint: [")
    assert "from ip: 127.0.0.1" in answer["errmsg"]


def test_members_and_their_customers(call):
    assert call.ok("get_follow_user_list")["follow_user"] == ["amy", "ben", "cat"]
    mine = call.ok("list", userid="amy")["external_userid"]
    assert len(mine) == 230
    assert "wm-tomorrow" not in mine
    assert "wm-gone" not in mine
    empty = call("list", userid="cat")
    assert (empty["errcode"], empty["external_userid"]) == (84061, [])
    assert call.code("list", userid="nobody") == 40003
    assert call.code("list") == 41009


def test_the_clock_shows_and_hides(call):
    call.at(NOW + 2 * DAY)
    assert "wm-tomorrow" in call.ok("list", userid="amy")["external_userid"]
    call.at(NOW - 2 * DAY)
    assert "wm-gone" in call.ok("list", userid="amy")["external_userid"]
    call.at(NOW - 1000 * DAY)
    assert call.code("list", userid="amy") == 84061
    assert call.ok("batch/get_by_user", userid_list=["amy"])["external_contact_list"] == []
    assert call.code("get", external_userid="wm0000") == 40096


def test_batch_rows_have_the_batch_shape(call):
    rows = call.pages("batch/get_by_user", "external_contact_list", userid_list=["amy"], limit=100)
    row = next(row for row in rows if row["external_contact"]["external_userid"] == "wm0000")
    assert row["external_contact"] == {
        "external_userid": "wm0000",
        "name": "邻居",
        "type": 1,
        "avatar": "",
        "gender": 2,
        "unionid": "o-first",
    }
    assert row["follow_info"] == {
        "userid": "amy",
        "remark": "3栋王阿姨",
        "description": "",
        "createtime": NOW - 90 * DAY,
        "tag_id": ["et-active"],  # the tag of tomorrow does not exist yet
        "remark_mobiles": ["13800138000"],
        "add_way": 1,
        "oper_userid": "amy",
        "state": "store01",
    }
    other = next(row for row in rows if row["external_contact"]["external_userid"] == "wm0001")
    assert "unionid" not in other["external_contact"]


@pytest.mark.parametrize("limit", [1, 7, 50, 100])
def test_paging_gives_every_relation_once(call, limit):
    rows = call.pages(
        "batch/get_by_user", "external_contact_list", userid_list=["ben", "amy", "cat"], limit=limit
    )
    got = edges(rows)
    assert len(got) == len(set(got)) == 270
    assert [userid for userid, _ in got] == ["ben"] * 40 + ["amy"] * 230
    assert len({external for _, external in got}) == 250  # twenty appear once per member


def test_batch_limits(call):
    def size(**args):
        return len(call.ok("batch/get_by_user", userid_list=["amy"], **args)["external_contact_list"])

    assert (size(), size(limit=1000), size(limit=3)) == (50, 100, 3)
    assert call.code("batch/get_by_user", userid_list=["amy"], limit=0) == 40058
    assert call.code("batch/get_by_user", userid_list=["amy"], limit="50") == 40058
    assert call.code("batch/get_by_user", userid_list=["amy"] * 101) == 40058
    assert call.code("batch/get_by_user", userid_list="amy") == 40058
    assert call.code("batch/get_by_user", userid_list=[]) == 40063
    assert call.code("batch/get_by_user", userid_list=["amy", "nobody"]) == 40003


def test_a_cursor_belongs_to_its_call(call):
    cursor = call.ok("batch/get_by_user", userid_list=["amy"])["next_cursor"]
    assert call.code("batch/get_by_user", userid_list=["ben"], cursor=cursor) == 40058
    assert call.code("groupchat/list", limit=10, cursor=cursor) == 40058
    for broken in ("nonsense", "ÿ", "!!", cursor[:-3]):
        assert call.code("batch/get_by_user", userid_list=["amy"], cursor=broken) == 40058


def test_rows_added_while_paging_neither_repeat_nor_hide_others(call):
    first = call.ok("batch/get_by_user", userid_list=["amy"], limit=100)
    call.at(NOW + 2 * DAY)
    rest = call.pages("batch/get_by_user", "external_contact_list", userid_list=["amy"], limit=100)
    second = call.ok("batch/get_by_user", userid_list=["amy"], limit=100, cursor=first["next_cursor"])
    third = call.ok("batch/get_by_user", userid_list=["amy"], limit=100, cursor=second["next_cursor"])
    got = edges(
        first["external_contact_list"] + second["external_contact_list"] + third["external_contact_list"]
    )
    assert len(got) == len(set(got))
    assert set(edges(rest)) - set(got) <= {("amy", "wm-tomorrow")}


def test_get_has_the_other_shape(call):
    answer = call.ok("get", external_userid="wm0000")
    assert "next_cursor" not in answer
    by_member = {each["userid"]: each for each in answer["follow_user"]}
    assert list(by_member) == ["amy", "ben"]
    assert by_member["amy"]["tags"] == [
        {"group_name": "活跃度", "tag_name": "活跃", "tag_id": "et-active", "type": 1}
    ]
    assert "tag_id" not in by_member["amy"]
    assert call.code("get", external_userid="wm-unknown") == 40096
    assert call.code("get", external_userid="wm-gone") == 84061
    assert call.code("get") == 41035


def test_tag_catalogue(call):
    (group,) = call.ok("get_corp_tag_list")["tag_group"]
    assert (group["group_id"], group["group_name"], group["deleted"]) == ("et-group", "活跃度", False)
    assert [tag["name"] for tag in group["tag"]] == ["活跃"]
    made = call.ok("add_corp_tag", group_name="流失", tag=[{"name": "L1", "order": 2}, {"name": "L2"}])
    new = made["tag_group"]
    assert [(tag["name"], tag["order"], tag["create_time"]) for tag in new["tag"]] == [
        ("L1", 2, NOW),
        ("L2", 0, NOW),
    ]
    # the same group by name: only what was added comes back
    again = call.ok("add_corp_tag", group_name="流失", tag=[{"name": "L3"}])["tag_group"]
    assert (again["group_id"], [tag["name"] for tag in again["tag"]]) == (new["group_id"], ["L3"])
    call.ok("add_corp_tag", group_id="et-group", tag=[{"name": "沉睡"}])
    listed = {
        group["group_name"]: [tag["name"] for tag in group["tag"]]
        for group in call.ok("get_corp_tag_list")["tag_group"]
    }
    assert listed == {"活跃度": ["活跃", "沉睡"], "流失": ["L1", "L2", "L3"]}
    wanted = new["tag"][1]["id"]
    (filtered,) = call.ok("get_corp_tag_list", tag_id=[wanted])["tag_group"]
    assert [tag["id"] for tag in filtered["tag"]] == [wanted]
    (both,) = call.ok("get_corp_tag_list", tag_id=[wanted], group_id=["et-group"])["tag_group"]
    assert both["group_id"] == "et-group"  # group_id wins


@pytest.mark.parametrize(
    ("args", "errcode"),
    [
        ({"group_id": "et-group", "tag": [{"name": "活跃"}]}, 40071),
        ({"group_name": "活跃度", "tag": [{"name": "新"}, {"name": "活跃"}]}, 40071),
        ({"group_name": "新组", "tag": [{"name": "同"}, {"name": "同"}]}, 40071),
        ({"group_id": "et-nothing", "tag": [{"name": "新"}]}, 40068),
        ({"group_name": "新组", "tag": [{"name": ""}]}, 40072),
        ({"group_name": "新组", "tag": [{"name": "长" * 31}]}, 40072),
        ({"group_name": "新组", "tag": []}, 40063),
        ({"tag": [{"name": "新"}]}, 40063),
        ({"group_name": "新组", "tag": [{"name": f"t{n}"} for n in range(3000)]}, 40126),
    ],
)
def test_add_corp_tag_refuses_all_or_nothing(call, args, errcode):
    before = call.ok("get_corp_tag_list")
    assert call.code("add_corp_tag", **args) == errcode
    assert call.ok("get_corp_tag_list") == before


def tags_of(call, userid, external):
    rows = call.pages("batch/get_by_user", "external_contact_list", userid_list=[userid], limit=100)
    return next(
        row["follow_info"]["tag_id"] for row in rows if row["external_contact"]["external_userid"] == external
    )


def test_a_tag_hangs_on_the_relation_not_on_the_customer(call):
    group = call.ok("add_corp_tag", group_name="流失", tag=[{"name": "L1"}, {"name": "L2"}])["tag_group"]
    one, two = (tag["id"] for tag in group["tag"])
    edge = {"userid": "amy", "external_userid": "wm0000"}
    call.ok("mark_tag", **edge, add_tag=[one, two], remove_tag=["et-active"])
    assert tags_of(call, "amy", "wm0000") == [one, two]
    assert tags_of(call, "ben", "wm0000") == []
    call.ok("mark_tag", **edge, add_tag=[one])  # set semantics: again changes nothing
    call.ok("mark_tag", **edge, add_tag=["et-active"], remove_tag=[one])
    assert tags_of(call, "amy", "wm0000") == [two, "et-active"]  # in order of marking
    shown = call.ok("get", external_userid="wm0000")["follow_user"][0]["tags"]
    assert [(tag["group_name"], tag["tag_name"]) for tag in shown] == [("流失", "L2"), ("活跃度", "活跃")]


@pytest.mark.parametrize(
    ("args", "errcode"),
    [
        ({}, 40063),
        ({"add_tag": [], "remove_tag": []}, 40063),
        ({"add_tag": ["et-unknown"]}, 40068),
        ({"add_tag": ["et-later"]}, 40068),
        ({"remove_tag": ["et-unknown"]}, 40068),
        ({"add_tag": ["et-active"], "userid": "ben", "external_userid": "wm0100"}, 84061),
        ({"add_tag": ["et-active"], "external_userid": "wm-gone"}, 84061),
        ({"add_tag": ["et-active"], "external_userid": "wm-unknown"}, 40096),
        ({"add_tag": ["et-active"], "userid": "nobody"}, 40003),
    ],
)
def test_mark_tag_refuses(call, args, errcode):
    assert call.code("mark_tag", **{"userid": "amy", "external_userid": "wm0000", **args}) == errcode
    assert tags_of(call, "amy", "wm0000") == ["et-active"]


def test_remark_overwrites(call):
    edge = {"userid": "amy", "external_userid": "wm0000"}

    def written():
        by_member = {each["userid"]: each for each in call.ok("get", external_userid="wm0000")["follow_user"]}
        assert by_member["ben"]["remark_mobiles"] == []
        return by_member["amy"]["remark"], by_member["amy"]["remark_mobiles"]

    call.ok("remark", **edge, remark="老王")
    assert written() == ("老王", ["13800138000"])
    call.ok("remark", **edge, remark_mobiles=["13900000000", "13911111111"])
    assert written() == ("老王", ["13900000000", "13911111111"])
    call.ok("remark", **edge, remark_mobiles=[""])
    assert written() == ("老王", [])
    assert call.code("remark", **edge) == 40063
    assert call.code("remark", **edge, remark="长" * 21) == 40058
    assert call.code("remark", **edge, description="长" * 151) == 40058
    assert call.code("remark", userid="ben", external_userid="wm0100", remark="x") == 84061


def test_a_clock_set_back_hides_what_was_changed_later(call):
    edge = {"userid": "amy", "external_userid": "wm0005"}
    call.at(NOW + DAY)
    tag = call.ok("add_corp_tag", group_name="流失", tag=[{"name": "L1"}])["tag_group"]["tag"][0]["id"]
    call.ok("mark_tag", **edge, add_tag=[tag, "et-active"])
    call.ok("remark", **edge, remark="后来的备注")
    call.at(NOW)
    assert tags_of(call, "amy", "wm0005") == []
    assert call.ok("get", external_userid="wm0005")["follow_user"][0]["remark"] == ""
    assert len(call.ok("get_corp_tag_list")["tag_group"]) == 1
    # made again earlier, it is the same tag, once
    again = call.ok("add_corp_tag", group_name="流失", tag=[{"name": "L1"}])["tag_group"]["tag"][0]["id"]
    assert again == tag
    call.at(NOW + 2 * DAY)
    assert tags_of(call, "amy", "wm0005") == [tag, "et-active"]
    made = call.ok("get_corp_tag_list")["tag_group"][1]
    assert [(each["id"], each["create_time"]) for each in made["tag"]] == [(tag, NOW)]


def test_a_post_api_does_not_take_get(call):
    answer = call.raw("externalcontact/mark_tag", method="GET", token=call.token)
    assert answer["errcode"] == 40058
