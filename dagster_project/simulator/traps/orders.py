"""What group buying knows: the number on an order, who receives it, and the account's own record."""

from __future__ import annotations

import duckdb

from dagster_project.simulator.registers import invited_by
from dagster_project.simulator.settings import H5_APPID, MINI_APPID, World


def amend_orders(con: duckdb.DuckDBPyConnection) -> None:
    """Changes buyer_phone, receiver_phone and receiver_name of `ordered` as the traps have it."""
    con.execute(
        """create or replace table ordered as
        select o.* replace (
            case when o.test or o.buyer_phone is null then o.buyer_phone
                when m.pid is not null and u(o.bid, 'masked buyer') < 0.5 then masked(o.buyer_phone)
                when p.second_phone is not null and o.phone_verified = 'Y' and (p.h5_user or o.day >= p.second_day)
                    and u(o.bid, 'which phone') < 0.5 then p.second_phone
                else o.buyer_phone end as buyer_phone,
            case when o.test then o.receiver_phone
                when a.pid is not null and u(o.bid, 'for the parents') < 0.5 then a.phone
                when m.pid is not null and u(o.bid, 'masked receiver') < 0.6 then masked(o.receiver_phone)
                else o.receiver_phone end as receiver_phone,
            if(not o.test and a.pid is not null and u(o.bid, 'for the parents') < 0.5, a.name, o.receiver_name)
                as receiver_name)
        from ordered o join person p using (pid) left join parent a using (pid)
        left join (select pid from trapped where trap = 'masked_number') m using (pid) order by o.bid"""
    )


def user_rows(world: World) -> str:
    """SQL of the user feed. A number is verified when the account is opened, and again when its owner tells a new one."""
    return f"""
        with account as (
            select pid, '{MINI_APPID}' as appid, openid, unionid, reg_day as opened, true as main, false as h5 from person
                where group_user
            union all
            select pid, '{MINI_APPID}', openid_new, unionid_new, greatest(wechat_day, reg_day), false, false from person
                where group_user and wechat_day is not null
            union all
            select pid, '{H5_APPID}', openid_h5, unionid, reg_day, false, true from person where h5_user and group_user),
        story as (
            select *, opened as day from account
            union select a.*, told_day from account a join person using (pid)
                where told_day > opened and not (main and told_day >= coalesce(wechat_day, 100000))
            union select a.*, second_day from account a join person using (pid)
                where second_day > opened and not h5_user and main and second_day < coalesce(wechat_day, 100000)
            union select a.*, opt_out_day from account a join person using (pid) where main and opt_out_day > opened),
        told as (
            select s.*, p.* exclude (pid, openid, unionid),
                s.day >= p.second_day and not p.h5_user and s.main as has_told_second
            from story s join person p using (pid))
        select greatest(t.day, 0)::INT as night, t.appid, t.openid, t.person_id,
            if(t.unionid_shown, t.unionid, null) as unionid,
            case when t.verified and (t.main or t.h5 or u(t.pid, 'again verified') < 0.8) then
                if(t.second_phone is not null and (t.h5 or t.has_told_second), t.second_phone,
                    profile_phone(t.pid, t.phone_a, t.phone_b, null, t.chg_day, t.told_day, t.opened, t.day)) end
                as plain_phone,
            if(m.pid is not null and u(t.pid, 'masked user') < 0.4, masked(plain_phone), plain_phone) as phone,
            case when plain_phone is not null then moment(case when t.has_told_second then t.second_day
                when t.told_day > t.opened and t.told_day <= t.day then t.told_day else t.opened end,
                30000 + pick(t.pid, 'verified', 30000)) end as phone_verified_at,
            moment(t.opened, 25200 + pick(t.pid, 'registered', 1800)) as registered_at,
            if(t.sharer and t.main, t.own_invite, null) as own_invite_code,
            {invited_by("t.main")} as invited_by_code,
            case when u(t.pid, 'located') < 0.7 then t.lng::DECIMAL(9, 6) end as lng,
            case when u(t.pid, 'located') < 0.7 then t.lat::DECIMAL(9, 6) end as lat,
            t.community || if(u(t.pid, 'tells building') < 0.7, t.building, '') as community,
            if(t.opt_out_day <= t.day, 'N', t.consent_group) as consent_marketing,
            case when t.opt_out_day <= t.day then moment(t.opt_out_day, 50000)
                when t.consent_group is not null then registered_at end as consent_at,
            if(t.day = t.opened, registered_at, moment(t.day, 61000 + pick(t.pid, 'updated', 9000))) as updated_at,
            t.day = t.opened as first
        from told t left join invited i using (pid)
        left join (select pid from trapped where trap = 'masked_number') m using (pid)
        where t.day < {world.days}"""
