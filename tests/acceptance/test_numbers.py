"""The published numbers against the oracle, to the fen, on the first publication and on the last."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import readers
from tests.acceptance.oracle import Oracle, fen, published_id
from tests.acceptance.scenarios import EARLY, Lab
from tests.acceptance.world import LAST, STORES, World

pytestmark = pytest.mark.job("main")

MARTS = {
    "record_members", "members", "member_identifiers", "member_events", "identity_refusals", "orders", "order_lines",
    "member_metrics", "churn_tiers", "koc", "segments", "segment_members", "store_days", "campaign_candidates", "messages",
}  # fmt: skip


class Told:
    """One publication beside what it should say; `member`: the oracle's groups → published member ids."""

    def __init__(self, current: Path, world: World, as_of: date) -> None:
        self.current, self.world, self.as_of = current, world, as_of
        self.oracle = Oracle(world, as_of, wecom=as_of != EARLY)
        self.records = {
            (r["connection"], r["feed"], r["record_id"]): r["member_id"]
            for r in readers.rows(current, "record_members")
        }
        pairs = defaultdict(set)
        for record, says in self.oracle.records():
            group = self.oracle.member_of(says)
            if group and self.records.get(record):
                pairs[group].add(self.records[record])
        self.pairs = dict(pairs)
        self.member = {group: next(iter(found)) for group, found in pairs.items() if len(found) == 1}
        by_person = self.oracle.person_groups()
        self.doubtful = {
            g for name, groups in by_person.items() if not world.people[name].sure for g in groups
        }

    def of_night(self, table: str) -> list[dict[str, Any]]:
        return readers.rows(self.current, table, f"as_of_date = date '{self.as_of}'")

    def expected(self) -> dict[str, Any]:
        """Published member id → metrics, without the people the contract leaves in doubt."""
        return {
            self.member[g]: m
            for g, m in self.oracle.metrics.items()
            if g in self.member and g not in self.doubtful
        }


@pytest.fixture(scope="module", params=["first", "last"])
def told(request: pytest.FixtureRequest, lab: Lab, current: Path, world: World) -> Told:
    if request.param == "first":
        return Told(lab.folder / "early", world, EARLY)
    return Told(current, world, LAST)


def test_every_mart_of_the_contract_is_published(current: Path) -> None:
    assert readers.tables(current) >= MARTS


def test_orders_equal_the_oracle(told: Told) -> None:
    wanted = {
        order.key: {
            "channel": order.channel, "ordered_at": order.ordered_at, "business_date": order.business_date,
            "net_fen": order.net, "refund_fen": order.refund, "is_test": order.is_test,
        }
        for order in told.oracle.orders.values()
    }  # fmt: skip
    found = {
        (r["connection"], r["store_code"], r["source_order_id"]): {
            k: r[k] for k in next(iter(wanted.values()))
        }
        for r in readers.rows(told.current, "orders")
    }
    assert sorted(map(str, wanted.keys() - found.keys())) == []
    assert sorted(map(str, found.keys() - wanted.keys())) == []
    assert [(key, found[key], wanted[key]) for key in wanted if found[key] != wanted[key]] == []


def test_discounts_equal_the_oracle(told: Told) -> None:
    found = {
        (r["connection"], r["store_code"], r["source_order_id"]): r["discount_fen"]
        for r in readers.rows(told.current, "orders")
    }
    wrong = [
        (o.key, found[o.key], o.discount)
        for o in told.oracle.orders.values()
        if o.discount is not None and found[o.key] != o.discount
    ]
    assert wrong == []


def test_order_lines_are_the_newest_lines_of_the_orders(told: Told) -> None:
    orders = {
        r["order_key"]: (r["connection"], r["store_code"], r["source_order_id"])
        for r in readers.rows(told.current, "orders")
    }
    found = {
        (*orders[r["order_key"]], r["line_no"]): (r["sku"] or "", r["amount_fen"], r["qty"])
        for r in readers.rows(told.current, "order_lines")
    }
    wanted = {}
    for order in told.oracle.orders.values():
        if order.unlinked:
            found = {key: line for key, line in found.items() if key[:3] != order.key}
            continue
        feed = "ticket_lines" if order.channel == "pos" else "order_lines"
        for row in told.oracle.lines_of(order):
            sku = row["sku"] if (order.connection, feed) != ("group_mini", "order_lines") else ""
            wanted[(*order.key, row["line_no"])] = (sku, fen(row["amount"]), row["qty"])
    assert sorted(map(str, wanted.keys() ^ found.keys())) == []
    wrong = [
        (k, found[k], v)
        for k, v in wanted.items()
        if found[k][:2] != v[:2] or float(found[k][2]) != float(v[2])
    ]
    assert wrong == []


