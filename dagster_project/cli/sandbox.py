"""`linli sandbox`: the simulated vendor APIs on loopback, until Ctrl-C."""

from __future__ import annotations

import signal
from datetime import datetime
from pathlib import Path
from threading import Event
from types import FrameType

import click

from dagster_project.lang import tr


@click.command("sandbox")
@click.option("--chain", required=True, type=click.Path(path_type=Path, file_okay=False), help="门店链目录")
@click.option(
    "--port", default=8701, show_default=True, type=click.IntRange(0, 65535), help="本机端口，0 为任意"
)
@click.option("--secret", default="demo", show_default=True, envvar="WECOM_SECRET", help="接受的应用 secret")
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]),
    help="把沙箱时钟定在这一刻（北京时间）；不给则用真实时间",
)
@click.option("--faults", type=click.Path(path_type=Path, dir_okay=False), help="故障清单 JSON")
def sandbox(chain: Path, port: int, secret: str, at: datetime | None, faults: Path | None) -> None:
    """在本机启动模拟的企业微信接口，数据取自 <chain>/sandbox/wecom_world.json。

    \b
    例：linli sandbox --chain data/demo --at "2026-11-20 10:00"
    """
    from dagster_project.sandbox import SandboxError, load_faults, running_sandbox

    stop = Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    try:
        plan = load_faults(faults) if faults else []
        world = chain / "sandbox" / "wecom_world.json"
        with running_sandbox(world, port=port, clock=at, faults=plan, secret=secret) as running:
            click.echo(
                tr(
                    f"企业微信沙箱已启动：{running.base_url}（仅本机可访问，Ctrl-C 停止）",
                    f"WeCom sandbox at {running.base_url} (this machine only, Ctrl-C stops it)",
                )
            )
            stop.wait()
            click.echo(
                tr(
                    f"共收到 {len(running.calls)} 次调用，状态已保存",
                    f"{len(running.calls)} calls; state saved",
                )
            )
    except SandboxError as error:
        raise click.ClickException(str(error)) from error
