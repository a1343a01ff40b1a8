"""A hand-shaped publication: three shops, thirty-six days, three hundred people, written by the real publisher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.config import Chain, Store, packaged_chain
from dagster_project.publish import PublicationContext, publish, published_tables

AS_OF = date(2026, 1, 11)
STORES = (
    Store("S001", "邻里鲜·梧桐苑店"),
    Store("S002", "邻里鲜·滨江一号店"),
    Store("S003", "邻里鲜·老城厢菜场二楼东侧扶梯旁旗舰体验店"),
)

# A deterministic pseudo-random number 0 … n-1 from any values: hash() of DuckDB is stable over runs.
AUDIT_SQL = """
create schema audit; create schema ops;
create table ops.run_context as select date '{as_of}' as as_of_date;
-- letters only: a run of eleven digits in an id would look like a phone to the tests
create temp macro person_id(i) as 'm' || left(translate(md5('p' || i), '0123456789', 'ghijklmnop'), 16);
create temp macro pick(a, b, n) as (hash(a, b) % n)::int;
create table audit.members as
select
    person_id(i) as member_id,
    case when pick(i, 'ph', 10) < 8 then '13' || (i % 10) || '****' || lpad((1000 + i * 7 % 9000)::varchar, 4, '0') end as phone_masked,
    null::varchar as unionid,
    case when pick(i, 'wx', 10) < 5 then 'wm' || md5('x' || i) end as external_userid,
    case when pick(i, 'wx', 10) < 4 then 'mgr_' || i % 3 end as wecom_staff_userid,
    pick(i, 'pos', 10) < 8 as has_pos, pick(i, 'gb', 10) < 6 or pick(i, 'pos', 10) >= 8 as has_groupbuy,
    pick(i, 'wx', 10) < 5 as has_wecom,
    case when i % 17 > 0 then ['S001', 'S001', 'S002', 'S002', 'S003'][1 + i % 5] end as home_store_code,
    'first_purchase' as home_store_basis, date '{as_of}' - 59 as first_seen_on,
    case when i % 29 > 0 then date '{as_of}' - (pick(i, 'last', 100) * pick(i, 'la', 60) / 100)::int end as last_purchase_on,
    null::varchar as household_id,
    case when pick(i, 'c', 10) < 7 then 'Y' when pick(i, 'c', 10) < 8 then 'N' end as consent_marketing, 'active' as status
from range({people}) t(i);
create table audit.member_identifiers as
select person_id(i) as member_id, 'pos_member' as namespace, 'pos_main:00' || (80000 + i) as identifier,
    date '{as_of}' - 50 as valid_from, null::date as valid_to, 'pos.members.member_ref' as basis, false as is_shared
from range({people}) t(i) where i % 3 > 0
union all
select person_id(i), 'pos_member', 'pos_main:' || case i % 2 when 0 then 'tel-abc' else '77' || i end, date '{as_of}' - 40, null,
    'card_number', i % 2 = 1
from range({people}) t(i) where i % 3 = 0;
create table audit.member_events (event_id varchar, occurred_on date, kind varchar, member_id varchar, other_member_id varchar, evidence varchar);
create table audit.churn_tiers as
select date '{as_of}' as as_of_date, member_id, last_purchase_on, (date '{as_of}' - last_purchase_on)::int as days_since,
    case when days_since < 7 then 'active' when days_since < 15 then 'L1' when days_since < 30 then 'L2' else 'L3' end as tier,
    last_purchase_on as entered_on,
    case when pick(member_id, 'u', 9) > 0 then ['本地小青菜 500g', '谷饲肥牛卷', '崇明大米 5kg', '鲜鸡蛋 30 枚',
        '<b>云南高原夏季新鲜采摘精品蓝莓</b>"礼盒装" 125g×12 盒 冷链配送坏果包赔', '客服 13800138000 酸奶', '卤鸭', '无骨凤爪'][pick(member_id, 'u', 9)] end as usual_item
from audit.members where last_purchase_on is not null;
create table audit.member_metrics as
select date '{as_of}' as as_of_date, member_id, pick(member_id, 's', 80000)::bigint as spend_30d_fen,
    spend_30d_fen + pick(member_id, 's9', 120000)::bigint as spend_90d_fen, 0 as groupbuy_orders_total
