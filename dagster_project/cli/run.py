"""`linli run`: the nightly job in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from dagster_project.cli.options import chain_option
from dagster_project.lang import tr

if TYPE_CHECKING:
    from dagster_project.orchestration.night import NightResult

DATE = click.DateTime(["%Y-%m-%d"])


@click.command("run")
@chain_option
@click.option("--date", "night", type=DATE, help="跑一个晚上")
@click.option("--from", "start", type=DATE, help="从哪一晚")
@click.option("--to", "end", type=DATE, help="到哪一晚")
@click.option("--each-night", is_flag=True, help="区间内每晚各发布一次（默认整段只发布一次）")
@click.option("--full-refresh", is_flag=True, help="从 lake 全量重建")
def run(
    chain: Path,
    night: datetime | None,
    start: datetime | None,
    end: datetime | None,
    each_night: bool,
    full_refresh: bool,
) -> None:
    """入仓、检查、建模、发布、报表：与凌晨 2 点的调度是同一个作业。

    \b
    例：export WECOM_SECRET=demo
        linli run --chain data/demo --date 2026-11-21
        linli run --chain data/demo --from 2026-08-01 --to 2026-11-21
    阻断性检查不通过时退出码为 1，上一次发布保持不变。
    """
    first, last = _span(night, start, end)
    from dagster_project.config import load_chain
    from dagster_project.orchestration.night import run_each_night, run_nights
    from dagster_project.privacy import chain_key

    loaded = load_chain(chain)
    _refuse_nights_to_come(last, loaded.zone)
    show_warnings(loaded.warnings)
    if chain_key(loaded.paths.vault).created:
        where = loaded.paths.vault / "key"
        click.echo(tr(f"没有设置 LINLI_KEY，已生成密钥 {where}（请备份，丢失后手机号无法还原）",
                      f"LINLI_KEY is not set: made {where}; keep a copy"))  # fmt: skip
    say = lambda text: click.echo(f"  · {text}")  # noqa: E731
    if each_night:
        results = run_each_night(chain, first, last, full_refresh=full_refresh, progress=say)
    else:
        results = [run_nights(chain, first, last, full_refresh=full_refresh, progress=say)]
    for result in results:
        show_night(result)
    if not results[-1].success:
        sys.exit(1)


def _span(night: datetime | None, start: datetime | None, end: datetime | None) -> tuple[date, date]:
    if night is not None and start is None and end is None:
        return night.date(), night.date()
    if night is None and start is not None and end is not None:
        if start > end:
            raise click.UsageError(tr("--from 不能晚于 --to", "--from is after --to"))
        return start.date(), end.date()
    raise click.UsageError(tr("请给 --date，或同时给 --from 和 --to", "give --date, or both --from and --to"))


def _refuse_nights_to_come(last: date, zone: ZoneInfo) -> None:
    today = datetime.now(zone).date()
    if last > today:
        raise click.UsageError(
            tr(f"{last} 还没有到，今天是 {today}", f"{last} is still to come, today is {today}")
        )


def show_night(result: NightResult) -> None:
    """Prints what a run did, in the language of the command."""
    span = f"{result.start}" if result.start == result.end else f"{result.start} … {result.end}"
    stages = "  ".join(f"{name} {seconds:.1f}s" for name, seconds in result.seconds.items())
    if result.success and result.publication:
        click.secho(
            tr(f"✓ {span} 已发布 {result.publication.publication_id}（{result.total_seconds:.1f} 秒：{stages}）",
               f"✓ {span} published {result.publication.publication_id} ({result.total_seconds:.1f} s: {stages})"),
            fg="green",
        )  # fmt: skip
    else:
        kept = (
            result.publication.publication_id if result.publication else tr("（还没有发布过）", "(none yet)")
        )
        click.secho(
            tr(f"✗ {span} 没有发布，读者看到的仍是 {kept}", f"✗ {span} not published; readers keep {kept}"),
            fg="red",
        )
        for failure in result.failures:
            click.echo(tr(f"    原因：{failure}", f"    why: {failure}"))
    show_warnings(result.warnings)


def show_warnings(warnings: Iterable[str]) -> None:
    """Prints what a person should look at, a line each."""
    for warning in warnings:
        click.secho(tr(f"  ! 提示：{warning}", f"  ! note: {warning}"), fg="yellow")
