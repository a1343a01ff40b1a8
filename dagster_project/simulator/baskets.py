"""Who buys when, where and what: replayed receipts or generated ones. One row per shopping trip, lines on demand."""

from __future__ import annotations

from itertools import pairwise

import duckdb

from dagster_project.simulator.catalogue import receipts_folder
from dagster_project.simulator.settings import World

# When a Chinese fresh-food shop sells: share of the day's trips done by that hour (24 is midnight). The receipts keep
# their order within the day; their American afternoon becomes a morning and an after-work peak.
_SOLD_BY = [
    *(
        (0.0, 6.5),
        (0.05, 7.3),
        (0.30, 9.0),
        (0.46, 10.2),
        (0.56, 12.0),
        (0.63, 15.0),
        (0.67, 16.0),
        (0.85, 18.2),
    ),
    *((0.95, 19.8), (0.995, 21.8), (1.0, 24.8)),
]


def build_trips(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `trip`: src (what its lines are made from), pid, store, day, sec (of the business day), lines."""
    if world.basis == "real":
        _replayed_trips(con, world)
    else:
        _generated_trips(con, world)


def number_trips(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `basket` from `trip`: bid in order of time, the channel, and the night the record arrives."""
    r = world.rates
    con.execute(
        f"""create table basket as
        with numbered as (
            select row_number() over (order by day, sec, src, pid, extra) as bid, * from trip)
        select b.bid, b.src, b.pid, b.store, b.day, b.sec, b.lines, b.extra,
            b.coupon_code is null and p.group_user and b.day >= p.reg_day and u(b.bid, 'channel') < p.group_share
                as grouped,
            b.coupon_code,
            (b.day + case when u(b.bid, 'late') < {r.late_few_days} then 1 + pick(b.bid, 'late days', 3)
                when u(b.bid, 'late') < {r.late_few_days + r.late_weeks} then 4 + pick(b.bid, 'late days', 17)
                else 0 end)::INT as night
        from numbered b join person p using (pid) order by night, bid"""
    )
    con.execute("drop table trip")


def _replayed_trips(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """The latest days of Complete Journey. Its clock is UTC; five hours earlier is the shops' own time."""
    con.execute(
        f"""create table receipt_line as
        with moved as (
            select t.household_id as hh, t.basket_id, t.store_id, t.product_id, t.quantity, t.sales_value,
                t.retail_disc,
                t.transaction_timestamp - interval 5 hour as sold_at
            from read_parquet('{receipts_folder() / "transactions.parquet"}') t
            where t.household_id in (select hh from household)),
        dated as (
            select *, ({world.days} - 1 - date_diff('day', (sold_at - interval 4 hour)::DATE,
                DATE '2017-12-31'))::INT as day
            from moved)
        select d.hh, d.basket_id as src, d.store_id, d.day,
            epoch(d.sold_at - date_trunc('day', d.sold_at - interval 4 hour))::INT as sec, s.sku_no,
            row_number() over (partition by d.basket_id order by s.sku_no, d.product_id)::INT as line_no,
            case when s.weighed then greatest(0.05, round((sales_value + retail_disc) * {world.rates.yuan_per_dollar}
                    * 100 / s.price_fen, 3)) else least(greatest(quantity, 1), 50) end::DECIMAL(10, 3) as qty,
            case when s.weighed then s.price_fen else least(s.dearest_fen, greatest(10, round((sales_value + retail_disc)
                    * {world.rates.yuan_per_dollar} * 10 / least(greatest(quantity, 1),
                        50)) * 10)) end::BIGINT as price_fen,
            (round(retail_disc * {world.rates.yuan_per_dollar} * 10) * 10)::BIGINT as disc_fen,
            sales_value <= 0 as gift
        from dated d join product_sku s using (product_id)
        where d.day between 0 and {world.days - 1} and sales_value + retail_disc > 0"""
    )
    con.execute(
        """create table receipt as
        select src, any_value(hh) as hh, any_value(store_id) as store_id, any_value(day) as day,
            any_value(sec) as sec,
            count(*)::INT as lines
        from receipt_line group by src having not bool_and(gift)"""
    )
    con.execute(
        """create table source_line as
        select src, line_no, sku_no, qty, price_fen, round(price_fen * qty)::BIGINT as gross_fen,
            case when gift then round(price_fen * qty)::BIGINT
                else least(disc_fen, round(price_fen * qty * 0.7)::BIGINT)
                end as disc_fen, gift
        from receipt_line order by src, line_no"""
    )
    con.execute("drop table receipt_line")
    con.execute(
        f"update receipt set sec = warped.sec from (select src, ({_hour_of('part')} * 3600)::INT as sec from ("
        "select src, percent_rank() over (order by sec, src) as part from receipt)) warped where warped.src = receipt.src"
    )
    # Each trip is one adult's; trips to a shop other than the usual one stay trips to another shop half the time.
    con.execute(
        f"""create table trip as
        select r.src, p.pid,
            case when r.store_id = hhs.usual_store or u(r.src, 'usual') < 0.5 then hhs.store
                else pick(r.store_id * 100003 + r.hh, 'other shop', {world.stores})::INT end as store,
            r.day, r.sec, r.lines, false as extra, null::VARCHAR as coupon_code
        from receipt r
        join household hhs using (hh)
        join (select hh, count(*) as adults from person group by hh) size using (hh)
        join person p on p.hh = r.hh and p.place = case
            when size.adults = 1 or u(r.src, 'who') < 0.58 + 0.3 * u(r.hh, 'main') then 0
            else 1 + pick(r.src, 'which adult', size.adults - 1) end"""
    )


def _hour_of(part: str) -> str:
    """SQL: the hour by which `part` of the day's trips are done, straight lines between the known hours."""
    cases = " ".join(
        f"when {part} <= {upper} then {hour} + ({part} - {lower}) * {(until - hour) / (upper - lower)}"
        for (lower, hour), (upper, until) in pairwise(_SOLD_BY)
    )
    return f"case {cases} end"


def _generated_trips(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Habits differ by person; a third stops coming for weeks or for good, so that churn exists."""
    days = world.days
    con.execute(
        f"""create table trip as
        with habit as (
            select pid, store, floor({days} * (0.02 + 0.28 * pow(u(pid, 'often'), 2)) * (0.7 + 0.6 * u(pid, 'often2'))
                    + u(pid, 'often3'))::INT as trips,
                case when u(pid, 'lapses') < 0.33 then floor({days} * (0.15 + 0.85 * u(pid,
                    'lapse from'))) end as lapse,
                case when u(pid, 'back') < 0.45 then 9 + pick(pid, 'back after', 40) else 100000 end as lapse_days
            from person),
        visits as (
            select pid, store, lapse, lapse_days, pid * 512 + n as src
            from habit, unnest(range(least(trips, 511))) as t(n)),
        dated as (
            select *, pick(src, 'day', {days})::INT as day, u(src, 'when') as w,
                u(src, 'at') + u(src, 'at2') - 1 as spread
            from visits)
        select src, pid,
            case when {world.stores} = 1 or u(src, 'other shop') < 0.93 then store
                else pick(src, 'which shop', {world.stores})::INT end as store,
            day,
            (case when w < 0.38 then 34200 + spread * 9000 when w < 0.80 then 64800 + spread * 9500
                when w < 0.995 then 50400 + spread * 25000 else 87000 + spread * 600 end)::INT as sec,
            1 + least(24, floor(-4.0 * ln(1 - u(src, 'lines'))))::INT as lines, false as extra,
            null::VARCHAR as coupon_code
        from dated where lapse is null or day < lapse or day >= lapse + lapse_days"""
    )


MARKDOWN_FROM = 17 * 3600
MARKDOWN_FACTOR = 0.5
MARKDOWN_CATEGORY = "叶菜"


def open_markdowns(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Macros: on which evenings a shop sells leafy vegetables at half price, and how much more a person then takes."""
    con.execute(
        f"create macro is_markdown(store, day) as u(store * 100003 + day, 'markdown') < {world.rates.markdown_day}"
    )
    con.execute("create macro markdown_effect(pid) as 0.2 + 0.8 * u(pid, 'markdown effect')")


def marked_down(con: duckdb.DuckDBPyConnection, world: World, lines: str) -> str:
    """SQL of the same till lines (with `buyer`, `sec`, `store`, `day`) without `buyer`, after the evening markdown.

    A marked-down line costs half of what it would, and the buyer takes more of it: by the share `markdown_effect`.
    """
    numbers = [
        row[0]
        for row in con.execute(
            f"select sku_no from sku where category = '{MARKDOWN_CATEGORY}' and weighed order by 1"
        ).fetchall()
    ]
    if not numbers:
        return f"select * exclude (buyer) from ({lines})"
    listed = ", ".join(map(str, numbers))
    return f"""
        select * exclude (buyer, marked) replace (
            if(marked, round(qty * (1 + markdown_effect(buyer)), 3), qty)::DECIMAL(10, 3) as qty,
            if(marked, round(price_fen * round(qty * (1 + markdown_effect(buyer)), 3)), gross_fen)::BIGINT as gross_fen,
            if(marked, ceil(price_fen * round(qty * (1 + markdown_effect(buyer)), 3) * {1 - MARKDOWN_FACTOR}), disc_fen)::BIGINT
                as disc_fen)
        from (select *, sec >= {MARKDOWN_FROM} and sku_no in ({listed}) and not gift and is_markdown(store, day) as marked
            from ({lines}))"""


def taste(world: World) -> str:
    """SQL column `pid` for `lines_of`: whose usual articles a basket draws on. With traps, others may share them."""
    return "pid" if world.single_nights is None else "taste as pid"


def lines_of(world: World, baskets: str) -> str:
    """SQL giving the lines of some baskets.

    Args:
        baskets: SQL with columns bid, src, pid, day, lines and any others wanted in the result.

    Returns:
        SQL whose rows have those columns and line_no, sku_no, qty DECIMAL(10,3), price_fen, gross_fen, disc_fen,
            gift.
    """
    if world.basis == "real":
        return f"select b.*, l.* exclude (src) from ({baskets}) b join source_line l using (src)"
    return f"""
        select * exclude (k, weighed, base_fen, off), case when weighed then base_fen else
                (round(base_fen * (0.9 + 0.2 * off) / 10) * 10)::BIGINT end as price_fen,
            round(price_fen * qty)::BIGINT as gross_fen,
            case when off < 0.18 then (round(gross_fen * (0.05 + off) / 10) * 10)::BIGINT else 0 end as disc_fen,
            false as gift
        from (
            select c.* exclude (pickle), s.weighed, s.price_fen as base_fen,
                case when s.weighed then round(0.15 + 1.6 * pow(pickle, 2), 3) when pickle < 0.8 then 1
                    when pickle < 0.95
                    then 2 else 3 end::DECIMAL(10, 3) as qty
            from (
                select *, ((h(k, 'a') >> 32) % 10000) / 10000.0 as pickle, (h(k, 'a') % 10007) / 10007.0 as off,
                    -- mostly the person's own dozen of articles, else any; both favour the best-sellers
                    floor((select count(*) from sku) * pow(case when (h(k, 'b') % 100) < 62
                        then u(pid * 16 + ((h(k, 'b') >> 8) % 12)::BIGINT, 'habit')
                        else ((h(k, 'b') >> 16) % 1000003) / 1000003.0 end, 2.4))::INT as sku_no
                from (select *, src * 32 + line_no as k
                    from (select b.*, unnest(range(1, b.lines + 1))::INT as line_no from ({baskets}) b))) c
            join sku s using (sku_no))"""
