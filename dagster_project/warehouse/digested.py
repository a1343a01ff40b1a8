"""What the warehouse has made its own, and why a build may have to look at more than what arrived since."""

from __future__ import annotations

import duckdb

from dagster_project.config import Chain
from dagster_project.warehouse.connect import connect

_REASONS = ("refresh_reason", "models_reason", "identity_reason")


def read_state(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """ops.state: what one run tells the next."""
    return dict(connection.execute("select name, value from ops.state").fetchall())


def set_state(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    """One value of ops.state."""
    connection.execute("delete from ops.state where name = ?", [name])
    connection.execute("insert into ops.state values (?, ?)", [name, value])


def build_reasons(chain: Chain) -> dict[str, str]:
    """Why the next build has to look at more than what arrived: `refresh_reason` at everything, `models_reason` at
    everything but staging, `identity_reason` at every member. They stand until a build was green, so that a killed one
    is taken up again."""
    with connect(chain.paths.warehouse) as connection:
        stored = read_state(connection)
    return {name: stored[name] for name in _REASONS if name in stored}


def make_members_anew(chain: Chain, reason: str) -> None:
    """Lets the next build make every member anew."""
    with connect(chain.paths.warehouse) as connection:
        set_state(connection, "identity_reason", reason)


def names_have_turned(chain: Chain) -> bool:
    """Whether tonight's names say otherwise than before if a different name means a different person in this chain:
    only members of the islands that the night touched were made with the new answer."""
    with connect(chain.paths.warehouse) as connection:
        before = read_state(connection).get("names_differ")
        return before is not None and before != _names_differ(connection)


def mark_digested(chain: Chain) -> None:
    """After a green build: what was pending is in staging now. A batch digested twice changes nothing."""
    with connect(chain.paths.warehouse) as connection:
        connection.execute("begin")
        connection.execute(
            "insert into ops.digested_batches select batch_id, substr(batch_id, 1, 10)::date from ops.pending_batches"
            " where batch_id not in (select batch_id from ops.digested_batches)"
        )
        digest_identity(connection)
        digest_sales(connection)
        set_state(connection, "names_differ", _names_differ(connection))
        [(as_of,)] = connection.execute("select as_of_date from ops.run_context").fetchall()
        set_state(connection, "built_as_of", as_of.isoformat())
        for name in _REASONS:
            connection.execute("delete from ops.state where name = ?", [name])
        connection.execute("commit")


def digest_identity(connection: duckdb.DuckDBPyConnection) -> None:
    """Remembers what members were made from and which ids there are: what the next night's changes are told by."""
    connection.execute("delete from ops.digested_identity_inputs")
    connection.execute(
        "insert into ops.digested_identity_inputs by name select * from intermediate.int_identity_inputs"
    )
    connection.execute(
        "delete from ops.digested_identity_ids where identifier_key in"
        " (select identifier_key from intermediate.int_identity_affected_keys)"
    )
    connection.execute(
        "insert into ops.digested_identity_ids select distinct identifier_key, minted_id"
        " from intermediate.int_identity_nodes"
    )


def digest_sales(connection: duckdb.DuckDBPyConnection) -> None:
    """Remembers what sales were made from besides their records, and the windows that figures were made over."""
    connection.execute("delete from ops.digested_sale_dimensions")
    connection.execute(
        "insert into ops.digested_sale_dimensions by name select * from intermediate.int_sale_dimensions"
    )
    connection.execute("delete from ops.digested_windows")
    connection.execute("insert into ops.digested_windows select days from ops.window_days")


def _names_differ(connection: duckdb.DuckDBPyConnection) -> str:
    return str(
        connection.execute("select names_differ from intermediate.int_identity_name_agreement").fetchall()
    )
