"""Kills, lost answers and refusals in any order: in the end nothing is lost and nothing happens twice."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from push_world import L2, D, FakeWecom, World, make_chain, night_of, push_world

from dagster_project.activation import PushReport
from dagster_project.lake.feedback import journal_path, load_push_journal

Push = Callable[..., PushReport]
READ = "dagster_project.activation.run.read_inputs"


class Killed(BaseException):
    """Stands for kill -9: no handler of the push may catch it."""


def kill_at(step: int) -> Callable[[str], None]:
    left = itertools.count(step, -1)

    def probe(point: str) -> None:
        if next(left) == 0:
            raise Killed(point)

    return probe


def tear(world: World, amount: int) -> None:
    """What an append that was cut short leaves: the start of a line."""
    path = journal_path(world.chain.paths.lake, D, L2)
    if amount and path.exists():
        with path.open("ab") as file:
            file.write(b'{"message_id":"00000000000000000000ffff","campaign'[:amount])


def people(root: Path) -> World:
    world = World(make_chain(root))
    for number in range(6):
        world.member(
            f"m{number}",
            followed_by=["mgr1", "abe"][number % 2 : number % 2 + 1] if number < 5 else [],
            openid=f"o{number}" if number % 3 != 1 else None,
        )
    world.member("held", followed_by=["abe"], openid="oh", arm="holdout", outcome="held_out")
    return world


def coupons_of(root: Path) -> Counter[str]:
    lines = [
        line.split(",")[2]
        for path in sorted(root.rglob("coupons*.csv"))
        for line in path.read_text("utf-8-sig").splitlines()[1:]
    ]
    return Counter(lines)


def check_end(world: World, client: FakeWecom, withdrawn: dict[str, bool]) -> None:
    """Each member reached once or for a reason not at all, and the ledger knows it."""
    messages, coupons = world.states("message"), world.states("coupon")
    received, codes = client.received(), coupons_of(world.chain.root)
    assert not received.get("wm_held") and not codes["CCheld"]
    for number in range(6):
        member = f"m{number}"
        # nobody twice
        assert received.get(f"wm_{member}", 0) <= 1 and codes[f"CC{member}"] <= 1
        # the ledger is right
        assert (coupons.get(member) == "accepted") == (codes[f"CC{member}"] == 1)
        if number < 5:
            assert (messages.get(member) == "accepted") == (received.get(f"wm_{member}", 0) == 1)
        # nobody left out
        if member not in withdrawn:
            assert codes[f"CC{member}"] == 1
            assert number == 5 or messages[member] in ("accepted", "rejected")
            assert number == 5 or messages[member] == "accepted" or "refused!" in client.calls
        elif withdrawn[member]:  # before anything had been planned
            assert not received.get(f"wm_{member}") and not codes[f"CC{member}"]


steps = st.lists(st.sampled_from(["ok", "lost", "silent", "busy", "down", "refused"]), max_size=2)


@settings(
    max_examples=int(os.environ.get("LINLI_CRASH_HISTORIES", "6")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)
@given(
    histories=st.lists(
        st.tuples(
            st.integers(0, 30),  # the step of the kill
            st.sampled_from([0, 1, 17, 49]),  # bytes of a torn line
            steps,  # message calls
            st.sampled_from([[], ["busy"], ["down"]]),  # tag calls
            st.sampled_from([[], ["down"]]),  # look-ups
            st.sampled_from(["", "", "m0", "m3"]),  # who withdraws consent before it
        ),
        min_size=1,
        max_size=3,
    )
)
def test_no_history_loses_or_doubles(
    histories: list[tuple[int, int, list[str], list[str], list[str], str]],
) -> None:
    with TemporaryDirectory() as folder:
        world, client = people(Path(folder)), FakeWecom()
        withdrawn: dict[str, bool] = {}
        with patch(READ, night_of(world)):
            for step, torn, messages, tags, lists, leaver in histories:
                if leaver and leaver not in withdrawn:
                    world.consent(leaver, "N")
                    withdrawn[leaver] = leaver not in {
                        e["member_id"] for e in load_push_journal(world.chain.paths.lake).to_pylist()
                    }
                client.plan = {
                    "add_msg_template": list(messages),
                    "mark_tag": list(tags),
                    "groupmsg_list": list(lists),
                }
                if "refused" in messages:
                    client.calls.append("refused!")
                try:
                    push_world(world, client, probe=kill_at(step))
                except Killed:
                    tear(world, torn)
            client.plan = {}
            push_world(world, client)
            # what was not found right after a lost answer is looked up again before it is repeated
            report = push_world(world, client)
            assert report.is_complete
            check_end(world, client, withdrawn)
            before = len(client.calls)
            assert not push_world(world, client).effects and len(client.calls) == before


def test_every_single_kill_heals(tmp_path: Path) -> None:
    """Kill at each step in turn; the run after it finishes, and the vendor hears of nothing twice."""
    for step in itertools.count():
        world, client = people(tmp_path / str(step)), FakeWecom()
        with patch(READ, night_of(world)):
            try:
                push_world(world, client, probe=kill_at(step))
            except Killed:
                pass
            else:
                break
            push_world(world, client)
            check_end(world, client, {})
    assert step > 12


def test_what_cannot_be_looked_up_stays_uncertain_and_is_never_repeated(world: World, push: Push) -> None:
    world.member("m1", followed_by=["mgr1"])
    client = FakeWecom(plan={"add_msg_template": ["lost"], "groupmsg_list": ["down"] * 3})
    for _ in range(3):
        report = push(client)
        assert report.outcomes == {"uncertain": 1} and "没有重发" in report.render()
    assert client.calls.count("add_msg_template") == 1
    lines = len(load_push_journal(world.chain.paths.lake))
    assert push(client).outcomes == {"awaiting_staff": 1}
    assert client.calls.count("add_msg_template") == 1
    assert len(load_push_journal(world.chain.paths.lake)) == lines + 1


def test_a_lost_answer_is_found_in_the_same_push(world: World, push: Push) -> None:
    world.member("m1", followed_by=["mgr1"])
    world.member("m2", followed_by=["mgr1"])
    client = FakeWecom(plan={"add_msg_template": ["lost"]}, fails={"wm_m2"})
    assert push(client).outcomes == {"awaiting_staff": 1, "rejected": 1}
    assert world.states("message") == {"m1": "accepted", "m2": "rejected"}


def test_who_opts_out_while_an_answer_is_missing_is_not_sent_to_again(world: World, push: Push) -> None:
    world.member("m1", followed_by=["mgr1"])
    world.member("m2", followed_by=["abe"])
    client = FakeWecom(plan={"add_msg_template": ["silent", "lost"], "groupmsg_list": ["down"] * 2})
    assert push(client).outcomes == {"uncertain": 2}
    for member in ("m1", "m2"):
        world.consent(member, "N")
    # abe's task never reached the vendor and is dropped; mgr1's did, which is the truth and is told
    assert push(client).outcomes == {"opted_out": 1, "awaiting_staff": 1}
    assert client.received() == {"wm_m1": 1}
    assert world.states("message") == {"m1": "accepted", "m2": "skipped:opted_out"}


def test_silence_leaves_the_vendor_alone(world: World, push: Push) -> None:
    for number in range(6):
        world.member(f"m{number}", followed_by=[f"staff{number}"])
    client = FakeWecom(plan={"add_msg_template": ["silent"] * 6})
    report = push(client)
    assert client.calls.count("add_msg_template") == 3 and "没有回应" in report.render()
    client.plan = {}
    assert push(client).outcomes == {"awaiting_staff": 6}
    assert set(client.received().values()) == {1}


def test_a_changed_coupon_list_is_not_written_over(world: World, push: Push) -> None:
    world.member("m1", openid="o1")
    with pytest.raises(Killed):
        push(
            FakeWecom(),
            probe=lambda point: (_ for _ in ()).throw(Killed()) if point == "coupon:done" else None,
        )
    path = world.chain.paths.exports / "coupons" / L2 / "2026-11-20" / "coupons.csv"
    path.write_text("opened and saved by hand", "utf-8")
    report = push(FakeWecom())
    assert report.outcomes == {"uncertain": 1} and "被改动过" in report.render()
    assert path.read_text("utf-8") == "opened and saved by hand"


_CHILD = """
import os, signal, sys
from pathlib import Path
from unittest.mock import patch
sys.path.insert(0, sys.argv[1])
from push_world import FakeWecom, night_of, push_world
from test_crashes import READ, people

def probe(point):
    if point == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)

root = Path(sys.argv[2])
world = people(root)
with patch(READ, night_of(world)):
    push_world(world, FakeWecom(file=root / "vendor.jsonl"), probe=probe)
"""


@pytest.mark.parametrize(("point", "tasks"), [("message:after", 0), ("message:done", 1)])
def test_kill_minus_nine(tmp_path: Path, point: str, tasks: int) -> None:
    """The same with a real process and a vendor that outlives it: killed just before and just after a call."""
    command = [sys.executable, "-c", _CHILD, str(Path(__file__).parent), str(tmp_path), point]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    world, client = people(tmp_path), FakeWecom(file=tmp_path / "vendor.jsonl")
    assert len(client.tasks) == tasks
    with patch(READ, night_of(world)):
        push_world(world, client)
    check_end(world, client, {})
    stored = [json.loads(line) for line in (tmp_path / "vendor.jsonl").read_text("utf-8").splitlines()]
    assert Counter(to for task in stored for to in task["to"]) == {f"wm_m{number}": 1 for number in range(5)}
