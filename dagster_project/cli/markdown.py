"""`linli markdown`: this afternoon's stock count becomes tonight's markdown list and the people who are told of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from dagster_project.cli.options import chain_option, instant_of
from dagster_project.cli.run import show_warnings
from dagster_project.lang import tr


@click.command("markdown")
@chain_option
@click.option("--date", "day", required=True, type=click.DateTime(["%Y-%m-%d"]), help="哪一天的下午盘点")
@click.option("--live", is_flag=True, help="正式通知；不加只预演通知，清单照样发布")
@click.option("--at", "instant", default="", help="发送时刻：ISO 时间或 now；默认当天的 push_at")
def markdown(chain: Path, day: datetime, live: bool, instant: str) -> None:
    """按下午的库存盘点定出晚间折扣清单和要通知的人，发布后通知；与 16:05 的调度是同一个作业。

    前一晚要已经发布。重复执行不会改已定的清单，也不会重复通知；过了 start_at 不再通知。

    \b
    例：linli markdown --chain data/demo --date 2026-11-22
        export WECOM_SECRET=demo
        linli markdown --chain data/demo --date 2026-11-22 --live
    """
    from dagster_project.config import load_chain
    from dagster_project.orchestration.markdown import run_evening

    loaded = load_chain(chain)
    show_warnings(loaded.warnings)
    at = instant_of(loaded, instant, example="2026-11-22T16:30")
    say = lambda text: click.echo(f"  · {text}")  # noqa: E731
    result = run_evening(chain, day.date(), live=live, at=at, progress=say)
    goods, shops = sum(result.shops.values()), len(result.shops)
    click.secho(
        tr(
            f"✓ {result.day} 晚间折扣：{shops} 家门店 {goods} 种商品，附近常客 {result.audience} 人",
            f"✓ {result.day} evening markdown: {goods} products in {shops} shops, {result.audience} near and often here",
        ),
        fg="green",
    )
    show_warnings(result.warnings)
    if result.report is not None:
        click.echo(result.report.render())
