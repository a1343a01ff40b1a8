"""Feeds that change slowly: members, users, goods, staff, leaders, activities, shares, coupons."""

from __future__ import annotations

import duckdb

from dagster_project.simulator.coupons import coupon_event_rows, log_coupons
from dagster_project.simulator.database import choice, ladder
from dagster_project.simulator.events import EventLog, told
from dagster_project.simulator.files import Landing
from dagster_project.simulator.settings import GROUP, H5_APPID, MINI_APPID, PAY_APPID, POS, Rates, World


def emit_registers(
    con: duckdb.DuckDBPyConnection,
    world: World,
    landing: Landing,
    members: str | None = None,
    users: str | None = None,
    log: EventLog | None = None,
) -> None:
    """Writes every slow feed: whole on the first night, then what changed. Needs `ledger` complete.

    `members` and `users` are SQL that replaces the usual rows of these feeds.
    """
    con.execute(f"create table member_state as {members or _member_rows(world)}")
    con.execute(f"create table product_state as {_product_rows(world)}")
    con.execute(f"create table share as {_share_rows(world)}")
    landing.emit(POS, "members", "select * from member_state", truth=True)
    landing.emit(POS, "products", "select * exclude (cost_fen, price_fen) from product_state")
    landing.emit(POS, "staff", _staff_rows(world), truth=True)
    landing.emit(POS, "coupon_events", coupon_event_rows(grouped=False), truth=True)
    landing.emit(GROUP, "users", users or _user_rows(world), truth=True)
    landing.emit(GROUP, "leaders", _leader_rows(), truth=True)
    landing.emit(GROUP, "activities", _activity_rows(world))
    landing.emit(GROUP, "shares", "select * from share", truth=True)
    landing.emit(GROUP, "coupon_events", coupon_event_rows(grouped=True), truth=True)
    if log:
        log_coupons(log)
        _log(log)


def balance_fault(pid: str, rates: Rates) -> str:
    """SQL: by how many points the member file is off for this person's cards; mostly 0."""
    return f"if(u({pid}, 'balance wrong') < {rates.balance_wrong}, 100 * (1 + pick({pid}, 'wrong by', 5)), 0)"


def _member_rows(world: World) -> str:
    r = world.rates
    first_phone = ladder(
        "u(s.pid, 'card phone')",
        [
            (r.card_phone_missing, "null"),
            (r.card_phone_masked, "masked(p.phone_a)"),
            (r.card_phone_placeholder, "placeholder(s.pid)"),
            (r.card_phone_mistyped, "mistype(p.phone_a, s.pid)"),
        ],
        "phone_on(p.phone_a, p.phone_b, p.chg_day, s.opened)",
    )
    return f"""
        with card as (
            select card_a as card, pid, card_day as opened, null::INT as replaced_day from person where has_card
                and not took_card
            union all
            select card_b, pid, card_b_day, null from person where card_b is not null),
        story as (
            select card, pid, opened, opened as day from card
            union select card, pid, opened, told_day from card join person using (pid) where told_day > opened
            union select card, pid, opened, opt_out_day from card join person using (pid) where opt_out_day > opened
            union select card_a, pid, card_day, card_b_day from person where card_b is not null and not took_card
            union select h.card, h.from_pid, p.card_day, h.day + 1 from handed h join person p on p.pid = h.from_pid
                where u(h.from_pid, 'handed told') < 0.5),
        state as (
            select s.card as member_ref, s.pid, s.opened, s.day, greatest(s.day, 0)::INT as night, p.*  exclude (pid),
                n.pid as next_pid,
                n.phone_a as next_phone, n.name as next_name,
                -- a phone as the cashier took it down when the card was opened
                {first_phone} as first_phone
            from story s join person p using (pid)
            left join handed h on h.card = s.card and s.day = h.day + 1 left join person n on n.pid = h.to_pid),
        told as (
        select s.night, s.member_ref, s.person_id,
            coalesce(next_phone, if(told_day <= day, phone_b, first_phone)) as phone,
            coalesce(next_name, name) as name,
            case when u(s.pid, 'card openid') < {r.card_openid} then if(u(s.pid, 'which') < 0.25, openid,
                openid_pay) end as wx_openid,
            case when wx_openid is null then null when wx_openid = openid then '{MINI_APPID}'
                else '{PAY_APPID}' end as wx_appid,
            case when u(s.pid, 'card unionid') < {r.card_unionid} then unionid end as unionid,
            store_code as home_store, s.pid, moment(opened, 27000 + pick(s.pid, 'opened', 1800)) as created_at,
            case when day <> opened then moment(day, 60000 + pick(s.pid, 'updated', 9000))
                else created_at end as updated_at,
            if(card_b_day <= day and member_ref = card_a and card_b is not null, '挂失', '正常') as status,
            if(opt_out_day <= day, 'N', consent_pos) as consent_marketing,
            case when opt_out_day <= day then moment(opt_out_day, 50000)
                when consent_pos is not null then created_at end as consent_at,
            s.day = s.opened as first
        from state s qualify row_number() over (partition by s.member_ref, s.night order by s.day desc) = 1),
        -- what head office had booked on the card by then
        posted as (
            select t.member_ref, t.night, sum(l.points)::BIGINT as points from told t
            join ledger l on l.card = t.member_ref and l.night <= t.night and l.booked_at <= t.updated_at group by all)
        select t.* exclude (pid), (coalesce(q.points, 0) + {balance_fault("t.pid", r)})::VARCHAR as points_balance
        from told t left join posted q using (member_ref, night)"""


