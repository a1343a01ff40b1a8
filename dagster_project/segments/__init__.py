"""The segment language: conditions in YAML, checked with places in the file, compiled to one query.

Nothing here reads a file or a database: `config` reads segments, `reports` and dbt run what they compile to.
"""

# the modules of conditions enter themselves into the registry
from dagster_project.segments import groups, happenings, numbers, shopping  # noqa: F401
from dagster_project.segments.base import REGISTRY, Entry, Operator, parse
from dagster_project.segments.compile import COMPLETE, NIGHTLY, Plan, Schema
from dagster_project.segments.handover import plan_variable
from dagster_project.segments.metrics import METRICS, Metric
from dagster_project.segments.model import Segment, SegmentFile, check, plan, walk
from dagster_project.segments.problems import SegmentError

__all__ = [
    "COMPLETE",
    "METRICS",
    "NIGHTLY",
    "REGISTRY",
    "Entry",
    "Metric",
    "Operator",
    "Plan",
    "Schema",
    "Segment",
    "SegmentError",
    "SegmentFile",
    "check",
    "parse",
    "plan",
    "plan_variable",
    "walk",
]
