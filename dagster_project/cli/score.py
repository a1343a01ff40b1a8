"""`linli score`: identity quality of the current publication against a truth file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dagster_project.cli.options import chain_option
from dagster_project.lang import tr

TRUTH_COLUMNS = ("connection", "feed", "record_id", "person_id")


@click.command("score")
@chain_option
@click.option(
    "--truth",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="真值 CSV：connection, feed, record_id, person_id",
)
def score(chain: Path, truth: Path) -> None:
    """身份识别得分：已发布的 record_members 对照真值。

    \b
    例：linli score --chain data/demo --truth data/demo/truth/records.csv
    """
    for label, value in score_lines(score_chain(chain, truth)):
        click.echo(f"{label}{tr('：', ': ')}{value}")


def score_chain(chain_path: Path, truth: Path) -> dict[str, Any]:
    """Scores of the chain's current publication, as `identity.score_records` describes them.

    Raises:
        ConfigError, PublishError: the folder is no chain, or nothing is published yet.
        click.ClickException: the truth file lacks a column.
    """
    import duckdb

    from dagster_project.config import load_chain
    from dagster_project.identity import score_records
    from dagster_project.publish import read_current

    chain = load_chain(chain_path, resolve_secrets=False)
    with duckdb.connect() as con:
        con.execute("set threads = 2")
        read_current(chain.paths, "record_members", con).create_view("result")
        # ids are text: '007' is not 7
        file = con.read_csv(str(truth), header=True, all_varchar=True)
        missing = [name for name in TRUTH_COLUMNS if name not in file.columns]
        if missing:
            raise click.ClickException(
                tr(
                    f"{truth} 第 1 行缺少列 {', '.join(missing)}；表头应为 {','.join(TRUTH_COLUMNS)}",
                    f"{truth} line 1: no column {', '.join(missing)}; the header is {','.join(TRUTH_COLUMNS)}",
                )
            )
        file.select(", ".join(TRUTH_COLUMNS)).distinct().create_view("truth")
        return score_records(con, "truth", "result")


def score_lines(scores: dict[str, Any]) -> list[tuple[str, str]]:
    """Label and value per line, for people; '–' where there was nothing to divide by."""

    def share(value: float | None, digits: int = 2) -> str:
        return "–" if value is None else f"{value:.{digits}%}"

    def trio(measure: dict[str, float | None]) -> str:
        names = (tr("准确率", "precision"), tr("召回率", "recall"), "F1")
        values = (measure["precision"], measure["recall"], measure["f1"])
        return "  ".join(
            f"{name} {'–' if value is None else f'{value:.4f}'}"
            for name, value in zip(names, values, strict=True)
        )

    return [
        (
            tr("真值记录", "records in the truth"),
            tr(
                f"{scores['records']:,} 条，{scores['persons']:,} 人；结果里没有的 {scores['records_missing']:,} 条",
                f"{scores['records']:,} of {scores['persons']:,} people; {scores['records_missing']:,} not in the result",
            ),
        ),
        (
            tr("认出会员的记录", "records with a member"),
            tr(
                f"{scores['records_assigned']:,} 条，{scores['members']:,} 位会员",
                f"{scores['records_assigned']:,}, of {scores['members']:,} members",
            ),
        ),
        (tr("成对", "pairwise"), trio(scores["pairwise"])),
        ("B-cubed", trio(scores["b_cubed"])),
        (
            tr("混入他人的会员", "members that mix people"),
            f"{scores['mixed_members']:,} ({share(scores['mixed_share'], 3)})",
        ),
        (
            tr("识别率（小票和团购订单）", "recognition rate (tickets and group-buy orders)"),
            f"{share(scores['recognition_rate'])} ({scores['sales_recognised']:,} / {scores['sales']:,})",
        ),
        (
            tr("口径", "how it counts"),
            tr(
                "没有认出的记录各自成组：不影响准确率，计入召回率的损失",
                "a record without a member stands alone: no loss of precision, a loss of recall",
            ),
        ),
    ]
