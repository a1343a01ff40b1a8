"""The till: tickets, lines, tenders and points of a stretch of nights."""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from dagster_project.simulator.baskets import lines_of, marked_down, taste
from dagster_project.simulator.database import ladder
from dagster_project.simulator.events import EventLog, line_detail, told
from dagster_project.simulator.files import Landing
from dagster_project.simulator.settings import PAY_APPID, POS, World


def open_points(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `ledger` (card, night, booked_at, points) with every old card's opening balance, and `expiring` (card, day).

    An opening balance is posted when the card was opened, long before the first night.
    """
    con.execute(
        "create table ledger as select card_a as card, 0 as night, moment(card_day, 27000 + pick(pid, 'opened', 1800)) as booked_at, "
        "pick(pid, 'opening', 3000) as points from person where has_card and not took_card and card_day < 0"
    )
    con.execute(
        f"create table expiring as select l.card, p.person_id, p.pid, l.points, "
        f"(1 + pick(p.pid, 'expires on', {max(1, world.days - 1)}))::INT as day from ledger l "
        f"join person p on p.card_a = l.card and not p.took_card "
        f"where l.points > 0 and p.card_until is null and u(p.pid, 'points expire') < {world.rates.points_expired}"
    )


def emit_counter(
    con: duckdb.DuckDBPyConnection,
    world: World,
    landing: Landing,
    first: int,
    last: int,
    amend: Callable[[], None] | None = None,
    log: EventLog | None = None,
) -> None:
    """Writes the POS files of nights first…last. Leaves `counter_line` for the stock count.

    `amend` may change what `ticket` says about the customer before it is written.
    """
    _tickets(con, world, first, last)
    if amend:
        amend()
    _after_the_sale(con, world)
    _entries(con, world, first, last)
    landing.emit(POS, "tickets", _ticket_rows(world), until=last, truth=True, sort="bid, step")
    landing.emit(POS, "ticket_lines", _line_rows(), until=last, sort="bid, step, line_no")
    tenders = "select * exclude (amount_fen, change_fen), yuan(amount_fen) as amount, yuan(change_fen) as change from tender"
    landing.emit(POS, "tenders", tenders, until=last, sort="bid, step, tender_no")
    entries = "select * exclude (booked_at, card), booked_at as occurred_at, card as member_ref, null::VARCHAR as phone from entry where posted"
    magnitude = "if(kind in ('spend', 'expire'), -points, points)"
    landing.emit(
        POS,
        "points",
        f"select * replace ({magnitude} as points) from ({entries})",
        until=last,
        truth=True,
        sort="bid, step",
    )
    con.execute(
        f"insert into ledger select card, night, booked_at, points from entry where posted and ref_id <> 'opening' and night < {world.days}"
    )
    if log:
        _log(log)


def _tickets(con: duckdb.DuckDBPyConnection, world: World, first: int, last: int) -> None:
    """Creates `counter_line` and `ticket`: one row per sale with all that was decided about it."""
    r = world.rates
    con.execute(
        f"create or replace table counter_basket as select *, ticket_id(day, bid) as ticket_id, "
        f"store_code_of(store) as store_code from basket where not grouped and night between {first} and {last}"
    )
    columns = f"bid, src, pid as buyer, {taste(world)}, store, day, sec, lines, night, ticket_id, store_code"
    lines = lines_of(world, f"select {columns} from counter_basket")
    con.execute(f"create or replace table counter_line as {marked_down(con, world, lines)}")
    happened = ladder(
        "u_event",
        [
            (r.ticket_void, "'void'"),
            (r.ticket_return, "'return'"),
            (r.corrected, "'late card'"),
            (r.voucher_ticket, "'voucher'"),
            (r.points_spent, "'points'"),
        ],
        "''",
    )
    # One cashier of every third shop types the own number: the rate is met on average.
    own_number = f"if(cashier = 1 and store % 3 = 0 and u_noise > 1 - {r.said_cashier} * 12, mobile(3900000000 + store * 10 + 1), null)"
    heard = ladder(
        "u_noise",
        [
            (r.said_mistyped, "mistype(own_phone, bid)"),
            (r.said_shop, "mobile(3950000000 + store)"),
            (r.said_placeholder, "placeholder(bid)"),
            (r.said_masked, "masked(own_phone)"),
        ],
        f"coalesce({own_number}, if(u_noise < 0.4, phone_2, null), own_phone)",
    )
    con.execute(
        f"""create or replace table ticket as
        with total as (select bid, sum(gross_fen)::BIGINT as gross_fen, sum(disc_fen)::BIGINT as disc_fen
            from counter_line group by bid),
        base as (
            select b.bid, b.ticket_id, b.store_code, b.pid, b.store, b.day, b.sec, b.night, t.gross_fen,
                t.disc_fen + if(b.coupon_code is null, 0,
                    least(800, (t.gross_fen - t.disc_fen) // 2)) as discount_fen,
                t.gross_fen - discount_fen as net_fen, b.coupon_code is not null as with_coupon,
                case when p.card_b is not null and b.day >= p.card_b_day then p.card_b
                    when p.has_card and b.day >= p.card_day
                        and b.day < coalesce(p.card_until, 100000) then p.card_a end as card,
                p.person_id, p.shows, p.says, p.pay, p.phone_2, p.alipay_id, p.face,
                phone_on(p.phone_a, p.phone_b, p.chg_day, b.day) as own_phone,
                if(b.day >= p.wechat_day, p.openid_pay_new, p.openid_pay) as own_openid,
                case when u(b.bid, 'partner pays') < {r.partner_pays} then x.partner_openid end as partner_openid,
                1 + pick(b.store * 100000 + b.day * 3 + (b.sec > 50000)::INT, 'shift', 4) as cashier,
                u(b.bid, 'card shown') as u_card, u(b.bid, 'said') as u_said, u(b.bid, 'noise') as u_noise,
                u(b.bid, 'pay') as u_pay, u(b.bid, 'event') as u_event
            from counter_basket b join total t using (bid) join person p using (pid) left join partner x using (pid)),
        decided as (
            select *, card is not null and u_card < shows as card_shown,
                if(u_pay < 0.85, pay, (u_pay - 0.85) / 0.15) as pay_draw,
                -- one draw decides all rare events of a ticket, so that they exclude each other
                {happened} as happened
            from base),
        paid as (
            select *, case when card_shown and u(bid, 'stored') < 0.03 then 'stored_value'
                    when pay_draw < {r.pay_wechat} then 'wechat'
                        when pay_draw < {r.pay_wechat + r.pay_alipay} then 'alipay'
                    when pay_draw < {r.pay_wechat + r.pay_alipay + r.pay_card} then 'card' else 'cash' end as method,
                case when happened = 'points' and card_shown
                    then row_number() over (partition by card, happened order by day, bid) end as spend_turn
            from decided)
        select p.* exclude (spend_turn),
            if(method = 'cash', -(net_fen % 10), 0) as rounding_fen,
            case when (not card_shown and u_said < says) or (card_shown and u_said < 0.12) then
                {heard} end as said_phone,
            -- 1 point is 1 fen; only what the card had before these nights can be spent, once
            -- but for the few that spend more, because the till did not ask
            case when spend_turn = 1 and u(bid, 'overdrawn') < {r.points_overdrawn} and net_fen > coalesce(b.points, 0) + 300
                    then least(net_fen, greatest(coalesce(b.points, 0), 0) + 1500 + pick(bid, 'overdrawn by', 1500)) // 100 * 100
                when spend_turn = 1 then greatest(0, least(coalesce(b.points, 0), net_fen // 2) // 100 * 100)
                else 0 end as spent_points,
            case when happened = 'voucher' then least(500, net_fen // 2) else 0 end as voucher_fen
        from paid p left join (select card, sum(points)::BIGINT as points from ledger
            where night < {first} or {first} = 0 group by card) b
            using (card)"""
    )


def _ticket_rows(world: World) -> str:
    r = world.rates
    payment = f"""
        case when method = 'wechat'
            and u(bid, 'openid seen') < 0.95 then coalesce(partner_openid, own_openid) end as pay_openid,
        case when pay_openid is not null then '{PAY_APPID}' end as pay_appid,
        case when method = 'alipay' and u(bid, 'openid seen') < 0.95 then alipay_id end as alipay_user_id,
        case when u(bid, 'face') < {r.face_ticket} then face end as face_token"""
    shop = "bid, store_code, store_code || 'E' || lpad(cashier::VARCHAR, 2, '0') as cashier_id, person_id"
    earned = "case when card_shown then (net_fen // 100)::VARCHAR end"
    return f"""
        select night, {shop}, 0 as step, ticket_id, 'sale' as kind, moment(day, sec) as sold_at,
            null::VARCHAR as origin_ticket_id, yuan(gross_fen) as gross, yuan(discount_fen) as discount,
            yuan(rounding_fen) as rounding, yuan(net_fen) as net,
            if(card_shown and happened <> 'late card', card, null) as member_ref, said_phone as phone, {payment},
            case when happened <> 'late card' then {earned} end as points_earned,
            nullif(spent_points, 0)::VARCHAR as points_spent, null::VARCHAR as external_order_no,
            null::TIMESTAMP_S as updated_at, true as first
        from ticket
        union all by name
        -- the shop adds the forgotten card and sends the ticket again
        select (night + 1 + pick(bid, 'fixed after', 3))::INT as night, {shop}, 1 as step, ticket_id, 'sale' as kind,
            moment(day, sec) as sold_at, yuan(gross_fen) as gross, yuan(discount_fen) as discount,
            yuan(rounding_fen) as rounding, yuan(net_fen) as net, card as member_ref, said_phone as phone, {payment},
            {earned} as points_earned, moment(night + 1, 32400 + pick(bid, 'fixed at', 30000)) as updated_at,
                false as first
        from ticket where happened = 'late card' and card_shown
        union all by name
        select night, {shop}, 2 as step, ticket_id || 'V' as ticket_id, 'void' as kind,
            moment(day, sec + 180) as sold_at,
            ticket.ticket_id as origin_ticket_id, yuan(gross_fen) as gross, yuan(discount_fen) as discount,
            yuan(rounding_fen) as rounding, yuan(net_fen) as net, if(card_shown, card, null) as member_ref,
                true as first
        from ticket where happened = 'void'
        union all by name
        select r.night, {shop}, 3 as step, ticket_id || 'R' as ticket_id, 'return' as kind,
            moment(back_day, 36000 + pick(bid, 'back at', 30000)) as sold_at,
            if(u(bid, 'unlinked') < {r.return_unlinked}, null, r.ticket_id) as origin_ticket_id,
            yuan(back_fen) as gross, yuan(0) as discount, yuan(0) as rounding, yuan(back_fen) as net,
            if(card_shown and u(bid, 'card again') < 0.7, card, null) as member_ref, true as first
        from returned r
        union all by name
        select night, {shop}, 4 as step, ticket_id || 'Z' as ticket_id, 'recharge' as kind,
            moment(day, sec - 90) as sold_at,
            yuan(recharge_fen) as gross, yuan(0) as discount, yuan(0) as rounding, yuan(recharge_fen) as net,
                card as member_ref,
            true as first
        from recharged"""


def _after_the_sale(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `returned` (brought back, wholly or in the first line, up to eleven days later), `recharged` and `tender`."""
    r = world.rates
    con.execute(
        f"""create or replace table returned as
        select t.* exclude (night), back_day, greatest(t.night, back_day)::INT as night, whole,
            if(whole, net_fen, least(net_fen, l.gross_fen - l.disc_fen)) as back_fen,
            u(t.bid, 'unlinked') >= {r.return_unlinked} as linked
        from (select *, (day + floor(12 * pow(u(bid, 'back'), 2)))::INT as back_day,
                not with_coupon and u(bid, 'whole') < 0.35 as whole from ticket where happened = 'return') t
        join counter_line l on l.bid = t.bid and l.line_no = 1
        where l.gross_fen > l.disc_fen"""
    )
    con.execute(
        "create or replace table recharged as "
        "select *, [10000, 20000, 30000, 50000][1 + pick(bid, 'recharge', 4)::INT] as recharge_fen from ticket "
        f"where card_shown and u(bid, 'recharges') < {r.recharge}"
    )
    shop = "bid, store_code"
    con.execute(
        f"""create or replace table tender as
        with main as (select *, net_fen + rounding_fen - spent_points - voucher_fen as pay_fen,
            if(method = 'cash' and u(bid, 'note') < 0.55, ceil(pay_fen / 1000)::BIGINT * 1000, pay_fen) as given_fen
                from ticket)
        select night, {shop}, 0 as step, ticket_id, '1' as tender_no, method, given_fen as amount_fen,
            given_fen - pay_fen as change_fen from main
        union all by name
        select night, {shop}, 0 as step, ticket_id, '2' as tender_no, 'points' as method, spent_points as amount_fen,
            0 as change_fen from ticket where spent_points > 0
        union all by name
        select night, {shop}, 0 as step, ticket_id, '2' as tender_no, 'coupon' as method, voucher_fen as amount_fen,
            0 as change_fen from ticket where voucher_fen > 0
        union all by name
        select night, {shop}, 2 as step, ticket_id || 'V' as ticket_id, '1' as tender_no, method,
            net_fen + rounding_fen as amount_fen, 0 as change_fen from ticket where happened = 'void'
        union all by name
        select night, {shop}, 3 as step, ticket_id || 'R' as ticket_id, '1' as tender_no, method,
            back_fen as amount_fen, 0 as change_fen from returned
        union all by name
        select night, {shop}, 4 as step, ticket_id || 'Z' as ticket_id, '1' as tender_no,
            if(method = 'stored_value', 'cash', method) as method, recharge_fen as amount_fen, 0 as change_fen
        from recharged"""
    )


def _line_rows() -> str:
    goods = "s.sku, s.item_name, s.category, s.category_l1"
    return f"""
        select l.night, l.bid, 0 as step, l.store_code, l.ticket_id, l.line_no, {goods}, l.qty,
            yuan(l.price_fen) as price, yuan(l.gross_fen - l.disc_fen) as amount, yuan(l.disc_fen) as discount,
            if(l.gift, 'Y', 'N') as is_gift
        from counter_line l join sku s using (sku_no)
        union all by name
        select r.night, r.bid, 3 as step, r.store_code, r.ticket_id || 'R' as ticket_id, l.line_no, {goods}, l.qty,
            yuan(l.price_fen) as price, yuan(if(r.whole, l.gross_fen - l.disc_fen, r.back_fen)) as amount,
            yuan(0) as discount, if(l.gift, 'Y', 'N') as is_gift
        from returned r join counter_line l on l.bid = r.bid and (r.whole or l.line_no = 1)
            join sku s using (sku_no)"""


def _entries(con: duckdb.DuckDBPyConnection, world: World, first: int, last: int) -> None:
    """Creates `entry`: what the till's ledger of points says (`posted`) and what it should say as well (not `posted`).

    `points` is signed here; in the files only `adjust` is.
    """
    r = world.rates
    opening = ""
    if first == 0:
        opening = """
        union all by name
        select 0 as night, p.pid as bid, 4 as step, 'PO' || l.card as entry_id, l.card, l.booked_at, 'adjust' as kind, l.points,
            'opening' as ref_id, p.person_id, p.store_code, true as posted
        from ledger l join person p on p.card_a = l.card and not p.took_card where l.night = 0 and l.points > 0"""
    con.execute(
        f"""create or replace table entry as
        with before as (
            select card, sum(points)::BIGINT as points from ledger where night < {first} or {first} = 0 group by card),
        spending as (select card, sum(spent_points)::BIGINT as points from ticket where spent_points > 0 group by card)
        select night, bid, 0 as step, 'PT' || ticket_id as entry_id, card, moment(day, sec) as booked_at, 'earn' as kind,
            (net_fen // 100) as points, ticket_id as ref_id, person_id, store_code,
            u(bid, 'unposted') >= {r.points_unposted} as posted
        from (select * replace (if(happened = 'late card', night + 1 + pick(bid, 'fixed after', 3),
            night)::INT as night) from ticket)
        where card_shown and net_fen >= 100
        union all by name
        select night, bid, 1 as step, 'PS' || ticket_id as entry_id, card, moment(day, sec) as booked_at, 'spend' as kind,
            -spent_points as points, ticket_id as ref_id, person_id, store_code, true as posted
        from ticket where spent_points > 0
        union all by name
        select night, bid, 2 as step, 'PV' || ticket_id as entry_id, card, moment(day, sec + 180) as booked_at,
            'adjust' as kind, -(net_fen // 100) as points, ticket_id || 'V' as ref_id, person_id, store_code,
            u(bid, 'reversal') >= {r.reversal_unposted} as posted
        from ticket where happened = 'void' and card_shown and net_fen >= 100
        union all by name
        select night, bid, 3 as step, 'PR' || ticket_id as entry_id, card, moment(back_day, 70000) as booked_at,
            'adjust' as kind, -(back_fen // 100) as points, ticket_id || 'R' as ref_id, person_id, store_code,
            u(bid, 'reversal') >= {r.reversal_unposted} as posted
        from returned where card_shown and back_fen >= 100
        union all by name
        -- what is left of the old points, at five past midnight
        select x.day as night, x.pid as bid, 5 as step, 'PX' || x.card as entry_id, x.card, moment(x.day, 300) as booked_at,
            'expire' as kind, -least(x.points, b.points - coalesce(s.points, 0)) as points, 'expiry' as ref_id,
            x.person_id, null as store_code, true as posted
        from expiring x join before b using (card) left join spending s using (card)
        where x.day between {first} and {last} and least(x.points, b.points - coalesce(s.points, 0)) > 0
        {opening}"""
    )


def _log(log: EventLog) -> None:
    """What happened at the tills, in the words of truth/events.csv.gz."""
    shop = {
        "connection": f"'{POS}'",
        "feed": "'tickets'",
        "store_code": "store_code",
        "person_id": "person_id",
    }
    ticket = "store_code || '|' || ticket_id"
    log.add(
        "sale",
        "ticket",
        "bid",
        **shop,
        at="moment(day, sec)",
        record_id=ticket,
        amount_fen="net_fen",
        detail=told(
            discount_fen="nullif(discount_fen, 0)",
            rounding_fen="nullif(rounding_fen, 0)",
            cashier_id="store_code || 'E' || lpad(cashier::VARCHAR, 2, '0')",
            card="if(card_shown and happened <> 'late card', card, null)",
            points_earned="if(card_shown and happened <> 'late card', nullif(net_fen // 100, 0), null)",
            points_spent="nullif(spent_points, 0)",
        ),
    )
    log.add(
        "sale_line",
        "(select night, bid, line_no, store_code, ticket_id, sku_no, qty, price_fen, gross_fen, disc_fen, gift, sku "
        "from counter_line join (select sku_no, sku from sku) using (sku_no))",
        "bid * 1024 + line_no",
        record_id=ticket,
        line_no="line_no",
        sku="sku",
        qty="qty",
        amount_fen="gross_fen - disc_fen",
        detail=line_detail(),
    )
    log.add(
        "tender",
        "tender",
        "bid, step, tender_no",
        record_id=ticket,
        line_no="tender_no",
        state="method",
        amount_fen="amount_fen",
        detail=f"if(change_fen > 0, {told(change_fen='change_fen')}, null)",
    )
    log.add(
        "void",
        "(select * from ticket where happened = 'void')",
        "bid",
        **shop,
        at="moment(day, sec + 180)",
        record_id=f"{ticket} || 'V'",
        ref=ticket,
        amount_fen="net_fen",
    )
    log.add(
        "return",
        "returned",
        "bid",
        **shop,
        at="moment(back_day, 36000 + pick(bid, 'back at', 30000))",
        record_id=f"{ticket} || 'R'",
        ref=ticket,
        amount_fen="back_fen",
        state="if(linked, 'linked', 'unlinked')",
    )
    log.add(
        "return_line",
        "(select r.night, r.bid, l.line_no, r.store_code, r.ticket_id, l.sku_no, l.qty, l.price_fen, l.gift, k.sku, "
        "if(r.whole, l.gross_fen - l.disc_fen, r.back_fen) as amount_fen from returned r "
        "join counter_line l on l.bid = r.bid and (r.whole or l.line_no = 1) join sku k using (sku_no))",
        "bid, line_no",
        record_id=f"{ticket} || 'R'",
        line_no="line_no",
        sku="sku",
        qty="qty",
        amount_fen="amount_fen",
        detail=line_detail(discount="0"),
    )
    log.add(
        "recharge",
        "recharged",
        "bid",
        **shop,
        at="moment(day, sec - 90)",
        record_id=f"{ticket} || 'Z'",
        amount_fen="recharge_fen",
        detail=told(card="card"),
    )
    log.add(
        "late_card",
        "(select * replace ((night + 1 + pick(bid, 'fixed after', 3))::INT as night), night as first_night from ticket "
        "where happened = 'late card' and card_shown)",
        "bid",
        **shop,
        at="moment(first_night + 1, 32400 + pick(bid, 'fixed at', 30000))",
        record_id=ticket,
        detail=told(card="card", points_earned="net_fen // 100"),
    )
    log.add(
        "",
        "entry",
        "bid, step",
        kind="if(posted, 'points_' || kind, 'points_unposted')",
        at="booked_at",
        connection=f"'{POS}'",
        feed="'points'",
        record_id="entry_id",
        person_id="person_id",
        store_code="store_code",
        ref="if(ref_id in ('opening', 'expiry'), null, store_code || '|' || ref_id)",
        points="points",
        state="kind",
        detail=told(card="card"),
    )
