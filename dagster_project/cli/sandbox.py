"""`linli sandbox`: the simulated vendor APIs on loopback, until Ctrl-C."""

from __future__ import annotations

import json
import signal
import socket
from datetime import datetime
from pathlib import Path
from threading import Event
from types import FrameType
from urllib.parse import urlsplit

import click

from dagster_project.cli.options import CHAIN_FOLDER
from dagster_project.lang import tr

DEFAULT_PORT = 8701
_PORTS_TRIED = 20
_LOOPBACK = ("127.0.0.1", "localhost")


@click.command("sandbox")
@click.option(
    "--chain",
    envvar="LINLI_CHAIN",
    type=CHAIN_FOLDER,
    help="连锁文件夹（企业微信沙箱）",
)
@click.option(
    "--vendor",
    help="改为启动一家厂商的仿真接口：pospal、keruyun、twodfire、youzan、ktt、weimob；数据为最近三天，随机但固定",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), help="本机端口，0 为任意；不给则用 chain.yml 里的，没有则 8701"
)
@click.option("--secret", default="demo", show_default=True, envvar="WECOM_SECRET", help="接受的应用 secret")
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]),
    help="把沙箱时钟定在这一刻（北京时间）；不给则用真实时间",
)
@click.option("--faults", type=click.Path(path_type=Path, dir_okay=False), help="故障清单 JSON")
def sandbox(
    chain: Path | None,
    vendor: str | None,
    port: int | None,
    secret: str,
    at: datetime | None,
    faults: Path | None,
) -> None:
    """在本机启动模拟的企业微信接口，或一家厂商的仿真接口（--vendor）。

    企业微信的数据取自 <chain>/sandbox/wecom_world.json。

    \b
    例：linli sandbox --chain data/demo --at "2026-11-22 10:30"
    在运行 run 和 push 的终端里用同一个 secret：export WECOM_SECRET=demo
    """
    from dagster_project.sandbox import SandboxError, load_faults, running_sandbox

    if vendor is not None:
        serve_vendor(vendor, port or 0, at)
        return
    if chain is None:
        raise click.UsageError(
            tr("请用 --chain 指定连锁文件夹，或用 --vendor 指定厂商", "give --chain DIR, or --vendor NAME")
        )
    stop = _until_stopped()
    try:
        plan = load_faults(faults) if faults else []
        world = chain / "sandbox" / "wecom_world.json"
        port = chain_port(chain) if port is None else port
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


def _until_stopped() -> Event:
    stop = Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return stop


def serve_vendor(vendor: str, port: int, at: datetime | None) -> None:
    """Serves one vendor's lookalike until Ctrl-C, and prints the connection that reads it."""
    from dagster_project.presets import load_preset
    from dagster_project.sandbox import SandboxError
    from dagster_project.sandbox.vendors import make_world, running_vendor

    stop = _until_stopped()
    try:
        world = make_world(vendor, end=at.date()) if at else None
        with running_vendor(vendor, world, port=port, now=at) as running:
            known = load_preset(f"{vendor}_api").settings
            settings = {key: value for key, value in running.settings.items() if key in known}
            listed = "".join(
                f"    {key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in settings.items()
            )
            click.echo(
                tr(
                    f"{vendor} 沙箱已启动（仅本机可访问，Ctrl-C 停止）。chain.yml 里这样写：",
                    f"{vendor} sandbox is up (this machine only, Ctrl-C stops it). In chain.yml:",
                )
            )
            click.echo(f"  - name: {vendor}\n    preset: {vendor}_api\n{listed}")
            stop.wait()
            click.echo(tr(f"共收到 {len(running.calls)} 次调用", f"{len(running.calls)} calls"))
    except SandboxError as error:
        raise click.ClickException(str(error)) from error


def chain_port(chain: Path) -> int:
    """The port of this machine at which a chain expects WeCom; 8701 when its chain.yml names none.

    Raises:
        ConfigError: chain.yml is there and cannot be used.
    """
    from dagster_project.config import load_chain

    if not (chain / "chain.yml").exists():
        return DEFAULT_PORT
    loaded = load_chain(chain, resolve_secrets=False)
    addresses = [c.settings.get("base_url") for c in loaded.connections if c.kind == "wecom"]
    addresses += [target.base_url for target in loaded.targets if target.kind == "wecom"]
    local = (urlsplit(text) for text in addresses if text and "${" not in text)
    return next((url.port for url in local if url.hostname in _LOOPBACK and url.port), DEFAULT_PORT)


def free_port() -> int:
    """The usual port of the sandbox, else the next ones, else 0 for whichever the system gives."""
    for port in range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    return 0
