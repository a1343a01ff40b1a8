"""HTML pages of the head office and of every shop: facts in, self-contained files out. No clock, no network."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dagster_project.config import Chain, Store
from dagster_project.config.rules import Campaign
from dagster_project.privacy.phones import mask_text
from dagster_project.reports import books, charts, recognition, words
from dagster_project.reports.facts import TIER_ORDER, ChainFacts, Day, Facts, Row, read_facts
from dagster_project.reports.published import open_publication

MARK = '<meta name="generator" content="linli reports">'
_PLAIN = re.compile(r"(?!code-)[0-9A-Za-z_\u4e00-\u9fff][0-9A-Za-z_\-\u4e00-\u9fff]{0,79}")
_CORE_FEEDS = ("tickets", "orders", "contacts")
_NOTES = 10
_KINDS = {"pos": "收银", "groupbuy": "团购", "wecom": "企业微信"}


def write_reports(chain: Chain, out: Path | None = None) -> list[Path]:
    """Writes index.html and stores/<store_code>.html from the current publication.

    Args:
        chain: whose publication, shop names and rule texts to use.
        out: the folder to write to; the chain's reports/ when None.

    Returns:
        The pages, the head office's first. The same publication and configuration give the same bytes.
        A page of a shop that is neither in stores.csv nor in the data any more is removed.

    Raises:
        PublishError: nothing has been published yet.
    """
    out = out or chain.paths.reports
    facts = read_facts(
        open_publication(chain), [store.store_code for store in chain.stores], chain.rules.campaigns
    )
    files = store_files(facts.stores)
    env = _environment(chain, facts)
    index = out / "index.html"
    _write(index, env.get_template("head_office.html.j2").render(_head_office(chain, facts, files)))
    pages = [index]
    template = env.get_template("store.html.j2")
    for code, store_facts in facts.stores.items():
        name = _store_name(chain, code)
        page = out / "stores" / files[code]
        _write(page, template.render(title=name, kicker=f"{chain.name} · 门店日报", facts=store_facts))
        pages.append(page)
    _remove_old(out / "stores", set(pages))
    return pages


def store_files(codes: Iterable[str]) -> dict[str, str]:
    """File name of each shop's page: `<code>.html`, unless the code is no safe file name or two codes differ in
    case only, which some file systems take for one file; then a hexadecimal spelling of the code."""
    codes = sorted(codes)
    folded = [code.casefold() for code in codes]
    return {
        code: f"{code}.html"
        if _PLAIN.fullmatch(code) and folded.count(code.casefold()) == 1
        else f"code-{code.encode().hex()}.html"
        for code in codes
    }


def _write(path: Path, html: str) -> None:
    """Replaces the file in one step, so that a reader never opens half a page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".html.part")
    draft.write_text(html, encoding="utf-8", newline="\n")
    os.replace(draft, path)  # noqa: PTH105


def _remove_old(folder: Path, written: set[Path]) -> None:
    for path in sorted(folder.glob("*.html")):
        if path not in written and MARK in path.read_text("utf-8", errors="replace")[:600]:
            path.unlink()


