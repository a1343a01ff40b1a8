"""The measures against a count of all pairs, one by one."""

from itertools import combinations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.identity import score_records
from dagster_project.identity.scores import score_recognition


def scores(records):
    """`records`: (person, member or None) per ticket."""
    con = duckdb.connect()
    con.execute("create table truth(connection varchar, feed varchar, record_id varchar, person_id varchar)")
    con.execute("create table result(connection varchar, feed varchar, record_id varchar, member_id varchar)")
    for i, (person, member) in enumerate(records):
        con.execute("insert into truth values ('c', 'tickets', ?, ?)", [str(i), person])
        con.execute("insert into result values ('c', 'tickets', ?, ?)", [str(i), member])
    return score_records(con, "truth", "result")


def test_perfect():
    found = scores([("a", "1"), ("a", "1"), ("b", "2")])
    assert found["pairwise"] == found["b_cubed"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert (found["mixed_members"], found["recognition_rate"]) == (0, 1.0)


def test_unrecognised_records_cost_recall_only():
    found = scores([("a", "1"), ("a", None), ("a", None)])
    assert found["pairwise"] == {"precision": None, "recall": 0.0, "f1": None}
    assert found["b_cubed"]["precision"] == 1.0
    assert found["b_cubed"]["recall"] == pytest.approx(1 / 3)
    assert found["recognition_rate"] == pytest.approx(1 / 3)


def test_truth_without_a_person_or_without_a_result_row():
    con = duckdb.connect()
    truth = "(values ('c','tickets','1','a'), ('c','tickets','2','a'), ('c','tickets','3',null)) as t"
    con.execute(f"create view truth as select * from {truth} (connection, feed, record_id, person_id)")
    con.execute("create view result as select 'c' connection, 'tickets' feed, '1' record_id, 'm' member_id")
    found = score_records(con, "truth", "result")
    assert (found["records"], found["records_missing"], found["sales"]) == (2, 1, 2)


def test_empty_truth_gives_no_shares():
    found = scores([])
    assert found["records"] == 0
    assert found["recognition_rate"] is None
    assert found["mixed_share"] is None


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(["1", "2", "3", None])), min_size=2, max_size=12
    )
)
@settings(max_examples=40, deadline=None)
def test_agrees_with_counting_every_pair(records):
    found = scores(records)
    same_person = {(i, j) for i, j in combinations(range(len(records)), 2) if records[i][0] == records[j][0]}
    same_member = {
        (i, j)
        for i, j in combinations(range(len(records)), 2)
        if records[i][1] is not None and records[i][1] == records[j][1]
    }
    both = len(same_person & same_member)
    assert found["pairwise"]["precision"] == (pytest.approx(both / len(same_member)) if same_member else None)
    assert found["pairwise"]["recall"] == (pytest.approx(both / len(same_person)) if same_person else None)
    precision, recall = [], []
    for i, (person, member) in enumerate(records):
        cluster = [j for j, r in enumerate(records) if j == i or (member is not None and r[1] == member)]
        own = [j for j, r in enumerate(records) if r[0] == person]
        precision.append(len(set(cluster) & set(own)) / len(cluster))
        recall.append(len(set(cluster) & set(own)) / len(own))
    assert found["b_cubed"]["precision"] == pytest.approx(sum(precision) / len(records))
    assert found["b_cubed"]["recall"] == pytest.approx(sum(recall) / len(records))
    by_member = {m: {p for p, other in records if other == m} for _, m in records if m is not None}
    assert found["mixed_members"] == sum(len(people) > 1 for people in by_member.values())


def recognition(records):
    """`records`: (feed, person, member or None, whether an identifier names somebody) per record."""
    columns = "connection varchar, feed varchar, record_id varchar"
    with duckdb.connect() as con:
        con.execute(f"create table truth({columns}, person_id varchar)")
        con.execute(f"create table result({columns}, member_id varchar)")
        con.execute(f"create table naming({columns})")
        for i, (feed, person, member, names) in enumerate(records):
            con.execute("insert into truth values ('c', ?, ?, ?)", [feed, str(i), person])
            con.execute("insert into result values ('c', ?, ?, ?)", [feed, str(i), member])
            if names:
                con.execute("insert into naming values ('c', $1, $2), ('c', $1, $2)", [feed, str(i)])
        return score_recognition(con, "truth", "result", "naming")


def test_sales_that_name_nobody_cannot_be_recognised():
    found = recognition(
        [
            ("tickets", "a", "1", True),
            ("orders", "a", None, True),
            ("tickets", "a", None, False),
            ("tickets", None, "1", True),
            ("users", "b", None, True),
        ]
    )
    assert found == {"identifiable": 2, "assigned": 1, "recognised": 1, "rate": 0.5}


def test_a_member_of_somebody_else_is_no_recognition():
    hers = [("users", "a", "1", True), ("tickets", "a", "1", True)]
    assert recognition([*hers, ("tickets", "b", "1", True)])["recognised"] == 1
    # of two who have as much of a member it is nobody's
    assert recognition([*hers, ("tickets", "b", "1", True), ("users", "b", "1", True)])["recognised"] == 0
    # and a lone ticket is a member of its own
    assert recognition([("tickets", "a", "1", True)])["rate"] == 1.0
    assert recognition([("users", "a", "1", True)])["rate"] is None
