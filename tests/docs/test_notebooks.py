"""The notebooks run from top to bottom on what is published, hold no output and show no plain number."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

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
    scope["con"].close()
    shown = capfd.readouterr().out
    assert "2026-01-20-" in shown and not re.search(r"(?<!\d)1[3-9]\d{9}(?!\d)", shown)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_only_the_publication_is_read(path: Path) -> None:
    text = "\n".join(code(path))
    assert "warehouse.duckdb" not in text and "vault" not in text and "'lake'" not in text
