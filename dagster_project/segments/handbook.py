"""The handbook of the language for people who write segments, made from the registry."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from dagster_project.lang import LANGUAGE
from dagster_project.segments.base import MOST_DEEP, REGISTRY, Entry
from dagster_project.segments.events import EVENTS
from dagster_project.segments.metrics import METRICS
from dagster_project.segments.model import MOST_CONDITIONS, MOST_SEGMENTS
from dagster_project.segments.values import MOST_DAYS

_FAMILIES = {
    "groups": "组合", "metrics": "指标", "events": "事件", "shopping": "购物篮与商品", "places": "门店与距离", "tags": "标签",
    "segments": "人群与抽样",
}  # fmt: skip
_KINDS = {
    "int": "整数", "yuan": "元", "bool": "true / false", "text": "文字", "date": "日期", "ratio": "小数",
    "quantity": "数量，最多三位小数", "presence": "只能问有没有",
}  # fmt: skip
_HEAD = f"""# 人群怎么写

这一页由程序从运算登记表生成。名单怎么用、活动怎么写，见[市场](marketing.zh-CN.md)。

人群写在 `rules/segments.yml`，一个人群一项，`all`、`any`、`none`、`not`、`at_least` 选一种写条件：

```yaml
segments:
  - segment_id: lapsing_pork_lovers
    name: 爱买猪肉、快要流失的
    all:
      - {{metric: days_since_purchase, op: between, value: [7, 14]}}
      - {{event: purchase, where: {{category: 猪肉}}, count: ">= 3", within_days: 90}}
      - any:
          - {{shop: [S01, S02], as: home}}
          - {{metric: has_wecom, op: "=", value: true}}
      - not: {{segment: no_consent}}
```

先看看再用：`linli segment preview rules/segments.yml` 给出人数、与别的人群的重叠、每个条件之后还剩多少人和十个脱敏的例子，不写任何东西。

## 真假和不知道

- 每个条件不是真就是假。值不知道的人不满足任何比较，`!=`、`not_in`、`not_between` 也不满足；`known`、`unknown` 专门问有没有。
- `not`、`none` 把假变成真：`{{not: {{metric: days_since_purchase, op: ">=", value: 7}}}}` 里有从没买过的人，
  `{{metric: days_since_purchase, op: "<", value: 7}}` 里没有。
- 近 n 天是发布的那一天和它之前的 n−1 天，最多 {MOST_DAYS} 天。还没到的日子不算。
- 金额写元，最多两位小数。比例按整数精确比较，没有四舍五入。
- 消费和商品行都扣掉了退款；退完的不算。
- 条件最多嵌套 {MOST_DEEP} 层，一个人群最多 {MOST_CONDITIONS} 个条件，最多 {MOST_SEGMENTS} 个人群。人群可以引用别的人群，但不能绕圈。
- 名称和标签里不能有健康、怀孕、孩子一类的字眼：这些特征不推断。哪里都不能写手机号。
- 写错了会告诉你哪个文件、哪一行、哪个键，以及最像的名字。

## 时间段

写一种或不写；不写就是有史以来。

| 键 | 例子 | 意思 |
|---|---|---|
| `within_days` | `within_days: 30` | 最近 30 天 |
| `between_days` | `between_days: [7, 14]` | 7 到 14 天前，两头都算 |
| `between` | `between: [2026-10-01, 2026-10-31]` | 两个日期之间，两头都算 |
| `since` | `since: 2026-10-01` | 从这天起 |
| `until` | `until: 2026-10-31` | 到这天为止 |
"""


def entries() -> Iterator[Entry]:
    """All operators, family by family, in the order in which the modules tell them."""
    for family in _FAMILIES:
        mine = [entry for entry in REGISTRY.values() if entry.family == family]
        for _, group in groupby(mine, key=lambda entry: entry.model):
            # decorators run from the last to the first
            yield from reversed(list(group))


def handbook() -> str:
    """The page as Markdown, in Chinese whatever the language of the process."""
    token = LANGUAGE.set("zh")
    try:
        return _HEAD + "".join(_operators()) + "".join(_events()) + "".join(_metrics())
    finally:
        LANGUAGE.reset(token)


def _operators() -> Iterator[str]:
    yield f"\n## 运算（{len(REGISTRY)} 个）\n"
    for family, found in groupby(entries(), key=lambda entry: entry.family):
        yield f"\n### {_FAMILIES[family]}\n\n| 运算 | 例子 | 意思 |\n|---|---|---|\n"
        for entry in found:
            example = entry.example.replace("|", "\\|")
            yield f"| `{entry.name}` | `{example}` | {entry.zh} |\n"


def _events() -> Iterator[str]:
    yield "\n## 事件\n\n`where` 里的键都要满足；一个键写几个值是任意一个。\n\n| 事件 | 是什么 | `where` 的键 | `sum` | `distinct` |\n"
    yield "|---|---|---|---|---|\n"
    for name, event in EVENTS.items():
        parts = (event.where, event.sums, event.distincts)
        keys = " | ".join(", ".join(f"`{key}`" for key in part) or "–" for part in parts)
        yield f"| `{name}` | {event.zh} | {keys} |\n"
    yield (
        '\n`hour: [8, 10]` 是 8 点到 10 点之前，`weekday: [6, 7]` 是周末，`amount: ">= 30"` 是至少 30 元；'
        "purchase 的金额是整单，line 的金额是这一行。`engagement` 是任何一种互动，可以用 `kind` 选几种。\n"
    )


def _metrics() -> Iterator[str]:
    yield "\n## 指标\n\n| 指标 | 叫什么 | 怎么写 |\n|---|---|---|\n"
    for metric in METRICS.values():
        how = "、".join(f"`{value}`" for value in metric.values) or _KINDS[metric.kind]
        yield f"| `{metric.name}` | {metric.zh} | {how} |\n"
