"""Which written names stand for a person, and what becomes of them at the door."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.contracts import feed, feeds_of, kinds
from dagster_project.landing.door import pass_door
from dagster_project.privacy import ChainKey, name_key
from dagster_project.sources.remarks import remark_name

KEY = ChainKey(b"k" * 32)


@pytest.mark.parametrize(
    "cell",
    [
        "王小明",
        " 王 小　明 ",
        "王小明先生",
        "王小明 老师",
        "王小明（302室）",
        "王小明🌸",
        "~王小明~",
        "王小明老师 收",
        "王小明\u200b",
    ],
)
def test_one_name_has_one_spelling(cell: str) -> None:
    assert name_key(cell) == "王小明"


@pytest.mark.parametrize(
    ("cell", "spelled"),
    [
        ("李红", "李红"),
        ("欧阳锋", "欧阳锋"),
        ("欧阳修文女士", "欧阳修文"),
        ("龚䶮", "龚䶮"),
        ("阿依古丽·买买提", "阿依古丽·买买提"),
        ("阿依古丽•买买提", "阿依古丽·买买提"),
        ("Li Hua", "li hua"),
        ("Ｌｉ　ＨＵＡ", "li hua"),
        ("Mr. Li Hua", "li hua"),
        ("Anne-Marie O'Neill", None),  # a single letter is no word
        ("Anne-Marie Neill", "anne marie neill"),
    ],
)
def test_full_names_are_kept(cell: str, spelled: str | None) -> None:
    assert name_key(cell) == spelled


@pytest.mark.parametrize(
    "cell",
    [
        *("张女士", "李姐", "王阿姨", "陈 先生", "刘老师", "欧阳女士", "张", "阿姨", "老板娘"),
        *("张*", "张**", "*明", "张＊明", "张某", "张某某", "张xx", "张XX", "xx明", "张○○"),
        *("小王", "老李", "阿强", "大刘", "乐乐", "A", "L", "🌸", "🌸🌸", "a b", "Lily", "A张"),
        *("散客", "本人", "收货人", "微信用户", "测试", "测试张三", "Test User", "店长"),
        *(
            "3栋王小明",
            "王小明2",
            "13800138000",
            "1",
            "",
            " ",
            "-",
            "无",
            "王小明李红孙",
            "王 Lily",
            "Mr Li",
            "ab12",
        ),
    ],
)
def test_what_fits_too_many_is_nobody(cell: str) -> None:
    assert name_key(cell) is None


def test_no_cell_is_no_name() -> None:
    assert name_key(None) is None


@given(st.text(max_size=12) | st.text("王小明李红张女士先生老师·阿* （）xX某3 🌸li", max_size=9))
def test_a_spelling_is_its_own_spelling(cell: str) -> None:
    spelled = name_key(cell)
    assert spelled is None or name_key(spelled) == spelled


NAMES = [(k, f.name, c.name) for k in kinds() for f in feeds_of(k) for c in f.columns if c.type == "name"]


def test_the_feeds_with_names() -> None:
    assert NAMES == [
        ("pos", "members", "name"),
        ("pos", "staff", "name"),
        ("groupbuy", "orders", "receiver_name"),
        ("groupbuy", "leaders", "name"),
        ("wecom", "contacts", "remark_name"),
    ]


@pytest.mark.parametrize(("kind", "name", "column"), NAMES)
def test_a_name_leaves_the_door_as_a_token(kind: str, name: str, column: str) -> None:
    cells = ["王小明", "王小明 女士", "李红", "张女士", None, "测试"]
    table = pa.table({column: pa.array(cells, pa.string()), "_row_no": pa.array(range(6), pa.int64())})
    passed = pass_door(table, feed(kind, name), KEY)
    ming, again, hong, *nobody = passed.table[f"{column}_token"].to_pylist()
    assert ming == again != hong and nobody == [None, None, None]
    assert re.fullmatch("[a-p]{32}", ming) and re.fullmatch("[a-p]{32}", hong)
    assert passed.table[f"{column}_is_test"].to_pylist() == ["N", "N", "N", "N", None, "Y"]
    assert column not in passed.table.column_names and passed.numbers == {}
    assert "小明" not in str(passed.table.to_pydict())


def test_names_and_numbers_have_keys_of_their_own() -> None:
    text = "+8613800138000"
    assert KEY.name_token_maker()(text) != KEY.token_maker()(text)
    assert KEY.name_token_maker()("王小明") != ChainKey(b"x" * 32).name_token_maker()("王小明")


@pytest.mark.parametrize(
    ("remark", "name"),
    [
        ("王小明", "王小明"),
        ("王小明 13800138000", "王小明"),
        ("13800138000王小明", "王小明"),
        ("翠园小区3栋201 王小明 爱吃鱼", "王小明"),
        ("3栋-王小明-老客户", "王小明"),
        ("王小明/王小明先生", "王小明"),
        ("王小明 李红", None),
        ("王姐 白菜", None),
        ("翠园 王姐", None),
        ("翠园 王*明", None),
        ("水果大客户", None),
        ("欧阳女士", None),
        ("李红的妈妈家", None),
        ("13800138000", None),
        ("", None),
    ],
)
def test_the_one_name_of_a_remark(remark: str, name: str | None) -> None:
    assert remark_name(remark) == name
