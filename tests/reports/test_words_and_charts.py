"""Numbers as people in the shops write them, and chart coordinates."""

from __future__ import annotations

from datetime import date

import pytest

from dagster_project.config.rules import SEGMENT_METRICS
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
    assert words.change(400, 100) == ("up", "多 300.0%")
    assert words.change(401, 100) == ("up", "上周同日只有 100")
    assert words.change(37_746_400, 100_000, words.money) == ("up", "上周同日只有 ¥1,000")


def test_dates() -> None:
    assert words.full_day(date(2026, 1, 11)) == "2026年1月11日 周日"
    assert words.day(None) == "—"


def test_segment_reasons_are_told_in_chinese() -> None:
    assert words.segment_reason("orders_total >= 1；high_margin_orders_total = 0") == (
        "累计订单至少 1 单；累计高毛利品类订单为 0 单"
    )
    assert words.segment_reason("spend_30d > 500；days_since_purchase < 7") == (
        "近30天消费超过 500 元；距上次消费不到 7 天"
    )
    assert words.segment_reason("is_potential_group_buyer = true") == "是潜在拼团用户"
    assert words.segment_reason("is_potential_group_buyer != true") == "不是潜在拼团用户"
    assert words.segment_reason("is_potential_group_buyer = false") == "不是潜在拼团用户"
    assert words.segment_reason("my_spend_30d = 1") == "my_spend_30d = 1"
    assert words.segment_reason(None) == ""


def test_every_metric_of_the_rules_has_words() -> None:
    for metric, kind in SEGMENT_METRICS.items():
        value = "true" if kind == "bool" else "5"
        for op in (">=", "<=", ">", "<", "=", "!="):
            assert metric not in words.segment_reason(f"{metric} {op} {value}")


@pytest.mark.parametrize(
    ("percents", "bottom", "top"),
    [
        ([82.0, 93.4], 80, 100),
        ([82.0, 88.0], 70, 90),
        ([0.0, 26.0], 0, 30),
        ([15.0, 15.0], 0, 20),
        ([100.0, None], 80, 100),
        ([0.0], 0, 20),
        ([None], 0, 100),
        ([], 0, 100),
    ],
)
def test_percentages_fill_the_plot(percents: list[float | None], bottom: int, top: int) -> None:
    chart = charts.rates(percents)
    assert (chart.bottom, chart.top) == (bottom, top)


def test_a_line_starts_at_its_bottom() -> None:
    assert charts.line([80, 90, 100], 100, 80).path == "M5 100L15 50L25 0"


def test_bars_stack_from_the_bottom_up() -> None:
    chart = charts.stacked_bars([[30, 20], [0, 0], [0, 50]], ["a", "b"], ["x", "y", "z"])
    assert chart.top == 50, "the highest bar is as high as the plot"
    assert charts.stacked_bars([[123_456]], ["a"], ["x"]).rects[0].height == "100"
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
