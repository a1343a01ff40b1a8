"""Records of the group-buy APIs, in the vendors' shapes, as rows of the canonical feeds, through the door and the checks."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from dagster_project.contracts import feed as contract_feed
from dagster_project.landing.door import pass_door
from dagster_project.landing.mapping import map_table, records_table
from dagster_project.landing.units import check_units_between
from dagster_project.landing.validate import Limits, validate_rows
from dagster_project.presets import load_preset
from dagster_project.privacy import ChainKey
from dagster_project.sources.vendor import decode_json, encode_record

ZONE = "Asia/Shanghai"
KEY = ChainKey(b"k" * 32)
BIG = 9_007_199_254_740_993  # above 2^53
BUYER, PARENT = "138" + "00398000", "139" + "12345678"
CIPHER = "$MTM4MDAxMzgwMDA=$1$"
CONFIRMED, UPDATED = 1_772_424_000_000, 1_772_510_400_000  # 2026-03-02 and 03, 12:00
SETTINGS = {
    "youzan_api": {"kdt_id": "9001"},
    "ktt_api": {},
    "weimob_api": {"vid": "6016"},
}
Row = dict[str, Any]


def landed(preset_name: str, table: str, *records: Row, **settings: str) -> dict[str, list[Row]]:
    """What reaches the lake, by feed, and under `findings` (feed, column, rule) of the checks."""
    preset = load_preset(preset_name)
    defaults = {name: setting.default or "" for name, setting in preset.settings.items()}
    texts = [encode_record(decode_json("api", json.dumps(record).encode())) for record in records]
    given = {**defaults, **SETTINGS[preset_name], **settings}
    feeds = map_table(preset, table, records_table(texts), given, ZONE)
    check_units_between({name: feed.table for name, feed in feeds.items()})
    rows: dict[str, list[Row]] = {"findings": []}
    for name, mapped in feeds.items():
        feed = contract_feed("groupbuy", name)
        count = mapped.table.num_rows
        door = pass_door(mapped.table, feed, KEY).table
        door = door.append_column("_file_no", pa.array([1] * count, pa.int64()))
        nights = pa.array([20_600] * count, pa.int32()).cast(pa.date32())
        done = validate_rows(door.append_column("_night", nights), feed, Limits(ZONE, 2015, 100_000))
        rows[name] = [_said(row) for row in done.rows.to_pylist()]
        rows["findings"] += [
            {"feed": name, "column": r["column_name"], "rule": r["rule"]} for r in done.rejects.to_pylist()
        ]
    return rows


def _said(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None and not name.startswith("_")}


def some(row: Row, *names: str) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in names)


def token_of(number: str) -> str:
    return KEY.token_maker()(f"+86{number}")


# ---- Youzan


def yz_trade(**blocks: Any) -> Row:
    """Apples for 12.30 and eggs for 8.00, 3.00 of freight, 5.00 of it from a stored-value card."""
    info = {
        "tid": "E20260302120000000000001",
        "status": "WAIT_SELLER_SEND_GOODS",
        "type": 0,
        "refund_state": 0,
        "created": "2026-03-02 12:00:00",
        "pay_time": "2026-03-02 12:00:09",
        "update_time": "2026-03-02 12:00:10",
        "node_kdt_id": 9002,
        **blocks.get("order_info", {}),
    }
    full = {
        "order_info": info,
        "buyer_info": {"yz_open_id": "yzAbC", "buyer_phone": BUYER, "fans_nickname": "小林"},
        "address_info": {
            "receiver_name": "王阿姨",
            "receiver_tel": PARENT,
            "self_fetch_info": '{"name":"幸福里自提点","address":"x"}',
        },
        "pay_info": {
            "total_fee": "20.30",
            "post_fee": "3.00",
            "payment": "23.30",
            "real_payment": "18.30",
            "deduction_pay": 500,
            "deduct_value_card_pay": 500,
        },
        "orders": [
            {
                "oid": BIG,
                "outer_sku_id": "S1",
                "item_id": 7,
                "title": "苹果",
                "num": 2,
                "payment": "15.30",
            },
            {"oid": "2002", "sku_id": 0, "item_id": 8, "title": "鸡蛋", "num": 1, "payment": "8.00"},
        ],
        "remark_info": {"buyer_message": ""},
        "source_info": {"source": {"platform": "wx"}},
    }
    for name, change in blocks.items():
        if name not in ("order_info", "refund_order"):
            full[name] = {**full[name], **change} if isinstance(change, dict) else change
    return {"full_order_info": full, "refund_order": blocks.get("refund_order", [])}


class TestYouzanTrades:
    def test_an_order(self) -> None:
        rows = landed("youzan_api", "trades", yz_trade())
        assert rows["findings"] == []
        assert rows["orders"] == [
            {
                "order_id": "E20260302120000000000001",
                "store_code": "9002",
                "pickup_site": "幸福里自提点",
                "appid": "youzan:9001",
                "openid": "yzAbC",
                "buyer_phone_token": token_of(BUYER),
                "buyer_phone_masked": "138****8000",
                "buyer_phone_kind": "plain",
                "phone_verified": "Y",
                "receiver_phone_token": token_of(PARENT),
                "receiver_phone_masked": "139****5678",
                "receiver_phone_kind": "plain",
                "receiver_name_is_test": "N",
                "created_at": "2026-03-02 12:00:00",
                "paid_at": "2026-03-02 12:00:09",
                "status": "paid",
                "order_amount": "23.30",
                "freight": "3.00",
                "updated_at": "2026-03-02 12:00:10",
            }
        ]
        assert [some(row, "line_no", "sku", "item_name", "qty", "amount") for row in rows["order_lines"]] == [
            (str(BIG), "S1", "苹果", "2.000000", "15.30"),
            ("2002", "8", "鸡蛋", "1.000000", "8.00"),
        ]

    def test_yuan_texts_and_fen_numbers_of_one_block_are_not_mixed_up(self) -> None:
        """The card's 500 fen are a part of the 23.30 yuan paid: nothing is added, nothing is 100 times too big."""
        trades = [yz_trade(order_info={"tid": f"E{n}"}) for n in range(6)]
        rows = landed("youzan_api", "trades", *trades)  # six orders are enough for the 100-fold check
        assert {some(row, "order_amount", "freight") for row in rows["orders"]} == {("23.30", "3.00")}

    def test_the_receiver_is_not_the_buyer(self) -> None:
        order = landed("youzan_api", "trades", yz_trade())["orders"][0]
        assert order["buyer_phone_token"] != order["receiver_phone_token"]

    def test_a_cipher_stays_opaque(self) -> None:
        trade = yz_trade(buyer_info={"buyer_phone": CIPHER}, address_info={"receiver_tel": "138****8000"})
        order = landed("youzan_api", "trades", trade)["orders"][0]
        assert some(order, "buyer_phone_kind", "buyer_phone_token") == ("cipher", None)
        assert some(order, "receiver_phone_kind", "receiver_phone_token") == ("masked", None)

    def test_no_buyers_phone_is_nothing_verified(self) -> None:
        for phone in (None, ""):
            order = landed("youzan_api", "trades", yz_trade(buyer_info={"buyer_phone": phone}))["orders"][0]
            assert some(order, "phone_verified", "buyer_phone_kind") == (None, None)

    def test_a_partial_refund_sits_on_its_line_and_leaves_the_amount_alone(self) -> None:
        trade = yz_trade(
            order_info={"refund_state": 2},
            refund_order=[
                {"refund_id": "R1", "refund_state": 60, "refund_fee": "5.00", "oids": [{"oid": BIG}]},
                {"refund_id": "R2", "refund_state": 50, "refund_fee": "8.00", "oids": [{"oid": "2002"}]},
            ],
        )
        rows = landed("youzan_api", "trades", trade)
        assert some(rows["orders"][0], "order_amount", "refund_amount") == ("23.30", "5.00")
        assert [some(row, "amount", "refunded") for row in rows["order_lines"]] == [
            ("15.30", "5.00"),
            ("8.00", None),
        ]

    def test_a_refund_that_pays_all_its_lines_back_sits_on_each(self) -> None:
        refund = {"refund_state": 60, "refund_fee": "26.30", "oids": [{"oid": BIG}, {"oid": "2002"}]}
        rows = landed("youzan_api", "trades", yz_trade(refund_order=[refund]))
        assert [row["refunded"] for row in rows["order_lines"]] == ["15.30", "8.00"]

    def test_freight_above_a_line_is_not_the_lines(self) -> None:
        refund = {"refund_state": 60, "refund_fee": "11.00", "oids": [{"oid": "2002"}]}
        rows = landed("youzan_api", "trades", yz_trade(refund_order=[refund]))
        assert rows["orders"][0]["refund_amount"] == "11.00"
        assert [row.get("refunded") for row in rows["order_lines"]] == [None, "8.00"]

    def test_a_refund_over_several_lines_counts_on_the_order_alone(self) -> None:
        refund = {"refund_state": 60, "refund_fee": "6.00", "oids": [{"oid": BIG}, {"oid": "2002"}]}
        rows = landed("youzan_api", "trades", yz_trade(refund_order=[refund]))
        assert rows["orders"][0]["refund_amount"] == "6.00"
        assert [row.get("refunded") for row in rows["order_lines"]] == [None, None]

    def test_which_states_mean_refunded_is_a_setting(self) -> None:
        trade = yz_trade(refund_order=[{"refund_state": 70, "refund_fee": "5.00", "oids": []}])
        order = landed("youzan_api", "trades", trade, refund_done_states="60, 70")["orders"][0]
        assert order["refund_amount"] == "5.00"

    def test_statuses(self) -> None:
        expected = {
            "WAIT_BUYER_PAY": "unpaid",
            "TRADE_PAID": "paid",
            "WAIT_CONFIRM": "paid",
            "WAIT_BUYER_CONFIRM_GOODS": "shipped",
            "TRADE_SUCCESS": "completed",
            "TRADE_CLOSED": "closed",
        }
        trades = [yz_trade(order_info={"tid": name, "status": name}) for name in expected]
        rows = landed("youzan_api", "trades", *trades)
        assert {row["order_id"]: row["status"] for row in rows["orders"]} == expected

    def test_an_unpaid_order_has_no_payment_time(self) -> None:
        trade = yz_trade(order_info={"status": "WAIT_BUYER_PAY", "pay_time": ""})
        rows = landed("youzan_api", "trades", trade)
        assert some(rows["orders"][0], "status", "paid_at") == ("unpaid", None)
        assert rows["findings"] == []

    def test_a_status_nobody_knows_is_refused_and_seen(self) -> None:
        rows = landed("youzan_api", "trades", yz_trade(order_info={"status": "WAIT_MARS"}))
        assert rows["orders"] == []
        assert [found["column"] for found in rows["findings"]] == ["status"]

    def test_test_orders_stay_visible(self) -> None:
        for block in (
            {"buyer_info": {"fans_nickname": "测试号"}},
            {"remark_info": {"buyer_message": "Test 单，勿发"}},
            {"address_info": {"receiver_name": "测试"}},
        ):
            order = landed("youzan_api", "trades", yz_trade(**block))["orders"][0]
            assert order["receiver_name_is_test"] == "Y"

    def test_a_word_that_only_contains_test_is_no_test(self) -> None:
        trade = yz_trade(remark_info={"latest": "the latest contest"})
        assert landed("youzan_api", "trades", trade)["orders"][0]["receiver_name_is_test"] == "N"

    def test_group_orders_and_a_store_for_all(self) -> None:
        order = landed("youzan_api", "trades", yz_trade(order_info={"type": 10}), store_code="S001")
        assert some(order["orders"][0], "channel", "store_code") == ("group", "S001")

    def test_missing_blocks_cost_no_row(self) -> None:
        trade = yz_trade(address_info=None, buyer_info=None, source_info=None, refund_order=None)
        rows = landed("youzan_api", "trades", trade)
        assert rows["findings"] == []
        assert some(rows["orders"][0], "order_amount", "appid", "openid") == ("23.30", None, None)


