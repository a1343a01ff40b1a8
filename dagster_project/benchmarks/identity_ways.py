"""The other ways to put records together, on the same claims: each ends with a stored row per record.

Rivals are given what is their due: only links of the role `own` (no unverified phone) that hold today, identifiers
numbered in DuckDB before they see them, and each record assigned by its strongest identifier. All of that is timed, as
it is for ours.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
from numba import njit
from numpy.typing import NDArray

from dagster_project.identity.components import connect
from dagster_project.identity.oracle import oracle_records

RESULT = "record_members"

# what a program that is told the limits of each kind would allow one person: one unionid, one openid an app, one
# contact, two cards, two phones. Links are followed strongest first.
_KINDS = ("unionid", "openid wxmall", "openid wxmini", "external_userid", "pos_member", "phone")
_LIMITS = (1, 1, 1, 1, 2, 2)
_PRIORITY = ("unionid", "openid", "verified_phone", "phone", "remark_phone")

_NODES = """
create table nodes as
select row_number() over (order by namespace, identifier) - 1 as node, namespace, identifier
from (
    select distinct namespace, identifier from world.statements where not tonight and ended_at is null and role in ('own', 'said')
)
"""

_EDGES = """
create table edges as
select distinct nodes_a.node as a, nodes_b.node as b
from world.claims
inner join nodes as nodes_a on namespace_a = nodes_a.namespace and identifier_a = nodes_a.identifier
inner join nodes as nodes_b on namespace_b = nodes_b.namespace and identifier_b = nodes_b.identifier
where not tonight and ended_at is null and role = 'own'
"""

_ASSIGN = f"""
create table {RESULT} as
select connection, feed, record_id, arg_min(label, precedence) as member_id
from world.statements
inner join nodes using (namespace, identifier)
inner join labels using (node)
where not tonight and ended_at is null and role in ('own', 'said')
group by connection, feed, record_id
"""

_RECURSIVE = """
create table labels as
with recursive found(node, label) using key (node) as (
    select node, node from nodes
    union
    select neighbours.b, min(found.label)
    from found
    inner join (select a, b from edges union all select b, a from edges) as neighbours on neighbours.a = found.node
    inner join recurring.found as known on known.node = neighbours.b
    where found.label < known.label
    group by neighbours.b
)
select node, label from found
"""

# what is written by hand in a day: the phone is the person, and who has none is whoever the system says
_NAIVE = f"""
create table {RESULT} as
with phones as (
    select namespace_a as namespace, identifier_a as identifier, min(identifier_b) as phone
    from world.claims
    where not tonight and ended_at is null and role = 'own' and namespace_b = 'phone'
    group by all
),
strongest as (
    select
        connection, feed, record_id, arg_min(namespace, precedence) as namespace,
        arg_min(identifier, precedence) as identifier, min(identifier) filter (namespace = 'phone') as phone
    from world.statements
    where not tonight and ended_at is null and role in ('own', 'said')
    group by all
)
select connection, feed, record_id, coalesce(strongest.phone, phones.phone, namespace || identifier) as member_id
from strongest
left join phones using (namespace, identifier)
"""

# links of every kind that ours may follow, when both ends are one person's: what a record says of itself or said before,
# what is said together, who pays; and two holders of a number that is another's, whom a name or a visit may tie
_ORACLE_SAID = """(
    select statements.connection, statements.feed, statements.record_id, namespace, identifier
    from world.statements
    inner join world.records using (record)
    where
        not statements.tonight
        and (
            (role in ('own', 'said', 'payer') and owner = person)
            or (role = 'own' and namespace = 'phone' and owner >= 0)
        )
)"""
_ORACLE_TRUTH = (
    "(select connection, feed, record_id, person as person_id from world.records where not tonight)"
)


def open_way(folder: Path, way: str) -> duckdb.DuckDBPyConnection:
    """A file of the way's own with two threads, the world attached as `world`, read-only."""
    path = folder / f"{way}.duckdb"
    path.unlink(missing_ok=True)
    connection = duckdb.connect(str(path))
    connection.execute("set threads = 2; set enable_progress_bar = false")
    connection.execute(f"attach '{folder / 'world.duckdb'}' as world (read_only)")
    return connection


def naive(connection: duckdb.DuckDBPyConnection) -> None:
    """Joins by phone number."""
    connection.execute(_NAIVE)


def recursive(connection: duckdb.DuckDBPyConnection) -> None:
    """Components by DuckDB's recursive query with a keyed result."""
    _by_labels(connection, lambda: connection.execute(_RECURSIVE))


