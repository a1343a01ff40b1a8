"""`linli run`: nights that are still to come are refused before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dagster_project.cli.run import run


@pytest.mark.parametrize(
    "nights", [("--date", "2999-12-01"), ("--from", "2026-01-01", "--to", "2999-12-01")], ids=str
)
def test_a_night_to_come_is_refused_in_one_line(
    chain_dir: Path, monkeypatch: pytest.MonkeyPatch, nights: tuple[str, ...]
) -> None:
    monkeypatch.setattr("dagster_project.orchestration.night.run_nights", None)
    told = CliRunner().invoke(run, ["--chain", str(chain_dir), *nights])
    assert told.exit_code == 2 and "2999-12-01 还没有到，今天是 " in told.output, told.output
    assert "Traceback" not in told.output and not (chain_dir / "vault" / "key").exists()
