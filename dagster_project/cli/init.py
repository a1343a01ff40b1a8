"""`linli init`: a new, commented chain folder."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

import click

from dagster_project.lang import tr


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> None:
    """新建一个带注释的连锁文件夹。

    \b
    例：linli init my_chain
    """
    if folder.exists() and any(folder.iterdir()):
        raise click.UsageError(
            tr(f"{folder} 不是空文件夹，换一个名字", f"{folder} is not empty; choose another name")
        )
    with as_file(files("dagster_project").joinpath("templates/chain")) as template:
        shutil.copytree(template, folder, dirs_exist_ok=True)
    for connection in ("pos_main", "group_main"):
        (folder / "landing" / connection).mkdir(parents=True)
    click.echo(tr(
        f"已生成 {folder}：先改 chain.yml 和 stores.csv，把每晚的导出放进 landing/<连接>/<feed>/<日期>/，"
        f"再运行 linli run --chain {folder} --date <日期>",
        f"made {folder}: edit chain.yml and stores.csv, put exports into landing/<connection>/<feed>/<date>/,"
        f" then linli run --chain {folder} --date <date>",
    ))  # fmt: skip
