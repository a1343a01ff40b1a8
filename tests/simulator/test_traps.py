"""The world with traps: rates are met, each trap is really in the files, and the truth knows every record."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import yaml
from click.testing import CliRunner
from python_calamine import CalamineWorkbook

from dagster_project.cli.simulate import simulate as command
from dagster_project.config import ConfigError
from dagster_project.contracts import feeds_of
from dagster_project.simulator import Traps, load_traps, simulate
from dagster_project.simulator.traps import TRAPS
from tests.folders import digests

_END = date(2026, 11, 21)
_DAYS = 243
_PERSONS = 4000
_KINDS = {"pos_main": "pos", "group_main": "groupbuy"}
# an odd set of rates, so that nothing holds only at the packaged ones
_OTHER = Traps(
    single_nights=2,
    freeze_days=120,
    recycled_number=0.03,
    number_change=0.08,
    family_phone=0.09,
    family_card=0.6,
    cashier_hub=0.05,
    shop_phone=0.03,
    placeholder=0.03,
    mistyped_digit=0.04,
    mistyped_hits=0.5,
    mistyped_corrected=0.8,
    swapped_card=0.03,
    two_phones=0.05,
    two_cards=0.05,
    reregistered_openid=0.03,
    reregister_gap_days=60,
    masked_number=0.05,
    receiver_not_buyer=0.02,
    wrong_remark=0.05,
    twins=0.03,
    shared_payer=0.06,
)


@dataclass(frozen=True)
class Made:
    """A simulated chain, its rates, and its feeds as text tables."""

    out: Path
    traps: Traps
    persons: int
    con: duckdb.DuckDBPyConnection
    first: date  # the first landing night

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return self.con.execute(sql).fetchall()

    def one(self, sql: str) -> int:
        [(value,)] = self.con.execute(sql).fetchall()
        return value


def _simulate(out: Path, traps: Traps | None, persons: int, seed: int = 3, days: int = _DAYS) -> int:
    return simulate(
        out,
        basis="synthetic",
        persons=persons,
        stores=5,
        days=days,
        seed=seed,
        end=_END,
        traps=traps,
    ).persons


@pytest.fixture(scope="module", params=[Traps(), _OTHER], ids=["default", "other"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    out = tmp_path_factory.mktemp("traps") / "chain"
    persons = _simulate(out, request.param, _PERSONS)
    con = duckdb.connect()
    for connection, kind in _KINDS.items():
        for feed in feeds_of(kind):
            names = [column.name for column in feed.columns]
            parts = [
                _aligned(path, names)
                for path in sorted((out / "landing" / connection / feed.name).glob("*/*"))
            ]
            schema = pa.schema([(name, pa.string()) for name in [*names, "_night", "_file"]])
            con.register("arrived", pa.concat_tables(parts) if parts else schema.empty_table())
            con.execute(
                f"create table {feed.name if feed.name != 'coupon_events' else connection + '_coupons'} "
                "as select * from arrived"
            )
            con.unregister("arrived")
    for name in ("records", "traps", "identifiers"):
        con.execute(
            f"create table {name} as select * from read_csv('{out}/truth/{name}.csv', all_varchar = true)"
        )
    world = json.loads((out / "sandbox" / "wecom_world.json").read_text("utf-8"))
    flat = [
        {**{key: contact[key] for key in ("external_userid", "unionid")}, **follow}
        for contact in world["contacts"]
        for follow in contact["follow"]
    ]
    con.register("follows", pa.Table.from_pylist(flat))
    con.execute("create table contacts as select * from follows")
    con.execute(
        # the truth about a ticket, beside what the ticket says
        """create table sale as select t.*, r.person_id, cast(t.sold_at as timestamp) as moment from tickets t
        join records r on r.feed = 'tickets' and r.record_id = t.store_code || '|' || t.ticket_id"""
    )
    con.execute(
        """create table bought as select o.*, r.person_id, cast(o.created_at as timestamp) as moment from orders o
        join records r on r.feed = 'orders' and r.record_id = o.order_id"""
    )
    con.execute(
        "create table card as select m.*, r.person_id from members m "
        "join records r on r.feed = 'members' and r.record_id = m.member_ref"
    )
    con.execute(
        """create table holder as select person_id, identifier, coalesce(valid_from, '0001-01-01')::date as valid_from,
            coalesce(valid_to, '9999-12-31')::date as valid_to from identifiers where namespace = 'phone'"""
    )
    yield Made(out, request.param, persons, con, _END - timedelta(days=request.param.single_nights))
    con.close()


def _aligned(path: Path, names: list[str]) -> pa.Table:
    """Any file the simulator writes, as text columns; absent columns are null."""
    if path.suffix == ".parquet":
        table = duckdb.sql(f"select * from '{path}'").to_arrow_table()
    elif path.suffix == ".jsonl":
        table = pa.Table.from_pylist([json.loads(line) for line in path.read_text("utf-8").splitlines()])
    elif path.suffix == ".xlsx":
        head, *rows = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
        table = pa.table({str(n): [str(row[i]) or None for row in rows] for i, n in enumerate(head)})
    else:
        data = path.read_bytes()
        source = path
        if data[:2] != b"\x1f\x8b":
            try:
                data.decode("utf-8-sig")
            except UnicodeDecodeError:
                source = path.with_suffix(".as_utf8")
                source.write_text(data.decode("gb18030"), "utf-8")
        table = duckdb.sql(f"select * from read_csv('{source}', all_varchar = true)").to_arrow_table()
        if source != path:
            source.unlink()
    have = set(table.column_names)
    columns = {
        n: table.column(n).cast(pa.string()) if n in have else pa.nulls(len(table), pa.string())
        for n in names
    }
    return pa.table({**columns, "_night": [path.parent.name] * len(table), "_file": [path.name] * len(table)})


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        _simulate(tmp_path / name, Traps(), 700, seed)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a" / "landing") != digests(tmp_path / "c" / "landing")


def test_rates_are_met(made: Made) -> None:
    """Within five standard deviations of a binomial draw; a wrong rate of the packaged size would not pass."""
    subjects = dict(
        made.rows("select trap, count(distinct person_id) from traps where role = 'subject' group by trap")
    )
    assert subjects.keys() == set(TRAPS)
    for trap in TRAPS:
        rate = getattr(made.traps, trap)
        spread = 5 * (made.persons * rate * (1 - rate)) ** 0.5
        assert abs(subjects[trap] - made.persons * rate) < spread, trap


def test_a_rate_of_nought_leaves_the_trap_out(tmp_path: Path) -> None:
    none = Traps(**dict.fromkeys(TRAPS, 0.0))  # type: ignore[arg-type]
    _simulate(tmp_path, none, 500)
    [(notes,)] = duckdb.sql(
        f"select count(*) from read_csv('{tmp_path}/truth/traps.csv', all_varchar = true) where role = 'subject'"
    ).fetchall()
    assert notes == 0


def test_truth_knows_every_record_once(made: Made) -> None:
    assert made.rows("select connection, feed, record_id from records group by all having count(*) > 1") == []
    assert made.one("select count(*) from records where person_id is null") == 0
    named = {
        "pos_main": ("tickets", "members", "points", "staff"),
        "group_main": ("orders", "complaints", "users", "shares", "leaders"),
    }
    for connection, feeds in named.items():
        for feed in feeds_of(_KINDS[connection]):
            if feed.name not in feeds:
                continue
            told = f"select distinct {' || chr(124) || '.join(feed.key)} as record_id from {feed.name}"
            known = (
                f"select record_id from records where connection = '{connection}' and feed = '{feed.name}'"
            )
            assert made.one(f"select count(*) from ({told})") > 0
            assert made.rows(f"({told} except {known}) union all ({known} except {told})") == [], feed.name
    assert (
        made.rows(
            "(select external_userid from contacts) except (select record_id from records where feed = 'contacts')"
        )
        == []
    )


def test_the_history_arrives_in_one_night_and_then_single_nights(made: Made) -> None:
    for feed in ("tickets", "orders", "members", "points", "shares"):
        nights = [row[0] for row in made.rows(f"select distinct _night from {feed} order by 1")]
        assert nights == [
            (made.first + timedelta(days=n)).isoformat() for n in range(made.traps.single_nights + 1)
        ]
    assert made.one(
        f"select date_diff('day', min(moment), timestamp '{_END}') from sale where _night = '{made.first}'"
    ) in (_DAYS - 1, _DAYS - 2)
    assert (
        made.one(
            f"select count(*) from sale where _night > '{made.first}' and moment < timestamp '{made.first}'"
        )
        > 0
    ), "some rows of the history are late"
    # a history shows each record in its newest state
    for feed, key in (
        ("orders", "order_id"),
        ("tickets", "store_code, ticket_id"),
        ("users", "appid, openid"),
    ):
        assert (
            made.rows(
                f"select {key} from {feed} where _file not like 'resent%' group by {key}, _night having count(*) > 1"
            )
            == []
        )


def test_members_are_exported_in_full_and_change_their_time_with_the_row(made: Made) -> None:
    assert (
        made.rows(
            """select member_ref from card where _file not like 'resent%' group by member_ref
        having count(distinct _night) <> date_diff('day', min(_night)::date, (select max(_night) from card)::date) + 1"""
        )
        == []
    )
    still, moved = made.con.execute(
        """with versions as (
            select *, hash(phone, name, points_balance, status, wx_openid, unionid, consent_marketing) as content,
                lag(updated_at) over w as before, lag(content) over w as content_before
            from (select * from card where _file not like 'resent%') window w as (partition by member_ref order by _night))
        select count(*) filter (where content = content_before and updated_at <> before),
            count(*) filter (where content <> content_before and updated_at > before) from versions"""
    ).fetchone()  # type: ignore[misc]
    assert still == 0 and moved > 10


def test_a_recycled_number_changes_hands_after_the_freeze(made: Made) -> None:
    pairs = """(select a.person_id as giver, a.other_person_id as taker, a.since::date as gave, b.since::date as took,
            h.identifier as phone
        from traps a join traps b on b.trap = a.trap and b.role = 'taker' and b.person_id = a.other_person_id
            and b.other_person_id = a.person_id
        join holder h on h.person_id = a.person_id and h.valid_to = a.since::date - 1
        where a.trap = 'recycled_number' and a.role = 'subject')"""
    assert made.one(f"select count(*) from {pairs}") == made.one(
        "select count(*) from traps where trap = 'recycled_number' and role = 'subject'"
    )
    assert made.one(f"select min(took - gave) from {pairs}") >= made.traps.freeze_days
    # the till hears it from the one, then from the other; group buying too
    assert (
        made.one(
            f"""select count(*) from {pairs} x join sale s on s.phone = x.phone
        where s.person_id not in (x.giver, x.taker)
            or (s.person_id = x.giver and s.moment::date > x.gave) or (s.person_id = x.taker and s.moment::date < x.took)"""
        )
        == 0
    )
    both = made.one(
        f"""select count(distinct x.phone) from {pairs} x
        join sale s on s.phone = x.phone and s.person_id = x.giver
        join sale t on t.phone = x.phone and t.person_id = x.taker"""
    )
    verified = made.one(
        f"""select count(distinct x.phone) from {pairs} x join users u on u.phone = x.phone
        join records r on r.feed = 'users' and r.record_id = u.appid || '|' || u.openid and r.person_id = x.taker"""
    )
    assert both > 0 and verified > 0
    # the giver's card still carries the number, and the till finds it when the taker says it
    assert (
        made.one(
            f"select count(distinct c.member_ref) from {pairs} x join card c on c.phone = x.phone and c.person_id = x.giver"
        )
        > 3
    )
    assert (
        made.one(
            f"""select count(*) from {pairs} x join card c on c.phone = x.phone and c.person_id = x.giver
        join sale s on s.member_ref = c.member_ref and s.person_id = x.taker and s.phone = x.phone"""
        )
        > 0
    )


def test_a_changed_number_is_told_to_some_systems(made: Made) -> None:
    moved = """(select t.person_id, since::date as day, a.identifier as old, b.identifier as new from traps t
        join holder a on a.person_id = t.person_id and a.valid_to = t.since::date - 1
        join holder b on b.person_id = t.person_id and b.valid_from = t.since::date
        where trap = 'number_change')"""
    cards = dict(
        made.rows(
            f"""select case c.phone when old then 'old' when new then 'new' end as shows, count(distinct c.member_ref)
            from {moved} m join card c using (person_id) where c._night = '{_END}' and c.phone in (old, new) group by 1"""
        )
    )
    users = dict(
        made.rows(
            f"""select case u.phone when old then 'old' when new then 'new' end, count(*) from {moved} m
            join records r on r.feed = 'users' and r.person_id = m.person_id
            join users u on u.appid || '|' || u.openid = r.record_id where u.phone in (old, new) group by 1"""
        )
    )
    assert min(cards["old"], cards["new"], users["old"], users["new"]) > 5
    assert (
        made.one(
            f"""select count(*) from {moved} m join sale s using (person_id)
        where (s.phone = m.old and s.moment::date > m.day) or (s.phone = m.new and s.moment::date < m.day)"""
        )
        == 0
    )
    both = "count(distinct s.phone) = 2"
    assert (
        len(
            made.rows(
                f"select person_id from {moved} m join sale s using (person_id) where s.phone in (old, new) group by all having {both}"
            )
        )
        > 5
    )
    seen = made.one(
        "select count(*) from (select member_ref from card group by all having count(distinct phone) > 1)"
    )
    assert seen > 0, "some card phones change from one night to the next"


def test_a_family_uses_one_phone_with_accounts_of_their_own(made: Made) -> None:
    shared = "(select person_id, other_person_id as owner from traps where trap = 'family_phone' and role = 'subject')"
    accounts = made.one(
        f"""select count(distinct s.person_id) from {shared} s
        join records a on a.feed = 'users' and a.person_id = s.person_id
        join users x on x.appid || '|' || x.openid = a.record_id
        join records b on b.feed = 'users' and b.person_id = s.owner
        join users y on y.appid || '|' || y.openid = b.record_id and y.phone = x.phone and y.openid <> x.openid"""
    )
    assert accounts > 5
    sizes = made.rows(f"select count(*) + 1, count(*) from {shared} group by owner")
    assert {2} < {size for size, _ in sizes} <= {2, 3, 4}
    # the card is the owner's in the member file, the ticket is whose basket it was
    carried = made.one(
        """select count(*) from sale s join traps t on t.trap = 'family_phone' and t.role = 'shares_card'
        and t.person_id = s.person_id and t.identifier = s.member_ref join card c on c.member_ref = s.member_ref
        and c.person_id = t.other_person_id"""
    )
    assert carried > 0


def test_hubs_shops_and_placeholders_stand_on_many_cards_and_tickets(made: Made) -> None:
    cashier = """(select distinct s.phone, s.store_code from staff s join records r on r.feed = 'staff'
        and r.record_id = s.staff_id join traps t on t.person_id = r.person_id and t.trap = 'cashier_hub'
        and t.role = 'cashier' where s.role = 'cashier')"""
    by_number = made.rows(
        f"select count(distinct person_id) from {cashier} c join sale s on s.phone = c.phone group by c.phone"
    )
    assert len(by_number) == 5 and min(persons for (persons,) in by_number) > 3  # type: ignore[operator]
    for trap in ("cashier_hub", "shop_phone", "placeholder"):
        subject = f"(select person_id from traps where trap = '{trap}' and role = 'subject')"
        shown = made.rows(
            f"""select phone, count(distinct person_id) from card where person_id in {subject}
            and phone in (select phone from card group by phone having count(distinct person_id) > 2) group by phone"""
        )
        # a cashier's number is on some of the cards; the other two are drawn among cards
        least = 0.25 if trap == "cashier_hub" else 0.8
        assert sum(persons for _, persons in shown) > least * made.one(f"select count(*) from {subject}"), (
            trap
        )  # type: ignore[misc]
        assert len(shown) >= 3, trap
    listed = {"13800138000", "13900000000", "13111111111", "18888888888", "13888888888", "13800000000"}
    fillers = {
        row[0]
        for row in made.rows(
            "select distinct phone from card where person_id in (select person_id from traps where trap = 'placeholder')"
        )
    }
    assert fillers & listed and fillers - listed


def test_a_wrong_digit_stands_on_the_card_and_is_sometimes_corrected(made: Made) -> None:
    wrong = """(select c.member_ref, c.person_id, c.phone, c._night, h.identifier as own from card c
        join traps t on t.person_id = c.person_id and t.trap = 'mistyped_digit' and t.role = 'subject'
        join holder h on h.person_id = c.person_id where length(c.phone) = 11)"""
    assert made.one(f"select count(distinct member_ref) from {wrong} where hamming(phone, own) = 1") > 5
    assert made.one(f"select count(distinct member_ref) from {wrong} where phone = own") > 2
    hit = made.one(
        f"""select count(distinct w.person_id) from {wrong} w join holder o on o.identifier = w.phone
        and o.person_id <> w.person_id join traps t on t.person_id = o.person_id and t.role = 'victim'
        and t.other_person_id = w.person_id"""
    )
    assert hit > 0


def test_cards_are_mixed_up_for_a_while_or_given_away(made: Made) -> None:
    swapped = """(select a.identifier as card, a.person_id, a.other_person_id, b.identifier as other_card from traps a
        join traps b on b.trap = a.trap and b.role = 'subject' and b.person_id = a.other_person_id
        where a.trap = 'swapped_card' and a.role = 'subject')"""
    file_mixed = made.one(
        f"""select count(distinct x.card) from {swapped} x join card c on c.member_ref = x.card
        join holder h on h.person_id = x.other_person_id and h.identifier = c.phone"""
    )
    assert file_mixed > 0
    handed = """(select identifier as card, person_id as taker, other_person_id as giver, since::date as day from traps
        where trap = 'swapped_card' and role = 'taker')"""
    used = made.rows(
        f"""select s.person_id = h.taker, count(*) from {handed} h join sale s on s.member_ref = h.card
        and (s.person_id in (h.giver, h.taker)) and s.phone is null
        and ((s.moment::date > h.day) = (s.person_id = h.taker)) group by 1 order by 1"""
    )
    assert [who for who, _ in used] == [False, True]
    assert (
        made.one(
            f"""select count(*) from {handed} h join sale s on s.member_ref = h.card and s.person_id = h.giver
        and s.phone is null where s.moment::date > h.day + 12"""
        )
        == 0
    )


def test_second_phones_cards_and_accounts(made: Made) -> None:
    phones = made.one(
        """select count(*) from (select o.person_id from bought o join traps t on t.person_id = o.person_id
        and t.trap = 'two_phones' join holder h on h.person_id = o.person_id and h.identifier = o.buyer_phone
        where o.phone_verified = 'Y' group by 1 having count(distinct o.buyer_phone) > 1)"""
    )
    assert phones > 5
    cards = made.one(
        """select count(*) from (select c.person_id from card c join traps t on t.person_id = c.person_id
        and t.trap = 'two_cards' and c._night = (select max(_night) from card) and c.phone not like '%*%'
        group by 1 having count(distinct member_ref) = 2 and count(distinct phone) = 1)"""
    )
    lost = made.one("select count(distinct member_ref) from card where status = '挂失'")
    assert cards > 5 and lost > 5
    again = "(select person_id, identifier as openid, since::date as day from traps where trap = 'reregistered_openid')"
    # afterwards only the new account is used, at group buying and in WeCom, and nothing of the old one
    used = made.rows(
        f"""select o.moment::date >= a.day, o.openid = a.openid, count(*) from {again} a join bought o using (person_id)
        where o.channel <> 'h5' group by all"""
    )
    assert {(late, new) for late, new, _ in used} == {(False, False), (True, True)}
    # for some days before, for each person so many, nothing at all
    before, after = made.rows(
        f"""select count(*) filter (moment::date between day - 10 and day - 1),
            count(*) filter (moment::date between day and day + 9)
        from {again} a join (select person_id, moment from sale union all select person_id, moment from bought) b
            using (person_id)"""
    )[0]
    assert 0 < before < 0.6 * after  # type: ignore[operator]
    unions = made.one(
        f"""select count(*) from (select person_id from {again} a join bought o using (person_id)
        where o.unionid is not null group by all having count(distinct o.unionid) = 2)"""
    )
    assert unions > 3
    assert (
        made.one(
            f"""select count(*) from {again} a join identifiers i on i.person_id = a.person_id and i.namespace = 'unionid'
        join contacts c on c.unionid = i.identifier
        where (i.valid_from is null) = (to_timestamp(c.createtime)::timestamp + interval 8 hour >= a.day)"""
        )
        == 0
    )


def test_masked_numbers_receivers_and_payers(made: Made) -> None:
    for table, column in (("sale", "phone"), ("bought", "buyer_phone"), ("card", "phone")):
        # a mixed-up card shows the other one's number, masked or not
        masked = made.rows(
            f"select person_id in (select person_id from traps where trap = 'masked_number'), count(*) from {table} "
            f"where regexp_full_match({column}, '1\\d\\d\\*{{4}}\\d{{4}}') "
            "and person_id not in (select person_id from traps where trap = 'swapped_card') group by 1"
        )
        assert [who for who, _ in masked] == [True], table
    other = made.one(
        """select count(*) from bought o join traps t on t.person_id = o.person_id and t.trap = 'receiver_not_buyer' and t.role = 'subject'
        where o.receiver_phone <> o.buyer_phone and o.receiver_phone not like '%*%' and o.phone_verified = 'Y'"""
    )
    known = made.one(
        """select count(*) from bought o join traps t on t.person_id = o.person_id and t.trap = 'receiver_not_buyer' and t.role = 'subject'
        join holder h on h.person_id = t.other_person_id and h.identifier = o.receiver_phone"""
    )
    assert other > 30 and known > 10, "many parents are customers themselves"
    paid = made.one(
        """select count(*) from sale s join traps t on t.person_id = s.person_id and t.trap = 'shared_payer' and t.role = 'subject'
        where s.member_ref is not null and s.pay_openid is not null
            and s.pay_openid in (select pay_openid from sale o where o.person_id = t.other_person_id)"""
    )
    assert paid > 20


def test_remarks_name_other_customers_or_a_wrong_digit(made: Made) -> None:
    noted = """(select c.remark_mobiles[1] as phone, c.state, t.person_id, t.other_person_id from contacts c
        join records r on r.feed = 'contacts' and r.record_id = c.external_userid
        join traps t on t.person_id = r.person_id and t.trap = 'wrong_remark' and t.role = 'subject' where len(c.remark_mobiles) > 0)"""
    others = made.one(
        f"select count(distinct n.person_id) from {noted} n join holder h on h.person_id = n.other_person_id and h.identifier = n.phone"
    )
    digits = made.one(
        f"""select count(distinct n.person_id) from {noted} n join holder h on h.person_id = n.person_id
        and hamming(h.identifier, n.phone) = 1 where n.other_person_id is null"""
    )
    subjects = made.one("select count(*) from traps where trap = 'wrong_remark' and role = 'subject'")
    assert others > 0.4 * subjects and digits > 0.1 * subjects
    # who is added during the history mostly was moment that shop's till a little before
    inside, after = made.con.execute(
        """with added as (select c.*, r.person_id, to_timestamp(c.createtime)::timestamp + interval 8 hour as moment
            from contacts c join records r on r.feed = 'contacts' and r.record_id = c.external_userid)
        select count(*), count(*) filter (where exists (select 1 from sale s where s.person_id = a.person_id
            and s.store_code = split_part(a.userid, '_', 2) and a.moment between s.moment and s.moment + interval 20 minute))
        from added a where moment > (select min(moment) from sale)"""
    ).fetchone()  # type: ignore[misc]
    assert after > 0.5 * inside > 50


def test_twins_share_name_and_building_but_no_number(made: Made) -> None:
    twins = "(select person_id, other_person_id from traps where trap = 'twins' and role = 'subject')"
    # cards keep their name; only a mixed-up or handed-on card shows another's
    same, names = made.con.execute(
        f"""select count(*) filter (where a.name = b.name), count(*) from {twins} t
        join (select distinct person_id, receiver_name as name from bought where receiver_phone = buyer_phone) a
            on a.person_id = t.person_id
        join (select distinct person_id, receiver_name as name from bought where receiver_phone = buyer_phone) b
            on b.person_id = t.other_person_id"""
    ).fetchone()  # type: ignore[misc]
    assert same == names > 3
    assert (
        made.one(
            f"""select count(*) from {twins} t join holder a on a.person_id = t.person_id
        join holder b on b.person_id = t.other_person_id and a.identifier = b.identifier
        where a.valid_from <= b.valid_to and b.valid_from <= a.valid_to"""
        )
        == 0
    )
    goods = """(select s.person_id, l.sku, count(*) as n from sale s join ticket_lines l using (store_code, ticket_id)
        group by s.person_id, l.sku qualify row_number() over (partition by s.person_id order by n desc, l.sku) <= 12)"""
    alike = made.one(
        f"""select count(*) from {twins} t join {goods} a on a.person_id = t.person_id
        join {goods} b on b.person_id = t.other_person_id and b.sku = a.sku"""
    )
    strangers = made.one(
        f"""select count(*) from (select person_id, lead(other_person_id) over (order by person_id) as other_person_id
            from {twins}) t join {goods} a on a.person_id = t.person_id
        join {goods} b on b.person_id = t.other_person_id and b.sku = a.sku"""
    )
    assert alike > 1.3 * strangers > 0


def test_names_are_spread_as_names_are(made: Made) -> None:
    names = [row[0] for row in made.rows("select any_value(name) from card group by member_ref")]
    assert len(names) > len(set(names)) > 0.6 * len(names), "some people share a name by chance"
    assert all(2 <= len(str(name)) <= 3 for name in names)
    assert made.one("select count(*) from orders where receiver_name is null") == 0
    assert made.one("select count(*) from users where regexp_full_match(community, '.*\\d+栋')") > 100


def test_people_keep_their_days_and_hours(made: Made) -> None:
    """The two best weekdays of a regular customer hold far more than two sevenths; her hours are close together."""
    share, hours = made.con.execute(
        """with visit as (select person_id, dayofweek(moment) as d, hour(moment) + minute(moment) / 60 as h from sale where kind = 'sale'),
        days as (select person_id, d, count(*) as n from visit group by all),
        best as (select person_id, sum(n) as visits, list_sum(list_reverse_sort(list(n))[1:2]) as top from days group by 1
            having visits >= 15)
        select (select avg(top / visits) from best), (select avg(q) from (select quantile_cont(h, 0.75)
            - quantile_cont(h, 0.25) as q from visit group by person_id having count(*) >= 15))"""
    ).fetchone()  # type: ignore[misc]
    assert share > 0.6 and hours < 3


def test_no_phone_stands_in_the_clear_in_the_notes(made: Made) -> None:
    text = (made.out / "truth" / "traps.csv").read_text("utf-8")
    phones = {row[0] for row in made.rows("select identifier from holder")}
    assert made.one("select count(*) from traps where namespace = 'phone' and identifier is not null") == 0
    assert not {field for line in text.splitlines() for field in line.split(",")} & phones


def test_it_is_fast_enough(tmp_path: Path) -> None:
    """50,000 records a second is the goal on two cores; processor time is what a busy machine does not change."""
    started = time.process_time()
    done = simulate(
        tmp_path, basis="synthetic", persons=8000, stores=6, days=_DAYS, seed=1, end=_END, traps=Traps()
    )
    assert sum(done.rows.values()) / (time.process_time() - started) > 25_000


def test_the_template_says_what_the_defaults_are() -> None:
    packaged, text = load_traps("default")
    assert packaged == Traps()
    written = yaml.safe_load(text)
    assert list(written) == list(Traps.model_fields)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("single_nights: 2\nrecycled: 0.1\n", ":2"),
        ("number_change: 0.1\n\ntwins: 1.5\n", ":3"),
        ("twins: many\n", ":1"),
        ("twins: .nan\n", ":1"),
        ("freeze_days: -1\n", ":1"),
        ("twins: 0.1\ntwins: 0.2\n", ":2"),
        ("twins: [0.1\n", "traps.yml:"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(tmp_path: Path, text: str, place: str) -> None:
    path = tmp_path / "traps.yml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=f"traps.yml{place}" if place.startswith(":") else place):
        load_traps(str(path))
    refused = CliRunner().invoke(command, ["--out", str(tmp_path / "x"), "--traps", str(path)])
    assert refused.exit_code == 2 and "traps.yml" in refused.output
    assert not (tmp_path / "x").exists()


def test_rates_that_no_chain_can_have_are_refused(tmp_path: Path) -> None:
    _simulate(tmp_path, Traps(), 200)
    before = digests(tmp_path)
    with pytest.raises(ValueError, match="family_phone"):
        _simulate(tmp_path, Traps(family_phone=0.9), 300)
    assert digests(tmp_path) == before, "a refused rate leaves the old world as it was"
    with pytest.raises(ValueError, match="recycled_number"):
        _simulate(tmp_path, Traps(recycled_number=0.6), 300)
    with pytest.raises(ValueError, match="130"):
        _simulate(tmp_path, Traps(), 300, days=100)
    with pytest.raises(ValueError, match="synthetic"):
        simulate(tmp_path, basis="real", persons=50, stores=1, days=200, seed=1, end=_END, traps=Traps())


def test_the_command_writes_its_template_beside_the_truth(tmp_path: Path) -> None:
    out = tmp_path / "chain"
    size = ["--persons", "300", "--stores", "2"]
    done = CliRunner().invoke(command, ["--out", str(out), "--traps", "default", *size])
    assert done.exit_code == 0, done.output
    template = out / "truth" / "traps.yml"
    assert load_traps(str(template))[0] == Traps() and "recycled_number" in done.output
    own = tmp_path / "own.yml"
    own.write_text(template.read_text("utf-8").replace("single_nights: 3 ", "single_nights: 5 "), "utf-8")
    done = CliRunner().invoke(command, ["--out", str(out), "--traps", str(own), *size])
    assert done.exit_code == 0, done.output
    nights = sorted(path.name for path in (out / "landing" / "pos_main" / "members").iterdir())
    assert len(nights) == 6 and nights[-1] == _END.isoformat()
