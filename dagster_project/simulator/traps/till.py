"""What the till writes on a ticket: the number that was typed, the card that was found, the account that paid."""

from __future__ import annotations

import duckdb


def amend_tickets(con: duckdb.DuckDBPyConnection) -> None:
    """Changes said_phone, card, card_shown, partner_openid and spent_points of `ticket` as the traps have it."""
    con.execute(
        """create or replace temp table typed as
        with has as (
            select pid, bool_or(trap = 'cashier_hub') as hub, bool_or(trap = 'shop_phone') as shop,
                bool_or(trap = 'placeholder') as filler, bool_or(trap = 'mistyped_digit') as mistyped,
                bool_or(trap = 'masked_number') as masked
            from trapped group by pid)
        select t.bid, t.day, t.card_shown, case
                when s.hub and t.cashier = b.place and u(t.bid, 'hub types') < 0.6 then b.phone
                when s.shop and u(t.bid, 'shop typed') < 0.2 then x.shop_phone
                when s.filler and u(t.bid, 'filler typed') < 0.3 then x.filler
                when t.said_phone is null then null
                when s.masked and u(t.bid, 'masked') < 0.4 then masked(t.own_phone)
                when s.mistyped and u(t.bid, 'typed wrong') < 0.1 then mistype(t.own_phone, t.bid)
                when p.second_phone is not null and u(t.bid, 'which phone') < 0.4 then p.second_phone
                else t.own_phone end as said,
            case when y.payer is not null and t.card_shown and u(t.bid, 'other pays') < 0.6
                then if(t.day >= o.wechat_day, o.openid_pay_new, o.openid_pay) end as payer_openid
        from ticket t join person p using (pid) join hub b on b.store = t.store join shop_habit x on x.store = t.store
        left join has s using (pid) left join payer y using (pid) left join person o on o.pid = y.payer"""
    )
    # A till that hears a number looks it up in the member file, and finds what stands there on that day.
    con.execute(
        """create or replace temp table found as
        with file as (
            select phone, card, day, until from card_version
            where phone not like '%*%' and phone in (
                select phone from card_version group by phone having count(distinct card) <= 3))
        select y.bid, min(f.card) as card from typed y join file f on f.phone = y.said and y.day >= f.day and y.day < f.until
        where not y.card_shown and u(y.bid, 'looked up') < 0.35 group by y.bid"""
    )
    con.execute(
        """create or replace table ticket as
        select t.* replace (coalesce(f.card, t.card) as card, t.card_shown or f.card is not null as card_shown,
            y.said as said_phone, y.payer_openid as partner_openid,
            if(f.card is null, t.spent_points, 0) as spent_points)
        from ticket t join typed y using (bid) left join found f using (bid) order by t.bid"""
    )
