"""Readers: every format as it really arrives, and a reason for whatever cannot be read exactly."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
import zlib
from datetime import date, datetime, time

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.landing.readers import (
    Layout,
    TextTable,
    UnreadableFileError,
    archive_members,
    normal_label,
    read_bytes,
)
from dagster_project.landing.readers import archives as archives_module
from tests.landing.readerkit import locked, old_workbook, saved, workbook, zipped

ORDERS = Layout(
    frozenset(map(normal_label, ["跟团号", "团号", "支付时间", "订单金额（元）", "联系电话", "商品"])),
    (frozenset({"跟团号", "团号"}), frozenset({"订单金额(元)"})),
    (frozenset({"跟团号", "团号"}), frozenset({"商品", "品名"})),
)


def rows(table: TextTable) -> list[dict[str, str]]:
    return table.table.drop_columns(["_row_no"]).to_pylist()


def numbers(table: TextTable) -> list[int]:
    return table.table["_row_no"].to_pylist()


def csv_bytes(*lines: str, encoding: str = "utf-8") -> bytes:
    return ("\n".join(lines) + "\n").encode(encoding)


# labels and encodings


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("\ufeff跟团号", "跟团号"),
        ("订单金额（元）", "订单金额(元)"),
        ("订单\n金额 (元)\t", "订单金额(元)"),
        ("　ＳＫＵ　编码", "sku编码"),
        ("【备注】", "[备注]"),
        ("Or\u200bder No.", "orderno."),
        ("order_no", "order_no"),
    ],
)
def test_labels_are_compared_without_what_nobody_sees(written: str, compared: str) -> None:
    assert normal_label(written) == compared


@pytest.mark.parametrize(
    ("codec", "recorded"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("gb18030", "gb18030")]
)
def test_the_encoding_is_found_and_recorded(codec: str, recorded: str) -> None:
    table = read_bytes(csv_bytes("跟团号,收货人", "1,张䶮", "2,😀王", encoding=codec))
    assert rows(table) == [{"跟团号": "1", "收货人": "张䶮"}, {"跟团号": "2", "收货人": "😀王"}]
    assert table.encoding == recorded and table.table.column_names[0] == "跟团号"


def test_gb18030_is_transcoded_across_any_piece_boundary() -> None:
    line = "1,油麦菜䶮,x\n"
    content = "a,b,c\n" + line * 40_000
    table = read_bytes(content.encode("gb18030"))
    assert table.rows_read == 40_000 and set(table.table["b"].to_pylist()) == {"油麦菜䶮"}


@pytest.mark.parametrize(
    "data",
    [
        "单号,金额\n1,2\n".encode("utf-16"),
        "order_no,amount\n1,2\n".encode("utf-16-le"),
        b"a,b\n1,\x80\xff\n",
        b"\xef\xbb\xbf" + "单号,金额\n".encode("gb18030"),
        "a,b\n1,会员价\n".encode()[:-2],
        b"a,b\n1," + "会员".encode() * 20 + "会员".encode("gb18030") + b"\n",
    ],
    ids=[
        "utf-16",
        "utf-16 unmarked",
        "neither",
        "false BOM",
        "cut in a character",
        "two encodings",
    ],
)
def test_text_that_cannot_be_decoded_exactly_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableFileError, match="UTF-"):
        read_bytes(data)


def test_damaged_utf8_says_on_which_line() -> None:
    data = csv_bytes("编号,名称", *[f"{i},油麦菜" for i in range(50)]) + b"51,\xff\n"
    with pytest.raises(UnreadableFileError, match="第 52 行"):
        read_bytes(data)


def test_stray_nul_bytes_are_left_out_and_told() -> None:
    table = read_bytes(b"a,b\n1\0,2\n3,4\0\0\n\0\0\0\n")
    assert rows(table) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    assert any("6 个 NUL" in note for note in table.drift)


# delimited text


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(delimiter: str, end: str) -> None:
    lines = [delimiter.join(row) for row in (["跟团号", "订单金额（元）"], ["1", "2.5"], ["2", "3"])]
    for layout in (None, ORDERS):
        table = read_bytes((end.join(lines) + end).encode(), layout)
        assert [list(row.values()) for row in rows(table)] == [["1", "2.5"], ["2", "3"]]
        assert numbers(table) == [2, 3]


def test_a_quoted_field_keeps_line_breaks_and_delimiters() -> None:
    table = read_bytes(csv_bytes("跟团号,商品,备注", '1,"油麦菜\n+1, ""鲜""",x', "2,蛋,y"))
    assert table.table["商品"].to_pylist() == ['油麦菜\n+1, "鲜"', "蛋"]
    assert numbers(table) == [2, 3] and table.broken == []


