"""`linli inspect`: what an export is, which preset reads it, and what can be done with it."""

from __future__ import annotations

from pathlib import Path

import click

from dagster_project.lang import LANGUAGE, tr


@click.command("inspect")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE…",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
@click.option("--as", "name", metavar="CONNECTION_NAME", help="写出的连接叫什么（英文字母、数字、下划线）")
@click.option(
    "--write", "folder", type=click.Path(path_type=Path, file_okay=False), help="把连接和映射写进这个文件夹"
)
@click.option("--password", help="加密文件的打开密码")
@click.option("--lang", type=click.Choice(["zh", "en"]), help="输出语言 / output language")
def inspect(
    files: tuple[Path, ...], name: str | None, folder: Path | None, password: str | None, lang: str | None
) -> None:
    """看懂一份导出：编码、表头、各列是什么、手机号质量、该用哪个 preset、能做什么。

    只读不改；输出里没有完整手机号、姓名和地址。--write 写出可放进 chain.yml 的连接；没有合适的 preset 时再写一份列名映射。

    \b
    例：linli inspect 销售明细.xlsx 会员.csv --as pos_main --write 接入
    """
    from rich.console import Console

    from dagster_project.inspection.features import judge
    from dagster_project.inspection.rendering import print_reports, render_features
    from dagster_project.inspection.report import inspect_files

    if lang:
        LANGUAGE.set(lang)
    if name is not None:
        _check_name(name)
    console = Console(highlight=False)
    reports = print_reports(inspect_files(files, password), console)
    read = [report for report in reports if not report.problem]
    # about files that nobody could read there is nothing to say, least of all that they are good for nothing
    if read:
        console.print(render_features(judge(read), console.width))
    if folder is not None:
        from dagster_project.inspection.writing import undecided, write_connection

        try:
            written = write_connection(reports, folder, name, locked=password is not None)
        except FileExistsError as error:
            raise click.UsageError(
                tr(
                    f"{error} 已经有了，可能改过；请换一个文件夹",
                    f"{error} is there already; choose another folder",
                )
            ) from None
        _say_written(written, folder)
        _say_undecided(undecided(reports))


def _check_name(name: str) -> None:
    from dagster_project.config import Connection

    try:
        Connection(name=name, preset="standard_pos")
    except ValueError:
        raise click.UsageError(
            tr(
                f"--as {name!r}：只能用字母、数字、下划线，字母开头",
                f"--as {name!r}: letters, digits and _ only, a letter first",
            )
        ) from None


def _say_written(written: list[Path], folder: Path) -> None:
    if not written:
        click.echo(
            tr("没有写文件：没有一份导出看得够清楚", "nothing written: no file was understood well enough")
        )
        return
    for path in written:
        click.echo(tr(f"已写出 {path}", f"wrote {path}"))
    mappings = [path.name for path in written if path.name != "connection.yml"]
    step = tr("下一步：把 connection.yml 里的连接放进 chain.yml", "next: put the connection into chain.yml")
    if mappings:
        listed = "、".join(mappings)
        step += tr(
            f"，把 {listed} 放进连锁文件夹的 presets/", f" and {listed} into presets/ of the chain's folder"
        )
    click.echo(step)


def _say_undecided(found: list[tuple[str, tuple[str, ...]]]) -> None:
    for preset, others in found:
        listed = "、".join(others)
        click.echo(
            tr(
                f"没把握：connection.yml 写的是 {preset}，但 {listed} 同样合适；请按你用的系统核对后再用",
                f"unsure: connection.yml says {preset}, but {listed} fits as well; check which system you use",
            )
        )
