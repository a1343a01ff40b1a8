"""One way of a comparison in a process of its own: what it takes and what it leaves behind are its alone."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_alone(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Runs `python -m module arguments…`, whose last line of output is a JSON object, and returns that.

    Raises:
        RuntimeError: it failed; with the first argument and its own last words.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | dict(environment or {}),
    )
    if done.returncode:
        raise RuntimeError(f"{arguments[0]}: {done.stderr.strip()[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def answer(found: Mapping[str, Any]) -> None:
    """Writes the line that `run_alone` reads."""
    sys.stdout.write(json.dumps(found) + "\n")


def clocked(take: Callable[[], Result]) -> tuple[Result, float, int]:
    """The result, the seconds it took, and the peak memory of the whole process so far in MB."""
    started = time.perf_counter()
    result = take()
    seconds = time.perf_counter() - started
    return result, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