def test_sure_people_are_one_member_each(told: Told) -> None:
    """Nobody the contract is clear about is split, and no two of them are one."""
    groups = told.oracle.person_groups()
    split = {name: found for name, found in groups.items() if told.world.people[name].sure and len(found) > 1}
    if told.as_of == LAST:
        assert split == {}, "the world itself is inconsistent"
    many = {g: sorted(m) for g, m in told.pairs.items() if len(m) > 1 and g not in told.doubtful}
    assert many == {}, "one person, several members"
    owners = defaultdict(set)
    for group, found in told.pairs.items():
        if group not in told.doubtful:
            for member in found:
                owners[member].add(group)
    assert {m: sorted(g) for m, g in owners.items() if len(g) > 1} == {}, "several people, one member"


def test_records_that_name_a_person_have_a_member_and_others_do_not(told: Told) -> None:
    wrong = []
    for record, says in told.oracle.records():
        if record[1] not in ("tickets", "members", "users", "orders", "contacts"):
            continue
        group = told.oracle.member_of(says)
        if group is None and told.records.get(record) is not None:
            wrong.append(("recognised", record, says))
        elif group and group not in told.doubtful and told.records.get(record) is None:
            wrong.append(("not recognised", record, says))
    assert wrong == []


def test_shared_phones_link_nobody_and_are_listed(told: Told) -> None:
    if told.as_of != LAST:
        pytest.skip("the fourth card comes later")
    refusals = readers.rows(told.current, "identity_refusals")
    masks = {r["phone_masked"] for r in readers.rows(told.current, "members", "phone_masked is not null")}
    texts = [" ".join(str(v) for v in r.values()) for r in refusals]
    identifiers = readers.rows(told.current, "member_identifiers", "namespace = 'phone' and not is_shared")
    for why, phone in told.world.shared_phones.items():
        names = [n for n, p in told.world.people.items() if p.phone == phone]
        ids = [
            node
            for n in names
            for node in [r for _, r in told.world.people[n].cards]
            + [o for _, o in told.world.people[n].accounts]
        ]
        assert any(any(i in text for i in ids) for text in texts), f"{why}: no refusal names {ids}"
    assert masks  # members still show a masked number
    assert len({r["identifier"] for r in identifiers}) == len(identifiers), "one phone, two members"


def fetching(told: Told) -> list[set[str]]:
    """Members whose orders, more than one each, one and the same number fetches at one site, by accounts of their own."""
    times: Counter[tuple[tuple[str, str], str]] = Counter()
    accounts = defaultdict(set)
    for (connection, feed), rows in told.oracle.latest.items():
        for key, row in rows.items() if feed == "orders" else ():
            member = told.records.get((connection, feed, "|".join(map(published_id, key))))
            accounts[row["receiver_phone"]].add(row["openid"])
            if member and row["receiver_phone"] and row["pickup_site"]:
                times[(row["receiver_phone"], row["pickup_site"]), member] += 1
    homes = defaultdict(set)
    for (place, member), orders in times.items():
        if orders > 1 and len(accounts[place[0]]) > 1:
            homes[place].add(member)
    return [home for home in homes.values() if len(home) > 1]


def test_who_share_a_number_or_a_receiver_are_a_household_and_nobody_else_is(told: Told) -> None:
    """A couple's two accounts on one number: two members, one household. Cards of one number count alike."""
    homes = defaultdict(set)
    for row in readers.rows(told.current, "members", "household_id is not null"):
        homes[row["household_id"]].add(row["member_id"])
    sharing = defaultdict(set)
    for record, says in told.oracle.records():
        phones = [n for n, role in says.nodes.items() if n[0] == "phone" and role == "own"]
        if phones and told.oracle.placed(phones[0], says) is None and told.records.get(record):
            sharing[phones[0]].add(told.records[record])
    wanted: list[set[str]] = []
    for home in [*map(set, sharing.values()), *fetching(told)]:
        wanted = [*(w for w in wanted if not w & home), home.union(*(w for w in wanted if w & home))]
    assert homes
    assert sorted(map(sorted, homes.values())) == sorted(map(sorted, wanted))


