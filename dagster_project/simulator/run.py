"""Runs one simulation from an empty folder to a whole chain folder."""

from __future__ import annotations

import csv
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from importlib.resources import files
from pathlib import Path

import duckdb

from dagster_project.lang import tr
from dagster_project.simulator.baskets import (
    MARKDOWN_FACTOR,
    build_trips,
    number_trips,
    open_markdowns,
)
from dagster_project.simulator.catalogue import build_catalogue
from dagster_project.simulator.counter import emit_counter, open_points
from dagster_project.simulator.coupons import (
    WINDOW_DAYS,
    build_coupons,
    hand_out_coupons,
    run_win_back,
)
from dagster_project.simulator.database import open_scratch
from dagster_project.simulator.events import EventLog
from dagster_project.simulator.files import Landing
from dagster_project.simulator.groupbuy import emit_group, prepare_group
from dagster_project.simulator.people import build_people
from dagster_project.simulator.registers import emit_registers
from dagster_project.simulator.settings import CORP_ID, GROUP, POS, WECOM, Basis, Rates, World
from dagster_project.simulator.stock import emit_stock, prepare_stock
from dagster_project.simulator.traps.cards import build_card_versions, member_rows
from dagster_project.simulator.traps.contacts import amend_contacts
from dagster_project.simulator.traps.habits import add_tastes, build_habitual_trips
from dagster_project.simulator.traps.notes import write_notes
from dagster_project.simulator.traps.orders import amend_orders, user_rows
from dagster_project.simulator.traps.persons import build_trapped, quiet
from dagster_project.simulator.traps.rates import Traps
from dagster_project.simulator.traps.till import amend_tickets
from dagster_project.simulator.wecom import build_wecom

Progress = Callable[[str], None]
_LINES_AT_ONCE = 1_200_000
_NIGHTS_AT_ONCE = 20


@dataclass(frozen=True)
class SimulationSummary:
    """What was written. `rows` counts by (connection, feed); `lines` is ticket and order lines together."""

    out: Path
    start: date
    end: date
    persons: int
    households: int
    stores: int
    rows: dict[tuple[str, str], int] = field(repr=False)
    counter_tickets: int
    group_orders: int
    lines: int
    seconds: float
    card_share: float  # of counter sales: a member card was shown
    phone_share: float  # of counter sales: no card, but a phone said aloud
    peak_mb: int
    traps: dict[str, int] = field(default_factory=dict)  # persons who are the subject of each trap

    @property
    def lines_per_second(self) -> float:
        return self.lines / self.seconds

    def describe(self) -> str:
        """What was written, in a few words for people."""
        caught = ", ".join(f"{trap} {persons}" for trap, persons in self.traps.items())
        return tr(
            f"{self.start} 至 {self.end}：{self.households} 户 {self.persons} 人，{self.stores} 家店，"
            f"{self.counter_tickets} 张小票，{self.group_orders} 个团购单，{self.lines} 行明细；"
            f"出示会员卡 {self.card_share:.0%}，另报手机号 {self.phone_share:.0%}；"
            f"用时 {self.seconds:.1f} 秒（每秒 {self.lines_per_second:,.0f} 行），内存峰值 {self.peak_mb} MB"
            + (f"\n陷阱（人数）：{caught}" if caught else ""),
            f"{self.start} to {self.end}: {self.households} households, {self.persons} persons, {self.stores} shops, "
            f"{self.counter_tickets} tickets, {self.group_orders} group orders, {self.lines} lines; "
            f"card shown {self.card_share:.0%}, phone said {self.phone_share:.0%} more; "
            f"{self.seconds:.1f} s ({self.lines_per_second:,.0f} lines/s), peak {self.peak_mb} MB"
            + (f"\ntraps (persons): {caught}" if caught else ""),
        )


