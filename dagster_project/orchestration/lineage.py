"""The published table lineage_columns: where the columns of every model come from.

Made of the SQL of a rebuild, whatever the night built, so that the same project and rules give the same rows. Only a changed
project, rule or column is compiled and traced again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dagster_project.config import Chain
from dagster_project.orchestration.column_metadata import column_types
from dagster_project.orchestration.column_trace import Relation, trace_columns
from dagster_project.orchestration.context import AUDIT_SCHEMA, READ_SCHEMA
from dagster_project.orchestration.dbt_runner import compile_models, project_files, segment_variables
from dagster_project.warehouse.connect import connect

_OWN_SCHEMAS = ("staging", "intermediate", AUDIT_SCHEMA)
# landing leaves nothing else of a phone or a name
_PROTECTED = re.compile(r"(^|_)(token|masked)$")
_COLUMNS = ("model", "column", "upstream_model", "upstream_column", "kind", "masked")
Row = tuple[str, str, str, str, str, bool]
Edge = tuple[str, str, str, str, str]  # as the row without `masked`
Column = tuple[str, str]
# several chains of one process, as in tests, share their project
_TRACED: dict[str, list[Row]] = {}


def write_lineage(chain: Chain, target: Path) -> int:
    """Fills audit.lineage_columns and returns the number of its rows.

    Args:
        target: folder for the compiled SQL, when it has to be made.
    """
    with connect(chain.paths.warehouse) as connection:
        types = {
            relation: kinds
            for relation, kinds in column_types(connection).items()
            if relation[0] != READ_SCHEMA
        }
    name = _fingerprint(chain, types)
    kept = chain.paths.dagster_home / "lineage" / f"{name}.json"
    if kept.exists():
        rows: list[Row] = [tuple(row) for row in json.loads(kept.read_text("utf-8"))]
    else:
        if name not in _TRACED:
            compile_models(chain, target)
            _TRACED[name] = lineage_rows(target / "compiled", types)
        rows = _TRACED[name]
        kept.parent.mkdir(parents=True, exist_ok=True)
        for old in kept.parent.glob("*.json"):
            old.unlink()
        kept.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    values: Any = [list(column) for column in zip(*rows, strict=True)] or [[]] * len(_COLUMNS)
    table = pa.table(dict(zip(_COLUMNS, values, strict=True)))
    with connect(chain.paths.warehouse) as connection:
        connection.register("traced", table)
        connection.execute("begin")
        connection.execute("delete from audit.lineage_columns")
        connection.execute("insert into audit.lineage_columns by name select * from traced")
        connection.execute("commit")
    return len(rows)


def lineage_rows(compiled: Path, types: dict[Relation, dict[str, str]]) -> list[Row]:
    """Rows of the table, sorted, from a folder of compiled models.

    Masked is what brings a token or a mask along, from however far and under whatever name; a hash of one is an id like any
    other. What decides about the rows of a model stands under the column `*`.
    """
    schemas = {table: schema for schema, table in types if schema in _OWN_SCHEMAS}
    # of what passes both as it is and hashed, it passes
    hashed: dict[Edge, bool] = {}
    for path in sorted(compiled.rglob("*.sql")):
        model = path.stem
        if model not in schemas or any(folder.suffix == ".yml" for folder in path.parents):
            continue
        for column, made in trace_columns(path.read_text("utf-8"), types).items():
            for kind, sources in (("direct", made.direct), ("indirect", made.indirect)):
                for source in sources:
                    upstream = (
                        source.table if source.schema in _OWN_SCHEMAS else f"{source.schema}.{source.table}"
                    )
                    key = (model, column, upstream, source.column, kind)
                    hashed[key] = hashed.get(key, True) and source.hashed
    texts = {
        (table, column): "VARCHAR" in kind
        for (_, table), kinds in types.items()
        for column, kind in kinds.items()
    }
    protected = _protected(hashed, texts)
    return [(*edge, edge[2:4] in protected and not hashed[edge]) for edge in sorted(hashed)]


def _protected(hashed: Mapping[Edge, bool], texts: Mapping[Column, bool]) -> set[Column]:
    """The columns that hold tokens or masks: those named so, and texts made of them."""
    named = {column for edge in hashed for column in (edge[:2], edge[2:4]) if _PROTECTED.search(column[1])}
    made_of: dict[Column, list[Column]] = {}
    for edge, only_hash in hashed.items():
        if edge[4] == "direct" and not only_hash and texts.get(edge[:2], True):
            made_of.setdefault(edge[2:4], []).append(edge[:2])
    found, todo = set(named), list(named)
    while todo:
        for column in made_of.get(todo.pop(), ()):
            if column not in found:
                found.add(column)
                todo.append(column)
    return found


def _fingerprint(chain: Chain, types: dict[Relation, dict[str, str]]) -> str:
    digest = hashlib.sha256(segment_variables(chain).encode())
    for path, _ in project_files():
        digest.update(Path(path).name.encode() + Path(path).read_bytes())
    for code in (Path(__file__), Path(__file__).with_name("column_trace.py")):
        digest.update(code.read_bytes())
    digest.update(json.dumps(sorted((*relation, kinds) for relation, kinds in types.items())).encode())
    return digest.hexdigest()[:32]
