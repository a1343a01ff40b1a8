"""From a pulled night and a publication to the vendor's own books, over real HTTP, with nothing replaced."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from click.testing import CliRunner
from push_world import L2, D, World, at, make_chain

from dagster_project.activation import PushError, pending_message_ids, push
from dagster_project.cli.push import push as command
from dagster_project.config import Chain, load_chain
from dagster_project.landing import land_pull
from dagster_project.privacy import chain_key
from dagster_project.publish import PublicationContext, publish, published_tables
from dagster_project.sandbox import Fault, Sandbox, running_sandbox
from dagster_project.sources import WecomClient, pull_night

MEMBERS = 8
NEEDED = {"campaign_candidates", "members", "member_identifiers", "member_redirects", "record_members"}


def vendor_world(leavers: int) -> dict[str, Any]:
    """Customers of abe and, every other one, of mgr1; the first `leavers` leave between the night and the push."""

    def unix(when: datetime) -> int:
        return int(when.replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp())

    follow = {"createtime": unix(at(12, 0, D)), "add_way": 1, "oper_userid": "abe"}
    left = {"deleted_at": unix(at(5))}
    return {
        "corp_id": "demo",
        "staff": ["abe", "mgr1"],
        "contacts": [
            {
                "external_userid": f"wm_m{number}",
                "name": "邻居",
                "type": 1,
                "gender": 0,
                "unionid": f"u{number}",
                "follow": [
                    {"userid": userid, **follow, **(left if number < leavers else {})}
                    for userid in (["abe"], ["abe", "mgr1"])[number % 2]
                ],
            }
            for number in range(MEMBERS)
        ],
        "tag_groups": [],
        "group_chats": [],
    }


def publish_world(world: World) -> None:
    """The tables a push reads, through the real publication."""
    with duckdb.connect(str(world.chain.paths.warehouse)) as con:
        con.execute("create schema if not exists audit; create schema if not exists ops")
        con.execute("create or replace table ops.run_context as select ?::date as as_of_date", [D])
        inputs = world.inputs()
        for name in NEEDED:
            table = "candidates" if name == "campaign_candidates" else name
            con.register("given", getattr(inputs, table))
            more = {
                "campaign_candidates": ", 'wecom' as channel, ''::varchar as detail, 'h' as rule_hash",
                "member_identifiers": ", 'x'::varchar as basis",
                "record_members": ", 'group_main' as connection",
            }.get(name, "")
            con.execute(f"create or replace table audit.{name} as select *{more} from given")
            con.unregister("given")
    publish(
        world.chain.paths.warehouse,
        world.chain.paths,
        as_of=D,
        context=PublicationContext([], {}),
        tables=[table for table in published_tables() if table.name in NEEDED],
    )


def pull(chain: Chain, base_url: str) -> None:
    with WecomClient(base_url, "demo", "demo") as client:
        night = pull_night(client, timezone=chain.timezone, pending_messages=pending_message_ids(chain, D))
    land_pull(chain, chain.connection("wecom"), D, chain_key(chain.paths.vault), lambda: (night, night.notes))


@contextmanager
def sandbox_of(folder: Path, leavers: int = 0) -> Iterator[Sandbox]:
    path = folder / "world.json"
    path.write_text(json.dumps(vendor_world(leavers), ensure_ascii=False), "utf-8")
    with running_sandbox(path, clock=at(2)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain whose night D is pulled and published; made once, copied by every test."""
    folder = tmp_path_factory.mktemp("night")
    world = World(make_chain(folder / "chain"))
    for number in range(MEMBERS):
        world.member(f"m{number}", openid=f"o{number}" if number > 5 else None)
        world.rows["members"][-1]["external_userid"] = f"wm_m{number}"
    publish_world(world)
    with sandbox_of(folder) as sandbox:
        pull(world.chain, sandbox.base_url)
    return world.chain.root


@pytest.fixture
def ready(night: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[World, Sandbox]]:
    """The chain, and the sandbox at the planned instant."""
    root = tmp_path / "chain"
    shutil.copytree(night, root, symlinks=True)
    with sandbox_of(tmp_path, getattr(request, "param", 0)) as sandbox:
        config = root / "chain.yml"
        config.write_text(
            config.read_text("utf-8").replace("http://127.0.0.1:8701", sandbox.base_url), "utf-8"
        )
        sandbox.set_clock(at(10))
        yield World(load_chain(root)), sandbox