def simulate(
    out: Path,
    *,
    basis: Basis,
    persons: int | None,
    stores: int,
    days: int,
    seed: int,
    end: date,
    rates: Rates | None = None,
    traps: Traps | None = None,
    events: bool = True,
    progress: Progress | None = None,
) -> SimulationSummary:
    """Writes a simulated chain: configuration, landing files, the WeCom world and the truth about it all.

    Args:
        out: the chain folder. `landing/`, `truth/`, `sandbox/`, `chain.yml` and `stores.csv` are replaced; the commented
            default rules are put into `rules/` where there are none yet.
        basis: `real` replays Complete Journey receipts, `synthetic` generates baskets.
        persons: how many people; None (real only) takes all 2,469 households.
        stores, days, seed: size and seed. The same arguments give the same bytes.
        end: the last business day; its night is the last folder.
        rates: how often things happen and go wrong.
        traps: makes the world in which identity goes wrong at these rates (synthetic only, no win-back trial): the history
            arrives in one night, then a few nights singly.
        events: also writes `truth/events.csv.gz`, what happened as business events.
        progress: told what is being made, in the words of the reader.

    Raises:
        ValueError: sizes that make no sense; a trap's rate that no such chain can have.
        FileExistsError: `out` holds a chain that was not simulated.
        RuntimeError: real basis without the package of receipts.
    """
    chosen = rates or Rates()
    world = World(
        basis,
        persons,
        stores,
        days,
        seed,
        end,
        quiet(chosen) if traps else chosen,
        traps.single_nights if traps else None,
    )
    tell = progress or (lambda text: None)
    started = time.perf_counter()
    _refuse_foreign(out)
    with (
        tempfile.TemporaryDirectory(prefix="linli-simulate-") as scratch,
        open_scratch(world, Path(scratch)) as con,
    ):
        tell(tr("人、门店与商品", "people, shops and goods"))
        build_catalogue(con, world)
        build_people(con, world)
        _decide(con, world, traps)
        # not before: a rate that no chain can have leaves the old world as it was
        _clear(out)
        landing = Landing(con, world, out)
        log = EventLog(con, world, out) if events else None
        open_points(con, world)
        prepare_group(con, world)
        prepare_stock(con)
        cards = phones = sales = orders = 0
        for first, last in _stretches(con, world):
            tell(
                tr(
                    f"小票与订单：{world.night(first)} 起，第 {first + 1}/{days} 天",
                    f"tickets and orders: day {first + 1}/{days}",
                )
            )
            emit_counter(
                con, world, landing, first, last, partial(amend_tickets, con) if traps else None, log
            )
            emit_group(con, world, landing, first, last, partial(amend_orders, con) if traps else None, log)
            # of a history that is handed over at once nobody has the old counts
            if traps is None or first > 0:
                emit_stock(con, world, landing, first, last, log)
            landing.finish()
            part = con.execute(
                "select count(*) filter (where card_shown), count(*) filter (where not card_shown and said_phone is not null), "
                "count(*), (select count(*) from ordered) from ticket"
            ).fetchone()
            assert part is not None
            cards, phones, sales, orders = (
                cards + part[0],
                phones + part[1],
                sales + part[2],
                orders + part[3],
            )
        tell(tr("会员、用户、券与企业微信", "members, users, coupons and WeCom"))
        wecom_world = out / "sandbox" / "wecom_world.json"
        if traps:
            emit_registers(con, world, landing, member_rows(world), user_rows(world), log=log)
            build_wecom(con, world, landing, wecom_world, partial(amend_contacts, con, world), log)
        else:
            emit_registers(con, world, landing, log=log)
            build_wecom(con, world, landing, wecom_world, log=log)
        landing.close_truth()
        if log:
            log.close()
        if traps:
            # the plain world's column for what the person really has
            con.execute("update person set phone_2 = second_phone")
        _write_effects(con, world, out / "truth")
        _write_identifiers(con, out / "truth")
        caught: dict[str, int] = {}
        if traps:
            caught = write_notes(con, out / "truth" / "traps.csv")
        else:
            _write_experiments(con, out / "truth")
            _write_happenings(con, out / "truth")
        _write_chain(con, world, out)
        _write_rules(out / "rules")
        size = con.execute(
            "select (select count(*) from person), (select count(*) from household)"
        ).fetchone()
        assert size is not None
    rows = landing.rows
    return SimulationSummary(
        out=out,
        start=world.start,
        end=end,
        persons=size[0],
        households=size[1],
        stores=stores,
        rows=rows,
        counter_tickets=sales,
        group_orders=orders,
        lines=rows[POS, "ticket_lines"] + rows[GROUP, "order_lines"],
        seconds=time.perf_counter() - started,
        card_share=cards / max(1, sales),
        phone_share=phones / max(1, sales),
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        traps=caught,
    )


