"""`linli explain member ID`: why records are one member, as text that fits a phone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from rich.cells import cell_len

from dagster_project.cli.options import CHAIN_FOLDER
from dagster_project.cli.words import channels
from dagster_project.lang import tr

if TYPE_CHECKING:
    from dagster_project.identity.explain import Link, Node, Step
    from dagster_project.reports.evidence import End, Event, Explanation, Identifier, Paid, Refusal, Source

WIDTH = 44  # terminal cells of a phone held upright; a Chinese character takes two
MOST_HOLDERS = 12  # a dummy number has thousands
MOST_TICKETS = 5  # that one account paid for


@click.group("explain")
@click.option("--chain", type=CHAIN_FOLDER, help="连锁文件夹")
def explain(chain: Path | None) -> None:
    """说明为什么几条记录是同一位会员。

    \b
    例：linli explain member maabhboggjkgopgdn --chain data/demo
    """


@explain.command("member")
@click.option("--chain", envvar="LINLI_CHAIN", type=CHAIN_FOLDER, help="连锁文件夹")
@click.argument("member_id", metavar="ID")
@click.argument("record_a", metavar="RECORD_A", required=False)
@click.argument("record_b", metavar="RECORD_B", required=False)
@click.pass_context
def member(
    ctx: click.Context, chain: Path | None, member_id: str, record_a: str | None, record_b: str | None
) -> None:
    """一位会员：标识、事件、同住会员；每个标识到最早那个的证据链，或两条记录之间的；没有采用的链接及原因。

    只读最近一次发布和数据湖，夜间作业进行中也能用。记录写成 连接|数据|编号，要加引号。

    \b
    例：linli explain member maabhboggjkgopgdn --chain data/demo
        linli explain member maabhboggjkgopgdn 'pos_main|members|0060008112'
        'group_main|orders|G2026112100017' --chain data/demo
    """
    # what stands on the line itself comes before the variable, wherever on the line it stands
    if ctx.get_parameter_source("chain") is not ParameterSource.COMMANDLINE and ctx.parent is not None:
        chain = ctx.parent.params.get("chain") or chain
    if chain is None:
        raise click.MissingParameter(ctx=ctx, param=next(p for p in ctx.command.params if p.name == "chain"))
    if record_a is not None and record_b is None:
        raise click.UsageError(
            tr("要么不写记录，要么写两条", "name two records, or none"),
            ctx,
        )
    from dagster_project.config import load_chain
    from dagster_project.privacy import mask_text
    from dagster_project.reports.evidence import UnknownMemberError, explain_member

    records = (record_a, record_b) if record_a and record_b else None
    try:
        found = explain_member(load_chain(chain, resolve_secrets=False), member_id, records)
    except UnknownMemberError as error:
        raise click.ClickException(mask_text(str(error))) from None
    for line in explanation_lines(found):
        # identifiers are tokens already; what a source put into its own keys is not ours to trust
        click.echo(mask_text(line))


def explanation_lines(found: Explanation) -> list[str]:
    """The whole text, no line wider than WIDTH cells."""
    return [part for line in _Page(found).lines() for part in wrapped(line)]


def wrapped(line: str, width: int = WIDTH) -> Iterator[str]:
    """Parts of a line, each at most `width` cells; what follows is indented by two more than the line is."""
    indent = " " * (len(line) - len(line.lstrip(" ")) + 2)
    while cell_len(line) > width:
        used, last_space = 0, 0
        for place, letter in enumerate(line):
            used += cell_len(letter)
            if used > width:
                cut = last_space if last_space > width // 2 else place
                break
            if letter == " " and place >= len(indent):
                last_space = place
        yield line[:cut].rstrip()
        line = indent + line[cut:].lstrip()
    yield line


class _Page:
    """Puts one explanation into words. Identifiers of the member have a number and are called by it."""

    def __init__(self, found: Explanation) -> None:
        self.found = found
        self.numbers: dict[tuple[str, str], int] = {}
        for identifier in found.identifiers:
            self.numbers.setdefault((identifier.namespace, identifier.identifier), len(self.numbers) + 1)
        tokens = {i.identifier for i in (*found.identifiers, *found.holders) if i.namespace == "phone"}
        tokens |= {r.link.right[1] for r in found.refusals if r.link.right[0] == "phone"}
        self.tokens = re.compile("|".join(map(re.escape, sorted(tokens)))) if tokens else None

    def lines(self) -> Iterator[str]:
        found = self.found
        yield from self._head()
        yield ""
        yield tr("标识", "Identifiers")
        for identifier in found.identifiers:
            yield from self._identifier(identifier)
        yield ""
        yield tr("证据链", "Evidence")
        yield from self._evidence()
        yield ""
        yield tr(f"没有采用的链接：{len(found.refusals)}", f"Links not followed: {len(found.refusals)}")
        for refusal in found.refusals:
            yield from self._refusal(refusal)
        if found.holders:
            yield ""
            yield tr("号码先后属于谁", "Who had the number when")
            yield from self._holders(found.holders)
        yield ""
        yield tr("事件", "Events")
        for event in found.events:
            yield from self._event(event)

    def _head(self) -> Iterator[str]:
        found, member = self.found, self.found.member
        if found.asked != found.member_id:
            yield tr(
                f"{found.asked} 已在 {found.retired_on} 并入 {found.member_id}",
                f"{found.asked} was merged into {found.member_id} on {found.retired_on}",
            )
        yield tr(f"会员 {found.member_id}", f"Member {found.member_id}")
        yield tr(f"  截至 {found.as_of} 的发布", f"  as published on {found.as_of}")
        yield tr("  手机 ", "  phone ") + (member.get("phone_masked") or tr("没有", "none"))
        known = channels(member.get("has_pos"), member.get("has_groupbuy"), member.get("has_wecom"))
        yield tr("  渠道 ", "  channels ") + known
        yield tr("  归属门店 ", "  shop ") + (member.get("home_store_code") or "–")
        yield tr("  首次出现 ", "  first seen ") + _day(member.get("first_seen_on"))
        yield tr("  最近消费 ", "  last bought ") + _day(member.get("last_purchase_on"))
        if found.household:
            yield tr("  同住会员 ", "  household with ") + " ".join(found.household)

    def _identifier(self, identifier: Identifier) -> Iterator[str]:
        number = self.numbers[identifier.namespace, identifier.identifier]
        yield f"  [{number}] {self._full(identifier.namespace, identifier.identifier)}"
        until = _day(identifier.valid_to) if identifier.valid_to else tr("现在", "now")
        root = self.found.root
        notes = [tr(f"{identifier.valid_from} 至 {until}", f"{identifier.valid_from} to {until}")]
        if identifier.is_shared:
            notes.append(
                tr("与人共用，只用来联系：", "shared, for contact only: ")
                + _reasons().get(identifier.basis, identifier.basis)
            )
        if root and root[:2] == (identifier.namespace, identifier.identifier):
            notes.append(tr("会员号由它生成", "the member id is made of it"))
        yield "      " + tr("；", "; ").join(notes)

    def _evidence(self) -> Iterator[str]:
        found = self.found
        if found.ends:
            for end in found.ends:
                yield from self._end(end)
            [(_, path)] = found.paths
            if path is None:
                yield tr(
                    "  两条记录之间没有链接：其中一条在数据湖里没有原始行，或没有写着本会员的标识",
                    "  no link between the two: the lake has no row of one of them, or it names nothing of this member",
                )
            elif not path:
                yield tr(
                    "  两条记录写着同一个标识，不需要链接",
                    "  both name the same identifier; no link is needed",
                )
            else:
                yield from self._steps(path)
            return
        if not found.paths:
            yield tr("  只有一个标识，不需要链接", "  a single identifier; no link is needed")
        for node, path in found.paths:
            if node is None or found.root is None:
                continue
            yield f"  {self._short(found.root)} → {self._short(node)}"
            if path is None:
                yield tr("    没有链接", "    no link")
            else:
                yield from self._steps(path)

    def _end(self, end: End) -> Iterator[str]:
        yield f"  {end.record}"
        named = tr("、", ", ").join(self._short(node) for node in end.nodes) or "–"
        yield tr(f"    依据 {end.basis}，写着 {named}", f"    by {end.basis}, names {named}")
        yield "    " + _place(end.source)
        if end.via:
            yield tr(f"    它指的单据是 {end.via}", f"    the sale it names is {end.via}")
        if end.paid:
            yield from self._paid(end.paid)

    def _paid(self, paid: Paid) -> Iterator[str]:
        account, count = self._full(*paid.account[:2]), len(paid.tickets)
        yield tr(
            f"    由 {account} 付款。它还为本会员的 {count} 张小票付过款，那时出示了卡或报了手机号；"
            "凡是这样的小票都只是本会员的",
            f"    paid by {account}, which paid for {count} tickets of this member's too, when a card or phone was shown;"
            " and for nobody else's such tickets",
        )
        for ticket in paid.tickets[:MOST_TICKETS]:
            yield "      " + ticket.record
            yield "        " + _place(ticket.source)
        if (more := count - MOST_TICKETS) > 0:
            yield tr(f"      另有 {more} 张", f"      {more} more")

    def _steps(self, path: Iterable[Step]) -> Iterator[str]:
        for number, step in enumerate(path, 1):
            yield f"    {number}. {self._short(step.source)} → {self._short(step.target)}"
            yield from self._proof(step.link)

    def _proof(self, link: Link) -> Iterator[str]:
        yield "       " + _rule(link.rule)
        yield tr(
            f"       强度 {link.strength}（越小越强），{link.support} 条记录",
            f"       strength {link.strength} (lower is stronger), {link.support} records",
        )
        yield "       " + self._text(link.record)
        yield "       " + _place(self.found.sources.get(link.record))
        yield "       " + _span(link.starts_at, link.ends_at)

    def _refusal(self, refusal: Refusal) -> Iterator[str]:
        link = refusal.link
        yield f"  {self._short(link.left)} ✕ {self._short(link.right)}"
        yield "    " + tr("原因：", "reason: ") + _reasons().get(refusal.reason, refusal.reason)
        if refusal.evidence:
            yield "    " + self._text(refusal.evidence)
        others = {refusal.member_a, refusal.member_b} - {None, self.found.member_id}
        for other in sorted(filter(None, others)):
            yield tr(f"    另一边是会员 {other}", f"    the other side is member {other}")
        yield from self._proof(link)

    def _holders(self, holders: Iterable[Identifier]) -> Iterator[str]:
        for phone, of_phone in groupby(holders, key=lambda holder: holder.identifier):
            yield "  " + self._short(("phone", phone, ""))
            everybody = list(of_phone)
            for holder in everybody[:MOST_HOLDERS]:
                yield "    " + self._holder(holder)
            if (more := len(everybody) - MOST_HOLDERS) > 0:
                yield tr(f"    另有 {more} 位会员", f"    {more} more members")

    def _holder(self, holder: Identifier) -> str:
        until = _day(holder.valid_to) if holder.valid_to else tr("现在", "now")
        mine = holder.member_id == self.found.member_id
        who = tr("本会员", "this member") if mine else holder.member_id
        shared = tr("（共用）", " (shared)") if holder.is_shared else ""
        return tr(f"{holder.valid_from} 至 {until} ", f"{holder.valid_from} to {until} ") + who + shared

    def _event(self, event: Event) -> Iterator[str]:
        mine, other = event.member_id == self.found.member_id, event.other_member_id
        told = {
            "created": tr("生成", "created"),
            "merged": tr(f"并入了 {other}", f"took in {other}")
            if mine
            else tr(f"被并入 {event.member_id}", f"was merged into {event.member_id}"),
            "split": tr(f"分出了 {other}", f"{other} split off")
            if mine
            else tr(f"从 {event.member_id} 分出", f"split off from {event.member_id}"),
            "reassigned": tr(f"从 {other} 转来一个标识", f"got an identifier of {other}")
            if mine
            else tr(f"一个标识转到 {event.member_id}", f"an identifier went to {event.member_id}"),
        }
        yield f"  {event.occurred_on} {told.get(event.kind, event.kind)}"
        yield "    " + self._text(event.evidence)

    def _full(self, namespace: str, identifier: str) -> str:
        word = _namespaces().get(namespace, namespace)
        return f"{word} {self._phone(identifier) if namespace == 'phone' else self._text(identifier)}"

    def _short(self, node: Node) -> str:
        number = self.numbers.get(node[:2])
        word = _namespaces().get(node[0], node[0])
        if number is not None:
            return f"[{number}] {word}"
        return f"{word} {self._phone(node[1]) if node[0] == 'phone' else '…' + self._text(node[1])[-8:]}"

    def _phone(self, token: str) -> str:
        # two numbers may look alike with their middle hidden
        return f"{self.found.masks.get(token) or ''} #{token[:6]}".strip()

    def _text(self, text: str) -> str:
        """Free text with every phone's token short."""
        return self.tokens.sub(lambda match: f"#{match[0][:6]}", text) if self.tokens else text