def invited_by(main: str) -> str:
    """SQL: the code an account was registered with; nobody can register the account that owns the code with it."""
    return f"if(i.by_pid = i.pid and {main}, null, i.code)"


def _user_rows(world: World) -> str:
    return f"""
        with account as (
            select pid, '{MINI_APPID}' as appid, openid, unionid, reg_day as opened, true as main from person
                where group_user
            union all
            select pid, '{MINI_APPID}', openid_new, unionid_new, greatest(wechat_day, reg_day), false from person
                where group_user and wechat_day is not null
            union all
            select pid, '{H5_APPID}', openid_h5, unionid, reg_day, false from person where h5_user),
        story as (
            select *, opened as day from account
            union select a.*, told_day from account a join person using (pid) where told_day > opened
            union select a.*, opt_out_day from account a join person using (pid) where main and opt_out_day > opened)
        select greatest(s.day, 0)::INT as night, s.appid, s.openid, p.person_id,
            if(p.unionid_shown, s.unionid, null) as unionid,
            case when p.verified and (s.main or u(s.pid, 'again verified') < 0.7)
                then profile_phone(p.pid, p.phone_a, p.phone_b, p.phone_2, p.chg_day, p.told_day, s.opened,
                    s.day) end as phone,
            case when phone is not null then moment(if(s.day = p.told_day, s.day, s.opened),
                30000 + pick(s.pid, 'verified', 30000)) end
                as phone_verified_at,
            moment(s.opened, 25200 + pick(s.pid, 'registered', 1800)) as registered_at,
            if(p.sharer and s.main, p.own_invite, null) as own_invite_code,
            {invited_by("s.main")} as invited_by_code,
            case when u(s.pid, 'located') < 0.7 then p.lng::DECIMAL(9, 6) end as lng,
            case when u(s.pid, 'located') < 0.7 then p.lat::DECIMAL(9, 6) end as lat,
            p.community, if(p.opt_out_day <= s.day, 'N', p.consent_group) as consent_marketing,
            case when p.opt_out_day <= s.day then moment(p.opt_out_day, 50000)
                when p.consent_group is not null then registered_at end as consent_at,
            if(s.day = s.opened, registered_at, moment(s.day, 61000 + pick(s.pid, 'updated', 9000))) as updated_at,
            s.day = s.opened as first
        from story s join person p using (pid) left join invited i using (pid)
        qualify row_number() over (partition by s.appid, s.openid, night order by s.day desc) = 1"""


def _product_rows(world: World) -> str:
    price = "(round(price_fen * (0.92 + 0.16 * u(sku_no * 1000 + {week}, 'new price')) / 10) * 10)::BIGINT"
    columns = (
        "sku, item_name, category, category_l1, unit, nullif(shelf_life_days, 0)::VARCHAR as shelf_life_days, "
        "yuan(cost_fen) as cost, cost_fen"
    )
    return f"""
        select 0 as night, {columns}, yuan(price_fen) as price, price_fen from sku
        union all
        select (week * 7)::INT as night, {columns}, yuan({price.format(week="week")}) as price,
            {price.format(week="week")} as price_fen
        from sku, range(1, {world.days} // 7 + 1) weeks(week) where u(sku_no * 1000 + week, 'price changes') < 0.04"""


def _staff_rows(world: World) -> str:
    """The whole list once a month."""
    return f"""
        select (month * 30)::INT as night, s.*, month = 0 as first from (
            select staff_id, store_code, staff_name as name, role, phone, wecom_userid, person_id
                from staff
            union all
            select l.leader_id, p.store_code, p.name, 'leader', p.phone_a, null, p.person_id from leader l
                join person p using (pid)) s,
            range({(world.days + 29) // 30}) months(month)"""


