"""`linli push`: takes one night's campaign decisions to WeCom and the group-buy system."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from dagster_project.cli.options import chain_option, instant_of
from dagster_project.cli.run import show_warnings
from dagster_project.lang import tr


@click.command("push")
@chain_option
@click.option("--date", "night", required=True, type=click.DateTime(["%Y-%m-%d"]), help="推送哪一晚选出的人")
@click.option("--live", is_flag=True, help="正式发送；不加只预演")
@click.option("--at", "instant", default="", help="发送时刻：ISO 时间或 now；默认次日各活动的 send_at")
def push(chain: Path, night: datetime, live: bool, instant: str) -> None:
    """复核后把券和消息送出去；默认只预演，不写不发。

    \b
    例：export WECOM_SECRET=demo
        linli push --chain data/demo --date 2026-11-21
        linli push --chain data/demo --date 2026-11-21 --live
    演示连锁正式发送前先开沙箱：linli sandbox --chain data/demo --at "2026-11-22 10:30" &
    重复执行不会重复发送；中途被打断后再执行一次即可继续。
    """
    from dagster_project.activation import push as run_push
    from dagster_project.config import load_chain

    loaded = load_chain(chain)
    show_warnings(loaded.warnings)
    at = instant_of(loaded, instant, example="2026-11-22T10:00")
    say = (lambda text: click.echo(f"  · {text}")) if live else None
    report = run_push(loaded, night.date(), live=live, at=at, progress=say)
    click.echo(report.render())
    if live:
        # dbt and Dagster take seconds to load, which a preview does not need
        from dagster_project.orchestration.push import refresh_feedback

        refresh_feedback(loaded)
        click.echo(tr("推送结果已写回发布", "outcomes are in the publication"))
