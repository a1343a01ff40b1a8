"""The notebooks run from top to bottom on what is published, hold no output and show no plain number."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dagster_project.config.chain import ChainPaths
from dagster_project.metrics import Query
from dagster_project.publish import current_publication
from dagster_project.reports.totals import ask

REPOSITORY = Path(__file__).parents[2]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


def cells(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text("utf-8"))["cells"]


def code(path: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_cleared(path: Path) -> None:
    assert NOTEBOOKS and all(not c.get("outputs") and not c.get("execution_count") for c in cells(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_run_in_order_on_a_publication(
    path: Path, published_chain: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LINLI_CHAIN", str(published_chain))
    scope: dict[str, Any] = {"__name__": "__main__"}
    for number, source in enumerate(code(path), start=1):
        exec(compile(source, f"{path.name} cell {number}", "exec"), scope)
    publication = current_publication(ChainPaths(published_chain))
    assert publication is not None
    for names, by in (
        (["purchases", "recognition_rate", "people_in_several"], []),
        (["campaign_people"], ["campaign_id", "arm"]),
    ):
        assert scope["ask"](names, by).fetchall() == list(ask(publication, Query(names, by)).rows)
    scope["con"].close()
    shown = capfd.readouterr().out
    assert "2026-01-20-" in shown and not re.search(r"(?<!\d)1[3-9]\d{9}(?!\d)", shown)


def test_figures_with_a_definition_are_asked_for_by_name() -> None:
    for path in NOTEBOOKS:
        text = "\n".join(code(path))
        # purchases and candidates are rows that metrics count, arms what the night has compared
        for own_count in ("count(*) as purchases", "count(*) as candidates", "sqrt("):
            assert own_count not in text, (path.name, own_count)
        assert "ask([" in text or "ask(figures" in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_only_the_publication_is_read(path: Path) -> None:
    text = "\n".join(code(path))
    assert "warehouse.duckdb" not in text and "vault" not in text and "'lake'" not in text