class TestYouzanRefundsAndCustomers:
    @staticmethod
    def refund(**changes: Any) -> Row:
        return {
            "refund_id": "R1",
            "status": "SUCCESS",
            "tid": "E1",
            "return_goods": False,
            "reason": "坏果",
            "refund_fee": "5.00",
            "created": "2026-03-03 09:00:00",
            "modified": "2026-03-04 10:00:00",
            **changes,
        }

    def test_a_refund(self) -> None:
        assert landed("youzan_api", "refunds", self.refund())["refunds"] == [
            {
                "refund_id": "R1",
                "order_id": "E1",
                "amount": "5.00",
                "kind": "refund_only",
                "reason": "坏果",
                "status": "done",
                "applied_at": "2026-03-03 09:00:00",
                "finished_at": "2026-03-04 10:00:00",
            }
        ]

    def test_times_in_seconds_are_taken_too(self) -> None:
        row = landed("youzan_api", "refunds", self.refund(created=1_772_424_000))["refunds"][0]
        assert row["applied_at"] == "2026-03-02 12:00:00"

    def test_only_a_success_has_finished(self) -> None:
        expected = {
            "WAIT_SELLER_AGREE": "applied",
            "WAIT_SOMETHING_ELSE": "agreed",
            "SELLER_REFUSE_SOMETHING": "refused",
            "CLOSED": "withdrawn",
        }
        for name, status in expected.items():
            row = landed("youzan_api", "refunds", self.refund(status=name))["refunds"][0]
            assert some(row, "status", "finished_at") == (status, None)

    def test_a_customer_has_the_orders_identity(self) -> None:
        customer = {"yz_open_id": "yzAbC", "mobile": BUYER, "created_at": "2025-05-01 08:00:00", "name": "林"}
        users = landed("youzan_api", "customers", customer)["users"]
        assert [some(row, "appid", "openid", "phone_token", "registered_at") for row in users] == [
            ("youzan:9001", "yzAbC", token_of(BUYER), "2025-05-01 08:00:00")
        ]


