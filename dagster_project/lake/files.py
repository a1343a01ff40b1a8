"""Writing a file so that a reader sees all of it or nothing of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], None], *, last: bool = True) -> None:
    """Calls `write` with a temporary path beside `path`, makes it durable, then renames it into place.

    `last`: also makes the folder durable; of several files in one folder only the last needs it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    write(part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    if not last:
        return
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
