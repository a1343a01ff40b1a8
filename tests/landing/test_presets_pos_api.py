"""Records of the POS APIs, in the vendors' shapes, as rows of the canonical feeds."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from dagster_project.contracts import feed as contract_feed
from dagster_project.landing.mapping import map_table, records_table
from dagster_project.landing.units import check_units_between
from dagster_project.landing.validate import Limits, validate_rows
from dagster_project.presets import load_preset
from dagster_project.sources.vendor import decode_json, encode_record

ZONE = "Asia/Shanghai"
UID = 1_152_921_504_606_846_977  # above 2^53
PHONE = "138" + "00138000"
SETTINGS = {
    "pospal_api": {"app_id": "APP9"},
    "keruyun_api": {"shop_id": "810001"},
    "twodfire_api": {"entity_id": "E100"},
}
Rows = dict[str, list[dict[str, Any]]]


def mapped(preset_name: str, table: str, *records: dict[str, Any], **settings: str) -> Rows:
    """Canonical rows by feed, and what was set aside under `ignored`. Only what says something is in a row."""
    preset = load_preset(preset_name)
    defaults = {name: setting.default or "" for name, setting in preset.settings.items()}
    texts = [encode_record(decode_json("api", json.dumps(record).encode())) for record in records]
    given = {**defaults, **SETTINGS[preset_name], **settings}
    feeds = map_table(preset, table, records_table(texts), given, ZONE)
    check_units_between({name: feed.table for name, feed in feeds.items()})
    rows: Rows = {name: [_said(row) for row in feed.table.to_pylist()] for name, feed in feeds.items()}
    rows["ignored"] = [{"row": row, "rule": rule} for feed in feeds.values() for row, rule in feed.ignored]
    return rows


def checked(name: str, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Rows as landing's checks let them through, and (column, rule) of what they found."""
    feed = contract_feed("pos", name)
    plain = [column.name for column in feed.columns if column.type not in ("phone", "name")]
    table = pa.table(
        {column: pa.array([row.get(column) for row in rows], pa.string()) for column in plain}
        | {"_extra": pa.nulls(len(rows), pa.string()), "_row_no": list(range(1, len(rows) + 1))}
        | {
            "_file_no": [1] * len(rows),
            "_night": pa.array([20_600] * len(rows), pa.int32()).cast(pa.date32()),
        }
    )
    done = validate_rows(table, feed, Limits(ZONE, 2015, 100_000))
    found = [(row["column_name"], row["rule"]) for row in done.rejects.to_pylist()]
    return [_said(row) for row in done.rows.to_pylist()], found


def _said(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None and not name.startswith("_")}


def numbers(rows: list[dict[str, Any]], column: str) -> list[float]:
    return [float(row[column]) for row in rows]


def pospal(**changes: Any) -> dict[str, Any]:
    """A receipt of 0.535 kg of pork and a box of eggs, paid in cash."""
    return {
        "uid": UID,
        "sn": "202603020001",
        "datetime": "2026-03-02 10:11:12",
        "ticketType": "SELL",
        "invalid": 0,
        "sysUpdateTime": "2026-03-02 10:11:30",
        "totalAmount": 25.65,
        "totalProfit": 5.1,
        "discount": 1.2,
        "rounding": 0.05,
        "externalOrderNo": "",
        "customerUid": UID + 5,
        "cashierUid": UID + 6,
        "payments": [{"code": "payCode_1", "amount": 25.65}],
        "items": [
            {
                "name": "五花肉",
                "sellPrice": 29.8,
                "quantity": 0.535,
                "totalAmount": 15.85,
                "productUid": UID + 7,
                "productBarcode": " 2000017\n",
                "isWeighing": 1,
            },
            {"name": "鸡蛋", "sellPrice": 9.8, "quantity": 1, "totalAmount": 9.8, "productUid": UID + 8},
        ],
        **changes,
    }