def test_rows_of_a_wrong_length_are_broken_with_their_spreadsheet_row() -> None:
    data = csv_bytes(
        "日报,2026-11-20", "", "跟团号,订单金额（元）,商品", "1,2,a", "2,3", "", "4,5,b,c,d", "6,7,e"
    )
    table = read_bytes(data, ORDERS)
    assert table.broken == [(5, "fields(2/3)"), (7, "fields(5/3)")]
    assert numbers(table) == [4, 8] and table.rows_read == 4
    assert table.ignored == [(1, "title_row"), (6, "blank_row")]


def test_blank_lines_at_the_end_are_no_rows() -> None:
    table = read_bytes(b"a,b\r\n1,2\r\n\r\n\r\n\x1a")
    assert table.rows_read == 1 and table.ignored == []


def test_lines_glued_by_a_stray_quote_are_all_broken() -> None:
    table = read_bytes(csv_bytes("a,b", "1,2", '"3,4', "5,6", '7,"8,9', '10,"x', 'y"', "11,12"))
    assert rows(table) == [{"a": "1", "b": "2"}, {"a": "10", "b": "x\ny"}, {"a": "11", "b": "12"}]
    assert table.broken == [(3, "quote(1/3)"), (3, "quote(2/3)"), (3, "quote(3/3)")]


def test_a_quote_left_open_swallows_nothing_silently() -> None:
    table = read_bytes(csv_bytes("a,b", "1,2", '3,"4', "5,6", "7,8"))
    assert rows(table) == [{"a": "1", "b": "2"}]
    assert len(table.broken) == 3 and table.rows_read == 4


def test_columns_without_label_go_when_empty_and_stay_when_not() -> None:
    table = read_bytes(csv_bytes("跟团号,订单金额（元）,,,", "1,2,,x,", "2,3,,,"), ORDERS)
    assert table.table.column_names == ["跟团号", "订单金额（元）", "_unnamed_4", "_row_no"]
    assert table.table["_unnamed_4"].to_pylist() == ["x", ""] and "第 4 列" in table.drift[0]


def test_a_doubled_label_is_refused_when_it_means_something() -> None:
    with pytest.raises(UnreadableFileError, match="重名"):
        read_bytes(csv_bytes("跟团号,订单金额（元）,订单金额(元)", "1,2,3"), ORDERS)
    with pytest.raises(UnreadableFileError, match="重名"):
        read_bytes(csv_bytes("a,a", "1,2"))
    table = read_bytes(csv_bytes("跟团号,订单金额（元）,楼号,楼号,_row_no", "1,2,3,4,5"), ORDERS)
    assert rows(table) == [
        {"跟团号": "1", "订单金额（元）": "2", "楼号": "3", "楼号_2": "4", "_row_no_2": "5"}
    ]
    assert any("楼号_2" in note for note in table.drift)


def test_text_in_exponent_form_stays_what_it_is() -> None:
    assert rows(read_bytes(csv_bytes("phone", "1.39E+10", "013800138000"))) == [
        {"phone": "1.39E+10"},
        {"phone": "013800138000"},
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "空"),
        (b"\xef\xbb\xbf\r\n  \r\n", "空"),
        (b"<html><table><tr><td>1</td></tr></table></html>", "网页"),
        (b'[{"a": 1}]', "JSON 数组"),
    ],
)
def test_what_is_no_table_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFileError, match=reason):
        read_bytes(data)


def test_a_header_without_rows_is_an_empty_table() -> None:
    table = read_bytes("跟团号,订单金额（元）".encode(), ORDERS)
    assert table.rows_read == 0 and table.table.column_names == ["跟团号", "订单金额（元）", "_row_no"]


# headers and rows that are no data, the same from CSV and workbooks


def both(*lines: list[str]) -> list[bytes]:
    return [csv_bytes(*[",".join(line) for line in lines]), workbook(*lines)]