def _day(value: date | None) -> str:
    return value.isoformat() if value else "–"


def _place(source: Source | None) -> str:
    if source is None:
        return tr("文件：不是单独一行数据", "file: no single row")
    return tr(
        f"文件 {source.file} 第 {source.row} 行，{source.night} 到达",
        f"file {source.file} row {source.row}, arrived {source.night}",
    )


def _span(starts_at: datetime | None, ends_at: datetime | None) -> str:
    if starts_at is None:
        return tr("时间：未知", "time: unknown")
    if ends_at is None or ends_at == starts_at:
        return tr(f"时间 {starts_at:%Y-%m-%d %H:%M}", f"at {starts_at:%Y-%m-%d %H:%M}")
    return tr(
        f"时间 {starts_at:%Y-%m-%d %H:%M} 至 {ends_at:%Y-%m-%d %H:%M}",
        f"from {starts_at:%Y-%m-%d %H:%M} to {ends_at:%Y-%m-%d %H:%M}",
    )


def _namespaces() -> dict[str, str]:
    return {
        "phone": tr("手机", "phone"),
        "pos_member": tr("会员卡", "card"),
        "openid": tr("微信 openid", "openid"),
        "unionid": "unionid",
        "external_userid": tr("企微客户", "WeCom contact"),
        "alipay_user": tr("支付宝", "Alipay"),
    }


