"""Two nights of a chain with the catalogue's cases that only show in the published tables, and what was published.

One chain for all of them, because a night costs as much for one ticket as for a thousand. Every case has receipts,
cards and phones of its own, named after the case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
from catalogue_kit import KEY, NIGHT, csv_text, dump, make_chain, put, workbook

from dagster_project.config import Chain, load_chain
from dagster_project.landing import land_files
from dagster_project.orchestration.context import DBT_DIR
from dagster_project.orchestration.dbt_runner import run_dbt
from dagster_project.privacy import classify_phone
from dagster_project.quality import check_batches
from dagster_project.warehouse import (
    connect,
    gate_batches,
    mark_digested,
    prepare,
    sync_files,
    ungated_batches,
)

NEXT = NIGHT + timedelta(days=1)
CONNECTIONS = (
    "name: till, preset: standard_pos",
    "name: siss, preset: siss_dump",
    "name: mt, preset: meituan_excel, store_code: S001",
    "name: group, preset: standard_groupbuy",
    "name: helper, preset: standard_groupbuy",
    "name: ktt, preset: ktt_excel, store_code: S001",
)
PUBLISHED = ("orders", "order_lines", "members", "member_identifiers", "identity_refusals", "record_members", "store_days", "koc", "member_metrics")  # fmt: skip
STAGED = ("stg_pos__tickets", "stg_pos__tenders")

TICKETS = "store_code,ticket_id,kind,sold_at,net,gross,discount,rounding,origin_ticket_id,member_ref,phone"
TENDERS = "store_code,ticket_id,tender_no,method,amount,change"
LINES = "store_code,ticket_id,line_no,sku,item_name,category,qty,amount"
MEMBERS = "member_ref,phone,unionid,updated_at"
STAFF = "staff_id,store_code,role,phone"
SALEFLOW = "flow_no,flow_id,branch_no,oper_date,item_no,item_name,source_price,sale_price,sale_qnty,sale_money,sell_way,card_id,voucher_no"
PAYFLOW = "flow_no,flow_id,branch_no,sell_way,pay_way,pay_amount,coin_rate"
ORDERS = "order_id,openid,appid,buyer_phone,phone_verified,receiver_name,created_at,paid_at,status,order_amount,freight,coupon_code,leader_id,seller_role,refund_amount,store_code"
ORDER_LINES = "order_id,line_no,item_name,qty,amount"
REFUNDS = "refund_id,order_id,line_no,amount,kind,status,applied_at,finished_at"
USERS = "appid,openid,unionid,phone,phone_verified_at"
LEADERS = "leader_id,store_code"
KTT = (
    "跟团号,下单人,团员备注,支付时间,团长备注,商品,订单金额,退款金额,订单状态,自提点,收货人,联系电话,详细地址"
)


def phone(case: int, number: int = 0) -> str:
    """A number that no one else in this world has; valid in form, generated."""
    return f"1391{case:03d}{number:04d}"


def token(number: str) -> str:
    found = classify_phone(number)
    assert found is not None and found.e164 is not None
    return KEY.token_maker()(found.e164)


@dataclass
class Published:
    """What the models made of each night, and staging of the last: rows by table.

    `warnings`: what the data tests found without stopping the night. `listed`: tickets that the audit and
    intermediate tables of exceptions name, by table.
    """

    chain: Chain
    nights: dict[date, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)
    staging: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    listed: dict[str, set[str]] = field(default_factory=dict)

    def rows(self, table: str, night: date = NEXT, **wanted: Any) -> list[dict[str, Any]]:
        found = self.nights[night][table]
        return [row for row in found if all(row[name] == value for name, value in wanted.items())]

    def row(self, table: str, night: date = NEXT, **wanted: Any) -> dict[str, Any]:
        [row] = self.rows(table, night, **wanted)
        return row

    def order(self, connection: str, order_id: str, night: date = NEXT) -> dict[str, Any]:
        return self.row("orders", night, connection=connection, source_order_id=order_id)

    def member(
        self, record_id: str, connection: str = "till", feed: str = "members", night: date = NEXT
    ) -> str | None:
        return self.row("record_members", night, connection=connection, feed=feed, record_id=record_id)[
            "member_id"
        ]

    def staged(self, table: str, **wanted: Any) -> list[dict[str, Any]]:
        return [
            row for row in self.staging[table] if all(row[name] == value for name, value in wanted.items())
        ]


def publish_world(root: Path) -> Published:
    """Makes the chain and takes both nights from the landing folder to what would be published."""
    chain = make_chain(root, *CONNECTIONS, stores="S001 S002 0001")
    # one shop that ends its day at midnight, as a column of stores.csv
    stores = root / "stores.csv"
    stores.write_text(stores.read_text("utf-8").replace("S002,,,,,,,", "S002,,,,,00:00,,"), "utf-8")
    chain = load_chain(root)
    first_night(chain)
    second_night(chain)
    published = Published(chain)
    # the data tests have to be green once: on the last night, which knows everything
    for night, select in ((NIGHT, ["resource_type:model"]), (NEXT, [])):
        _land_and_check(chain, night)
        prepare(chain, night, KEY, models=DBT_DIR)
        run = run_dbt(chain, root / "dbt" / night.isoformat(), select=select)
        assert run.success, run.failures
        mark_digested(chain)
        published.warnings += [
            str(event.get("data", {}).get("node_info", {}).get("node_name"))
            for event in run.events
            if event["info"]["level"] == "warn"
        ]
        with duckdb.connect(str(chain.paths.warehouse), read_only=True) as connection:
            published.nights[night] = {name: _rows(connection, f"audit.{name}") for name in PUBLISHED}
            published.staging = {name: _rows(connection, f"staging.{name}") for name in STAGED}
            published.listed = _listed_tickets(connection)
    return published


def _land_and_check(chain: Chain, night: date) -> None:
    for source in chain.connections:
        for table in source.definition.tables or [feed.name for feed in source.feeds]:
            for landing in land_files(chain, source, table, [night], KEY).values():
                assert landing.quarantined == [] and landing.total("rows_rejected") == 0
    with connect(chain.paths.warehouse) as connection:
        sync_files(connection, chain)
        verdicts = check_batches(ungated_batches(connection, chain, night), chain)
        assert [finding for verdict in verdicts for finding in verdict.findings] == []
        gate_batches(connection, [batch for verdict in verdicts for batch in verdict.passed_batches])


def _rows(connection: duckdb.DuckDBPyConnection, table: str) -> list[dict[str, Any]]:
    cursor = connection.execute(f"select * from {table}")
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _listed_tickets(connection: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    tables = connection.execute(
        "select table_schema || '.' || table_name, column_name from information_schema.columns"
        " where table_schema in ('audit', 'intermediate') and column_name in ('ticket_id', 'source_order_id')"
    ).fetchall()
    return {
        table: {row[0] for row in connection.execute(f"select distinct {column} from {table}").fetchall()}
        for table, column in tables
    }


def _lines(header: str, rows: list[Mapping[str, object]]) -> str:
    names = header.split(",")
    assert all(set(row) <= set(names) for row in rows)
    return csv_text(header, *([row.get(name, "") for name in names] for row in rows))


def _ticket(
    ticket_id: str, net: str, sold_at: str = "2026-11-20 10:00:00", **more: object
) -> dict[str, object]:
    return {
        "store_code": "S001",
        "ticket_id": ticket_id,
        "kind": "sale",
        "sold_at": sold_at,
        "net": net,
        **more,
    }


def _order(order_id: str, amount: str, **more: object) -> dict[str, object]:
    base = {"order_id": order_id, "created_at": "2026-11-20 09:00:00", "paid_at": "2026-11-20 09:01:00"}
    return {**base, "status": "completed", "order_amount": amount, "store_code": "S001", **more}


def _flow(flow_no: str, flow_id: int, way: str, money: str, quantity: str = "1.000", **more: str) -> str:
    values = {"price": "10.00", "card": "", "voucher": ""} | more
    return (
        f"{flow_no},{flow_id},000101,2026-11-20 09:00:00,1001,青菜,{values['price']},{values['price']},{quantity},"
        f"{money},{way},{values['card']},{values['voucher']}"
    )


def first_night(chain: Chain) -> None:
    put(chain, "till/tickets", "t.csv", _lines(TICKETS, [
        # 19: settled, taken back, settled again
        _ticket("T19", "50.00"),
        _ticket("V19", "50.00", kind="void", origin_ticket_id="T19"),
        _ticket("T19B", "48.00"),
        # 21: paid more than it cost
        _ticket("T21U", "9.00"),
        # 22: five ways to pay one ticket; 23: money put onto a card is no purchase
        _ticket("T22", "40.00", member_ref="C22"),
        _ticket("T23", "100.00", kind="recharge", member_ref="C22"),
        # 26: two shops, two ends of the day
        _ticket("T26A", "1.00", "2026-11-21 03:59:59"),
        _ticket("T26B", "1.00", "2026-11-21 04:00:00"),
        _ticket("T26C", "1.00", "2026-11-21 00:30:00", store_code="S002"),
        # 28: who bought with which card
        _ticket("T28A", "11.00", member_ref="C28A"),
        _ticket("T28B", "12.00", member_ref="C28B"),
        # 29: a shop's number said by everyone
        *(_ticket(f"T29{n}", "5.00", member_ref=f"C29{n}") for n in range(5)),
        _ticket("T29X", "6.00", phone=phone(29)),
        # 30: bought before the number changed
        _ticket("T30", "30.00", member_ref="C30"),
        # 40: nothing was paid
        _ticket("T40", "0.00"),
    ]))  # fmt: skip
    put(chain, "till/tenders", "p.csv", _lines(TENDERS, [
        {"store_code": "S001", "ticket_id": "T22", "tender_no": n, "method": method, "amount": amount}
        for n, (method, amount) in enumerate(
            [("wechat", "10.00"), ("coupon", "5.00"), ("points", "2.00"), ("stored_value", "20.00"), ("on_account", "3.00")]
        )
    ] + [{"store_code": "S001", "ticket_id": "T21U", "tender_no": 1, "method": "cash", "amount": "20.00", "change": "1.00"}]))  # fmt: skip
    kinds = [
        "138****1234",
        "$Q2lwaGVydGV4dE9mQVBob25l$1$",
        "13910270003-123",
        "",
        "021-12345678",
        "1.39E+10",
        phone(27),
    ]
    put(chain, "till/members", "m.csv", _lines(MEMBERS, [
        {"member_ref": "C22", "phone": phone(22)},
        *({"member_ref": f"C27{n}", "phone": text} for n, text in enumerate(kinds)),
        # the plain number that the masked one may or may not be
        {"member_ref": "C27M", "phone": "13899991234"},
        {"member_ref": "C28A", "phone": phone(28)},
        {"member_ref": "C28B", "phone": phone(28)},
        {"member_ref": "C28C", "phone": phone(28, 1), "unionid": "U28"},
        *({"member_ref": f"C29{n}", "phone": phone(29)} for n in range(5)),
        {"member_ref": "C30", "phone": phone(30), "updated_at": "2026-11-01 10:00:00"},
    ]))  # fmt: skip
    put(chain, "till/staff", "s.csv", _lines(STAFF, [{"staff_id": "E40", "store_code": "S001", "role": "cashier", "phone": phone(40)}]))  # fmt: skip

    # 20: the same return with both signs; 21: change given back with both signs
    put(chain, "siss/saleflow", "s.csv.gz", dump(
        SALEFLOW,
        _flow("F20", 1, "A", "30.00", "3.000"),
        _flow("P20", 1, "B", "10.00", voucher="F20"),
        _flow("N20", 1, "B", "-5.00", "-0.500", voucher="F20"),
        _flow("M20", 1, "A", "20.00", "2.000"), _flow("M20", 2, "B", "5.00", "0.500"),
        _flow("K20", 1, "A", "20.00", "2.000"), _flow("K20", 2, "B", "-5.00", "-0.500"),
        _flow("F21", 1, "A", "41.50"), _flow("G21", 1, "A", "41.50"),
    ))  # fmt: skip
    put(chain, "siss/payflow", "p.csv.gz", dump(
        PAYFLOW,
        "F21,1,000101,A,RMB,50.00,1", "F21,2,000101,A,CHG,8.50,1",
        "G21,1,000101,A,RMB,50.00,1", "G21,2,000101,A,CHG,-8.50,1",
    ))  # fmt: skip

    # 23: stored value of 美团管家, also taken back
    put(chain, "mt/recharges", "储值.xlsx", workbook(
        ["储值明细"],
        ["流水号", "交易时间", "交易类型", "交易金额（元）", "会员卡号"],
        ["R1", "2026-11-20 10:00:00", "充值", "200.00", "M23"],
        ["R2", "2026-11-20 10:05:00", "撤销充值", "-50.00", "M23"],
        ["R3", "2026-11-20 10:10:00", "退卡", "-30.00", "M23"],
        ["合计", "", "", "120.00", ""],
    ))  # fmt: skip
    put(chain, "mt/orders", "订单.xlsx", workbook(
        ["订单编号", "下单时间", "订单状态", "支付合计（元）", "结账方式", "会员卡号"],
        ["MT23", "2026-11-20 11:00:00", "已完成", "35.00", "储值支付", "M23"],
    ))  # fmt: skip

    put(chain, "group/orders", "o.csv", _lines(ORDERS, [
        # 18: two lines and freight; what comes back comes in three parts
        _order("O18", "100.00", freight="8.00"),
        _order("O18B", "70.00", refund_amount="70.00"),
        # 31: sold through a leader of ours, and through one who is not
        _order("H31A", "60.00", seller_role="supplier", leader_id="L-OURS"),
        _order("H31B", "25.00", seller_role="supplier", leader_id="L-OTHER"),
        # 40: not customers
        _order("O40N", "9.90", receiver_name="测试员"),
        _order("O40T", "9.90", receiver_name="Test User"),
        _order("O40E", "9.90", buyer_phone=phone(40), phone_verified="Y"),
        _order("O40D", "9.90", buyer_phone="13800138000"),
        _order("O40Z", "0.00"),
        _order("O40C", "0.00", coupon_code="FREE"),
        _order("O40R", "9.90", receiver_name="王小明", buyer_phone=phone(40, 1)),
    ]))  # fmt: skip
    put(chain, "group/order_lines", "l.csv", _lines(ORDER_LINES, [
        {"order_id": "O18", "line_no": 1, "item_name": "车厘子", "qty": 2, "amount": "60.00"},
        {"order_id": "O18", "line_no": 2, "item_name": "草莓", "qty": 1, "amount": "32.00"},
    ]))  # fmt: skip
    put(chain, "group/refunds", "r.csv", _lines(REFUNDS, [
        {"refund_id": "R18A", "order_id": "O18", "line_no": 1, "amount": "20.00", "kind": "refund_only", "status": "done",
         "applied_at": "2026-11-20 12:00:00", "finished_at": "2026-11-20 12:30:00"},
        {"refund_id": "R18X", "order_id": "O18", "line_no": 2, "amount": "32.00", "kind": "refund_only", "status": "refused",
         "applied_at": "2026-11-20 12:00:00"},
    ]))  # fmt: skip
    put(chain, "group/leaders", "d.csv", _lines(LEADERS, [{"leader_id": "L-OURS", "store_code": "S001"}]))
    put(chain, "group/users", "u.csv", _lines(USERS, [
        {"appid": "wx1", "openid": "o28", "unionid": "U28", "phone": phone(28, 2), "phone_verified_at": "2026-10-01 10:00:00"},
    ]))  # fmt: skip
    # 31: the same sale in the account of the leader who helped
    put(chain, "helper/orders", "o.csv", _lines(ORDERS, [_order("H31A", "60.00", seller_role="helper", leader_id="L-OURS")]))  # fmt: skip

    # 13, 40: a hand-made export
    put(chain, "ktt/orders", "a.csv", csv_text(
        KTT,
        "1,邻居甲,,2026-11-20 10:00:00,,菠菜+1,10.00,,已支付,一号点,,,",
        "2,测试账号,,2026-11-20 10:00:00,,菠菜+1,10.00,,已支付,一号点,,,",
        "3,邻居乙,这是测试单,2026-11-20 10:00:00,,菠菜+1,10.00,,已支付,一号点,,,",
        "4,邻居丙,,2026-11-20 10:00:00,TEST 勿发,菠菜+1,10.00,,已支付,一号点,,,",
        "5,邻居丁,,2026-11-20 10:00:00,,赠品+1,0.00,,已支付,一号点,,,",
    ))  # fmt: skip


def second_night(chain: Chain) -> None:
    # 16: three days late, from a till that was offline
    put(
        chain,
        "till/tickets",
        "t.csv",
        _lines(TICKETS, [_ticket("T16", "16.00", "2026-11-17 18:00:00")]),
        NEXT,
    )
    # 30: a new number on the card; the old one is somebody else's by now
    put(chain, "till/members", "m.csv", _lines(MEMBERS, [{"member_ref": "C30", "phone": phone(30, 1), "updated_at": "2026-11-21 10:00:00"}]), NEXT)  # fmt: skip
    put(chain, "group/users", "u.csv", _lines(USERS, [
        {"appid": "wx1", "openid": "o30new", "phone": phone(30, 1), "phone_verified_at": "2026-11-21 11:00:00"},
        {"appid": "wx1", "openid": "o30old", "phone": phone(30), "phone_verified_at": "2026-11-21 11:00:00"},
    ]), NEXT)  # fmt: skip
    # 18: after the month was settled, and the freight
    put(chain, "group/refunds", "r.csv", _lines(REFUNDS, [
        {"refund_id": "R18B", "order_id": "O18", "line_no": 1, "amount": "10.00", "kind": "return", "status": "done",
         "applied_at": "2026-11-21 12:00:00", "finished_at": "2026-11-21 12:30:00"},
        {"refund_id": "R18C", "order_id": "O18", "amount": "8.00", "kind": "refund_only", "status": "done",
         "applied_at": "2026-11-21 12:00:00", "finished_at": "2026-11-21 12:30:00"},
    ]), NEXT)  # fmt: skip
    # 13: exported once more under another name, one order completed since
    put(chain, "ktt/orders", "b.xlsx", workbook(
        KTT.split(","),
        ["1", "邻居甲", "", "2026-11-20 10:00:00", "", "菠菜+1", "10.00", "4.00", "已完成", "一号点", "", "", ""],
        ["9", "邻居戊", "", "2026-11-21 10:00:00", "", "菠菜+1", "7.00", "", "已支付", "一号点", "", "", ""],
    ), NEXT)  # fmt: skip
