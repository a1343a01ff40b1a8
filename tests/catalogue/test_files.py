"""Cases 1-5, 7-13, 37 and 42 of the catalogue: what exported files do, and what must come of it."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from catalogue_kit import (
    NIGHT,
    adds_up,
    csv_text,
    dump,
    land,
    locked,
    make_chain,
    old_workbook,
    only,
    put,
    rejects_of,
    rows_of,
    workbook,
)

from dagster_project.config import Chain

KTT = "跟团号,下单人,支付时间,商品,订单金额,订单退款,订单状态,收货人,联系电话,详细地址"
SALEFLOW = "flow_no,flow_id,branch_no,oper_date,item_no,item_name,source_price,sale_price,sale_qnty,sale_money,sell_way,card_id"
RECEIPTS = "门店,销售日期,销售单号,总金额,付款方式"


@pytest.fixture
def ktt(tmp_path: Path) -> Chain:
    return make_chain(tmp_path / "chain", "name: ktt, preset: ktt_excel, store_code: S001")


@pytest.fixture
def siss(tmp_path: Path) -> Chain:
    return make_chain(tmp_path / "chain", "name: siss, preset: siss_dump")


@pytest.fixture
def market(tmp_path: Path) -> Chain:
    return make_chain(tmp_path / "chain", "name: market, preset: supermarket_excel, store_code: S001")


@pytest.fixture
def meituan(tmp_path: Path) -> Chain:
    return make_chain(tmp_path / "chain", "name: mt, preset: meituan_excel, store_code: S001")


def order(
    seq: object, buyer: str = "邻居", goods: str = "上海青+1", amount: object = "12.30", **more: object
) -> list[object]:
    """One row of export variant B."""
    values = {"refund": "", "status": "已支付", "receiver": "", "phone": "", "address": ""} | more
    return [seq, buyer, "2026-11-20 10:00:00", goods, amount, *values.values()]


def sale(
    flow_no: str = "F1",
    flow_id: str = "1",
    item: str = "1001",
    card: str = "",
    money: str = "4.00",
    way: str = "A",
) -> str:
    return f"{flow_no},{flow_id},000101,2026-11-20 09:00:00,{item},青菜,4.00,4.00,1.000,{money},{way},{card}"


# ---- 1-3: encodings


def test_case_01_gb18030_is_decoded_exactly_and_recorded(ktt: Chain) -> None:
    text = csv_text(KTT, order(1, goods="张䶮家的油麦菜+1"))
    with pytest.raises(UnicodeEncodeError):
        text.encode("gbk")
    put(ktt, "ktt/orders", "跟团.csv", text.encode("gb18030"))
    found = land(ktt, "orders")
    assert {only(feed).encoding for feed in found.values()} == {"gb18030"}
    assert [row["item_name"] for row in rows_of(ktt, found["order_lines"])] == ["张䶮家的油麦菜"]


def test_case_01_bytes_of_no_known_encoding_are_refused_not_dropped(ktt: Chain) -> None:
    put(ktt, "ktt/orders", "bad.csv", csv_text(KTT, order(1)).encode("gb18030") + b"\xff\xff\xff\n")
    put(ktt, "ktt/orders", "good.csv", csv_text(KTT, order(2)))
    bad, good = land(ktt, "orders")["orders"].manifests
    assert (bad.status, good.status, good.encoding) == ("quarantined", "loaded", "utf-8")
    assert "UTF-8" in bad.reason and "GB18030" in bad.reason


def test_case_02_a_bom_is_no_part_of_the_first_header(ktt: Chain) -> None:
    put(ktt, "ktt/orders", "bom.csv", ("\ufeff" + csv_text(KTT, order(7))).encode("utf-8"))
    landing = land(ktt, "orders")["orders"]
    manifest = only(landing)
    assert (manifest.status, manifest.encoding, manifest.rows_loaded) == ("loaded", "utf-8-sig", 1)
    assert manifest.extra_columns == () and landing.notes == []


def test_case_03_duckdb_cannot_read_gbk_and_we_do_not_ask_it_to(ktt: Chain, tmp_path: Path) -> None:
    content = csv_text(KTT, order(1, goods="菠菜+2")).encode("gbk")
    path = tmp_path / "export.csv"
    path.write_bytes(content)
    for encoding in ("gbk", "gb18030"):
        with pytest.raises(duckdb.Error):
            duckdb.sql(f"select * from read_csv('{path}', encoding = '{encoding}')").fetchall()
    put(ktt, "ktt/orders", "export.csv.gz", gzip.compress(content))
    found = land(ktt, "orders")
    assert (only(found["orders"]).format, only(found["orders"]).encoding) == ("csv.gz", "gb18030")
    [line] = rows_of(ktt, found["order_lines"])
    assert (line["item_name"], line["qty"]) == ("菠菜", "2.000000")


# ---- 4-5: numbers that spreadsheets spoil


def test_case_04_a_phone_that_became_a_float_is_the_same_phone(ktt: Chain) -> None:
    put(ktt, "ktt/orders", "a.xlsx", workbook(KTT.split(","), order(1, phone=13912345678)))
    put(
        ktt,
        "ktt/orders",
        "b.csv",
        csv_text(KTT, order(2, phone="13912345678.0"), order(3, phone="13912345678")),
    )
    rows = rows_of(ktt, land(ktt, "orders")["orders"])
    assert [row["receiver_phone_kind"] for row in rows] == ["plain"] * 3
    assert len({row["receiver_phone_token"] for row in rows}) == 1
    assert {row["receiver_phone_masked"] for row in rows} == {"139****5678"}


def test_case_04_e_notation_has_lost_its_digits_and_names_nobody(ktt: Chain) -> None:
    put(ktt, "ktt/orders", "a.csv", csv_text(KTT, order(1, phone="1.39E+10"), order(2, phone="1.39123E+10")))
    rows = rows_of(ktt, land(ktt, "orders")["orders"])
    assert [(row["receiver_phone_kind"], row["receiver_phone_token"]) for row in rows] == [
        ("unusable", None)
    ] * 2


def test_case_05_an_id_of_16_digits_stored_as_a_number_refuses_the_file(ktt: Chain) -> None:
    header = ["订单号", *KTT.split(",")]
    put(ktt, "ktt/orders", "a.xlsx", workbook(header, [3571234567890123456, *order(1)]))
    put(ktt, "ktt/orders", "b.xlsx", workbook(header, [1234567890123456, *order(2)]))
    put(ktt, "ktt/orders", "c.xlsx", workbook(header, ["3571234567890123456", *order(3)]))
    put(ktt, "ktt/orders", "d.xlsx", workbook(header, [123456789012345, *order(4)]))
    landing = land(ktt, "orders")["orders"]
    assert [m.status for m in landing.manifests] == ["quarantined", "quarantined", "loaded", "loaded"]
    for refused in landing.manifests[:2]:
        assert "订单号" in refused.reason and "文本" in refused.reason
    assert [row["order_id"] for row in rows_of(ktt, landing)] == ["3571234567890123456", "123456789012345"]


def test_case_05_an_id_that_a_spreadsheet_wrote_in_e_notation_refuses_the_file(ktt: Chain) -> None:
    header = f"订单号,{KTT}"
    rows = [["3.57123E+18", *order(1)], ["3.57123E+18", *order(2, buyer="邻居乙", amount="2.00")]]
    put(ktt, "ktt/orders", "a.csv", csv_text(header, *rows))
    manifest = only(land(ktt, "orders")["orders"])
    assert manifest.status == "quarantined" and manifest.rows_loaded == 0
    assert all(word in manifest.reason for word in ("第 2 行", "订单号", "重新导出"))
    assert rows_of(ktt, land(ktt, "orders")["orders"]) == []


@pytest.mark.parametrize("spelling", ["3.57123E+18", "3.571234567890123e+18", "1E+15", " 3.57E+18 "])
def test_case_05_an_id_in_e_notation_is_named_with_its_row_in_any_id_column(
    tmp_path: Path, spelling: str
) -> None:
    chain = make_chain(tmp_path / "chain", "name: till, preset: standard_pos")
    put(chain, "till/members", "a.csv", csv_text("Member_Ref,phone", "C1,", f"{spelling},"))
    put(chain, "till/members", "b.csv", csv_text("member_ref,home_store", f"C2,{spelling}"))
    landing = land(chain, "members")["members"]
    assert [m.status for m in landing.manifests] == ["quarantined", "quarantined"]
    assert "第 3 行 Member_Ref 列" in landing.manifests[0].reason
    assert "第 2 行 home_store 列" in landing.manifests[1].reason


@pytest.mark.parametrize("column", ["flow_no", "item_no", "card_id"])
def test_case_05_a_dump_that_a_spreadsheet_saved_again_is_refused(siss: Chain, column: str) -> None:
    cells = dict(zip(SALEFLOW.split(","), sale().split(","), strict=True)) | {column: "2.02611E+15"}
    put(siss, "siss/t_rm_saleflow", "a.csv", csv_text(SALEFLOW, list(cells.values())))
    for landing in land(siss, "t_rm_saleflow").values():
        for manifest in landing.manifests:
            assert manifest.status == "quarantined" and column in manifest.reason


@pytest.mark.parametrize(
    "code", ["12E5", "3E18", "A1E+18", "E+18", "12.5E+18", "+12E5678", "3571234567890123456"]
)
def test_case_05_a_code_that_only_resembles_e_notation_is_an_id(tmp_path: Path, code: str) -> None:
    chain = make_chain(tmp_path / "chain", "name: till, preset: standard_pos")
    put(chain, "till/members", "a.csv", csv_text("member_ref,home_store", f"C1,{code}"))
    [row] = rows_of(chain, land(chain, "members")["members"])
    assert row["home_store"] == code


# ---- 7-8: reports made for the eye


def meituan_report() -> bytes:
    """Two title rows, two header rows with merged cells, half-width brackets mixed in, and a total."""
    return workbook(
        ["自营外卖/自提订单明细"],
        ["统计时间：2026/11/20 - 2026/11/20"],
        ["订单信息", "", "", "", "金额", "", "", ""],
        ["订单编号", "下单时间", "订单来源", "订单状态", "订单金额（元）", "订单优惠(元)", "支付合计 （元）", "结账方式"],
        ["MT1", "2026/11/20 10:00:00", "小程序", "已完成", "1,020.00", "20.00", "1,000.00", "微信店长号收款（自）"],
        ["MT2", "2026/11/20 11:00:00", "小程序", "已完成", "30.00", "0.00", "30.00", "支付宝"],
        ["小计", "", "", "", "1,050.00", "20.00", "1,030.00", ""],
        ["合计", "", "", "", "1,050.00", "20.00", "1,030.00", ""],
        merged=("A1:H1", "A2:H2", "A3:D3", "E3:H3"),
    )  # fmt: skip


def test_case_07_titles_merged_headers_brackets_and_totals(meituan: Chain) -> None:
    put(meituan, "mt/orders", "订单明细.xlsx", meituan_report())
    found = land(meituan, "orders")
    tickets = rows_of(meituan, found["tickets"])
    assert [(row["ticket_id"], row["gross"], row["discount"], row["net"]) for row in tickets] == [
        ("MT1", "1020.00", "20.00", "1000.00"),
        ("MT2", "30.00", "0.00", "30.00"),
    ]
    assert [row["method"] for row in rows_of(meituan, found["tenders"])] == ["wechat", "alipay"]
    assert {row["ticket_id"] for row in tickets}.isdisjoint({"合计", "小计", "总计"})
    ignored = {
        (row["row_no"], row["rule"])
        for row in rejects_of(meituan, found["tickets"])
        if row["action"] == "row_ignored"
    }
    assert {(7, "total_row"), (8, "total_row")} <= ignored
    assert only(found["tickets"]).rows_read == 2 and adds_up(found["tickets"])


@pytest.mark.parametrize("label", ["合计", "总计", "小计", "合计："])
def test_case_07_a_total_at_the_end_of_a_csv_is_no_ticket(meituan: Chain, label: str) -> None:
    header = "订单号,结账时间,支付合计（元）"
    put(meituan, "mt/orders", "a.csv", csv_text(header, "A1,2026-11-20 10:00:00,8.00", f"{label},,8.00"))
    landing = land(meituan, "orders")["tickets"]
    assert [row["ticket_id"] for row in rows_of(meituan, landing)] == ["A1"]
    assert [row["rule"] for row in rejects_of(meituan, landing)] == ["total_row"]


def test_case_07_a_header_far_below_row_ten_is_not_looked_for(meituan: Chain) -> None:
    put(
        meituan,
        "mt/orders",
        "a.xlsx",
        workbook(*[["说明"]] * 12, ["订单号", "结账时间", "支付合计（元）"], ["A1", "2026-11-20", "8"]),
    )
    manifest = only(land(meituan, "orders")["tickets"])
    assert manifest.status == "quarantined" and "订单号" in manifest.reason


def test_case_08_index_and_action_columns_are_left_out(market: Chain) -> None:
    header = "序号,门店,销售日期,销售单号,总金额,付款方式,操作"
    put(
        market,
        "market/receipts",
        "a.csv",
        csv_text(header, "1,S001,2026-11-20 10:00:00,R1,8.00,现金,查看 打印"),
    )
    landing = land(market, "receipts")["tenders"]
    [row] = rows_of(market, landing)
    assert (row["ticket_id"], row["amount"], row["_extra"]) == ("R1", "8.00", None)
    assert only(landing).extra_columns == () and landing.notes == []


@pytest.mark.parametrize("text", ["未查询到", "未查询到相关数据", "未找到"])
def test_case_08_the_empty_state_is_no_data(market: Chain, text: str) -> None:
    put(market, "market/receipts", "empty.xlsx", workbook(RECEIPTS.split(","), [text, "", "", "", ""]))
    landing = land(market, "receipts")["tenders"]
    manifest = only(landing)
    assert (manifest.status, manifest.rows_read, manifest.rows_loaded, manifest.rows_rejected) == (
        "loaded",
        0,
        0,
        0,
    )
    assert [(row["rule"], row["action"]) for row in rejects_of(market, landing)] == [
        ("empty_state_row", "row_ignored")
    ]


# ---- 9-10: headers


def test_case_09_both_spellings_of_a_refund_mean_the_refund(ktt: Chain) -> None:
    variant_a = "跟团号,下单人,团员备注,支付时间,团长备注,商品,订单金额,退款金额,订单状态,自提点,收货人,联系电话,详细地址"
    put(
        ktt,
        "ktt/orders",
        "a.csv",
        csv_text(variant_a, "1,甲,,2026-11-20 10:00:00,,菠菜+1,9.00,2.00,已支付,一号点,,,"),
    )
    put(ktt, "ktt/orders", "b.csv", csv_text(KTT, order(2, refund="3.00")))
    rows = rows_of(ktt, land(ktt, "orders")["orders"])
    assert [row["refund_amount"] for row in rows] == ["2.00", "3.00"]


def test_case_09_both_names_of_a_receipt_number_join_its_sheets(market: Chain) -> None:
    put(market, "market/receipts", "r.csv", csv_text(RECEIPTS, "S001,2026-11-20 10:00:00,R1,8.00,现金"))
    lines = "销售时间,单据号,会员编号,会员名称,商品编号,商品名称,单价,打折率,数量,总金额"
    put(market, "market/lines", "l.csv", csv_text(lines, "2026-11-20 10:00:00,R1,,,1001,青菜,4.00,1,2,8.00"))
    tenders = rows_of(market, land(market, "receipts")["tenders"])
    found = land(market, "lines")
    joined = {(row["store_code"], row["ticket_id"]) for row in tenders}
    assert (
        joined
        == {(row["store_code"], row["ticket_id"]) for row in rows_of(market, found["tickets"])}
        == {("S001", "R1")}
    )


def test_case_09_a_header_nobody_knows_is_told_and_a_missing_one_stops_its_file_only(ktt: Chain) -> None:
    put(ktt, "ktt/orders", "a.csv", csv_text(KTT + ",配送时段", [*order(1), "上午"]))
    put(ktt, "ktt/orders", "b.csv", csv_text(KTT.replace("订单金额", "应收款"), order(2)))
    landing = land(ktt, "orders")["orders"]
    assert [m.status for m in landing.manifests] == ["loaded", "quarantined"]
    assert "订单金额" in landing.manifests[1].reason
    assert any("配送时段" in note for note in landing.notes)


def test_case_10_custom_questions_are_kept_as_extras(ktt: Chain) -> None:
    header = f"{KTT},楼号（如10）,房号（如606）,弄号（如168）"
    put(ktt, "ktt/orders", "a.csv", csv_text(header, [*order(1), 10, 606, 168], [*order(2), "", "", ""]))
    landing = land(ktt, "orders")["orders"]
    first, second = rows_of(ktt, landing)
    assert json.loads(first["_extra"]) == {
        "楼号（如10）": "10",
        "房号（如606）": "606",
        "弄号（如168）": "168",
    }
    assert second["_extra"] is None or set(json.loads(second["_extra"]).values()) == {None}
    assert only(landing).extra_columns == ("弄号（如168）", "房号（如606）", "楼号（如10）")
    # kept, never used: no rule reads a flat number unless somebody configures one
    assert {name: value for name, value in first.items() if value == "606"} == {}


# ---- 11-13: the file as a whole


def test_case_11_a_locked_workbook_opens_with_the_configured_password(tmp_path: Path) -> None:
    content = locked(workbook(KTT.split(","), order(1)), "Tuan2026")
    for password, status in (("Tuan2026", "loaded"), ("wrong", "quarantined"), ("", "quarantined")):
        setting = f', file_password: "{password}"' if password else ""
        chain = make_chain(tmp_path / (password or "none"), "name: ktt, preset: ktt_excel" + setting)
        put(chain, "ktt/orders", "locked.xlsx", content)
        put(chain, "ktt/orders", "open.xlsx", workbook(KTT.split(","), order(2)))
        landing = land(chain, "orders")["orders"]
        assert [m.status for m in landing.manifests] == [status, "loaded"]
        if status == "quarantined":
            reason = landing.manifests[0].reason
            assert "密码" in reason and (not password or password not in reason)
        else:
            assert landing.manifests[0].rows_loaded == 1


def test_case_11_a_mended_password_lets_the_waiting_file_in(tmp_path: Path) -> None:
    chain = make_chain(tmp_path / "chain", "name: ktt, preset: ktt_excel")
    put(chain, "ktt/orders", "locked.xlsx", locked(workbook(KTT.split(","), order(1)), "Tuan2026"))
    assert only(land(chain, "orders")["orders"]).status == "quarantined"
    chain = make_chain(tmp_path / "chain", 'name: ktt, preset: ktt_excel, file_password: "Tuan2026"')
    assert only(land(chain, "orders")["orders"]).rows_loaded == 1


def test_case_12_an_xls_cut_at_its_last_row_is_incomplete(ktt: Chain) -> None:
    header = ["跟团号", "下单人", "支付时间", "商品", "订单金额"]
    full = [header, *([n, "甲", "20261120", "菠菜", 2] for n in range(65_535))]
    put(ktt, "ktt/orders", "cut.xls", old_workbook(full))
    put(ktt, "ktt/orders", "whole.xls", old_workbook(full[:-1]))
    cut, whole = land(ktt, "orders")["orders"].manifests
    assert cut.status == "quarantined" and "65" in cut.reason
    assert (whole.status, whole.format, whole.rows_read) == ("loaded", "xls", 65_534)


def test_case_13_the_same_file_is_skipped_also_renamed_and_on_another_night(ktt: Chain) -> None:
    content = workbook(KTT.split(","), order(1), order(2))
    put(ktt, "ktt/orders", "跟团订单.xlsx", content)
    put(ktt, "ktt/orders", "跟团订单 (1).xlsx", content)
    put(ktt, "ktt/orders", "again.xlsx", content, NIGHT + timedelta(days=1))
    for landing in land(ktt, "orders", NIGHT, NIGHT + timedelta(days=1)).values():
        statuses = [(m.status, m.rows_loaded, m.rows_repeated) for m in landing.manifests]
        assert statuses == [("loaded", 2, 0), ("repeated", 0, 2), ("repeated", 0, 2)]
        assert adds_up(landing) and len(rows_of(ktt, landing)) == 2


def test_case_13_the_same_rows_in_another_file_have_the_same_keys(ktt: Chain) -> None:
    put(ktt, "ktt/orders", "a.csv", csv_text(KTT, order(1), order(2)))
    put(ktt, "ktt/orders", "b.xlsx", workbook(KTT.split(","), order(2, status="已完成"), order(3)))
    landing = land(ktt, "orders")["orders"]
    assert [m.rows_loaded for m in landing.manifests] == [2, 2]
    keys = [row["order_id"] for row in rows_of(ktt, landing)]
    assert keys[1] == keys[2] and len(set(keys)) == 3


# ---- 37, 42: SQL dumps


def test_case_37_blanks_and_newlines_around_codes_are_trimmed(siss: Chain) -> None:
    put(
        siss,
        "siss/t_rm_saleflow",
        "s.csv.gz",
        dump(SALEFLOW, sale(item='"1001      \n"', card='"C7    "', flow_no="F1  ")),
    )
    put(
        siss,
        "siss/t_bd_item_info",
        "i.csv.gz",
        dump("item_no,item_name,item_clsno", '"1001\n","青菜  ",0101'),
    )
    put(
        siss,
        "siss/t_rm_vip_info",
        "v.csv.gz",
        dump("card_id,mobile,card_status", '"C7\r\n","13912345678 ",0'),
    )
    found = land(siss, "t_rm_saleflow")
    [line], [ticket] = rows_of(siss, found["ticket_lines"]), rows_of(siss, found["tickets"])
    [product] = rows_of(siss, land(siss, "t_bd_item_info")["products"])
    [member] = rows_of(siss, land(siss, "t_rm_vip_info")["members"])
    assert line["sku"] == product["sku"] == "1001"
    assert ticket["member_ref"] == member["member_ref"] == "C7"
    assert ticket["ticket_id"] == line["ticket_id"] == "000101-F1"
    assert member["phone_kind"] == "plain"


def dumped(chain: Chain, promised: int, *rows: str) -> dict[str, Any]:
    name = f"ext_date=2026-11-20/table=t_rm_saleflow/dump=2026-11-23 16:11:08.865099+08:00&rowcount={promised}.csv.gz"
    put(chain, "siss/t_rm_saleflow", name, dump(SALEFLOW, *rows))
    return land(chain, "t_rm_saleflow")


def test_case_42_a_dump_with_fewer_rows_than_its_name_says_fails(siss: Chain) -> None:
    for landing in dumped(siss, 7992, sale(), sale(flow_id="2")).values():
        for manifest in landing.manifests:
            assert (manifest.status, manifest.rows_loaded) == ("quarantined", 0)
            assert "7992" in manifest.reason and "2" in manifest.reason
        assert rows_of(siss, landing) == []


def test_case_42_a_whole_dump_loads_and_broken_rows_count_as_read(siss: Chain) -> None:
    found = dumped(
        siss, 3, sale(item='"1001\n"'), sale(flow_id="2"), sale(flow_id="3") + ",one field too many"
    )
    manifest = only(found["ticket_lines"])
    assert (manifest.status, manifest.rows_read, manifest.rows_loaded, manifest.rows_rejected) == (
        "loaded",
        3,
        2,
        1,
    )
