"""The identity world: households, persons, and every number and account a person is seen under."""

from __future__ import annotations

from math import ceil

import duckdb

from dagster_project.simulator.catalogue import receipts_folder, words
from dagster_project.simulator.database import choice, ladder, register
from dagster_project.simulator.settings import Rates, World

_CASHIERS = 4
LEADERS_PER_STORE = 4


def build_people(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `store` (with `located`), `staff`, `household`, `person` and `leader`."""
    _stores(con, world)
    _households(con, world)
    _persons(con, world)
    _hand_over(con, world)
    con.execute(
        f"""create table leader as
        select 'L' || lpad(row_number() over (order by store, place)::VARCHAR, 4, '0') as leader_id, *
        from (
            select store, pid, row_number() over (partition by store order by h(pid, 'leader'), pid) - 1 as place
            from person where group_user and reg_day <= 0)
        where place < {LEADERS_PER_STORE} order by store, place"""
    )
    _hire_customers(con, world)


def _hire_customers(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Some cashiers without WeCom are customers of their shop: their number is in the staff list and on their card."""
    r = world.rates
    spoiled = r.card_phone_missing + r.card_phone_masked + r.card_phone_placeholder + r.card_phone_mistyped
    con.execute(
        f"""update staff set phone = c.phone_a, staff_name = c.name, person_id = c.person_id from (
            select *, row_number() over (partition by store order by h(pid, 'works here'), pid) + 2 as at_place from person
            where has_card and not took_card and card_day < 0 and card_until is null and card_b is null and chg_day is null
                and phone_2 is null and u(pid, 'card phone') >= {spoiled} and pid not in (select pid from leader)
                and hh not in (select hh from person where uses_family_phone)) c
        where c.store = staff.store and c.at_place = staff.place and staff_no in (
            select staff_no from staff where place >= 3 order by h(staff_no, 'shops here'), staff_no
            limit {ceil(2 * world.stores * r.staff_customer)})"""
    )


def _stores(con: duckdb.DuckDBPyConnection, world: World) -> None:
    names = words()["store_names"]
    codes = world.store_codes
    columns = max(1, round(len(codes) ** 0.5))
    register(
        con,
        "store",
        {
            "store": list(range(len(codes))),
            "store_code": codes,
            "store_name": [
                names[i % len(names)] + ("" if i < len(names) else f"{i // len(names) + 1}号")
                for i in range(len(codes))
            ],
            # shops lie about 2.5 km apart, around an invented town centre
            "lng": [round(120.15 + (i % columns) * 0.026, 6) for i in range(len(codes))],
            "lat": [round(30.27 + (i // columns) * 0.023, 6) for i in range(len(codes))],
        },
    )
    unlocated = ceil(len(codes) * world.rates.store_unlocated) if len(codes) >= 3 else 0
    con.execute(
        "create or replace table store as select *, "
        f"row_number() over (order by h(store, 'unlocated'), store) > {unlocated} as located from store order by store"
    )
    # place 0 is the manager, 1… are cashiers; the manager and two cashiers use WeCom
    name = f"{choice(words()['surnames'], 'staff_no', 'surname')} || {choice(words()['given'], 'staff_no', 'given')}"
    con.execute(
        f"""create table staff as
        select store, store_code, place, store * 10 + place as staff_no,
            store_code || 'E' || lpad(place::VARCHAR, 2, '0') as staff_id,
            case when place = 0 then 'manager' else 'cashier' end as role,
            case when place <= 2 then case when place = 0 then 'mgr' else 'csh' || place end || '_' || store_code
                end as wecom_userid,
            mobile(3900000000 + store * 10 + place) as phone, {name} as staff_name,
            'E' || store_code || place as person_id
        from store, range({_CASHIERS + 1}) numbers(place) order by staff_no"""
    )


def _households(con: duckdb.DuckDBPyConnection, world: World) -> None:
    rates = world.rates
    shop = f"least({world.stores - 1}, floor({world.stores} * pow(u({{key}}, 'home shop'), 1.25)))::INT"
    sizes = [(rates.adults_four, "4"), (rates.adults_three, "3"), (rates.adults_two, "2")]
    adults = ladder("u(hh, 'adults')", sizes, "1")
    if world.basis == "real":
        con.execute(
            f"""create table household as
            with used as (
                select household_id, arg_max(store_id, (visits, store_id)) as usual_store
                from (select household_id, store_id, count(distinct basket_id) as visits
                    from read_parquet('{receipts_folder() / "transactions.parquet"}') group by all)
                group by household_id),
            counted as (
                select household_id as hh, usual_store, {shop.format(key="usual_store")} as store, {adults} as adults
                from used)
            select *, sum(adults) over (order by h(hh, 'take'), hh) as persons_so_far from counted order by hh"""
        )
        if world.persons is not None:
            con.execute(f"delete from household where persons_so_far - adults >= {world.persons}")
    else:
        con.execute(
            f"""create table household as
            with counted as (
                select hh, {shop.format(key="hh")} as store, {adults} as adults from range({world.persons}) n(hh))
            select *, sum(adults) over (order by hh) as persons_so_far from counted order by hh"""
        )
        con.execute(f"delete from household where persons_so_far - adults >= {world.persons}")


def _persons(con: duckdb.DuckDBPyConnection, world: World) -> None:
    r = world.rates
    days = world.days
    cut = f"limit {world.persons}" if world.persons else ""
    con.execute(
        f"""create table member_of as
        select row_number() over (order by hh, place) as pid, hh, place::INT as place, store, adults::INT as adults
        from household, range(adults) numbers(place) order by hh, place {cut}"""
    )
    inside = f"(1 + pick(pid, '{{0}}', {max(1, days - 1)}))"
    con.execute(
        f"""create table drawn as
        select *,
            u(pid, 'card') < {r.card_holder} as has_card,
            case when u(pid, 'card inside') < {r.card_opened_inside} then {inside.format("card day")}
                else -30 - pick(pid, 'card day', 900) end::INT as card_day,
            u(pid, 'number changed') < {r.number_changed} and {days} >= 20 as changes,
            u(pid, 'family phone') < {r.family_phone} and place = 1 as uses_family_phone,
            u(pid, 'recycled') < {r.number_recycled} as may_recycle,
            u(pid, 'group') < {r.group_user} as group_user,
            case when u(pid, 'reg inside') < {r.user_registered_inside} then {inside.format("reg day")}
                else -10 - pick(pid, 'reg day', 500) end::INT as reg_day,
            u(pid, 'new wechat') < {r.new_wechat} and {days} >= 20 as new_wechat,
            u(pid, 'contact') < {r.wecom_contact} as wecom_contact
        from member_of"""
    )
    # A number given up is given to somebody else a month later at the earliest.
    con.execute(
        f"""create table number_story as
        with shared as (select pid from drawn where uses_family_phone union select pid - 1 from drawn
            where uses_family_phone),
        givers as (
            select pid, (2 + pick(pid, 'change day', {max(1, days // 2)}))::INT as day,
                row_number() over (order by h(pid, 'giver'), pid) as turn
            from drawn where changes and pid not in (select pid from shared)),
        takers as (
            select pid, row_number() over (order by h(pid, 'taker'), pid) as turn
            from drawn where may_recycle and not changes and pid not in (select pid from shared) and {days} > 45)
        select g.pid, g.day, mobile(g.pid * 4 + 1) as next_phone, null::BIGINT as giver from givers g
        union all
        select t.pid, (g.day + 30 + pick(t.pid, 'taken', greatest(1, {days} - g.day - 32)))::INT, mobile(g.pid * 4),
            g.pid
        from takers t join givers g using (turn) where g.day + 31 < {days}"""
    )
    w = words()
    con.execute(
        f"""create table person as
        with joined as (
            select d.*, n.day as chg_day, n.giver, n.next_phone as phone_b, s.store_code, s.lng as s_lng,
                s.lat as s_lat,
                case when d.uses_family_phone then mobile((d.pid - 1) * 4) else mobile(d.pid * 4) end as phone_a
            from drawn d left join number_story n using (pid) join store s on s.store = d.store)
        select pid, hh, place, store, store_code, adults, 'P' || lpad(pid::VARCHAR, 8, '0') as person_id,
            {choice(w["surnames"], "pid", "surname")} || {choice(w["given"], "pid", "given")} as name,
            {choice(w["communities"], "hh", "community")} as community,
            round(s_lng + (u(hh, 'lng') + u(hh, 'lng2') - 1) * 0.016, 6) as lng,
            round(s_lat + (u(hh, 'lat') + u(hh, 'lat2') - 1) * 0.014, 6) as lat,
            phone_a, phone_b, chg_day, giver, uses_family_phone,
            case when u(pid, 'second phone') < {r.second_phone} then mobile(pid * 4 + 2) end as phone_2,
            case when chg_day is not null and u(pid, 'follows') < {r.record_follows_number}
                then chg_day + pick(pid, 'follows after', 10) end::INT as told_day,
            has_card, card_day, null::INT as card_until,
            case when has_card then lpad((60000000 + pid * 6)::VARCHAR, 10, '0') end as card_a,
            case when has_card and card_day < {days} // 2 and u(pid, 'second card') < {r.second_card}
                then lpad((60000003 + pid * 6)::VARCHAR, 10, '0') end as card_b,
            (greatest(card_day, 0) + 1 + pick(pid, 'card b', greatest(1, {days} - 2)))::INT as card_b_day,
            false as took_card,
            greatest(0.05, least(0.95, {r.card_shown} + (u(pid, 'shows') - 0.5) * 0.6)) as shows,
            greatest(0.02, least(0.95, {r.phone_said} + (u(pid, 'says') - 0.5) * 0.6)) as says,
            u(pid, 'pay') as pay,
            wx('oP9tB5', pid, 'pay') as openid_pay,
            '2088' || lpad((h(pid, 'alipay') % 1000000000000)::VARCHAR, 12, '0') as alipay_id,
            'ft_' || left(md5('face' || pid || '|{world.seed}'), 20) as face,
            group_user, reg_day,
            u(pid, 'verified') < {r.user_phone_verified} as verified,
            u(pid, 'unionid shown') < {r.user_unionid} as unionid_shown,
            group_user and u(pid, 'h5') < {r.h5_user} as h5_user,
            greatest(0.02, least(0.97, {r.group_share} + (u(pid, 'group share') - 0.5) * 0.8)) as group_share,
            wx('oM3kX5', pid, 'mini') as openid, wx('oH8wQ2', pid, 'h5') as openid_h5,
                wx('oU6vZ1', pid, 'union') as unionid,
            case when new_wechat then 3 + pick(pid, 'wechat day', {max(1, days - 6)}) end::INT as wechat_day,
            wechat_day as wechat_left,
            wx('oM3kX5', pid, 'mini2') as openid_new, wx('oP9tB5', pid, 'pay2') as openid_pay_new,
            wx('oU6vZ1', pid, 'union2') as unionid_new,
            wecom_contact, wx('wmLk7Q', pid, 'ext') as external_userid,
            (wecom_contact or group_user) and u(pid, 'chat') < {r.group_member} as in_chat,
            upper(left(md5('invite' || pid || '|{world.seed}'), 7)) as own_invite,
            group_user and u(pid, 'sharer') < {r.sharer} as sharer,
            {_consent(r, "consent pos")} as consent_pos, {_consent(r, "consent group")} as consent_group,
            case when u(pid, 'opt out') < {r.opt_out_inside} then {inside.format("opt out day")} end::INT as opt_out_day,
            0.02 + 0.30 * pow(u(pid, 'coupon effect'), 2) as coupon_effect,
            u(pid, 'price') as price_sensitivity
        from joined order by pid"""
    )
    # Whose phone pays when it is not the buyer's own: the next adult of the household.
    con.execute(
        """create table partner as select a.pid, b.openid_pay as partner_openid, b.phone_a as partner_phone,
            b.name as partner_name, b.pid as partner_pid
        from person a join person b on b.hh = a.hh and b.place = (a.place + 1) % a.adults and b.pid <> a.pid"""
    )
    con.execute(
        "create macro phone_on(phone_a, phone_b, chg_day, day) as if(chg_day is not null and day >= chg_day, phone_b, phone_a)"
    )
    # What a WeChat account has on file: the number of the day it was registered until the person tells the new one.
    con.execute(
        "create macro profile_phone(pid, phone_a, phone_b, phone_2, chg_day, told_day, opened, day) as "
        "case when phone_2 is not null and u(pid, 'second for group') < 0.6 then phone_2 "
        "when told_day is not null and day >= told_day then phone_b else phone_on(phone_a, phone_b, chg_day, opened) end"
    )


def _consent(rates: Rates, purpose: str) -> str:
    return ladder(f"u(pid, '{purpose}')", [(rates.consent_yes, "'Y'"), (rates.consent_no, "'N'")])


def _hand_over(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Some cards go to another person for good: the old holder stops, the new one shows it from that day on."""
    con.execute(
        f"""create table handed as
        with giving as (
            select pid, card_a, (5 + pick(pid, 'hand day', {max(1, world.days - 8)}))::INT as day,
                row_number() over (order by h(pid, 'hand'), pid) as turn
            from person
            where has_card and card_b is null and card_day < 0 and u(pid, 'handed') < {world.rates.handed_card}),
        taking as (
            select pid, row_number() over (order by h(pid, 'hand'), pid) as turn
            from person where not has_card and u(pid, 'takes card') < 0.2)
        select g.pid as from_pid, t.pid as to_pid, g.card_a as card, g.day from giving g join taking t using (turn)"""
    )
    con.execute("update person set card_until = handed.day from handed where handed.from_pid = person.pid")
    con.execute(
        "update person set has_card = true, took_card = true, card_a = handed.card, card_day = handed.day "
        "from handed where handed.to_pid = person.pid"
    )