@pytest.mark.parametrize("kind", [0, 1], ids=["csv", "xlsx"])
def test_titles_totals_and_furniture_are_not_data(kind: int) -> None:
    data = both(
        ["营业日报", "", "", "", ""],
        ["门店：翠湖店", "", "", "", ""],
        ["序号", "跟团号", "订单金额（元）", "楼号", "操作"],
        ["1", "A1", "2", "3栋", "详情"],
        ["本页合计", "", "2", "", ""],
        ["序号", "跟团号", "订单金额（元）", "楼号", "操作"],
        ["2", "A2", "3", "", "详情"],
        ["合 计：", "", "5", "", ""],
        ["未查询到更多数据", "", "", "", ""],
    )[kind]
    table = read_bytes(data, ORDERS)
    assert rows(table) == [
        {"跟团号": "A1", "订单金额（元）": "2", "楼号": "3栋"},
        {"跟团号": "A2", "订单金额（元）": "3", "楼号": ""},
    ]
    assert numbers(table) == [4, 7] and table.rows_read == 2
    assert table.ignored == [
        (1, "title_row"),
        (2, "title_row"),
        (5, "total_row"),
        (6, "repeated_header"),
        (8, "total_row"),
        (9, "empty_state_row"),
    ]


def test_subtotals_all_through_a_file_are_taken_out() -> None:
    table = read_bytes(csv_bytes("a,b", *["1,2", "小计,2", " ,", "3,4"] * 100))
    assert table.table["a"].to_pylist() == ["1", "3"] * 100
    assert numbers(table)[:3] == [2, 5, 6] and numbers(table)[-1] == 401
    assert [rule for _, rule in table.ignored] == ["total_row", "blank_row"] * 100


@pytest.mark.parametrize("kind", [0, 1], ids=["csv", "xlsx"])
def test_merged_header_rows_are_joined(kind: int) -> None:
    data = both(
        ["渠道营业构成", "", "", "", ""],
        ["跟团号", "收入", "", "", "订单金额（元）"],
        ["", "堂食", "外卖", "", ""],
        ["", "", "饿了么", "美团", ""],
        ["1", "2", "3", "4", "9"],
    )[kind]
    table = read_bytes(data, ORDERS)
    assert rows(table) == [
        {
            "跟团号": "1",
            "收入·堂食": "2",
            "收入·外卖·饿了么": "3",
            "收入·外卖·美团": "4",
            "订单金额（元）": "9",
        }
    ]
    assert table.ignored == [(1, "title_row")] and numbers(table) == [5]


def test_the_lowest_known_label_names_a_merged_column() -> None:
    layout = Layout(
        frozenset({"单号", "数量", "金额", "商品"}),
        (frozenset({"单号"}), frozenset({"数量"}), frozenset({"金额"})),
    )
    two = csv_bytes("单号,,商品,,", ",时间,名称,数量,金额", "1,2,3,4,5")
    assert rows(read_bytes(two, layout)) == [
        {"单号": "1", "单号·时间": "2", "商品·名称": "3", "数量": "4", "金额": "5"}
    ]
    three = csv_bytes("单据,,商品,", "单号,,,", ",时间,数量,金额", "1,2,3,4")
    for data in (three, csv_bytes("日报", "").strip(b"\n") + b"\n" + three):
        table = read_bytes(data, layout)
        assert list(rows(table)[0].values()) == ["1", "2", "3", "4"]
        assert [table.table.column_names[i] for i in (0, 2, 3)] == ["单号", "数量", "金额"]


def test_a_row_that_divides_spanning_labels_belongs_to_the_header() -> None:
    table = read_bytes(csv_bytes("跟团号,收款,,订单金额（元）", ",现金,微信,", "1,2,3,5"), ORDERS)
    assert rows(table) == [{"跟团号": "1", "收款·现金": "2", "收款·微信": "3", "订单金额（元）": "5"}]
    assert numbers(table) == [3]


def test_a_header_below_the_searched_rows_is_not_found() -> None:
    lines = [f"说明{i},x" for i in range(10)]
    table = read_bytes(csv_bytes(*lines, "跟团号,订单金额（元）", "1,2"), ORDERS)
    assert table.table.column_names == ["说明0", "x", "_row_no"] and table.rows_read == 11
    assert read_bytes(csv_bytes(*lines[1:], "跟团号,订单金额（元）", "1,2"), ORDERS).rows_read == 1