# ---- Kuaituantuan


def ktt_order(**changes: Any) -> Row:
    """Apples and eggs for 20.30 and 3.00 of freight."""
    return {
        "order_sn": "260302-1",
        "activity_no": "A1",
        "activity_title": "周一水果团",
        "participate_no": 3,
        "open_id": "kOpen",
        "nick_name": "小林",
        "confirm_at": CONFIRMED,
        "updated_at": UPDATED,
        "order_amount": 2330,
        "shipping_amount": 300,
        "refund_shipping_amount": 0,
        "after_sales_status": 0,
        "cancel_status": 0,
        "shipping_status": 0,
        "mall_activity_type": 0,
        "is_supplier": False,
        "help_sell_open_id": "",
        "receiver_name": "王阿姨",
        "receiver_mobile": PARENT,
        "self_pick_up_site_name": "幸福里自提点",
        "sub_order_list": [
            {
                "sub_order_sn": "260302-1-1",
                "goods_id": 7,
                "external_sku_id": "S1",
                "goods_name": "苹果",
                "goods_specification": "5斤装",
                "category_name": "水果",
                "goods_number": 2,
                "goods_amount": 1430,
                "real_goods_amount": 1230,
                "refund_goods_amount": 0,
            },
            {
                "sub_order_sn": "260302-1-2",
                "goods_id": 8,
                "sku_id": 0,
                "goods_name": "鸡蛋",
                "goods_number": 1,
                "goods_amount": 800,
                "refund_goods_amount": 0,
            },
        ],
        **changes,
    }


