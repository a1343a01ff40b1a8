"""How numbers, dates and codes are written for people in the shops. Pure functions; money comes in integer fen."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal

from dagster_project.segments import METRICS

MISSING = "—"
_WEEKDAYS = "一二三四五六日"

CHANNELS: Mapping[str, str] = {"pos": "柜台", "groupbuy": "团购"}
TIERS: Mapping[str, str] = {"active": "活跃", "L1": "L1 初步流失", "L2": "L2 中度流失", "L3": "L3 重度流失"}
# outcome → (what it is called, which colour class its bar takes); in the order a reader asks for them
OUTCOMES: Mapping[str, tuple[str, str]] = {
    "delivered": ("已送达", "good"),
    "sent": ("已发出", "good2"),
    "awaiting_staff": ("等店员确认发送", "wait"),
    "quiet_hours": ("待推送（静默时段内）", "wait2"),
    "held_out": ("对照组，不打扰", "hold"),
    "no_consent": ("没有营销授权", "skip"),
    "opted_out": ("已退订", "skip2"),
    "capped": ("近期已发过，到频次上限", "skip3"),
    "unreachable": ("没有可用的触达方式", "skip4"),
    "over_budget": ("超出当日名额", "skip5"),
    "superseded": ("被别的活动替代", "skip6"),
    "rejected": ("平台拒绝", "bad"),
    "uncertain": ("结果未知，待核对", "bad2"),
}
FEEDS: Mapping[str, str] = {
    "tickets": "小票",
    "ticket_lines": "小票明细",
    "tenders": "支付",
    "members": "会员",
    "products": "商品",
    "stock": "库存",
    "staff": "员工",
    "points": "积分",
    "coupon_events": "券流水",
    "orders": "团购订单",
    "order_lines": "订单明细",
    "refunds": "退款",
    "complaints": "售后投诉",
    "users": "小程序用户",
    "shares": "分享",
    "leaders": "团长",
    "activities": "团购活动",
    "contacts": "企微客户",
    "tags": "企微标签",
    "group_chats": "客户群",
    "group_members": "群成员",
    "message_results": "群发结果",
    "snapshot_staff": "读取范围",
}
# what recognised the buyer of an order
BASES: Mapping[str, str] = {
    "member_ref": "收银卡号",
    "phone": "手机号",
    "pay_openid": "支付账号",
    "alipay_user": "支付宝账号",
    "openid": "微信登录",
    "verified_phone": "验证过的手机号",
    "unionid": "微信统一编号",
}
# why nobody was
MISSES: Mapping[str, str] = {
    "no_identifier": "没留任何标识",
    "unknown_identifier": "标识没有登记过",
    "unverified_phone": "手机号没有验证",
}
REFUSED = "号码被多人共用或不可信"
# metric of the rule file → what it is called and counted in; no unit: true or false
_METRICS: Mapping[str, tuple[str, str]] = {
    "days_since_purchase": ("距上次消费", "天"),
    "orders_30d": ("近30天订单", "单"),
    "orders_total": ("累计订单", "单"),
    "pos_orders_total": ("累计柜台订单", "单"),
    "groupbuy_orders_total": ("累计团购订单", "单"),
    "high_margin_orders_total": ("累计高毛利品类订单", "单"),
    "channels_30d": ("近30天消费渠道", "个"),
    "rfm_r": ("RFM 最近度", "分"),
    "rfm_f": ("RFM 频次", "分"),
    "rfm_m": ("RFM 金额", "分"),
    "spend_7d": ("近7天消费", "元"),
    "spend_30d": ("近30天消费", "元"),
    "spend_90d": ("近90天消费", "元"),
    "counter_spend_30d": ("近30天柜台消费", "元"),
    "groupbuy_spend_30d": ("近30天团购消费", "元"),
    "is_potential_group_buyer": ("潜在拼团用户", ""),
}
_OPERATORS = {">=": "至少", "<=": "至多", ">": "超过", "<": "不到", "=": "为", "!=": "不为"}
_CONDITION = re.compile(r"(?P<metric>\w+) (?P<op>>=|<=|!=|[<>=]) (?P<value>\S+)")


def money(fen: int | None) -> str:
    """¥9.80, ¥50, ¥1,234, ¥1.23万, ¥123.4万, ¥1.23亿: fewer digits as amounts grow; rounded half up."""
    if fen is None:
        return MISSING
    sign, fen = ("−", -fen) if fen < 0 else ("", fen)
    if fen < 100_00 and fen % 100:
        return f"{sign}¥{fen // 100}.{fen % 100:02d}"
    if (fen + 50) // 100 < 10_000:
        return f"{sign}¥{(fen + 50) // 100:,}"
    return f"{sign}¥{_in_units(fen, 1_000_000)}"


def exact_money(fen: int | None) -> str:
    """¥1,234.56: what is paid out adds up to the fen."""
    if fen is None:
        return MISSING
    return f"{'−' if fen < 0 else ''}¥{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def quantity(number: Decimal | None) -> str:
    """12, 0.5: pieces or weight without trailing zeros."""
    return MISSING if number is None else f"{number.normalize():,f}"


def count(number: int | None) -> str:
    """12,345 and from 100,000 on 12.35万."""
    if number is None:
        return MISSING
    return f"{number:,}" if number < 100_000 else _in_units(number, 10_000)


def _in_units(value: int, wan: int) -> str:
    """`value` in 万, from a thousand 万 万 on in 亿; `wan` is how much of `value` makes one 万."""
    if (value + wan // 2) // wan >= 10_000:
        return f"{_decimals(value, wan * 10_000)}亿"
    return f"{_decimals(value, wan)}万"


def _decimals(value: int, unit: int) -> str:
    digits = 2 if value < unit * 100 else 1 if value < unit * 1_000 else 0
    scaled = (value * 10**digits * 2 + unit) // (unit * 2)
    whole, rest = divmod(scaled, 10**digits)
    return f"{whole:,}.{rest:0{digits}d}" if digits else f"{whole:,}"


def share(part: int | None, whole: int | None) -> str:
    """part/whole as 83.2%; a dash when there is no whole."""
    if part is None or not whole:
        return MISSING
    tenths = (part * 2000 + whole) // (whole * 2)
    return f"{tenths // 10}.{tenths % 10}%"


def change(now: int, before: int | None, told: Callable[[int], str] = count) -> tuple[str, str]:
    """('up'|'down'|'same'|'none', text) against the same weekday last week; `before` None: no data for that day.

    Beyond four times as much a percentage says nothing: then what there was a week ago is told, in the form `told`.
    """
    if before is None:
        return "none", "上周同日无数据"
    if before == 0:
        return "none", "上周同日为 0"
    tenths = (abs(now - before) * 2000 + before) // (before * 2)
    if tenths == 0:
        return "same", "持平"
    if tenths > 3000 and now > before:
        return "up", f"上周同日只有 {told(before)}"
    amount = f"{tenths // 10}.{tenths % 10}%"
    return ("up", f"多 {amount}") if now > before else ("down", f"少 {amount}")


def day(value: date | None) -> str:
    """1月5日."""
    return MISSING if value is None else f"{value.month}月{value.day}日"


def full_day(value: date) -> str:
    """2026年1月5日 周一."""
    return f"{value.year}年{value.month}月{value.day}日 周{_WEEKDAYS[value.weekday()]}"


def segment_reason(reason: str | None) -> str:
    """A segment's rule as a sentence, e.g. 近30天消费超过 500 元；是潜在拼团用户. What is no condition stays as it is."""
    return "；".join(_condition(part) for part in (reason or "").split("；"))


def _condition(text: str) -> str:
    match = _CONDITION.fullmatch(text)
    metric = METRICS.get(match["metric"]) if match else None
    if match is None or metric is None:
        return text
    name, unit = _METRICS.get(metric.name, (metric.zh, "元" if metric.kind == "yuan" else ""))
    if metric.kind == "bool":
        return ("是" if (match["op"] == "=") == (match["value"] == "true") else "不是") + name
    return f"{name}{_OPERATORS[match['op']]} {match['value']} {unit}".rstrip()
