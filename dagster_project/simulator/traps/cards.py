"""The member file: what it says of every card on every day, and what each night's full export shows of it."""

from __future__ import annotations

import duckdb

from dagster_project.simulator.registers import balance_fault
from dagster_project.simulator.settings import MINI_APPID, PAY_APPID, World


def build_card_versions(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `card_version`: card, pid (whose it is), opened, day (from when), until, phone, name, status, consent."""
    r, days, first = world.rates, world.days, world.first_night
    con.execute(
        f"""create table card_story as
        with card as (
            select card_a as card, pid, card_day as opened, if(card_b is not null, card_b_day, null) as lost_day
            from person where has_card and not took_card
            union all select card_b, pid, card_b_day, null from person where card_b is not null)
        select c.*, w.phone as wrong_phone, u(c.pid, 'card phone') < {r.card_phone_missing} and w.phone is null as missing,
            -- some mistakes are found within days, some after months
            case when w.corrected then greatest(c.opened + 1 + pick(c.pid, 'found', 12),
                if(u(c.pid, 'found late') < 0.4, {first + 1} + pick(c.pid, 'put right', {days - 1 - first}),
                    pick(c.pid, 'put right', {days - 1})))::INT end as fix_day,
            if(p.card_told_day > c.opened, p.card_told_day, null) as told_day,
            s.other, s.from_day, s.to_day, p.opt_out_day,
            case when u(d.from_pid, 'handed told') < 0.5 then d.day + 1 end as handed_day, d.to_pid,
            p.phone_a, p.phone_b, p.chg_day, p.name, p.consent_pos, p.wechat_day
        from card c join person p using (pid) left join wrong_phone w using (pid) left join swapped s using (pid)
        left join handed d on d.card = c.card order by c.card"""
    )
    con.execute(
        """create macro phone_on_file(missing, wrong_phone, fix_day, told_day, phone_a, phone_b, chg_day, opened, day) as
        case when missing then null when wrong_phone is not null and day < coalesce(fix_day, 100000) then wrong_phone
            when day >= told_day then phone_b when day >= fix_day then phone_on(phone_a, phone_b, chg_day, day)
            else phone_on(phone_a, phone_b, chg_day, opened) end"""
    )
    events = " union ".join(
        f"select card, {day} from card_story where {day} > opened"
        for day in ("fix_day", "told_day", "from_day", "to_day", "handed_day", "lost_day", "opt_out_day")
    )
    con.execute(
        f"""create table card_version as
        with event as (select card, opened as day from card_story union {events}),
        state as (
            select s.*, e.day, phone_on_file(s.missing, s.wrong_phone, s.fix_day, s.told_day, s.phone_a, s.phone_b,
                    s.chg_day, s.opened, e.day) as own_phone,
                e.day >= s.from_day and e.day < coalesce(s.to_day, 100000) as is_swapped
            from event e join card_story s using (card)),
        told as (
            select s.card, s.pid, s.opened, s.day,
                case when s.is_swapped then phone_on_file(o.missing, o.wrong_phone, o.fix_day, o.told_day, o.phone_a,
                        o.phone_b, o.chg_day, o.opened, s.day)
                    when s.day >= s.handed_day then phone_on(n.phone_a, n.phone_b, n.chg_day, s.day)
                    else s.own_phone end as phone,
                case when s.is_swapped then o.name when s.day >= s.handed_day then n.name else s.name end as name,
                if(s.day >= s.lost_day and u(s.pid, 'reported lost') < 0.7, '挂失', '正常') as status,
                if(s.day >= s.opt_out_day, 'N', s.consent_pos) as consent, s.opt_out_day, s.wechat_day
            from state s left join card_story o on o.pid = s.other left join person n on n.pid = s.to_pid),
        -- what changes nothing is no version
        changed as (
            select * from told qualify day = opened or row(phone, name, status, consent) is distinct from
                lag(row(phone, name, status, consent)) over (partition by card order by day))
        select *, coalesce(lead(day) over (partition by card order by day), 100000) as until
        from changed order by card, day"""
    )


def member_rows(world: World) -> str:
    """SQL of the member feed: every card in every night's export. The balance belongs to the row, so a purchase with
    the card moves `updated_at` as well as a correction does."""
    r = world.rates
    return f"""
        with posted as (
            select card, night, sum(points)::BIGINT as points, max(booked_at) as last_at from ledger group by card, night
            having sum(points) <> 0),
        balance as (
            select card, n as at_night, sum(points)::BIGINT as points, max(night) filter (where night > 0) as last_night,
                max(last_at) as last_at
            from posted, range({world.first_night}, {world.days}) nights(n) where night <= n group by all)
        select n::INT as night, v.card as member_ref, p.person_id, v.phone, v.name,
            case when u(p.pid, 'card openid') < {r.card_openid} then case
                when u(p.pid, 'which') < 0.25 then if(v.opened >= p.wechat_day, p.openid_new, p.openid)
                else if(v.opened >= p.wechat_day, p.openid_pay_new, p.openid_pay) end end as wx_openid,
            case when wx_openid is null then null when u(p.pid, 'which') < 0.25 then '{MINI_APPID}'
                else '{PAY_APPID}' end as wx_appid,
            case when u(p.pid, 'card unionid') < {r.card_unionid} then
                if(v.opened >= p.wechat_day, p.unionid_new, p.unionid) end as unionid,
            p.store_code as home_store, (coalesce(b.points, 0) + {balance_fault("p.pid", r)})::VARCHAR as points_balance,
            moment(v.opened, 27000 + pick(p.pid, 'opened', 1800)) as created_at,
            greatest(if(v.day = v.opened, created_at, moment(v.day, 60000 + pick(v.pid, 'updated', 9000))),
                coalesce(moment(b.last_night, 80000 + pick(v.pid, 'posted', 5000)), created_at),
                coalesce(b.last_at, created_at)) as updated_at,
            v.status, v.consent as consent_marketing,
            case when v.opt_out_day <= v.day then moment(v.opt_out_day, 50000)
                when v.consent is not null then created_at end as consent_at,
            n = greatest(v.opened, {world.first_night}) as first
        from range({world.first_night}, {world.days}) nights(n) join card_version v on v.day <= n and v.until > n
        join person p using (pid) left join balance b on b.card = v.card and b.at_night = n"""
