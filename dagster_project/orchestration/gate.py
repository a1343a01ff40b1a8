"""The gate between lake and warehouse: Great Expectations suites over the batches that no run has let through yet."""

from collections.abc import Iterable

import dagster as dg

from dagster_project.config import Chain
from dagster_project.lang import tr
from dagster_project.orchestration.context import ChainResource, run_as_of
from dagster_project.orchestration.landing import lake_key, lake_keys
from dagster_project.orchestration.progress import tell
from dagster_project.quality import check_batches
from dagster_project.warehouse import connect, gate_batches, sync_files, ungated_batches

CHECK = "expectations"


def gate_check(chain: Chain) -> dg.AssetChecksDefinition:
    """One blocking check per lake asset, all in one step: the library is slow to import and is paid for once."""
    specs = [
        dg.AssetCheckSpec(CHECK, asset=key, blocking=True, description="Great Expectations suite of the feed")
        for key in lake_keys(chain)
    ]

    @dg.multi_asset_check(specs=specs, name="gate_lake")
    def gate(context: dg.AssetCheckExecutionContext, chain: ChainResource) -> Iterable[dg.AssetCheckResult]:
        loaded = chain.load()
        as_of = run_as_of(context, loaded)
        with connect(loaded.paths.warehouse) as connection:
            sync_files(connection, loaded)
            batches = ungated_batches(connection, loaded, as_of)
        tell(tr(f"质量检查：{len(batches)} 个批次", f"checking {len(batches)} batches"))
        verdicts = {(v.connection, v.feed): v for v in check_batches(batches, loaded)}
        with connect(loaded.paths.warehouse) as connection:
            gate_batches(connection, [batch for v in verdicts.values() for batch in v.passed_batches])
        for key in lake_keys(loaded):
            verdict = verdicts.get((key.path[1], key.path[2]))
            passed = verdict is None or verdict.passed
            yield dg.AssetCheckResult(
                asset_key=lake_key(key.path[1], key.path[2]),
                check_name=CHECK,
                passed=passed,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={
                    "batches": len(verdict.batches) if verdict else 0,
                    "rows": verdict.rows if verdict else 0,
                    "findings": "\n".join(verdict.findings) if verdict else "",
                },
            )

    return gate
