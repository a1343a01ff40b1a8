"""The warehouse file: who opens it, the `ops` tables, and the `raw` views over the lake.

One process writes at a time; every function opens, works and closes. Models belong to dbt, publishing to `publish`.
"""

from dagster_project.warehouse.connect import connect
from dagster_project.warehouse.digested import (
    build_reasons,
    digest_identity,
    digest_sales,
    make_members_anew,
    mark_digested,
    names_have_turned,
)
from dagster_project.warehouse.evening import NotReadyError, catch_up_command, prepare_evening
from dagster_project.warehouse.ops import schemas as ops_schemas
from dagster_project.warehouse.prepare import Prepared, prepare
from dagster_project.warehouse.sync import Batch, gate_batches, sync_files, ungated_batches, unlanded_nights

__all__ = [
    "Batch",
    "NotReadyError",
    "Prepared",
    "build_reasons",
    "catch_up_command",
    "connect",
    "digest_identity",
    "digest_sales",
    "gate_batches",
    "make_members_anew",
    "mark_digested",
    "names_have_turned",
    "ops_schemas",
    "prepare",
    "prepare_evening",
    "sync_files",
    "ungated_batches",
    "unlanded_nights",
]
