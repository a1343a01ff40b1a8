"""Who buys when and where: people come back on their own days, at their own hour, to their own shop."""

from __future__ import annotations

import duckdb

from dagster_project.simulator.settings import World


def build_habitual_trips(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `trip`, as the plain world does; about sixteen per person in 240 days, never outside the active days."""
    days = world.days
    weeks = (days + 6) // 7
    con.execute(
        f"""create table trip as
        with habit as (
            select pid, store, active_from, active_until, wechat_left, wechat_day,
                floor({weeks} * (0.1 + 1.1 * pow(u(pid, 'often'), 2)) + u(pid, 'often2'))::INT as trips,
                pick(pid, 'weekday', 7) as best_day, pick(pid, 'weekday2', 7) as next_day,
                -- the retired come early, the working after work, and everybody a little off from the others
                case when u(pid, 'life') < 0.34 then 27000 + u(pid, 'hour') * 9000
                    when u(pid, 'life') < 0.52 then 36000 + u(pid, 'hour') * 14400
                    else 61200 + u(pid, 'hour') * 11000 end as hour,
                case when u(pid, 'lapses') < 0.2 then floor({days} * (0.15 + 0.85 * u(pid, 'lapse from'))) end as lapse,
                case when u(pid, 'back') < 0.5 then 9 + pick(pid, 'back after', 60) else 100000 end as lapse_days
            from person),
        visit as (select *, pid * 512 + n as src from habit, unnest(range(least(trips, 511))) as t(n)),
        dated as (
            select *, (pick(src, 'week', {weeks}) * 7 + case when u(src, 'usual day') < 0.45 then best_day
                when u(src, 'usual day') < 0.72 then next_day else pick(src, 'any day', 7) end)::INT as day
            from visit)
        select src, pid,
            case when {world.stores} = 1 or u(src, 'other shop') < 0.94 then store
                else pick(src, 'which shop', {world.stores})::INT end as store, day,
            case when u(src, 'usual hour') < 0.8 then hour + (u(src, 'at') + u(src, 'at2') - 1) * 2700
                else 27000 + u(src, 'at') * 50000 end::INT as sec,
            1 + least(15, floor(-2.4 * ln(1 - u(src, 'lines'))))::INT as lines, false as extra,
            null::VARCHAR as coupon_code
        from dated
        where day < {days} and day >= active_from and day < active_until
            and (wechat_left is null or day < wechat_left or day >= wechat_day)
            and (lapse is null or day < lapse or day >= lapse + lapse_days)"""
    )


def add_tastes(con: duckdb.DuckDBPyConnection) -> None:
    """Gives `basket` whose usual articles it draws on."""
    con.execute(
        "create or replace table basket as select b.*, p.taste from basket b join person p using (pid) order by night, bid"
    )
