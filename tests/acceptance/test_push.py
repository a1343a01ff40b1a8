"""Pushing: nobody is called by a dry run, nothing is sent twice, consent and the hold-out are kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance import readers
from tests.acceptance.scenarios import Lab, Push
from tests.acceptance.test_numbers import Told
from tests.acceptance.world import LAST, World

pytestmark = pytest.mark.job("pushed")

OUTCOMES = {
    "sent", "delivered", "held_out", "no_consent", "opted_out", "capped", "quiet_hours", "unreachable", "over_budget",
    "rejected", "uncertain", "awaiting_staff", "superseded",
}  # fmt: skip
CONTACTED = {"sent", "delivered", "awaiting_staff"}


@pytest.fixture(scope="module")
def push(lab: Lab) -> Push:
    result: Push = lab.job("pushed")
    return result


@pytest.fixture(scope="module")
def after(lab: Lab, push: Push) -> Path:
    """The publication right after the two live pushes."""
    return lab.folder / "after_push"


@pytest.fixture(scope="module")
def names(lab: Lab, push: Push, world: World) -> dict[str, str]:
    """Published member id → person."""
    told = Told(lab.folder / "after_push", world, LAST)
    return {
        told.member[g]: name
        for name, groups in told.oracle.person_groups().items()
        for g in groups
        if g in told.member
    }


def test_a_dry_run_calls_nobody_and_prints_what_would_happen(push: Push) -> None:
    assert push.writes[0] == {"calls": 0, "tokens": 0}
    assert "半月未到店" in push.dry.stdout or "lapse_l2" in push.dry.stdout


def test_the_second_live_push_sends_nothing(push: Push) -> None:
    kinds = ("externalcontact/add_msg_template", "externalcontact/mark_tag", "externalcontact/add_corp_tag")
    first, second = ({k: w.get(k, 0) for k in kinds} for w in push.writes[1:])
    assert first["externalcontact/add_msg_template"] > 0
    assert first == second
    sent = Counter(
        e
        for path, body in push.stub.calls
        if path.endswith("add_msg_template")
        for e in body["external_userid"]
    )
    assert {e: n for e, n in sent.items() if n > 1} == {}


def test_every_candidate_has_one_row_and_an_allowed_outcome(after: Path) -> None:
    rows = readers.rows(after, "campaign_candidates")
    assert rows
    keys = Counter((r["campaign_id"], r["business_date"], r["member_id"]) for r in rows)
    assert {k: n for k, n in keys.items() if n > 1} == {}
    assert {r["outcome"] for r in rows} <= OUTCOMES
    assert {r["outcome"] for r in rows} >= {"held_out", "no_consent", "awaiting_staff"}
    assert {
        (r["arm"], r["outcome"]) for r in rows if (r["arm"] == "holdout") != (r["outcome"] == "held_out")
    } == set()


def test_candidates_are_the_lapsed_and_the_joined(
    after: Path, names: dict[str, str], world: World, lab: Lab
) -> None:
    told = Told(after, world, LAST)
    lapsed = {member for member, m in told.expected().items() if m.tier == "L2"}
    rows = readers.rows(after, "campaign_candidates", f"business_date = date '{LAST}'")
    found = {c: {r["member_id"] for r in rows if r["campaign_id"] == c} for c in ("lapse_l2", "first_order")}
    earlier = {
        r["member_id"]
        for r in readers.rows(
            after, "campaign_candidates", f"campaign_id = 'lapse_l2' and business_date < date '{LAST}'"
        )
    }
    known = set(told.expected())
    assert (found["lapse_l2"] & known) | (earlier & lapsed) == lapsed
    joined = {member for member, name in names.items() if name.startswith("joined_at_till")}
    every = {
        r["member_id"] for r in readers.rows(after, "campaign_candidates", "campaign_id = 'first_order'")
    }
    assert joined - every == set()
    assert {names[m] for m in every if m in names} & {"giver", "order_states"} == set()


def test_nobody_without_consent_and_nobody_held_out_is_contacted(
    push: Push, after: Path, names: dict[str, str], world: World
) -> None:
    external = {e: name for name, person in world.people.items() for e in person.externals}
    contacted = {external[e] for e in push.stub.contacted()}
    assert contacted
    forbidden = {n for n, p in world.people.items() if p.consent != "Y"} | set(
        world.marks["must_not_contact"]
    )
    assert contacted & forbidden == set()
    held = set()
    for campaign, text in (("lapse_l2", "好久不见"), ("first_order", "欢迎进群")):
        where = f"arm = 'holdout' and campaign_id = '{campaign}'"
        out = {names.get(r["member_id"]) for r in readers.rows(after, "campaign_candidates", where)}
        written = {external[e] for path, b in push.stub.calls if path.endswith("add_msg_template")
                   and b["text"]["content"].startswith(text) for e in b["external_userid"]}  # fmt: skip
        assert out and written and written & out == set()
        held |= out if campaign == "lapse_l2" else set()
    lists = "".join(
        p.read_text("utf-8-sig")
        for p in (push.root / "exports").rglob("*.csv")
        if "coupon" in p.name or "券" in p.name
    )
    for name in forbidden | held - {None}:
        for _, openid in world.people[str(name)].accounts:
            assert f"{openid}," not in lists, f"{name} is on a coupon list"


def test_who_was_contacted_is_who_the_table_says(
    push: Push, after: Path, names: dict[str, str], world: World
) -> None:
    external = {e: name for name, person in world.people.items() for e in person.externals}
    written = {
        external[e]
        for path, b in push.stub.calls
        if path.endswith("add_msg_template")
        for e in b["external_userid"]
    }
    told = {
        names[r["member_id"]]
        for r in readers.rows(after, "campaign_candidates", "channel = 'wecom'")
        if r["outcome"] in CONTACTED
    }
    refused = {external[e] for e in push.stub.unreachable}
    assert told == written - refused


def test_messages_carry_an_idempotency_key_each(after: Path) -> None:
    rows = readers.rows(after, "messages")
    assert rows
    assert len({r["message_id"] for r in rows}) == len(rows)


@pytest.mark.slow
@pytest.mark.job("results")
def test_results_of_the_vendor_become_outcomes_the_next_night(
    lab: Lab, push: Push, names: dict[str, str], world: World
) -> None:
    rows = readers.rows(
        lab.job("results") / "published" / "current", "campaign_candidates", f"business_date = date '{LAST}'"
    )
    outcome = {
        names[r["member_id"]]: r["outcome"]
        for r in rows
        if r["channel"] == "wecom" and r["member_id"] in names
    }
    meaning = {0: "awaiting_staff", 1: "delivered", 2: "unreachable", 3: "capped"}
    external = {e: name for name, person in world.people.items() for e in person.externals}
    wrong = {}
    for message in push.stub.messages:
        for customer in message["to"]:
            want = meaning[push.stub.send_status.get(customer, 0)]
            if outcome.get(external[customer]) != want:
                wrong[external[customer]] = (outcome.get(external[customer]), want)
    assert wrong == {}


@pytest.mark.slow
@pytest.mark.job("results")
def test_nobody_gets_a_second_message_the_next_night(lab: Lab) -> None:
    """Each campaign fires once per lapse: the night after the push finds nobody again."""
    rows = readers.rows(lab.job("results") / "published" / "current", "campaign_candidates")
    again = Counter((r["campaign_id"], r["member_id"], r["lapse_key"]) for r in rows)
    assert {k: n for k, n in again.items() if n > 1} == {}
