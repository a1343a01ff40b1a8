"""One ID on small worlds, from raw rows to members, through the real dbt project."""

from tests.identity.arrivals import contact, order, sale, user, verified

TABLES = ("record_members", "members", "member_identifiers", "member_events", "identity_refusals")


def test_one_person_over_three_systems_and_four_nights(world):
    world.arrive("2026-01-01", "pos", "pos__tickets", sale("T1", phone="P1"), sale("T2"))
    world.arrive("2026-01-02", "gb", "groupbuy__users", user("o1", unionid="U1"))
    world.arrive("2026-01-03", "pos", "pos__members", {"member_ref": "C1", "phone": "P1", "home_store": "S2"})
    world.build()
    [ticket, account, card] = [
        world.member_of(*record)[0]
        for record in (("tickets", "S1|T1"), ("users", "wx|o1"), ("members", "C1"))
    ]
    assert ticket == card != account
    assert world.member_of("tickets", "S1|T2") == (None, "no_identifier")

    world.arrive("2026-01-04", "gb", "groupbuy__users", user("o1", unionid="U1", **verified("P1")))
    world.arrive("2026-01-04", "we", "wecom__contacts", contact("x1", unionid="U1"))
    world.arrive("2026-01-04", "pos", "pos__tickets", sale("T3", pay_openid="o1", pay_appid="wx"))
    world.build()
    # the earlier minted survives, the other leads to it
    assert {row[0] for row in world.read("select distinct member_id from record_members")} == {ticket, None}
    assert world.member_of("tickets", "S1|T3") == (ticket, "pay_openid")
    assert world.read("select occurred_on::varchar, kind, member_id, other_member_id from member_events") == [
        ("2026-01-01", "created", ticket, None),
        ("2026-01-02", "created", account, None),
        ("2026-01-04", "merged", ticket, account),
    ]
    assert world.read("select evidence from member_events where kind = 'merged'") == [
        ("groupbuy.users.verified_phone gb|users|wx|o1",)
    ]
    assert world.read("select retired_member_id, member_id from int_identity_redirects") == [
        (account, ticket)
    ]
    assert world.read(
        "select phone_token, phone_masked, unionid, external_userid, has_pos, has_groupbuy, has_wecom,"
        " first_seen_on::varchar, home_store_code, home_store_basis, status from members"
    ) == [("P1", "mask P1", "U1", "x1", True, True, True, "2026-01-01", "S1", "first_purchase", "active")]
    assert world.read(
        "select namespace, identifier, valid_from::varchar from member_identifiers order by all"
    ) == [
        ("external_userid", "x1", "2026-01-04"),
        ("openid", "wx:o1", "2026-01-01"),
        ("phone", "P1", "2026-01-01"),
        ("pos_member", "pos:C1", "2026-01-03"),
        ("unionid", "U1", "2026-01-02"),
    ]


def test_ids_mean_something_only_in_their_scope_and_case(world):
    world.arrive(
        "2026-01-01", "gb", "groupbuy__users", user("o1"), user("O1"), {"appid": "wy", "openid": "o1"}
    )
    world.arrive(
        "2026-01-01", "gb", "groupbuy__orders", order("G1", openid="o1"), order("G2", openid="o1", appid="wx")
    )
    world.arrive("2026-01-01", "gb2", "groupbuy__orders", order("G3", openid="o1"))
    world.arrive("2026-01-01", "pos", "pos__tickets", sale("T1", member_ref="C1"))
    world.arrive("2026-01-01", "pos2", "pos__tickets", sale("T2", member_ref="C1"))
    world.build()
    assert world.read("select count(*) from members") == [(7,)]
    assert world.member_of("orders", "G2")[0] == world.member_of("users", "wx|o1")[0]


