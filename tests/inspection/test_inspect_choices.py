"""What `linli inspect` decides where files leave a choice: which system, which feed, which sign, which state."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from click.testing import CliRunner

from dagster_project.cli.main import linli
from dagster_project.inspection.candidates import generic_presets
from dagster_project.inspection.opening import Opened, open_bytes
from dagster_project.inspection.report import FileReport, inspect_files, inspect_table
from dagster_project.landing.mapping import map_table

HEAD = "flow_no,flow_id,branch_no,oper_date,item_no,item_name,source_price,sale_price,sale_qnty,sale_money,sell_way,card_id,oper_id"


def dump() -> bytes:
    rows = [
        f"F{i},1,0101{i % 2:02d},2018-08-13 08:{i:02d}:00,A{i % 9},鸡蛋,5.00,4.50,2,9.00,A,V{i},E1"
        for i in range(39)
    ]
    return gzip.compress("\n".join([HEAD, *rows]).encode())


def payments() -> bytes:
    rows = [f"F{i},1,010101,2018-08-13 08:{i:02d}:00,A,RMB,9.00,1" for i in range(39)]
    return "\n".join(
        ["flow_no,flow_id,branch_no,oper_date,sell_way,pay_way,pay_amount,coin_rate", *rows]
    ).encode()


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def run(*arguments: str | Path) -> str:
    result = CliRunner(env={"COLUMNS": "100"}).invoke(
        linli, ["inspect", *map(str, arguments)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return result.output


def look(text: str) -> FileReport:
    return inspect_table(Opened("a.csv", open_bytes(text.encode())))


def written(folder: Path) -> tuple[str, list[dict]]:
    text = (folder / "connection.yml").read_text("utf-8")
    return text, yaml.safe_load(text)["connections"]


@pytest.mark.parametrize(
    ("table", "preset"), [("t_rm_saleflow", "siss_dump"), ("pos_t_saleflow", "kemai_dump")]
)
def test_a_folder_that_names_the_table_decides_between_two_systems(
    tmp_path: Path, table: str, preset: str
) -> None:
    path = put(tmp_path / f"table={table}" / "dump=2018-08-16 16:11:08&rowcount=39.csv.gz", dump())
    [report] = inspect_files([path])
    assert report.rival is None and report.chosen is not None
    assert report.chosen.candidate.name == f"{preset}/{table}"
    shown = run(path, "--write", tmp_path / "out")
    text, [connection] = written(tmp_path / "out")
    assert connection["preset"] == preset and "没把握" not in shown + text


def test_a_tie_that_nothing_settles_is_written_with_the_other_choice_and_told(tmp_path: Path) -> None:
    shown = run(put(tmp_path / "export.csv.gz", dump()), "--write", tmp_path / "out")
    text, [connection] = written(tmp_path / "out")
    [other] = {"siss_dump", "kemai_dump"} - {connection["preset"]}
    assert f"改成 preset: {other}" in text
    assert f"没把握：connection.yml 写的是 {connection['preset']}，但 {other} 同样合适" in shown


def test_a_file_whose_path_says_which_system_speaks_for_the_others(tmp_path: Path) -> None:
    named = put(tmp_path / "t_rm_payflow" / "a.csv", payments())
    unnamed = put(tmp_path / "b.csv.gz", dump())
    shown = run(unnamed, named, "--write", tmp_path / "out")
    text, connections = written(tmp_path / "out")
    assert [connection["preset"] for connection in connections] == ["siss_dump"]
    assert "/t_rm_saleflow/" in text and "没把握" not in shown + text


@pytest.mark.parametrize("receipt", ["流水编号", "票号"])
def test_a_sales_export_in_other_words_is_receipt_lines(receipt: str) -> None:
    rows = "".join(
        f"一店,T{i},2026-11-0{i % 9 + 1} 08:00:00,1390000{i:04d},A{i % 7},菜{i % 7},2,{i + 1}.50,{i + 1}.00\n"
        for i in range(40)
    )
    report = look(f"门店,{receipt},交易日期,客户电话,货品代码,货品,数目,应收,实收\n{rows}")
    assert report.chosen is not None and report.chosen.candidate.name == "generic_pos/ticket_lines"
    assigned = report.chosen.assigned
    assert assigned["receipt"] == receipt and assigned["amount"] == "实收"
    assert (assigned["sku"], assigned["item"], assigned["qty"]) == ("货品代码", "货品", "数目")


def test_a_feed_that_reads_none_of_the_money_is_not_proposed() -> None:
    rows = "".join(f"T{i},2026-11-01 08:00:00,1390000{i:04d},{i}.50,{i}.00\n" for i in range(30))
    report = look(f"变动编号,变动时间,客户电话,神秘应收,神秘实收\n{rows}")
    assert report.chosen is None
    assert [fit.candidate.name for fit in report.fits if fit.candidate.table == "points"] == []
    without = look(
        "变动编号,变动时间,客户电话\n"
        + "".join(f"T{i},2026-11-01 08:00:00,1390000{i:04d}\n" for i in range(30))
    )
    assert "points" in [fit.candidate.table for fit in without.fits]


def test_files_nobody_could_read_are_not_judged(tmp_path: Path) -> None:
    broken = put(tmp_path / "cut.csv.gz", gzip.compress(b"x" * 999)[:20])
    shown = run(broken)
    assert "读不了" in shown and "用这些数据能做什么" not in shown and "不能" not in shown
    assert "用这些数据能做什么" in run(broken, put(tmp_path / "a.csv.gz", dump()))


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dagster_project.cli.main", "inspect", "--help"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "linli inspect" in done.stdout


def mapped(
    kind: str, table: str, columns: Sequence[str], rows: Sequence[Sequence[str | None]]
) -> dict[str, list[dict]]:
    """Rows through a common shape, as feeds; columns that are not given are not in the file."""
    [preset] = [preset for preset in generic_presets() if preset.kind == kind]
    cells = {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(columns)}
    source = pa.table({**cells, "_row_no": pa.array(range(len(rows)), pa.int64())})
    feeds = map_table(preset, table, source, {"store_code": "S1"}, "Asia/Shanghai")
    return {name: feed.table.to_pylist() for name, feed in feeds.items()}


@pytest.mark.parametrize(
    ("rows", "kind", "net", "lines"),
    [
        ([("2", "9.00", None), ("-1", "-4.00", None)], "sale", 5, [(2, 9), (-1, -4)]),
        ([("2", "9.00", "销售"), ("1", "4.00", "退货")], "sale", 5, [(2, 9), (-1, -4)]),
        ([("1", "4.00", "退货"), ("2", "8.00", "退货")], "return", 12, [(1, 4), (2, 8)]),
        ([("-1", "-4.00", "退货"), ("-2", "-8.00", "退货")], "return", 12, [(1, 4), (2, 8)]),
        ([("-3", "-9.00", None), ("1", "4.00", None)], "return", 5, [(3, 9), (-1, -4)]),
        ([("1", "4.00", "部分退款"), ("1", "5.00", "部分退款")], "sale", 9, [(1, 4), (1, 5)]),
    ],
)  # fmt: skip
def test_a_returned_line_keeps_its_sign_on_a_receipt_that_sells(
    rows: list[tuple[str, str, str | None]], kind: str, net: int, lines: list[tuple[int, int]]
) -> None:
    given = [("S1", "T1", "2026-11-01 08:00:00", "菜", *row) for row in rows]
    found = mapped(
        "pos", "ticket_lines", ["store", "receipt", "sold_at", "item", "qty", "amount", "kind"], given
    )
    [ticket] = found["tickets"]
    assert (ticket["kind"], float(ticket["net"])) == (kind, net)
    by_line = sorted(found["ticket_lines"], key=lambda row: row["line_no"])
    assert [(float(row["qty"]), float(row["amount"])) for row in by_line] == lines
    assert sum(float(row["amount"]) for row in by_line) == net


STATES = [
    ("部分退款", None, "paid"), ("未退款", None, "paid"), ("无退款", None, "paid"), ("拒绝退款", None, "paid"),
    ("退款中", None, "paid"), ("退款关闭", None, "paid"), ("退款失败", None, "paid"), ("待退款", None, "paid"),
    ("已取消", None, "closed"), ("已关闭", None, "closed"), ("交易关闭", None, "closed"), ("全额退款", None, "closed"),
    ("已退款", None, "closed"), ("已退款", "3.00", "paid"), ("已退款", "0", "closed"), ("已取消", "3.00", "closed"),
    ("未支付", None, "unpaid"), ("已完成", None, "completed"), ("待自提", None, "shipped"), ("已支付", None, "paid"),
]  # fmt: skip


@pytest.mark.parametrize(("state", "refund", "expected"), STATES)
def test_only_an_order_that_is_gone_is_closed(state: str, refund: str | None, expected: str) -> None:
    row = ("G1", "2026-11-01 08:00:00", "9.90", state, refund)
    [order] = mapped("groupbuy", "orders", ["order_no", "created_at", "amount", "status", "refund"], [row])[
        "orders"
    ]
    assert order["status"] == expected
    line = ("G1", "2026-11-01 08:00:00", "菜", "1", "9.90", state, refund)
    names = ["order_no", "created_at", "item", "qty", "amount", "status", "refunded"]
    [order] = mapped("groupbuy", "order_lines", names, [line])["orders"]
    assert order["status"] == expected


def test_an_order_with_one_refunded_line_still_counts() -> None:
    names = ["order_no", "created_at", "item", "qty", "amount", "status"]
    lines = [
        ("G1", "2026-11-01 08:00:00", item, "1", "9.90", state)
        for item, state in (("菜", "已退款"), ("蛋", "已完成"))
    ]
    [order] = mapped("groupbuy", "order_lines", names, lines)["orders"]
    assert order["status"] == "completed"
