"""Carrying a plan out, ledger first.

The order that makes a kill harmless: every effect is in the journal before the first one happens; each call is
announced in the journal (`intent`, attempt ≥ 1) and synced before it leaves; its answer is written after. What a
restart finds announced but unanswered is looked up at the vendor before anything is repeated, and what cannot be
looked up stays `uncertain`.

    planned    intent, attempt 0            no call was made
    in flight  intent, attempt n, no code   the call may have been made
    put off    intent, attempt n, a code    the vendor turned the call away; due again
    final      accepted, rejected, skipped:…
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from dagster_project.activation.coupons import (
    coupon_csv,
    coupon_path,
    file_hash,
    write_coupon_file,
)
from dagster_project.activation.plan import Plan, in_window, payload_hash
from dagster_project.activation.vendor import MessagingClient, verdict_of
from dagster_project.config import Campaign, Chain
from dagster_project.config.rules.campaigns import ITEM
from dagster_project.lake.feedback import PushJournal, journal_path
from dagster_project.lang import tr
from dagster_project.sources import GroupMessage, SourceError, TagRejected

TAG_GROUP = "邻里"
_TAG_BATCH = 100  # edges announced with one disk write; repeating a tag does no harm
_MAX_SILENCES = 3  # unanswered calls in a row after which the vendor is left alone
_LOOKUP_DAYS = 27  # the vendor lists at most one month at a time
_MAX_LOOKUPS = 24
_BAD_TAG = 40068

Probe = Callable[[str], None]
Progress = Callable[[str], None]


@dataclass
class Effect:
    """One thing to do to one member, and how far it got."""

    message_id: str
    campaign_id: str
    business_date: date
    member_id: str
    target: str
    action: str
    task: str | None
    sender: str | None = None
    receiver: str | None = None
    attempt: int = 0
    state: str = "new"
    vendor_code: str | None = None
    vendor_ref: str | None = None
    payload_sha256: str = ""
    at: datetime | None = None
    refusal: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state in ("new", "intent", "uncertain")

    @property
    def is_in_doubt(self) -> bool:
        return is_in_doubt(self.action, self.state, self.attempt, self.vendor_code)


def is_in_doubt(action: str, state: str, attempt: int, vendor_code: str | None) -> bool:
    """It may have happened already, and once more would be once too often. A tag set twice is set once."""
    unanswered = state == "intent" and attempt > 0 and vendor_code is None
    return action != "tag" and (state == "uncertain" or unanswered)


@dataclass
class Vendor:
    """The WeCom side of one push: connected when first needed, left alone once it is of no use.

    `stopped`: why the calls of an action ('tag', 'message') are put off to another push. Tags are kept apart: an app
    may lack the permission for them and still send.
    """

    connect: Callable[[], MessagingClient]
    sleep: Callable[[float], None]
    settle_seconds: float
    clock: Callable[[], datetime]
    stopped: dict[str, str] = field(default_factory=dict)
    _client: MessagingClient | None = None
    _tags: dict[str, str] = field(default_factory=dict)
    _silences: int = 0
    _settled: bool = False

    @property
    def client(self) -> MessagingClient:
        if self._client is None:
            self._client = self.connect()
        return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def answered(self) -> None:
        self._silences = 0

    def failed(self, action: str, error: SourceError) -> tuple[str, str]:
        """Ledger state and code of a failed call; notes when to stop."""
        verdict = verdict_of(error)
        self._silences = self._silences + 1 if verdict.state == "uncertain" else 0
        self._settled = self._settled and verdict.state != "uncertain"
        if verdict.ends_run:
            self.stopped[action] = str(error)
        elif self._silences >= _MAX_SILENCES:
            self.stopped[action] = tr(
                "企业微信连续多次没有回应", "WeCom gave no answer several times in a row"
            )
        return verdict.state, verdict.code

    def tag_id(self, name: str) -> str:
        """Id of a tag, made in our group when the corp has none of that name.

        Raises: SourceError.
        """
        if name not in self._tags:
            known = self._catalogue(name)
            if known is None:
                try:
                    known = self.client.add_corp_tag(TAG_GROUP, [name])[name]
                except TagRejected:  # made meanwhile, maybe in another group
                    known = self._catalogue(name)
                    if known is None:
                        raise
            self._tags[name] = known
        return self._tags[name]

    def forget_tags(self) -> None:
        self._tags.clear()

    def tasks_of(self, sender: str, since: datetime, due: datetime) -> list[GroupMessage]:
        """All message tasks of a sender that a call after `since`, or about `due`, can have made.

        Raises: SourceError; LookupError when `since` is too long ago to be searched.
        """
        if not self._settled:
            # A request that was on its way when its sender died gets the time to arrive.
            self.sleep(self.settle_seconds)
            self._settled = True
        now = self.clock()
        start, end = min(since, now) - timedelta(days=1), now + timedelta(hours=1)
        windows = []
        while start < end:
            windows.append((start, min(end, start + timedelta(days=_LOOKUP_DAYS))))
            start = windows[-1][1]
        if len(windows) > _MAX_LOOKUPS:
            raise LookupError(tr("距上次发送太久，无法核对", "the last attempt is too long ago to look up"))
        if abs(due - now) > timedelta(days=1):  # a vendor whose clock is not ours: a rehearsal of another day
            windows.append((due - timedelta(days=1), due + timedelta(days=1)))
        found = {
            message.msgid: message
            for start, end in windows
            for message in self.client.groupmsg_list(
                int(start.timestamp()), int(end.timestamp()), creator=sender
            )
        }
        return [found[msgid] for msgid in sorted(found)]

    def _catalogue(self, name: str) -> str | None:
        found = sorted(
            (tag.group_name != TAG_GROUP, tag.tag_id)
            for tag in self.client.corp_tags()
            if tag.tag_name == name and not tag.deleted
        )
        return found[0][1] if found else None


@dataclass
class CampaignRun:
    """One campaign's part of a push.

    campaign: None when the rules no longer have it. instant: when it is sent, naive local time. since: no call of
    an earlier push is older than this or its own instant, whichever is earlier; aware.
    """

    chain: Chain
    campaign_id: str
    campaign: Campaign | None
    business_date: date
    instant: datetime
    since: datetime
    journal: PushJournal
    vendor: Vendor
    details: Mapping[str, Mapping[str, Any]]
    effects: list[Effect]
    probe: Probe
    progress: Progress
    notes: list[str] = field(default_factory=list)

    def run(self, refusals: Sequence[Effect]) -> None:
        """Finishes what an earlier push left open, then does what is new."""
        self._withdraw()
        self._reconcile()
        self._withdraw()
        self._log("refuse", refusals)
        if self.campaign is None:
            if any(effect.is_open for effect in self.effects):
                self.notes.append(
                    tr(
                        "规则里已没有这个活动，未完成的不再发送",
                        "no longer in the rules: the rest is not sent",
                    )
                )
            return
        if not in_window(self.chain.rules.guards, self.instant):
            return
        looked_up = {e.message_id for e in self.effects if e.is_in_doubt}
        self._log("plan", [e for e in self.effects if e.state == "new"], state="intent")
        self._coupons(self.campaign)
        self._tag_edges()
        self._messages(self.campaign)
        unanswered = [
            e
            for e in self.effects
            if e.action == "message" and e.is_in_doubt and e.message_id not in looked_up
        ]
        self._reconcile_messages(unanswered, last_word=False)

    # ---- the ledger

    def _log(
        self,
        point: str,
        effects: Sequence[Effect],
        *,
        state: str | None = None,
        code: str | None = None,
        ref: str | None = None,
        sync: bool = True,
    ) -> None:
        if not effects:
            return
        for effect in effects:
            if state:
                effect.state, effect.vendor_code = state, code
            effect.vendor_ref = ref or effect.vendor_ref
            effect.at = effect.at or self.instant
            effect.payload_sha256 = effect.payload_sha256 or payload_hash(
                {"action": effect.action, "member": effect.member_id, "campaign": effect.campaign_id}
            )
        self.probe(f"{point}:before")
        self.journal.append([_line(effect) for effect in effects], sync=sync)
        self.probe(f"{point}:after")

    def _announce(self, point: str, effects: Sequence[Effect], payload_sha256: str) -> None:
        for effect in effects:
            effect.attempt += 1
            effect.payload_sha256 = payload_sha256
            effect.at = self.instant
        self._log(point, effects, state="intent")

    def _due(self, action: str) -> list[Effect]:
        """Planned or put off, in a stable order."""
        due = [e for e in self.effects if e.action == action and e.is_open and not e.is_in_doubt]
        return sorted(due, key=lambda e: (e.sender or "", e.task or "", e.message_id))

    def _tell(self, what: str, done: int, total: int) -> None:
        name = self.campaign.name if self.campaign else self.campaign_id
        self.progress(f"{name} · {what} {done}/{total}")

    # ---- what an earlier push left

    def _withdraw(self) -> None:
        """Consent that went away before the send: what surely did not happen, does not happen."""
        for refusal in ("opted_out", "no_consent"):
            gone = [e for e in self.effects if e.refusal == refusal and e.is_open and not e.is_in_doubt]
            self._log("withdraw", gone, state=f"skipped:{refusal}")

    def _reconcile(self) -> None:
        """Asks the world about calls that an earlier push left without an answer."""
        doubtful = [e for e in self.effects if e.is_in_doubt]
        for name, group in _grouped([e for e in doubtful if e.action == "coupon"], lambda e: e.task):
            self._reconcile_file(str(name), group)
        self._reconcile_messages([e for e in doubtful if e.action == "message"], last_word=True)

    def _reconcile_messages(self, doubtful: list[Effect], *, last_word: bool) -> None:
        for sender, group in _grouped(doubtful, lambda e: e.sender):
            self._reconcile_tasks(str(sender), group, last_word)

    def _reconcile_file(self, name: str, group: list[Effect]) -> None:
        path = coupon_path(self.chain.paths.exports, self.campaign_id, self.business_date, name)
        found = file_hash(path)
        if found is None:
            self._log("reconcile", group, state="intent", code="not_found")
            return
        same = [e for e in group if e.payload_sha256 == found]
        self._log("reconcile", same, state="accepted", code="0", ref=name)
        if len(same) < len(group):
            self._doubt([e for e in group if e.payload_sha256 != found])
            self.notes.append(
                tr(
                    f"{path} 被改动过，无法确认是否已发券：请人工核对后恢复或移走该文件",
                    f"{path} was changed, so whether its coupons went out is unknown: check it, then restore or move it",
                )
            )

    def _reconcile_tasks(self, sender: str, group: list[Effect], last_word: bool) -> None:
        """`last_word` off: what is not found now may still be on its way, so it stays in doubt."""
        if "message" in self.vendor.stopped and last_word:
            self._doubt(group)
            return
        due = min(effect.at or self.instant for effect in group).replace(tzinfo=self.chain.zone)
        try:
            tasks = self.vendor.tasks_of(sender, min(self.since, due), due)
        except (SourceError, LookupError) as error:
            self._doubt(group)
            self.notes.append(
                tr(
                    f"{sender} 的 {len(group)} 条消息结果不明，暂时无法向企业微信核对（{error}），没有重发",
                    f"{len(group)} messages of {sender} are uncertain and could not be looked up ({error}); "
                    "nothing was sent again",
                )
            )
            return
        for task, members in _grouped(group, lambda e: e.task):
            marker = task_mark(str(task))
            msgids = [message.msgid for message in tasks if marker in (message.text or "")]
            if msgids:
                self._accept_found(msgids[0], sender, members)
            elif last_word:
                self._log("reconcile", members, state="intent", code="not_found")

    def _accept_found(self, msgid: str, sender: str, members: list[Effect]) -> None:
        """The task exists; the customers it does not list are those its lost answer would have named as failed."""
        try:
            results = self.vendor.client.groupmsg_send_result(msgid, sender)
        except SourceError:
            results = []
        reached = {result.external_userid for result in results} or {e.receiver for e in members}
        self._answer("reconcile", members, {e.receiver for e in members} - reached, msgid)

    def _answer(
        self, point: str, members: Sequence[Effect], failed: Collection[str | None], msgid: str
    ) -> None:
        for effect in members:
            rejected = effect.receiver in failed
            effect.state = "rejected" if rejected else "accepted"
            effect.vendor_code = "fail_list" if rejected else "0"
        self._log(point, members, ref=msgid)

    def _doubt(self, group: Iterable[Effect]) -> None:
        self._log(
            "reconcile", [e for e in group if e.state != "uncertain"], state="uncertain", code="no_answer"
        )

    # ---- doing

    def _coupons(self, campaign: Campaign) -> None:
        for name, group in _grouped(self._due("coupon"), lambda e: e.task):
            group = [e for e in group if e.member_id in self.details]
            if not group:
                continue
            rows = [dict(self.details[e.member_id], message_id=e.message_id) for e in group]
            content = coupon_csv(campaign, self.instant, rows)
            self._announce("coupon", group, hashlib.sha256(content).hexdigest())
            path = coupon_path(self.chain.paths.exports, self.campaign_id, self.business_date, str(name))
            write_coupon_file(path, content, campaign, len(rows))
            self.probe("coupon:done")
            self._log("coupon-answer", group, state="accepted", code="0", ref=str(name))

    def _tag_edges(self) -> None:
        edges = self._due("tag")
        for start in range(0, len(edges), _TAG_BATCH):
            batch = edges[start : start + _TAG_BATCH]
            names = sorted({str(e.task) for e in batch})
            if "tag" in self.vendor.stopped:
                return
            try:
                ids = {name: self.vendor.tag_id(name) for name in names}
            except SourceError as error:
                self.vendor.failed("tag", error)
                if "tag" not in self.vendor.stopped:
                    self.notes.append(tr(f"标签没有打上：{error}", f"tags were not set: {error}"))
                return
            for effect in batch:
                effect.attempt += 1
                # dbt's tag_payload_hash makes the same, to know our tags again where WeCom tells of them
                effect.payload_sha256 = payload_hash(
                    {"userid": effect.sender, "external_userid": effect.receiver, "add_tag": [effect.task]}
                )
                effect.at = self.instant
            self._log("tag", batch, state="intent")
            for effect in batch:
                if "tag" in self.vendor.stopped:
                    self._log("tag-answer", [effect], state="intent", code="put_off", sync=False)
                else:
                    state, code = self._mark(effect, ids[str(effect.task)])
                    self._log("tag-answer", [effect], state=state, code=code, sync=False)
            self.journal.append([])
            self._tell(tr("打标签", "tags"), min(start + _TAG_BATCH, len(edges)), len(edges))

    def _mark(self, effect: Effect, tag_id: str) -> tuple[str, str]:
        client, edge = self.vendor.client, (str(effect.sender), str(effect.receiver))
        try:
            try:
                client.mark_tag(*edge, add=[tag_id])
            except TagRejected as error:
                if error.code != _BAD_TAG:
                    raise
                # Somebody deleted the tag since the catalogue was read.
                self.vendor.forget_tags()
                client.mark_tag(*edge, add=[self.vendor.tag_id(str(effect.task))])
        except SourceError as error:
            return self.vendor.failed("tag", error)
        self.probe("tag:done")
        self.vendor.answered()
        return "accepted", "0"

    def _messages(self, campaign: Campaign) -> None:
        due = self._due("message")
        done = 0
        for task, group in _grouped(due, lambda e: e.task):
            if "message" in self.vendor.stopped:
                return
            text = message_text(campaign, str(task), self._subject_of(group))
            receivers = sorted({str(e.receiver) for e in group})
            payload = {"sender": group[0].sender, "external_userid": receivers, "text": text}
            self._announce("message", group, payload_hash(payload))
            try:
                made = self.vendor.client.add_msg_template(str(group[0].sender), receivers, text)
            except SourceError as error:
                state, code = self.vendor.failed("message", error)
                self._log("message-answer", group, state=state, code=code)
            else:
                self.probe("message:done")
                self.vendor.answered()
                self._answer("message-answer", group, made.failed, made.msgid)
            done += len(group)
            self._tell(tr("发消息任务", "message tasks"), done, len(due))

    def _subject_of(self, group: Sequence[Effect]) -> str:
        """What the text of a task names; all receivers of one task are told of the same."""
        named = [self.details.get(effect.member_id, {}).get("subject") for effect in group]
        return next((subject for subject in named if subject), "")


@dataclass
class Result:
    """Every effect a push touched, with the state it ended in, and notes for people by campaign."""

    effects: list[Effect]
    notes: dict[str, list[str]]


def effects_of(plan: Plan, business_date: date) -> tuple[list[Effect], list[Effect]]:
    """A plan's effects (left open by an earlier push, then new), and its refusals."""
    resumed = [
        Effect(**{name: value for name, value in row.items() if name != "seq"})
        for row in plan.resumed.to_pylist()
    ]
    new = [Effect(business_date=business_date, **row) for row in plan.effects.to_pylist()]
    refusals = [Effect(business_date=business_date, task=None, **row) for row in plan.refusals.to_pylist()]
    return resumed + new, refusals