def test_precedence_and_what_never_recognises(world):
    world.arrive(
        "2026-01-01",
        "pos",
        "pos__members",
        {"member_ref": "C1", "phone": "P1"},
        {"member_ref": "C2", "phone": "P2", "wx_appid": "wx", "wx_openid": "o2"},
    )
    world.arrive(
        "2026-01-01",
        "pos",
        "pos__tickets",
        sale("T1", member_ref="C1", phone="P2"),
        sale("T2", phone="P2", pay_openid="o9", pay_appid="wx"),
        sale("T3", pay_openid="o2", pay_appid="wx"),
        sale("T4", pay_openid="o2", pay_appid="other"),
        sale("T5", alipay_user_id="a", face_token="f"),
        sale("T6", phone="P3", phone_kind="masked"),
        sale("T7", kind="return", origin_ticket_id="T1"),
        sale("T8", member_ref="C9"),
    )
    world.arrive(
        "2026-01-01",
        "gb",
        "groupbuy__orders",
        order("G1", openid="o2", appid="wx", buyer_phone="P1", phone_verified="Y"),
        order("G2", buyer_phone="P5", phone_verified="Y"),
        order("G3", buyer_phone="P5", phone_verified="N", receiver_phone="P5"),
        order("G4", unionid="U1"),
        order("G5", openid="o7", appid="wx", buyer_phone="P7", phone_verified="N"),
    )
    world.arrive(
        "2026-01-01",
        "gb",
        "groupbuy__complaints",
        {"complaint_id": "K1", "order_id": "G4", "opened_at": "2026-01-03 00:00:00"},
        {"complaint_id": "K2", "ticket_id": "T8", "store_code": "S1", "opened_at": "2026-01-03 00:00:00"},
        {"complaint_id": "K3", "phone": "P404", "order_id": "G404", "opened_at": "2026-01-03 00:00:00"},
    )
    world.arrive("2026-01-01", "gb", "groupbuy__leaders", {"leader_id": "L1", "phone": "P5"})
    world.arrive("2026-01-01", "pos", "pos__staff", {"staff_id": "E1", "store_code": "S1", "phone": "P404"})
    world.build()

    def basis(feed, record):
        return world.member_of(feed, record)[1]

    def member(feed, record):
        return world.member_of(feed, record)[0]

    # the verified order links o2 (card C2) and P1 (card C1): one member
    assert member("tickets", "S1|T1") == member("members", "C1") == member("members", "C2")
    assert [basis("tickets", f"S1|T{i}") for i in range(1, 9)] == [
        "member_ref",
        "phone",
        "pay_openid",
        "unknown_identifier",
        "unknown_identifier",
        "no_identifier",
        "origin_ticket",
        "member_ref",
    ]
    assert [basis("orders", f"G{i}") for i in range(1, 6)] == [
        "openid",
        "verified_phone",
        "unverified_phone",
        "unionid",
        "openid",
    ]
    assert [basis("complaints", f"K{i}") for i in range(1, 4)] == ["order", "ticket", "unknown_identifier"]
    assert world.member_of("leaders", "L1") == (member("orders", "G2"), "phone")
    # staff are recognised when they are customers, and never become one by being staff
    assert world.member_of("staff", "E1") == (None, "unknown_identifier")
    assert world.read("select identifier_a, identifier_b, reason from identity_refusals") == [
        ("wx:o7", "P7", "unverified_phone")
    ]
    assert world.read("select count(*) from member_identifiers where identifier in ('P7', 'P3', 'P404')") == [
        (0,)
    ]


