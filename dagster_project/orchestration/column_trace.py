"""Which columns a query's columns are made of, and which only decide about them.

Reads the SQL as one engine would compile it: every scope (common table expression, subquery, branch of a union) is traced
once, from its output columns to the tables it reads. Direct is what a value is made of. Indirect is what decides which value
it is (the condition of a case, the order or partition of a window) or which rows there are (where, joins, grouping); the
latter hold for every column and stand under `ROWS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope
from sqlglot.schema import MappingSchema

Relation = tuple[str, str]  # schema, table
ROWS = "*"
_HASHES = (exp.MD5, exp.MD5Digest, exp.MD5NumberLower64, exp.MD5NumberUpper64, exp.SHA, exp.SHA2)
_NAMED_HASHES = {"SHA256", "MD5", "MD5_NUMBER_LOWER", "MD5_NUMBER", "HASH"}
_DECIDING_CLAUSES = ("where", "joins", "group", "having", "qualify", "distinct")


class Source(NamedTuple):
    """A column of a table. `hashed`: only a hash of it passes."""

    schema: str
    table: str
    column: str
    hashed: bool = False


@dataclass
class Made:
    """What one column comes from."""

    direct: set[Source] = field(default_factory=set)
    indirect: set[Source] = field(default_factory=set)

    def add(self, other: Made, *, deciding: bool, hashed: bool) -> None:
        direct = {source._replace(hashed=source.hashed or hashed) for source in other.direct}
        (self.indirect if deciding else self.direct).update(direct)
        self.indirect |= other.indirect


def trace_columns(sql: str, columns: Mapping[Relation, Mapping[str, str]]) -> Mapping[str, Made]:
    """Output column (and `ROWS`) → what it comes from; {} when the SQL cannot be read.

    Args:
        columns: column types of the tables that may be read.
    """
    near = ((relation, tuple(kinds.items())) for relation, kinds in columns.items() if relation[1] in sql)
    return _trace(sql, tuple(sorted(near)))


# most models are the same SQL night after night, and in a rebuild
@lru_cache(maxsize=1024)
def _trace(sql: str, columns: tuple[tuple[Relation, tuple[tuple[str, str], ...]], ...]) -> Mapping[str, Made]:
    try:
        tree = parse_one(sql, dialect="duckdb")
        named = {(table.db, table.name) for table in tree.find_all(exp.Table)}
        schema: dict[str, dict[str, dict[str, str]]] = {}
        for (name, table), kinds in columns:
            if (name, table) in named:
                schema.setdefault(name, {})[table] = dict(kinds)
        known = MappingSchema({"warehouse": schema}, dialect="duckdb")
        root = build_scope(qualify(tree, schema=known, dialect="duckdb", validate_qualify_columns=False))
    except SqlglotError:
        return {}
    return _Tracer().trace(root) if root is not None else {}


class _Tracer:
    def __init__(self) -> None:
        self._seen: dict[int, dict[str, Made]] = {}

    def trace(self, scope: Scope) -> dict[str, Made]:
        """Columns of a scope; a recursive one finds itself empty."""
        if id(scope) in self._seen:
            return self._seen[id(scope)]
        found = self._seen[id(scope)] = {ROWS: Made()}
        if isinstance(scope.expression, exp.SetOperation):
            self._unite(scope, found)
        elif isinstance(scope.expression, exp.Select):
            self._select(scope, found)
        return found

    def _unite(self, scope: Scope, found: dict[str, Made]) -> None:
        names = _names(scope)
        for branch in scope.set_operation_scopes:
            traced = self.trace(branch)
            found[ROWS].add(traced[ROWS], deciding=True, hashed=False)
            for name, theirs in zip(names, _names(branch), strict=False):
                if theirs in traced:
                    found.setdefault(name, Made()).add(traced[theirs], deciding=False, hashed=False)

    def _select(self, scope: Scope, found: dict[str, Made]) -> None:
        select = scope.expression
        for projection in select.expressions:
            made = found.setdefault(projection.alias_or_name, Made())
            for column in _own_columns(projection):
                deciding, hashed = _standing(column, projection)
                made.add(self._resolve(scope, column), deciding=deciding, hashed=hashed)
        rows = found[ROWS]
        for clause in _DECIDING_CLAUSES:
            parts = select.args.get(clause)
            for part in parts if isinstance(parts, list) else [parts]:
                for column in _own_columns(part) if part is not None else ():
                    rows.add(self._resolve(scope, column), deciding=True, hashed=False)
        for _, source in scope.selected_sources.values():
            if isinstance(source, Scope):
                rows.add(self.trace(source)[ROWS], deciding=True, hashed=False)
        # what a subquery in a condition or a value says decides here
        for inner in scope.subquery_scopes:
            for made in self.trace(inner).values():
                rows.add(made, deciding=True, hashed=False)

    def _resolve(self, scope: Scope, column: exp.Column) -> Made:
        source = scope.sources.get(column.table)
        if isinstance(source, exp.Table):
            return Made({Source(source.db, source.name, column.name)})
        return self.trace(source).get(column.name, Made()) if isinstance(source, Scope) else Made()


def _names(scope: Scope) -> list[str]:
    query = scope.expression
    return list(query.named_selects) if isinstance(query, exp.Query) else []


def _own_columns(node: exp.Expression) -> Iterator[exp.Column]:
    """Columns below a node, but not those of subqueries, which are scopes of their own."""
    for each in node.walk(prune=lambda part: isinstance(part, exp.Query)):
        if isinstance(each, exp.Column):
            yield each


def _standing(column: exp.Expression, top: exp.Expression) -> tuple[bool, bool]:
    """(only decides about the value, passes through a hash only)."""
    deciding = hashed = False
    node: Any = column
    while node is not top and node.parent is not None:
        parent = node.parent
        deciding |= (
            (isinstance(parent, exp.If) and node.arg_key == "this")
            or (isinstance(parent, exp.Filter) and node.arg_key == "expression")
            or (isinstance(parent, exp.Window) and node.arg_key in ("partition_by", "order"))
            or isinstance(parent, exp.Order)
            or (isinstance(parent, exp.Case) and node.arg_key == "this")
        )
        hashed |= isinstance(parent, _HASHES) or (
            isinstance(parent, exp.Anonymous) and str(parent.this).upper() in _NAMED_HASHES
        )
        node = parent
    return deciding, hashed
