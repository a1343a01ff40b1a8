"""Who was recognised and what to look into: the head office's section on One ID, read from one publication."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from dagster_project.reports import words
from dagster_project.reports.published import rows_by_name

WINDOW_DAYS = 30
LISTED = 8
# a rate of a handful of sales says nothing about a shop
LEAST_SALES = 30
Row = Mapping[str, Any]

REASONS: Mapping[str, str] = {
    "cashier_own_number": "收银员自己的号",
    "shop_number": "店里的号",
    "unlisted_placeholder": "不在名单上的占位号",
    "hub": "很多人共用",
}
NAMESPACES: Mapping[str, str] = {
    "phone": "手机号",
    "pos_member": "会员卡",
    "openid": "微信号",
    "unionid": "微信号",
    "external_userid": "企微客户",
    "alipay_user": "支付宝账号",
}


@dataclass(frozen=True)
class Recognition:
    """The last 30 days up to the shown day.

    gains: per channel sales, identifiable, own_channel, recognised, gained and linked sales.
    worst: store_code, sales, recognised of the shops recognising least at the counter, worst first, with the most
        frequent reason why nobody was recognised and its sales.
    suspects: at most eight, latest first: name (masked), reason, store_code, flagged_on.
    suspect_count: all of them.
    alarms: rows of identifier_health that were out of their own range in the last seven days, latest first, at most
        eight.
    """

    gains: Sequence[Row]
    worst: Sequence[Row]
    suspects: Sequence[Row]
    suspect_count: int
    alarms: Sequence[Row]


def read_recognition(con: duckdb.DuckDBPyConnection) -> Recognition:
    """Reads the views of `published.connect` and the table `param` (as_of, shown)."""
    [suspect_count] = con.execute("select count(*) from identity_suspects").fetchone() or (0,)
    return Recognition(
        gains=rows_by_name(con.execute(_GAINS)),
        worst=rows_by_name(con.execute(_WORST)),
        suspects=[row | {"name": suspect_name(row)} for row in rows_by_name(con.execute(_SUSPECTS))],
        suspect_count=suspect_count,
        alarms=rows_by_name(con.execute(_ALARMS)),
    )


def suspect_name(row: Row) -> str:
    """手机号 138****1234; of any other identifier the last four characters, so that people can tell two apart."""
    kind = NAMESPACES.get(row["namespace"], row["namespace"])
    return f"{kind} {row['masked'] or '…' + str(row['identifier'])[-4:]}"


def gain_line(row: Row) -> str:
    """One channel's gain as a sentence."""
    text = (
        f"{words.CHANNELS.get(row['channel'], row['channel'])}单靠自己的数据能认出 {words.count(row['own_channel'])} 单，"
        f"打通后认出 {words.count(row['recognised'])} 单"
    )
    if row["gained"]:
        text += f"，多认 {words.count(row['gained'])} 单"
    if row["linked"]:
        text += (
            f"；认出的单里 {words.count(row['linked'])} 单（{words.share(row['linked'], row['recognised'])}）"
            "的顾客在另一个渠道也有往来"
        )
    return text + "。"


def miss_words(reason: str | None) -> str:
    """Why most of the others were not recognised."""
    return words.MISSES.get(reason, words.REFUSED) if reason else ""


def alarm_line(row: Row) -> str:
    """E.g. 手机号出现 310 次，平时 100 次: what of a shop's day is out of its own range."""
    parts = []
    if row["is_volume_alarm"]:
        parts.append(
            f"出现 {words.count(row['statements'])} 次，平时 {words.count(row['usual_statements'])} 次"
        )
    if row["is_top_alarm"]:
        parts.append(
            f"同一个用了 {words.count(row['records_max'])} 次，平时最多 {words.count(row['usual_records_max'])} 次"
        )
    if row["is_bad_alarm"]:
        parts.append(
            f"占位或无效号码 {words.count(row['bad_values'])} 个，平时 {words.count(row['usual_bad_values'])} 个"
        )
    return NAMESPACES.get(row["namespace"], row["namespace"]) + "；".join(parts)


_WINDOW = f"business_date between (select shown - {WINDOW_DAYS - 1} from param) and (select shown from param)"

_GAINS = f"""
select
    channel, sum(sales)::bigint as sales, sum(identifiable_sales)::bigint as identifiable,
    sum(own_channel_sales)::bigint as own_channel, sum(recognised_sales)::bigint as recognised,
    sum(gained_sales)::bigint as gained, sum(linked_sales)::bigint as linked
from recognition_gains
where {_WINDOW}
group by channel
order by channel desc
"""

_WORST = f"""
with rates as (
    select store_code, is_recognised, basis, sum(sales)::bigint as sales
    from recognition_rates
    where channel = 'pos' and store_code != 'unknown' and {_WINDOW}
    group by all
),
reasons as (
    select store_code, basis as reason, sales as reason_sales
    from rates
    where not is_recognised
    qualify row_number() over (partition by store_code order by sales desc, basis) = 1
),
stores as (
    select
        store_code, sum(sales)::bigint as sales,
        coalesce(sum(sales) filter (where is_recognised), 0)::bigint as recognised
    from rates
    group by store_code
    having sum(sales) >= {LEAST_SALES}
)
select store_code, sales, recognised, reason, reason_sales
from stores left join reasons using (store_code)
order by recognised / sales, store_code
limit 3
"""

_SUSPECTS = f"""
select namespace, identifier, masked, reason, store_code, flagged_on
from identity_suspects
order by flagged_on desc, namespace, identifier
limit {LISTED}
"""

_ALARMS = f"""
select
    namespace, store_code, business_date, statements, usual_statements, records_max, usual_records_max,
    placeholder_statements + invalid_phones as bad_values, usual_bad_values,
    is_volume_alarm, is_top_alarm, is_bad_alarm
from identifier_health, param
where is_alarm and business_date between as_of - 6 and as_of
order by business_date desc, store_code, namespace
limit {LISTED}
"""
