"""A chain's whole past for the benchmark of the marts, made by SQL: what staging and One ID would hold of it.

Nothing is landed, digested or resolved: rows go straight into the staging tables, the tables that One ID fills
(`int_record_recognitions`, `members`, …) and the ops tables, in the columns those have. Everything follows from the
number of an order, a line or a person by `hash`, so the same sizes are the same world.

Night 0 is the last of the history; nights 1 and 2 each bring a day's orders more. Of a night's orders 0.2 % are late, and
between nights 0.05 % of the members are merged with a neighbour and 0.02 % are taken apart again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

END = date(2026, 11, 21)  # night 0
LINES = 4  # of an order, on average: 1 to 7
STORES, LEADERS, PRODUCTS = 50, 200, 1000
LATE = 500  # one order in so many comes late
TURNS = 20_000  # shares of merged and un-merged members are told in parts of this
MERGED, UNMERGED = 10, 4
_CHUNK = 250_000  # orders made at a time

CATEGORIES = ("叶菜", "根茎", "菌菇", "猪肉", "禽肉", "蛋", "水产", "水果", "豆制品", "熟食", "米面", "调料", "酒水",
              "饮料", "零食", "乳品", "冷冻", "烘焙", "日用", "宠物")  # fmt: skip
GROUPS = ("蔬菜", "肉禽蛋", "水产", "水果", "熟食", "杂货")


@dataclass(frozen=True)
class Sizes:
    """How many members there are at first, how many nights the history has and how many orders come each night."""

    members: int
    nights: int
    a_night: int

    @property
    def orders(self) -> int:
        """Of the whole history."""
        return self.nights * self.a_night

    @property
    def lines(self) -> int:
        """Of the whole history, about."""
        return self.orders * LINES

    @property
    def born(self) -> int:
        """New members a night."""
        return max(1, self.members // 2000)

    @property
    def first_day(self) -> date:
        return END - timedelta(days=self.nights - 1)


def night_of(number: int) -> date:
    """The date of night `number`."""
    return END + timedelta(days=number)


# ---- who there is

_PERSONS = f"""
create or replace table bench.persons as
with numbered as (
    select
        p::integer as p, greatest(0, ceil((p - persons() + 1) / born()::double))::integer as born,
        (p * 13337) % {TURNS} as turn, md5('p' || p) as code
    from range(persons() + 2 * born()) as t(p)
)
select
    p, born,
    -- night of the merger, of the separation; 9 is never
    case when turn < {MERGED} then 1 when turn between {TURNS // 2} and {TURNS // 2} + {MERGED} - 1 then 2 else 9 end as merged_on,
    case
        when turn between {MERGED} + 1 and {MERGED} + {UNMERGED} then 1
        when turn between {TURNS // 2} + {MERGED} + 1 and {TURNS // 2} + {MERGED} + {UNMERGED} then 2
        else 0
    end as parted_on,
    'm' || substr(translate(code, '0123456789abcdef', 'abcdefghijklmnop'), 1, 16) as own_id,
    printf('%010d', p) as card, translate(md5('t' || p), '0123456789abcdef', 'abcdefghijklmnop') as token,
    printf('1%d****%04d', 30 + p % 60, p % 10000) as masked, 'oM3kX5' || substr(code, 1, 22) as openid,
    'oU6vZ1' || substr(code, 3, 22) as unionid, 'wmLk7Q' || substr(code, 5, 22) as external_userid,
    p % 2 = 0 as has_account, p % 5 < 2 as has_contact, p % 10 < 3 as in_group, printf('S%02d', p % {STORES}) as home
from numbered
"""

# whose a record is on a night: a neighbour's once merged, a neighbour's until taken apart
_OWNERS = """
create or replace table bench.owners as
select
    persons.p, persons.own_id,
    case
        when persons.merged_on <= night() or persons.parted_on > night() then neighbours.own_id else persons.own_id
    end as member_id
from bench.persons as persons
left join bench.persons as neighbours on persons.p + 1 = neighbours.p
where persons.born <= night()
"""

_MEMBERS = """
select
    member_id, min(token) as phone_token, min(masked) as phone_masked, min(unionid) as unionid,
    min(case when has_contact then external_userid end) as external_userid,
    min(case when has_contact then lower(home) || '_csh1' end) as wecom_staff_userid,
    true as has_pos, bool_or(has_account) as has_groupbuy, bool_or(has_contact) as has_wecom, min(home) as home_store_code,
    'first_purchase' as home_store_basis, min(first_day() + (persons.p % nights())) as first_seen_on,
    as_of() - (min(persons.p) % 40) as last_purchase_on, case when min(persons.p) % 3 = 0 then 'N' else 'Y' end as consent_marketing,
    'active' as status
from bench.owners as owners
inner join bench.persons as persons using (p)
group by member_id
"""

_IDENTIFIERS = """
select
    member_id, unnest(['pos_member', 'phone', 'openid', 'unionid', 'external_userid']) as namespace,
    unnest(['pos_main:' || card, token, case when has_account then 'wxmall:' || openid end, unionid,
            case when has_contact then external_userid end]) as identifier,
    first_day() as valid_from, 'pos.members.member_ref' as basis, false as is_shared
from bench.owners as owners
inner join bench.persons as persons using (p)
"""

_REDIRECTS = """
select own_id as retired_member_id, member_id, as_of() - 1 as merged_on from bench.owners where own_id != member_id
"""


# ---- what they did

_ORDERS = f"""
create or replace temp table placed as
with drawn as (
    select i, hash(i, 1) as h1, hash(i, 2) as h2, hash(i, 3) as h3, hash(i, 4) as h4
    from range(first_order(), last_order()) as t(i)
),
dated as (
    select
        *, arrived(i) as arrived_on,
        -- some of a night's orders are days late
        arrived(i) - case when h4 % {LATE} = 0 then 1 + (h3 % 20)::integer else 0 end as day,
        -- a few buy often, many seldom
        floor(pow((h1 % 1000003) / 1000003.0, 1.5) * known())::integer as drawn_p,
        h2 % 5 = 0 as is_group
    from drawn
),
who as (
    select *, case when is_group then drawn_p - drawn_p % 2 when h2 % 100 < 92 then drawn_p end as p from dated
)
select
    who.i, who.is_group, who.day, who.arrived_on, who.h3, who.h4, persons.* exclude (home),
    case when h3 % 10 < 8 and home is not null then home else printf('S%02d', h4 % {STORES}) end as store_code,
    day::timestamp + to_seconds((7 * 3600 + h3 % 50400)::bigint) as moment,
    strftime(day, '%y%m%d') || printf('%09d', who.i) as number,
    printf('L%04d', coalesce(who.p, 0) // 2 % {LEADERS}) as leader_id,
    (1 + h4 % {2 * LINES - 1})::integer as lines, (h4 // 8)::bigint as luck
from who
left join bench.persons as persons on who.p = persons.p
"""

_BASKETS = f"""
create or replace temp table bought as
with numbered as (
    select i, is_group, store_code, number, arrived_on, day, unnest(range(lines))::integer as n from placed
),
drawn as (
    select *, floor(pow((hash(i, n, 5) % 1000003) / 1000003.0, 2) * {PRODUCTS})::integer as k, hash(i, n, 6) as h from numbered
),
priced as (
    select
        drawn.*, products.*, case when h % 4 = 0 then (200 + h // 4 % 1800) / 1000.0 else 1 + h // 4 % 3 end::decimal(18, 3) as qty
    from drawn
    inner join bench.products as products using (k)
)
select
    *, round(qty * price_fen)::bigint as gross_fen,
    case when h // 16 % 7 = 0 then round(qty * price_fen * 0.15)::bigint else 0 end as discount_fen,
    gross_fen - discount_fen as amount_fen
from priced
"""

_SUMS = """
create or replace temp table sold as
select placed.*, gross_fen, discount_fen, net_fen, first_sku, first_fen
from placed
inner join (
    select
        i, sum(gross_fen)::bigint as gross_fen, sum(discount_fen)::bigint as discount_fen, sum(amount_fen)::bigint as net_fen,
        min(sku) filter (n = 0) as first_sku, min(amount_fen) filter (n = 0) as first_fen
    from bought group by i
) using (i)
"""

_PRODUCTS = f"""
create or replace table bench.products as
select
    k::integer as k, printf('%06d', 10000 + k) as sku, '商品' || k as item_name, $categories[1 + (k % 20)::integer] as category,
    $groups[1 + (k % 20 % 6)::integer] as category_l1, (200 + k * 37 % 4000)::bigint as price_fen
from range({PRODUCTS}) as t(k)
"""


def _record(connection: str, feed: str, key: str, arrived: str = "arrived_on") -> str:
    name = f"'{connection}|{feed}|' || {key}"
    return (
        f"{name} as row_key, {name} as record_key, {key} as record_id, '{connection}' as connection, {arrived} as arrived_on,"
        f" {arrived} as first_arrived_on, '{feed}.csv' as file_name, row_number() over () as row_no,"
        f" {arrived} || '|{connection}|{feed}|000000000000' as batch_id"
    )


# per chunk of orders; records that name a person keep her number in `p`
_OF_ORDERS = {
    "stg_pos__tickets": ("pos", f"""
        select
            {_record('pos_main', 'tickets', "store_code || '|' || number")}, p, store_code, number as ticket_id, 'sale' as kind, moment as sold_at,
            gross_fen, discount_fen, 0 as rounding_fen, net_fen, case when luck % 10 < 7 then card end as member_ref,
            case when luck % 10 >= 7 then token end as phone_token, case when luck % 10 >= 7 then masked end as phone_masked,
            case when luck % 10 >= 7 and p is not null then 'plain' end as phone_kind, store_code || 'E0' || (1 + luck % 4) as cashier_id,
            case when p is not null then net_fen // 100 end as points_earned
        from sold where not is_group
        union all by name
        select
            {_record('pos_main', 'tickets', "store_code || '|R' || number")}, p, store_code, 'R' || number as ticket_id,
            case when luck % 1000 = 0 then 'void' else 'return' end as kind, moment + interval 1 hour as sold_at, number as origin_ticket_id,
            first_fen as gross_fen, 0 as discount_fen, 0 as rounding_fen, case when luck % 1000 = 0 then net_fen else first_fen end as net_fen,
            card as member_ref, store_code || 'E01' as cashier_id
        from sold where not is_group and luck % 200 = 0
        union all by name
        select
            {_record('pos_main', 'tickets', "store_code || '|C' || number")}, p, store_code, 'C' || number as ticket_id, 'recharge' as kind,
            moment + interval 1 minute as sold_at, 50000 as gross_fen, 0 as discount_fen, 0 as rounding_fen, 50000 as net_fen,
            card as member_ref, store_code || 'E02' as cashier_id
        from sold where not is_group and p is not null and luck % 300 = 7"""),
    "stg_pos__ticket_lines": ("", f"""
        select
            {_record('pos_main', 'ticket_lines', "store_code || '|' || number || '|' || (n + 1)")}, store_code, number as ticket_id, (n + 1)::varchar as line_no,
            sku, item_name, category, category_l1, qty, price_fen, amount_fen, discount_fen, false as is_gift
        from bought where not is_group
        union all by name
        select
            {_record('pos_main', 'ticket_lines', "store_code || '|R' || number || '|1'")}, store_code, 'R' || number as ticket_id, '1' as line_no,
            first_sku as sku, 1 as qty, first_fen as amount_fen, 0 as discount_fen, false as is_gift
        from sold where not is_group and luck % 200 = 0 and luck % 1000 != 0"""),
    "stg_pos__tenders": ("", f"""
        select
            {_record('pos_main', 'tenders', "store_code || '|' || number || '|1'")}, store_code, number as ticket_id, '1' as tender_no,
            case when luck % 20 = 3 and p is not null then 'stored_value' else 'wechat' end as method, net_fen as amount_fen, 0 as change_fen
        from sold where not is_group"""),
    "stg_pos__points": ("pos", f"""
        select
            {_record('pos_main', 'points', "'E' || number")}, p, 'E' || number as entry_id, card as member_ref, moment as occurred_at, 'earn' as kind,
            net_fen // 100 as points, number as ref_id
        from sold where not is_group and p is not null
        union all by name
        select
            {_record('pos_main', 'points', "'S' || number")}, p, 'S' || number as entry_id, card as member_ref, moment as occurred_at, 'spend' as kind,
            10 as points, number as ref_id
        from sold where not is_group and p is not null and luck % 50 = 1"""),
    "stg_pos__coupon_events": ("pos", f"""
        select
            {_record('pos_main', 'coupon_events', "'I' || number")}, p, 'I' || number as event_id, 'CR' || number as coupon_code, 'POS_8' as template_id,
            'issued' as event, card as member_ref, moment - interval 3 days as occurred_at
        from sold where p is not null and luck % 25 = 2
        union all by name
        select
            {_record('pos_main', 'coupon_events', "'U' || number")}, p, 'U' || number as event_id, 'CR' || number as coupon_code, 'POS_8' as template_id,
            'redeemed' as event, card as member_ref, moment as occurred_at, number as ref_id, 800 as amount_fen
        from sold where p is not null and not is_group and luck % 50 = 2"""),
    "stg_groupbuy__orders": ("groupbuy", f"""
        select
            {_record('group_main', 'orders', "'G' || number")}, p, 'G' || number as order_id, 'A' || strftime(day, '%y%m%d') || leader_id as activity_id,
            store_code, leader_id || '自提点' as pickup_site, leader_id, 'group' as channel, openid, 'wxmall' as appid, unionid,
            token as buyer_phone_token, masked as buyer_phone_masked, 'plain' as buyer_phone_kind, true as phone_verified,
            moment as created_at, case when luck % 50 != 0 then moment + interval 4 minutes end as paid_at,
            case luck % 50 when 0 then 'unpaid' when 1 then 'closed' else 'completed' end as status, net_fen as order_amount_fen,
            case when luck % 33 = 5 then first_fen else 0 end as refund_amount_fen, 0 as freight_fen,
            case when luck % 10 = 3 then 'INV' || (p + 20 - p % 20) end as invite_code, case when luck % 25 = 2 then 'CR' || number end as coupon_code,
            net_fen // 100 as points_earned, 'direct' as seller_role, moment + interval 1 day as updated_at
        from sold where is_group"""),
    "stg_groupbuy__order_lines": ("", f"""
        select
            {_record('group_main', 'order_lines', "'G' || number || '|' || (n + 1)")}, 'G' || number as order_id, (n + 1)::varchar as line_no, sku,
            item_name, category, qty, amount_fen, 0 as refunded_fen
        from bought where is_group"""),
    "stg_groupbuy__refunds": ("", f"""
        select
            {_record('group_main', 'refunds', "'RF' || number")}, 'RF' || number as refund_id, 'G' || number as order_id, '1' as line_no,
            first_fen as amount_fen, 'refund_only' as kind, '不新鲜' as reason, 'done' as status, moment + interval 5 hours as applied_at,
            moment + interval 6 hours as finished_at
        from sold where is_group and luck % 33 = 5 and luck % 50 > 1"""),
    "stg_groupbuy__complaints": ("groupbuy", f"""
        select
            {_record('group_main', 'complaints', "'CP' || number")}, p, 'CP' || number as complaint_id, 'G' || number as order_id, store_code, openid,
            'wxmall' as appid, '不新鲜' as kind, case when luck % 9 = 0 then 'withdrawn' else 'open' end as status, moment + interval 3 hours as opened_at
        from sold where is_group and luck % 200 = 9"""),
    "stg_groupbuy__coupon_events": ("groupbuy", f"""
        select
            {_record('group_main', 'coupon_events', "'V' || number")}, p, 'V' || number as event_id, 'CR' || number as coupon_code, 'POS_8' as template_id,
            'redeemed' as event, 'wxmall' as appid, openid, moment as occurred_at, 'G' || number as ref_id, 800 as amount_fen
        from sold where is_group and luck % 25 = 2"""),
}  # fmt: skip

# per range of nights {days}: day; `shares` of one night
_OF_NIGHTS = {
    "stg_groupbuy__shares": ("groupbuy", f"""
        select
            {_record('group_main', 'shares', "'SH' || strftime(day, '%y%m%d') || n", 'day')}, 2 * (hash(day, n) % sharers())::integer as p,
            'SH' || strftime(day, '%y%m%d') || n as share_id, 'A' || strftime(day, '%y%m%d') || 'L0001' as activity_id, 'wxmall' as appid,
            persons.openid, day::timestamp + to_seconds(8 * 3600 + n) as shared_at, '好友' as channel, 3 as clicks
        from days cross join range(shares()) as t(n)
        inner join bench.persons as persons on persons.p = 2 * (hash(day, n) % sharers())"""),
    "stg_groupbuy__activities": ("", f"""
        select
            {_record('group_main', 'activities', "'A' || strftime(day, '%y%m%d') || printf('L%04d', l)", 'day')}, record_id as activity_id, '社区团' as title,
            printf('S%02d', l % {STORES}) as store_code, printf('L%04d', l) as leader_id, day::timestamp as starts_at,
            day::timestamp + interval 1 day as ends_at
        from days cross join range({LEADERS}) as t(l)"""),
    "stg_pos__stock": ("", f"""
        select
            {_record('pos_main', 'stock', "printf('S%02d', s) || '|' || sku || '|' || day", 'day')}, printf('S%02d', s) as store_code, sku,
            day + interval 16 hours as snapshot_at, (hash(day, s, k) % 20)::decimal(18, 3) as on_hand_qty, 20 as received_qty
        from days cross join range({STORES}) as t(s) cross join (select * from bench.products where k < 100)"""),
}  # fmt: skip

# once a night: the state of those who have come since the night before
_OF_PERSONS = {
    "stg_pos__members": ("pos", f"""
        select
            {_record('pos_main', 'members', "card")}, p, card as member_ref, token as phone_token, masked as phone_masked, 'plain' as phone_kind, unionid,
            home as home_store, 100 + p % 50 as points_balance, moment as created_at, moment as updated_at, '正常' as status,
            p % 3 != 0 as consent_marketing, moment as consent_at
        from joining"""),
    "stg_groupbuy__users": ("groupbuy", f"""
        select
            {_record('group_main', 'users', "'wxmall|' || openid")}, p, 'wxmall' as appid, openid, unionid, token as phone_token, masked as phone_masked,
            'plain' as phone_kind, moment as phone_verified_at, moment as registered_at, case when p % 20 = 0 then 'INV' || p end as own_invite_code,
            case when p % 20 = 2 then 'INV' || (p - 2) end as invited_by_code, 121 + p % 997 / 9970.0 as lng, 31 + p % 991 / 9910.0 as lat,
            '和平里' as community, p % 3 != 0 as consent_marketing, moment as consent_at, moment as updated_at
        from joining where has_account"""),
    "stg_wecom__contacts": ("wecom", f"""
        select
            {_record('wecom', 'contacts', "external_userid", 'as_of()')} , p, lower(home) || '_csh1' as userid, external_userid, unionid, 1 as type,
            moment as createtime, 1 as add_way, home || 'E01' as state, userid as oper_userid, case when p % 50 = 0 then '["t1"]' else '[]' end as tag_ids,
            1 as remark_phone_count, token as phone_token, masked as phone_masked, 'plain' as phone_kind
        from joining where has_contact"""),
    "stg_wecom__contact_tags": ("", f"""
        select
            {_record('wecom', 'contact_tags', "external_userid || '|t1'", 'as_of()')}, lower(home) || '_csh1' as userid, external_userid, 't1' as tag_id,
            as_of() as first_seen_on, as_of() as last_seen_on
        from joining where has_contact and p % 50 = 0"""),
    "stg_wecom__group_members": ("wecom", f"""
        select
            {_record('wecom', 'group_members', "'wr' || home || (p % 5) || '|' || external_userid", 'as_of()')}, p, 'wr' || home || (p % 5) as chat_id,
            external_userid as userid, 2 as member_type, unionid, moment as join_time, 1 as join_scene, home || 'E0' || (1 + p % 4) as state,
            lower(home) || '_csh1' as invitor_userid
        from joining where in_group and has_contact"""),
}  # fmt: skip

_JOINING = """
create or replace temp table joining as
select
    *, first_day() + case when born = 0 then p % nights() else nights() - 1 + born end as arrived_on,
    arrived_on::timestamp + to_seconds(9 * 3600 + p % 36000) as moment
from bench.persons where joined(born)
"""

# once: what hardly changes
_ONCE = {
    "stg_pos__products": ("", f"""
        select
            {_record('pos_main', 'products', "sku", 'first_day()')}, sku, item_name, category, category_l1, 'kg' as unit, 3 as shelf_life_days,
            price_fen * 7 // 10 as cost_fen, price_fen
        from bench.products"""),
    "stg_pos__staff": ("pos", f"""
        select
            {_record('pos_main', 'staff', "printf('S%02dE0%d', s, e)", 'first_day()')}, null::integer as p, printf('S%02dE0%d', s, e) as staff_id,
            printf('S%02d', s) as store_code, 'cashier' as role, printf('s%02d_csh%d', s, e) as wecom_userid
        from range({STORES}) as t(s) cross join range(1, 5) as u(e)"""),
    "stg_groupbuy__leaders": ("groupbuy", f"""
        select
            {_record('group_main', 'leaders', "printf('L%04d', l)", 'first_day()')}, null::integer as p, printf('L%04d', l) as leader_id,
            printf('S%02d', l % {STORES}) as store_code, first_day()::timestamp as joined_at
        from range({LEADERS}) as t(l)"""),
    "stg_wecom__group_chats": ("", f"""
        select
            {_record('wecom', 'group_chats', "printf('wrS%02d', s) || c", 'as_of()')}, printf('wrS%02d', s) || c as chat_id, printf('mgr_S%02d', s) as owner,
            0 as status, first_day()::timestamp as create_time
        from range({STORES}) as t(s) cross join range(5) as u(c)"""),
    "stg_wecom__snapshot_staff": ("", f"""
        select {_record('wecom', 'snapshot_staff', "printf('s%02d_csh1|Y', s)", 'as_of()')}, printf('s%02d_csh1', s) as userid, true as complete
        from range({STORES}) as t(s)"""),
    "stg_wecom__staff": ("", f"""
        select {_record('wecom', 'staff', "printf('s%02d_csh1', s)", 'as_of()')}, printf('s%02d_csh1', s) as userid from range({STORES}) as t(s)"""),
    "stg_wecom__tags": ("", f"""
        select {_record('wecom', 'tags', "'t1'", 'as_of()')}, 't1' as tag_id, 'g1' as group_id, 'VIP' as tag_name, '等级' as group_name, false as deleted"""),
}  # fmt: skip

_RECOGNITIONS = "intermediate.int_record_recognitions"
_NUMBER = "cast(md5_number_lower(connection || '|' || feed || '|' || record_id) >> 1 as bigint)"

# what One ID leaves, written anew every night
_MEMBER_TABLES = {
    "audit.members": _MEMBERS,
    "audit.member_identifiers": f"select * from ({_IDENTIFIERS}) where identifier is not null",
    "intermediate.int_identity_redirects": _REDIRECTS,
}

# whose records have to be told anew: id before, id tonight
_TURNED = """
create or replace temp table turned as
select before.p, before.member_id as was, owners.member_id
from bench.owners as owners
inner join bench.owners_before as before using (p)
where owners.member_id != before.member_id
"""


def fill_history(connection: duckdb.DuckDBPyConnection, sizes: Sizes, say: Callable[[str], None]) -> None:
    """Staging, One ID's tables and ops as they stand on night 0, when everything is still to be digested."""
    connection.execute("create schema if not exists bench")
    connection.execute(
        "create or replace table bench.kept (connection varchar, feed varchar, record_id varchar, p integer)"
    )
    connection.execute("create or replace table bench.batches (batch_id varchar)")
    _constants(connection, sizes, 0)
    connection.execute(_PRODUCTS, {"categories": list(CATEGORIES), "groups": list(GROUPS)})
    connection.execute(_PERSONS)
    connection.execute(_OWNERS)
    _settle_members(connection)
    for table, (kind, rows) in _ONCE.items():
        _insert(connection, table, kind, rows)
    _people(connection, "born = 0")
    _days(connection, sizes.first_day, sizes.nights)
    for first in range(0, sizes.orders, _CHUNK):
        say(f"{first:,}/{sizes.orders:,}")
        _orders(connection, first, min(first + _CHUNK, sizes.orders))
    _stores(connection)
    _context(connection, sizes, 0)
    connection.execute("checkpoint")


def fill_night(connection: duckdb.DuckDBPyConnection, sizes: Sizes, number: int) -> None:
    """What night `number` (1 or 2) brings: its orders, new members, and members merged and taken apart."""
    _constants(connection, sizes, number)
    connection.execute("create or replace table bench.owners_before as select * from bench.owners")
    connection.execute("delete from bench.batches")
    for table in ("staging.stg_identity__arrivals", "intermediate.int_identity_affected_records"):
        connection.execute(f"delete from {table}")
    connection.execute(_OWNERS)
    connection.execute(_TURNED)
    _turn(connection)
    _settle_members(connection)
    for table in (
        "contacts",
        "contact_tags",
        "group_members",
        "group_chats",
        "snapshot_staff",
        "staff",
        "tags",
    ):
        _seen_again(connection, f"stg_wecom__{table}")
    _people(connection, f"born = {number}")
    _days(connection, night_of(number), 1)
    first = sizes.orders + (number - 1) * sizes.a_night
    _orders(connection, first, first + sizes.a_night)
    _context(connection, sizes, number)
    connection.execute("checkpoint")


def _constants(connection: duckdb.DuckDBPyConnection, sizes: Sizes, number: int) -> None:
    constants = {
        "persons()": sizes.members, "born()": sizes.born, "known()": sizes.members + number * sizes.born,
        "night()": number, "nights()": sizes.nights, "as_of()": f"date '{night_of(number)}'",
        "first_day()": f"date '{sizes.first_day}'", "arrived(i)": f"date '{sizes.first_day}' + (i // {sizes.a_night})::integer",
        "sharers()": max(1, sizes.members // 40), "shares()": max(1, sizes.members // 200),
    }  # fmt: skip
    for name, value in constants.items():
        connection.execute(f"create or replace temp macro {name} as {value}")


def _people(connection: duckdb.DuckDBPyConnection, joined: str) -> None:
    connection.execute(_JOINING.replace("joined(born)", joined))
    for table, (kind, rows) in _OF_PERSONS.items():
        _insert(connection, table, kind, rows)


def _days(connection: duckdb.DuckDBPyConnection, first: date, nights: int) -> None:
    connection.execute(
        f"create or replace temp table days as select date '{first}' + d::integer as day from range({nights}) as t(d)"
    )
    for table, (kind, rows) in _OF_NIGHTS.items():
        _insert(connection, table, kind, rows)


def _orders(connection: duckdb.DuckDBPyConnection, first: int, last: int) -> None:
    connection.execute(f"create or replace temp macro first_order() as {first}")
    connection.execute(f"create or replace temp macro last_order() as {last}")
    for text in (_ORDERS, _BASKETS, _SUMS):
        connection.execute(text)
    for table, (kind, rows) in _OF_ORDERS.items():
        _insert(connection, table, kind, rows)


_TICKET, _ORDER = "'|tickets|' || store_code || '|' || ticket_id", "'|orders|' || order_id"
# whose number their rows carry
_SALES = {f"stg_pos__{feed}": _TICKET for feed in ("tickets", "ticket_lines", "tenders")}
_SALES |= {f"stg_groupbuy__{feed}": _ORDER for feed in ("orders", "order_lines", "refunds")}


def _key_number(key: str) -> str:
    """The number of a record of a row's connection, as the models make it."""
    return f"cast(md5_number_lower(connection || {key}) >> 1 as bigint)"


def _insert(connection: duckdb.DuckDBPyConnection, table: str, kind: str, rows: str) -> None:
    """Rows into staging; those that may name a person (`kind`) are recognised at once. No table, no rows."""
    wanted = _columns(connection, "staging", table)
    if not wanted:
        return
    sale = _SALES.get(table)
    number = f", {_key_number(sale)} as sale_no" if sale else ""
    connection.execute(f"create or replace temp table made as select *{number} from ({rows})")
    given = [name for name, *_ in connection.execute("describe made").fetchall() if name in wanted]
    connection.execute(f"insert into staging.{table} by name select {', '.join(given)} from made")
    connection.execute("insert into bench.batches select distinct batch_id from made")
    if not kind:
        return
    connection.execute(
        f"create or replace temp table named as select connection, '{kind}' as kind, split_part(any_value(row_key), '|', 2) as feed,"
        " record_id, any_value(p) as p from made group by connection, record_id"
    )
    connection.execute(
        f"insert into {_RECOGNITIONS} by name select connection, kind, feed, record_id, {_NUMBER} as record_key, member_id,"
        " case when member_id is null then 'nothing_stated' else 'member_ref' end as basis"
        " from named left join bench.owners using (p)"
    )
    connection.execute(
        "insert into bench.kept select connection, feed, record_id, p from named inner join bench.persons using (p)"
        " where parted_on > 0 or merged_on < 9"
    )
    if connection.execute("select night()").fetchall()[0][0]:
        for target in ("staging.stg_identity__arrivals", "intermediate.int_identity_affected_records"):
            connection.execute(
                f"insert into {target} by name select connection, kind, feed, record_id, {_NUMBER} as record_key from named"
            )


def _columns(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> set[str]:
    return {
        name
        for (name,) in connection.execute(
            "select column_name from information_schema.columns where table_schema = ? and table_name = ?",
            [schema, table],
        ).fetchall()
    }


def _turn(connection: duckdb.DuckDBPyConnection) -> None:
    """Records of members that were merged or taken apart go to whoever they belong to tonight."""
    connection.execute(
        "create or replace temp table moved as"
        f" select connection, feed, record_id, {_NUMBER} as record_key, member_id from bench.kept inner join turned using (p)"
    )
    connection.execute(
        f"update {_RECOGNITIONS} as known set member_id = moved.member_id from moved where known.record_key = moved.record_key"
    )
    connection.execute(
        "insert into intermediate.int_identity_affected_records by name select connection,"
        " case connection when 'pos_main' then 'pos' when 'group_main' then 'groupbuy' else 'wecom' end as kind,"
        " feed, record_id, record_key from moved"
    )


def _settle_members(connection: duckdb.DuckDBPyConnection) -> None:
    for table, rows in _MEMBER_TABLES.items():
        schema, name = table.split(".")
        wanted = _columns(connection, schema, name)
        given = [n for n, *_ in connection.execute(f"describe {rows}").fetchall() if n in wanted]
        connection.execute(f"delete from {table}")
        connection.execute(f"insert into {table} by name select {', '.join(given)} from ({rows})")


def _seen_again(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """A complete reading of the night before is one of tonight."""
    if not _columns(connection, "staging", table):
        return
    connection.execute(
        f"update staging.{table} set arrived_on = as_of(), batch_id = as_of() || substr(batch_id, 11) where arrived_on = as_of() - 1"
    )
    connection.execute(f"insert into bench.batches select distinct batch_id from staging.{table}")


def _stores(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("delete from ops.stores")
    connection.execute(
        "insert into ops.stores by name select printf('S%02d', i) as store_code, store_code as store_name,"
        f" 121 + i % 7 / 70.0 as lng, 31 + i // 7 / 70.0 as lat from range({STORES}) as t(i)"
    )
    connection.execute("delete from ops.available_feeds")
    connection.execute(
        "insert into ops.available_feeds by name select distinct split_part(t.name, '__', 1)[5:] as kind, split_part(t.name, '__', 2) as feed,"
        " case kind when 'pos' then 'pos_main' when 'groupbuy' then 'group_main' else 'wecom' end as connection,"
        " first_day() as first_night, as_of() as last_night from (select unnest($names) as name) as t",
        {"names": [*_OF_ORDERS, *_OF_NIGHTS, *_OF_PERSONS, *_ONCE]},
    )


def _context(connection: duckdb.DuckDBPyConnection, sizes: Sizes, number: int) -> None:
    """run_context, batches and what the campaigns decided the night before, as `prepare` writes them."""
    connection.execute(
        "update ops.run_context set as_of_date = as_of(), run_seq = ?, previous_as_of = ?, is_refresh = ?",
        [number + 1, night_of(number - 1) if number else None, number == 0],
    )
    connection.execute("update ops.available_feeds set last_night = as_of()")
    connection.execute("delete from ops.pending_batches")
    connection.execute("insert into ops.pending_batches select distinct batch_id from bench.batches")
    connection.execute("delete from ops.candidate_history")
    if number:
        known = _columns(connection, "ops", "candidate_history") & _columns(
            connection, "audit", "campaign_candidates"
        )
        names = ", ".join(sorted(known))
        connection.execute(
            f"insert into ops.candidate_history by name select {names} from audit.campaign_candidates"
        )