class TestPospal:
    def test_a_sale(self) -> None:
        rows = mapped("pospal_api", "tickets", pospal())
        assert rows["tickets"] == [
            {
                "store_code": "APP9",
                "ticket_id": "1152921504606846977",
                "kind": "sale",
                "sold_at": "2026-03-02 10:11:12",
                "discount": "1.2",
                "rounding": "0.05",
                "net": "25.65",
                "member_ref": "1152921504606846982",
                "cashier_id": "1152921504606846983",
                "updated_at": "2026-03-02 10:11:30",
            }
        ]
        for name in ("tickets", "ticket_lines", "tenders"):
            kept, found = checked(name, rows[name])
            assert (len(kept), found) == (len(rows[name]), [])

    def test_weighed_goods_keep_their_grams_and_codes_lose_their_blanks(self) -> None:
        pork, eggs = mapped("pospal_api", "tickets", pospal())["ticket_lines"]
        assert (pork["sku"], pork["qty"], pork["price"], pork["amount"]) == (
            "2000017",
            "0.535",
            "29.8",
            "15.85",
        )
        assert (eggs["sku"], eggs["line_no"]) == ("1152921504606846985", "2")

    def test_goods_keyed_in_by_hand_have_no_code(self) -> None:
        item = {"name": "散称", "quantity": 1, "totalAmount": 3, "productUid": 0, "productBarcode": ""}
        (line,) = mapped("pospal_api", "tickets", pospal(items=[item]))["ticket_lines"]
        assert "sku" not in line

    @pytest.mark.parametrize("absent", [0, None, "missing"])
    def test_no_member_in_any_spelling(self, absent: Any) -> None:
        ticket = pospal(customerUid=absent)
        if absent == "missing":
            del ticket["customerUid"]
        assert "member_ref" not in mapped("pospal_api", "tickets", ticket)["tickets"][0]

    @pytest.mark.parametrize("spelling", ["SELL", "Sell", "sell"])
    def test_a_void_replaces_its_own_sale_and_names_no_other(self, spelling: str) -> None:
        (ticket,) = mapped("pospal_api", "tickets", pospal(invalid=1, ticketType=spelling))["tickets"]
        assert (ticket["kind"], ticket["net"]) == ("void", "25.6500")
        assert "origin_ticket_id" not in ticket
        assert ticket["ticket_id"] == mapped("pospal_api", "tickets", pospal())["tickets"][0]["ticket_id"]

    @pytest.mark.parametrize("sign", [1, -1])
    @pytest.mark.parametrize("spelling", ["SELL_RETURN", "sell_return"])
    def test_a_return_is_positive_whatever_sign_it_had(self, sign: int, spelling: str) -> None:
        item = {
            "name": "鸡蛋",
            "sellPrice": 9.8,
            "quantity": sign,
            "totalAmount": 9.8 * sign,
            "productUid": 1,
        }
        rows = mapped(
            "pospal_api",
            "tickets",
            pospal(
                ticketType=spelling,
                totalAmount=9.8 * sign,
                items=[item],
                payments=[{"code": "payCode_1", "amount": 9.8 * sign}],
            ),
        )
        assert rows["tickets"][0]["kind"] == "return"
        assert numbers(rows["tickets"], "net") == [9.8]
        assert numbers(rows["ticket_lines"], "qty") == [1]
        assert numbers(rows["ticket_lines"], "amount") == [9.8]
        assert numbers(rows["tenders"], "amount") == [9.8]

    def test_a_return_that_was_voided_is_a_void(self) -> None:
        (ticket,) = mapped("pospal_api", "tickets", pospal(ticketType="SELL_RETURN", invalid=1))["tickets"]
        assert ticket["kind"] == "void"

    def test_an_unknown_type_is_refused_by_the_checks(self) -> None:
        rows = mapped("pospal_api", "tickets", pospal(ticketType="EXCHANGE"))
        kept, found = checked("tickets", rows["tickets"])
        assert (kept, found) == ([], [("kind", "not_enum")])

    def test_an_amount_that_is_none_is_refused_not_zero(self) -> None:
        rows = mapped("pospal_api", "tickets", pospal(totalAmount="n/a", ticketType="SELL_RETURN"))
        assert checked("tickets", rows["tickets"]) == ([], [("net", "not_money")])

    def test_split_payment(self) -> None:
        payments = [
            {"code": "payCode_1", "amount": 1},
            {"code": "payCode_2", "amount": 2.5},
            {"code": "payCode_101", "payMethodName": "微信支付", "amount": 3},
            {"code": "payCode_102", "payMethodName": "支付宝", "amount": 4},
            {"code": "payCode_103", "payMethodName": "美团团购券(微信)", "amount": 5},
            {"code": "payCode_104", "payMethodName": "积分抵扣", "amount": 6},
            {"code": "payCode_105", "payMethodName": "单位挂账", "amount": 7},
            {"code": "payCode_106", "payMethodName": "银联刷卡", "amount": 8},
            {"code": "payCode_107", "payMethodName": None, "amount": 9},
        ]
        tenders = mapped("pospal_api", "tickets", pospal(totalAmount=45.5, payments=payments))["tenders"]
        assert [row["method"] for row in tenders] == [
            "cash",
            "stored_value",
            "wechat",
            "alipay",
            "coupon",
            "points",
            "on_account",
            "card",
            "other",
        ]
        assert [row["tender_no"] for row in tenders] == [str(n) for n in range(1, 10)]
        assert sum(numbers(tenders, "amount")) == 45.5

    def test_a_receipt_without_lists_has_no_rows_of_them(self) -> None:
        rows = mapped("pospal_api", "tickets", pospal(items=None, payments=[]))
        assert (len(rows["tickets"]), rows["ticket_lines"], rows["tenders"]) == (1, [], [])

    def test_the_chains_own_store_code_wins(self) -> None:
        rows = mapped("pospal_api", "tickets", pospal(), store_code="S01")
        assert {row["store_code"] for row in rows["tickets"] + rows["ticket_lines"] + rows["tenders"]} == {
            "S01"
        }


