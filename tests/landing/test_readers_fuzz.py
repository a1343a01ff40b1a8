"""Readers under any bytes: a table or a reason, and no row vanishes."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.landing.readers import (
    Layout,
    TextTable,
    UnreadableFileError,
    archive_members,
    normal_label,
    read_bytes,
)
from tests.landing.readerkit import locked, old_workbook, workbook, zipped

HEAD = ["序号", "跟团号", "订单金额（元）", "备注"]
ROWS = [["1", "A1", "2.50", "张䶮"], ["2", "A2", "3", ""], ["合计", "", "5.50", ""]]
LAYOUT = Layout(frozenset(map(normal_label, HEAD[1:3])), (frozenset({"跟团号"}), frozenset({"订单金额(元)"})))
PASSWORD = "暗号"

_text = "\n".join(",".join(row) for row in [["日报"], HEAD, *ROWS]) + "\n"
_quoted = "\r\n".join(",".join(f'"{cell}"' for cell in row) for row in [HEAD, *ROWS]) + "\r\n"
_lines = "\n".join(json.dumps(dict(zip(HEAD, row, strict=True)), ensure_ascii=False) for row in ROWS)


def _parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({name: [row[i] for row in ROWS] for i, name in enumerate(HEAD)}), buffer)
    return buffer.getvalue()


FILES: dict[str, bytes] = {
    "utf-8": _text.encode(),
    "gb18030": _text.encode("gb18030"),
    "quoted": _quoted.encode("utf-8-sig"),
    "gzip": gzip.compress(_text.encode()),
    "json lines": _lines.encode(),
    "parquet": _parquet(),
    "xlsx": workbook(HEAD, *ROWS),
    "xls": old_workbook(HEAD, *ROWS),
    "locked": locked(workbook(HEAD, *ROWS), PASSWORD),
    "zip": zipped(("a.csv", _text.encode()), ("b.csv.gz", gzip.compress(_text.encode()))),
}


def read_or_refuse(data: bytes, layout: Layout | None, password: str | None = None) -> TextTable | None:
    """The table after a look at what must always hold; None when refused, with a reason."""
    try:
        table = read_bytes(data, layout, password=password)
    except UnreadableFileError as error:
        assert str(error)
        return None
    assert table.rows_read == table.table.num_rows + len(table.broken)
    assert table.table.column_names.count("_row_no") == 1 and len(set(table.table.column_names)) == len(
        table.table.column_names
    )
    assert all(field.type == pa.string() for field in table.table.schema if field.name != "_row_no")
    table.table.validate(full=True)
    numbers = table.table["_row_no"].to_pylist()
    assert numbers == sorted(set(numbers))
    assert not set(numbers) & {row for row, _ in table.broken + table.ignored}
    return table


@st.composite
def mutated(draw: st.DrawFn, most: int = 4) -> Callable[[bytes], bytes]:
    """Cuts, flips and inserts some bytes; places are shares of the length."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["cut", "flip", "insert", "drop"]), st.floats(0, 1), st.binary(max_size=6)
            ),
            min_size=1,
            max_size=most,
        )
    )

    def apply(data: bytes) -> bytes:
        for step, share, extra in steps:
            at = int(share * len(data))
            if step == "cut":
                data = data[:at]
            elif step == "flip":
                data = data[:at] + extra[:1] + data[at + 1 :]
            elif step == "insert":
                data = data[:at] + extra + data[at:]
            else:
                data = data[:at] + data[at + len(extra) :]
        return data

    return apply


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=400)
    | st.text(max_size=300).map(str.encode)
    | st.text(max_size=99).map(lambda t: t.encode("gb18030", "replace")),
    st.sampled_from([None, LAYOUT]),
    st.sampled_from(
        [
            b"",
            b"PK\x03\x04",
            b"PK\x05\x06",
            b"PAR1",
            b"\x1f\x8b",
            b"{",
            b"\xef\xbb\xbf",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        ]
    ),
)
def test_any_bytes_are_read_or_refused(data: bytes, layout: Layout | None, prefix: bytes) -> None:
    read_or_refuse(prefix + data, layout, "x")
    try:
        assert (
            archive_members(prefix + data, "a.zip") is None or prefix.startswith(b"PK") or data[:2] == b"PK"
        )
    except UnreadableFileError as error:
        assert str(error)