def test_known_numbering_stays_and_a_shop_called_like_a_total_is_data() -> None:
    layout = Layout(frozenset({"序号", "店名"}), (frozenset({"店名"}),))
    table = read_bytes(csv_bytes("序号,店名", "1,甲", "小计算器专卖,乙", "暂无数据,丙"), layout)
    assert table.table["序号"].to_pylist() == ["1", "小计算器专卖", "暂无数据"]


def test_furniture_stays_without_a_layout() -> None:
    assert read_bytes(csv_bytes("序号,操作", "1,删除")).table.column_names == ["序号", "操作", "_row_no"]


# workbooks


def test_typed_cells_come_out_as_people_see_them() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["跟团号", "电话", "支付时间", "日期", "时刻", "钱", "否", "小"])
    sheet.append(
        [
            "A",
            13800138000.0,
            datetime(2026, 11, 1, 8, 0, 1),
            date(2026, 11, 1),
            time(8, 0, 1),
            0.1 + 0.2,
            True,
            1e-6,
        ]
    )
    table = read_bytes(saved(book))
    assert list(rows(table)[0].values()) == [
        "A", "13800138000", "2026-11-01 08:00:01", "2026-11-01", "08:00:01", "0.3", "Y", "0.000001",
    ]  # fmt: skip


def test_a_number_of_sixteen_digits_refuses_the_file_but_not_in_a_total() -> None:
    with pytest.raises(UnreadableFileError, match=r"第 2 行 跟团号 列.*15 位"):
        read_bytes(workbook(["跟团号", "订单金额（元）"], [3571234567890123456, 1]), ORDERS)
    table = read_bytes(
        workbook(["商品", "跟团号", "订单金额（元）"], ["a", "1", 1], ["合计", 3571234567890123456, 1]),
        ORDERS,
    )
    assert table.rows_read == 1 and table.ignored == [(3, "total_row")]


def test_error_values_are_empty_and_told_by_row_and_column() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["跟团号", "订单金额（元）", "商品"], ["A", 1, "#N/A"], ["B", 2, "ok"], ["C", "#REF!", "x"]):
        sheet.append(row)
    table = read_bytes(saved(book), ORDERS)
    assert table.table["商品"].to_pylist() == ["", "ok", "x"]
    assert len(table.drift) == 2
    assert "第 2 行" in table.drift[0] and "商品" in table.drift[0] and "#N/A" in table.drift[0]
    assert "第 4 行" in table.drift[1] and "#REF!" in table.drift[1]
    assert table.broken == []


def test_all_sheets_that_fit_are_read_and_others_are_told() -> None:
    fit = [["跟团号", "订单金额（元）"], ["A", "1"]]
    data = workbook(
        ["说明"], ["请勿修改"], title="说明", more={"十月": fit, "十一月": [fit[0], ["B", "2"]], "空": []}
    )
    table = read_bytes(data, ORDERS)
    assert table.title == "十月" and table.rows_read == 2
    assert rows(table) == [
        {"跟团号": "A", "订单金额（元）": "1"},
        {"跟团号": "B", "订单金额（元）": "2"},
    ]
    assert numbers(table) == [2, 10_000_002]
    read, unread = table.drift
    assert "十月, 十一月" in read and "10,000,000" in read
    assert "说明" in unread and "十月" not in unread and "空" not in unread


def test_without_a_layout_or_by_name_one_sheet_is_read() -> None:
    fit = [["跟团号", "订单金额（元）"], ["A", "1"]]
    data = workbook(["说明"], ["请勿修改"], title="说明", more={"十月": fit, "十一月": [fit[0], ["B", "2"]]})
    plain = read_bytes(data)
    assert plain.title == "说明" and plain.rows_read == 1 and plain.drift == []
    named = read_bytes(data, ORDERS, sheet="十一月")
    assert named.title == "十一月" and rows(named)[0]["跟团号"] == "B" and named.drift == []
    assert numbers(named) == [2]
    with pytest.raises(UnreadableFileError, match="十二月"):
        read_bytes(data, ORDERS, sheet="十二月")


