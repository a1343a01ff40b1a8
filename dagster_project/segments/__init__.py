"""The segment language: conditions in YAML, checked with places in the file, compiled to one query.

Nothing here reads a file or a database: `config` reads segments, `reports` and dbt run what they compile to.
"""

# the modules of conditions enter themselves into the registry
from dagster_project.segments import groups, happenings, numbers, shopping  # noqa: F401
from dagster_project.segments.base import REGISTRY, Entry, Operator, parse
from dagster_project.segments.compile import COMPLETE, Plan, Schema
from dagster_project.segments.handover import plan_variable
from dagster_project.segments.metrics import METRICS, Metric
from dagster_project.segments.model import Segment, SegmentFile, check, plan, walk
from dagster_project.segments.problems import SegmentError
from dagster_project.segments.tags import RuleTags, check_condition, check_tag

__all__ = [
    "COMPLETE",
    "METRICS",
    "REGISTRY",
    "Entry",
    "Metric",
    "Operator",
    "Plan",
    "RuleTags",
    "Schema",
    "Segment",
    "SegmentError",
    "SegmentFile",
    "check",
    "check_condition",
    "check_tag",
    "parse",
    "plan",
    "plan_variable",
    "walk",
]
