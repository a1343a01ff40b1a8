"""`linli segment preview FILE`: what segments would give, before anybody gets anything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dagster_project.lang import tr

if TYPE_CHECKING:
    from dagster_project.reports.segment_preview import Preview, Seen
    from dagster_project.segments import Metric

MOST_OVERLAPS = 10


@click.group("segment")
def segment() -> None:
    """人群。

    \b
    例：linli segment preview rules/segments.yml --chain data/demo
    """


@segment.command("preview")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--chain",
    envvar="LINLI_CHAIN",
    required=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="连锁文件夹",
)
@click.option("--id", "only", metavar="ID", help="只看这一个人群")
@click.option("--limit", type=click.IntRange(min=0), default=10, show_default=True, help="最多几个例子")
def preview(file: Path, chain: Path, only: str | None, limit: int) -> None:
    """人群文件会选出谁：人数、重叠、每个条件之后还剩多少、脱敏的例子。

    只读最近一次发布，不写任何东西，夜间作业进行中也能用。文件写错了会说出行和键，退出码是 1。

    \b
    例：linli segment preview rules/segments.yml --chain data/demo --limit 5
    """
    from dagster_project.config import ConfigError, load_chain
    from dagster_project.reports.segment_preview import preview_segments

    try:
        found = preview_segments(load_chain(chain, resolve_secrets=False), file, only, limit)
    except ConfigError as error:
        click.secho(str(error), fg="red", err=True)
        raise SystemExit(1) from None
    for line in _page(found):
        click.echo(line)


def _page(found: Preview) -> Iterator[str]:
    yield tr(
        f"截至 {found.as_of} 的发布，会员 {found.members:,} 位，用时 {found.seconds:.1f} 秒",
        f"as published on {found.as_of}, {found.members:,} members, {found.seconds:.1f} s",
    )
    for warning in found.warnings:
        yield tr("提醒：", "note: ") + warning
    for seen in found.segments:
        yield ""
        yield from _segment(seen, found.members)


def _segment(seen: Seen, members: int) -> Iterator[str]:
    size = seen.size
    yield f"{seen.segment.segment_id}  {seen.segment.name}"
    before = ""
    if seen.before is not None:
        before = tr(f"，上次发布 {seen.before:,}", f", {seen.before:,} as published")
    yield (
        tr(f"  {size:,} 人，占 {_share(size, members)}", f"  {size:,} members, {_share(size, members)}")
        + before
    )
    yield tr(
        f"  同意营销 {seen.consenting:,}，其中有企微或团购账号 {seen.reachable:,}",
        f"  {seen.consenting:,} consent, {seen.reachable:,} of them have WeCom or a group-buy account",
    )
    yield tr("  条件，以及之后还剩", "  conditions, and how many remain")
    for words, left in seen.funnel:
        yield f"    {left:>9,}  {words}"
    if seen.overlaps:
        yield tr("  与别的人群重叠", "  shared with other segments")
        for name, count in seen.overlaps[:MOST_OVERLAPS]:
            yield f"    {count:>9,}  {_share(count, size):>6}  {name}"
        if (more := len(seen.overlaps) - MOST_OVERLAPS) > 0:
            yield tr(f"    另有 {more} 个", f"    {more} more")
    if seen.examples:
        yield tr(
            "  例子：邻里会员号、手机、归属门店、最近消费",
            "  examples: member, phone, home shop, last purchase",
        )
    for one in seen.examples:
        parts = (one.member_id, one.phone_masked, one.home_store_code, _day(one.last_purchase_on))
        values = tr("，", ", ").join(
            f"{metric.words} {_value(metric, value)}" for metric, value in one.values
        )
        yield "    " + " ".join(part or "–" for part in parts) + (f"  {values}" if values else "")


def _share(part: int, total: int) -> str:
    tenths = (part * 1000 + total // 2) // total if total else 0
    return f"{tenths // 10}.{tenths % 10}%"


def _day(value: date | None) -> str:
    return value.isoformat() if value else "–"


def _value(metric: Metric, value: Any) -> str:
    if value is None:
        return "–"
    if metric.kind == "yuan":
        return tr(f"{value // 100}.{value % 100:02d} 元", f"{value // 100}.{value % 100:02d} yuan")
    if isinstance(value, bool):
        return tr("是" if value else "否", "yes" if value else "no")
    return str(value)