class TestPospalCustomers:
    CUSTOMER = {  # noqa: RUF012
        "customerUid": UID,
        "number": "8001",
        "name": "王芳",
        "phone": PHONE,
        "point": 12.5,
        "balance": 100,
        "enable": 1,
        "createdDate": "2024-05-06 07:08:09",
        "createStoreAppIdOrAccount": "APP9",
        "weixinOpenIds": [
            {"openId": "oa-1", "openIdType": 0},
            {"openId": "mini-1", "openIdType": 1},
            {"openId": "union-1", "openIdType": 1000},
        ],
    }

    def test_a_customer(self) -> None:
        (row,) = mapped("pospal_api", "customers", self.CUSTOMER, store_code="S01")["members"]
        assert row == {
            "member_ref": "1152921504606846977",
            "phone": PHONE,
            "name": "王芳",
            "unionid": "union-1",
            "home_store": "S01",
            "points_balance": "12.5",
            "created_at": "2024-05-06 07:08:09",
            "status": "active",
        }
        assert checked("members", [row])[1] == []

    def test_an_openid_only_together_with_its_appid(self) -> None:
        (row,) = mapped("pospal_api", "customers", self.CUSTOMER, miniapp_appid="wx123")["members"]
        assert (row["wx_openid"], row["wx_appid"]) == ("mini-1", "wx123")

    @pytest.mark.parametrize(
        "ids", [None, [], "none", [{"openIdType": 0, "openId": "oa"}], {"openId": "x"}, [1]]
    )
    def test_a_customer_without_a_mini_program(self, ids: Any) -> None:
        (row,) = mapped(
            "pospal_api", "customers", {**self.CUSTOMER, "weixinOpenIds": ids}, miniapp_appid="wx1"
        )["members"]
        assert not {"wx_openid", "wx_appid", "unionid"} & row.keys()

    def test_a_login_account_is_no_store(self) -> None:
        (row,) = mapped("pospal_api", "customers", {**self.CUSTOMER, "createStoreAppIdOrAccount": PHONE})[
            "members"
        ]
        assert "home_store" not in row

    def test_several_members_with_one_phone_stay_several(self) -> None:
        other = {**self.CUSTOMER, "customerUid": UID + 1}
        rows = mapped("pospal_api", "customers", self.CUSTOMER, other)["members"]
        assert {row["member_ref"] for row in rows} == {str(UID), str(UID + 1)}
        assert {row["phone"] for row in rows} == {PHONE}