def test_a_shared_phone_links_nobody_and_placeholders_neither(world):
    cards = [{"member_ref": f"C{i}", "phone": "HUB"} for i in range(4)]
    world.arrive("2026-01-01", "pos", "pos__members", *cards, {"member_ref": "D", "phone": "PLACEHOLDER"})
    world.arrive(
        "2026-01-02", "pos", "pos__tickets", sale("T1", phone="HUB"), sale("T2", phone="PLACEHOLDER")
    )
    world.arrive("2026-01-02", "pos", "pos__tickets", sale("T3", phone="HUB", member_ref="C1"))
    world.build()
    assert world.member_of("tickets", "S1|T1") == (None, "shared_phone")
    assert world.member_of("tickets", "S1|T2") == (None, "placeholder_phone")
    assert world.member_of("tickets", "S1|T3") == (world.member_of("members", "C1")[0], "member_ref")
    assert world.read("select count(*), count(phone_token) from members") == [(5, 0)]
    assert world.read("select basis, is_shared, count(distinct member_id) from member_identifiers"
                      " where namespace = 'phone' group by all order by all") == [
        ("placeholder_phone", True, 1),
        ("shared_phone", True, 4),
    ]  # fmt: skip
    assert world.read("select evidence from identity_refusals where identifier_a = 'pos:C0'") == [
        ("wechat_accounts=0 (max 1) cards=4 (max 3); pos.members.phone pos|members|C0",)
    ]
    # the limit is configuration
    world.rule("max_cards_per_phone", 4)
    world.build()
    assert world.read("select count(*) from members") == [(2,)]
    assert world.member_of("tickets", "S1|T1")[1] == "phone"


def test_how_long_a_visit_lasts_is_a_rule(world):
    def registered(openid, at, **about):
        return user(openid, phone="PS", phone_verified_at=at, registered_at=at) | about

    world.arrive(
        "2026-01-01", "gb", "groupbuy__users",
        registered("o1", "2025-03-01 09:00:00"), registered("o2", "2025-03-02 09:00:00"),
        registered("o3", "2025-12-01 10:40:00", appid="wx2"),
    )  # fmt: skip
    shares = [
        {"share_id": f"s{o}{n}", "appid": "wx", "openid": o, "shared_at": f"2025-{n:02}-05 10:00:00"}
        for o in ("o1", "o2")
        for n in range(4, 13)
    ]
    world.arrive("2026-01-01", "gb", "groupbuy__shares", *shares)
    opened = {"created_at": "2025-12-01 10:00:00", "updated_at": "2025-12-01 10:00:00"}
    world.arrive("2026-01-01", "pos", "pos__members", {"member_ref": "C1", "phone": "PS"} | opened)
    world.build()
    card, account = world.member_of("members", "C1"), world.member_of("users", "wx2|o3")
    assert card[0] == account[0] not in {world.member_of("users", f"wx|{o}")[0] for o in ("o1", "o2")}
    world.rule("visit_minutes", 39)
    world.build()
    assert world.member_of("members", "C1")[0] != world.member_of("users", "wx2|o3")[0]


def test_remarks_count_when_they_are_unambiguous_and_wanted(world):
    world.arrive("2026-01-01", "pos", "pos__tickets", *(sale(f"T{i}", phone=f"P{i}") for i in range(4)))
    world.arrive(
        "2026-01-02",
        "we",
        "wecom__contacts",
        contact("x0", phone="P0"),
        contact("x0", staff="other", phone="P0"),
        contact("x1", phone="P1"),
        contact("x1", staff="other", phone="P2"),
        contact("x3", phone="P3"),
        contact("y3", phone="P3"),
        contact("x5", phone="P5", phone_kind="ext", phone_token=None),
    )
    world.build()

    def together():
        return world.read(
            "select external_userid, phone_token from members where external_userid is not null and phone_token is not null"
        )

    assert together() == [("x0", "P0")]
    assert world.member_of("contacts", "x0") == (world.member_of("tickets", "S1|T0")[0], "external_userid")
    refused = world.read(
        "select identifier_a, identifier_b from identity_refusals where reason = 'ambiguous_remark'"
    )
    assert refused == [("x1", "P1"), ("x1", "P2"), ("x3", "P3"), ("y3", "P3")]
    world.rule("use_wecom_remark", False)
    world.build()
    assert together() == []


