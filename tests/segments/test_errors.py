"""What is wrong is told with file, line, key and the nearest names; no text whatever ends in a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dagster_project.config import ConfigError, load_chain
from dagster_project.lang import LANGUAGE
from tests.segments.worlds import Seeded, expression, pick

_FRAME = "segments:\n  - segment_id: a\n    name: 甲\n    all:\n      - {metric: rfm_r, op: '=', value: 5}\n      - %s\n"
_DEEP = "{not: " * 8 + "{metric: rfm_r, op: known}" + "}" * 8


def _said(chain_dir: Path, text: str) -> str:
    (chain_dir / "rules" / "segments.yml").write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_chain(chain_dir)
    return str(caught.value)


@pytest.mark.parametrize(
    ("condition", "key", "zh", "en"),
    [
        ("{metrik: rfm_r}", "1.metrik", "不认识的条件 'metrik'。是不是：metric", "perhaps metric"),
        ("{metric: spend_30, op: '>', value: 5}", "1.metric", "不认识的指标 'spend_30'。是不是：spend_30d", "perhaps spend_30d"),
        ("{metric: rfm_r, op: '=>', value: 5}", "1.op", "不认识的运算 '=>'", "unknown operator '=>'"),
        ("{metric: rfm_r, op: contians, value: 5}", "1.op", "是不是：contains", "perhaps contains"),
        ("{metric: rfm_r, op: '>', value: 五}", "1.value", "应当是整数", "must be a whole number"),
        ("{metric: rfm_r, op: '>', value: 5, days: 3}", "1.days", "不认识的键 'days'", "unknown key 'days'"),
        ("{metric: rfm_r, op: '>'}", "1.value", "缺少这个键", "this key is missing"),
        ("{metric: tier, op: '>=', value: L1}", "1.op", "文字不能用 >=，可用：=, !=, in", "texts do not go with >="),
        ("{metric: tier, op: '=', value: L9}", "1.value", "不认识的值 'L9'", "unknown value 'L9'"),
        ("{any: []}", "1.any", "至少要有一个条件", "at least one condition"),
        ("{}", "1", "空的条件", "empty condition"),
        ("[]", "1", "条件应当是 {键: 值}", "a condition is a mapping"),
        ("{any: [{metric: rfm_r, op: known}, {not: {tag: ''}}]}", "1.any.1.not.tag", "1 到 200 个字", "1 to 200 characters"),
        ("{metric: rfm_r, op: between, value: [5, 1]}", "1.value", "前面的不能大于后面的", "must not be above"),
        ("{event: purchase, did: true, between: [2026-02-01, 2026-01-01]}", "1.between", "前面的不能大于后面的", "must not be above"),
        ("{event: purchase, did: true, within_days: 1096}", "1.within_days", "1 到 1095", "1 to 1095"),
        ("{event: purchase, did: true, within_days: 3, since: 2026-01-01}", "1.since", "只能写一种时间段", "only one period"),
        ("{event: purchase, did: true, since: 2026-02-30}", "1.since", "应当是日期", "must be a date"),
        ("{event: purchased, did: true}", "1.event", "是不是：purchase", "perhaps purchase"),
        ("{event: purchase}", "1.event", "还要写一种", "one of these is needed"),
        ("{event: purchase, did: true, count: '> 1'}", "1.count", "只能写一种", "of one kind"),
        ("{event: purchase, count: 3}", "1.count", '例如 ">= 3"', 'such as ">= 3"'),
        ("{event: purchase, did: true, where: {catgory: x}}", "1.where.catgory", "是不是：category", "perhaps category"),
        ("{event: purchase, did: true, where: {channel: shop}}", "1.where.channel", "不认识的渠道", "unknown channel"),
        ("{event: share, did: true, where: {item: x}}", "1.where.item", "不能按 item 筛选", "has no item"),
        ("{event: purchase, did: true, where: {hour: [9, 9]}}", "1.where.hour", "0 到 24", "0 to 24"),
        ("{event: share, sum: amount, op: '>', value: 3}", "1.sum", "没有可以相加的值", "adds up to nothing"),
        ("{event: purchase, where: {item: x}, sum: amount, op: '>', value: 3}", "1.event", "请用 event: line", "use event: line"),
        ("{ratio: spend_30d, to: orders_30d, op: '>', value: 1}", "1.to", "单位不同", "different units"),
        ("{metric: rfm_r, op: '>', times: 2, own_normal: 30}", "1.metric", "没有时间窗", "has no window"),
        ("{segment: b}", "1.segment", "没有人群 'b'", "no segment 'b'"),
        ("{segment: a}", "", "人群互相引用：a → a", "refer to each other: a → a"),
        ("{at_least: 3, of: [{metric: rfm_r, op: known}]}", "1.at_least", "应当在 1 到 1 之间", "must be 1 to 1"),
        (_DEEP, "1" + ".not" * 7, "最多嵌套 8 层", "at most 8 deep"),
        ("{sequence: [{event: purchase}]}", "1.sequence", "2 到 5 步", "2 to 5 steps"),
        ("{sequence: [{event: purchase}, {event: line, where: {kind: share}}]}", "1.sequence.1.where.kind", "不能按 kind", "has no kind"),
        ("{sequence: [{event: purchase}, {event: line, were: 3}]}", "1.sequence.1.were", "不认识的键", "unknown key"),
        ("{event: purchase, did: true, where: {hour: 25}}", "1.where.hour", "0 到 24", "0 to 24"),
        ("{event: purchase, did: true, where: {hour: [8, 25]}}", "1.where.hour", "0 到 24", "0 to 24"),
        ("{basket: {some: [x]}}", "1.basket.some", "不认识的键 'some'", "unknown key 'some'"),
        ("{overdue: item, times: 2}", "1.item", "必须写 item", "item goes with"),
        ("{bucket: A, from: 0, to: 9}", "1.bucket", "小写字母", "lower case"),
    ],
)  # fmt: skip
def test_a_wrong_condition_names_its_line_and_key(
    chain_dir: Path, condition: str, key: str, zh: str, en: str
) -> None:
    for language, expected in (("zh", zh), ("en", en)):
        LANGUAGE.set(language)
        said = _said(chain_dir, _FRAME % condition)
        place = f"segments.yml:6 [segments.0.all.{key}]" if key else "segments.yml:2 [segments.0]"
        assert place in said and expected in said, said


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("segments:\n  - name: 甲\n    all: []\n", "2 [segments.0.segment_id]", "缺少这个键"),
        ("segments:\n  - segment_id: A\n    name: 甲\n    all: [{tag: x}]\n", "2 [segments.0.segment_id]", "小写字母"),
        ("segments:\n  - segment_id: a\n    name: 甲\n", "2 [segments.0.all]", "缺少条件"),
        ("segments:\n  - segment_id: a\n    name: 甲\n    al: []\n", "4 [segments.0.al]", "是不是：all"),
        ("segments:\n  - segment_id: a\n    name: 孕妇\n    all: [{tag: x}]\n", "3 [segments.0.name]", "不能推断"),
        ("segments:\n  - segment_id: a\n    name: 甲\n    any:\n      - {tag: x}\n      - {not: {tag: 孕妇}}\n", "6 [segments.0.any.1.not.tag]", "标签里有 孕妇"),
        ("segments:\n  - {segment_id: a, name: 甲, all: [{no_tag: 高血压}]}\n", "2 [segments.0.all.0.no_tag]", "标签里有 高血压"),
        ("segments:\n  - {segment_id: a, name: 甲, all: [{tag: 宝妈群, by: c}]}\n", "2 [segments.0.all.0.tag]", "标签里有 宝妈"),
        ("segments:\n  - {segment_id: a, name: 甲, all: [{tag: 宝妈群, within_days: 3}]}\n", "2 [segments.0.all.0.tag]", "标签里有 宝妈"),
        ("segments:\n  - segment_id: vip_13800138000\n    name: 甲\n    all: [{tag: x}]\n", "2 [segments.0.segment_id]", "不要写手机号"),
        ("segments:\n  - segment_id: a\n    name: 13800138000\n    all: [{tag: x}]\n", "3 [segments.0.name]", "不要写手机号"),
        ("segments:\n  - segment_id: a\n    name: 甲\n    all:\n      - {tag: x}\n      - {tag: 找 138-0013-8000}\n", "6 [segments.0.all.1.tag]", "不要写手机号"),
        ("segments:\n  - {segment_id: a, name: 甲, all: [{event: purchase, did: true, where: {store: [S01, 13800138000]}}]}\n",
         "2 [segments.0.all.0.where.store.1]", "不要写手机号"),
        ("segments:\n  - 3\n", "2 [segments.0]", "应当是键值结构"),
        ("segments: 3\n", "1 [segments]", "应当是列表"),
        ("segment: []\n", "1 [segment]", "不认识的键"),
    ],
)  # fmt: skip
def test_a_wrong_segment_names_its_line_and_key(chain_dir: Path, text: str, place: str, problem: str) -> None:
    said = _said(chain_dir, text)
    assert f"segments.yml:{place}" in said and problem in said, said


def test_a_number_is_not_repeated_and_a_sku_may_look_like_one(chain_dir: Path) -> None:
    one = "segments:\n  - {segment_id: a, name: 甲, all: [{%s}]}\n"
    assert "13800138000" not in _said(chain_dir, one % "tag: 13800138000")
    text = one % "event: purchase, did: true, where: {sku: 13800138000}"
    (chain_dir / "rules" / "segments.yml").write_text(text, "utf-8")
    assert load_chain(chain_dir).rules.segments[0].segment_id == "a"


def test_a_circle_is_told_with_its_way_round(chain_dir: Path) -> None:
    segments = [
        f"  - {{segment_id: {a}, name: {a}, all: [{{segment: {b}}}]}}\n" for a, b in ("xy", "yz", "zx")
    ]
    said = _said(chain_dir, "segments:\n" + "".join(segments))
    assert "segments.yml:2 [segments.0]" in said
    assert "x → y → z → x" in said or "x → z → y → x" in said


def test_an_id_given_twice_and_too_many_conditions(chain_dir: Path) -> None:
    one = "  - {segment_id: a, name: 甲, all: [{metric: rfm_r, op: known}]}\n"
    assert "segments.yml:3 [segments.1.segment_id] a 重复" in _said(chain_dir, "segments:\n" + one + one)
    many = ", ".join(["{metric: rfm_r, op: known}"] * 201)
    text = "segments:\n  - segment_id: a\n    name: 甲\n    all: [" + many + "]\n"
    assert "一个人群最多 200 个条件" in _said(chain_dir, text)


_BAD = [None, "", "x", "-1", "99999999999999999999", "1e9", "NaN", "true", [], {}, [[]], ["1", "1"], {"metric": "rfm_r"}, "'; drop", "\U0001f600",
        ["2026-01-01"], {"all": [{}]}, "> 3", ">= -1", "2026-13-01", "__orders__", "{{ x }}"]  # fmt: skip


def _spoilt(dice: Seeded, node: object) -> object:
    """A tree with one thing in it changed, dropped, renamed or replaced."""
    if isinstance(node, dict) and node and dice.below(4):
        key = pick(dice, sorted(node))
        change = dice.below(5)
        if change == 0:
            return {name: value for name, value in node.items() if name != key}
        if change == 1:
            return {(name + "x" if name == key else name): value for name, value in node.items()}
        return {name: _spoilt(dice, value) if name == key else value for name, value in node.items()}
    if isinstance(node, list) and node and dice.below(4):
        place = dice.below(len(node))
        return [_spoilt(dice, value) if number == place else value for number, value in enumerate(node)]
    return pick(dice, _BAD)


def test_five_hundred_spoilt_files_are_errors_with_a_line_or_segments(chain_dir: Path) -> None:
    path, told = chain_dir / "rules" / "segments.yml", 0
    for seed in range(500):
        dice = Seeded(seed)
        segment = {"segment_id": "a", "name": "甲", "all": [expression(dice, 3, ["a"])]}
        tree = _spoilt(dice, {"segments": [segment]})
        path.write_text(yaml.safe_dump(tree, allow_unicode=True), "utf-8")
        try:
            load_chain(chain_dir)
        except ConfigError as error:
            told += 1
            assert error.line is not None and error.problem and "\n" not in error.problem, str(error)
            assert "Traceback" not in str(error) and "pydantic" not in str(error), str(error)
    assert told > 350


def test_a_file_nested_without_end_is_told(chain_dir: Path) -> None:
    assert "嵌套太深" in _said(chain_dir, "segments: " + "[" * 3000)
    assert "segments.yml:1" in _said(
        chain_dir, "segments: [{segment_id: a, name: 甲, all: [" + "{not: " * 60 + "1" + "}" * 60 + "]}]"
    )