def keruyun(
    base: dict[str, Any] | None = None, listed: dict[str, Any] | None = None, **blocks: Any
) -> dict[str, Any]:
    """An order of 0.535 kg of pork, paid by WeChat; amounts in fen, mixed texts and numbers."""
    return {
        "listed": {
            "shopId": 810001,
            "orderId": UID,
            "orderStatus": "3",
            "orderAmt": "1594",
            "promoAmt": "94",
            "orderReceivedAmt": "1500",
            **(listed or {}),
        },
        "orderBaseVO": {
            "shopId": 810001,
            "orderId": UID,
            "openTime": "2026-03-02 10:00:00",
            "settleTime": "2026-03-02 10:11:12",
            "finishBusiDate": "2026-03-02",
            "orderType": "FOR_HERE",
            "orderStatus": 3,
            "orderAmt": 1594,
            "promoAmt": 94,
            "orderReceivedAmt": "1500",
            "settleOperatorName": "李收银",
            "memberId": UID + 5,
            "memberPhone": "138****8000",
            "thirdOrderNo": "",
            "relatedOrderId": None,
            **(base or {}),
        },
        "orderItemVoList": [
            {
                "id": UID + 1,
                "itemCode": "2000017 ",
                "itemName": "五花肉",
                "bigTypeName": "生鲜",
                "midTypeName": "猪肉",
                "weighFlag": 1,
                "saleStatusTypeCode": "NORMAL",
                "salePrice": "2980",
                "quantity": "0.535",
                "itemSaleAmt": 1594,
                "itemPromoApportionAmt": "94",
                "itemReceivedAmt": 1500,
            }
        ],
        "openPaymentDetailVoList": [
            {"payDetailNo": "P1", "payMethodId": -5, "payMethodName": "微信", "payAmt": 1500}
        ],
        **blocks,
    }


def order_of(record: dict[str, Any]) -> dict[str, Any]:
    (ticket,) = mapped("keruyun_api", "orders", record)["tickets"]
    return ticket


