"""`linli bench`: figures that the README quotes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagster_project.lang import tr

if TYPE_CHECKING:
    from rich.console import Console

    from dagster_project.benchmarks.identity import Outcome, World


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
@click.option(
    "--events/--no-events", default=False, show_default=True, help="也写事件日志 / the event log too"
)
def simulate(events: bool) -> None:
    """模拟器每秒写出多少行明细。"""
    from dagster_project.simulator.run import bench as measure

    speed = measure(events=events)
    click.echo(
        tr(
            f"模拟器：每秒写出 {speed:,.0f} 行明细（目标 200,000）",
            f"simulator: {speed:,.0f} lines/s written (goal 200,000)",
        )
    )


@bench.command("ingest")
@click.option("--rows", default=1_200_000, show_default=True, type=click.IntRange(1_000), help="行数 / rows")
@click.option(
    "--dlt/--no-dlt", "with_dlt", default=True, show_default=True, help="也跑 dlt（几分钟）/ dlt too"
)
def ingest(rows: int, with_dlt: bool) -> None:
    """一天的文件入仓要多久：对比 DuckDB 直接转 Parquet 和 dlt 装载同一个文件。

    \b
    例：linli bench ingest --rows 1200000
    """
    import tempfile

    from rich.console import Console
    from rich.table import Table

    from dagster_project.benchmarks.ingest import measure

    console = Console()
    with tempfile.TemporaryDirectory() as folder, console.status("…") as status:
        timings = {
            timing.name: timing for timing in measure(Path(folder), rows, status.update, with_dlt=with_dlt)
        }
    bare, known = timings["bare"].seconds, timings["known"].seconds
    names = {
        "bare": tr("DuckDB 直接 CSV→Parquet，文本列", "DuckDB's bare CSV→Parquet copy, text columns"),
        "bare-typed": tr("DuckDB 直接 CSV→Parquet，猜类型", "DuckDB's bare CSV→Parquet copy, guessed types"),
        "known": tr("入仓，平常一天（97% 会员已知）", "landing, an ordinary day (97 % of members known)"),
        "gb18030": tr("入仓，同一天，GB18030", "landing, the same day in GB18030"),
        "new": tr("入仓，第一天（会员全部未知）", "landing, a first day (no member known)"),
        "dlt": tr("dlt：filesystem + read_csv → DuckDB", "dlt: filesystem + read_csv → DuckDB"),
        "dlt-arrow": tr("dlt：Arrow 表 → DuckDB", "dlt: Arrow tables → DuckDB"),
    }
    table = Table(title=tr(f"{rows:,} 行的一天", f"a day of {rows:,} rows"))
    table.add_column("")
    for header in (
        tr("秒", "seconds"),
        tr("对比直接转换", "times bare"),
        tr("入仓快几倍", "landing is faster by"),
        "MB",
    ):
        table.add_column(header, justify="right")
    for name, timing in timings.items():
        assert timing.rows == rows, (name, timing.rows)
        faster = f"{timing.seconds / known:.1f}×" if name.startswith("dlt") else ""
        table.add_row(
            names[name], f"{timing.seconds:.2f}", f"{timing.seconds / bare:.1f}×", faster, f"{timing.peak_mb}"
        )
    console.print(table)
    if with_dlt and "dlt" not in timings:
        console.print(
            tr(
                "没有安装 dlt，未对比：pip install dlt[duckdb]",
                "dlt is not installed: pip install dlt[duckdb]",
            )
        )


@bench.command("identity")
@click.option(
    "--members",
    "sizes",
    default=(1_000_000,),
    show_default=True,
    multiple=True,
    type=click.IntRange(1_000, 100_000_000),
    help="人数，可写多次",
)
@click.option("--others/--no-others", "with_others", default=True, show_default=True, help="也跑别的做法")
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0), help="随机种子，相同则世界相同")
@click.option(
    "--rates",
    "rates_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="各种陷阱的比例（YAML），没写的用默认值",
)
def identity(sizes: tuple[int, ...], with_others: bool, seed: int, rates_file: Path | None) -> None:
    """One ID 认人认得多准、多快：和 Splink、scipy、递归 SQL、按手机号关联比。

    所有做法从同一批链接开始，各在自己的进程里跑，两个线程；真相已知。一百万人约十分钟，需要几 GB 磁盘。

    \b
    例：linli bench identity
        linli bench identity --members 1000000 --members 5000000
    """
    import tempfile

    from rich.console import Console

    from dagster_project.benchmarks.identity import measure
    from dagster_project.benchmarks.identity_rates import load_rates

    rates = load_rates(rates_file)
    console = Console()
    worlds = []
    with console.status("…") as status:
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                worlds.append(
                    measure(
                        Path(folder) / "world",
                        size,
                        status.update,
                        seed=seed,
                        rates=rates,
                        with_others=with_others,
                    )
                )
    _print_identity(console, worlds)


def _print_identity(console: Console, worlds: list[World]) -> None:
    from rich.table import Table

    table = Table(
        title="; ".join(
            tr(
                f"{world.persons:,} 人，{world.links:,} 条链接",
                f"{world.persons:,} people, {world.links:,} links",
            )
            for world in worlds
        )
    )
    table.add_column("")
    for header in (
        tr("精确率", "precision"), tr("召回率", "recall"), "F1", "B³ F1", tr("混人会员", "mixed"), tr("秒", "seconds"), "MB",
    ):  # fmt: skip
        table.add_column(header, justify="right")
    for world in worlds:
        for outcome in world.outcomes:
            size = f"{world.persons // 1000:,}k " if len(worlds) > 1 else ""
            table.add_row(size + _WAYS[outcome.way](), *_cells(outcome))
        table.add_section()
    console.print(table)
    for world in worlds:
        if not world.night_equals_rebuild:
            raise click.ClickException(
                tr("再跑一晚的结果和从头重建不同", "one more night differs from a rebuild from nothing")
            )
    for way in worlds[0].missing:
        console.print(
            tr(f"没有安装 {way}，未对比：pip install {way}", f"{way} is not installed: pip install {way}")
        )


_WAYS = {
    "ours": lambda: tr("Linli，从头", "Linli, from nothing"),
    "ours-night": lambda: tr("Linli，再跑一晚", "Linli, one more night"),
    "limited": lambda: tr("按优先级，每人限号", "priority and limits per person"),
    "splink": lambda: "Splink",
    "scipy": lambda: "scipy",
    "recursive": lambda: tr("递归 SQL（USING KEY）", "recursive SQL (USING KEY)"),
    "naive": lambda: tr("按手机号关联", "join by phone"),
    "oracle": lambda: tr("只用真链接（上限）", "true links only (ceiling)"),
}


def _cells(outcome: Outcome) -> list[str]:
    shares = (outcome.precision, outcome.recall, outcome.f1, outcome.b_cubed_f1)
    return [
        *(f"{share:.4f}" for share in shares),
        f"{outcome.mixed_share:.3%}",
        f"{outcome.seconds:.1f}",
        f"{outcome.peak_mb:,}",
    ]
