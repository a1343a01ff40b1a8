"""`linli simulate`: a simulated chain folder, with the truth about it."""

from __future__ import annotations

import sys
from datetime import date, datetime
from pathlib import Path

import click
from click.core import ParameterSource

from dagster_project.lang import tr

_TRAP_DAYS = 240


def _is_default(context: click.Context, option: str) -> bool:
    return context.get_parameter_source(option) is ParameterSource.DEFAULT


@click.command("simulate")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="写到哪个文件夹")
@click.option(
    "--basis",
    type=click.Choice(["real", "synthetic"]),
    default="real",
    show_default=True,
    help="real 重放真实小票（Complete Journey），synthetic 生成任意规模的购物篮",
)
@click.option(
    "--persons", type=click.IntRange(min=1), help="人数；real 不给则用全部 2,469 户，synthetic 默认 20000"
)
@click.option("--stores", type=click.IntRange(1, 2000), default=6, show_default=True, help="门店数")
@click.option(
    "--days", type=click.IntRange(1, 3650), default=120, show_default=True, help="天数（real 最多 360）"
)
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="随机种子，相同则字节相同")
@click.option(
    "--end", type=click.DateTime(["%Y-%m-%d"]), default="2026-11-21", show_default=True, help="最后一个营业日"
)
@click.option(
    "--traps",
    metavar="default|FILE",
    help="陷阱世界：已知比例的换号、二次放号、全家共用、占位号码等，默认 243 天，历史一夜到齐、之后几夜单独到货。"
    "default 用内置比例；比例文件的模板随之写在 OUT/truth/traps.yml，复制出来改",
)
@click.option(
    "--events/--no-events",
    default=True,
    show_default=True,
    help="是否写 truth/events.csv.gz：每件业务事件一行，供核对数字",
)
@click.pass_context
def simulate(
    context: click.Context,
    out: Path,
    basis: str,
    persons: int | None,
    stores: int,
    days: int,
    seed: int,
    end: datetime,
    traps: str | None,
    events: bool,
) -> None:
    """写出一个模拟的连锁：配置、每晚的导出文件、企业微信世界，以及 truth/ 里的真相。

    \b
    例：linli simulate --out /tmp/chain --basis synthetic --persons 500 --stores 2 --days 14
        export WECOM_SECRET=demo
        linli sandbox --chain /tmp/chain --at "2026-11-22 02:00" &
        linli run --chain /tmp/chain --from 2026-11-08 --to 2026-11-21
    """
    from dagster_project import simulator
    from dagster_project.simulator import load_traps

    rates, template = None, ""
    if traps:
        try:
            rates, template = load_traps(traps)
        except ValueError as error:
            click.secho(str(error), fg="red", err=True)
            sys.exit(2)
        # what was not asked for is what suits traps: made baskets, eight months
        basis = "synthetic" if _is_default(context, "basis") else basis
        days = _TRAP_DAYS + rates.single_nights if _is_default(context, "days") else days
    if persons is None and basis == "synthetic":
        persons = 20_000
    last: date = end.date()
    try:
        summary = simulator.simulate(
            out,
            basis="real" if basis == "real" else "synthetic",
            persons=persons,
            stores=stores,
            days=days,
            seed=seed,
            end=last,
            traps=rates,
            events=events,
            progress=lambda text: click.echo(f"  {text}", err=True),
        )
    except (ValueError, FileExistsError, RuntimeError) as error:
        click.secho(str(error), fg="red", err=True)
        sys.exit(2)
    if rates:
        (out / "truth" / "traps.yml").write_text(template, "utf-8")
    click.echo(summary.describe())
    click.echo(
        tr(
            f"已写到 {out}：landing/（每晚文件）、sandbox/（企业微信）、truth/（真相，只用于评分）",
            f"Written to {out}: landing/ (nightly files), sandbox/ (WeCom), truth/ (for scoring only)",
        )
    )