from audit.members;
create table audit.orders as
select 'pos|pos_main|' || s || '|' || d || '-' || i as order_key, 'pos' as channel, 'pos_main' as connection, d || '-' || i as source_order_id,
    s as store_code, case when pick(s || d, i, 10) < 8 then person_id(pick(s || i, d, greatest({people}, 1))) end as member_id,
    date '{as_of}' - d::int as business_date, (1500 + pick(s || i, d, 9000) + case when d % 7 < 2 then 3000 else 0 end)::bigint as net_fen, 0::bigint as refund_fen, false as is_test
from range({days}) d(d), range(30) o(i), (select unnest(['S001', 'S002', 'S003']) as s) where i < 12 + pick(d, s, 18) and {has_pos}
union all
select 'groupbuy|group_main|G' || s || d || '-' || i, 'groupbuy', 'group_main', 'G' || s || d || '-' || i, s,
    case when pick(s || d, -i, 20) < 19 then person_id(pick(d, s || i, greatest({people}, 1))) end,
    date '{as_of}' - d::int, (2500 + pick(d, s || i, 7000))::bigint, 0::bigint, false
from range({days}) d(d), range(20) o(i), (select unnest(['S001', 'S002']) as s) where i < 3 + pick(s, d, 12) and {has_groupbuy};
alter table audit.orders add column is_purchase boolean; alter table audit.orders add column spend_fen bigint;
update audit.orders set is_purchase = true, spend_fen = net_fen;
create table audit.record_members as
select connection, case channel when 'pos' then 'tickets' else 'orders' end as feed, substr(order_key, length(channel || connection) + 3) as record_id,
    member_id, case
        when member_id is null then ['no_identifier', 'shared_phone', 'unknown_identifier'][1 + pick(order_key, 'b', 3)]
        when channel = 'groupbuy' then ['openid', 'verified_phone'][1 + pick(order_key, 'b', 2)]
        else ['phone', 'member_ref', 'phone', 'pay_openid'][1 + pick(order_key, 'b', 4)]
    end as basis
from audit.orders;
create table audit.store_days as
select store_code, business_date, count(*) as orders, sum(net_fen)::bigint as net_fen, count(member_id) as identified_orders,
    (count(*) / 9)::bigint as new_members, coalesce(sum(net_fen) filter (where channel = 'pos'), 0)::bigint as counter_fen,
    count(*) filter (where channel = 'groupbuy') as groupbuy_orders, coalesce(sum(net_fen) filter (where channel = 'groupbuy'), 0)::bigint as groupbuy_fen
