"""One run of a chain at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from dagster_project.config import Chain
from dagster_project.lang import tr
from dagster_project.warehouse.connect import WarehouseBusyError


@contextmanager
def only_run(chain: Chain) -> Iterator[None]:
    """One in-process run per chain at a time; the lock goes with the process, also when it is killed."""
    path = chain.paths.dagster_home / "run.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WarehouseBusyError(
                tr(
                    f"另一个夜间作业正在进行（{path}），请等它结束",
                    f"another nightly run is going on ({path}): wait for it",
                )
            ) from None
        yield
