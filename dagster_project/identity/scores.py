"""How well records were put together, against a truth: pairwise and B-cubed, mixed members, recognition.

A record of which nobody was recognised (or which is missing from the result) stands alone: it makes no false pair,
so precision is not hurt, and it misses every pair with the person's other records, so recall pays for it.
"""

from __future__ import annotations

from typing import Any

import duckdb

_SCORES = """
with records as (
    select
        truth.connection, truth.feed, truth.record_id, truth.person_id, result.member_id,
        result.record_id is not null as is_found,
        -- a record without a member is a cluster of its own
        coalesce('m' || result.member_id, 'r' || row_number() over ()) as cluster_id
    from {truth} as truth
    left join {result} as result using (connection, feed, record_id)
    where truth.person_id is not null
),
cells as (select cluster_id, person_id, count(*)::hugeint as n from records group by all),
clusters as (select cluster_id, sum(n)::hugeint as n, count(*) as persons from cells group by all),
persons as (select person_id, sum(n)::hugeint as n from cells group by all),
pairs as (
    select
        (select coalesce(sum(n * (n - 1)), 0) from cells)::double as both,
        (select coalesce(sum(n * (n - 1)), 0) from clusters)::double as claimed,
        (select coalesce(sum(n * (n - 1)), 0) from persons)::double as true_pairs
),
b_cubed as (
    select
        sum(cells.n * cells.n / clusters.n) / nullif(sum(cells.n), 0) as precision,
        sum(cells.n * cells.n / persons.n) / nullif(sum(cells.n), 0) as recall
    from cells
    inner join clusters using (cluster_id)
    inner join persons using (person_id)
),
members as (
    select count(*) as members, count(*) filter (where persons > 1) as mixed
    from clusters where starts_with(cluster_id, 'm')
),
sales as (
    select count(*) as sales, count(member_id) as recognised
    from records where feed in ('tickets', 'orders')
),
totals as (
    select
        count(*) as records, count(*) filter (where not is_found) as missing, count(member_id) as assigned,
        count(distinct person_id) as persons
    from records
)
select
    totals.records, totals.missing, totals.assigned, totals.persons, members.members, members.mixed,
    pairs.both / nullif(pairs.claimed, 0), pairs.both / nullif(pairs.true_pairs, 0),
    b_cubed.precision, b_cubed.recall,
    members.mixed / nullif(members.members, 0), sales.sales, sales.recognised,
    sales.recognised / nullif(sales.sales, 0)
from totals, members, pairs, b_cubed, sales
"""

_RECOGNITION = """
with sales as (
    select connection, feed, record_id, person_id
    from {truth} as truth
    where feed in ('tickets', 'orders') and person_id is not null
),
identifiable as (
    select sales.*
    from sales
    where exists (
        select 1 from {naming} as naming
        where
            naming.connection = sales.connection
            and naming.feed = sales.feed
            and naming.record_id = sales.record_id
    )
),
-- whose a member is: the person with most of its records, when no other has as many
counted as (
    select member_id, person_id, count(*) as n
    from {truth} as truth
    inner join {result} as result using (connection, feed, record_id)
    where truth.person_id is not null and result.member_id is not null
    group by all
),
whose as (
    select member_id, arg_max(person_id, n) as person_id
    from (select *, max(n) over (partition by member_id) as most from counted)
    where n = most
    group by member_id
    having count(*) = 1
)
select
    count(*) as identifiable,
    count(result.member_id) as assigned,
    count(*) filter (where whose.person_id = identifiable.person_id) as recognised
from identifiable
left join {result} as result using (connection, feed, record_id)
left join whose on result.member_id = whose.member_id
"""


def _f1(precision: float | None, recall: float | None) -> float | None:
    if precision is None or recall is None or precision + recall == 0:
        return None
    return 2 * precision * recall / (precision + recall)


def score_records(con: duckdb.DuckDBPyConnection, truth: str, result: str) -> dict[str, Any]:
    """Scores of `result` against `truth`, both SQL relations as they stand in a FROM clause.

    `truth` has connection, feed, record_id, person_id; `result` has connection, feed, record_id, member_id, one row
    per record. Truth rows without a person are left out. Shares lie in 0 … 1 and are None when there is nothing to
    divide by (no pair claimed, no sale). Counts are int.
    """
    [row] = con.execute(_SCORES.format(truth=truth, result=result)).fetchall()
    (records, missing, assigned, persons, members, mixed, pair_p, pair_r, bcubed_p, bcubed_r, mixed_share) = (
        row[:11]
    )
    sales, recognised, recognition = row[11:]
    return {
        "records": records,
        "records_missing": missing,
        "records_assigned": assigned,
        "persons": persons,
        "members": members,
        "mixed_members": mixed,
        "mixed_share": mixed_share,
        "pairwise": {"precision": pair_p, "recall": pair_r, "f1": _f1(pair_p, pair_r)},
        "b_cubed": {"precision": bcubed_p, "recall": bcubed_r, "f1": _f1(bcubed_p, bcubed_r)},
        "sales": sales,
        "sales_recognised": recognised,
        "recognition_rate": recognition,
    }


def score_recognition(
    con: duckdb.DuckDBPyConnection, truth: str, result: str, naming: str
) -> dict[str, int | float | None]:
    """Which share of the sales that can be recognised is.

    A sale is a ticket or an order. It is identifiable when the truth knows its person and it stands in `naming`: it
    carries an identifier that names somebody, which no shop's, dummy or mistyped number does; whether it names the
    buyer is not asked. It is recognised when its member is its person's: the person with more of that member's
    records than any other. A member of somebody else is no recognition, and neither is one that is nobody's more
    than another's.

    Args:
        truth, result: as `score_records` takes them.
        naming: SQL relation with connection, feed, record_id of the records that carry such an identifier; repeated
            rows do not matter.

    Returns:
        identifiable, assigned (have any member) and recognised as int; rate: recognised of identifiable, 0 … 1, None
        when there are none.
    """
    [(identifiable, assigned, recognised)] = con.execute(
        _RECOGNITION.format(truth=truth, result=result, naming=naming)
    ).fetchall()
    return {
        "identifiable": identifiable,
        "assigned": assigned,
        "recognised": recognised,
        "rate": recognised / identifiable if identifiable else None,
    }