class TestKttOrders:
    def test_an_order(self) -> None:
        rows = landed("ktt_api", "orders", ktt_order(), store_code="S001")
        assert rows["findings"] == []
        assert rows["orders"] == [
            {
                "order_id": "260302-1",
                "activity_id": "A1",
                "store_code": "S001",
                "pickup_site": "幸福里自提点",
                "channel": "group",
                "openid": "kOpen",
                "appid": "ktt",
                "receiver_phone_token": token_of(PARENT),
                "receiver_phone_masked": "139****5678",
                "receiver_phone_kind": "plain",
                "receiver_name_is_test": "N",
                "created_at": "2026-03-02 12:00:00",
                "paid_at": "2026-03-02 12:00:00",
                "status": "paid",
                "order_amount": "23.30",
                "refund_amount": "0.00",
                "freight": "3.00",
                "seller_role": "direct",
                "updated_at": "2026-03-03 12:00:00",
            }
        ]
        assert [
            some(r, "line_no", "sku", "item_name", "category", "qty", "amount") for r in rows["order_lines"]
        ] == [
            ("260302-1-1", "S1", "苹果 5斤装", "水果", "2.000000", "12.30"),
            ("260302-1-2", "8", "鸡蛋", None, "1.000000", "8.00"),
        ]
        assert rows["activities"] == [{"activity_id": "A1", "title": "周一水果团", "store_code": "S001"}]
        assert rows["leaders"] == []

    def test_the_receiver_is_never_taken_for_the_buyer(self) -> None:
        order = landed("ktt_api", "orders", ktt_order())["orders"][0]
        assert not [name for name in order if name.startswith("buyer_phone")]
        assert "unionid" not in order

    def test_receivers_may_be_plain_masked_encrypted_or_empty(self) -> None:
        phones = {"plain": PARENT, "masked": "139****5678", "cipher": "~AgAAAABcipher0tex~1~", None: ""}
        for kind, phone in phones.items():
            order = landed("ktt_api", "orders", ktt_order(receiver_mobile=phone))["orders"][0]
            assert order.get("receiver_phone_kind") == kind
            assert ("receiver_phone_token" in order) == (kind == "plain")

    def test_a_partial_refund_sits_on_its_line_and_leaves_the_amount_alone(self) -> None:
        order = ktt_order(refund_shipping_amount=100)
        order["sub_order_list"][0]["refund_goods_amount"] = 250
        rows = landed("ktt_api", "orders", order)
        assert some(rows["orders"][0], "order_amount", "refund_amount") == ("23.30", "3.50")
        assert [row["refunded"] for row in rows["order_lines"]] == ["2.50", "0.00"]

    def test_statuses(self) -> None:
        for change, status in (
            ({"cancel_status": 1}, "closed"),
            ({"confirm_at": 0}, "unpaid"),
            ({"confirm_at": None}, "unpaid"),
            ({"shipping_status": 1}, "shipped"),
            ({"cancel_status": 1, "confirm_at": None}, "closed"),
        ):
            rows = landed("ktt_api", "orders", ktt_order(**change))
            assert [row["status"] for row in rows["orders"]] == [status]
            assert ("paid_at" in rows["orders"][0]) == bool(change.get("confirm_at", True))

    def test_roles_of_help_selling(self) -> None:
        for change, role in (
            ({"is_supplier": True, "help_sell_open_id": "kHelper"}, "supplier"),
            ({"is_supplier": 1, "help_sell_open_id": "kHelper"}, "supplier"),
            ({"is_supplier": False, "help_sell_open_id": "kHelper"}, "helper"),
            ({"is_supplier": False, "help_sell_open_id": None}, "direct"),
            ({"is_supplier": None, "help_sell_open_id": ""}, "direct"),
        ):
            order = landed("ktt_api", "orders", ktt_order(**change))["orders"][0]
            assert some(order, "seller_role", "leader_id") == (role, change["help_sell_open_id"] or None)

    def test_a_book_that_does_not_say_whose_it_is_is_seen(self) -> None:
        rows = landed("ktt_api", "orders", ktt_order(is_supplier=None, help_sell_open_id="kHelper"))
        assert {"feed": "orders", "column": "seller_role"}.items() <= rows["findings"][0].items()
        assert len(rows["orders"]) == 1

    def test_the_helper_of_our_own_book_is_our_leader_and_a_foreign_one_is_not(self) -> None:
        helping = ktt_order(help_sell_open_id="kOurs", help_sell_nickname="团长小陈")
        supplying = ktt_order(is_supplier=True, help_sell_open_id="kForeign", order_sn="260302-2")
        rows = landed("ktt_api", "orders", helping, helping, supplying)
        assert [row["leader_id"] for row in rows["leaders"]] == ["kOurs"]

    def test_test_orders_stay_visible(self) -> None:
        for change in ({"nick_name": "测试"}, {"buyer_memo": "test"}, {"business_note": "内部测试单"}):
            order = landed("ktt_api", "orders", ktt_order(**change))["orders"][0]
            assert order["receiver_name_is_test"] == "Y"

    def test_an_order_without_lines_is_still_an_order(self) -> None:
        rows = landed("ktt_api", "orders", ktt_order(sub_order_list=None))
        assert (len(rows["orders"]), rows["order_lines"]) == (1, [])

    def test_one_group_is_one_activity(self) -> None:
        rows = landed(
            "ktt_api", "orders", ktt_order(), ktt_order(order_sn="260302-2"), ktt_order(activity_no=None)
        )
        assert [row["activity_id"] for row in rows["activities"]] == ["A1"]