def tasks(sandbox: Sandbox) -> dict[str, tuple[str | None, list[str | None]]]:
    """The vendor's books: msgid → sender and receivers."""
    with WecomClient(sandbox.base_url, "demo", "demo") as client:
        listed = client.groupmsg_list(sandbox.now - 3600, sandbox.now + 3600)
        return {
            task.msgid: (
                task.creator,
                [row.external_userid for row in client.groupmsg_send_result(task.msgid, task.creator or "")],
            )
            for task in sorted(listed, key=lambda task: task.msgid)
        }


def live(chain: Chain) -> Any:
    return push(chain, D, live=True, sleep=lambda seconds: None)


def test_each_customer_is_in_one_task_of_the_right_member(ready: tuple[World, Sandbox]) -> None:
    world, sandbox = ready
    dry = push(world.chain, D)
    report = live(world.chain)
    assert report.outcomes == dry.outcomes == {"awaiting_staff": MEMBERS}
    assert sorted(tasks(sandbox).values()) == [
        ("abe", ["wm_m0", "wm_m2", "wm_m4", "wm_m6"]),
        ("mgr1", ["wm_m1", "wm_m3", "wm_m5", "wm_m7"]),
    ]
    assert not live(world.chain).effects and len(tasks(sandbox)) == 2
    assert pending_message_ids(world.chain, D) == list(tasks(sandbox))


def test_answers_lost_on_the_wire_are_found_in_the_vendors_books(ready: tuple[World, Sandbox]) -> None:
    world, sandbox = ready
    sandbox.add_fault(Fault("timeout", api="externalcontact/add_msg_template", times=2, seconds=0.05))
    assert live(world.chain).outcomes == {"awaiting_staff": MEMBERS}
    assert len(tasks(sandbox)) == 2


def test_without_look_up_nothing_is_repeated(ready: tuple[World, Sandbox]) -> None:
    world, sandbox = ready
    sandbox.add_fault(Fault("timeout", api="externalcontact/add_msg_template", times=2, seconds=0.05))
    sandbox.add_fault(Fault("errcode", api="externalcontact/get_groupmsg_list_v2", times=99, errcode=48002))
    assert live(world.chain).outcomes == {"uncertain": MEMBERS}
    assert live(world.chain).outcomes == {"uncertain": MEMBERS}
    sandbox.clear_faults()
    assert len(tasks(sandbox)) == 2
    assert live(world.chain).outcomes == {"awaiting_staff": MEMBERS}
    assert len(tasks(sandbox)) == 2


@pytest.mark.parametrize("ready", [2], indirect=True)
def test_customers_who_left_are_rejected_not_retried(ready: tuple[World, Sandbox]) -> None:
    world, sandbox = ready
    assert live(world.chain).outcomes == {"awaiting_staff": MEMBERS - 2, "rejected": 2}
    assert world.states("tag")["m0"] == "rejected"
    assert not live(world.chain).effects and len(tasks(sandbox)) == 2


@pytest.mark.parametrize("ready", [2], indirect=True)
def test_who_failed_is_known_also_when_the_answer_is_lost(ready: tuple[World, Sandbox]) -> None:
    world, sandbox = ready
    sandbox.add_fault(Fault("timeout", api="externalcontact/add_msg_template", times=2, seconds=0.05))
    assert live(world.chain).outcomes == {"awaiting_staff": MEMBERS - 2, "rejected": 2}


def test_a_date_that_is_not_published_is_refused(ready: tuple[World, Sandbox], tmp_path: Path) -> None:
    world, _ = ready
    with pytest.raises(PushError, match="还没有发布"):
        push(world.chain, D + timedelta(days=1))
    with pytest.raises(PushError, match="没有任何发布"):
        push(make_chain(tmp_path / "empty"), D)
    assert push(world.chain, D - timedelta(days=1)).outcomes == {}


def test_command_previews_by_default(ready: tuple[World, Sandbox]) -> None:
    world, sandbox = ready
    arguments = ["--chain", str(world.chain.root), "--date", D.isoformat()]
    shown = CliRunner().invoke(command, arguments)
    assert shown.exit_code == 0 and "推送预演" in shown.output and "企业微信 8" in shown.output
    assert CliRunner().invoke(command, [*arguments, "--at", "soon"]).exit_code == 2
    assert not tasks(sandbox) and not (world.chain.paths.exports / "coupons" / L2).exists()