def test_sheets_may_differ_in_order_spelling_and_further_columns() -> None:
    """Each sheet has its own titles, totals and blank rows; a hidden one counts as well."""
    book = openpyxl.load_workbook(
        io.BytesIO(
            workbook(
                ["跟团号", "订单金额（元）", "备注"],
                ["A", "1", "早"],
                ["合计", "1"],
                more={
                    "十一月": [
                        ["十一月报表"],
                        [],
                        ["订单金额(元)", "团号", "品名"],
                        ["2", "B", "蛋"],
                        [],
                        ["3", "C", "鱼"],
                    ],
                    "十二月": [["跟团号", "商品", "订单金额（元）"], ["E", "虾", "5"]],
                    "一月": [["团号", "订单金额（元）"], ["D", "4"], ["合计", "4"]],
                },
            )
        )
    )
    book["一月"].sheet_state = "hidden"
    table = read_bytes(saved(book), ORDERS)
    assert table.table.column_names == ["跟团号", "订单金额（元）", "备注", "品名", "_row_no"]
    assert rows(table) == [
        {"跟团号": "A", "订单金额（元）": "1", "备注": "早", "品名": ""},
        {"跟团号": "B", "订单金额（元）": "2", "备注": "", "品名": "蛋"},
        {"跟团号": "C", "订单金额（元）": "3", "备注": "", "品名": "鱼"},
        {"跟团号": "E", "订单金额（元）": "5", "备注": "", "品名": "虾"},
        {"跟团号": "D", "订单金额（元）": "4", "备注": "", "品名": ""},
    ]
    assert numbers(table) == [2, 10_000_004, 10_000_006, 20_000_002, 30_000_002]
    assert table.ignored == [(3, "total_row"), (10_000_001, "title_row"), (30_000_003, "total_row")]
    assert len(table.drift) == 1 and "十二月, 一月" in table.drift[0]


def test_a_damaged_sheet_beside_the_data_is_told() -> None:
    head = ["跟团号", "订单金额（元）"]
    whole = zipfile.ZipFile(io.BytesIO(workbook(head, ["A", "1"], more={"走势": [head]})))
    parts = {name: whole.read(name) for name in whole.namelist()}
    parts["xl/worksheets/sheet2.xml"] = parts["xl/worksheets/sheet2.xml"][:-40]
    table = read_bytes(zipped(*parts.items()), ORDERS)
    assert table.rows_read == 1
    assert len(table.drift) == 1 and "走势" in table.drift[0] and "损坏" in table.drift[0]


def test_a_sheet_that_fits_but_cannot_be_used_refuses_the_whole_workbook() -> None:
    head = ["跟团号", "订单金额（元）"]
    data = workbook([*head], ["A", "1"], more={"十一月": [head, [3571234567890123456, "2"]]})
    with pytest.raises(UnreadableFileError, match="工作表 十一月：第 2 行 跟团号"):
        read_bytes(data, ORDERS)


def test_what_is_odd_in_one_of_several_sheets_is_told_with_its_title() -> None:
    head = ["跟团号", "订单金额（元）"]
    table = read_bytes(workbook(head, ["A", "1"], more={"十一月": [head, ["B", "#N/A"]]}), ORDERS)
    assert table.table["订单金额（元）"].to_pylist() == ["1", ""]
    assert len(table.drift) == 2 and table.drift[1].startswith("工作表 十一月：第 2 行")


def test_blank_rows_and_cells_right_of_the_header_in_a_sheet() -> None:
    table = read_bytes(workbook([], ["跟团号", "订单金额（元）"], [], ["A", "1", "手写"], ["B", "2"]), ORDERS)
    assert numbers(table) == [4, 5] and table.table["_unnamed_3"].to_pylist() == ["手写", ""]
    with pytest.raises(UnreadableFileError, match="空"):
        read_bytes(workbook())


def test_a_locked_workbook_opens_with_its_password_only() -> None:
    data = locked(workbook(["跟团号", "订单金额（元）"], ["A", 1]), "暗号123")
    assert rows(read_bytes(data, ORDERS, password="暗号123")) == [{"跟团号": "A", "订单金额（元）": "1"}]
    for wrong in (None, "", "123"):
        with pytest.raises(UnreadableFileError, match="file_password"):
            read_bytes(data, ORDERS, password=wrong)


def test_an_xls_is_read_and_a_full_one_is_cut() -> None:
    table = read_bytes(old_workbook(["跟团号", "电话"], ["A", 13800138000.0]))
    assert rows(table) == [{"跟团号": "A", "电话": "13800138000"}] and table.format == "xls"
    most = [["1"]] * 65_535
    assert read_bytes(old_workbook(["跟团号"], *most[1:])).rows_read == 65_534
    with pytest.raises(UnreadableFileError, match="65,536"):
        read_bytes(old_workbook(["跟团号"], *most))