def test_group_chat_members_are_known_by_their_contact(world):
    world.arrive(
        "2026-01-01",
        "we",
        "wecom__group_members",
        {"chat_id": "G", "userid": "x1", "member_type": "2", "unionid": "U1"},
        {"chat_id": "G", "userid": "staff", "member_type": "1"},
    )
    world.arrive("2026-01-01", "gb", "groupbuy__users", user("o1", unionid="U1"))
    world.build()
    assert world.member_of("group_members", "G|x1")[0] == world.member_of("users", "wx|o1")[0]
    assert world.read("select count(*) from record_members where feed = 'group_members'") == [(1,)]


def test_a_phone_as_card_number_names_the_phone(world):
    world.arrive("2026-01-01", "pos", "pos__tickets", sale("T1", phone="P1"), sale("T2", member_ref="tel-P1"))
    world.build()
    assert world.member_of("tickets", "S1|T1")[0] == world.member_of("tickets", "S1|T2")[0]


def test_a_withdrawn_link_is_as_if_never(world):
    world.arrive("2026-01-01", "pos", "pos__members", {"member_ref": "C1", "phone": "P1"})
    world.arrive("2026-01-02", "gb", "groupbuy__users", user("o1"))
    world.arrive("2026-01-03", "gb", "groupbuy__users", user("o1", **verified("P1")))
    world.build()
    assert world.read("select count(*) from members") == [(1,)]
    world.arrive("2026-01-04", "gb", "groupbuy__users", user("o1", **verified("P2")))
    world.build()
    assert world.member_of("users", "wx|o1")[0] != world.member_of("members", "C1")[0]
    # but what was published once is taken back by an event only
    card, account = world.member_of("members", "C1")[0], world.member_of("users", "wx|o1")[0]
    assert world.read("select occurred_on::varchar, kind, member_id, other_member_id from member_events") == [
        ("2026-01-01", "created", card, None),
        ("2026-01-02", "created", account, None),
        ("2026-01-03", "merged", card, account),
        ("2026-01-04", "split", card, account),
    ]
    assert world.read("select count(*) from int_identity_redirects") == [(0,)]
    assert world.read(
        "select identifier from member_identifiers where member_id = '" + account + "' order by 1"
    ) == [
        ("P2",),
        ("wx:o1",),
    ]


def test_undoing_a_link_has_its_event_and_it_stays(world):
    world.arrive("2026-01-01", "gb", "groupbuy__orders",
                 order("A", openid="a1", appid="wx", buyer_phone="PA", phone_verified="Y"))  # fmt: skip
    world.arrive(
        "2026-01-01",
        "pos",
        "pos__members",
        {"member_ref": "B", "phone": "PB"},
        {"member_ref": "S", "phone": "PS"},
    )
    world.arrive(
        "2026-01-02", "gb", "groupbuy__users", user("b", **verified("PB")), user("s", **verified("PS"))
    )
    world.build()
    assert world.read("select count(*) from members") == [(3,)]

    # another account, no phone any more, a second account on the number
    world.arrive("2026-01-04", "gb", "groupbuy__orders",
                 order("A", openid="a2", appid="wx", buyer_phone="PA", phone_verified="Y"))  # fmt: skip
    world.arrive("2026-01-04", "pos", "pos__members", {"member_ref": "B"})
    world.arrive("2026-01-04", "gb", "groupbuy__users", user("s2", **verified("PS")))
    world.build()
    query = (
        "select events.kind, events.evidence from member_events as events"
        " where events.occurred_on = '2026-01-04' and events.kind != 'created' order by all"
    )
    undone = [
        ("reassigned", "phone PA"),
        ("split", "openid wx:b"),
        ("split", "openid wx:s"),
    ]
    assert world.read(query) == undone
    # the id of the account that nobody names any more leads to what is left of its member
    assert world.read("select member_id from int_identity_redirects") == [
        (world.member_of("orders", "A")[0],)
    ]

    # exported again, and shared by one more: what happened has happened
    events = world.read("select * from member_events where occurred_on <= '2026-01-04' order by all")
    world.arrive("2026-01-05", "pos", "pos__members", {"member_ref": "B"})
    world.arrive("2026-01-05", "gb", "groupbuy__users", user("s3", **verified("PS")))
    world.build()
    assert world.read("select * from member_events where occurred_on <= '2026-01-04' order by all") == events
    tables = {table: world.read(f"select * from {table} order by all") for table in TABLES}
    world.build(rebuild=True)
    assert {table: world.read(f"select * from {table} order by all") for table in TABLES} == tables


