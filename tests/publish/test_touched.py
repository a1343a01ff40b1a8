"""Publishing reads the days that the models touched, one more to be sure, and everything when nobody knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest

from dagster_project.publish import Publication, PublishError
from dagster_project.publish import touched as touched_module

D = date(2024, 3, 5)
DAY = timedelta(days=1)


def night(
    chain: Any,
    as_of: date,
    run: int,
    told: Iterable[date | None],
    step: Callable[[str], None] = lambda step: None,
    **audited: Any,
) -> Publication:
    """A night whose models say that the orders of these days may have changed; None: of every day."""
    chain.audit(as_of, **{"days": 30, **audited})
    with duckdb.connect(str(chain.warehouse)) as con:
        con.execute("alter table ops.run_context add column run_seq bigint")
        con.execute("update ops.run_context set run_seq = ?", [run])
        con.execute("create schema if not exists intermediate")
        con.execute(
            "create or replace table intermediate.int_touched_days"
            " (run_seq bigint, fact varchar, business_date date)"
        )
        for day in told:
            con.execute("insert into intermediate.int_touched_days values (?, 'orders', ?)", [run, day])
    return chain.publish(as_of, step)


@pytest.fixture
def read_days(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was digested because of what was touched."""
    found: list[str] = []
    real = touched_module.digests

    def spy(con: Any, shape: Any, relation: str, *, split: bool) -> Any:
        found.append(relation)
        return real(con, shape, relation, split=split)

    monkeypatch.setattr(touched_module, "digests", spy)
    return found


def test_only_touched_days_and_one_other_are_read(chain: Any, make_chain: Any, read_days: list[str]) -> None:
    night(chain, D, 1, [None])
    assert read_days == []
    after = night(chain, D + DAY, 2, [D - DAY, D + DAY], days=31, corrected=D - DAY)
    sample, touched = read_days
    assert sample.count("date '") == 1
    assert touched.endswith("in (date '2024-03-04', date '2024-03-06'))")
    assert {path for path in after.written if path.startswith("orders/")} == {
        f"orders/business_date={day}/data.parquet" for day in (D - DAY, D + DAY)
    }
    # the same as of somebody who reads everything
    other = make_chain("reads_all")
    other.night(D, days=30)
    assert other.night(D + DAY, days=31, corrected=D - DAY).publication_id == after.publication_id


def test_a_touched_day_may_be_gone(chain: Any) -> None:
    night(chain, D, 1, [None], days=3)
    after = night(chain, D, 2, [D - 2 * DAY], days=2)
    assert sorted(after.tables["orders"].partitions) == ["2024-03-04", "2024-03-05"]
    assert chain.query("select min(business_date) from marts.orders") == [(D - DAY,)]


def test_what_nobody_announced_is_found_by_the_sample(chain: Any) -> None:
    night(chain, D, 1, [None], days=2)
    with pytest.raises(PublishError, match="--full-refresh"):
        night(chain, D, 2, [D], days=2, corrected=D - DAY)
    assert chain.held().tables["orders"].partitions.keys() == {"2024-03-04", "2024-03-05"}


@pytest.mark.parametrize("reached", ["digested", "folder_renamed", "marts_changed", "committed", "link_made"])
def test_a_killed_publication_is_taken_up_again(
    chain: Any, make_chain: Any, read_days: list[str], reached: str
) -> None:
    night(chain, D, 1, [None])

    def kill(step: str) -> None:
        if step == reached:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        night(chain, D + DAY, 2, [D + DAY], kill, days=31)
    is_counted = reached in ("committed", "link_made")
    # the night counts from the commit on: only then is the next run another, and starts from it
    assert chain.query("select value from ops.state where name = 'run_seq'") == [
        ("2" if is_counted else "1",)
    ]
    read_days.clear()
    run, days = (3, [D + 2 * DAY]) if is_counted else (2, [D + DAY, D + 2 * DAY])
    after = night(chain, D + 2 * DAY, run, days, days=32)
    assert len(read_days) == 2
    other = make_chain("never_killed")
    other.night(D, days=30)
    if is_counted:
        other.night(D + DAY, days=31)
    assert other.night(D + 2 * DAY, days=32).publication_id == after.publication_id


def test_everything_is_read_when_the_run_started_elsewhere(chain: Any, read_days: list[str]) -> None:
    night(chain, D, 1, [None])
    # another table shape, a run that is not the next one, a publication of somebody else
    night(chain, D, 2, [], extra=True)
    assert read_days == []
    night(chain, D, 7, [], extra=True, corrected=D - DAY)
    assert read_days == []
    with duckdb.connect(str(chain.warehouse)) as con:
        con.execute("update ops.state set value = 'other' where name = 'run_publication'")
    night(chain, D, 8, [], extra=True, corrected=D - 2 * DAY)
    assert read_days == []
    night(chain, D, 9, [], extra=True, corrected=D - 2 * DAY)
    assert len(read_days) == 1


def test_the_same_contents_still_end_the_run(chain: Any, read_days: list[str]) -> None:
    first = night(chain, D, 1, [None])
    assert night(chain, D, 2, [D]).publication_id == first.publication_id
    assert chain.query("select value from ops.state where name = 'run_seq'") == [("2",)]
    assert night(chain, D, 3, []).publication_id == first.publication_id
    assert len(read_days) == 3


def test_publishing_some_tables_leaves_the_others_and_ends_no_run(chain: Any, read_days: list[str]) -> None:
    """An afternoon publishes its own tables; what a killed night has built of the others is not shown by it, and stays
    announced for the next night."""
    before = night(chain, D, 1, [None], days=3)
    chain.audit(D, days=3, corrected=D - DAY)
    with duckdb.connect(str(chain.warehouse)) as con:
        con.execute("update audit.campaign_candidates set outcome = 'held_out'")
        con.execute("alter table ops.run_context add column if not exists run_seq bigint")
        con.execute("update ops.run_context set run_seq = 2")
    after = chain.publish(D, only=["campaign_candidates"])
    assert after.publication_id != before.publication_id
    assert {name for name in after.tables if after.tables[name] != before.tables[name]} == {
        "campaign_candidates"
    }
    assert dict(chain.query("select name, value from ops.state where name like 'run_%'")) == {
        "run_seq": "1",
        "run_publication": after.publication_id,
    }
    assert (
        night(chain, D, 2, [D - DAY], days=3, corrected=D - DAY).tables["orders"] != before.tables["orders"]
    )
    assert len(read_days) == 2