class TestKttAfterSales:
    @staticmethod
    def sale(extension: Any, **changes: Any) -> Row:
        return {
            "after_sales_biz_sn": "AS1",
            "order_sn": "260302-1",
            "apply_type": 0,
            "after_sales_status": 2,
            "created_at": "2026-03-04 09:00:00",
            "updated_at": "2026-03-05 10:00:00",
            "apply_extension": extension,
            **changes,
        }

    @staticmethod
    def amounts(rows: dict[str, list[Row]]) -> dict[str, tuple[Any, ...]]:
        return {row["refund_id"]: some(row, "line_no", "amount") for row in rows["refunds"]}

    def test_lines_and_freight(self) -> None:
        lines = [
            {"sub_order_sn": "260302-1-1", "refund_amount": 250},
            {"sub_order_sn": "260302-1-2", "refund_amount": 800},
        ]
        expected = {
            "AS1": (None, "3.00"),
            "AS1-260302-1-1": ("260302-1-1", "2.50"),
            "AS1-260302-1-2": ("260302-1-2", "8.00"),
        }
        # whether the total counts the freight in is not known: both readings give the same refunds
        for total in (1050, 1350):
            extension = {"refund_amount": total, "refund_shipping_amount": 300, "sub_extensions": lines}
            assert self.amounts(landed("ktt_api", "after_sales", self.sale(extension))) == expected

    def test_without_lines_the_whole_is_one_refund(self) -> None:
        for lines in ({}, {"sub_extensions": None}, {"sub_extensions": []}):
            rows = landed("ktt_api", "after_sales", self.sale({"refund_amount": 990, **lines}))
            assert self.amounts(rows) == {"AS1": (None, "9.90")}

    def test_freight_alone(self) -> None:
        for total in (0, 800):
            extension = {"refund_amount": total, "refund_shipping_amount": 800, "sub_extensions": []}
            rows = landed("ktt_api", "after_sales", self.sale(extension))
            assert self.amounts(rows) == {"AS1": (None, "8.00")}

    def test_lines_that_explain_everything_leave_nothing_over(self) -> None:
        extension = {
            "refund_amount": 250,
            "sub_extensions": [{"sub_order_sn": "260302-1-1", "refund_amount": 250}],
        }
        rows = landed("ktt_api", "after_sales", self.sale(extension))
        assert self.amounts(rows) == {"AS1": (None, "0.00"), "AS1-260302-1-1": ("260302-1-1", "2.50")}

    def test_times_are_wall_clock_here_and_only_refunded_has_finished(self) -> None:
        for code, status in (
            (1, "agreed"),
            (2, "done"),
            (3, "applied"),
            (4, "refused"),
            (6, "agreed"),
            (7, "agreed"),
            (8, "withdrawn"),
            (9, "withdrawn"),
        ):
            sale = self.sale({"refund_amount": 100}, after_sales_status=code, apply_type=1)
            row = landed("ktt_api", "after_sales", sale)["refunds"][0]
            assert some(row, "status", "kind", "applied_at") == (status, "return", "2026-03-04 09:00:00")
            assert row.get("finished_at") == ("2026-03-05 10:00:00" if code == 2 else None)