def _decide(con: duckdb.DuckDBPyConnection, world: World, traps: Traps | None) -> None:
    """Who buys when and what happens to them, before any of it is written."""
    open_markdowns(con, world)
    if traps:
        build_trapped(con, world, traps)
        build_habitual_trips(con, world)
        number_trips(con, world)
        add_tastes(con)
        build_card_versions(con, world)
        hand_out_coupons(con, world)
    else:
        build_trips(con, world)
        run_win_back(con, world)
        number_trips(con, world)
    build_coupons(con, world)


def bench(
    persons: int = 40_000, days: int = 180, stores: int = 20, seed: int = 7, events: bool = False
) -> float:
    """Ticket and order lines per second of a synthetic chain written to a scratch folder, its event log if asked."""
    with tempfile.TemporaryDirectory(prefix="linli-bench-") as folder:
        summary = simulate(
            Path(folder) / "chain",
            basis="synthetic",
            persons=persons,
            stores=stores,
            days=days,
            seed=seed,
            end=date(2026, 11, 20),
            events=events,
        )
    return summary.lines_per_second


def _refuse_foreign(out: Path) -> None:
    if (out / "chain.yml").exists() and not (out / "truth").is_dir():
        raise FileExistsError(
            tr(
                f"{out} 已经是一个连锁文件夹，而且不是模拟出来的。请换一个 --out 文件夹",
                f"{out} is a chain that was not simulated; choose another --out",
            )
        )


def _clear(out: Path) -> None:
    for part in ("landing", "truth", "sandbox"):
        if (out / part).exists():
            shutil.rmtree(out / part)
    out.mkdir(parents=True, exist_ok=True)


def _stretches(con: duckdb.DuckDBPyConnection, world: World) -> list[tuple[int, int]]:
    """Cuts the nights into stretches that fit in memory; the cut depends on the world only."""
    if world.single_nights is not None:
        return [(0, world.first_night), (world.first_night + 1, world.days - 1)]
    counts = dict(con.execute("select night, sum(lines) from basket group by night").fetchall())
    stretches: list[tuple[int, int]] = []
    first, lines = 0, 0
    for night in range(world.days):
        lines += int(counts.get(night, 0))
        full = lines >= _LINES_AT_ONCE or night - first + 1 >= _NIGHTS_AT_ONCE
        if full or night == world.days - 1:
            stretches.append((first, night))
            first, lines = night + 1, 0
    return stretches


def _write_effects(con: duckdb.DuckDBPyConnection, world: World, folder: Path) -> None:
    con.execute(
        f"copy (select person_id, 'H' || hh as household_id, store_code as home_store, coupon_effect::DECIMAL(6, 4) as coupon_effect, "
        f"price_sensitivity::DECIMAL(6, 4) as price_sensitivity, markdown_effect(pid)::DECIMAL(6, 4) as markdown_effect "
        f"from person order by person_id) to '{folder / 'effects.csv'}' (header)"
    )
    con.execute(
        f"copy (select store_code, on_day(day) as business_date, {MARKDOWN_FACTOR} as price_factor "
        f"from store, range({world.days}) days(day) where is_markdown(store, day) order by 2, 1) "
        f"to '{folder / 'markdowns.csv'}' (header)"
    )


