"""Our own run history is the one that Dagster's tools read."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import yaml
from dagster._core.storage.event_log import SqliteEventLogStorage

from dagster_project.orchestration.run_history import EventLog, open_history


@dg.asset(check_specs=[dg.AssetCheckSpec("is_whole", asset="counted")])
def counted() -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=False)])


def _run(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return dg.materialize([counted], instance=instance, raise_on_error=False)


def test_dagster_reads_what_we_wrote_and_the_other_way_round(tmp_path: Path) -> None:
    home = tmp_path / ".dagster"
    with open_history(home) as ours:
        assert type(ours.event_log_storage) is EventLog
        first = _run(ours)
    with dg.DagsterInstance.from_config(str(home)) as plain:
        assert type(plain.event_log_storage) is SqliteEventLogStorage
        events = [(e.run_id, e.message) for e in plain.all_logs(first.run_id)]
        assert events
        [check] = plain.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey("counted"), "is_whole"), limit=9
        )
        assert check.run_id == first.run_id
        second = _run(plain)
    with open_history(home) as ours:
        assert [(e.run_id, e.message) for e in ours.all_logs(first.run_id)] == events
        newest = ours.get_latest_materialization_event(dg.AssetKey("counted"))
        assert newest is not None and newest.run_id == second.run_id


def test_a_storage_that_somebody_chose_stays(tmp_path: Path) -> None:
    chosen = tmp_path / "elsewhere"
    told = {
        "event_log_storage": {
            "module": "dagster._core.storage.event_log",
            "class": "ConsolidatedSqliteEventLogStorage",
            "config": {"base_dir": str(chosen)},
        }
    }
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(told), "utf-8")
    with open_history(tmp_path) as instance:
        _run(instance)
        assert not isinstance(instance.event_log_storage, EventLog)
    assert list(chosen.iterdir())
