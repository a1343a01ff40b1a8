"""Definitions come from chain.yml alone: no database, no secret, and every connection brings its assets."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from dagster_project.config import load_chain
from dagster_project.contracts import feeds_of, kinds
from dagster_project.orchestration.build import build_definitions
from dagster_project.publish import published_tables

WECOM = '  - {name: wecom, preset: wecom_api, base_url: "http://127.0.0.1:1", corp_id: demo, secret: ${NOT_SET_HERE}}\n'


@pytest.fixture
def graph(chain_dir: Path):  # type: ignore[no-untyped-def]
    path = chain_dir / "chain.yml"
    path.write_text(path.read_text().replace("\n# 推送目标", f"\n{WECOM}\n# 推送目标", 1))
    return build_definitions(chain_dir).resolve_asset_graph()


def test_every_feed_of_every_connection_is_a_daily_asset(graph, chain_dir: Path) -> None:  # type: ignore[no-untyped-def]
    chain = load_chain(chain_dir, resolve_secrets=False)
    expected = {dg.AssetKey(["lake", c.name, f.name]) for c in chain.connections for f in feeds_of(c.kind)}
    found = {key for key in graph.get_all_asset_keys() if key.path[0] == "lake"}
    assert found == expected and len(found) == 25
    for key in found:
        partitions = graph.get(key).partitions_def
        assert isinstance(partitions, dg.DailyPartitionsDefinition) and partitions.timezone == "Asia/Shanghai"
    assert not (chain_dir / "warehouse.duckdb").exists()


def test_the_graph_has_no_loose_ends(graph) -> None:  # type: ignore[no-untyped-def]
    sorts = {spec.name: set(spec.sort) for spec in published_tables()}
    for kind in kinds():
        for feed in feeds_of(kind):
            node = graph.get(dg.AssetKey(["raw", feed.table]))
            assert node.is_materializable and node.parent_keys and node.child_keys, feed.table
    for key in graph.get_all_asset_keys():
        if key.path[0] == "marts":
            assert dg.AssetKey(["published", key.path[1]]) in graph.get(key).child_keys
            assert graph.get(key).owners and graph.get(key).description
        if key.path[0] in ("marts", "published"):
            metadata = graph.get(key).metadata
            columns = {column.name for column in metadata["dagster/column_schema"].columns}
            assert sorts[key.path[1]] <= columns, key
            assert all(column.description for column in metadata["dagster/column_schema"].columns), key
        if key.path[0] == "marts":
            assert graph.get(key).metadata["dagster/table_name"] == f"warehouse.marts.{key.path[1]}"
        if key.path[0] in ("lake", "published"):
            assert graph.get(key).freshness_policy is not None, key
    checks = {check.name for check in graph.asset_check_keys}
    assert {"expectations", "rows_add_up", "arrived", "files_readable"} <= checks
    assert len(checks) > 50, "the tests of the models are checks too"


def test_one_nightly_job_at_two_in_the_chains_zone(chain_dir: Path) -> None:
    definitions = build_definitions(chain_dir)
    schedule = definitions.resolve_schedule_def("nightly_0200")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 2 * * *", "Asia/Shanghai")
    assert schedule.job_name == "nightly"
    nodes = {node.name for node in definitions.resolve_job_def("nightly").nodes}
    assert {"raw_tables", "dbt_models", "publish", "gate_lake"} <= nodes
    assert not any("activation" in name for name in nodes)
    jobs = ("nightly", "push", "markdown", "markdown_push")
    assert all(definitions.resolve_job_def(name).description for name in jobs)


def test_the_afternoon_has_two_schedules_of_its_own(chain_dir: Path) -> None:
    (chain_dir / "rules" / "markdown.yml").write_text('push_at: "16:20"\n', "utf-8")
    definitions = build_definitions(chain_dir)
    decide, send = (definitions.resolve_schedule_def(name) for name in ("markdown_1605", "markdown_push"))
    assert (decide.cron_schedule, decide.job_name) == ("5 16 * * *", "markdown")
    assert (send.cron_schedule, send.job_name) == ("20 16 * * *", "markdown_push")
    at = datetime(2026, 11, 20, 16, 20, tzinfo=ZoneInfo("Asia/Shanghai"))
    repository = definitions.get_repository_def()
    for schedule in (decide, send):
        context = dg.build_schedule_context(scheduled_execution_time=at, repository_def=repository)
        [request] = schedule.evaluate_tick(context).run_requests or []
        assert request.partition_key == "2026-11-20"
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
