"""Writes what was found as files for a chain: a connection for chain.yml, and a mapping where no preset fits."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dagster_project.inspection.candidates import used_columns
from dagster_project.inspection.fitting import Fit, fitted_preset
from dagster_project.inspection.profile import ColumnProfile
from dagster_project.inspection.report import FileReport
from dagster_project.lang import tr
from dagster_project.presets import ColumnRule, FeedRule, preset_names
from dagster_project.privacy import mask_text

_DEFAULT_NAMES = {"pos": "pos_main", "groupbuy": "group_main"}
_YAML_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_SPELLINGS = 5
# a mapping with less than this would be invention
_WORTH_WRITING = 0.3


@dataclass
class _Connection:
    """A connection to be: of a preset that exists, or (`mapping`) of one that is written with it."""

    name: str
    kind: str
    preset: str
    mapping: bool
    fits: list[tuple[FileReport, Fit]] = field(default_factory=list)

    def rivals(self) -> list[Fit]:
        """Fits of other presets that are as good, when no file of the connection settles it."""
        found = [report.rival for report, _ in self.fits if report.rival is not None]
        return found if len(found) == len(self.fits) else []


def write_connection(
    reports: Sequence[FileReport], folder: Path, name: str | None = None, *, locked: bool = False
) -> list[Path]:
    """Writes connection.yml and, for files that no preset reads, <name>_aliases.yml into a folder.

    Args:
        name: the connection's name; by default one for each kind of system.
        locked: the files needed a password.

    Returns: the files written; none when nothing about any file is sure enough to be written down.

    Raises: FileExistsError: what is there already may have been edited, so it stays.
    """
    connections = _connections(reports, name)
    if not connections:
        return []
    texts = {folder / "connection.yml": _connection_text(connections, locked)}
    for connection in connections:
        if connection.mapping:
            texts[folder / f"{connection.preset}.yml"] = _mapping_text(connection)
    for path in texts:
        if path.exists():
            raise FileExistsError(str(path))
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, "utf-8")
    return list(texts)


def writable_fit(report: FileReport) -> Fit | None:
    """The fit that would be written down: the chosen one, else the best common shape if it is worth it."""
    if report.problem or report.is_headless:
        return None
    if report.chosen is not None:
        return report.chosen
    generic = [fit for fit in report.fits if fit.candidate.is_generic and not fit.trial.problem]
    return generic[0] if generic and generic[0].confidence >= _WORTH_WRITING else None


def undecided(reports: Sequence[FileReport]) -> list[tuple[str, tuple[str, ...]]]:
    """(preset that write_connection writes, presets that fit as well) for every connection that nothing settles."""
    return [
        (connection.preset, tuple(dict.fromkeys(fit.candidate.preset.preset for fit in connection.rivals())))
        for connection in _connections(reports, None)
        if connection.rivals()
    ]


def _settled_fit(report: FileReport, sure: set[str]) -> Fit | None:
    """The fit to write; of two that are as good the one whose preset another file surely has."""
    fit, rival = writable_fit(report), report.rival
    if fit is None or rival is None or fit.candidate.preset.preset in sure:
        return fit
    return rival if rival.candidate.preset.preset in sure else fit


def _connections(reports: Sequence[FileReport], name: str | None) -> list[_Connection]:
    sure = {r.chosen.candidate.preset.preset for r in reports if r.chosen is not None and r.rival is None}
    found: dict[tuple[str, str], _Connection] = {}
    used: set[str] = set()
    for report in reports:
        fit = _settled_fit(report, sure)
        if fit is None:
            continue
        preset = fit.candidate.preset
        key = (preset.kind, preset.preset)
        if key not in found:
            chosen = _free(name or _DEFAULT_NAMES[preset.kind], preset.kind, used)
            own = f"{chosen}_aliases" if fit.candidate.is_generic else preset.preset
            found[key] = _Connection(chosen, preset.kind, own, fit.candidate.is_generic)
        found[key].fits.append((report, fit))
    return list(found.values())


def _free(name: str, kind: str, used: set[str]) -> str:
    choices = [name, f"{name}_{kind}", *(f"{name}_{number}" for number in range(2, 99))]
    chosen = next(
        choice for choice in choices if choice not in used and f"{choice}_aliases" not in preset_names()
    )
    used.add(chosen)
    return chosen


def _connection_text(connections: Sequence[_Connection], locked: bool) -> str:
    lines = [
        tr("# linli inspect 生成。把下面每一项放到 chain.yml 的 connections: 下面。",
           "# Made by linli inspect. Put each item below under connections: in chain.yml."),
        "connections:",
    ]  # fmt: skip
    for connection in connections:
        lines += [f"  - name: {connection.name}", f"    preset: {connection.preset}"]
        lines += _rival_lines(connection)
        if connection.mapping:
            lines.append(tr(f"    # 同时把 {connection.preset}.yml 放进连锁文件夹的 presets/ 里",
                            f"    # and put {connection.preset}.yml into presets/ of the chain's folder"))  # fmt: skip
        lines += _setting_lines(connection, locked)
        for report, fit in connection.fits:
            lines.append(
                tr(f"    # 每晚的{_plain(report.name)}放到 landing/{connection.name}/{fit.candidate.table}/<日期>/",
                   f"    # each night's {_plain(report.name)} goes to landing/{connection.name}/{fit.candidate.table}/<date>/")
            )  # fmt: skip
    return "\n".join(lines) + "\n"


def _rival_lines(connection: _Connection) -> list[str]:
    """The other choice, ready to be taken instead."""
    tables: dict[str, list[str]] = {}
    for fit in connection.rivals():
        tables.setdefault(fit.candidate.preset.preset, []).append(fit.candidate.table)
    lines = []
    for preset, names in tables.items():
        listed = ", ".join(dict.fromkeys(names))
        lines.append(tr(f"    # 没把握：光看表头分不出。如果用的是另一个系统，改成 preset: {preset}（文件夹 {listed}）",
                        f"    # unsure: the header fits two systems. If yours is the other: preset: {preset} (folder {listed})"))  # fmt: skip
    return lines


def _setting_lines(connection: _Connection, locked: bool) -> list[str]:
    lines = []
    settings = connection.fits[0][1].candidate.preset.settings
    for key, setting in settings.items():
        variable = "${" + f"{connection.name}_{key}".upper() + "}"
        required = setting.required or (
            connection.mapping and key == "store_code" and _needs_store(connection)
        )
        if setting.secret and (required or (key == "file_password" and locked)):
            lines.append(f"    {key}: {variable}")
        elif setting.secret:
            lines.append(f"    # {key}: {variable}    # {setting.about}")
        elif required:
            lines.append(tr(f'    # {key}: "S001"    # 必填，去掉行首的 # 并改成你的值：{setting.about}',
                            f'    # {key}: "S001"    # required: uncomment and set: {setting.about}'))  # fmt: skip
    return lines


def _needs_store(connection: _Connection) -> bool:
    """POS data without a store cannot be keyed; group-buy orders may do without."""
    return connection.kind == "pos" and any(
        "store" in fit.candidate.columns and fit.candidate.table != "members" and "store" not in fit.assigned
        for _, fit in connection.fits
    )


def _mapping_text(connection: _Connection) -> str:
    needs_store = _needs_store(connection)
    store = "required: true" if needs_store else 'default: ""'
    lines = [
        tr("# linli inspect 按文件的表头写成的映射：左边是我们的列，方括号里是文件里的表头。",
           "# A mapping that linli inspect made from a file's header: our column, then the file's label in brackets."),
        tr("# 放进连锁文件夹的 presets/ 里，可以改；文件名要和 preset: 一致。",
           "# Goes to presets/ of the chain's folder; edit as you like, but keep the file's name and `preset:` the same."),
        f"preset: {connection.preset}",
        f"kind: {connection.kind}",
        "transport: files",
        f"title: {{zh: {_quoted(connection.name + ' 的导出')}, en: {_quoted('exports of ' + connection.name)}}}",
        "settings:",
        f"  store_code: {{{store}, about: {{zh: 文件里没有门店列时算哪家店, en: the store of files without a store column}}}}",
        "  file_password: {secret: true, about: {zh: 加密文件的密码, en: password of locked files}}",
        "tables:",
    ]  # fmt: skip
    given = {fit.candidate.table for _, fit in connection.fits}
    tables: dict[str, list[tuple[FileReport, Fit]]] = {}
    for report, fit in connection.fits:
        tables.setdefault(fit.candidate.table, []).append((report, fit))
    for table, fits in tables.items():
        lines += _table_lines(table, fits, given - {table})
    return "\n".join(lines) + "\n"


def _table_lines(table: str, fits: Sequence[tuple[FileReport, Fit]], others: set[str]) -> list[str]:
    report, fit = min(fits, key=lambda pair: len(pair[1].missing))
    profiles = report.profiles()
    rule = fitted_preset(fit).tables[table]
    # a feed of its own file is not made a second time out of another
    feeds = {name: feed for name, feed in rule.feeds.items() if name == table or name not in others}
    kept = {name: _kept_rules(name, feed, fit) for name, feed in feeds.items()}
    used = {
        column
        for name, feed in feeds.items()
        for text in [feed.where or "", feed.each or "", *(column.value for column in kept[name].values())]
        for column in used_columns(text, rule.columns)
    }
    lines = [f"  {table}:", "    columns:"]
    for name, spellings in rule.columns.items():
        labels = list(dict.fromkeys(f.assigned[name] for _, f in fits if name in f.assigned))
        labels = [label for label in labels if label == _plain(label)]
        if labels:
            note = _note(name, fits, profiles.get(labels[0]))
            lines.append(f"      {name}: [{', '.join(map(_quoted, labels))}]{note}")
        elif name in fit.candidate.required:
            lines.append(tr(f"      {name}: []    # 缺口：文件里没有找到。把对应的表头填进方括号，例如 [{spellings[0]}]",
                            f"      {name}: []    # gap: not found in the file; write its label here, e.g. [{spellings[0]}]"))  # fmt: skip
        elif name in used:
            # nothing of it in this file; a later export may have one
            lines.append(f"      {name}: [{', '.join(map(_quoted, spellings[:_SPELLINGS]))}]")
    lines.append(f"    required: [{', '.join(fit.candidate.required)}]")
    lines.append("    feeds:")
    for name, feed in feeds.items():
        lines += _feed_lines(name, feed, kept[name])
    unread = [p.name for p in report.columns if p.filled and p.name not in fit.assigned.values()]
    shown = [_plain(label) for label in unread if not label.startswith("_unnamed_")]
    if shown:
        lines.append(tr(f"    # 没有用到的列（原样留存，不参与计算）：{'、'.join(shown)}",
                        f"    # columns not used (kept aside): {', '.join(shown)}"))  # fmt: skip
    return lines


def _note(name: str, fits: Sequence[tuple[FileReport, Fit]], profile: ColumnProfile | None) -> str:
    if any(name in fit.guessed for _, fit in fits):
        return tr("    # 按内容猜的，请核对", "    # guessed from its content: please check")
    if profile is not None and profile.times in ("s", "ms"):
        return tr("    # 时间戳", "    # epoch")
    return ""


def _kept_rules(name: str, feed: FeedRule, fit: Fit) -> dict[str, ColumnRule]:
    """Rules that read something of the file, need nothing of it, or may not be left out."""
    canonical = next(found for found in fit.candidate.feeds if found.name == name)
    needed = {column.name for column in canonical.columns if column.value or column.must}
    readable = {*fit.assigned, *fit.candidate.required}
    kept = {}
    for column, rule in feed.columns.items():
        used = used_columns(rule.value, fit.candidate.columns)
        if not used or used & readable or column in needed:
            kept[column] = rule
    return kept


def _feed_lines(name: str, feed: FeedRule, rules: dict[str, ColumnRule]) -> list[str]:
    lines = [f"      {name}:"]
    if feed.where:
        lines.append(f"        where: {_quoted(feed.where)}")
    if feed.each:
        lines.append(f"        each: {_quoted(feed.each)}")
    if feed.group_by:
        lines.append(f"        group_by: [{', '.join(feed.group_by)}]")
    lines.append("        columns:")
    for column, rule in rules.items():
        parts = [f"value: {_quoted(rule.value)}"]
        parts += [f"unit: {rule.unit}"] if rule.unit else []
        parts += [f"time: {rule.time}"] if rule.time else []
        lines.append(
            f"          {column}: {{{', '.join(parts)}}}"
            if len(parts) > 1
            else f"          {column}: {_quoted(rule.value)}"
        )
    return lines


def _plain(text: str) -> str:
    """Without phone numbers and without what could break out of a comment."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", mask_text(text))


def _quoted(text: str) -> str:
    """A YAML scalar that stays the text it is."""
    is_bare = re.fullmatch(r"[A-Za-z_一-鿿][\w()一-鿿]*", text) and text.lower() not in _YAML_WORDS
    return text if is_bare else json.dumps(text, ensure_ascii=False)
