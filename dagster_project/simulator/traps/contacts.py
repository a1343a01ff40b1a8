"""WeCom: who added whom, on which day, and what the staff member wrote beside the name."""

from __future__ import annotations

import duckdb

from dagster_project.simulator.settings import World


def amend_contacts(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Replaces `contact`, and in `chat_member` the accounts of people with a new WeChat.

    Who is added within the simulated days was mostly at the till some minutes before, with the cashier or manager
    who was there.
    """
    r = world.rates
    nick = (
        "left(p.name, 1) || [['哥', '叔'], ['姐', '阿姨']]"
        "[1 + pick(p.pid, 'gender', 2)::INT][1 + pick(p.pid, 'nick', 2)::INT]"
    )
    con.execute(
        f"""create or replace temp table added as
        with edge as (
            select pid, 0 as turn, active_from as since, least(active_until, coalesce(wechat_left, 100000)) as until
            from person where wecom_contact
            union all
            select pid, 1, active_from, least(active_until, coalesce(wechat_left, 100000)) from person
                where wecom_contact and u(pid, 'second staff') < {r.second_staff}
            union all
            -- the new WeChat is added again; the old one is never used any more
            select pid, 2, wechat_day, 100000 from person where wecom_contact and wechat_day is not null
                and u(pid, 'adds again') < 0.6),
        wished as (
            select *, pid * 4 + turn as k, until > 0 and (since >= 0 or u(pid * 4 + turn, 'contact inside') < 0.45) as inside from edge),
        met as (
            select w.k, arg_min(b.bid, (h(w.k * 1000003 + b.bid, 'met'), b.bid)) as bid
            from wished w join basket b on b.pid = w.pid and not b.grouped and b.day >= w.since and b.day < w.until
            where w.inside and u(w.k, 'at the till') < 0.8 group by w.k)
        select w.*, coalesce(b.store, p.store) as store,
            coalesce(b.day, case when w.inside then greatest(w.since, 0)
                    + pick(w.k, 'contact day', greatest(1, least(w.until, {world.days}) - greatest(w.since, 0)))
                else least(-5, w.until) - pick(w.k, 'contact day', 400) end)::INT as day,
            coalesce(b.sec + 60 + pick(w.k, 'scan', 900), 32400 + pick(w.k, 'contact at', 36000)) as sec,
            -- a cashier without WeCom (3, 4) sends the customer to the manager
            case when b.bid is null then pick(w.k, 'staff', 3)
                when u(w.k, 'manager') < 0.25 then 0 else (1 + pick(b.store * 100000 + b.day * 3
                    + (b.sec > 50000)::INT, 'shift', 4)) % 3 end::INT as place
        from wished w join person p using (pid) left join met using (k) left join basket b on b.bid = met.bid"""
    )
    con.execute(
        "delete from added where turn = 1 and (pid, place) in (select pid, place from added where turn = 0)"
    )
    con.execute(
        f"""create or replace table contact as
        select p.pid, p.person_id, if(d.turn = 2, wx('wmLk7Q', p.pid, 'ext2'), p.external_userid) as external_userid,
            s.wecom_userid as userid, 1 + pick(p.pid, 'gender', 2) as gender,
            {nick} as name,
            case when u(p.pid, 'contact unionid') < {r.wecom_unionid} then if(d.turn = 2, p.unionid_new, p.unionid) end as unionid,
            unix(d.day, d.sec) as createtime,
            case when u(d.k, 'deleted') < {r.contact_deleted} then createtime + 86400 * (5 + pick(d.k, 'deleted after', 300)) end
                as deleted_at,
            case when d.turn = 0 and e.pid is not null then [coalesce(
                    phone_on(o.phone_a, o.phone_b, o.chg_day, d.day), o.phone_b,
                    mistype(coalesce(phone_on(p.phone_a, p.phone_b, p.chg_day, d.day), p.phone_a, p.phone_b), d.k))]
                when u(d.k, 'remarked') < {r.remark_phone} and phone_on(p.phone_a, p.phone_b, p.chg_day, d.day) is not null
                then [phone_on(p.phone_a, p.phone_b, p.chg_day, d.day)]
                    || if(p.second_phone is not null and u(d.k, 'both') < 0.5, [p.second_phone], []::VARCHAR[])
                else []::VARCHAR[] end as remark_mobiles,
            if(u(d.k, 'where') < 0.6, p.community || p.building || ' ', '') || if(u(d.k, 'full name') < 0.4, p.name, {nick})
                || if(len(remark_mobiles) > 0 and u(d.k, 'in text') < 0.2, ' ' || remark_mobiles[1], '') as remark,
            if(u(d.k, 'tagged') < 0.3, ['et1' || pick(d.k, 'tag', 3)], []::VARCHAR[]) as tag_id,
            [1, 1, 1, 2, 3, 4, 201][1 + pick(d.k, 'way', 7)::INT] as add_way, s.store_code as state
        from added d join person p using (pid) join staff s on s.store = d.store and s.place = d.place
        left join remark_slip e on e.pid = d.pid
        left join person o on o.pid = e.other
        order by p.pid, d.turn"""
    )
    con.execute(
        "update chat_member set userid = wx('wmLk7Q', p.pid, 'ext2'), unionid = if(chat_member.unionid is null, null, p.unionid_new) "
        "from person p where p.external_userid = chat_member.userid and p.wechat_day is not null "
        "and chat_member.join_time >= unix(p.wechat_day, 0)"
    )
