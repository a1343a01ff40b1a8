"""File presets to the fen: exchanges, mixed receipts, split exports, statuses, spellings of money and time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dagster_project.landing.mapping import MappedFeed, map_table
from dagster_project.presets import load_preset


def mapped(preset: str, table: str, rows: list[dict[str, Any]], **settings: str) -> dict[str, MappedFeed]:
    definition = load_preset(preset)
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    columns["_row_no"] = pa.array(range(2, 2 + len(rows)), pa.int64())
    known = {key: setting.default or "" for key, setting in definition.settings.items()} | settings
    return map_table(definition, table, pa.table(columns), known, "Asia/Shanghai")


def listed(feed: MappedFeed) -> list[dict[str, Any]]:
    return feed.table.to_pylist()


def siss(*lines: tuple[str, str, str]) -> list[dict[str, Any]]:
    return [
        {"flow_no": "X1", "flow_id": str(n), "branch_no": "000101", "oper_date": "2026-11-20 10:00:00",
         "item_no": f"I{n}", "sale_qnty": qty, "sale_money": money, "source_price": "10", "sale_price": "10",
         "sell_way": way}
        for n, (way, qty, money) in enumerate(lines)
    ]  # fmt: skip


@pytest.mark.parametrize("preset", ["siss_dump", "kemai_dump"])
@pytest.mark.parametrize(
    ("lines", "kind", "net", "amounts"),
    [
        ([("A", "1", "10"), ("B", "3", "30")], "return", "20.00", [-10, 30]),
        ([("A", "3", "30"), ("B", "-1", "-10")], "sale", "20.00", [30, -10]),
        ([("B", "1", "10"), ("B", "-2", "-20")], "return", "30.00", [10, 20]),
        ([("A", "1", "10"), ("C", "1", "5")], "sale", "10.00", [10, 0]),
    ],
)
def test_an_exchange_is_what_the_till_gave_or_took(
    preset: str, lines: list[tuple[str, str, str]], kind: str, net: str, amounts: list[int]
) -> None:
    table = "t_rm_saleflow" if preset == "siss_dump" else "pos_t_saleflow"
    feeds = mapped(preset, table, siss(*lines))
    [ticket] = listed(feeds["tickets"])
    assert (ticket["kind"], ticket["net"]) == (kind, net)
    got = [Decimal(row["amount"]) for row in listed(feeds["ticket_lines"])]
    assert got == amounts and sum(got) == Decimal(net)
    assert [Decimal(row["qty"]) < 0 for row in listed(feeds["ticket_lines"])] == [a < 0 for a in amounts]


def market(*lines: tuple[str, str, str], receipt: str = "P1") -> list[dict[str, Any]]:
    return [
        {"receipt": receipt, "sold_at": "2026-11-20 10:00", "item": item, "qty": qty, "amount": amount}
        for item, qty, amount in lines
    ]


def test_a_returned_line_on_a_mixed_receipt_goes_against_it() -> None:
    feeds = mapped(
        "supermarket_excel", "lines", market(("梨", "1", "5.00"), ("桃", "-1", "-3.00")), store_code="S1"
    )
    assert [Decimal(row["amount"]) for row in listed(feeds["ticket_lines"])] == [5, -3]
    assert [Decimal(row["qty"]) for row in listed(feeds["ticket_lines"])] == [1, -1]
    [ticket] = listed(feeds["tickets"])
    assert (ticket["kind"], ticket["net"]) == ("sale", "2.00")


def test_two_parts_of_a_receipt_do_not_overwrite_each_others_lines() -> None:
    pages = [
        mapped("supermarket_excel", "lines", market(*lines), store_code="S1")
        for lines in ([("梨", "1", "10.00"), ("梨", "1", "10.00")], [("桃", "1", "3.00")])
    ]
    keys = [row["line_no"] for page in pages for row in listed(page["ticket_lines"])]
    assert len(set(keys)) == 3


def test_money_signs_count_and_an_unreadable_line_is_never_left_out_of_a_sum() -> None:
    good = mapped(
        "supermarket_excel",
        "lines",
        market(("梨", "1", "10.00"), ("桃", "1", "¥5.00"), ("李", "1", "1,200元")),
        store_code="S1",
    )
    assert listed(good["tickets"])[0]["net"] == "1215.00"
    bad = mapped(
        "supermarket_excel", "lines", market(("梨", "1", "10.00"), ("桃", "1", "十元")), store_code="S1"
    )
    assert not listed(bad["tickets"])[0]["net"].replace(".", "").isdigit()  # the checks refuse it
    comma = mapped("supermarket_excel", "lines", market(("梨", "1", "12,50")), store_code="S1")
    assert listed(comma["ticket_lines"])[0]["amount"] == "12,50"  # as it stands, so that it is refused


def ktt(paid_at: str, status: str = "已支付", refund: str | None = None) -> dict[str, Any]:
    return {
        "seq": "1",
        "buyer": "王",
        "paid_at": paid_at,
        "goods": "菠菜+1",
        "amount": "30.01",
        "status": status,
        "refund": refund,
    }


def test_an_order_keeps_its_name_however_the_time_is_spelled() -> None:
    spellings = ["2026-11-20 10:05:00", "2026/11/20 10:05", "2026-11-20 10:05", "2026/11/20 10:05:00"]
    names = {
        listed(mapped("ktt_excel", "orders", [ktt(text)])["orders"])[0]["order_id"] for text in spellings
    }
    other = listed(mapped("ktt_excel", "orders", [ktt("2026-11-20 10:06")])["orders"])[0]["order_id"]
    assert len(names) == 1 and other not in names


@pytest.mark.parametrize(
    ("status", "expected"),
    [("已退款", "closed"), ("已取消", "closed"), ("退款中", "paid"), ("已拒绝退款", "paid"), ("退款关闭", "paid"),
     ("无退款", "paid"), ("部分退款", "paid"), ("待付款", "unpaid"), ("已完成", "completed")],
)  # fmt: skip
def test_only_a_whole_refund_takes_an_order_away(status: str, expected: str) -> None:
    [order] = listed(mapped("ktt_excel", "orders", [ktt("2026-11-20 10:05", status)])["orders"])
    assert order["status"] == expected


@pytest.mark.parametrize(
    ("status", "paid", "kind"),
    [("已结账", "25.00", "sale"), ("已结账（部分退款）", "25.00", "sale"), ("未退款", "7.77", "sale"), ("已退单", "12.00", "void"),
     ("反结账", "12.00", "void"), ("已退款", "-12.00", "return"), (None, "8.00", "sale")],
)  # fmt: skip
def test_a_meituan_order_is_taken_back_only_when_it_is(status: str | None, paid: str, kind: str) -> None:
    row = {
        "order_no": "M1",
        "sold_at": "2026-11-20",
        "paid": paid,
        "status": status,
        "method": "微信支付20,现金30",
    }
    feeds = mapped("meituan_excel", "orders", [row], store_code="S1")
    assert listed(feeds["tickets"])[0]["kind"] == kind
    assert listed(feeds["tenders"])[0]["method"] == "other"


def test_rows_that_no_feed_wants_are_named() -> None:
    kinds = ["充值", "撤销充值", "退卡", "消费", "赠送", "换卡"]
    rows = [
        {"entry_no": str(n), "moment": "2026-11-20", "type": kind, "amount": "10"}
        for n, kind in enumerate(kinds)
    ]
    feed = mapped("meituan_excel", "recharges", rows, store_code="S1")["tickets"]
    assert len(listed(feed)) == 3
    assert feed.ignored == [(5, "not_mapped"), (6, "not_mapped"), (7, "not_mapped")]