class TestKeruyun:
    def test_a_sale(self) -> None:
        rows = mapped("keruyun_api", "orders", keruyun())
        ticket = dict(rows["tickets"][0])
        assert len(ticket.pop("cashier_id")) == 16
        assert ticket == {
            "store_code": "810001",
            "ticket_id": str(UID),
            "kind": "sale",
            "sold_at": "2026-03-02 10:11:12",
            "gross": "15.94",
            "discount": "0.94",
            "net": "15",
            "member_ref": str(UID + 5),
            "phone": "138****8000",
        }
        assert rows["ticket_lines"] == [
            {
                "store_code": "810001",
                "ticket_id": str(UID),
                "line_no": str(UID + 1),
                "sku": "2000017",
                "item_name": "五花肉",
                "category": "猪肉",
                "category_l1": "生鲜",
                "qty": "0.5350",
                "price": "29.8",
                "amount": "15",
                "discount": "0.94",
            }
        ]
        assert rows["tenders"] == [
            {
                "store_code": "810001",
                "ticket_id": str(UID),
                "tender_no": "P1",
                "method": "wechat",
                "amount": "15",
            }
        ]
        for name in ("tickets", "ticket_lines", "tenders"):
            kept, found = checked(name, rows[name])
            assert (len(kept), found) == (1, [])

    @pytest.mark.parametrize("status", [11, "11", "ANTI_SETTLED"])
    def test_a_void_names_the_order_it_undoes(self, status: Any) -> None:
        ticket = order_of(keruyun({"orderId": UID + 9, "orderStatus": status, "relatedOrderId": UID}))
        assert (ticket["kind"], ticket["origin_ticket_id"]) == ("void", str(UID))
        assert ticket["ticket_id"] == str(UID + 9)

    def test_an_order_that_became_a_void_itself_replaces_its_sale(self) -> None:
        sold, undone = order_of(keruyun()), order_of(keruyun({"orderStatus": 11}))
        assert (sold["kind"], undone["kind"]) == ("sale", "void")
        assert sold["ticket_id"] == undone["ticket_id"]
        assert "origin_ticket_id" not in undone

    def test_the_order_that_was_settled_again_is_a_plain_sale(self) -> None:
        ticket = order_of(keruyun({"orderId": UID + 2, "orderStatus": 5, "relatedOrderId": UID}))
        assert ticket["kind"] == "sale"
        assert "origin_ticket_id" not in ticket

    @pytest.mark.parametrize("status", [7, 8, 9, 10, "CLOSED", "INVALID", "CANCELLED", "REJECTED"])
    def test_an_order_that_came_to_nothing_undoes_no_other(self, status: Any) -> None:
        ticket = order_of(keruyun({"orderStatus": status, "relatedOrderId": UID + 3}))
        assert ticket["kind"] == "void"
        assert "origin_ticket_id" not in ticket

    @pytest.mark.parametrize("sign", [1, -1])
    def test_a_refund_is_a_positive_return_of_its_order(self, sign: int) -> None:
        amounts = {"orderAmt": str(1594 * sign), "promoAmt": "0", "orderReceivedAmt": str(1500 * sign)}
        item = {"id": "1", "itemCode": "1", "quantity": 0.535 * sign, "itemReceivedAmt": 1500 * sign}
        rows = mapped(
            "keruyun_api",
            "orders",
            keruyun(
                {"orderStatus": 6, "relatedOrderId": UID - 1, **amounts},
                amounts,
                orderItemVoList=[item],
                openPaymentDetailVoList=[{"payDetailNo": "R1", "payMethodId": -3, "payAmt": 1500 * sign}],
            ),
        )
        (ticket,) = rows["tickets"]
        assert (ticket["kind"], ticket["origin_ticket_id"]) == ("return", str(UID - 1))
        assert numbers(rows["tickets"], "net") == numbers(rows["tenders"], "amount") == [15]
        assert numbers(rows["ticket_lines"], "qty") == [0.535]
        assert numbers(rows["ticket_lines"], "amount") == [15]

    @pytest.mark.parametrize("related", [None, 0, "0", ""])
    def test_a_refunded_order_that_names_no_other_is_undone_not_subtracted(self, related: Any) -> None:
        ticket = order_of(keruyun({"orderStatus": 6, "relatedOrderId": related}))
        assert ticket["kind"] == "void"
        assert "origin_ticket_id" not in ticket

    @pytest.mark.parametrize("kind", ["MEMBER_STORE", "MEMBER_MANUAL_STORE", "REPAYMENT_ORDER"])
    def test_a_top_up_is_no_sale_and_taken_back_it_is_nothing(self, kind: str) -> None:
        assert order_of(keruyun({"orderType": kind}))["kind"] == "recharge"
        assert order_of(keruyun({"orderType": kind, "orderStatus": 6}))["kind"] == "void"
        assert order_of(keruyun({"orderType": kind, "orderStatus": 11}))["kind"] == "void"

    @pytest.mark.parametrize("status", [1, "WAIT_PROCESSED"])
    def test_an_order_that_waits_is_set_aside_by_name(self, status: Any) -> None:
        rows = mapped("keruyun_api", "orders", keruyun({"orderStatus": status}), keruyun())
        assert [len(rows[name]) for name in ("tickets", "ticket_lines", "tenders")] == [1, 1, 1]
        assert rows["ignored"] == [{"row": 1, "rule": "not_settled_yet"}]

    @pytest.mark.parametrize("status", [2, 4, 12, "NEW", None])
    def test_a_status_that_nobody_named_is_refused(self, status: Any) -> None:
        rows = mapped("keruyun_api", "orders", keruyun({"orderStatus": status}))
        kept, found = checked("tickets", rows["tickets"])
        assert kept == []
        assert found == [("kind", "empty" if status is None else "not_enum")]

    def test_split_payment_with_stored_value_coupon_points_and_credit(self) -> None:
        paid = [
            (-3, "现金"), (-4, "银行卡"), (-5, "微信"), (-6, "支付宝"), (-1, "会员卡"), (-15, "实体卡"), (-24, "美团"),
            (-37, "银联"), (-127, "挂账"), (-128, "挂账"), (0, "代金券"), (-129, "扫码"), (9001, "积分抵现"), (9002, "礼品卡"),
        ]  # fmt: skip
        details = [
            {"payDetailNo": f"P{n}", "payMethodId": method, "payMethodName": name, "payAmt": 100}
            for n, (method, name) in enumerate(paid)
        ]
        tenders = mapped(
            "keruyun_api",
            "orders",
            keruyun(
                {"orderReceivedAmt": "1400"}, {"orderReceivedAmt": "1400"}, openPaymentDetailVoList=details
            ),
        )["tenders"]
        assert [row["method"] for row in tenders] == [
            "cash", "card", "wechat", "alipay", "stored_value", "stored_value", "coupon",
            "card", "on_account", "on_account", "coupon", "other", "points", "stored_value",
        ]  # fmt: skip
        assert sum(numbers(tenders, "amount")) == 14

    def test_parts_of_a_combo_and_discarded_lines_are_not_counted(self) -> None:
        combo = {"id": "1", "parentId": None, "itemCode": "C", "quantity": 1, "itemReceivedAmt": 1500}
        combo["children"] = [
            {"id": "9", "parentId": "1", "itemCode": "P9", "quantity": 1, "itemReceivedAmt": 700}
        ]
        part = {"id": "2", "parentId": "1", "itemCode": "P", "quantity": 1, "itemReceivedAmt": 800}
        gone = {"id": "3", "parentId": 0, "itemCode": "D", "quantity": 1, "itemReceivedAmt": 300}
        gone["saleStatusTypeCode"] = "DISCARD"
        own = {
            "id": "4",
            "parentId": "4",
            "itemCode": "O",
            "quantity": 1,
            "itemReceivedAmt": 0,
            "giftFlag": 1,
        }
        rows = mapped("keruyun_api", "orders", keruyun(orderItemVoList=[combo, part, gone, own]))
        assert [row["sku"] for row in rows["ticket_lines"]] == ["C", "O"]
        assert rows["ticket_lines"][1]["is_gift"] == "1"
        assert rows["ignored"] == [{"row": 1, "rule": "discarded"}]

    def test_an_order_without_a_member_or_lists(self) -> None:
        base = {"memberId": 0, "memberPhone": None, "settleOperatorName": None, "settleTime": None}
        rows = mapped(
            "keruyun_api", "orders", keruyun(base, orderItemVoList=None, openPaymentDetailVoList=None)
        )
        (ticket,) = rows["tickets"]
        assert not {"member_ref", "phone", "cashier_id"} & ticket.keys()
        assert ticket["sold_at"] == "2026-03-02 10:00:00"
        assert (rows["ticket_lines"], rows["tenders"]) == ([], [])

    def test_a_staff_name_becomes_the_same_id_every_time_and_never_itself(self) -> None:
        one, two = order_of(keruyun()), order_of(keruyun({"orderId": 7, "settleOperatorName": "李收银 "}))
        other = order_of(keruyun({"settleOperatorName": "赵收银"}))
        assert one["cashier_id"] == two["cashier_id"] != other["cashier_id"]
        assert "李" not in one["cashier_id"]