# ---- Weimob


def wm_order(**blocks: Any) -> Row:
    """Two goods for 20.30; the key of the order number has a tab behind it, as some generated models spell it."""
    base = {
        "orderNo\t": BIG,
        "orderStatus": 1,
        "payStatus": 1,
        "createTime": CONFIRMED,
        "payTime": CONFIRMED + 9_000,
        "updateTime": UPDATED,
        **blocks.get("base", {}),
    }
    order = {
        "orderBaseInfo": base,
        "buyerInfo": {"wid\t": BIG + 2, "userNickName": "小林", "buyerRemark": "", **blocks.get("buyer", {})},
        "items": [
            {
                "itemId": BIG + 4,
                "goodsId": 7,
                "skuId": 71,
                "skuCode": "S1",
                "goodsTitle": "苹果",
                "skuNum": "2",
                "payInfo": {"payAmount": "12.30", "totalAmount": "14.30"},
            },
            {
                "itemId": 2002,
                "goodsId": 8,
                "skuId": 0,
                "goodsTitle": "鸡蛋",
                "skuNum": "1",
                "payInfo": {"payAmount": "8.00"},
            },
        ],
        "payInfo": {"payAmount": "20.30", "shouldPayAmount": "20.30", **blocks.get("pay", {})},
        "merchantInfo": {"vid": 6016, "processVid": 6017},
        "orderFulfill": {"receiverInfo": {"name": "王阿姨", "phone": PARENT}},
    }
    return {"orderInfo": order, **({"customer": blocks["customer"]} if "customer" in blocks else {})}


