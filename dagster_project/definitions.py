"""Dagster's entry point: `dagster dev -m dagster_project.definitions`, chain from LINLI_CHAIN."""

from __future__ import annotations

import dagster as dg

from dagster_project.orchestration.build import build_definitions


@dg.definitions
def defs() -> dg.Definitions:
    """All assets, checks, jobs and schedules of the chain."""
    return build_definitions()
