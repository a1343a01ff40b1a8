"""Decisions on who is one customer that nothing can follow yet: no file has brought a record that they name."""

from __future__ import annotations

import duckdb

from dagster_project.config import DECISIONS_FILE, Chain, RecordName
from dagster_project.lang import tr
from dagster_project.publish import current_publication
from dagster_project.reports.published import rows_of


def waiting_decisions(chain: Chain) -> list[str]:
    """One line for each decision that names a record which the current publication does not know, with file and line.

    Nothing where nothing is published, or a publication of an older release is.
    """
    publication = current_publication(chain.paths)
    table = rows_of(publication, "record_members") if publication else None
    named = {record for d in chain.rules.identity_decisions for record in (d.record_a, d.record_b)}
    if table is None or not named:
        return []
    marks = ", ".join(["(?, ?, ?)"] * len(named))
    with duckdb.connect() as con:
        rows = con.execute(
            f"select connection, feed, record_id from {table} where (connection, feed, record_id) in ({marks})",
            [part for record in sorted(named) for part in record],
        ).fetchall()
    unknown = named - {RecordName(*row) for row in rows}
    path = chain.root / "rules" / DECISIONS_FILE
    return [
        _told(f"{path}:{decision.line} [{decision.decision}]", [str(record) for record in missing])
        for decision in chain.rules.identity_decisions
        if (missing := [each for each in (decision.record_a, decision.record_b) if each in unknown])
    ]


def _told(place: str, records: list[str]) -> str:
    listed = tr("、", ", ").join(records)
    return tr(
        f"{place} 数据里还没有 {listed}，这条裁定要等它到货才起作用；编号写错了请改",
        f"{place} no file has brought {listed} yet, so the decision waits for it; mend the id if it is misspelt",
    )