@pytest.mark.parametrize("name", [name for name in FILES if name != "xls"])
@settings(max_examples=60, deadline=None)
@given(change=mutated(), layout=st.sampled_from([None, LAYOUT]))
def test_damaged_files_are_read_or_refused(
    name: str, change: Callable[[bytes], bytes], layout: Layout | None
) -> None:
    data = change(FILES[name])
    read_or_refuse(data, layout, PASSWORD)
    try:
        members = archive_members(data, "a.zip")
    except UnreadableFileError as error:
        assert str(error)
    else:
        for _, content in members or []:
            read_or_refuse(content, layout)


@settings(max_examples=100, deadline=None)
@given(change=mutated(most=1))
def test_a_damaged_xls_is_read_or_refused(change: Callable[[bytes], bytes]) -> None:
    read_or_refuse(change(FILES["xls"]), LAYOUT)


@settings(max_examples=100, deadline=None)
@given(
    part=st.sampled_from(
        ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml", "xl/styles.xml"]
    ),
    share=st.floats(0, 1),
    dropped=st.integers(0, 30),
    # no digits: a cell reference of many digits takes memory for every row up to it
    inserted=st.text(alphabet="<>/=\"'& czrtevAZ", max_size=8),
)
def test_a_workbook_with_damaged_parts_is_read_or_refused(
    part: str, share: float, dropped: int, inserted: str
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(FILES["xlsx"])) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == part:
                at = int(share * len(content))
                content = content[:at] + inserted.encode() + content[at + dropped :]
            new.writestr(name, content)
    read_or_refuse(buffer.getvalue(), LAYOUT)


_cells = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="\0\x1a\ufeff", exclude_categories=["Cs"]),
    max_size=8,
) | st.sampled_from(
    [
        "合计",
        "小计",
        "未查询到数据",
        "",
        " ",
        "a\nb",
        'x"y',
        '"',
        "a,b",
        "a;b",
        "跟团号",
        "1.39E+10",
        "\r",
        "\t",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.lists(_cells, min_size=1, max_size=6), min_size=1, max_size=12),
    titles=st.lists(st.sampled_from(["日报", "门店：翠湖店"]), max_size=2),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    delimiter=st.sampled_from([",", "\t", ";"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_no_row_of_a_csv_vanishes(
    rows: list[list[str]], titles: list[str], encoding: str, quoting: int, delimiter: str, end: str
) -> None:
    if quoting == csv.QUOTE_MINIMAL:
        # Python's writer leaves a lone carriage return unquoted, and then it ends the row
        rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator=end)
    for title in titles:
        writer.writerow([title])
    writer.writerow(HEAD)
    for row in rows:
        writer.writerow(row)
    table = read_or_refuse(buffer.getvalue().encode(encoding), LAYOUT)
    assert table is not None
    assert table.rows_read + len(table.ignored) == len(titles) + len(rows)
    assert [rule for _, rule in table.ignored].count("title_row") == len(titles)
    written = dict(enumerate(rows, start=len(titles) + 2))
    kept = table.table.select(HEAD[1:]).to_pylist()
    for number, record in zip(table.table["_row_no"].to_pylist(), kept, strict=True):
        assert list(record.values()) == written[number][1:]
    for number, fault in table.broken:
        assert fault == f"fields({len(written[number])}/4)"


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.text(max_size=8) | st.sampled_from(["合计", "跟团号"]), min_size=2, max_size=2),
        min_size=1,
        max_size=10,
    )
)
def test_no_object_of_json_lines_vanishes(rows: list[list[str]]) -> None:
    lines = [json.dumps({"a": row[0], "b ": row[1]}, ensure_ascii=len(row[0]) > 3) for row in rows]
    data = "\n".join(lines).encode("utf-8", "surrogatepass")
    table = read_or_refuse(data, None)
    if table is not None:
        assert table.rows_read == len(rows)
        assert table.table.num_rows == len(rows) or table.broken


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.lists(
            st.text(alphabet=st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=6)
            | st.integers(-(10**15) + 1, 10**15 - 1)
            | st.sampled_from(["合计", "暂无数据", ""]),
            min_size=4,
            max_size=4,
        ),
        min_size=1,
        max_size=8,
    )
)
def test_no_row_of_a_workbook_vanishes(rows: list[list[str | int]]) -> None:
    # a formula's text would be stored as one, with no value yet
    rows = [[f"'{cell}" if str(cell).startswith("=") else cell for cell in row] for row in rows]
    table = read_or_refuse(workbook(HEAD, *rows), LAYOUT)
    assert table is not None
    filled = [row for row in rows if any(cell != "" for cell in row)]
    assert table.rows_read + len(table.ignored) == len(filled)
