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
    from pathlib import Path

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