def test_store_days_equal_the_oracle(told: Told) -> None:
    found = {(r["store_code"], r["business_date"]): r for r in readers.rows(told.current, "store_days")}
    wanted = told.oracle.store_days()
    wrong = []
    for key, cell in wanted.items():
        row = found.get(key, {})
        seen = {name: row.get(name) for name in cell}
        if seen != cell:
            wrong.append((key, seen, cell))
        elif abs(row["recognition_rate"] - cell["identified_orders"] / cell["orders"]) > 1e-9:
            wrong.append((key, row["recognition_rate"], cell))
    assert wrong == []
    assert [
        key for key, row in found.items() if key not in wanted and key[0] in STORES and row["orders"]
    ] == []


def test_metrics_equal_the_oracle(told: Told) -> None:
    found = {r["member_id"]: r for r in told.of_night("member_metrics")}
    wrong = []
    for member, m in told.expected().items():
        row = found.get(member, {})
        seen = [row.get(c) for c in ("days_since_purchase", "spend_7d_fen", "spend_30d_fen", "spend_90d_fen")]
        want = [m.days_since, *(m.spend[d] for d in (7, 30, 90))]
        if [v or 0 for v in seen[1:]] != want[1:] or seen[0] != want[0]:
            wrong.append((member, seen, want))
    assert wrong == []
    assert [r for r in found.values() if (r["days_since_purchase"] or 0) < 0] == []


def test_churn_tiers_equal_the_oracle(told: Told) -> None:
    found = {
        r["member_id"]: (r["tier"], r["days_since"], r["last_purchase_on"])
        for r in told.of_night("churn_tiers")
    }
    wanted = {member: (m.tier, m.days_since, m.last) for member, m in told.expected().items() if m.last}
    assert [(k, found.get(k), v) for k, v in wanted.items() if found.get(k) != v] == []
    never = [member for member, m in told.expected().items() if not m.last]
    assert [found[m] for m in never if m in found] == []


def test_koc_equals_the_oracle(told: Told) -> None:
    """Before any share event ever arrived the answer is unknown for everybody, never no and never zero."""
    found = {r["member_id"]: r for r in told.of_night("koc")}
    assert found
    if told.as_of == EARLY:
        assert {r["eligible"] for r in found.values()} == {"unknown"}
        assert {r["shares_30d"] for r in found.values()} == {None}
        return
    wrong = []
    for member, m in told.expected().items():
        row = found.get(member)
        seen = row["eligible"] if row else "no"
        if seen != m.koc or (row and (row["shares_30d"], row["spend_30d_fen"]) != (m.shares, m.spend[30])):
            wrong.append((member, row, m))
    assert wrong == []


def test_segments_equal_the_oracle(told: Told) -> None:
    found = defaultdict(set)
    for r in told.of_night("segment_members"):
        found[r["segment_id"]].add(r["member_id"])
    known = set(told.expected())
    for segment, groups in told.oracle.segments().items():
        wanted = {told.member[g] for g in groups if g in told.member} & known
        if segment == "potential_group_buyer":
            continue
        assert found[segment] & known == wanted, segment
    assert {r["segment_id"] for r in readers.rows(told.current, "segments")} >= set(told.oracle.segments())


def test_potential_group_buyers_joined_and_never_ordered_in_the_group(told: Told) -> None:
    """Counter customers who joined the shop's group by scanning are; who ordered there, or never met it, is not."""
    found = {
        r["member_id"] for r in told.of_night("segment_members") if r["segment_id"] == "potential_group_buyer"
    }
    joined = {
        told.member[g]
        for g in told.oracle.segments()["potential_group_buyer"]
        if g in told.member and told.oracle.metrics[g].last
    }
    assert joined - found == set()
    ordered = {member for member, m in told.expected().items() if m.group_orders}
    assert ordered & found == set()
    people = told.world.people
    groups = told.oracle.person_groups()
    strangers = {
        told.member[g]
        for name, p in people.items()
        if not p.accounts and not p.externals
        for g in groups[name]
        if g in told.member
    }
    assert strangers and strangers & found == set()


def test_marts_schema_says_the_same(lab: Lab, current: Path) -> None:
    warehouse = lab.job("main")["root"] / "warehouse.duckdb"
    different = {t: n for t in sorted(MARTS) if (n := readers.marts_difference(warehouse, current, t))}
    assert different == {}
