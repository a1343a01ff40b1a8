"""The four o'clock stock count: what came in the morning and what is left, in keeping with what was sold."""

from __future__ import annotations

import duckdb

from dagster_project.simulator.events import EventLog, told
from dagster_project.simulator.files import Landing
from dagster_project.simulator.settings import POS, World

_COUNT_AT = 16 * 3600
_PER_CATEGORY = 6


def prepare_stock(con: duckdb.DuckDBPyConnection) -> None:
    """Creates `counted_sku`: the best-sellers of every fresh category."""
    con.execute(
        f"""create table counted_sku as select sku_no, sku, category, weighed, shelf_life_days, turn from (
            select *, row_number() over (partition by category order by sku_no) as turn from sku where stocked)
        where turn <= {_PER_CATEGORY}"""
    )


def emit_stock(
    con: duckdb.DuckDBPyConnection,
    world: World,
    landing: Landing,
    first: int,
    last: int,
    log: EventLog | None = None,
) -> None:
    """Writes the counts of days first…last from `counter_line`; group orders are packed elsewhere.

    Of goods that keep, now and then nothing came that day: what is sold and counted was carried over.
    """
    key = "s.store * 1000003 + d.day * 4001 + k.sku_no"
    con.execute(
        f"""create or replace table counted as
        with sold as (
            select store, day, sku_no, sum(qty) as qty,
                coalesce(sum(qty) filter (where sec < {_COUNT_AT}), 0) as early
            from counter_line group by store, day, sku_no),
        usual as (select store, sku_no, sum(qty)::DOUBLE / {last + 1 - first} as a_day from sold group by store,
            sku_no),
        drawn as (
            select s.store_code, k.sku, k.weighed, d.day, u({key}, 'count') as draw,
                k.shelf_life_days > 3 and u({key}, 'carried') < {world.rates.stock_carried} as carried,
                coalesce(o.qty, 0)::DOUBLE as sold, coalesce(o.early, 0)::DOUBLE as early,
                coalesce(w.a_day, 0) as usual
            from store s, counted_sku k, range({first}, {last + 1}) days(day_number)
            cross join lateral (select day_number::INT as day) d
            left join usual w on w.store = s.store and w.sku_no = k.sku_no
            left join sold o on o.store = s.store and o.day = d.day and o.sku_no = k.sku_no),
        received as (
            -- bought for the usual day, but never less than was then sold
            select *, greatest(sold * (1.0 + 0.3 * draw), usual * (0.7 + 0.5 * draw), if(weighed, 0.5, 1)) as came
            from drawn)
        select day as night, store_code, sku, moment(day, {_COUNT_AT} + (draw * 300)::INT) as snapshot_at,
            case when weighed then greatest(came - early, 0)::DECIMAL(10, 2)
                else greatest(floor(came) - early, 0)::DECIMAL(10, 0) end::VARCHAR
                as on_hand_qty,
            case when carried then '0' when weighed then came::DECIMAL(10, 2)::VARCHAR
                else floor(came)::DECIMAL(10, 0)::VARCHAR end as received_qty
        from received"""
    )
    landing.emit(POS, "stock", "select * from counted", until=last, sort="store_code, sku")
    if log:
        log.add(
            "stock_count",
            "counted",
            "night, store_code, sku",
            at="snapshot_at",
            connection=f"'{POS}'",
            feed="'stock'",
            store_code="store_code",
            sku="sku",
            qty="on_hand_qty",
            detail=told(received_qty="received_qty"),
        )
