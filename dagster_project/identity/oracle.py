"""The best that true links alone can do: what One ID is measured against when recall is judged.

Whoever knew whose every record is, but had nothing else to go by than what records say, would join exactly the
records of a person that are connected through identifiers that they share: of whatever kind, what a record says of
itself, what is said together at the till, and who pays. A ticket without any identifier stays unknown even so, and a
person whose two numbers never met stays two.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from dagster_project.identity.components import connect

_RECORDS = """
create or replace temp table oracle_record as
select row_number() over (order by connection, feed, record_id) - 1 as record_no, connection, feed, record_id,
    person_id
from (select distinct connection, feed, record_id, person_id from {truth})
"""
# Within one person every user of an identifier is joined to its first user: a star has the components of a clique.
_LINKS = """
select first_no, record_no
from (
    select record_no, min(record_no) over (partition by person_id, namespace, identifier) as first_no
    from (
        select distinct record.record_no, record.person_id, statement.namespace, statement.identifier
        from {statements} as statement
        inner join oracle_record as record using (connection, feed, record_id)
        where statement.identifier is not null and record.person_id is not null
    )
)
order by record_no, first_no
"""


def oracle_records(con: duckdb.DuckDBPyConnection, statements: str, truth: str) -> pa.Table:
    """The oracle's result, in the form `score_records` takes.

    Args:
        con: a connection that sees both relations; a temporary table `oracle_record` is made in it.
        statements: SQL relation with connection, feed, record_id, namespace, identifier: what each record says, of
            every kind that One ID may follow. Where it is known whose an identifier is, what ties the person to
            nothing of hers (a shop's number, a stranger who paid) is to be left out. Repeated rows do not matter;
            null identifiers say nothing.
        truth: SQL relation with connection, feed, record_id, person_id, one row per record.

    Returns:
        One row per record of the truth, ordered by connection, feed, record_id, with member_id: `O` and the number of
        the component's first record. Null for a record without identifier or person.

    Raises:
        ValueError: the truth gives a record two persons.
    """
    con.execute(_RECORDS.format(truth=truth))
    [(count, records)] = con.execute(
        "select count(*), count(distinct (connection, feed, record_id)) from oracle_record"
    ).fetchall()
    if count != records:
        raise ValueError(f"the truth gives {count - records} records a second person")
    links = con.execute(_LINKS.format(statements=statements)).fetchnumpy()
    first, record = (np.asarray(links[name]) for name in ("first_no", "record_no"))
    root = connect(count, first, record)
    known = np.zeros(count, dtype=bool)
    known[record] = True
    found = pa.table({"record_no": np.arange(count), "root_no": pa.array(root, mask=~known)})
    con.register("oracle_root", found)
    try:
        return con.sql(
            "select connection, feed, record_id, 'O' || lpad(root_no::varchar, 12, '0') as member_id "
            "from oracle_record inner join oracle_root using (record_no) order by record_no"
        ).to_arrow_table()
    finally:
        con.unregister("oracle_root")
