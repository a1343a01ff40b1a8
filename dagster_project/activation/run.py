"""One push of one business date: plan, and, when asked for, carry out."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.activation.errors import PushError
from dagster_project.activation.execute import Probe, Progress, Vendor, execute, expect, message_text
from dagster_project.activation.inputs import read_inputs
from dagster_project.activation.plan import build_plan, in_window
from dagster_project.activation.report import PushReport, make_report
from dagster_project.activation.vendor import ClientFactory, is_loopback, wecom_client
from dagster_project.config import Chain
from dagster_project.lake.feedback import load_push_events
from dagster_project.lang import tr
from dagster_project.sources.wecom_client import MAX_TEXT_BYTES

_ITEM_LENGTH = 40  # of the name of an item that a text is reckoned with
RESULT_DAYS = 3  # the vendor's word on a message is asked for this long


def push(
    chain: Chain,
    business_date: date,
    *,
    live: bool = False,
    at: datetime | None = None,
    is_evening: bool = False,
    client_factory: ClientFactory = wecom_client,
    progress: Progress | None = None,
    clock: Callable[[], datetime] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    settle_seconds: float = 2.0,
    probe: Probe | None = None,
) -> PushReport:
    """Pushes the candidates of one business date.

    Running it again sends nothing twice; after a kill it goes on where it was.

    Args:
        live: off (the default) only tells what would happen: nothing is written, nobody is called.
        at: the send instant; naive is local time of the chain. By default each campaign's `send_at` of the day
            after `business_date`, of the evening markdown `push_at` of the day itself.
        is_evening: push the evening markdown of `business_date`, else everything but that.
        client_factory: makes the WeCom client of a target; called only when there is something to say to WeCom.
        progress: called with a line of text now and then.
        clock: aware wall clock; used for the guards of a live push and for looking calls up, never for data.
        sleep, settle_seconds: the pause before calls of a killed push are looked up.
        probe: called with a name before and after every step that a kill may separate.

    Raises:
        PushError: nothing is published for the date, another push is running, or a real endpoint must not be
            called at this hour, or the evening markdown has begun already. Nothing was sent.
        SourceError is never raised: a vendor's trouble is in the report.
    """
    now = clock or (lambda: datetime.now(chain.zone))
    instants = _instants(chain, business_date, at, is_evening)
    _check_evening(chain, business_date, instants if is_evening else {})
    _check_texts(chain)
    if not live:
        night = read_inputs(chain, business_date, is_evening=is_evening)
        plan = build_plan(chain, business_date, instants, night.inputs)
        return make_report(
            chain,
            business_date,
            night,
            plan,
            instants,
            expect(chain, business_date, plan, instants),
            live=False,
        )
    target = chain.target("wecom")

    def connect() -> Any:
        if target is None:
            raise PushError(
                tr(f"{chain.root}/chain.yml 的 targets 里没有 wecom", "chain.yml has no target of kind wecom")
            )
        return client_factory(target)

    with _only_push(chain.root):
        if target is not None and not is_loopback(target.base_url):
            wall = now().astimezone(chain.zone).replace(tzinfo=None)
            _check_wall_clock(chain, instants, wall)
            _check_evening(chain, business_date, dict.fromkeys(instants, wall) if is_evening else {})
        night = read_inputs(chain, business_date, is_evening=is_evening)
        plan = build_plan(chain, business_date, instants, night.inputs)
        vendor = Vendor(connect, sleep, settle_seconds, now)
        try:
            result = execute(
                chain,
                business_date,
                plan,
                instants,
                vendor,
                probe or (lambda point: None),
                progress or (lambda text: None),
            )
        finally:
            vendor.close()
    for action, why in sorted(vendor.stopped.items()):
        label = tr("打标签", "tagging") if action == "tag" else tr("发消息", "messaging")
        for notes in result.notes.values():
            notes.append(
                tr(
                    f"{label}中途停下：{why}。处理后再推一次即可继续",
                    f"{label} stopped: {why}. Mend it and push again",
                )
            )
    return make_report(chain, business_date, night, plan, instants, result, live=True)


def push_instant(chain: Chain, text: str) -> datetime | None:
    """The send instant as people write it.

    Returns: None for '' (each campaign's own time), the wall clock for 'now', else the ISO time; naive, in the
    chain's zone.

    Raises:
        ValueError: none of these.
    """
    if not text:
        return None
    if text == "now":
        return datetime.now(chain.zone).replace(tzinfo=None, microsecond=0)
    moment = datetime.fromisoformat(text)
    return moment.astimezone(chain.zone).replace(tzinfo=None) if moment.tzinfo else moment


def pending_message_ids(chain: Chain, as_of: date) -> list[str]:
    """Ids of the vendor's message tasks whose results the night of `as_of` should ask for, sorted.

    A staff member may confirm late: results are asked for until three days after the message was due.
    """
    journal = _last_events(load_push_events(chain.paths.lake, as_of))
    earliest = datetime.combine(as_of - timedelta(days=RESULT_DAYS), datetime.min.time())
    chosen = journal.filter(
        (pc.field("action") == "message")
        & (pc.field("state") == "accepted")
        & (pc.field("at") >= pa.scalar(earliest, pa.timestamp("us")))
        & pc.field("vendor_ref").is_valid()
    )
    return sorted(set(chosen["vendor_ref"].to_pylist()))


@contextmanager
def _only_push(root: Path) -> Iterator[None]:
    """The lock goes with the process, also when it is killed."""
    path = root / ".push.lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PushError(
                tr(
                    f"另一个推送正在进行（{path}），请等它结束",
                    f"another push is running ({path}): wait for it",
                )
            ) from None
        yield


def _instants(
    chain: Chain, business_date: date, at: datetime | None, is_evening: bool
) -> dict[str, datetime]:
    """The send instant of every campaign of this push."""
    mine = [c for c in chain.rules.campaigns if (c.trigger == "markdown") == is_evening]
    if at is not None:
        local = at.astimezone(chain.zone).replace(tzinfo=None) if at.tzinfo else at
        return {campaign.campaign_id: local.replace(microsecond=0) for campaign in mine}
    if is_evening:
        due = _at_clock(business_date, chain.rules.markdown.push_at)
        return {campaign.campaign_id: due for campaign in mine}
    day = business_date + timedelta(days=1)
    return {campaign.campaign_id: _at_clock(day, campaign.send_at) for campaign in mine}


def _at_clock(day: date, clock: str) -> datetime:
    return datetime.combine(day, datetime.strptime(clock, "%H:%M").time())  # noqa: DTZ007


def _check_evening(chain: Chain, business_date: date, instants: Mapping[str, datetime]) -> None:
    """Nobody is told of an evening that has begun: by then the best is gone, and the way is not worth it."""
    start = _at_clock(business_date, chain.rules.markdown.start_at)
    for instant in instants.values():
        if instant >= start:
            raise PushError(
                tr(
                    f"{business_date} 的晚间折扣 {start:%H:%M} 已经开始，{instant:%Y-%m-%d %H:%M} 不再通知，没有发送",
                    f"the evening markdown of {business_date} began at {start:%H:%M}: at {instant:%Y-%m-%d %H:%M}"
                    " nobody is told any more, nothing was sent",
                )
            )


def _check_texts(chain: Chain) -> None:
    for campaign in chain.rules.campaigns:
        size = len(message_text(campaign, "0" * 10, "品" * _ITEM_LENGTH).encode())
        if size > MAX_TEXT_BYTES:
            raise PushError(
                tr(
                    f"{chain.root}/rules/campaigns.yml 活动 {campaign.campaign_id} 的 text 加上活动号有 {size} 字节，"
                    f"企业微信最多 {MAX_TEXT_BYTES}，请缩短",
                    f"campaign {campaign.campaign_id}: the text with its number has {size} bytes; "
                    f"WeCom takes {MAX_TEXT_BYTES}",
                )
            )


def _check_wall_clock(chain: Chain, instants: Mapping[str, datetime], now: datetime) -> None:
    """Real customers are behind this endpoint: the hour on the wall decides, not the planned one."""
    quiet = chain.rules.guards.quiet_hours
    if not in_window(chain.rules.guards, now):
        raise PushError(
            tr(
                f"现在 {now:%H:%M} 不在发送时段 {quiet.open}–{quiet.close} 内，没有发送",
                f"it is {now:%H:%M}, outside {quiet.open}–{quiet.close}: nothing was sent",
            )
        )
    for campaign in chain.rules.campaigns:
        due = instants.get(campaign.campaign_id)
        if due is None:
            continue
        if now.date() < due.date():
            raise PushError(
                tr(
                    f"活动 {campaign.campaign_id} 计划 {due:%Y-%m-%d %H:%M} 发送，还没到那一天；要现在发请加 --at now",
                    f"campaign {campaign.campaign_id} is due {due:%Y-%m-%d %H:%M}; to send now add --at now",
                )
            )
        if campaign.offer is not None and now >= due + timedelta(hours=campaign.offer.valid_hours):
            raise PushError(
                tr(
                    f"活动 {campaign.campaign_id} 的券从 {due:%Y-%m-%d %H:%M} 起有效 {campaign.offer.valid_hours} 小时，"
                    "已经过期；要现在发请加 --at now",
                    f"the coupon of {campaign.campaign_id} due {due:%Y-%m-%d %H:%M} has expired; to send now add --at now",
                )
            )


def _last_events(journal: pa.Table) -> pa.Table:
    last = journal.group_by("message_id").aggregate([("seq", "max")]).rename_columns(["message_id", "seq"])
    return journal.join(last, ["message_id", "seq"], join_type="inner")
