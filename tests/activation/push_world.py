"""A small chain with candidates, and a WeCom that misbehaves on request."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from dagster_project.activation import PushReport, push
from dagster_project.activation.inputs import Night
from dagster_project.activation.plan import Inputs
from dagster_project.config import Chain, load_chain
from dagster_project.lake.feedback import load_push_journal
from dagster_project.sources import (
    CreatedMessage,
    GroupMessage,
    OutcomeUncertain,
    Unreachable,
    VendorBusy,
    VendorError,
)
from dagster_project.sources.wecom_client import SendResult, Tag

D = date(2026, 11, 20)
L2, FIRST = "churn_l2_coupon", "first_group_order"

CHAIN_YML = """
chain: {code: demo, name: 邻里鲜}
connections:
  - {name: pos_main, preset: standard_pos}
  - {name: group_main, preset: standard_groupbuy}
  - {name: wecom, preset: wecom_api, base_url: "http://127.0.0.1:8701", corp_id: demo, secret: demo}
targets:
  - {name: wecom, kind: wecom, base_url: "http://127.0.0.1:8701", corp_id: demo, secret: demo}
"""
STORES_CSV = """store_code,store_name,lng,lat,opened_on,business_day_cutover,manager_wecom_userid,wecom_department
S001,一店,,,,,mgr1,
S002,二店,,,,,mgr2,
"""
_SCHEMAS = {
    "candidates": {
        "campaign_id": pa.string(),
        "business_date": pa.date32(),
        "member_id": pa.string(),
        "arm": pa.string(),
        "outcome": pa.string(),
        "lapse_key": pa.string(),
        "coupon_code": pa.string(),
        "subject": pa.string(),
    },
    "members": {
        "member_id": pa.string(),
        "home_store_code": pa.string(),
        "phone_masked": pa.string(),
        "external_userid": pa.string(),
        "consent_marketing": pa.string(),
    },
    "member_identifiers": {
        "member_id": pa.string(),
        "namespace": pa.string(),
        "identifier": pa.string(),
        "valid_from": pa.date32(),
        "valid_to": pa.date32(),
        "is_shared": pa.bool_(),
    },
    "member_redirects": {"retired_member_id": pa.string(), "member_id": pa.string()},
    "record_members": {"feed": pa.string(), "record_id": pa.string()},
    "edges": {"userid": pa.string(), "external_userid": pa.string()},
    "shop_staff": {"store_code": pa.string(), "userid": pa.string(), "rank": pa.int32()},
}


@dataclass
class World:
    """What a publication and the lake would say, as rows that a test may change between pushes."""

    chain: Chain
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in _SCHEMAS})

    def member(
        self,
        member_id: str,
        *,
        consent: str | None = "Y",
        store: str = "S001",
        followed_by: Sequence[str] = (),
        openid: str | None = None,
        card: str | None = None,
        campaign: str | None = L2,
        arm: str = "treatment",
        outcome: str = "quiet_hours",
    ) -> None:
        external = f"wm_{member_id}" if followed_by else None
        self.rows["members"].append(
            {
                "member_id": member_id,
                "home_store_code": store,
                "phone_masked": "138****8000",
                "external_userid": external,
                "consent_marketing": consent,
            }
        )
        for userid in followed_by:
            self.rows["edges"].append({"userid": userid, "external_userid": external})
        if openid:
            self.identifier(member_id, "openid", f"wxgroup:{openid}")
            self.rows["record_members"].append({"feed": "users", "record_id": f"wxgroup|{openid}"})
        if card:
            self.identifier(member_id, "pos_member", f"pos_main:{card}")
        if campaign:
            self.candidate(member_id, campaign, arm=arm, outcome=outcome)

    def candidate(
        self,
        member_id: str,
        campaign: str = L2,
        *,
        arm: str = "treatment",
        outcome: str = "quiet_hours",
        subject: str | None = None,
    ) -> None:
        self.rows["candidates"].append(
            {
                "campaign_id": campaign,
                "business_date": D,
                "member_id": member_id,
                "arm": arm,
                "outcome": outcome,
                "lapse_key": "2026-11-05",
                "coupon_code": f"C{campaign[:1].upper()}{member_id}",
                "subject": subject,
            }
        )

    def identifier(self, member_id: str, namespace: str, identifier: str, *, shared: bool = False) -> None:
        self.rows["member_identifiers"].append(
            {
                "member_id": member_id,
                "namespace": namespace,
                "identifier": identifier,
                "valid_from": D,
                "valid_to": None,
                "is_shared": shared,
            }
        )

    def consent(self, member_id: str, value: str | None) -> None:
        for row in self.rows["members"]:
            if row["member_id"] == member_id:
                row["consent_marketing"] = value

    def inputs(self) -> Inputs:
        tables = {
            name: pa.Table.from_pylist(self.rows[name], schema=pa.schema(list(columns.items())))
            for name, columns in _SCHEMAS.items()
        }
        managers = [
            {"store_code": s.store_code, "userid": s.manager_wecom_userid, "rank": 0}
            for s in self.chain.stores
        ]
        tables["shop_staff"] = pa.concat_tables(
            [tables["shop_staff"], pa.Table.from_pylist(managers, schema=tables["shop_staff"].schema)]
        )
        return Inputs(journal=load_push_journal(self.chain.paths.lake), **tables)

    def states(self, action: str) -> dict[str, str]:
        """member_id → last state of an action in the journal."""
        events = load_push_journal(self.chain.paths.lake).to_pylist()
        return {e["member_id"]: e["state"] for e in events if e["action"] == action}


@dataclass
class FakeWecom:
    """Counts what reaches it. `plan`: what happens to the next calls, by method; 'ok' when it is used up.

    ok, lost (done, no answer), silent (not done, no answer), busy, down, refused; for lists: down.
    `fails`: customers that add_msg_template reports as failed. With `file` it survives its process.
    """

    plan: dict[str, list[str]] = field(default_factory=dict)
    fails: set[str] = field(default_factory=set)
    file: Path | None = None
    calls: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    marked: set[tuple[str, str, str]] = field(default_factory=set)
    tasks: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.file is not None and self.file.exists():
            self.tasks = [json.loads(line) for line in self.file.read_text("utf-8").splitlines()]

    def _next(self, method: str) -> str:
        self.calls.append(method)
        steps = self.plan.get(method, [])
        step = steps.pop(0) if steps else "ok"
        if step == "busy":
            raise VendorBusy(method, -1)
        if step == "down":
            raise Unreachable("down")
        if step == "refused":
            raise VendorError(method, 40058)
        if step == "silent":
            raise OutcomeUncertain("no answer")
        return step

    def corp_tags(self) -> list[Tag]:
        self._next("corp_tags")
        return [Tag(tag_id, "g", name, "邻里", False) for name, tag_id in self.tags.items()]

    def add_corp_tag(self, group_name: str, tag_names: Sequence[str]) -> dict[str, str]:
        self._next("add_corp_tag")
        for name in tag_names:
            self.tags.setdefault(name, f"et{len(self.tags)}")
        return {name: self.tags[name] for name in tag_names}

    def mark_tag(
        self, userid: str, external_userid: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None:
        self._next("mark_tag")
        self.marked |= {(userid, external_userid, tag) for tag in add}

    def add_msg_template(self, sender: str, external_userids: Sequence[str], text: str) -> CreatedMessage:
        step = self._next("add_msg_template")
        task = {
            "msgid": f"msg{len(self.tasks)}",
            "sender": sender,
            "to": [each for each in external_userids if each not in self.fails],
            "text": text,
        }
        self.tasks.append(task)
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(task, ensure_ascii=False) + "\n")
        if step == "lost":
            raise OutcomeUncertain("no answer")
        return CreatedMessage(task["msgid"], tuple(e for e in external_userids if e in self.fails))

    def groupmsg_list(self, start: int, end: int, *, creator: str | None = None) -> list[GroupMessage]:
        self._next("groupmsg_list")
        assert 0 < end - start <= 31 * 86400
        return [
            GroupMessage(t["msgid"], t["sender"], start, t["text"])
            for t in self.tasks
            if t["sender"] == creator
        ]

    def groupmsg_send_result(self, msgid: str, userid: str) -> list[SendResult]:
        self._next("groupmsg_send_result")
        return [
            SendResult(userid, to, None, 0, None) for t in self.tasks if t["msgid"] == msgid for to in t["to"]
        ]

    def close(self) -> None:
        pass

    def received(self) -> dict[str, int]:
        """Customer → in how many message tasks."""
        counts: dict[str, int] = {}
        for task in self.tasks:
            for to in task["to"]:
                counts[to] = counts.get(to, 0) + 1
        return counts


def make_chain(root: Path) -> Chain:
    root.mkdir(parents=True, exist_ok=True)
    (root / "chain.yml").write_text(CHAIN_YML, "utf-8")
    (root / "stores.csv").write_text(STORES_CSV, "utf-8")
    return load_chain(root)


def push_world(world: World, client: Any = None, *, live: bool = True, **options: Any) -> PushReport:
    """A push of the world's date that does not wait; `activation.run.read_inputs` has to be the world's."""
    options.setdefault("clock", lambda: datetime(2026, 11, 21, 10, 30, tzinfo=world.chain.zone))
    options.setdefault("sleep", lambda seconds: None)
    return push(world.chain, D, live=live, client_factory=lambda target: client, **options)


def night_of(world: World) -> Callable[..., Night]:
    """Stands in for `read_inputs`."""
    return lambda chain, business_date, is_evening=False: Night(D, world.inputs())


def at(hour: int, minute: int = 0, day: date = D + timedelta(days=1)) -> datetime:
    return datetime.combine(day, datetime.min.time()).replace(hour=hour, minute=minute)
