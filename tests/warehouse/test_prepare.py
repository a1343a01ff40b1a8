"""The warehouse forgets nothing and sees nothing of the future."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dagster_project.config import Chain
from dagster_project.landing import land_files
from dagster_project.privacy import ChainKey
from dagster_project.warehouse import (
    connect,
    gate_batches,
    mark_digested,
    prepare,
    sync_files,
    ungated_batches,
    unlanded_nights,
)
from dagster_project.warehouse.connect import WarehouseBusyError

KEY = ChainKey(b"k" * 32)
NIGHTS = [date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 3)]


@pytest.fixture
def landed(chain: Chain, drop) -> Chain:  # type: ignore[no-untyped-def]
    for night in NIGHTS:
        text = f"store_code,ticket_id,kind,sold_at,net\nS001,T{night.day},sale,{night} 08:00:00,1\n"
        drop(chain.root, "pos_main", "tickets", night.isoformat(), "a.csv", text)
    land_files(chain, chain.connections[0], "tickets", NIGHTS, KEY)
    with connect(chain.paths.warehouse) as connection:
        sync_files(connection, chain)
        gate_batches(connection, [b.batch_id for b in ungated_batches(connection, chain, NIGHTS[-1])])
    return chain


def tickets(chain: Chain) -> list[str]:
    with connect(chain.paths.warehouse) as connection:
        return [
            row[0]
            for row in connection.execute("select ticket_id from raw.pos__tickets order by 1").fetchall()
        ]


def models(tmp_path: Path, text: str = "select 1") -> Path:
    path = tmp_path / "dbt" / "models" / "staging" / "stg.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return tmp_path / "dbt"


def built(chain: Chain) -> None:
    """What a green build leaves: the tables that are remembered, here without rows."""
    with connect(chain.paths.warehouse) as connection:
        for name, query in (
            ("int_identity_inputs", "select * from ops.digested_identity_inputs"),
            ("int_identity_affected_keys", "select identifier_key from ops.digested_identity_ids"),
            (
                "int_identity_nodes",
                "select identifier_key, member_id as minted_id from ops.digested_identity_ids",
            ),
            ("int_identity_name_agreement", "select true as names_differ"),
            ("int_sale_dimensions", "select * from ops.digested_sale_dimensions"),
        ):
            connection.execute(f"create or replace table intermediate.{name} as {query}")
    mark_digested(chain)


def test_raw_shows_what_had_arrived_by_the_night(landed: Chain, tmp_path: Path) -> None:
    prepare(landed, NIGHTS[1], KEY, models=models(tmp_path))
    assert tickets(landed) == ["T1", "T2"]


def test_a_batch_is_pending_until_a_build_was_green(landed: Chain, tmp_path: Path) -> None:
    assert len(prepare(landed, NIGHTS[1], KEY, models=models(tmp_path)).pending) == 2
    assert len(prepare(landed, NIGHTS[1], KEY, models=models(tmp_path)).pending) == 2
    built(landed)
    assert [batch[:10] for batch in prepare(landed, NIGHTS[2], KEY, models=models(tmp_path)).pending] == [
        "2026-11-03"
    ]


def test_going_back_or_changing_staging_rebuilds_it_until_done(landed: Chain, tmp_path: Path) -> None:
    prepare(landed, NIGHTS[2], KEY, models=models(tmp_path))
    built(landed)
    back = prepare(landed, NIGHTS[1], KEY, models=models(tmp_path))
    assert back.full_refresh and len(back.pending) == 2
    again = prepare(landed, NIGHTS[1], KEY, models=models(tmp_path))
    assert again.full_refresh, "a refresh that was killed is taken up again"
    built(landed)
    assert not prepare(landed, NIGHTS[1], KEY, models=models(tmp_path)).full_refresh
    assert prepare(landed, NIGHTS[1], KEY, models=models(tmp_path, "select 2")).full_refresh


def test_a_lake_older_than_a_column_reads_as_null(chain: Chain, drop, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Batches written before the door made tokens of names: alone, and beside a newer one."""
    for night, text in zip(NIGHTS[:2], ("M1,王小明", "M2,王小明"), strict=True):
        drop(chain.root, "pos_main", "members", night.isoformat(), "m.csv", f"member_ref,name\n{text}\n")
        land_files(chain, chain.connections[0], "members", [night], KEY)
    [older] = (chain.paths.lake / "pos_main" / "members").rglob(f"*{NIGHTS[0]}*/*.parquet")
    pq.write_table(pq.read_table(older).drop_columns(["name_token"]), older)
    with connect(chain.paths.warehouse) as connection:
        sync_files(connection, chain)
        gate_batches(connection, [b.batch_id for b in ungated_batches(connection, chain, NIGHTS[-1])])
    found = {}
    for as_of in NIGHTS[:2]:
        prepare(chain, as_of, KEY, models=models(tmp_path))
        with connect(chain.paths.warehouse) as connection:
            found[as_of] = connection.execute(
                "select member_ref, name_token, name_is_test from raw.pos__members order by 1"
            ).fetchall()
    token = KEY.name_token_maker()("王小明")
    assert found == {NIGHTS[0]: [("M1", None, "N")], NIGHTS[1]: [("M1", None, "N"), ("M2", token, "N")]}


def test_a_lost_warehouse_is_filled_from_the_lake(landed: Chain) -> None:
    landed.paths.warehouse.unlink()
    with connect(landed.paths.warehouse) as connection:
        assert sync_files(connection, landed) == 3
        assert sync_files(connection, landed) == 0


def test_an_unlanded_folder_is_named(landed: Chain, drop) -> None:  # type: ignore[no-untyped-def]
    drop(landed.root, "pos_main", "members", "2026-11-02", "m.csv", "member_ref\nM1\n")
    with connect(landed.paths.warehouse) as connection:
        sync_files(connection, landed)
        assert unlanded_nights(connection, landed, NIGHTS[-1]) == [("pos_main", "members", NIGHTS[1])]


def test_a_held_warehouse_is_a_clear_error(landed: Chain) -> None:
    import subprocess
    import sys

    code = f"import duckdb, time; c = duckdb.connect({str(landed.paths.warehouse)!r}); print('open', flush=True); time.sleep(30)"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline().strip() == b"open"
        with pytest.raises(WarehouseBusyError), connect(landed.paths.warehouse):
            pass
    finally:
        holder.kill()
        holder.wait()


def test_a_run_knows_the_night_it_follows(landed: Chain, tmp_path: Path) -> None:
    def context() -> tuple[object, ...]:
        with connect(landed.paths.warehouse) as connection:
            return connection.execute(
                "select as_of_date, run_seq, previous_as_of, is_refresh, stock_on from ops.run_context"
            ).fetchall()[0]

    prepare(landed, NIGHTS[0], KEY, models=models(tmp_path))
    assert context() == (NIGHTS[0], 1, None, False, None)
    built(landed)
    prepare(landed, NIGHTS[1], KEY, models=models(tmp_path))
    assert context() == (NIGHTS[1], 1, NIGHTS[0], False, None)
    prepare(landed, NIGHTS[1], KEY, models=models(tmp_path), full_refresh=True)
    assert context()[3] is True


def test_feeds_tell_since_when_they_arrive(landed: Chain, tmp_path: Path) -> None:
    prepare(landed, NIGHTS[1], KEY, models=models(tmp_path))
    with connect(landed.paths.warehouse) as connection:
        assert connection.execute("from ops.available_feeds").fetchall() == [
            ("pos", "tickets", "pos_main", NIGHTS[0], NIGHTS[1])
        ]