from audit.orders group by all;
create table audit.recognition_rates as
select o.business_date, o.store_code, o.channel, o.member_id is not null as is_recognised, r.basis, count(*) as sales
from audit.orders o join audit.record_members r on o.order_key = o.channel || '|' || o.connection || '|' || r.record_id
group by all;
create table audit.recognition_gains as
select business_date, store_code, channel, count(*) as sales, (count(*) + count(member_id)) // 2 as identifiable_sales,
    (count(member_id) * 9 // 10)::bigint as own_channel_sales, count(member_id) as recognised_sales,
    recognised_sales - own_channel_sales as gained_sales, (count(member_id) // 2)::bigint as linked_sales
from audit.orders group by all;
create table audit.identity_suspects as
select namespace, identifier, masked, reason, store_code, 'x=6' as evidence, date '{as_of}' - 9 as first_on, date '{as_of}' - n as flagged_on
from (values ('phone', 'tokenofacashier', '138****0000', 'cashier_own_number', 'S001', 1), ('phone', 'tokenofaplace', '139****0000', 'unlisted_placeholder', null, 3),
    ('pos_member', 'pos_main:0012345', null, 'hub', null, 2)) s(namespace, identifier, masked, reason, store_code, n)
where {people} > 0;
create table audit.identifier_health as
select namespace, store_code, date '{as_of}' - n as business_date, 310 as statements, 100 as usual_statements, 41 as records_max,
    2 as usual_records_max, 7 as placeholder_statements, 2 as invalid_phones, 1 as usual_bad_values, volume as is_volume_alarm,
    top as is_top_alarm, bad as is_bad_alarm, volume or top or bad as is_alarm
from (values ('phone', 'S001', 1, true, true, false), ('phone', 'unknown', 2, false, false, true), ('phone', 'S002', 20, true, true, true),
    ('openid', 'S001', 0, false, false, false)) h(namespace, store_code, n, volume, top, bad)
where {people} > 0;
create table audit.koc as
select date '{as_of}' as as_of_date, member_id, spend_30d_fen, case when {has_shares} then pick(member_id, 'sh', 12) end as shares_30d,
    (pick(member_id, 'co', 9) = 0)::int as complaints,
    case when spend_30d_fen < 30000 or complaints > 0 then 'no' when shares_30d is null then 'unknown' when shares_30d >= 5 then 'yes' else 'no' end as eligible,
    case eligible when 'unknown' then '没有分享数据' when 'yes' then '消费、分享、投诉三项都达标' else '未达标' end as reason,
    case when eligible = 'yes' then upper(left(md5('k' || member_id), 6)) end as invite_code
from audit.member_metrics;
create table audit.segments (segment_id varchar, name varchar, definition_hash varchar);
insert into audit.segments values ('no_purchase_7d', '7天未消费', 'abcdefabcdef'), ('spend_30d_over_500', '近30天消费超500元', 'fedcbafedcba'), ('nobody', '空人群', '000000000000');
create table audit.segment_members as
select date '{as_of}' as as_of_date, 'no_purchase_7d' as segment_id, member_id, 'days_since_purchase >= 7' as reason from audit.churn_tiers where days_since >= 7
union all select date '{as_of}', 'spend_30d_over_500', member_id, 'spend_30d > 500' from audit.member_metrics where spend_30d_fen > 50000;
create table audit.campaign_candidates as
select 'churn_l2_coupon' as campaign_id, date '{as_of}' - (i % {nights})::int as business_date, m.member_id,
    case when pick(i, 'h', 10) = 0 then 'holdout' else 'treatment' end as arm, 'wecom' as channel,
    case when arm = 'holdout' then 'held_out' else ['quiet_hours', 'quiet_hours', 'sent', 'delivered', 'no_consent', 'opted_out', 'capped', 'unreachable', 'awaiting_staff', 'rejected'][1 + pick(i, 'o', 10)] end as outcome,
    '' as detail, m.last_purchase_on::varchar as lapse_key, null::varchar as coupon_code, null::timestamp as planned_at, 'abc' as rule_hash, null::varchar as subject
from (select *, row_number() over (order by member_id) as i from audit.members) m where m.i % 3 = 0;
create table audit.commission_statements as
select '2026-01' as month, member_id as beneficiary_member_id, 3 as orders, 1001::bigint as level1_fen, 50::bigint as level2_fen,
    -(pick(member_id, 'cl', 2) * 7)::bigint as clawed_back_fen, pick(member_id, 'pe', 900)::bigint as pending_fen, pick(member_id, 'du', 90000)::bigint as due_fen
from audit.koc where eligible = 'yes';
create table audit.leader_contributions as
select '2026-01' as month, 'group_main' as connection, 'L' || n as leader_id, 'S00' || (1 + n % 2) as store_code, 30 as members, 10 as groupbuy_orders,
    (90000 + n)::bigint as groupbuy_fen, 0::bigint as refund_fen, 4 as counter_orders, (20000 + n)::bigint as counter_fen,
    (7200 + n)::bigint as commission_fen, (200 + n)::bigint as counter_commission_fen, 'abc' as rule_hash
from range(24) t(n) where {people} > 0
union all select '2025-12', 'group_main', 'L0', 'S002', 9, 9, 1, 0, 1, 1, 1, 1, 'abc' where {people} > 0;
create table audit.staff_incentives as
select '2026-01' as month, 'pos_main' as connection, 'E' || n as staff_id, 'S001' as store_code, 5 + n as joined_members, 4 as stayed_members, 2 as first_orders,
    (1400 + n)::bigint as amount_fen, 'abc' as rule_hash
from range(3) t(n) where {people} > 0;
create table audit.points_differences as
select 'd' || n as difference_id, date '{as_of}' - n::int as business_date, person_id(n) as member_id, ['balance', 'posted_twice'][1 + n % 2] as kind, 5::decimal(18, 3) as difference
from range(40) t(n) where {people} > 0;
create table audit.coupon_exceptions as
select 'x' || n as exception_id, 'redeemed_twice' as kind, date '{as_of}' - n::int as business_date, person_id(n) as member_id, 800::bigint as amount_fen
from range(5) t(n) where {people} > 0;
create table audit.markdown_plan as
select 'S001' as store_code, date '{as_of}' - n::int as business_date, sku, item_name, unit
from (values (1, 's1', '菠菜', 'kg'), (2, 's2', '菠菜', 'kg'), (1, 's3', '茼蒿', 'kg'), (1, 's4', '盆栽薄荷', null)) g(n, sku, item_name, unit)
where {people} > 0;
create table audit.markdown_results as
select store_code, business_date, sku, 12.5::decimal(18, 3) as left_qty, 10::decimal(18, 3) as sold_qty, 3050::bigint as sold_fen,
    4::decimal(18, 3) as usual_qty, 8.5::decimal(18, 3) as would_be_wasted_qty, 2.5::decimal(18, 3) as wasted_qty, 1830::bigint as saved_fen
from audit.markdown_plan;
create table audit.experiment_results as
select 'churn_l2_coupon' as campaign_id, date '{as_of}' as as_of_date, arm, assigned, converted, lift, ci_low, ci_high, 0.5 as srm_p, 14 as recall_days
from (values ('treatment', 80, 24, 0.2, -0.01, 0.32), ('holdout', 20, 2, null, null, null)) e(arm, assigned, converted, lift, ci_low, ci_high) where {people} > 0;
create table audit.koc_evidence as
select date '{as_of}' as as_of_date, member_id, 'order' as kind, 'o' || n as ref, date '{as_of}' as business_date, 100::bigint as amount_fen, n < 2 as counts
from audit.koc, range(3) t(n) where eligible = 'yes';
"""

SOURCES = [
    ("pos_main", "tickets", 0),
    ("pos_main", "products", 5),
    ("pos_main", "members", 0),
    ("pos_main", "staff", 33),
    ("group_main", "orders", 1),
    ("group_main", "refunds", 1),
    ("group_main", "shares", None),
    ("wecom", "contacts", 0),
]


@pytest.fixture(scope="session")
def make_chain(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Chain]:
    """A chain folder with one publication; keywords shape it, see `_make`."""

    def make(**shape: Any) -> Chain:
        return _make(tmp_path_factory.mktemp("chain"), **shape)

    return make


@pytest.fixture(scope="session")
def chain(make_chain: Callable[..., Chain]) -> Chain:
    """The full one. Tests must not change its publication."""
    return make_chain(days=36)


@pytest.fixture(scope="session")
def twin(make_chain: Callable[..., Chain]) -> Chain:
    """The same publication in another folder."""
    return make_chain(days=36)


def _make(
    root: Path,
    *,
    people: int = 300,
    days: int = 9,
    stores: tuple[Store, ...] = STORES,
    has_pos: bool = True,
    has_groupbuy: bool = True,
    has_shares: bool = True,
    sources: list[tuple[str, str, int | None]] = SOURCES,
    change: str = "",
) -> Chain:
    """`change`: SQL on schema audit before it is published."""
    base = packaged_chain()
    connections = tuple(
        c for c in base.connections if (has_pos or c.kind != "pos") and (has_groupbuy or c.kind != "groupbuy")
    )
    chain = replace(base, root=root, name="邻里鲜", stores=stores, connections=connections)
    with duckdb.connect(str(root / "warehouse.duckdb")) as con:
        con.execute(
            AUDIT_SQL.format(
                as_of=AS_OF,
                people=people,
                days=days,
                nights=min(days, 10) or 1,
                has_pos=has_pos,
                has_groupbuy=has_groupbuy,
                has_shares=has_shares,
            )
            + change
        )
        context = PublicationContext(
            sources=[
                {
                    "connection": connection,
                    "feed": feed,
                    "last_night": None if age is None else AS_OF - timedelta(days=age),
                    "age_days": age,
                    "seldom": feed == "staff",
                }
                for connection, feed, age in sources
            ],
            quality={
                "night_rows": {"read": 5321, "loaded": 5300, "repeated": 12, "rejected": 9},
                "quarantined": [
                    {
                        "connection": "pos_main",
                        "feed": "stock",
                        "night": "2026-01-10",
                        "file": "库存<0110>.xlsx",
                        "reason": "缺少列 on_hand_qty",
                    }
                ],
            }
            if sources
            else {},
        )
        tables = [spec for spec in published_tables() if spec.name in _audited(con)]
        publish(con, chain.paths, as_of=AS_OF, context=context, tables=tables)
    return chain


def _audited(con: duckdb.DuckDBPyConnection) -> set[str]:
    rows = con.execute(
        "select table_name from information_schema.tables where table_schema = 'audit'"
    ).fetchall()
    return {row[0] for row in rows}