def test_a_cell_far_out_refuses_the_sheet_instead_of_filling_the_memory() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["A1"], sheet["A2"], sheet["XFD1048576"] = "跟团号", "A", "x"
    with pytest.raises(UnreadableFileError, match="很远"):
        read_bytes(saved(book))


@pytest.mark.parametrize("cut", [30, 400, 2000])
def test_damaged_workbooks_are_refused(cut: int) -> None:
    for data in (workbook(["a"], ["1"]), old_workbook(["a"], ["1"]), locked(workbook(["a"], ["1"]), "x")):
        with pytest.raises(UnreadableFileError):
            read_bytes(data[:cut], password="x")


# JSON lines and Parquet


def test_json_lines_keep_big_numbers_trim_keys_and_tell_states_apart() -> None:
    lines = [
        '{"uid": 1151234567890123456, "amount\\t": 1.10, "point": null}',
        '{"uid": "2", "point": 0, "note": "a\u2028b", "list": [1, {"x": 9007199254740993}]}',
        "not json",
        "[1]",
        '{"uid": "\\ud800"}',
        '{"a": 1, "a ": 2}',
        '{"n": ' + "[" * 100_000,
    ]
    table = read_bytes(b"\xef\xbb\xbf" + ("\n".join(lines) + "\n").encode())
    first, second = rows(table)
    assert (first["uid"], first["amount"], first["point"]) == ("1151234567890123456", "1.10", None)
    assert (second["point"], second["note"], second["amount"]) == ("0", "a\u2028b", None)
    assert json.loads(second["list"])[1]["x"] == "9007199254740993"
    assert [number for number, _ in table.broken] == [3, 4, 5, 6, 7]
    assert table.rows_read == 7 and table.encoding == "utf-8-sig"


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def test_parquet_types_become_text() -> None:
    table = pa.table(
        {
            "id": pa.array([9007199254740993]),
            "qty": pa.array([0.3], pa.float32()),
            "sum": [19.900000000000002],
            "flag": [True],
            "kind": pa.array(["x"]).dictionary_encode(),
            "day": pa.array([date(2026, 11, 1)]),
            "gone": pa.array([float("nan")]),
        }
    )
    assert list(rows(read_bytes(parquet(table)))[0].values()) == [
        "9007199254740993", "0.3", "19.9", "Y", "x", "2026-11-01", None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1]]),
        pa.array([{"a": 1}]),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.array([b"\xff"]),
        pa.array([b"\xff"]).view(pa.string()),
    ],
)
def test_parquet_columns_that_are_no_text_are_refused_by_name(column: pa.Array) -> None:
    with pytest.raises(UnreadableFileError, match="items"):
        read_bytes(parquet(pa.table({"items": column})))


@pytest.mark.parametrize("column", [pa.array([1e15]), pa.array([20_000_000.0], pa.float32())])
def test_floats_that_lost_digits_are_refused(column: pa.Array) -> None:
    with pytest.raises(UnreadableFileError, match="位"):
        read_bytes(parquet(pa.table({"id": column})))


# archives


def test_gzip_is_read_through_and_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    data = csv_bytes("a,b", "1,2")
    assert read_bytes(gzip.compress(data)).format == "csv.gz"
    assert read_bytes(gzip.compress(gzip.compress(data))).format == "csv.gz.gz"
    with pytest.raises(UnreadableFileError, match="gzip"):
        read_bytes(gzip.compress(data)[:-4])
    monkeypatch.setattr(archives_module, "_RATIO_FROM", 1 << 20)
    with pytest.raises(UnreadableFileError, match="解压后过大"):
        read_bytes(gzip.compress(b"a" * (2 << 20)))
    monkeypatch.setattr(archives_module, "MAX_BYTES", 3)
    with pytest.raises(UnreadableFileError, match="解压后过大"):
        read_bytes(gzip.compress(data))


