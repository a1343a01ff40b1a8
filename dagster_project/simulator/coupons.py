"""Coupons of the simulated past, among them a randomised win-back whose true effect on everybody is known."""

from __future__ import annotations

import duckdb

from dagster_project.simulator.settings import World

WIN_BACK = "WINBACK_8"
REGULAR = "POS_8"
FIRST_ORDER = "FIRST_GROUP_5"
GROUP = "GROUP_5"
WINDOW_DAYS = 7


def run_win_back(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `trial` and adds the trips that only the coupon caused.

    Once per person, at the first pause of 15 days or more: half get a coupon. `lifted` says that the coupon changes
    this person's mind; it adds a trip only for the treated who would not have come anyway. Both counterfactual
    outcomes are kept, so an estimate can be checked person by person.
    """
    con.execute(
        f"""create table trial as
        with days_bought as (
            select pid, day, arg_max(src, sec) as src, arg_max(sec, sec) as sec, arg_max(store, sec) as store,
                arg_max(lines, sec) as lines, lead(day) over (partition by pid order by day) as next_day
            from trip group by pid, day),
        paused as (
            select *, (day + 15 + pick(pid, 'trial after', 7))::INT as trial_day
            from days_bought where coalesce(next_day, {world.days} + 1000) - day > 21),
        first_pause as (
            select pid, arg_min(struct_pack(day, src, sec, store, lines, next_day, trial_day), day) as pause
            from paused where trial_day < {world.days} group by pid)
        select f.pid, pause.trial_day as day, u(f.pid, 'arm') < 0.5 as treated,
            coalesce(pause.next_day <= pause.trial_day + {WINDOW_DAYS}, false) as would_return,
            u(f.pid, 'lifted') < p.coupon_effect as lifted,
            pause.src as src, pause.sec as sec, pause.store as store, pause.lines as lines,
            pause.next_day as next_day, (pause.trial_day + 1 + pick(f.pid, 'lift day', 3))::INT as extra_day,
            'CW' || upper(left(md5('win back' || f.pid || '|{world.seed}'), 10)) as code
        from first_pause f join person p using (pid) where p.has_card or p.group_user order by f.pid"""
    )
    con.execute(
        f"""insert into trip
        select src, pid, store, extra_day, sec, lines, true, code
        from trial where treated and lifted and not would_return and extra_day < {world.days}"""
    )
    con.execute(
        """update trip set coupon_code = redeemed.code from (
            select t.pid, t.next_day, t.code, min(trip.src) as src from trial t join trip on trip.pid = t.pid
                and trip.day = t.next_day
            where t.treated and t.would_return and u(t.pid, 'redeems') < 0.6 group by all) redeemed
        where trip.pid = redeemed.pid and trip.day = redeemed.next_day and trip.src = redeemed.src"""
    )
    con.execute(
        f"""update trip set coupon_code = 'CR'
            || upper(left(md5('regular' || src || '|' || day || '|{world.seed}'), 10))
        where coupon_code is null and not extra and lines >= 4 and u(src, 'coupon') < {world.rates.coupon_ticket}
            and pid in (select pid from person where has_card)"""
    )


def build_coupons(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `coupon` (one row per code) and `order_coupon` (group orders that use one)."""
    days = world.days
    con.execute(
        f"""create table order_coupon as
        with orders as (
            select b.bid, b.pid, b.day, b.sec, p.reg_day,
                row_number() over (partition by b.pid order by b.day, b.bid) as turn
            from basket b join person p using (pid) where b.grouped)
        select bid, pid, day, sec, case when turn = 1 and reg_day > 0 then '{FIRST_ORDER}'
            else '{GROUP}' end as template_id,
            'CG' || upper(left(md5('group' || bid || '|{world.seed}'), 10)) as code,
            greatest(case when turn = 1 then least(day, greatest(reg_day, 0))
                else day - 1 - pick(bid, 'issued', 9) end, 0)::INT
                as issued_day
        from orders where (turn = 1 and reg_day > 0 and u(bid, 'first coupon') < 0.6) or u(bid,
            'group coupon') < 0.02"""
    )
    con.execute(
        f"""create table coupon as
        select b.coupon_code as code, if(t.code is not null, '{WIN_BACK}', '{REGULAR}') as template_id, b.pid,
            false as grouped,
            coalesce(t.day, greatest(b.day - 1 - pick(b.bid, 'issued', 9), 0))::INT as issued_day,
            b.bid as used_bid, b.day as used_day, b.sec as used_sec
        from basket b left join trial t on t.code = b.coupon_code where b.coupon_code is not null
        union all
        select t.code, '{WIN_BACK}', t.pid, false, t.day, null, null, null from trial t
        where t.treated and t.code not in (select coupon_code from basket where coupon_code is not null)
        union all
        select 'CU' || upper(left(md5('unused' || pid || '|' || period || '|{world.seed}'), 10)), '{REGULAR}', pid,
            false,
            (period * 30 + pick(pid * 64 + period, 'issued', 30))::INT, null, null, null
        from person, range({days} // 30 + 1) periods(period)
        where has_card and card_day < 0 and u(pid * 64 + period, 'unused') < 0.06
        union all
        select code, template_id, pid, true, issued_day, bid, day, sec from order_coupon"""
    )
    con.execute(f"delete from coupon where issued_day >= {days}")


def coupon_event_rows(world: World, grouped: bool) -> str:
    """SQL of one channel's coupon events: night, pid and the contract's columns, phone as the system holds it."""
    days = world.days
    value = 500 if grouped else 800
    # Group buying knows the account, the till knows the card; a person without a card is known by phone.
    holder = (
        "null::VARCHAR as member_ref, case when p.group_user then 'mini' end as account, "
        "if(p.group_user, null, phone_on(p.phone_a, p.phone_b, p.chg_day, e.day)) as phone"
        if grouped
        else "if(p.has_card and p.card_day <= e.day, p.card_a, null) as member_ref, null::VARCHAR as account, "
        "if(u(e.pid, 'coupon phone') < 0.4 or not (p.has_card and p.card_day <= e.day), "
        "phone_on(p.phone_a, p.phone_b, p.chg_day, e.day), null) as phone"
    )
    reference = "order_id(b.day, b.bid)" if grouped else "ticket_id(b.day, b.bid)"
    doubles = f"""
        union all
        select code, template_id, pid, 'redeemed', used_day, used_sec + 5400, null, {value}, 3
        from coupon where {"not grouped" if grouped else "grouped"} and used_bid is not null
            and u(used_bid, 'double') < {world.rates.coupon_double}"""
    return f"""
        with event as (
            select code, template_id, pid, 'issued' as event, issued_day as day, 36000 as sec, null::BIGINT as bid,
                null::BIGINT as amount_fen, 0 as step
            from coupon where grouped = {grouped}
            union all
            select code, template_id, pid, 'redeemed', used_day, used_sec, used_bid, {value}, 1
            from coupon where grouped = {grouped} and used_bid is not null
            union all
            select code, template_id, pid, if(u(pid, 'voided') < 0.03, 'voided', 'expired'),
                issued_day + {WINDOW_DAYS + 3}, 300, null, null, 2
            from coupon where grouped = {grouped} and used_bid is null{doubles})
        select e.day as night, p.person_id, {"'GE'" if grouped else "'PE'"} || e.code || e.step as event_id,
            e.code as coupon_code,
            e.template_id, e.event, {holder}, moment(e.day, e.sec) as occurred_at,
            if(b.bid is not null, {reference}, null) as ref_id, yuan(e.amount_fen) as amount,
            p.openid as holder_openid
        from event e join person p using (pid) left join basket b on b.bid = e.bid
        where e.day between 0 and {days - 1}"""
