"""Group buying: orders, their lines, refunds and complaints of a stretch of nights."""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from dagster_project.simulator.baskets import lines_of, taste
from dagster_project.simulator.catalogue import words
from dagster_project.simulator.database import choice, ladder
from dagster_project.simulator.events import EventLog, line_detail, told
from dagster_project.simulator.files import Landing
from dagster_project.simulator.people import LEADERS_PER_STORE
from dagster_project.simulator.settings import GROUP, H5_APPID, MINI_APPID, Rates, World


def prepare_group(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `sharer` (numbered per shop), `invited` (who brought whom), `staff_number` and `group_points`."""
    r = world.rates
    con.execute(
        "create table sharer as select store, pid, openid, own_invite, reg_day, h5_user or wechat_day is not null as has_second, "
        "row_number() over (partition by store order by pid) - 1 as turn, count(*) over (partition by store) as sharers "
        "from person where sharer"
    )
    # newcomers are brought by sharers; some sharers bring themselves or each other, which pays nobody
    con.execute(
        f"""create table invited as
        with own as (
            select pid, pid as by_pid, 0 as rank from sharer
            where u(pid, 'invites self') < if(has_second, {r.invite_second_account}, {r.invite_self})),
        three as (
            select *, turn % 3 as place, turn // 3 as ring, store * 10007 + turn // 3 as k from sharer
            where turn // 3 * 3 + 2 < sharers),
        ring as (
            select *, if(u(k, 'ring of three') < 0.5, 3, 2) as size from three where u(k, 'ring') < {r.invite_circle}),
        circle as (
            select a.pid, b.pid as by_pid, 1 as rank from ring a
            join ring b on b.store = a.store and b.ring = a.ring and b.place = (a.place + 1) % a.size
            where a.place < a.size),
        newcomer as (
            select p.pid, s.pid as by_pid, 2 as rank
            from person p join sharer s on s.store = p.store and s.turn = pick(p.pid, 'invited by', s.sharers)
            where p.group_user and p.reg_day > 0 and u(p.pid, 'invited') < 0.5 and s.pid <> p.pid),
        upper as (
            select a.pid, b.pid as by_pid, 3 as rank from sharer a
            join sharer b on b.store = a.store and a.turn > 0 and b.turn = pick(a.pid, 'inviter of inviter', a.turn)
            where u(a.pid, 'inviter invited') < {r.inviter_invited}),
        one as (
            select * from (select * from own union all select * from circle union all select * from newcomer
                union all select * from upper)
            qualify row_number() over (partition by pid order by rank) = 1)
        select one.pid, one.by_pid, s.own_invite as code from one join sharer s on s.pid = one.by_pid order by one.pid"""
    )
    con.execute(
        "create table staff_number as select phone, min(staff_id) as staff_id, min(role) as role from ("
        "select phone, staff_id, role from staff union all "
        "select p.phone_a, l.leader_id, 'leader' from leader l join person p using (pid)) "
        "where phone is not null group by phone"
    )
    con.execute("create table group_points (pid BIGINT, night INT, points BIGINT)")


def emit_group(
    con: duckdb.DuckDBPyConnection,
    world: World,
    landing: Landing,
    first: int,
    last: int,
    amend: Callable[[], None] | None = None,
    log: EventLog | None = None,
) -> None:
    """Writes the group-buy files of nights first…last; `amend` may change `ordered` before it is written."""
    _orders(con, world, first, last)
    if amend:
        amend()
    landing.emit(GROUP, "orders", _order_rows(), until=last, truth=True, sort="bid, step")
    landing.emit(GROUP, "order_lines", _line_rows(), until=last, sort="bid, step, line_no")
    landing.emit(GROUP, "refunds", _refund_rows(), until=last, order="finished_at nulls first")
    _complaints(con, world)
    said = "select * exclude (open_day, settled_day, settled)"
    landing.emit(
        GROUP,
        "complaints",
        f"{said}, open_day as night, 'open' as status, true as first from complaint union all by name "
        f"{said}, settled_day as night, settled as status, false as first from complaint where settled is not null",
        until=last,
        truth=True,
        order="status",
    )
    con.execute(
        "insert into group_points select pid, (night + (life = 'paid late')::INT)::INT, earned - spent_points from ordered "
        "where life in ('normal', 'paid late') and not test"
    )
    if log:
        _log(log)


def _orders(con: duckdb.DuckDBPyConnection, world: World, first: int, last: int) -> None:
    """Creates `group_line` and `ordered`: one row per order with its whole life decided."""
    r = world.rates
    con.execute(
        f"create or replace table group_basket as select *, order_id(day, bid) as order_id, "
        f"store_code_of(store) as store_code from basket where grouped and night between {first} and {last}"
    )
    columns = f"bid, src, {taste(world)}, store, day, sec, lines, night, order_id"
    lines = lines_of(world, f"select {columns} from group_basket")
    con.execute(f"create or replace table group_line as {lines}")
    typed = "if(u(bid, 'typed') < 0.9, own_phone, mistype(own_phone, bid))"
    phone = ladder(
        "u_phone",
        [
            (r.order_phone_verified, f"if(verified, own_phone, {typed})"),
            (r.order_phone_unverified, typed),
            (r.order_phone_masked, "masked(own_phone)"),
        ],
    )
    con.execute(
        f"""create or replace table ordered as
        with total as (select bid, sum(gross_fen - disc_fen)::BIGINT as goods_fen,
                any_value(gross_fen - disc_fen) filter (where line_no = 1) as first_fen
            from group_line group by bid),
        saved as (select pid, sum(points)::BIGINT as points from group_points where night < {first} group by pid),
        base as (
            select b.bid, b.order_id, b.store_code, b.pid, b.store, b.day, b.sec, b.night, t.goods_fen, t.first_fen,
                c.code as coupon_code,
                p.person_id, p.name, p.community, p.verified, p.unionid_shown,
                profile_phone(p.pid, p.phone_a, p.phone_b, p.phone_2, p.chg_day, p.told_day, p.reg_day,
                    b.day) as own_phone,
                p.h5_user and u(b.bid, 'h5') < 0.35 as by_h5, p.openid_h5,
                if(b.day >= p.wechat_day, p.openid_new, p.openid) as own_openid,
                if(b.day >= p.wechat_day, p.unionid_new, p.unionid) as own_unionid,
                x.partner_phone, x.partner_name, i.code as invited_code, l.leader_id, s.openid as from_openid,
                u(b.bid, 'test') < {r.test_order} as test, u(b.bid, 'life') as u_life, u(b.bid, 'phone') as u_phone,
                u(b.bid, 'receiver') as u_receiver, u(b.bid, 'help') as u_help, u(b.bid, 'refund') as u_refund,
                coalesce(saved.points, 0) as points,
                row_number() over (partition by b.pid order by b.day, b.bid) as turn
            from group_basket b join total t using (bid) join person p using (pid)
            left join order_coupon c using (bid) left join partner x using (pid) left join invited i using (pid)
            left join saved using (pid)
            left join leader l on l.store = b.store and l.place = pick(b.pid, 'leader', {LEADERS_PER_STORE + 1})
            left join sharer s on s.store = b.store and u(b.bid, 'shared') < 0.2 and s.pid <> b.pid
                and s.turn = pick(b.bid, 'shared by', s.sharers)),
        priced as (
            select *, if(coupon_code is null, 0, least(500, goods_fen // 2)) as coupon_fen,
                if(u(bid, 'freight') < 0.05, 300, 0) as freight_fen,
                case when test then 'normal'
                    when u_life < {r.order_unpaid} then if(u(bid, 'paid late') < {r.order_paid_late}, 'paid late', 'unpaid')
                    when u_life < {r.order_unpaid + r.order_closed} then 'closed' else 'normal' end as life,
                -- who does not pay spends nothing, and so may hold the same points twice
                if((turn = 1 and u(bid, 'points') < {r.points_spent})
                    or ((turn = 1 or life = 'unpaid') and {unpaid_holds("bid", r, "points")} and not test),
                    least(greatest(points, 0), goods_fen // 2) // 100 * 100, 0)::BIGINT as spent_points,
                goods_fen + freight_fen - coupon_fen - spent_points as amount_fen
            from base)
        select * exclude (own_openid, own_unionid, by_h5, openid_h5, partner_phone, partner_name, person_id,
            own_phone),
            if(test, 'T' || store_code, person_id) as person_id,
            if(by_h5 and not test, '{H5_APPID}', '{MINI_APPID}') as appid,
            if(test, wx('oM3kX5', -1 - store, 'test'), if(by_h5, openid_h5, own_openid)) as openid,
            case when not test and unionid_shown and u(bid, 'unionid') < 0.96 then own_unionid end as unionid,
            case when by_h5 and not test then 'h5' when u(bid, 'entry') < 0.78 then 'group'
                else 'miniapp' end as channel,
            if(test, mobile(3900000000 + store * 10), {phone}) as buyer_phone,
            case when buyer_phone is null then null
                when test or verified and (u_phone < {r.order_phone_verified}
                    or u_phone >= {r.order_phone_verified + r.order_phone_unverified}) then 'Y'
                        else 'N' end as phone_verified,
            case when test then mobile(3900000000 + store * 10) when u_receiver < {r.receiver_other}
                    then if(u(bid, 'for whom') < 0.5, coalesce(partner_phone, mobile(pid * 4 + 3)),
                        mobile(pid * 4 + 3))
                when u_receiver < {r.receiver_other + r.receiver_masked} then masked(own_phone)
                    else own_phone end as receiver_phone,
            case when test then '测试订单' when u_receiver < {r.receiver_other}
                    then if(u(bid, 'for whom') < 0.5, coalesce(partner_name, left(name, 1) || '阿姨'), left(name, 1)
                        || '阿姨')
                else name end as receiver_name,
            if(life in ('normal', 'paid late') and not test, amount_fen // 100, 0) as earned,
            case when life = 'normal' and not test and u_refund < {r.order_refund} then 'refund' end as after_sale,
            coupon_code is null and spent_points = 0 and freight_fen = 0 and u(bid, 'refund all') < 0.3 as whole,
            if(whole, amount_fen, least(first_fen, amount_fen)) as refund_fen,
            (day + 1 + pick(bid, 'applied', 2))::INT as applied_day,
            (applied_day + case when u(bid, 'refund late') < {r.refund_late} then 32 + pick(bid, 'days', 20)
                when u(bid, 'slow') < 0.15 then 8 + pick(bid, 'days', 14) else 1 + pick(bid, 'days', 3) end)::INT as decided_day,
            case when u(bid, 'decided') < 0.85 then 'done' when u(bid, 'decided') < 0.93 then 'refused'
                else 'withdrawn' end as decided,
            case when u_help < {r.help_sell_outside} then 'supplier'
                when u_help < {r.help_sell_outside + r.help_sell_ours}
                and leader_id is not null then 'shared supplier' else 'direct' end as selling
        from priced"""
    )


def unpaid_holds(bid: str, rates: Rates, what: str) -> str:
    """SQL: whether an order that is not paid at once holds a coupon, or points (`what`)."""
    half = f"u({bid}, 'holds what') {'<' if what == 'coupon' else '>='} 0.5"
    return (
        f"(u({bid}, 'life') < {rates.order_unpaid} and u({bid}, 'holds') < {rates.unpaid_holding} and {half})"
    )


LATE_PAID_SEC = "(28800 + pick({bid}, 'paid late at', 7200))"
_PAID_AT = (
    "case life when 'unpaid' then null "
    f"when 'paid late' then moment(day + 1, {LATE_PAID_SEC.format(bid='bid')}) "
    "else moment(day, sec + 15 + pick(bid, 'paid', 240)) end"
)
_LEADER = "case when selling = 'supplier' then 'X' || lpad((pid % 97)::VARCHAR, 4, '0') else leader_id end"
_ACTIVITY = "'A' || strftime(on_day(day), '%y%m%d') || coalesce(leader_id, store_code)"
_INVITE = "if(u(bid, 'invite used') < 0.7, invited_code, null)"


def _order_rows() -> str:
    common = f"""
        bid, order_id, person_id, {_ACTIVITY} as activity_id, store_code, community || '自提点' as pickup_site,
        {_LEADER} as leader_id,
        channel, openid, appid, unionid, buyer_phone, phone_verified, receiver_phone, receiver_name,
            moment(day, sec) as created_at,
        yuan(amount_fen) as order_amount, yuan(freight_fen) as freight,
            {_INVITE} as invite_code,
        from_openid as sharer_openid, coupon_code, nullif(spent_points, 0)::VARCHAR as points_spent,
        if(selling = 'direct', 'direct', 'supplier') as seller_role"""
    paid = f"{_PAID_AT} as paid_at"
    earned = "nullif(earned, 0)::VARCHAR as points_earned"
    waits = "life in ('unpaid', 'paid late')"
    return f"""
        select night, 0 as step, {common}, if({waits}, null, {_PAID_AT}) as paid_at,
            if({waits}, null, nullif(earned, 0)::VARCHAR) as points_earned, if({waits}, 'unpaid', 'paid') as status,
            yuan(0) as refund_amount,
            coalesce(paid_at, created_at) as updated_at, true as first from ordered
        union all by name
        -- pick-up on the next day, or the end of an order that was not paid or was cancelled
        select (night + 1)::INT as night, 1 as step, {common}, {paid}, {earned},
            case life when 'normal' then if(u(bid, 'not fetched') < 0.04, 'shipped', 'completed')
                when 'paid late' then 'paid' else 'closed' end as status,
            if(life = 'closed', yuan(amount_fen), yuan(0)) as refund_amount,
            moment(day + 1, 61200 + pick(bid, 'fetched', 14400)) as updated_at, false as first from ordered
        union all by name
        select greatest(night + 1, decided_day)::INT as night, 2 as step, {common}, {paid}, {earned},
            'completed' as status,
            yuan(refund_fen) as refund_amount, moment(decided_day, 82000) as updated_at, false as first
        from ordered where after_sale = 'refund' and decided = 'done'
        union all by name
        -- the same goods in the order book of the leader who helped to sell them
        select o.* replace (o.order_id || 'H' as order_id, 'helper' as seller_role, null as coupon_code) from (
            select night, 3 as step, {common}, if({waits}, null, {_PAID_AT}) as paid_at,
                if({waits}, null, nullif(earned, 0)::VARCHAR) as points_earned, if({waits}, 'unpaid', 'paid') as status,
                yuan(0) as refund_amount, coalesce(paid_at, created_at) as updated_at, true as first
            from ordered where selling = 'shared supplier') o"""


def _line_rows() -> str:
    goods = "l.line_no, s.sku, s.item_name, s.category, l.qty, yuan(l.gross_fen - l.disc_fen) as amount, l.bid, l.order_id"
    return f"""
        select l.night, 0 as step, {goods}, yuan(0) as refunded from group_line l join sku s using (sku_no)
        union all by name
        select greatest(o.night + 1, o.decided_day)::INT as night, 1 as step, {goods},
            yuan(if(o.whole, l.gross_fen - l.disc_fen, o.refund_fen)) as refunded
        from ordered o join group_line l on l.bid = o.bid and (o.whole or l.line_no = 1) join sku s using (sku_no)
        where o.after_sale = 'refund' and o.decided = 'done'"""


_REFUND_ID = "'RF' || strftime(on_day(applied_day), '%y%m%d') || lpad(bid::VARCHAR, 9, '0')"


def _refund_rows() -> str:
    common = f"""
        {_REFUND_ID} as refund_id, order_id, if(whole, null, '1') as line_no, yuan(refund_fen) as amount,
            if(u(bid, 'returned') < 0.2, 'return', 'refund_only') as kind,
        {choice(words()["refund_reasons"], "bid", "reason")} as reason,
        moment(applied_day, 30000 + pick(bid, 'applied at', 45000)) as applied_at"""
    return f"""
        select greatest(night, applied_day)::INT as night, {common}, 'applied' as status,
            null::TIMESTAMP_S as finished_at
        from ordered where after_sale = 'refund' and refund_fen > 0
        union all by name
        select greatest(night + 1, decided_day)::INT as night, {common}, decided as status,
            moment(decided_day, 81000) as finished_at
        from ordered where after_sale = 'refund' and refund_fen > 0"""


def _complaints(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `complaint`: one row per complaint about an order or a ticket, with its end."""
    r = world.rates
    con.execute(
        f"""create or replace table complaint as
        with told as (
            select 'CP' || lpad(bid::VARCHAR, 9, '0') as complaint_id, order_id, null::VARCHAR as ticket_id,
                store_code, openid, appid, if(u(bid, 'complaint phone') < 0.4, buyer_phone, null) as phone,
                person_id, bid, day, night
            from ordered where life = 'normal' and not test and u(bid, 'complains') < {r.complaint}
            union all
            select 'CP' || lpad(bid::VARCHAR, 9, '0'), null, ticket_id, store_code, null, null, own_phone,
                person_id, bid, day, night
            from ticket where happened = '' and u(bid, 'complains') < {r.complaint / 8})
        select * exclude (day, night), {choice(words()["complaint_kinds"], "bid", "complaint")} as kind,
            greatest(night, day + pick(bid, 'complaint day', 3))::INT as open_day,
            (open_day + 1 + pick(bid, 'settled', 5))::INT as settled_day,
            moment(open_day, 75000 + pick(bid, 'complaint at', 8000)) as opened_at,
            case when u(bid, 'complaint end') < {r.complaint_withdrawn} then 'withdrawn'
                when u(bid, 'complaint end') < 0.9 then 'resolved' end as settled
        from told"""
    )


def _log(log: EventLog) -> None:
    """What happened in the groups, in the words of truth/events.csv.gz."""
    order = {
        "connection": f"'{GROUP}'",
        "feed": "'orders'",
        "store_code": "store_code",
        "person_id": "person_id",
    }
    log.add(
        "order_placed",
        "(select o.*, n.staff_id, n.role from ordered o left join staff_number n on n.phone = o.buyer_phone)",
        "bid",
        **order,
        at="moment(day, sec)",
        record_id="order_id",
        amount_fen="amount_fen",
        detail=told(
            freight_fen="nullif(freight_fen, 0)",
            coupon_fen="nullif(coupon_fen, 0)",
            coupon_code="coupon_code",
            points_spent="nullif(spent_points, 0)",
            invite_code=_INVITE,
            sharer="from_openid",
            leader_id=_LEADER,
            pickup_site="community || '自提点'",
            appid="appid",
            openid="openid",
            seller_role="if(selling = 'direct', null, 'supplier')",
            test="if(test, 'yes', null)",
            staff_id="staff_id",
        ),
    )
    log.add(
        "order_line",
        "(select night, bid, order_id, line_no, qty, price_fen, gross_fen, disc_fen, gift, sku "
        "from group_line join (select sku_no, sku from sku) using (sku_no))",
        "bid * 1024 + line_no",
        record_id="order_id",
        line_no="line_no",
        sku="sku",
        qty="qty",
        amount_fen="gross_fen - disc_fen",
        detail=line_detail(),
    )
    log.add(
        "order_paid",
        "(select * replace ((night + (life = 'paid late')::INT)::INT as night) from ordered where life <> 'unpaid')",
        "bid",
        **order,
        at=_PAID_AT,
        record_id="order_id",
        amount_fen="amount_fen",
        points="nullif(earned, 0)",
        state="if(life = 'paid late', 'late', 'at once')",
    )
    closed = "moment(day + 1, 61200 + pick(bid, 'fetched', 14400))"
    for kind, life in (("order_unpaid", "unpaid"), ("order_cancelled", "closed")):
        log.add(
            kind,
            f"(select * replace ((night + 1)::INT as night) from ordered where life = '{life}')",
            "bid",
            **order,
            at=closed,
            record_id="order_id",
            amount_fen="amount_fen",
        )
    log.add(
        "order_helper_copy",
        "(select * from ordered where selling = 'shared supplier')",
        "bid",
        **order,
        at="moment(day, sec)",
        record_id="order_id || 'H'",
        ref="order_id",
        amount_fen="amount_fen",
    )
    refund = {
        "connection": f"'{GROUP}'",
        "feed": "'refunds'",
        "store_code": "store_code",
        "person_id": "person_id",
        "record_id": _REFUND_ID,
        "ref": "order_id",
        "line_no": "if(whole, null, 1)",
        "amount_fen": "refund_fen",
        "state": "if(u(bid, 'returned') < 0.2, 'return', 'refund_only')",
    }
    log.add(
        "refund_applied",
        "(select * replace (greatest(night, applied_day)::INT as night) from ordered "
        "where after_sale = 'refund' and refund_fen > 0)",
        "bid",
        **refund,
        at="moment(applied_day, 30000 + pick(bid, 'applied at', 45000))",
    )
    log.add(
        "",
        "(select * replace (greatest(night + 1, decided_day)::INT as night) from ordered "
        "where after_sale = 'refund' and refund_fen > 0)",
        "bid",
        kind="'refund_' || decided",
        **refund,
        at="moment(decided_day, 81000)",
    )
    complaint = {
        "connection": f"'{GROUP}'",
        "feed": "'complaints'",
        "record_id": "complaint_id",
        "person_id": "person_id",
        "store_code": "store_code",
        "ref": "coalesce(order_id, store_code || '|' || ticket_id)",
        "state": "kind",
        "at": "opened_at",
    }
    log.add("complaint_opened", "(select *, open_day as night from complaint)", "bid", **complaint)
    log.add(
        "",
        "(select *, settled_day as night from complaint where settled is not null)",
        "bid",
        **{**complaint, "kind": "'complaint_' || settled", "at": "moment(settled_day, 43200)"},
    )
