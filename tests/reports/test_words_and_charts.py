"""Numbers as people in the shops write them, and chart coordinates."""

from __future__ import annotations

from datetime import date

import pytest

from dagster_project.reports import charts, words


@pytest.mark.parametrize(
    ("fen", "text"),
    [
        (None, "—"),
        (0, "¥0"),
        (5, "¥0.05"),
        (980, "¥9.80"),
        (5000, "¥50"),
        (9999, "¥99.99"),
        (10049, "¥100"),
        (10050, "¥101"),
        (999_949, "¥9,999"),
        (999_950, "¥1.00万"),
        (1_234_500, "¥1.23万"),
        (123_456_700, "¥123.5万"),
        (9_999_999_900, "¥1.00亿"),
        (1_234_567_890_00, "¥12.35亿"),
        (-1250, "−¥12.50"),
    ],
)
def test_money(fen: int | None, text: str) -> None:
    assert words.money(fen) == text


def test_counts_and_shares() -> None:
    assert words.count(99_999) == "99,999"
    assert words.count(123_456) == "12.35万"
    assert words.share(1, 3) == "33.3%"
    assert words.share(0, 5) == "0.0%"
    assert words.share(3, 0) == "—"
    assert words.share(1, 1) == "100.0%"


def test_change_tells_missing_from_zero() -> None:
    assert words.change(110, 100) == ("up", "多 10.0%")
    assert words.change(90, 100) == ("down", "少 10.0%")
    assert words.change(100, 100) == ("same", "持平")
    assert words.change(5, 0) == ("none", "上周同日为 0")
    assert words.change(5, None) == ("none", "上周同日无数据")


def test_dates_and_ids() -> None:
    assert words.full_day(date(2026, 1, 11)) == "2026年1月11日 周日"
    assert words.day(None) == "—"
    assert len(words.short_id("m" + "1" * 16)) == 10


def test_segment_reasons_are_told_in_chinese() -> None:
    assert words.segment_reason("orders_total >= 1；high_margin_orders_total = 0") == (
        "累计订单数 >= 1；累计高毛利品类订单数 = 0"
    )
    assert words.segment_reason("my_spend_30d = 1") == "my_spend_30d = 1"
    assert words.segment_reason(None) == ""


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (9, 10), (10, 10), (11, 20), (21, 25), (26, 50), (999, 1000)]
)
def test_nice_top(value: int, top: int) -> None:
    assert charts.nice_top(value) == top


def test_bars_stack_from_the_bottom_up() -> None:
    chart = charts.stacked_bars([[30, 20], [0, 0], [0, 50]], ["a", "b"], ["x", "y", "z"])
    assert chart.top == 50
    assert [(r.css, r.y, r.height) for r in chart.rects] == [
        ("a", "40", "60"),
        ("b", "0", "40"),
        ("b", "0", "100"),
    ]
    assert charts.stacked_bars([], ["a"], []).width == charts.STEP


def test_a_line_has_gaps_and_lone_points() -> None:
    assert charts.line([50, 100, None, 0], 100).path == "M5 50L15 0M35 100h.01"
    assert charts.line([None, None], 100).path == ""
    assert charts.sparkline([]).path == ""
    assert "-" not in charts.sparkline([0, 0]).path


def test_share_bar_fills_the_width() -> None:
    chart = charts.share_bar([1, 0, 3], ["a", "b", "c"], ["1", "0", "3"])
    assert [(r.x, r.width) for r in chart.rects] == [("0", "250"), ("250", "750")]
    assert charts.share_bar([0], ["a"], ["-"]).rects == ()
