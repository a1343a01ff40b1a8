"""What a push did, or would do, as numbers and as text for the person who pressed the button."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.activation.coupons import coupon_path, reason, yuan
from dagster_project.activation.execute import Effect, Result, is_in_doubt
from dagster_project.activation.inputs import Night
from dagster_project.activation.plan import Plan
from dagster_project.config import Campaign, Chain
from dagster_project.lang import tr

EXAMPLES = 20

_OUTCOMES = {
    "awaiting_staff": ("待店员在企业微信确认发送", "awaiting staff"),
    "sent": ("已进发券名单", "sent"),
    "rejected": ("企业微信拒绝", "rejected"),
    "uncertain": ("结果不明（下次先核对）", "uncertain"),
    "pending": ("尚未发送（再推一次即可继续）", "pending"),
    "no_consent": ("未同意营销", "no consent"),
    "opted_out": ("已退订", "opted out"),
    "quiet_hours": ("不在发送时段", "quiet hours"),
    "capped": ("频次上限", "capped"),
    "unreachable": ("没有可用渠道", "unreachable"),
    "over_budget": ("超出人数上限", "over budget"),
    "held_out": ("对照组，不打扰", "held out"),
}
_CHANNELS = {"wecom": ("企业微信", "WeCom"), "groupbuy_coupon": ("团购券名单", "coupon list")}
_ACTIONS = {"coupon": ("券", "coupons"), "tag": ("标签", "tags"), "message": ("消息", "messages")}


@dataclass
class CampaignReport:
    """One campaign of a push.

    outcomes: candidates of the treatment arm by outcome, over all pushes of the date. channels: the reached ones by
    channel. effects: action → how many this push brought about (a dry run: would). held_out: members of the control
    group. cost_fen: face value of the coupons of this push.
    """

    campaign_id: str
    name: str
    at: datetime | None
    outcomes: Counter[str] = field(default_factory=Counter)
    channels: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    held_out: int = 0
    tasks: int = 0
    cost_fen: int = 0
    tag: str = ""
    files: list[str] = field(default_factory=list)
    examples: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def treated(self) -> int:
        return sum(self.outcomes.values())


@dataclass
class PushReport:
    """One push. A dry run (`live` off) has written nothing and called nobody."""

    chain_name: str
    business_date: date
    as_of: date
    live: bool
    campaigns: list[CampaignReport] = field(default_factory=list)

    @property
    def outcomes(self) -> Counter[str]:
        return sum((campaign.outcomes for campaign in self.campaigns), Counter())

    @property
    def effects(self) -> Counter[str]:
        """What this push newly did (or would do), by action; empty when it had nothing left to do."""
        return sum((campaign.effects for campaign in self.campaigns), Counter())

    @property
    def cost_fen(self) -> int:
        return sum(campaign.cost_fen for campaign in self.campaigns)

    @property
    def is_complete(self) -> bool:
        """Nothing uncertain and nothing put off."""
        return not (self.outcomes["uncertain"] or self.outcomes["pending"])

    def summary(self) -> str:
        """One line for people."""
        counts = [
            f"{tr(*words)} {self.outcomes[key]}" for key, words in _OUTCOMES.items() if self.outcomes[key]
        ]
        held_out = sum(campaign.held_out for campaign in self.campaigns)
        counts += [f"{tr(*_OUTCOMES['held_out'])} {held_out}"] if held_out else []
        return f"{self.business_date} " + (
            tr("，", ", ").join(counts) or tr("没有营销候选人", "no candidates")
        )

    def render(self) -> str:
        """Text for people."""
        kind = (
            tr("推送", "Push")
            if self.live
            else tr("推送预演（什么都没有发出）", "Push, dry run (nothing was sent)")
        )
        lines = [
            f"{kind} · {self.chain_name} · {self.business_date}",
            tr(f"名单按 {self.as_of} 的最新发布复核", f"checked against the publication of {self.as_of}"),
        ]
        if not any(campaign.treated or campaign.held_out for campaign in self.campaigns):
            lines.append(tr("这一天没有营销候选人", "no candidates on this date"))
        for campaign in self.campaigns:
            if campaign.treated or campaign.held_out or campaign.notes:
                lines += ["", *_campaign_lines(campaign, self.live)]
        if self.cost_fen:
            cost = f"¥{yuan(self.cost_fen)}"
            lines += ["", tr(f"本次券面额合计 {cost}", f"face value of this push: {cost}")]
        examples = _examples(self.campaigns)
        if examples and not self.live:
            lines += [
                "",
                tr(f"示例（最多 {EXAMPLES} 条，已脱敏）：", f"examples (at most {EXAMPLES}, masked):"),
                *examples,
            ]
        undo = _undo(self.campaigns)
        if undo:
            lines += ["", tr("如需撤回：", "to undo:"), *undo]
        if not self.live and self.effects:
            lines += ["", tr("确认无误后加 --live 正式推送", "add --live to send")]
        return "\n".join(lines)


def _campaign_lines(campaign: CampaignReport, live: bool) -> list[str]:
    at = f"{campaign.at:%Y-%m-%d %H:%M}" if campaign.at else "–"
    lines = [tr(f"【{campaign.name}】计划 {at} 发送", f"[{campaign.name}] due {at}")]
    for outcome, words in _OUTCOMES.items():
        if campaign.outcomes[outcome]:
            lines.append(f"  {tr(*words)} {campaign.outcomes[outcome]}")
    if campaign.held_out:
        lines.append(f"  {tr(*_OUTCOMES['held_out'])} {campaign.held_out}")
    shown = [
        f"{tr(*words)} {campaign.channels[key]}" for key, words in _CHANNELS.items() if campaign.channels[key]
    ]
    if shown:
        lines.append("  " + tr("渠道：", "channels: ") + tr("，", ", ").join(shown))
    done = [
        f"{tr(*words)} {campaign.effects[key]}" for key, words in _ACTIONS.items() if campaign.effects[key]
    ]
    if done:
        tasks = (
            tr(f"（{campaign.tasks} 个消息任务）", f" ({campaign.tasks} message tasks)")
            if campaign.tasks
            else ""
        )
        verb = tr("本次完成：", "done now: ") if live else tr("将要执行：", "to do: ")
        lines.append("  " + verb + tr("，", ", ").join(done) + tasks)
    elif live:
        lines.append("  " + tr("本次没有新的发送", "nothing new was sent"))
    else:
        lines.append("  " + tr("没有还要发送的", "nothing is left to send"))
    lines += [f"  {tr('券名单', 'coupon list')} {path}" for path in campaign.files]
    lines += [f"  ⚠ {note}" for note in campaign.notes]
    return lines


def _examples(campaigns: Iterable[CampaignReport]) -> list[str]:
    rows = [example for campaign in campaigns for example in campaign.examples]
    return ["  " + "  ".join(value for value in row.values() if value) for row in rows[:EXAMPLES]]


def _undo(campaigns: Iterable[CampaignReport]) -> list[str]:
    lines = []
    for campaign in campaigns:
        done = campaign.effects
        if done["message"]:
            lines.append(
                tr(
                    f"  {campaign.name}：店员确认前，在企业微信后台停止 {campaign.tasks} 个消息任务（共 {done['message']} 人）",
                    f"  {campaign.name}: stop {campaign.tasks} message tasks ({done['message']} people) before staff confirm",
                )
            )
        if done["tag"]:
            lines.append(
                tr(
                    f"  {campaign.name}：从 {done['tag']} 个客户关系上取下标签「{campaign.tag}」",
                    f"  {campaign.name}: take tag '{campaign.tag}' off {done['tag']} relations",
                )
            )
        if done["coupon"]:
            lines.append(
                tr(
                    f"  {campaign.name}：按名单里的券码作废 {done['coupon']} 张未用的券",
                    f"  {campaign.name}: void the {done['coupon']} unused coupons of the list",
                )
            )
    return lines


def make_report(
    chain: Chain,
    business_date: date,
    night: Night,
    plan: Plan,
    instants: Mapping[str, datetime],
    result: Result,
    *,
    live: bool,
) -> PushReport:
    """Counts what stands in the ledger after `result`, candidate by candidate."""
    names = {c.campaign_id: c.name for c in chain.rules.campaigns if c.campaign_id in instants}
    # the evening markdown has a push of its own
    others = {c.campaign_id for c in chain.rules.campaigns} - names.keys()
    held_out = Counter(
        night.inputs.candidates.filter(pc.field("arm") == "holdout")["campaign_id"].to_pylist()
    )
    effects: dict[str, list[Effect]] = {}
    for effect in result.effects:
        effects.setdefault(effect.campaign_id, []).append(effect)
    earlier = _standing(night.inputs.journal, business_date)
    treated: dict[str, list[dict[str, Any]]] = {}
    for row in plan.treated.to_pylist():
        treated.setdefault(row["campaign_id"], []).append(row)
    ids = [*names, *sorted((effects.keys() | earlier.keys() | held_out.keys()) - names.keys() - others)]
    return PushReport(
        chain.name,
        business_date,
        night.as_of,
        live,
        [
            _campaign_report(
                chain,
                CampaignReport(
                    id_,
                    names.get(id_, id_),
                    instants.get(id_),
                    held_out=held_out[id_],
                    notes=result.notes.get(id_, []),
                ),
                business_date,
                treated.get(id_, []),
                earlier.get(id_, {}),
                effects.get(id_, []),
            )
            for id_ in ids
        ],
    )


_States = dict[str, tuple[str, bool]]  # action → (state, whether it may have happened without an answer)


def _campaign_report(
    chain: Chain,
    report: CampaignReport,
    business_date: date,
    treated: list[dict[str, Any]],
    standing: dict[str, _States],
    effects: list[Effect],
) -> CampaignReport:
    campaign = next((c for c in chain.rules.campaigns if c.campaign_id == report.campaign_id), None)
    for effect in effects:
        standing.setdefault(effect.member_id, {})[effect.action] = (effect.state, effect.is_in_doubt)
    for states in standing.values():
        outcome = _outcome(states)
        report.outcomes[outcome] += 1
        if outcome in ("awaiting_staff", "sent", "uncertain", "pending"):
            report.channels["wecom" if "message" in states else "groupbuy_coupon"] += 1
    # settled by the night itself, so no push ever touched them
    report.outcomes.update(
        row["outcome"]
        for row in treated
        if row["member_id"] not in standing and row["outcome"] != "quiet_hours"
    )
    done = [effect for effect in effects if effect.state == "accepted"]
    report.effects.update(effect.action for effect in done)
    report.tasks = len({effect.task for effect in done if effect.action == "message"})
    files = sorted({str(effect.task) for effect in done if effect.action == "coupon"})
    folder = coupon_path(chain.paths.exports, report.campaign_id, business_date, "").relative_to(chain.root)
    report.files = [(folder / name).as_posix() for name in files]
    if campaign is not None:
        report.tag = campaign.tag
        report.cost_fen = (campaign.offer.amount_fen if campaign.offer else 0) * report.effects["coupon"]
        reached = {effect.member_id for effect in done}
        rows = [row for row in treated if row["member_id"] in reached and row["channel"]]
        report.examples = [_example(campaign, row) for row in rows[:EXAMPLES]]
    return report


def _outcome(states: _States) -> str:
    state, in_doubt = states.get("message") or states.get("coupon") or states["decide"]
    if state.startswith("skipped:"):
        return state.removeprefix("skipped:")
    if state == "accepted":
        return "awaiting_staff" if "message" in states else "sent"
    if state == "rejected":
        return "rejected"
    return "uncertain" if in_doubt else "pending"


def _standing(journal: pa.Table, business_date: date) -> dict[str, dict[str, _States]]:
    """campaign → member → states, as the last line of each effect says."""
    rows = journal.filter(pc.field("business_date") == pa.scalar(business_date)).sort_by("seq").to_pylist()
    standing: dict[str, dict[str, _States]] = {}
    for row in rows:
        doubt = is_in_doubt(row["action"], row["state"], row["attempt"], row["vendor_code"])
        member = standing.setdefault(row["campaign_id"], {}).setdefault(row["member_id"], {})
        member[row["action"]] = (row["state"], doubt)
    return standing


def _example(campaign: Campaign, row: Mapping[str, Any]) -> dict[str, str]:
    """One masked example: no full id, no full code."""
    code = row["coupon_code"] or ""
    return {
        "campaign": campaign.name,
        "member": f"{row['person'][:6]}…",
        "phone": row["phone_masked"] or "",
        "channel": tr(*_CHANNELS[row["channel"]]),
        "coupon": f"…{code[-4:]}" if code else "",
        "reason": reason(campaign, row["lapse_key"]),
    }
