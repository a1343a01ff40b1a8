"""Options that several commands have, so that they are spelled and explained alike."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagster_project.lang import tr

if TYPE_CHECKING:
    from dagster_project.config import Chain

CHAIN_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)

chain_option = click.option(
    "--chain", envvar="LINLI_CHAIN", required=True, type=CHAIN_FOLDER, help="连锁文件夹"
)


def instant_of(chain: Chain, text: str, *, example: str) -> datetime | None:
    """What `--at` means, as `activation.push_instant` reads it.

    Raises:
        click.BadParameter: it is no instant; names the example.
    """
    from dagster_project.activation import push_instant

    try:
        return push_instant(chain, text)
    except ValueError:
        raise click.BadParameter(
            tr(f"{text!r} 应为 now 或 {example} 这样的时间", f"{text!r} is neither now nor an ISO time"),
            param_hint="'--at'",
        ) from None
