"""The reports for people: rich tables and lines that also fit the width of a phone. Nothing here names anybody."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from dagster_project.inspection.candidates import used_columns
from dagster_project.inspection.features import Verdict
from dagster_project.inspection.fitting import Fit, Trial
from dagster_project.inspection.profile import PERSONAL, ColumnProfile, PhoneFigures
from dagster_project.inspection.report import FileReport
from dagster_project.lang import tr
from dagster_project.privacy import mask_text

NARROW = 70
# Chinese terminals draw frames two cells wide, which would tear a table apart: no frames
_PLAIN_TABLE: dict[str, Any] = {
    "box": None,
    "pad_edge": False,
    "padding": (0, 2, 0, 0),
    "header_style": "bold underline",
}
_LONGEST = 60
# canonical columns whose few values are words of a system and name nobody
_SHOWN_VALUES = frozenset(
    {
        "kind",
        "method",
        "status",
        "category",
        "category_l1",
        "unit",
        "store_code",
        "is_gift",
        "event",
        "phone_verified",
    }
)
_STATE_STYLES = {"yes": "green", "partly": "yellow", "no": "red", "unknown": "magenta"}


def safe(text: str, longest: int = _LONGEST) -> str:
    """A text out of a file as it may be shown: numbers masked, nothing that steers a terminal, not too long."""
    shown = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
    shown = mask_text(re.sub(r" +", " ", shown).strip())
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def render_file(report: FileReport, width: int) -> RenderableType:
    """One file's report."""
    title = Rule(Text(safe(report.name), style="bold"), align="left", style="cyan", characters="-")
    if report.problem:
        return Group(title, _line(tr("读不了", "unreadable"), safe(report.problem, 400), "red"), Text())
    parts: list[RenderableType] = [title, *_facts(report), *_fit_lines(report)]
    parts += [_phone_line(report, figures) for figures in report.phones]
    parts += _spans(report) + _repeats(report)
    parts += [_line(tr("留意", "note"), safe(note, 200), "yellow") for note in report.notes[:6]]
    parts += [Text(), _columns_table(report, width)]
    return Group(*parts, Text())


def render_features(verdicts: Sequence[Verdict], width: int) -> RenderableType:
    """The closing table over all files."""
    words = {
        "yes": tr("能", "yes"),
        "partly": tr("部分", "partly"),
        "no": tr("不能", "no"),
        "unknown": tr("未知", "unknown"),
    }
    table = Table(
        title=tr("用这些数据能做什么", "What these data are good for"),
        title_justify="left",
        title_style="bold",
        expand=width < NARROW,
        **_PLAIN_TABLE,
    )
    narrow = width < NARROW
    table.add_column(tr("功能", "feature"), no_wrap=not narrow, overflow="fold", ratio=4 if narrow else None)
    table.add_column("", no_wrap=True)
    table.add_column(tr("还缺什么", "what is missing"), overflow="fold", ratio=7 if narrow else None)
    for verdict in verdicts:
        missing = tr("；", "; ").join(str(words) for words in verdict.missing)
        table.add_row(
            str(verdict.title), Text(words[verdict.state], style=_STATE_STYLES[verdict.state]), missing
        )
    return table


def print_reports(reports: Iterable[FileReport], console: Console) -> list[FileReport]:
    """Prints every report as it comes; returns them all."""
    done = []
    for report in reports:
        console.print(render_file(report, console.width))
        done.append(report)
    return done


