"""Coupons of the simulated past, among them a randomised win-back whose true effect on everybody is known."""

from __future__ import annotations

import duckdb

from dagster_project.simulator.database import ladder
from dagster_project.simulator.events import EventLog, told
from dagster_project.simulator.groupbuy import LATE_PAID_SEC, unpaid_holds
from dagster_project.simulator.settings import GROUP as GROUP_CONNECTION
from dagster_project.simulator.settings import MINI_APPID, POS, World

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


def hand_out_coupons(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Gives till baskets that are numbered already their coupons, and creates `trial`, empty: the world with traps."""
    con.execute(
        f"""update basket set coupon_code = 'CR' || upper(left(md5('regular' || bid || '|{world.seed}'), 10))
        where not grouped and lines >= 4 and u(bid, 'coupon') < {world.rates.coupon_ticket}
            and pid in (select pid from person where has_card)"""
    )
    con.execute(
        "create table trial as select 0::BIGINT as pid, 0 as day, null::VARCHAR as code, true as treated where false"
    )


def build_coupons(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `coupon` (one row per code), `order_coupon` (group orders that hold one) and `coupon_event`."""
    days, r = world.days, world.rates
    con.execute(
        f"""create table order_coupon as
        with orders as (
            select b.bid, b.pid, b.day, b.sec, p.reg_day, u(b.bid, 'test') < {r.test_order} as test, b.lines,
                case when test then 'normal' when u(b.bid, 'life') >= {r.order_unpaid} then 'normal'
                    when u(b.bid, 'paid late') < {r.order_paid_late} then 'paid late' else 'unpaid' end as life,
                row_number() over (partition by b.pid order by b.day, b.bid) as turn
            from basket b join person p using (pid) where b.grouped)
        select bid, pid, day, sec, life, case when turn = 1 and reg_day > 0 then '{FIRST_ORDER}'
            else '{GROUP}' end as template_id,
            'CG' || upper(left(md5('group' || bid || '|{world.seed}'), 10)) as code,
            greatest(case when turn = 1 then least(day, greatest(reg_day, 0))
                else day - 1 - pick(bid, 'issued', 9) end, 0)::INT
                as issued_day
        from orders where (turn = 1 and reg_day > 0 and u(bid, 'first coupon') < 0.6)
            or u(bid, 'group coupon') < 0.02 or (not test and {unpaid_holds("bid", r, "coupon")})"""
    )
    late = LATE_PAID_SEC.format(bid="bid")
    con.execute(
        f"""create table coupon as
        with code as (
            select b.coupon_code as code, if(t.code is not null, '{WIN_BACK}', '{
            REGULAR
        }') as template_id, b.pid,
                false as grouped,
                coalesce(t.day, greatest(b.day - 1 - pick(b.bid, 'issued', 9), 0))::INT as issued_day,
                b.bid as used_bid, b.day as used_day, b.sec as used_sec, b.bid as at_bid
            from basket b left join trial t on t.code = b.coupon_code where b.coupon_code is not null
            union all
            select t.code, '{WIN_BACK}', t.pid, false, t.day, null, null, null, null from trial t
            where t.treated and t.code not in (select coupon_code from basket where coupon_code is not null)
            union all
            select 'CU' || upper(left(md5('unused' || pid || '|' || period || '|{world.seed}'), 10)), '{
            REGULAR
        }', pid,
                false,
                (period * 30 + pick(pid * 64 + period, 'issued', 30))::INT, null, null, null, null
            from person, range({days} // 30 + 1) periods(period)
            where has_card and card_day < 0 and u(pid * 64 + period, 'unused') < 0.06
            union all
            -- an order that was never paid gives its code back; one that is paid late uses it then
            select code, template_id, pid, true, issued_day, if(life = 'unpaid', null, bid),
                case life when 'normal' then day when 'paid late' then day + 1 end,
                case life when 'normal' then sec when 'paid late' then {late} end, bid from order_coupon),
        -- one draw decides what is wrong with a code, so that faults exclude each other
        drawn as (select *, (hash(code) >> 1)::BIGINT as k from code)
        select c.* exclude (k), case when template_id = '{WIN_BACK}' then ''
            when used_bid is null then if(u(k, 'fault') < {r.coupon_late}, 'late', '')
            else {
            ladder(
                "u(k, 'fault')",
                [
                    (r.coupon_other, "if(x.partner_pid is null, '', 'other')"),
                    (r.coupon_early, "'early'"),
                    (r.coupon_unissued, "'unissued'"),
                    (r.coupon_twice, "'twice'"),
                    (r.coupon_use_unposted, "if(grouped, 'unposted', '')"),
                ],
                "''",
            )
        } end as fault, if(fault = 'other', x.partner_pid, c.pid) as holder
        from drawn c left join partner x using (pid)"""
    )
    con.execute(f"delete from coupon where issued_day >= {days}")
    _events(con, world)


def _events(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `coupon_event`: night (day), pid (whose hands it is in), what happened, and in which channel's records."""
    expires = WINDOW_DAYS + 3
    early = "if(fault = 'early', used_day, issued_day)"
    con.execute(
        f"""create table coupon_event as
        with event as (
            -- an issue that is dated after the use: the shop entered it in the evening
            select *, holder as who, grouped as in_group, 'issued' as event, {early} as event_day,
                if(fault = 'early', least(used_sec + 5400, 90000), 36000) as event_sec, null::BIGINT as bid, 0 as step
            from coupon where fault <> 'unissued'
            union all by name
            select *, pid as who, grouped as in_group, 'redeemed' as event, used_day as event_day, used_sec as event_sec,
                used_bid as bid, 1 as step
            from coupon where used_bid is not null and fault <> 'unposted'
            union all by name
            select *, pid as who, grouped as in_group, if(u(pid, 'voided') < 0.03, 'voided', 'expired') as event,
                issued_day + {expires} as event_day, 300 as event_sec, null as bid, 2 as step
            from coupon where used_bid is null
            union all by name
            select *, pid as who, not grouped as in_group, 'redeemed' as event, used_day as event_day,
                used_sec + 5400 as event_sec, null as bid, 3 as step
            from coupon where used_bid is not null and u(used_bid, 'double') < {world.rates.coupon_double}
            union all by name
            select *, pid as who, grouped as in_group, 'redeemed' as event, used_day as event_day,
                used_sec + 7200 as event_sec, null as bid, 4 as step
            from coupon where fault = 'twice'
            union all by name
            select *, pid as who, grouped as in_group, 'redeemed' as event,
                issued_day + {expires} + pick((hash(code) >> 1)::BIGINT, 'late by', 4) as event_day, 41000 as event_sec,
                null as bid, 5 as step
            from coupon where fault = 'late')
        select code, template_id, who as pid, p.person_id, in_group, event, event_day::INT as night,
            moment(event_day, event_sec) as event_at, if(event = 'redeemed', if(in_group, 500, 800), null) as amount_fen,
            if(in_group, 'GE', 'PE') || code || step as event_id,
            case when e.bid is null then null when in_group then order_id(b.day, b.bid)
                else ticket_id(b.day, b.bid) end as ref_id,
            case when e.bid is null then null when in_group then ref_id
                else store_code_of(b.store) || '|' || ref_id end as used_on,
            -- the card and the account of that day
            case when p.card_b is not null and e.event_day >= p.card_b_day then p.card_b
                when p.has_card and e.event_day >= p.card_day and e.event_day < coalesce(p.card_until, 100000)
                then p.card_a end as card,
            if(p.group_user and e.event_day >= p.reg_day,
                if(e.event_day >= p.wechat_day, p.openid_new, p.openid), null) as account,
            phone_on(p.phone_a, p.phone_b, p.chg_day, e.event_day) as own_phone
        from event e join person p on p.pid = e.who left join basket b on b.bid = e.bid
        where e.event_day between 0 and {world.days - 1}"""
    )


def coupon_event_rows(grouped: bool) -> str:
    """SQL of one channel's coupon events: night, person and the contract's columns, phone as the system holds it."""
    # Group buying knows the account, the till knows the card; a person without either is known by phone.
    holder = (
        f"null::VARCHAR as member_ref, if(account is not null, '{MINI_APPID}', null) as appid, account as openid, "
        "if(account is null, own_phone, null) as phone"
        if grouped
        else "card as member_ref, if(u(pid, 'coupon phone') < 0.4 or card is null, own_phone, null) as phone"
    )
    return (
        f"select night, person_id, event_id, code as coupon_code, template_id, event, {holder}, event_at as occurred_at, ref_id, "
        f"yuan(amount_fen) as amount from coupon_event where in_group = {grouped}"
    )


def log_coupons(log: EventLog) -> None:
    """The life of every code, in the words of truth/events.csv.gz."""
    log.add(
        "",
        "coupon_event",
        "event_id",
        kind="'coupon_' || event",
        at="event_at",
        connection=f"if(in_group, '{GROUP_CONNECTION}', '{POS}')",
        feed="'coupon_events'",
        record_id="event_id",
        person_id="person_id",
        ref="code",
        amount_fen="amount_fen",
        state="template_id",
        detail=f"if(used_on is null, null, {told(used_on='used_on')})",
    )
