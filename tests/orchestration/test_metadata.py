"""What Dagster shows of a finished night: row counts everywhere, first rows that give nobody away."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from dagster_project.config import load_chain
from dagster_project.orchestration import lineage
from dagster_project.orchestration.night import run_nights
from dagster_project.orchestration.preview import preview_table
from dagster_project.orchestration.run_history import open_history
from dagster_project.publish import current_publication

NIGHT = date(2026, 11, 21)
PHONE = "13800138000"


def test_a_preview_hides_what_finds_a_person_or_spends_a_coupon() -> None:
    rows = [
        {"_batch_id": "b", "phone_token": "t" * 32, "unionid": "oUnion0123456789", "coupon_code": "ABC123", "note": f"电话{PHONE}|急",
         "member_id": "mabcdef", "empty": None, "n": 0}
    ] * 9  # fmt: skip
    lines = preview_table(rows).splitlines()
    assert lines[0] == "| phone_token | unionid | coupon_code | note | member_id | n |"
    assert len(lines) == 2 + 5 and set(lines[2:]) == {
        "| tttttt… | oUnion… | … | 电话138****8000/急 | mabcdef | 0 |"
    }
    assert preview_table([]) == "" and preview_table([{"a": None}]) == ""


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Mapping[str, Any]]]:
    """A chain of a few tickets after one night, and the newest metadata of every asset by its key."""
    root = tmp_path_factory.mktemp("metadata") / "chain"
    shutil.copytree(str(files("dagster_project").joinpath("templates/chain")), root)
    folder = root / "landing" / "pos_main"
    for feed, text in {
        "tickets": "store_code,ticket_id,kind,sold_at,net,member_ref\n"
        + "".join(f"S001,T{n},sale,{NIGHT} 08:0{n}:00,10,C{n}\n" for n in range(7)),
        "members": "member_ref,phone\n" + f"C0,{PHONE[:-1]}1\n" + "".join(f"C{n},\n" for n in range(1, 7)),
    }.items():
        path = folder / feed / NIGHT.isoformat() / "a.csv"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LINLI_KEY", raising=False)  # the chain makes a key of its own
        result = run_nights(root, NIGHT, NIGHT)
    assert result.success, result.failures
    with open_history(load_chain(root).paths.dagster_home) as instance:
        found: dict[str, Mapping[str, Any]] = {}
        for key in instance.all_asset_keys():
            event = instance.get_latest_materialization_event(key)
            if event is not None and event.asset_materialization is not None:
                found["/".join(key.path)] = event.asset_materialization.metadata
        return root, found


def test_everything_that_has_rows_says_how_many(night: tuple[Path, dict[str, Mapping[str, Any]]]) -> None:
    root, metadata = night
    counts = {key: m["dagster/row_count"].value for key, m in metadata.items() if "dagster/row_count" in m}
    publication = current_publication(load_chain(root).paths)
    assert publication is not None
    for name, table in publication.tables.items():
        assert counts[f"published/{name}"] == table.rows
        if table.shape.kind == "state":
            assert counts[f"marts/{name}"] == table.rows
    assert (
        counts["raw/pos__tickets"] == 7
        and counts["raw/pos__members"] == 7
        and counts["raw/groupbuy__orders"] == 0
    )
    assert counts["reports/stores"] == len(list((root / "reports").rglob("*.html")))
    with duckdb.connect() as con:
        listed = con.execute(f"select count(*) from {publication.sql('segment_members')}").fetchall()[0][0]
    assert counts["exports/segments"] == listed > 0


def test_marts_and_published_tables_show_their_first_rows_masked(
    night: tuple[Path, dict[str, Mapping[str, Any]]],
) -> None:
    _, metadata = night
    for name in ("members", "orders", "campaign_candidates"):
        for layer in ("marts", "published"):
            found = metadata[f"{layer}/{name}"]
            assert isinstance(found["preview"], dg.MarkdownMetadataValue)
            if name != "campaign_candidates":
                assert found["preview"].value.startswith("| ")
            if "dagster/table_name" in found:
                assert found["dagster/table_name"].value == f"warehouse.marts.{name}"
    shown = " ".join(str(m["preview"].value) for m in metadata.values() if "preview" in m)
    assert "138****8001" in shown, (
        "the masked phone of the one member who has one, or the masking hides too much"
    )
    assert not re.search(r"(?<!\d)1[3-9]\d{9}(?!\d)", shown)


def test_what_was_traced_is_not_traced_again(
    night: tuple[Path, dict[str, Mapping[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, metadata = night

    def compiles(*_: Any) -> None:
        raise AssertionError("nothing of the project, the rules or the columns has changed since the night")

    monkeypatch.setattr(lineage, "compile_models", compiles)
    monkeypatch.setattr(lineage, "_TRACED", {})
    # since then the night was published: people's copies stand beside the models
    assert (
        lineage.write_lineage(load_chain(root), tmp_path)
        == metadata["marts/lineage_columns"]["dagster/row_count"].value
    )