class TestWeimobOrders:
    def test_an_order(self) -> None:
        customer = {"wid": BIG + 2, "phone": BUYER, "becomeCustomerTime": CONFIRMED}
        rows = landed("weimob_api", "orders", wm_order(customer=customer))
        assert rows["findings"] == []
        order = rows["orders"][0]
        assert some(order, "order_id", "openid", "appid", "store_code") == (
            str(BIG), str(BIG + 2), "weimob:6016", "6017",
        )  # fmt: skip
        assert some(order, "buyer_phone_token", "receiver_phone_token") == (token_of(BUYER), token_of(PARENT))
        assert some(order, "created_at", "paid_at", "updated_at") == (
            "2026-03-02 12:00:00", "2026-03-02 12:00:09", "2026-03-03 12:00:00",
        )  # fmt: skip
        assert some(order, "status", "order_amount") == ("paid", "20.30")
        assert [some(row, "line_no", "sku", "qty", "amount") for row in rows["order_lines"]] == [
            (str(BIG + 4), "S1", "2.000000", "12.30"),
            ("2002", "8", "1.000000", "8.00"),
        ]
        assert [some(row, "appid", "openid", "phone_token", "registered_at") for row in rows["users"]] == [
            ("weimob:6016", str(BIG + 2), token_of(BUYER), "2026-03-02 12:00:00")
        ]

    def test_without_a_customers_record_the_receiver_does_not_become_the_buyer(self) -> None:
        rows = landed("weimob_api", "orders", wm_order())
        assert "buyer_phone_token" not in rows["orders"][0]
        assert rows["users"] == []

    def test_a_buyer_of_two_orders_is_one_user(self) -> None:
        customer = {"wid": 5, "phone": BUYER}
        orders = [wm_order(customer=customer, base={"orderNo\t": n}, buyer={"wid\t": 5}) for n in (1, 2)]
        rows = landed("weimob_api", "orders", *orders)
        assert (len(rows["orders"]), len(rows["users"])) == (2, 1)

    def test_status_comes_from_the_times(self) -> None:
        for change, status in (
            ({"payTime": None}, "unpaid"),
            ({"payTime": 0}, "unpaid"),
            ({"payTime": None, "finishTime": UPDATED}, "unpaid"),
            ({"finishDeliveryTime": UPDATED}, "shipped"),
            ({"finishDeliveryTime": UPDATED, "finishTime": UPDATED}, "completed"),
            ({"orderStatus": 9}, "closed"),
        ):
            rows = landed("weimob_api", "orders", wm_order(base=change), closed_statuses="8, 9")
            assert [row["status"] for row in rows["orders"]] == [status]
            assert ("paid_at" in rows["orders"][0]) == (change.get("payTime", 1) not in (None, 0))

    def test_an_unpaid_order_shows_what_is_to_be_paid_and_a_paid_one_what_was(self) -> None:
        pay = {"payAmount": "0.00", "shouldPayAmount": "20.30"}
        for paid_at, amount in ((None, "20.30"), (CONFIRMED, "0.00")):
            rows = landed("weimob_api", "orders", wm_order(base={"payTime": paid_at}, pay=pay))
            assert rows["orders"][0]["order_amount"] == amount

    def test_an_unknown_code_closes_nothing_by_default(self) -> None:
        assert (
            landed("weimob_api", "orders", wm_order(base={"orderStatus": 9}))["orders"][0]["status"] == "paid"
        )

    def test_test_orders_stay_visible(self) -> None:
        for buyer in ({"userNickName": "测试"}, {"buyerRemark": "TEST"}):
            assert (
                landed("weimob_api", "orders", wm_order(buyer=buyer))["orders"][0]["receiver_name_is_test"]
                == "Y"
            )

    def test_a_buyer_of_0_is_no_buyer(self) -> None:
        order = landed("weimob_api", "orders", wm_order(buyer={"wid\t": 0}))["orders"][0]
        assert some(order, "appid", "openid") == (None, None)