def scipy(connection: duckdb.DuckDBPyConnection) -> None:
    """Components by scipy.sparse.csgraph."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    def label() -> None:
        count, a, b = _arrays(connection)
        graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(count, count))
        _, labels = connected_components(graph, directed=False)
        _store_labels(connection, labels)

    _by_labels(connection, label)


def splink(connection: duckdb.DuckDBPyConnection) -> None:
    """Components by Splink's clustering of pairs, all of them above the threshold."""
    from splink import DuckDBAPI
    from splink.clustering import cluster_pairwise_predictions_at_threshold

    def label() -> None:
        found = cluster_pairwise_predictions_at_threshold(
            "nodes", "edges", DuckDBAPI(connection=connection), node_id_column_name="node",
            edge_id_column_name_left="a", edge_id_column_name_right="b",
        )  # fmt: skip
        connection.execute(
            f"create view labels as select node, cluster_id as label from {found.physical_name}"
        )

    _by_labels(connection, label)


def limited(connection: duckdb.DuckDBPyConnection) -> None:
    """Union-find in order of priority that refuses a merge above any kind's limit, as graph rules of CDPs do."""
    connection.execute(_NODES)
    kinds = [f"when '{kind}' then {number}" for number, kind in enumerate(_KINDS)]
    name = (
        "namespace || case when namespace = 'openid' then ' ' || split_part(identifier, ':', 1) else '' end"
    )
    nodes = connection.execute(
        f"select case {name} {' '.join(kinds)} else -1 end as kind from nodes order by node"
    ).fetchnumpy()
    basis = [f"when '{basis}' then {number}" for number, basis in enumerate(_PRIORITY)]
    links = connection.execute(
        f"""select nodes_a.node as a, nodes_b.node as b
        from world.claims
        inner join nodes as nodes_a on namespace_a = nodes_a.namespace and identifier_a = nodes_a.identifier
        inner join nodes as nodes_b on namespace_b = nodes_b.namespace and identifier_b = nodes_b.identifier
        where not tonight and ended_at is null and role = 'own'
        group by all
        order by min(case basis {" ".join(basis)} end), min(first_at), a, b"""
    ).fetchnumpy()
    kind = nodes["kind"].astype(np.int64)
    _store_labels(connection, _connect_within(kind, links["a"], links["b"], np.array(_LIMITS)))
    connection.execute(_ASSIGN)


def oracle(connection: duckdb.DuckDBPyConnection) -> None:
    """What links of every kind join when only those of one person with herself are followed: what no way can beat."""
    connection.register("found", oracle_records(connection, _ORACLE_SAID, _ORACLE_TRUTH))
    connection.execute(f"create table {RESULT} as select * from found where member_id is not null")
    connection.unregister("found")


def _by_labels(connection: duckdb.DuckDBPyConnection, label: Callable[[], object]) -> None:
    connection.execute(_NODES)
    connection.execute(_EDGES)
    label()
    connection.execute(_ASSIGN)


def _arrays(connection: duckdb.DuckDBPyConnection) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    edges = connection.execute("select a, b from edges").fetchnumpy()
    [(count,)] = connection.execute("select count(*) from nodes").fetchall()
    return int(count), edges["a"], edges["b"]


def _store_labels(connection: duckdb.DuckDBPyConnection, labels: NDArray[np.integer]) -> None:
    import pyarrow as pa

    connection.register("found", pa.table({"node": np.arange(len(labels)), "label": labels}))
    connection.execute("create table labels as select * from found")
    connection.unregister("found")


@njit(cache=True)
def _connect_within(kind, left, right, limits):
    """Components of the links in order; a link that would put more of a kind into one than its limit is skipped."""
    parent = np.arange(len(kind))
    held = np.zeros((len(kind), len(limits)), dtype=np.int32)
    for node in range(len(kind)):
        if kind[node] >= 0:
            held[node, kind[node]] = 1
    for link in range(len(left)):
        a, b = left[link], right[link]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        if a != b and (held[a] + held[b] <= limits).all():
            parent[max(a, b)] = min(a, b)
            held[min(a, b)] += held[max(a, b)]
    for node in range(len(kind)):
        root = node
        while parent[root] != root:
            root = parent[root]
        parent[node] = root
    return parent


def warm_up() -> None:
    """First use of what compiles or loads itself on first use: the kernels, DuckDB's exchange with numpy and Arrow."""
    none = np.zeros(0, np.int64)
    connect(0, none, none)
    _connect_within(none, none, none, np.array(_LIMITS))
    with duckdb.connect() as connection:
        connection.execute("select 1").fetchnumpy()
        connection.sql("select 1").to_arrow_table()
        _store_labels(connection, none)


WAYS: dict[str, Callable[[duckdb.DuckDBPyConnection], None]] = {
    "limited": limited, "splink": splink, "scipy": scipy, "recursive": recursive, "naive": naive, "oracle": oracle,
}  # fmt: skip
