"""Every rule that is asked again at the send instant, at its edges."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from push_world import FIRST, L2, D, FakeWecom, World, at, push_world

from dagster_project.activation import PushReport
from dagster_project.activation.plan import Plan, build_plan
from dagster_project.config import load_chain
from dagster_project.lake.feedback import PushJournal, journal_path

Push = Callable[..., PushReport]


def plan_of(world: World) -> Plan:
    return build_plan(world.chain, D, {L2: at(10), FIRST: at(10, 30)}, world.inputs())


def refusals(plan: Plan) -> dict[tuple[str, str], str | None]:
    return {(r["campaign_id"], r["member_id"]): r["refusal"] for r in plan.treated.to_pylist()}


def guards(world: World, text: str) -> None:
    (world.chain.root / "rules").mkdir(exist_ok=True)
    from importlib.resources import files

    packaged = files("dagster_project").joinpath("templates/chain/rules/guards.yml").read_text("utf-8")
    for line in text.splitlines():
        key = line.split(":")[0]
        packaged = "\n".join(line if old.startswith(f"{key}:") else old for old in packaged.splitlines())
    (world.chain.root / "rules" / "guards.yml").write_text(packaged, "utf-8")
    world.chain = load_chain(world.chain.root)


def past(world: World, member: str, sent_on: date, state: str = "accepted", action: str = "message") -> None:
    """An effect of another campaign in the journal."""
    with PushJournal(journal_path(world.chain.paths.lake, sent_on - timedelta(days=1), "older")) as journal:
        journal.append(
            [
                {
                    "message_id": f"x{member}{sent_on}",
                    "campaign_id": "older",
                    "business_date": (sent_on - timedelta(days=1)).isoformat(),
                    "member_id": member,
                    "target": "wecom",
                    "action": action,
                    "attempt": 1,
                    "state": state,
                    "vendor_code": None,
                    "vendor_ref": None,
                    "payload_sha256": "0" * 64,
                    "at": f"{sent_on} 10:00:00",
                    "task": None,
                    "sender": None,
                    "receiver": None,
                }
            ]
        )


@pytest.mark.parametrize(
    ("days_ago", "state", "refusal"),
    [
        (6, "accepted", "capped"),
        (7, "accepted", None),
        (6, "uncertain", "capped"),
        (6, "rejected", None),
        (6, "skipped:capped", None),
    ],
)
def test_frequency_cap_counts_what_reached_her(
    world: World, days_ago: int, state: str, refusal: str | None
) -> None:
    world.member("m1", openid="o1")
    past(world, "m1", at(10).date() - timedelta(days=days_ago), state)
    assert refusals(plan_of(world)) == {(L2, "m1"): refusal}


def test_a_tag_is_no_message(world: World) -> None:
    world.member("m1", openid="o1")
    past(world, "m1", at(10).date(), action="tag")
    assert refusals(plan_of(world)) == {(L2, "m1"): None}


def test_one_message_for_two_campaigns_of_a_night(world: World) -> None:
    world.member("m1", openid="o1")
    world.candidate("m1", FIRST)
    assert refusals(plan_of(world)) == {(L2, "m1"): None, (FIRST, "m1"): "capped"}


def test_merged_members_are_one_person(world: World, push: Push) -> None:
    world.member("m1", followed_by=["mgr1"])
    world.candidate("gone", L2)
    world.candidate("older", L2)
    world.rows["member_redirects"] += [
        {"retired_member_id": "older", "member_id": "m1"},
        {"retired_member_id": "gone", "member_id": "m1"},
    ]
    assert refusals(plan_of(world)) == {(L2, "gone"): None, (L2, "m1"): "capped", (L2, "older"): "capped"}
    client = FakeWecom()
    push(client)
    assert client.received() == {"wm_m1": 1}
    world.candidate("gone", FIRST)
    assert refusals(plan_of(world))[(FIRST, "gone")] == "capped"


def test_a_member_nobody_knows_any_more_gets_nothing(world: World) -> None:
    world.candidate("erased")
    assert refusals(plan_of(world)) == {(L2, "erased"): "no_consent"}


def test_holdout_is_out_of_reach_whatever_its_row_says(world: World) -> None:
    world.member("m1", openid="o1", arm="holdout", outcome="quiet_hours")
    plan = plan_of(world)
    assert not plan.effects.num_rows and not plan.treated.num_rows


def test_only_accounts_of_the_group_system_take_its_coupons(world: World) -> None:
    world.member("m1")
    world.identifier("m1", "openid", "wxtill:o1")
    world.member("m2")
    world.identifier("m2", "openid", "wxgroup:o2", shared=True)
    world.rows["record_members"].append({"feed": "users", "record_id": "wxgroup|o2"})
    assert set(refusals(plan_of(world)).values()) == {"unreachable"}


def test_staff_of_her_shop_before_others_and_managers_before_staff(world: World) -> None:
    world.rows["shop_staff"] += [
        {"store_code": "S001", "userid": "zoe", "rank": 1},
        {"store_code": "S002", "userid": "bea", "rank": 1},
    ]
    world.member("m1", followed_by=["abe", "zoe"])
    world.member("m2", followed_by=["abe", "mgr1", "zoe"])
    world.member("m3", followed_by=["bea", "carl", "mgr2"])
    senders = {r["member_id"]: r["sender"] for r in plan_of(world).treated.to_pylist()}
    assert senders == {"m1": "zoe", "m2": "mgr1", "m3": "bea"}


def test_budget_of_the_run_counts_what_already_went_out(world: World, push: Push) -> None:
    guards(world, "max_send_per_run: 2")
    for number in range(4):
        world.member(f"m{number}", followed_by=["mgr1"])
    client = FakeWecom()
    push(client)
    assert client.received() == {"wm_m0": 1, "wm_m1": 1}
    assert world.states("decide") == {"m2": "skipped:over_budget", "m3": "skipped:over_budget"}
    world.member("m9", followed_by=["mgr1"])
    assert push(client).outcomes["over_budget"] == 3


def test_tasks_hold_at_most_what_the_vendor_takes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dagster_project.activation.plan.MAX_RECEIVERS", 3)
    for number in range(7):
        world.member(f"m{number}", followed_by=["mgr1"])
    client = FakeWecom()
    push_world(world, client)
    assert sorted(len(task["to"]) for task in client.tasks) == [1, 3, 3]
    assert len({task["text"] for task in client.tasks}) == 3


def test_plan_is_the_same_for_rows_in_any_order(world: World) -> None:
    for number in range(20):
        world.member(f"m{number}", followed_by=["abe", "mgr1"][: number % 3], openid=f"o{number}")
    plan = plan_of(world)
    for rows in world.rows.values():
        rows.reverse()
    other = plan_of(world)
    assert all(getattr(plan, name).equals(getattr(other, name)) for name in Plan.__dataclass_fields__)


def test_withdrawn_consent_stops_what_was_only_planned(world: World, push: Push) -> None:
    world.member("m1", followed_by=["mgr1"], openid="o1")
    world.member("m2", followed_by=["mgr1"], openid="o2")
    client = FakeWecom(plan={"add_msg_template": ["busy"]})
    put_off = push(client)
    assert put_off.outcomes == {"pending": 2} and "中途停下" in put_off.render()
    world.consent("m2", "N")
    done: Any = push(client)
    assert done.outcomes == {"awaiting_staff": 1, "opted_out": 1}
    assert client.received() == {"wm_m1": 1}
