"""A run that was killed while it held the warehouse must not keep the next one waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.config import Chain
from dagster_project.orchestration.lock import only_run
from dagster_project.orchestration.night import run_nights
from dagster_project.warehouse.connect import WarehouseBusyError

NIGHT = date(2026, 11, 1)
_DEFINITIONS = """
import os, signal
import dagster as dg

@dg.asset(pool="duckdb_writer", partitions_def=dg.DailyPartitionsDefinition("2026-01-01"))
def held() -> None:
    if os.environ.get("LINLI_TEST_KILL"):
        os.kill(os.getpid(), signal.SIGKILL)

definitions = dg.Definitions(
    assets=[held],
    jobs=[dg.define_asset_job("nightly", partitions_def=held.partitions_def)],
    executor=dg.in_process_executor,
)
"""


def definitions() -> dg.Definitions:
    scope: dict[str, object] = {}
    exec(textwrap.dedent(_DEFINITIONS), scope)
    found = scope["definitions"]
    assert isinstance(found, dg.Definitions)
    return found


def test_the_run_after_a_kill_gets_the_writers_slot(chain: Chain, tmp_path: Path) -> None:
    script = tmp_path / "night.py"
    script.write_text(
        _DEFINITIONS
        + "from datetime import date\nfrom pathlib import Path\n"
        + "from dagster_project.orchestration.night import run_nights\n"
        + f"run_nights(Path({str(chain.root)!r}), date(2026, 11, 1), date(2026, 11, 1), definitions=definitions)\n"
    )
    killed = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "LINLI_TEST_KILL": "1"},
        timeout=120,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL
    assert run_nights(chain.root, NIGHT, NIGHT, definitions=definitions()).success


def test_two_runs_of_one_chain_at_a_time_are_refused(chain: Chain) -> None:
    with only_run(chain), pytest.raises(WarehouseBusyError, match="夜间作业正在进行"):
        run_nights(chain.root, NIGHT, NIGHT, definitions=definitions())
