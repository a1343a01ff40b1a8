"""Options that several commands have, so that they are spelled and explained alike."""

from __future__ import annotations

from pathlib import Path

import click

CHAIN_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)

chain_option = click.option(
    "--chain", envvar="LINLI_CHAIN", required=True, type=CHAIN_FOLDER, help="连锁文件夹"
)