def _leader_rows() -> str:
    return """
        select 0 as night, l.leader_id, p.name, p.phone_a as phone, p.store_code,
            case when l.place > 0
                and u(l.pid, 'parent') < 0.5 then first_value(l.leader_id) over (partition by l.store order by l.place) end
                as parent_leader_id,
            moment(-30 - pick(l.pid, 'joined', 300), 36000) as joined_at, p.person_id
        from leader l join person p using (pid)"""


def _activity_rows(world: World) -> str:
    return f"""
        with organiser as (
            select leader_id, store_code_of(store) as store_code, leader_id as code from leader
            union all select null, store_code, store_code from store)
        select day::INT as night, 'A' || strftime(on_day(day), '%y%m%d') || code as activity_id,
            strftime(on_day(day), '%m月%d日') || '社区生鲜拼团' as title, store_code, leader_id,
                moment(day, 21600) as starts_at,
            moment(day, 86400) as ends_at
        from organiser, range({world.days}) days(day)"""


def _share_rows(world: World) -> str:
    return f"""
        with often as (
            select pid, floor({world.days} * if(sharer, 0.12 + 0.55 * u(pid, 'shares'),
                0.03 * u(pid, 'shares')) + u(pid, 'shares2'))::INT as times
            from person where group_user),
        shared as (select pid, pid * 1024 + n as k from often, unnest(range(least(times, 1023))) as t(n))
        select pick(k, 'share day', {world.days})::INT as night, 'SH' || lpad(k::VARCHAR, 12, '0') as share_id,
            p.person_id,
            'A' || strftime(on_day(pick(k, 'share day', {world.days})), '%y%m%d')
                || coalesce(l.leader_id, p.store_code) as activity_id,
            '{MINI_APPID}' as appid,
            if(pick(k, 'share day', {world.days}) >= p.wechat_day, p.openid_new, p.openid) as openid,
            moment(pick(k, 'share day', {world.days}), 28800 + pick(k, 'share at', 46000)) as shared_at,
            {choice(["好友", "微信群", "朋友圈"], "k", "share to")} as channel, pick(k, 'clicks', 12)::VARCHAR as clicks
        from shared join person p using (pid) left join leader l on l.store = p.store
            and l.place = pick(p.pid, 'leader', 5)
        where pick(k, 'share day', {world.days}) >= p.reg_day
            and (p.wechat_day is null or pick(k, 'share day', {world.days}) < p.wechat_left
                or pick(k, 'share day', {world.days}) >= p.wechat_day)"""


def _log(log: EventLog) -> None:
    """Cards, accounts, goods and shares, in the words of truth/events.csv.gz."""
    log.add(
        "card_state",
        "(select m.*, n.staff_id, n.role from member_state m left join staff_number n on n.phone = m.phone)",
        "night, member_ref",
        at="updated_at",
        connection=f"'{POS}'",
        feed="'members'",
        record_id="member_ref",
        person_id="person_id",
        store_code="home_store",
        points="points_balance",
        state="status",
        detail=told(created_at="created_at", staff_id="staff_id", role="role"),
    )
    log.add(
        "registered",
        f"""(with account as (
            select pid, '{MINI_APPID}' as appid, openid, reg_day as opened, true as main from person where group_user
            union all
            select pid, '{MINI_APPID}', openid_new, greatest(wechat_day, reg_day), false from person
                where group_user and wechat_day is not null
            union all
            select pid, '{H5_APPID}', openid_h5, reg_day, false from person where h5_user and group_user)
        select a.*, a.opened as night, p.person_id, p.store_code, p.own_invite, p.sharer, p.lng, p.lat,
            {invited_by("a.main")} as invited_by_code
        from account a join person p using (pid) left join invited i using (pid))""",
        "opened, appid, openid",
        at="moment(opened, 25200 + pick(pid, 'registered', 1800))",
        connection=f"'{GROUP}'",
        feed="'users'",
        record_id="appid || '|' || openid",
        person_id="person_id",
        ref="invited_by_code",
        detail=told(
            own_invite_code="if(sharer and main, own_invite, null)",
            lng="if(u(pid, 'located') < 0.7, lng, null)",
            lat="if(u(pid, 'located') < 0.7, lat, null)",
        ),
    )
    log.add(
        "product",
        "product_state",
        "night, sku",
        at="moment(night, 14400)",
        connection=f"'{POS}'",
        feed="'products'",
        record_id="sku",
        sku="sku",
        category="category",
        category_l1="category_l1",
        amount_fen="price_fen",
        detail=told(item_name="item_name", cost_fen="cost_fen", unit="unit"),
    )
    log.add(
        "share",
        "share",
        "night, share_id",
        at="shared_at",
        connection=f"'{GROUP}'",
        feed="'shares'",
        record_id="share_id",
        person_id="person_id",
        ref="activity_id",
        state="channel",
    )