def expect(chain: Chain, business_date: date, plan: Plan, instants: Mapping[str, datetime]) -> Result:
    """What `execute` leaves behind when the vendor takes everything; calls and writes nothing."""
    effects, refusals = effects_of(plan, business_date)
    sending = {name for name, instant in instants.items() if in_window(chain.rules.guards, instant)}
    for effect in effects:
        if effect.refusal and not effect.is_in_doubt:
            effect.state = f"skipped:{effect.refusal}"
        elif effect.campaign_id in sending:
            effect.state = "accepted"
    return Result(effects + refusals, {})


def execute(
    chain: Chain,
    business_date: date,
    plan: Plan,
    instants: Mapping[str, datetime],
    vendor: Vendor,
    probe: Probe,
    progress: Progress,
) -> Result:
    """Carries a plan out, campaign by campaign in the order of the rules."""
    rules = {campaign.campaign_id: campaign for campaign in chain.rules.campaigns}
    effects, refusals = effects_of(plan, business_date)
    treated = plan.treated.to_pylist()
    at_work = {effect.campaign_id for effect in (*effects, *refusals)}
    notes: dict[str, list[str]] = {}
    for campaign_id in [*(c for c in rules if c in at_work), *sorted(at_work - rules.keys())]:
        path = journal_path(chain.paths.lake, business_date, campaign_id)
        touched = path.stat().st_mtime if path.exists() else vendor.clock().timestamp()
        with PushJournal(path) as journal:
            run = CampaignRun(
                chain=chain,
                campaign_id=campaign_id,
                campaign=rules.get(campaign_id),
                business_date=business_date,
                instant=instants.get(campaign_id, datetime.combine(business_date, datetime.min.time())),
                since=datetime.fromtimestamp(touched, tz=chain.zone),
                journal=journal,
                vendor=vendor,
                details={row["member_id"]: row for row in treated if row["campaign_id"] == campaign_id},
                effects=[effect for effect in effects if effect.campaign_id == campaign_id],
                probe=probe,
                progress=progress,
            )
            run.run([effect for effect in refusals if effect.campaign_id == campaign_id])
        notes[campaign_id] = run.notes
    return Result(effects + refusals, notes)