def test_an_archive_gives_its_files_by_name() -> None:
    packed = gzip.compress(csv_bytes("a,b", "1,2"))
    data = zipped(
        ("b/二.csv.gz", packed), ("a.csv", b"x"), ("__MACOSX/a.csv", b"?"), ("b/", b""), ("../../evil.csv", b"y"),
        (".DS_Store", b"?"),
    )  # fmt: skip
    members = archive_members(data, "day.zip")
    assert members == [("day.zip/a.csv", b"x"), ("day.zip/b/二.csv.gz", packed), ("day.zip/evil.csv", b"y")]
    assert rows(read_bytes(members[1][1])) == [{"a": "1", "b": "2"}]
    with pytest.raises(UnreadableFileError, match="压缩包"):
        read_bytes(data)


def test_member_names_of_chinese_windows_are_readable() -> None:
    raw = "订单.csv".encode("gb18030")
    data = zipped(("x" * len(raw), b"1")).replace(b"x" * len(raw), raw)
    assert archive_members(data, "a.zip") == [("a.zip/订单.csv", b"1")]


def test_what_is_no_archive() -> None:
    for data in (b"", b"a,b\n", workbook(["a"]), gzip.compress(b"a"), parquet(pa.table({"a": [1]}))):
        assert archive_members(data, "x") is None
    assert archive_members(workbook(["a"])[:200], "cut.xlsx") is None
    assert archive_members(zipped(), "empty.zip") == []


def test_damaged_locked_and_absurd_archives_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zipped(("a.csv", b"1,2\n" * 500))
    with pytest.raises(UnreadableFileError, match="压缩包损坏"):
        archive_members(data[:-30], "a.zip")
    middle = data.index(b"a.csv") + 10
    with pytest.raises(UnreadableFileError, match="压缩包损坏"):
        archive_members(data[:middle] + b"\xff\xff" + data[middle + 2 :], "a.zip")
    flagged = bytearray(data)
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        flagged[data.index(magic) + place] |= 1
    for password in (None, "wrong"):
        with pytest.raises(UnreadableFileError, match="file_password"):
            archive_members(bytes(flagged), "a.zip", password=password)
    monkeypatch.setattr(archives_module, "MAX_BYTES", 1000)
    with pytest.raises(UnreadableFileError, match="解压后过大"):
        archive_members(data, "a.zip")
    with pytest.raises(UnreadableFileError, match="解压后过大"):
        read_bytes(workbook(["a"], ["1"]))


def test_a_zip_locked_in_the_old_way_opens_with_its_password() -> None:
    content = csv_bytes("a,b", "1,2")
    data = _zip_crypto("a.csv", content, b"pw")
    assert archive_members(data, "a.zip", password="pw") == [("a.zip/a.csv", content)]


def _zip_crypto(name: str, content: bytes, password: bytes) -> bytes:
    """A stored zip member under the traditional cipher (PKWARE APPNOTE 6.1), which Python can only read."""
    table = [_crc_entry(i) for i in range(256)]
    keys = [0x12345678, 0x23456789, 0x34567890]

    def update(byte: int) -> None:
        keys[0] = (keys[0] >> 8) ^ table[(keys[0] ^ byte) & 0xFF]
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = (keys[2] >> 8) ^ table[(keys[2] ^ (keys[1] >> 24)) & 0xFF]

    for byte in password:
        update(byte)
    crc = zlib.crc32(content)
    out = bytearray()
    for byte in bytes(11) + bytes([crc >> 24]) + content:
        mask = keys[2] | 2
        out.append(byte ^ (((mask * (mask ^ 1)) >> 8) & 0xFF))
        update(byte)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr(name, bytes(out))
    data = bytearray(buffer.getvalue())
    for magic, flags, place in ((b"PK\x03\x04", 6, 14), (b"PK\x01\x02", 8, 16)):
        start = data.index(magic)
        data[start + flags] |= 1
        data[start + place : start + place + 4] = crc.to_bytes(4, "little")
        data[start + place + 8 : start + place + 12] = len(content).to_bytes(4, "little")
    return bytes(data)


def _crc_entry(number: int) -> int:
    for _ in range(8):
        number = (number >> 1) ^ (0xEDB88320 if number & 1 else 0)
    return number


# what reaches people


def test_no_reason_quotes_a_row() -> None:
    for data in (b'a,b\n1,"13800138000\n', b"a,b\n1,13800138000,x\n", b'{"a": 13800138000\n{"b":'):
        try:
            table = read_bytes(data)
        except UnreadableFileError as error:
            assert "13800138000" not in str(error)
        else:
            assert table.broken and "13800138000" not in str(table.broken + table.ignored)
