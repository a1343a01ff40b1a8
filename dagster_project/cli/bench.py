"""`linli bench`: figures that the README quotes."""

from __future__ import annotations

import click

from dagster_project.lang import tr


@click.group("bench", invoke_without_command=True)
@click.pass_context
def bench(context: click.Context) -> None:
    """跑基准测试；不写名字就全跑。数字随机器负载波动，请在空闲时跑。

    \b
    例：linli bench simulate
    """
    if context.invoked_subcommand is None:
        for command in bench.commands.values():
            context.invoke(command)


@bench.command("simulate")
def simulate() -> None:
    """模拟器每秒写出多少行明细。"""
    from dagster_project.simulator.run import bench as measure

    speed = measure()
    click.echo(
        tr(
            f"模拟器：每秒写出 {speed:,.0f} 行明细（目标 200,000）",
            f"simulator: {speed:,.0f} lines/s written (goal 200,000)",
        )
    )