def fire(**blocks: Any) -> dict[str, Any]:
    """A bill of a weighed fish and a dish that was cancelled, paid with a 100-yuan note."""
    return {
        "orderVo": {
            "orderId": "00067",
            "code": "12",
            "openTime": 1_772_416_800_000,
            "endTime": 1_772_417_472_000,
            "memo": "",
        },
        "totalPayVo": {
            "sourceAmount": 90.0,
            "discountAmount": 4.4,
            "resultAmount": 85.6,
            "receiveAmount": 85.6,
            "currDate": "20260302",
        },
        "payVo": [{"kindPayName": "现金", "fee": 85.6, "pay": 100, "charge": 14.4, "type": 0}],
        "items": [
            {
                "orderId": "00067",
                "menuId": "m1",
                "name": "草鱼",
                "kindMenuName": "水产",
                "num": 1,
                "accountNum": 1.535,
                "accountUnit": "斤",
                "price": 58.63,
                "fee": 90,
                "ratioFee": 85.6,
                "giveDish": 0,
                "canceled": 0,
            },
            {"orderId": "00067", "menuId": "m2", "name": "白菜", "num": 2, "fee": 8, "canceled": 1},
        ],
        **blocks,
    }


class TestTwodfire:
    def test_a_sale(self) -> None:
        rows = mapped("twodfire_api", "orders", fire())
        ticket = dict(rows["tickets"][0])
        money = {name: float(ticket.pop(name)) for name in ("gross", "discount", "net")}
        assert money == {"gross": 90, "discount": 4.4, "net": 85.6}
        assert ticket == {
            "store_code": "E100",
            "ticket_id": "00067",
            "kind": "sale",
            "sold_at": "2026-03-02 10:11:12",
        }
        for name in ("tickets", "ticket_lines", "tenders"):
            kept, found = checked(name, rows[name])
            assert (len(kept), found) == (1, [])

    def test_weighed_goods_count_by_weight_and_cancelled_ones_not_at_all(self) -> None:
        rows = mapped("twodfire_api", "orders", fire())
        (line,) = rows["ticket_lines"]
        assert (line["sku"], float(line["qty"]), line["category"]) == ("m1", 1.535, "水产")
        assert (float(line["amount"]), float(line["discount"])) == (85.6, 4.4)
        assert rows["ignored"] == [{"row": 1, "rule": "cancelled"}]

    @pytest.mark.parametrize("weighed", [0, None])
    def test_goods_by_the_piece_count_by_the_piece(self, weighed: Any) -> None:
        item = {"menuId": "m1", "name": "豆腐", "num": 2, "accountNum": weighed, "fee": 6}
        (line,) = mapped("twodfire_api", "orders", fire(items=[item]))["ticket_lines"]
        assert float(line["qty"]) == 2
        assert float(line["amount"]) == 6

    def test_change_is_kept_beside_what_was_handed_over(self) -> None:
        (tender,) = mapped("twodfire_api", "orders", fire())["tenders"]
        assert tender["method"] == "cash"
        assert float(tender["amount"]) - float(tender["change"]) == pytest.approx(85.6)

    def test_split_payment(self) -> None:
        names = ["现金", "微信支付", "支付宝", "银行卡", "会员卡", "抵用券", "积分抵扣", "单位挂账", "其他"]
        paid = [{"kindPayName": name, "fee": 10, "pay": 10, "charge": 0} for name in names]
        tenders = mapped("twodfire_api", "orders", fire(payVo=paid))["tenders"]
        assert [row["method"] for row in tenders] == [
            "cash", "wechat", "alipay", "card", "stored_value", "coupon", "points", "on_account", "other",
        ]  # fmt: skip

    def test_a_bill_of_cancelled_dishes_only_is_void(self) -> None:
        gone = [{"menuId": "m", "num": 1, "fee": 5, "canceled": flag} for flag in (1, "true")]
        rows = mapped("twodfire_api", "orders", fire(items=gone))
        assert rows["tickets"][0]["kind"] == "void"
        assert rows["ticket_lines"] == []

    @pytest.mark.parametrize("items", [[], None, "none", [{"menuId": "m", "num": 1, "fee": 85.6}]])
    def test_a_bill_without_lines_or_flags_is_not_void(self, items: Any) -> None:
        assert mapped("twodfire_api", "orders", fire(items=items))["tickets"][0]["kind"] == "sale"

    def test_money_that_went_back_is_a_positive_return(self) -> None:
        totals = {"sourceAmount": -90, "discountAmount": 0, "resultAmount": -85.6}
        paid = [{"kindPayName": "现金", "pay": -85.6}]
        items = [{"menuId": "m1", "num": -1, "fee": -85.6}]
        rows = mapped("twodfire_api", "orders", fire(totalPayVo=totals, payVo=paid, items=items))
        assert rows["tickets"][0]["kind"] == "return"
        assert numbers(rows["tickets"], "net") == numbers(rows["tenders"], "amount") == [85.6]
        assert numbers(rows["ticket_lines"], "qty") == [1]

    def test_a_chain_whose_amounts_are_fen_says_so(self) -> None:
        rows = mapped("twodfire_api", "orders", fire(), money_unit="fen")
        assert numbers(rows["tickets"], "net") == [0.856]
        assert numbers(rows["ticket_lines"], "amount") == [0.856]
        assert numbers(rows["tenders"], "amount") == [1]