class TestWeimobRights:
    @staticmethod
    def right(total: str | None, *items: tuple[int, str | None, str], **changes: Any) -> Row:
        return {
            "rightsOrder": {
                "rightsId": BIG,
                "rightsStatus": 5,
                "createTime": CONFIRMED,
                "updateTime": UPDATED,
                **changes,
            },
            "rightsItems": [
                {"orderItemId": number, "refundDetail": {"refundAmount": refunded, "applyAmount": applied}}
                for number, refunded, applied in items
            ],
            "originOrder": {"orderNo\t": BIG},
            "refundDetail": {"refundAmount": total},
        }

    @staticmethod
    def refunds(right: Row, **settings: str) -> list[tuple[Any, ...]]:
        rows = landed("weimob_api", "rights", right, **settings)
        assert rows["findings"] == []
        assert {row["order_id"] for row in rows["refunds"]} == {str(BIG)}
        return [some(row, "line_no", "amount", "status") for row in rows["refunds"]]

    def test_lines_and_what_they_do_not_explain(self) -> None:
        found = self.refunds(self.right("7.50", (11, "4.00", "4.00"), (12, "2.50", "8.00")))
        assert found == [("11", "4.00", "done"), ("12", "2.50", "done"), (None, "1.00", "done")]

    def test_what_is_asked_for_is_not_refunded(self) -> None:
        found = self.refunds(self.right("0.00", (11, "0.00", "4.00")))
        assert found == [("11", "4.00", "applied"), (None, "0.00", "applied")]

    def test_a_line_that_got_nothing_of_a_refund_counts_nothing(self) -> None:
        found = self.refunds(self.right("4.00", (11, "4.00", "4.00"), (12, "0.00", "8.00")))
        assert found == [("11", "4.00", "done"), ("12", "0.00", "done"), (None, "0.00", "done")]

    def test_listed_statuses_decide_when_given(self) -> None:
        right = self.right("4.00", (11, "4.00", "4.00"))
        assert {status for *_, status in self.refunds(right, rights_done_statuses="6")} == {"applied"}
        assert {status for *_, status in self.refunds(right, rights_done_statuses="5, 6")} == {"done"}

    def test_without_lines_the_whole_is_one_refund(self) -> None:
        assert self.refunds(self.right("4.00")) == [(None, "4.00", "done")]

    def test_ids_are_texts_and_times_are_milliseconds(self) -> None:
        row = landed("weimob_api", "rights", self.right("4.00"))["refunds"][0]
        assert some(row, "refund_id", "applied_at", "finished_at") == (
            str(BIG), "2026-03-02 12:00:00", "2026-03-03 12:00:00",
        )  # fmt: skip