def task_mark(task: str) -> str:
    """What tells one message task from all others, to people and when the vendor is asked for it."""
    return f"活动号 {task}"


def message_text(campaign: Campaign, task: str, item: str = "") -> str:
    """What a customer reads; `item` stands in for {item}."""
    return f"{campaign.text.replace(ITEM, item)}〔{task_mark(task)}〕"


def _grouped(
    effects: Sequence[Effect], key: Callable[[Effect], str | None]
) -> Iterator[tuple[str | None, list[Effect]]]:
    ordered = sorted(effects, key=lambda e: (key(e) or "", e.message_id))
    for name, group in groupby(ordered, key):
        yield name, list(group)


def _line(effect: Effect) -> dict[str, Any]:
    return {
        "message_id": effect.message_id,
        "campaign_id": effect.campaign_id,
        "business_date": effect.business_date.isoformat(),
        "member_id": effect.member_id,
        "target": effect.target,
        "action": effect.action,
        "attempt": effect.attempt,
        "state": effect.state,
        "vendor_code": effect.vendor_code,
        "vendor_ref": effect.vendor_ref,
        "payload_sha256": effect.payload_sha256,
        "at": f"{effect.at:%Y-%m-%d %H:%M:%S}",
        "task": effect.task,
        "sender": effect.sender,
        "receiver": effect.receiver,
    }
