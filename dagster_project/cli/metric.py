"""`linli metric NAME…`: the numbers of the reports, by the same definitions, for whoever asks."""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

import click

from dagster_project.cli.options import chain_option
from dagster_project.lang import LANGUAGE, tr

if TYPE_CHECKING:
    from dagster_project.reports.totals import Answer

_UNKNOWN, _UNKNOWN_ZH = "unknown", "未知"
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command("metric")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@chain_option
@click.option(
    "--by", "by", multiple=True, metavar="DIMENSION", help="按什么分，可写多次：day、month、store_code …"
)
@click.option("--where", "where", multiple=True, metavar="DIMENSION=VALUE", help="只算这些，可写多次")
@click.option("--from", "since", type=_DAY, metavar="YYYY-MM-DD", help="第一天")
@click.option("--to", "until", type=_DAY, metavar="YYYY-MM-DD", help="最后一天")
@click.option("--csv", "as_csv", is_flag=True, help="输出 CSV")
def metric(
    names: tuple[str, ...],
    chain: Path,
    by: tuple[str, ...],
    where: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    as_csv: bool,
) -> None:
    """报表里的数字，口径只定义一次：报表、笔记本和这里算出来的一样。不写名字就列出全部指标。

    只读最近一次发布，夜间作业进行中也能用。金额在 CSV 里是分，比例是 0 到 1 的小数。

    \b
    例：linli metric net_fen purchases recognition_rate --by store_code --chain data/demo
        linli metric net_fen --by month --where channel=groupbuy --csv --chain data/demo
    """
    from dagster_project.config import load_chain
    from dagster_project.metrics import MetricError, Query
    from dagster_project.reports.published import open_publication
    from dagster_project.reports.totals import ask

    if not names:
        _list()
        return
    chosen: defaultdict[str, list[str]] = defaultdict(list)
    for condition in where:
        name, equals, value = condition.partition("=")
        if not equals:
            raise click.BadParameter(
                tr(f"'{condition}' 应写成 DIMENSION=VALUE", f"write '{condition}' as DIMENSION=VALUE"),
                param_hint="'--where'",
            )
        # what a table shows can be asked for, too
        chosen[name] += [value, _UNKNOWN] if value == _UNKNOWN_ZH else [value]
    if since and until and since > until:
        raise click.UsageError(
            tr(
                f"--from {since.date()} 晚于 --to {until.date()}",
                f"--from {since.date()} is later than --to {until.date()}",
            )
        )
    query = Query(names, by, chosen, since.date() if since else None, until.date() if until else None)
    try:
        publication = open_publication(load_chain(chain, resolve_secrets=False))
        answer = ask(publication, query)
    except MetricError as error:
        click.secho(str(error), fg="red", err=True)
        raise SystemExit(1) from None
    if as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([answer.columns, *answer.rows])
    else:
        _table(answer, len(by))
    if answer.empty:
        listed = ", ".join(answer.empty)
        click.secho(
            tr(
                f"没有数据：{listed}。{publication.as_of} 的发布里没有符合条件的行",
                f"no data: {listed}. The publication of {publication.as_of} has no such rows",
            ),
            fg="yellow",
            err=True,
        )


def _list() -> None:
    from dagster_project.metrics import definitions

    known = definitions()
    wide = max(len(name) for name in known.metrics)
    for name, each in known.metrics.items():
        told = each.label if LANGUAGE.get() == "zh" else each.description
        click.echo(f"{name:<{wide}}  {told}  [{', '.join(known.dimensions(each))}]")


def _table(answer: Answer, keys: int) -> None:
    """Aligned columns; money in yuan, ratios in percent."""
    rows: list[list[str]] = [list(answer.columns)]
    for found in answer.rows:
        words = [tr(_UNKNOWN_ZH, _UNKNOWN) if value == _UNKNOWN else value for value in found[:keys]]
        values = zip(answer.columns, [*words, *found[keys:]], strict=True)
        rows.append([_shown(name, value) for name, value in values])
    widths = [max(_width(row[n]) for row in rows) for n in range(len(answer.columns))]
    for row in rows:
        cells = [
            text + " " * (wide - _width(text)) if place < keys else " " * (wide - _width(text)) + text
            for place, (text, wide) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if name.endswith("_fen"):
        return f"{value / 100:,.2f}"
    if name.endswith(("_rate", "_share")):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _width(text: str) -> int:
    """Columns on a terminal: a Chinese character takes two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
