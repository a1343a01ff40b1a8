"""truth/traps.csv of a world with traps, for finding out which of them an engine fell into."""

from __future__ import annotations

from pathlib import Path

import duckdb


def write_notes(con: duckdb.DuckDBPyConnection, path: Path) -> dict[str, int]:
    """Writes person_id, trap, role, namespace, identifier, since, other_person_id; returns subjects by trap.

    `identifier` is a card or openid, and empty for phones: nobody's number stands in the clear here.
    """
    con.execute(
        f"""copy (
            select p.person_id, n.trap, n.role, n.namespace, n.identifier, on_day(n.since) as since,
                o.person_id as other_person_id
            from trap_note n join person p using (pid) left join person o on o.pid = n.other_pid
            order by n.trap, n.role, p.person_id, n.identifier, o.person_id) to '{path}' (header)"""
    )
    counted = con.execute(
        "select trap, count(distinct pid) from trap_note where role = 'subject' group by trap order by trap"
    ).fetchall()
    return dict(counted)