def test_unit_and_data_tests_of_the_identity_models(world):
    world.arrive("2026-01-01", "pos", "pos__members", {"member_ref": "C1", "phone": "P1", "home_store": "S1"})
    world.arrive("2026-01-01", "pos", "pos__tickets", sale("T1", phone="P1"), sale("T2", phone="PLACEHOLDER"))
    world.arrive("2026-01-02", "gb", "groupbuy__users", user("o1", **verified("P1")))
    world.build()
    world.dbt("test", "--select", "path:models/*/identity", "--indirect-selection", "cautious")


def test_golden_record(world):
    world.arrive(
        "2026-01-01",
        "pos",
        "pos__members",
        {"member_ref": "C1", "phone": "P1", "home_store": "S1", "unionid": "U1"}
        | {"consent_marketing": "Y", "consent_at": "2026-01-05 00:00:00"},
        {"member_ref": "C2", "home_store": "S2"},
        {"member_ref": "C3", "home_store": "closed"},
    )
    world.arrive(
        "2026-01-02",
        "gb",
        "groupbuy__users",
        user("o1", unionid="U1", lng="121.46", lat="31.20", **verified("P2"))
        | {"consent_marketing": "N", "consent_at": "2026-01-05 00:00:00"},
        user("o2", lng="100", lat="20"),
    )
    world.build()
    found = world.read(
        "select phone_token, home_store_code, home_store_basis, consent_marketing, consent_at::varchar, last_purchase_on"
        " from members order by all"
    )
    assert found == [
        ("P2", "S2", "location", "N", "2026-01-05 00:00:00", None),
        (None, "S2", "declared", None, None, None),
        (None, None, None, None, None, None),
        (None, None, None, None, None, None),
    ]


def test_arrival_order_and_rebuild_give_the_same_tables(new_world):
    nights = {
        "2026-01-01": [
            ("pos", "pos__tickets", [sale("T1", phone="P1"), sale("T2", phone="P2", member_ref="C1")])
        ],
        "2026-01-02": [
            ("gb", "groupbuy__users", [user("o1", unionid="U1"), user("o2", **verified("P2"))]),
            (
                "pos",
                "pos__members",
                [{"member_ref": "C1", "phone": "P1"}, {"member_ref": "C2", "phone": "P3"}],
            ),
        ],
        "2026-01-03": [
            (
                "pos",
                "pos__members",
                [{"member_ref": "C1", "phone": "P2"}, {"member_ref": "C2", "phone": "P3"}],
            ),
            ("gb", "groupbuy__users", [user("o1", unionid="U1", **verified("P3"))]),
            ("we", "wecom__contacts", [contact("x1", unionid="U1"), contact("x2", phone="P1")]),
        ],
    }

    def arrive(world, night, reverse=False):
        for connection, table, rows in reversed(nights[night]) if reverse else nights[night]:
            world.arrive(night, connection, table, *(reversed(rows) if reverse else rows))

    def state(world):
        return {table: world.read(f"select * from {table} order by all") for table in TABLES}

    by_night, at_once = new_world("by_night"), new_world("at_once")
    for night in nights:
        arrive(by_night, night)
        by_night.build()
    for night in reversed(nights):
        arrive(at_once, night, reverse=True)
    at_once.build()
    assert state(by_night) == state(at_once)
    by_night.build(rebuild=True)
    assert state(by_night) == state(at_once)