def _write_experiments(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """The win-back trial: who was treated, and who would have come back either way."""
    con.execute(
        f"""copy (select p.person_id, 'win_back' as experiment, on_day(t.day) as assigned_on,
            if(t.treated, 'treatment', 'holdout') as arm,
            {WINDOW_DAYS} as window_days, t.would_return::INT as returns_untreated,
                (t.would_return or t.lifted)::INT as returns_treated,
            p.coupon_effect::DECIMAL(6, 4) as chance_to_lift, t.code as coupon_code
        from trial t join person p using (pid) order by p.person_id) to '{folder / "experiments.csv"}' (header)"""
    )


def _write_happenings(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """To whom of the plain world something happened that misleads identity."""
    con.execute(
        f"""copy (
            select * from (
                select person_id, 'number_changed' as trap, on_day(chg_day)::VARCHAR as detail from person
                    where chg_day is not null and giver is null
                union all select t.person_id, 'number_recycled', g.person_id from person t
                    join person g on g.pid = t.giver
                union all select person_id, 'family_phone', null from person where uses_family_phone
                union all select person_id, 'second_phone', null from person where phone_2 is not null
                union all select person_id, 'second_card', card_b from person where card_b is not null
                union all select person_id, 'new_wechat', on_day(wechat_day)::VARCHAR from person
                    where wechat_day is not null
                union all select f.person_id, 'handed_card', t.person_id from handed h
                    join person f on f.pid = h.from_pid join person t on t.pid = h.to_pid
            ) order by trap, person_id) to '{folder / "traps.csv"}' (header)"""
    )


def _write_identifiers(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    con.execute(
        f"""copy (
            select * from (
                select person_id, 'phone' as namespace, phone_a as identifier, null::DATE as valid_from,
                    on_day(chg_day - 1) as valid_to from person where phone_a is not null
                union all select person_id, 'phone', phone_b, on_day(chg_day), null from person
                    where chg_day is not null and phone_b is not null
                union all select person_id, 'phone', phone_2, null, null from person where phone_2 is not null
                union all select person_id, 'pos_member', card_a, if(took_card, on_day(card_day), null),
                    on_day(coalesce(card_until, if(card_b is not null, card_b_day, null)) - 1) from person
                        where has_card
                union all select person_id, 'pos_member', card_b, on_day(card_b_day), null from person
                    where card_b is not null
                union all select person_id, 'unionid', unionid, null, on_day(wechat_day - 1) from person
                union all select person_id, 'unionid', unionid_new, on_day(wechat_day), null from person
                    where wechat_day is not null
                union all select person_id, 'external_userid', external_userid, null, null from person
                    where wecom_contact
            ) order by person_id, namespace, valid_from nulls first,
                identifier) to '{folder / "identifiers.csv"}' (header)"""
    )


def _write_rules(folder: Path) -> None:
    """The packaged rules with their comments, so that there is a file to add to; what is there is somebody's own."""
    folder.mkdir(exist_ok=True)
    for rules in files("dagster_project").joinpath("templates/chain/rules").iterdir():
        if not (folder / rules.name).exists():
            (folder / rules.name).write_bytes(rules.read_bytes())


def _write_chain(con: duckdb.DuckDBPyConnection, world: World, out: Path) -> None:
    (out / "chain.yml").write_text(
        f"""# 模拟出来的连锁（linli simulate），可以随时重新生成
chain: {{code: demo, name: 邻里鲜, timezone: Asia/Shanghai, business_day_cutover: "04:00"}}
connections:
  - {{name: {POS}, preset: standard_pos}}
  - {{name: {GROUP}, preset: standard_groupbuy}}
  - {{name: {WECOM}, preset: wecom_api, base_url: "http://127.0.0.1:8701", corp_id: {CORP_ID}, secret: "${{WECOM_SECRET}}"}}
targets:
  - {{name: wecom, kind: wecom, base_url: "http://127.0.0.1:8701", corp_id: {CORP_ID}, secret: "${{WECOM_SECRET}}"}}
  - {{name: groupbuy_files, kind: groupbuy_file}}
""",
        encoding="utf-8",
    )
    rows = con.execute(
        "select store_code, store_name, if(located, lng, null), if(located, lat, null), DATE '2021-03-01' + (store * 90)::INT, '', 'mgr_' || store_code, store_name "
        "from store order by store_code"
    ).fetchall()
    with (out / "stores.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(
            [
                "store_code",
                "store_name",
                "lng",
                "lat",
                "opened_on",
                "business_day_cutover",
                "manager_wecom_userid",
                "wecom_department",
            ]
        )
        writer.writerows(rows)
