"""`linli bench`: figures that the README quotes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagster_project.lang import tr

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from dagster_project.benchmarks.identity import Graphs, World
    from dagster_project.benchmarks.identity_goals import Line
    from dagster_project.benchmarks.marts import Measured, Run


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

    from dagster_project.benchmarks.identity import compare_graphs, measure
    from dagster_project.benchmarks.identity_rates import load_rates

    rates = load_rates(rates_file)
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(width=140)  # a file has room for every column
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
        graphs = compare_graphs()
    _print_identity(console, worlds, graphs)


def _print_identity(console: Console, worlds: list[World], graphs: Graphs) -> None:
    from rich.table import Table

    from dagster_project.benchmarks import identity_goals as goals

    sizes = [world.persons for world in worlds]
    titles = [
        tr(
            f"{world.persons:,} 人，{world.links:,} 条链接",
            f"{world.persons:,} people, {world.links:,} links",
        )
        for world in worlds
    ]
    table = Table(title="; ".join(titles), caption="\n".join(goals.notes(sizes)), caption_justify="left")
    known = {outcome.way for world in worlds for outcome in world.outcomes} | graphs.alike.keys()
    ways = [way for way in goals.COLUMNS if way in known]
    table.add_column("")
    table.add_column(tr("目标", "goal"), justify="right", no_wrap=True)
    table.add_column(tr("达到", "reached"), justify="center", no_wrap=True)
    for way in ways:
        table.add_column(_WAYS[way](), justify="right", no_wrap=True)

    def add(lines: Iterable[Line]) -> None:
        for line in lines:
            table.add_row(
                line.name, line.goal, goals.verdict(line), *(line.figures.get(way, "") for way in ways)
            )
        table.add_section()

    for title, world in zip(titles, worlds, strict=True):
        if len(worlds) > 1:
            table.add_row(title)
        add(goals.world_lines(world))
    add([*goals.lines_not_run(sizes), goals.graph_line(graphs)])
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
    "ours": lambda: "Linli",
    "ours-night": lambda: tr("再跑\n一晚", "one more\nnight"),
    "limited": lambda: tr("按优先级\n每人限号", "limits\nper person"),
    "splink": lambda: "Splink",
    "scipy": lambda: "scipy",
    "recursive": lambda: tr("递归\nSQL", "recursive\nSQL"),
    "naive": lambda: tr("按手机号\n关联", "join by\nphone"),
    "oracle": lambda: tr("真链接\n（上限）", "true links\n(ceiling)"),
}


@bench.command("marts")
@click.option(
    "--members", default=1_000_000, show_default=True, type=click.IntRange(1_000, 100_000_000), help="会员数"
)
@click.option("--nights", default=300, show_default=True, type=click.IntRange(2, 3_000), help="历史有多少晚")
@click.option(
    "--orders-a-night", type=click.IntRange(1), help="每晚多少单，平均每单 4 行；不写是会员数的 1/40"
)
@click.option(
    "--grown",
    default=4,
    show_default=True,
    type=click.IntRange(0, 10),
    help="再量历史长到几倍时的一晚；0 不量",
)
@click.option(
    "--segments",
    default=500,
    show_default=True,
    type=click.IntRange(0, 2_000),
    help="另外量多少个生成的人群包；0 不量",
)
@click.option(
    "--slowest", default=0, show_default=True, type=click.IntRange(0), help="每一步列出最慢的几个模型"
)
def marts(
    members: int, nights: int, orders_a_night: int | None, grown: int, segments: int, slowest: int
) -> None:
    """会员中心的模型要算多久：全部重建、再跑一晚、历史长几倍之后的一晚、几百个人群包。

    世界是造的：staging 和 One ID 的结果直接写好，不算在内。dbt 像夜里那样建表并检验，旁边是同样的 SQL
    由 DuckDB 在一个进程里直接跑（下限，不检验）。默认大小要约一小时、几十 GB 磁盘。

    \b
    例：linli bench marts
        linli bench marts --members 100000 --slowest 10
    """
    import tempfile

    from rich.console import Console

    from dagster_project.benchmarks.marts import measure
    from dagster_project.benchmarks.marts_world import Sizes

    console = Console()
    sizes = Sizes(members, nights, orders_a_night or max(1, members // 40))
    with tempfile.TemporaryDirectory() as folder, console.status("…") as status:
        found = measure(Path(folder), sizes, status.update, grown=grown, segments=segments)
    _print_marts(console, found, slowest)


# seconds and MB with 1,000,000 members, 300 nights and 25,000 orders a night
_MARTS_GOALS = {
    "cold": (240, 8_192),
    "night": (25, None),
    "segments": (60, None),
    "segments-night": (10, None),
}
_GROWTH_GOAL = 1.2


def _print_marts(console: Console, found: Measured, slowest: int) -> None:
    from rich.table import Table

    sizes = found.sizes
    table = Table(
        title=tr(
            f"{sizes.members:,} 会员，{sizes.orders:,} 单，{sizes.lines:,} 行，{sizes.nights} 晚；{found.models} 个模型，{found.tests} 个检验",
            f"{sizes.members:,} members, {sizes.orders:,} orders, {sizes.lines:,} lines, {sizes.nights} nights;"
            f" {found.models} models, {found.tests} tests",
        ),
        caption=tr(
            "staging 和 One ID 的表由基准写好，不算在内；目标对 100 万会员、3000 万行、每晚 10 万行而言",
            "tables of staging and One ID are given, not computed; goals are for 1 M members, 30 M lines, 100 k lines a night",
        ),
    )
    table.add_column("")
    for header in (
        tr("秒", "seconds"), tr("目标", "goal"), tr("裸 DuckDB", "bare DuckDB"), tr("倍", "times"), "MB",
        tr("目标", "goal"), tr("裸 MB", "bare MB"),
    ):  # fmt: skip
        table.add_column(header, justify="right")
    runs = {run.name: run for run in found.runs}
    for run in found.runs:
        goal, goal_mb = _MARTS_GOALS.get(run.name, (None, None))
        table.add_row(
            _marts_name(run, found), f"{run.seconds:.1f}", _goal(goal), f"{run.floor_seconds:.1f}",
            f"{run.seconds / run.floor_seconds:.1f}×", f"{run.peak_mb:,}", _goal(goal_mb), f"{run.floor_mb:,}",
        )  # fmt: skip
    if "grown" in runs:
        ours, bare = (
            runs["grown"].seconds / runs["night"].seconds,
            runs["grown"].floor_seconds / runs["night"].floor_seconds,
        )
        table.add_row(
            tr(f"一晚随历史长 {found.grown} 倍而长", f"a night grows, the history {found.grown} times as long"),
            f"{ours:.2f}×", f"≤ {_GROWTH_GOAL}×", f"{bare:.2f}×",
        )  # fmt: skip
    console.print(table)
    for run in found.runs if slowest else []:
        console.print(_slowest(run, found, slowest))
    if found.differing:
        raise click.ClickException(
            tr("再跑一晚的结果和从头重建不同：", "one more night differs from a rebuild from nothing: ")
            + ", ".join(found.differing)
        )


def _goal(value: int | None) -> str:
    return "" if value is None else f"≤ {value:,}"


def _marts_name(run: Run, found: Measured) -> str:
    lines = found.sizes.a_night * 4
    return {
        "cold": lambda: tr("全部重建", "everything from nothing"),
        "night": lambda: tr(f"再跑一晚（{lines:,} 行）", f"one more night ({lines:,} lines)"),
        "segments": lambda: tr(
            f"{found.segments} 个人群包，从头", f"{found.segments} segments, from nothing"
        ),
        "segments-night": lambda: tr(
            f"{found.segments} 个人群包，下一晚", f"{found.segments} segments, next night"
        ),
        "grown": lambda: tr(
            f"同样一晚，{found.grown} 倍历史", f"the same night, {found.grown} times the history"
        ),
    }[run.name]()


def _slowest(run: Run, found: Measured, slowest: int) -> Table:
    """What took longest, models and tests; where two ran at once, each has the other's wait in its seconds."""
    from rich.table import Table

    table = Table(title=tr(f"最慢：{_marts_name(run, found)}", f"slowest: {_marts_name(run, found)}"))
    table.add_column("")
    table.add_column(tr("秒", "seconds"), justify="right")
    table.add_column(tr("裸 DuckDB", "bare DuckDB"), justify="right")
    tests = [name for name in run.by_node if name not in run.floor_by_node]
    for name, seconds in sorted(run.by_node.items(), key=lambda each: -each[1])[:slowest]:
        bare = run.floor_by_node.get(name)
        table.add_row(name, f"{seconds:.2f}", "" if bare is None else f"{bare:.2f}")
    together = sum(run.by_node[name] for name in tests)
    table.add_row(tr(f"{len(tests)} 个检验合计", f"{len(tests)} tests together"), f"{together:.2f}", "")
    return table