def _rule(rule: str) -> str:
    words = {
        "openid": tr("同一条记录写着这个 openid", "one record names this openid"),
        "unionid": tr("平台给出的 unionid", "the platform's unionid"),
        "verified_phone": tr("验证过的手机号", "a phone that was verified"),
        "unverified_phone": tr("填写而没有验证的手机号", "a phone typed and never verified"),
        "phone": tr("会员档案里的手机号", "the phone on the member's card"),
        "card_number": tr("卡号就是手机号", "the card's number is the phone"),
        "remark_phone": tr("员工备注里的手机号", "a phone in a staff remark"),
        "phone_and_name": tr("同一手机号、同一姓名", "the same phone and name"),
        "phone_and_visit": tr("同一手机号、同一次到店登记", "the same phone, taken on one visit"),
        "payer": tr("一直为它付款的账户", "the account that always pays for it"),
        "said_together": tr("只和这张卡一起报的手机号", "a number that is said with this card only"),
        "same": tr("人工裁定为同一个人", "somebody decided it is one person"),
    }
    word = words.get(rule.rsplit(".", 1)[-1])
    return tr(f"{word}（{rule}）", f"{word} ({rule})") if word else rule


def _reasons() -> dict[str, str]:
    return {
        "shared_phone": tr("几个人共用的号码", "a number that several people share"),
        "placeholder_phone": tr("占位号码", "a dummy number"),
        "cashier_own_number": tr("收银员自己的号码", "the cashier's own number"),
        "shop_number": tr("门店的号码", "the shop's number"),
        "unlisted_placeholder": tr("看起来是占位的号码", "a number that looks like a dummy"),
        "hub": tr("连着太多人的号码", "a number tied to too many people"),
        "ambiguous_remark": tr("备注对得上不止一人", "the remark fits more than one"),
        "contradicted_remark": tr("备注与别的证据矛盾", "the remark is contradicted"),
        "unconfirmed_remark": tr("备注没有旁证", "nothing confirms the remark"),
        "unverified_phone": tr("号码没有验证过", "the number was never verified"),
        "two_wechat_accounts": tr("一个人会同时有两个微信账号", "one person would have two WeChat accounts"),
        "two_places_at_once": tr(
            "同时用在来不及赶到的两家店，不止一次", "they were used in two shops at once, more than once"
        ),
        "too_many_cards": tr("一个人会同时有太多卡", "one person would have too many cards"),
        "too_many_phones": tr("一个人会同时有太多号码", "one person would have too many phones"),
        "decided_different": tr("人工裁定为两个人", "somebody decided they are two people"),
    }