def _environment(chain: Chain, facts: ChainFacts) -> Environment:
    env = Environment(
        loader=PackageLoader("dagster_project.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_without_phones,
    )
    env.filters.update(
        money=words.money,
        exact=words.exact_money,
        quantity=words.quantity,
        count=words.count,
        day=words.day,
        full_day=words.full_day,
        channel=lambda code: words.CHANNELS.get(code, code),
        store_name=lambda code: _store_name(chain, code) if code else "未归属门店",
    )
    publication = facts.publication
    kinds = {connection.name: connection.kind for connection in chain.connections}
    sources = _sources(publication.sources, kinds, chain.rules.guards.stale_source_days)
    late = [source for source in sources if source.level != "ok"]
    env.globals.update(
        as_of=publication.as_of,
        shown=facts.shown,
        publication_id=publication.publication_id.rsplit("-", 1)[-1],
        money=words.money,
        count=words.count,
        share=words.share,
        change=words.change,
        average=lambda fen, orders: words.money(fen // orders) if orders else words.MISSING,
        share_bar=charts.share_bar,
        sales_chart=_sales_chart,
        channel_chart=_channel_chart,
        rate_chart=lambda days: charts.rates([_rate(d.identified_orders, d.orders) for d in days]),
        group_chart=lambda days: charts.rates([_rate(d.groupbuy_fen, d.net_fen) for d in days]),
        axis_words=_axis_words,
        where_known=_where_known,
        spark=lambda days: charts.sparkline([d.net_fen for d in days]),
        channel_rows=_channel_rows,
        linking_lines=_linking_lines,
        gain_line=recognition.gain_line,
        miss_words=recognition.miss_words,
        suspect_reasons=recognition.REASONS,
        alarm_line=recognition.alarm_line,
        point_words=books.POINT_DIFFERENCES,
        coupon_words=books.COUPON_EXCEPTIONS,
        evidence_words=_evidence_words,
        basis_words=_basis_words,
        tiers=_tier_ranges(chain),
        tier_bar=_tier_bar,
        tier_words=lambda tiers: "，".join(
            f"{words.TIERS[t]} {words.count(tiers.get(t, 0))} 人" for t in TIER_ORDER
        ),
        left_out_words=_left_out_words,
        koc_count=_koc_count,
        koc_rule=_koc_rule(chain),
        stay_days=chain.rules.commission.cashier.stay_days,
        campaign_blocks=partial(_campaign_blocks, chain.rules.campaigns, facts.experiments),
        sources=sources,
        late=late,
        late_alarm=any(source.level == "alarm" for source in late),
        has_pos="pos" in kinds.values(),
        has_groupbuy="groupbuy" in kinds.values(),
        notes=_notes(publication.quality),
    )
    return env


def _without_phones(value: Any) -> Any:
    """Every value on its way into a page: free text from the sources may hold a number somebody typed there."""
    return mask_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _store_name(chain: Chain, code: str) -> str:
    store: Store | None = next((store for store in chain.stores if store.store_code == code), None)
    return store.store_name if store else f"门店 {code}"


def _head_office(chain: Chain, facts: ChainFacts, files: Mapping[str, str]) -> dict[str, Any]:
    registered = {store.store_code for store in chain.stores}
    rows: list[dict[str, Any]] = [
        {
            "code": code,
            "name": _store_name(chain, code),
            "registered": code in registered,
            "href": f"stores/{files[code]}",
            "facts": store,
            "today_fen": store.today.net_fen if store.today else 0,
            "week_fen": _week_fen(store),
            "koc": _koc_count(store),
        }
        for code, store in facts.stores.items()
    ]
    rows.sort(key=lambda row: (-row["week_fen"], row["code"]))
    week_total = _week_fen(facts.chain)
    return {
        "title": "总部日报",
        "kicker": chain.name,
        "facts": facts.chain,
        "known": facts.recognition,
        "stores": rows,
        "week_total": week_total,
        "nowhere_fen": week_total - sum(row["week_fen"] for row in rows),
        "koc_total": _koc_count(facts.chain),
    }


def _week_fen(facts: Facts) -> int:
    return sum(day.net_fen for day in facts.days[-7:])


def _koc_count(facts: Facts) -> str:
    """Without share events nobody is known to be one or not: that is unknown, not zero."""
    if not facts.koc.get("yes") and facts.koc.get("unknown"):
        return "未知"
    return words.count(facts.koc.get("yes", 0))


def _rate(part: int, whole: int) -> float | None:
    return part * 100 / whole if whole else None


def _sales_chart(days: Sequence[Day]) -> charts.Chart:
    titles = [f"{words.day(d.on)} {words.money(d.net_fen)}" for d in days]
    # two classes so that the shown day stands out from those before it
    stacks = [[d.net_fen, 0] for d in days[:-1]] + [[0, d.net_fen] for d in days[-1:]]
    return charts.stacked_bars(stacks, ["past", "counter"], titles)


def _channel_chart(days: Sequence[Day]) -> charts.Chart:
    titles = [
        f"{words.day(d.on)} 柜台 {words.money(d.counter_fen)}，团购 {words.money(d.groupbuy_fen)}"
        for d in days
    ]
    stacks = [[d.counter_fen, d.groupbuy_fen] for d in days]
    return charts.stacked_bars(stacks, ["counter", "group"], titles)


def _axis_words(chart: charts.Chart) -> str:
    """What the edges of a plot of percentages stand for."""
    return f"纵轴 {chart.bottom}–{chart.top}%" + ("，不从 0 起" if chart.bottom else "")


def _where_known(row: Row) -> str:
    """Where the manager finds this person: by the card in the till, else through the staff member who has her contact."""
    if row["card_no"]:
        return f"收银卡号 {row['card_no']}"
    if row["in_wecom"]:
        return f"企微：{row['wecom_staff_userid']}" if row["wecom_staff_userid"] else "企微客户，没有对应员工"
    return "团购小程序用户" if row["in_groupbuy"] else "收银里按手机号找"


def _channel_rows(channels: Mapping[str, Row]) -> list[tuple[str, Row]]:
    order = list(words.CHANNELS)
    return sorted(channels.items(), key=lambda item: order.index(item[0]))


def _linking_lines(facts: Facts) -> list[str]:
    """How the orders of the window were recognised and what linking added, a sentence each."""
    lines = []
    for code, row in _channel_rows(facts.channels):
        channel = words.CHANNELS.get(code, code)
        bases = [base for base in facts.bases if base["channel"] == code]
        paid = sum(
            base["orders"] for base in bases if base["basis"] == "pay_openid" and base["is_identified"]
        )
        if paid:
            lines.append(
                f"{channel}有 {words.count(paid)} 单没出示会员卡也没报手机号，靠支付账号认出："
                f"只靠卡和手机号时识别率为 {words.share(row['identified'] - paid, row['orders'])}，"
                f"加上支付账号是 {words.share(row['identified'], row['orders'])}。"
            )
        if row["linked"]:
            lines.append(
                f"{channel}认得的 {words.count(row['identified'])} 单里，{words.count(row['linked'])} 单"
                f"（{words.share(row['linked'], row['identified'])}）的顾客在别的系统里也有身份，"
                "打通前这个渠道看不到。"
            )
    return lines


def _basis_words(bases: Sequence[Row], channel: str, *, identified: bool) -> str:
    """E.g. 手机号 120、收银卡号 80: orders by what recognised the buyer, or by why nobody was."""
    told: dict[str, int] = {}
    for base in bases:
        if base["channel"] == channel and base["is_identified"] == identified:
            known = words.BASES if identified else words.MISSES
            label = known.get(base["basis"], base["basis"] if identified else words.REFUSED)
            told[label] = told.get(label, 0) + base["orders"]
    return "、".join(f"{label} {words.count(orders)}" for label, orders in told.items())


def _tier_ranges(chain: Chain) -> list[tuple[str, str, str]]:
    churn = chain.rules.churn
    ranges = (
        f"{churn.l1_days} 天内",
        f"{churn.l1_days}–{churn.l2_days - 1} 天",
        f"{churn.l2_days}–{churn.l3_days - 1} 天",
        f"{churn.l3_days} 天以上",
    )
    return [(tier, words.TIERS[tier], text) for tier, text in zip(TIER_ORDER, ranges, strict=True)]


def _tier_bar(tiers: Mapping[str, int]) -> charts.Chart:
    return charts.share_bar(
        [tiers.get(tier, 0) for tier in TIER_ORDER],
        [tier.lower() for tier in TIER_ORDER],
        [f"{words.TIERS[tier]} {words.count(tiers.get(tier, 0))} 人" for tier in TIER_ORDER],
    )


def _left_out_words(consent: Row | None) -> str:
    """Why people of a tier are not on its call list."""
    if consent is None:
        return ""
    told = {
        "unasked": "没有营销授权记录",
        "opted_out": "已拒绝",
        "unreachable": "有授权但没有手机号和企微",
        "held_out": "为对照组",
    }
    return "，".join(f"{words.count(consent[key])} 人{text}" for key, text in told.items() if consent[key])


def _koc_rule(chain: Chain) -> str:
    rule = chain.rules.koc
    complaints = "没有售后投诉" if rule.max_complaints == 0 else f"售后投诉不超过 {rule.max_complaints} 次"
    return f"30 天消费满 {words.money(rule.spend_30d_fen)}、分享满 {rule.shares_30d} 次、{complaints}"


def _evidence_words(evidence: Mapping[str, int]) -> str:
    """E.g. 消费 7 单、分享 6 次: the rows that count for a recommender."""
    told = {"order": "消费 {} 单", "share": "分享 {} 次", "complaint": "投诉 {} 次"}
    return "、".join(
        text.format(words.count(evidence[kind])) for kind, text in told.items() if kind in evidence
    )


def _campaign_blocks(
    campaigns: Sequence[Campaign], experiments: Mapping[str, books.Experiment], facts: Facts
) -> list[dict[str, Any]]:
    """One block per campaign of the rules, then those that only the data still knows."""
    names = {campaign.campaign_id: campaign for campaign in campaigns}
    seen = sorted(({row["campaign_id"] for row in facts.campaigns} | set(facts.campaigns_28d)) - set(names))
    return [
        _campaign_block(campaign_id, names.get(campaign_id), facts)
        | {"result": experiments[campaign_id].line if campaign_id in experiments else ""}
        for campaign_id in (*names, *seen)
    ]


def _campaign_block(campaign_id: str, campaign: Campaign | None, facts: Facts) -> dict[str, Any]:
    tonight = [row for row in facts.campaigns if row["campaign_id"] == campaign_id]
    month = facts.campaigns_28d.get(campaign_id, {"people": 0, "reached": 0, "held_out": 0})
    known = [outcome for outcome in words.OUTCOMES if _people(tonight, outcome=outcome)]
    others = sorted({row["outcome"] for row in tonight} - set(words.OUTCOMES))
    outcomes = [*known, *others]
    counts = [_people(tonight, outcome=outcome) for outcome in outcomes]
    labels = [words.OUTCOMES.get(outcome, (outcome, "skip")) for outcome in outcomes]
    return {
        "name": campaign.name if campaign else campaign_id,
        "offer": _offer(campaign) if campaign else "",
        "total": sum(counts),
        "holdout": _people(tonight, arm="holdout"),
        "counts": counts,
        "css": [css for _, css in labels],
        "titles": [
            f"{label} {words.count(number)} 人" for (label, _), number in zip(labels, counts, strict=True)
        ],
        "month": month,
    }


def _people(rows: Sequence[Row], **wanted: str) -> int:
    return sum(row["people"] for row in rows if all(row[key] == value for key, value in wanted.items()))


def _offer(campaign: Campaign) -> str:
    offer = campaign.offer
    if offer is None:
        return ""
    amount = words.money(offer.amount_fen)
    if offer.threshold_fen:
        return f"满 {words.money(offer.threshold_fen)} 减 {amount}，{offer.valid_hours} 小时内有效"
    return f"立减 {amount}，{offer.valid_hours} 小时内有效"


@dataclass(frozen=True)
class LateFeed:
    name: str
    last: date
    age: int


@dataclass(frozen=True)
class SourceLine:
    """One connection. `age`: nights since its main feed arrived, None when it never did; level: ok, warn, alarm."""

    name: str
    kind: str
    last: date | None
    age: int | None
    level: str
    status: str
    stale: tuple[LateFeed, ...]
    never: tuple[str, ...]

    @property
    def title(self) -> str:
        """团购（group_main）."""
        return f"{self.kind}（{self.name}）" if self.kind else self.name


def _sources(
    sources: Sequence[Mapping[str, Any]], kinds: Mapping[str, str], stale_days: int
) -> list[SourceLine]:
    by_connection: dict[str, list[Mapping[str, Any]]] = {}
    for source in sources:
        by_connection.setdefault(str(source["connection"]), []).append(source)
    return [
        _source_line(name, _KINDS.get(kinds.get(name, ""), ""), feeds, stale_days)
        for name, feeds in sorted(by_connection.items())
    ]


def _source_line(name: str, kind: str, feeds: Sequence[Mapping[str, Any]], stale_days: int) -> SourceLine:
    arrived = [feed for feed in feeds if feed.get("last_night")]
    # tickets, orders or contacts decide: a stock list that came alone does not make the sales complete
    main = [feed for feed in arrived if feed["feed"] in _CORE_FEEDS] or arrived
    freshest = min(main, key=lambda feed: feed["age_days"], default=None)
    age = freshest["age_days"] if freshest else None
    if age is None:
        level, status = "alarm", "从未收到"
    elif age == 0:
        level, status = "ok", "已到齐"
    else:
        level, status = "alarm" if age >= stale_days else "warn", f"缺 {age} 天"
    stale = [feed for feed in arrived if feed["age_days"] > 0 and not feed.get("seldom")]
    if level == "ok" and stale:
        status = f"{len(stale)} 项未更新"
    return SourceLine(
        name=name,
        kind=kind,
        last=_date(freshest["last_night"]) if freshest else None,
        age=age,
        level=level,
        status=status,
        stale=tuple(
            LateFeed(words.FEEDS.get(feed["feed"], feed["feed"]), _date(feed["last_night"]), feed["age_days"])
            for feed in stale
        ),
        never=tuple(words.FEEDS.get(f["feed"], f["feed"]) for f in feeds if not f.get("last_night")),
    )


def _date(text: str) -> date:
    return date.fromisoformat(text)


def _notes(quality: Mapping[str, Any]) -> list[str]:
    """What the night kept out: rows and files, with where and why."""
    notes = []
    rows = quality.get("night_rows") or {}
    if rows.get("read"):
        notes.append(
            f"当夜读入 {words.count(rows['read'])} 行：入库 {words.count(rows['loaded'])}，"
            f"重复 {words.count(rows['repeated'])}，不合格 {words.count(rows['rejected'])}。"
        )
    quarantined = quality.get("quarantined") or []
    notes += [
        f"已隔离：{item['connection']} {words.FEEDS.get(item['feed'], item['feed'])} "
        f"{words.day(_date(item['night']))}的 {item['file']}，原因：{item['reason']}"
        for item in quarantined[:_NOTES]
    ]
    if len(quarantined) > _NOTES:
        notes.append(f"另有 {len(quarantined) - _NOTES} 个隔离文件未列出。")
    return notes
