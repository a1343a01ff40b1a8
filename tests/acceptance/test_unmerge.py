"""Members that were declared one person and are two again: every table stands as if they had never been one.

Two chains of the same files. On one, two pairs of heavy buyers are declared one person each before the night of MERGED,
and that is taken back before the next night; on the other nobody decides anything. About four minutes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from dagster_project.publish import Publication, published_tables
from dagster_project.publish.tables import TableSpec
from dagster_project.simulator import simulate
from tests.acceptance.nights import night

END = date(2026, 11, 20)
MERGED = END - timedelta(days=1)
DAYS = 40
# what was decided while they were one stays decided: who was asked, in which arm, and what came of it
DECIDED = {"campaign_candidates", "messages", "recall_lapses", "experiment_results"}
Row = tuple[Any, ...]


class Person(NamedTuple):
    card: str
    member_id: str


@dataclass(frozen=True)
class Pair:
    """Two members; `since`: the night that the decision names, '' when it names none."""

    one: Person
    other: Person
    since: str

    @property
    def members(self) -> tuple[str, str]:
        return self.one.member_id, self.other.member_id

    @property
    def decision(self) -> str:
        said = f'- same: ["{self.one.card}", "{self.other.card}"]\n'
        return said + (f"  since: {self.since}\n" if self.since else "")


@dataclass(frozen=True)
class Story:
    """Both chains on both nights."""

    pairs: list[Pair]
    merged: Publication
    parted: Publication
    never_merged: Publication
    never: Publication

    @property
    def people(self) -> set[str]:
        return {member for pair in self.pairs for member in pair.members}


def choose_pairs(publication: Publication) -> list[Pair]:
    """Who buys most of those with points and coupons, with who does of those whom the counter alone knows (so that no
    guard keeps anything of the two apart); and two of one campaign, of either arm, who spent most."""
    buyers = (
        f"inner join {publication.sql('points_balances')} as points on records.member_id = points.member_id"
        f" inner join {publication.sql('coupons')} as coupons on records.member_id = coupons.member_id"
        " where points.balance > 0"
    )
    accounts = f"select member_id from {publication.sql('member_identifiers')} where namespace not in ('phone', 'pos_member')"
    asked = (
        f"inner join {publication.sql('campaign_candidates')} as asked on records.member_id = asked.member_id"
        " where asked.campaign_id = 'churn_l2_coupon' and asked.arm ="
    )
    most = "count(distinct orders.order_key) desc"
    whole = [
        _cards(publication, f"{buyers} and records.member_id {word} ({accounts})", most)[0]
        for word in ("in", "not in")
    ]
    arms = [
        _cards(publication, f"{asked} '{arm}'", "sum(orders.spend_fen) desc")[0]
        for arm in ("holdout", "treatment")
    ]
    return [Pair(whole[0], whole[1], since=""), Pair(arms[0], arms[1], since=MERGED.isoformat())]


def _cards(publication: Publication, joins: str, order: str) -> list[Person]:
    """The members that fit, each by a card."""
    found = duckdb.execute(
        "select 'pos_main|members|' || min(records.record_id) as card, records.member_id"
        f" from {publication.sql('record_members')} as records"
        f" inner join {publication.sql('orders')} as orders on records.member_id = orders.member_id {joins}"
        f" and records.feed = 'members' group by records.member_id order by {order}, card"
    ).fetchall()
    return [Person(*row) for row in found]


def rows(publication: Publication, table: str, columns: str = "*", where: str = "true") -> list[Row]:
    """Rows of a published table, in order."""
    if not publication.tables[table].rows:
        return []
    return duckdb.execute(
        f"select {columns} from {publication.sql(table)} where {where} order by all"
    ).fetchall()


def of_night(spec: TableSpec, night: date) -> str:
    return f"as_of_date = date '{night}'" if spec.kind == "as_of" else "true"


def different(one: Publication, other: Publication) -> set[str]:
    """Tables that do not hold the same rows; of those that keep every night's rows the last night's count."""
    return {
        spec.name
        for spec in published_tables()
        for where in [of_night(spec, one.as_of)]
        if rows(one, spec.name, where=where) != rows(other, spec.name, where=where)
    }


def owner(publication: Publication, person: Person) -> str:
    """Whose this card is."""
    connection, feed, record_id = person.card.split("|", 2)
    where = f"connection = '{connection}' and feed = '{feed}' and record_id = '{record_id}'"
    [(member,)] = rows(publication, "record_members", "member_id", where)
    return str(member)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WECOM_SECRET", "demo")
        patch.delenv("LINLI_KEY", raising=False)  # the first run makes a key, which the copy takes along
        folder = tmp_path_factory.mktemp("unmerge")
        yield _story(folder / "merged", folder / "never")


def _story(root: Path, never: Path) -> Story:
    simulate(root, basis="synthetic", persons=200, stores=2, days=DAYS, seed=5, end=END)
    pairs = choose_pairs(night(root, END - timedelta(days=DAYS - 1), MERGED - timedelta(days=1)))
    shutil.copytree(root, never, symlinks=True)
    decisions = root / "rules" / "identity_decisions.yml"
    was = decisions.read_text("utf-8")
    decisions.write_text(was + "".join(pair.decision for pair in pairs), "utf-8")
    merged = night(root, MERGED, MERGED)
    decisions.write_text(was, "utf-8")
    parted = night(root, END, END)
    return Story(pairs, merged, parted, night(never, MERGED, MERGED), night(never, END, END))


# what a member owns, by the table's key, and what adds up
OWNED = {
    "record_members": "connection, feed, record_id",
    "orders": "order_key",
    "points_ledger": "entry_id",
    "coupons": "coupon_code",
    "coupon_ledger": "ledger_id",
    "member_identifiers": "namespace, identifier",
    "engagements": "engagement_key",
}
SUMS = {
    "points_balances": "sum(balance)",
    "koc": "sum(spend_30d_fen), sum(shares_30d), sum(complaints)",
    "member_metrics": "sum(orders_90d), sum(spend_90d_fen), sum(open_coupons)",
}


def test_while_they_were_one_the_member_had_what_was_of_both(story: Story) -> None:
    whole = story.pairs[0]
    [member] = {owner(story.merged, person) for person in (whole.one, whole.other)}
    assert member in whole.members
    [retired] = set(whole.members) - {member}
    both = f"member_id in {whole.members}"
    for table, key in OWNED.items():
        theirs = rows(story.never_merged, table, key, both)
        assert rows(story.merged, table, key, f"member_id = '{member}'") == theirs
        if table != "engagements":
            apart = {owned[-1] for owned in rows(story.never_merged, table, f"{key}, member_id", both)}
            assert apart == set(whole.members), f"one of them has no {table}: a merge shows nothing there"
    specs = {spec.name: spec for spec in published_tables()}
    for table, sums in SUMS.items():
        night = of_night(specs[table], MERGED)
        theirs = rows(story.never_merged, table, sums, f"{both} and {night}")
        assert rows(story.merged, table, sums, f"member_id = '{member}' and {night}") == theirs
    left = {
        spec.name
        for spec in published_tables()
        if spec.name not in DECIDED and "member_id" in dict(story.merged.tables[spec.name].shape.columns)
        if rows(story.merged, spec.name, where=f"member_id = '{retired}' and {of_night(spec, MERGED)}")
    }
    assert left == set()


def test_while_they_were_one_the_member_was_in_both_arms(story: Story) -> None:
    """Somebody who was asked and held out at once says nothing of the campaign."""
    dated = story.pairs[1]
    [member] = {owner(story.merged, person) for person in (dated.one, dated.other)}
    what = ("recall_lapses", "arm, is_contaminated", "campaign_id = 'churn_l2_coupon' and member_id = '{}'")
    assert [rows(story.never_merged, *what[:2], what[2].format(m)) for m in dated.members] == [
        [("holdout", False)],
        [("treatment", False)],
    ]
    assert rows(story.merged, *what[:2], what[2].format(member)) == [("holdout", True), ("treatment", True)]


def test_the_tables_of_that_night_tell_of_it(story: Story) -> None:
    assert different(story.merged, story.never_merged) >= {
        *("record_members", "members", "member_identifiers", "identity_links", "orders", "engagements"),
        *("points_ledger", "points_balances", "coupons", "coupon_ledger", "member_metrics", "member_tags"),
        *("churn_tiers", "segment_members", "koc", "koc_evidence", "store_days", "campaign_candidates"),
        *("recall_lapses", "experiment_results", "member_events", "member_redirects"),
    }


def test_a_merge_is_an_event_of_the_night_that_its_decision_names(story: Story) -> None:
    """A decision without a night holds from the beginning: then they were never two, and nothing became of anybody."""
    plain, dated = story.pairs
    columns = "kind, member_id, other_member_id, occurred_on"
    now, otherwise = (
        set(rows(publication, "member_events", columns)) for publication in (story.merged, story.never_merged)
    )
    [alone] = set(plain.members) - {owner(story.merged, plain.one)}
    [created] = rows(
        story.never_merged, "member_events", columns, f"kind = 'created' and member_id = '{alone}'"
    )
    assert otherwise - now == {created}
    member = owner(story.merged, dated.one)
    [gone] = set(dated.members) - {member}
    # both had a WeChat account and a person has one: the other account is somebody's again
    accounts = dict(
        rows(story.never_merged, "members", "unionid, member_id", f"member_id in {dated.members}")
    )
    kept = dict(rows(story.merged, "members", "unionid, member_id", f"unionid in {tuple(accounts)}"))
    [apart] = set(kept.values()) - {member}
    assert now - otherwise == {("merged", member, gone, MERGED), ("split", member, apart, MERGED)}
    [(evidence,)] = rows(
        story.merged, "member_events", "evidence", f"kind = 'merged' and other_member_id = '{gone}'"
    )
    assert evidence.startswith("identity_decisions.same ")
    redirects, before = (
        set(rows(publication, "member_redirects")) for publication in (story.merged, story.never_merged)
    )
    assert redirects - before == {(gone, member, MERGED)} and before <= redirects


def test_parted_they_stand_as_if_they_had_never_been_one(story: Story) -> None:
    """Events and redirects too: they are made from the files and the decisions that hold, and none does."""
    for pair in story.pairs:
        assert (owner(story.parted, pair.one), owner(story.parted, pair.other)) == pair.members
    assert different(story.parted, story.never) <= DECIDED


def test_what_was_decided_while_they_were_one_concerns_nobody_else(story: Story) -> None:
    people = tuple(sorted(story.people))
    for table in sorted(DECIDED - {"experiment_results"}):
        others = f"member_id not in {people}"
        assert rows(story.parted, table, where=others) == rows(story.never, table, where=others)
    # asked on another night perhaps, in the arm that is their own
    arms = (
        "campaign_candidates",
        "distinct campaign_id, member_id, lapse_key, arm",
        f"member_id in {people}",
    )
    assert rows(story.parted, *arms) == rows(story.never, *arms)
    lapses = ("recall_lapses", "campaign_id, member_id, lapse_key, arm, is_contaminated")
    assert rows(story.parted, *lapses) == rows(story.never, *lapses)


def test_the_rows_of_the_night_between_are_not_restated(story: Story) -> None:
    for spec in published_tables():
        if spec.kind == "as_of":
            night = of_night(spec, MERGED)
            assert rows(story.parted, spec.name, where=night) == rows(story.merged, spec.name, where=night)