def _line(label: str, text: str, style: str = "") -> RenderableType:
    """A label and its text, which wraps under itself."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, width=8, style="dim")
    grid.add_column(overflow="fold")
    grid.add_row(label, Text(text, style=style))
    return grid


def _facts(report: FileReport) -> list[RenderableType]:
    kind = report.format + (f" · {report.encoding}" if report.encoding else "")
    if report.is_headless:
        kind += tr(" · 没有表头：第一行就是数据", " · no header: its first row is data")
    elif report.header_row is not None:
        kind += tr(f" · 表头在第 {report.header_row} 行", f" · header in row {report.header_row}")
    rows = tr(
        f"读到 {report.rows_read:,} = 可用 {report.rows_good:,} + 坏行 {report.broken.total():,}",
        f"{report.rows_read:,} read = {report.rows_good:,} usable + {report.broken.total():,} broken",
    )
    if report.ignored:
        rows += tr(f"；另忽略 {report.ignored.total():,}（", f"; {report.ignored.total():,} ignored (")
        rows += tr("、", ", ").join(
            f"{_rule_word(rule)} {count:,}" for rule, count in sorted(report.ignored.items())
        )
        rows += tr("）", ")")
    lines = [_line(tr("格式", "format"), kind), _line(tr("行数", "rows"), rows)]
    if report.broken:
        listed = tr("、", ", ").join(
            f"{safe(rule)} ×{count:,}" for rule, count in report.broken.most_common(3)
        )
        lines.append(_line(tr("坏行", "broken"), listed, "yellow"))
    return lines


def _rule_word(rule: str) -> str:
    words = {
        "title_row": tr("标题", "titles"),
        "total_row": tr("合计", "totals"),
        "empty_state_row": tr("“没有数据”", "empty notices"),
        "repeated_header": tr("重复表头", "repeated headers"),
        "blank_row": tr("空行", "blank"),
    }
    return words.get(rule, safe(rule))


def _fit_lines(report: FileReport) -> list[RenderableType]:
    label = tr("像什么", "fits")
    if not report.fits or report.is_headless:
        text = tr("不确定：表头里认得的列不够", "unsure: too few labels in its header are known")
        if report.is_headless:
            text = tr(
                "不确定：请带表头重新导出，或在第一行补上列名",
                "unsure: export it with a header, or add one as the first row",
            )
        return [_line(label, text, "yellow")]
    lines: list[RenderableType] = []
    best = report.chosen
    if best is None:
        nearest = report.fits[0]
        text = tr(f"不确定。最接近 {_fit_name(nearest)}", f"unsure; nearest is {_fit_name(nearest)}")
        lines.append(_line(label, f"{text} {nearest.confidence:.0%}", "yellow"))
        lines += _missing_line(nearest) + _trial_lines(nearest.trial)
        return lines
    lines.append(
        _line(
            label,
            f"{_fit_name(best)} {tr('把握', 'confidence')} {best.confidence:.0%}",
            "yellow" if report.rival else "bold green",
        )
    )
    if report.rival is not None:
        text = tr(
            f"{_fit_name(report.rival)} 同样合适，光看表头分不出：请按你用的系统选",
            f"{_fit_name(report.rival)} fits as well: choose by the system you use",
        )
        lines.append(_line(tr("不确定", "unsure"), text, "yellow"))
    else:
        others = [fit for fit in report.fits if fit is not best]
        if others:
            lines.append(
                _line(tr("其次", "next"), f"{_fit_name(others[0])} {others[0].confidence:.0%}", "dim")
            )
    lines += _missing_line(best) + _trial_lines(best.trial) + _unread_lines(report, best)
    return lines


def _fit_name(fit: Fit) -> str:
    table = fit.candidate.table
    if fit.candidate.is_generic:
        return tr(
            f"{fit.candidate.preset.title} {table}（要写映射）",
            f"{fit.candidate.preset.title} {table} (needs a mapping)",
        )
    return f"{fit.candidate.preset.preset} / {table}"


def _missing_line(fit: Fit) -> list[RenderableType]:
    if not fit.missing:
        return []
    words = [_column_word(fit, name) for name in fit.missing]
    return [_line(tr("缺列", "lacks"), tr("、", ", ").join(words), "yellow")]


def _column_word(fit: Fit, name: str) -> str:
    first = fit.candidate.columns[name][0] if fit.candidate.columns[name] else name
    return name if first == name else f"{first} ({name})"


def _trial_lines(trial: Trial) -> list[RenderableType]:
    if trial.problem:
        return [_line(tr("试装", "trial"), safe(trial.problem, 200), "red")]
    if not trial.rows:
        return [
            _line(
                tr("试装", "trial"),
                tr("没有数据行，只看了表头", "no rows: only the header was judged"),
                "yellow",
            )
        ]
    feeds = tr("、", ", ").join(f"{name} {rows:,}" for name, rows in trial.feed_rows.items())
    lines = [
        _line(
            tr("试装", "trial"), tr(f"前 {trial.rows:,} 行 → {feeds}", f"first {trial.rows:,} rows → {feeds}")
        )
    ]
    worst = Counter(trial.faults).most_common(4)
    if worst:
        listed = tr("、", ", ").join(
            f"{feed}.{column} {_fault_word(rule)} ×{rows:,}" for (feed, column, rule), rows in worst
        )
        lines.append(_line(tr("拒收", "refused"), listed, "yellow"))
    return lines


def _fault_word(rule: str) -> str:
    words = {
        "empty": tr("空", "empty"),
        "not_time": tr("不是时间", "no time"),
        "not_money": tr("不是金额", "no amount"),
        "not_decimal": tr("不是数", "no number"),
        "not_int": tr("不是整数", "no whole number"),
        "not_enum": tr("取值不认识", "unknown value"),
        "not_flag": tr("不是是/否", "neither yes nor no"),
    }
    return words.get(rule, rule)


def _unread_lines(report: FileReport, best: Fit) -> list[RenderableType]:
    """Columns that matter and that the chosen preset passes by."""
    unread = [p for p in report.columns if p.is_phone and p.filled and p.name not in best.assigned.values()]
    return [
        _line(
            tr("没用上", "not used"),
            tr(f"“{safe(p.name)}”像手机号，但这个 preset 不读它", f"{safe(p.name)} looks like phones, yet this preset does not read it"),
            "yellow",
        )
        for p in unread[:3]
    ]  # fmt: skip


def _phone_line(report: FileReport, figures: PhoneFigures) -> RenderableType:
    share = figures.filled / figures.rows if figures.rows else 0
    kinds = tr("、", ", ").join(
        f"{_phone_word(kind)} {count:,}" for kind, count in figures.kinds.most_common()
    )
    if figures.unclassified:
        kinds += tr(f"、未判断 {figures.unclassified:,}", f", not classified {figures.unclassified:,}")
    text = tr(
        f"{_shown_name(report, figures.column)}：有值 {share:.0%}",
        f"{_shown_name(report, figures.column)}: {share:.0%} filled",
    )
    return _line(tr("手机号", "phones"), f"{text} · {kinds}" if kinds else text)


def _phone_word(kind: str) -> str:
    words = {
        "plain": tr("明文有效", "plain and valid"),
        "masked": tr("打码", "masked"),
        "cipher": tr("密文", "cipher"),
        "ext": tr("带分机", "with extension"),
        "landline": tr("座机", "landline"),
        "iot": tr("物联网号", "IoT"),
        "mvno": tr("虚拟运营商", "virtual operator"),
        "placeholder": tr("占位号", "placeholder"),
        "unlisted": tr("号段不认识", "unknown prefix"),
        "unusable": tr("无效", "unusable"),
    }
    return words.get(kind, kind)


def _spans(report: FileReport) -> list[RenderableType]:
    return [
        _line(tr("时间", "time"), f"{_shown_name(report, name)}{tr('：', ': ')}{first} → {last}")
        for name, (first, last) in report.spans.items()
    ]


def _repeats(report: FileReport) -> list[RenderableType]:
    if report.repeats is None:
        return []
    keys, count = report.repeats
    what = "+".join(keys) if keys else tr("整行相同", "whole rows")
    style = "yellow" if count else ""
    return [_line(tr("重复", "repeats"), tr(f"{what}：{count:,} 行", f"{what}: {count:,} rows"), style)]


def _columns_table(report: FileReport, width: int) -> RenderableType:
    narrow = width < NARROW
    table = Table(**_PLAIN_TABLE, expand=narrow)
    table.add_column(tr("列", "column"), overflow="fold", ratio=5 if narrow else None)
    table.add_column(tr("有值", "filled"), justify="right", no_wrap=True)
    table.add_column(tr("样例", "example"), overflow="fold", ratio=4 if narrow else None)
    if not narrow:
        table.add_column(tr("作用", "role"), overflow="fold")
    best = report.chosen or (report.fits[0] if report.fits and not report.is_headless else None)
    roles = _roles(best)
    for profile in report.columns:
        role = _role(profile, roles)
        name = Text(_shown_name(report, profile.name))
        style = "green" if profile.name in roles else "dim"
        share = f"{profile.filled / report.rows_good:.0%}" if report.rows_good else "–"
        example = Text(_example(report, profile, roles))
        if narrow:
            name.append(f"\n{role}", style=style)
            table.add_row(name, share, example)
        else:
            table.add_row(name, share, example, Text(role, style=style))
    if report.columns_left_out:
        table.caption = tr(
            f"另有 {report.columns_left_out} 列没有列出", f"{report.columns_left_out} more columns"
        )
    return table


def _shown_name(report: FileReport, name: str) -> str:
    """A label; its position where the label is itself a value, or there is none."""
    position = next((i for i, profile in enumerate(report.columns, 1) if profile.name == name), 0)
    if report.is_headless or not safe(name) or name.startswith("_unnamed_"):
        return tr(f"第 {position} 列", f"column {position}")
    return safe(name, 40)


def _roles(fit: Fit | None) -> dict[str, list[str]]:
    """Label → canonical columns that it becomes, the plainest first."""
    roles: dict[str, list[str]] = {}
    if fit is None:
        return roles
    rule = fit.candidate.rule
    for name, label in fit.assigned.items():
        if rule is None:
            roles[label] = [name]
            continue
        # what an expression begins with is what it is about
        uses = [
            (
                _words(column.value, rule.columns).index(name) > 0,
                len(used_columns(column.value, rule.columns)),
                key,
            )
            for feed in rule.feeds.values()
            for key, column in feed.columns.items()
            if name in used_columns(column.value, rule.columns)
        ]
        nearest = min((use[:2] for use in uses), default=None)
        roles[label] = list(dict.fromkeys(use[2] for use in uses if use[:2] == nearest))[:2]
    return roles


def _words(expression: str, columns: Iterable[str]) -> list[str]:
    """Columns of a table in the order in which an expression names them."""
    return [word for word in re.findall(r"\w+", expression) if word in set(columns)]


def _role(profile: ColumnProfile, roles: dict[str, list[str]]) -> str:
    kind = _kind_word(profile)
    if profile.name in roles:
        return f"→ {'/'.join(roles[profile.name]) or tr('辅助', 'helper')}"
    return tr(f"未用 · {kind}", f"not used · {kind}")


def _kind_word(profile: ColumnProfile) -> str:
    return {
        "empty": tr("空", "empty"),
        "phone": tr("手机号", "phone"),
        "masked_phone": tr("打码手机号", "masked phone"),
        "cipher_phone": tr("密文手机号", "cipher phone"),
        "time": tr("时间", "time"),
        "clock": tr("钟点", "time of day"),
        "money": tr("金额", "money"),
        "number": tr("数字", "number"),
        "enum": tr("几种取值", "few values"),
        "id": tr("编号", "id"),
        "text": tr("文字", "text"),
    }[profile.kind]


def _example(report: FileReport, profile: ColumnProfile, roles: dict[str, list[str]]) -> str:
    """A masked or kind-only example."""
    targets = set(roles.get(profile.name, []))
    if profile.kind == "empty":
        return "–"
    if profile.is_phone:
        return safe(profile.example) or _kind_word(profile)
    if PERSONAL.search(profile.name) or targets & {"name", "receiver_name"} or report.is_headless:
        return tr("不显示", "not shown")
    if profile.kind in ("time", "clock"):
        return safe(profile.example)
    if profile.low:
        return profile.low if profile.low == profile.high else f"{profile.low} – {profile.high}"
    if profile.kind == "enum":
        if targets and targets <= _SHOWN_VALUES:
            shown = tr("、", ", ").join(safe(text, 12) for text in profile.values[:4])
            return shown + ("…" if len(profile.values) > 4 else "")
        return tr(f"{len(profile.values)} 种取值", f"{len(profile.values)} values")
    length = (
        f"{profile.shortest}"
        if profile.shortest == profile.longest
        else f"{profile.shortest}–{profile.longest}"
    )
    if profile.digits_only:
        return tr(f"数字 {length} 位", f"{length} digits")
    return tr(f"文字 {length} 字", f"{length} characters")
