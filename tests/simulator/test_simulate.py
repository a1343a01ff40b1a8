"""The simulated chain keeps the contract, its books balance, and its truth is complete."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from datetime import date
from importlib.resources import files
from pathlib import Path

import duckdb
import phonenumbers
import pytest
from click.testing import CliRunner
from python_calamine import CalamineWorkbook

from dagster_project.cli.simulate import simulate as command
from dagster_project.config import load_chain
from dagster_project.contracts import feeds_of
from dagster_project.sandbox.world import load_world
from dagster_project.simulator import Rates, SimulationSummary, simulate
from tests.folders import digests

_END = date(2026, 11, 21)
_KINDS = {"pos_main": "pos", "group_main": "groupbuy"}


def _synthetic(out: Path, **changes: object) -> SimulationSummary:
    size = {"persons": 2500, "stores": 3, "days": 50, "seed": 5, **changes}
    return simulate(out, basis="synthetic", end=_END, **size)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SimulationSummary:
    return _synthetic(tmp_path_factory.mktemp("synthetic") / "chain")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> SimulationSummary:
    return simulate(
        tmp_path_factory.mktemp("real") / "chain",
        basis="real",
        persons=900,
        stores=3,
        days=40,
        seed=5,
        end=_END,
    )


@pytest.fixture(scope="module", params=["world", "real"])
def read(request: pytest.FixtureRequest) -> Iterator[duckdb.DuckDBPyConnection]:
    """Every feed of a world as a table `pos_main__tickets` of text, with the arrival night."""
    summary: SimulationSummary = request.getfixturevalue(request.param)
    con = duckdb.connect()
    for connection, kind in _KINDS.items():
        for feed in feeds_of(kind):
            rows = [
                (*row, file.parent.name, file.name)
                for file in _files(summary.out, connection, feed.name)
                for row in _aligned(file, [column.name for column in feed.columns])
            ]
            names = [*(column.name for column in feed.columns), "_night", "_file"]
            table = f"{connection}__{feed.name}"
            con.execute(f"create table {table} ({', '.join(f'{name} varchar' for name in names)})")
            con.register("rows", _as_table(names, rows))
            con.execute(f"insert into {table} select * from rows")
            con.unregister("rows")
    con.execute(
        f"create table truth as select * from read_csv('{summary.out}/truth/records.csv', all_varchar=true)"
    )
    yield con
    con.close()


def _as_table(names: list[str], rows: list[tuple[str | None, ...]]):  # type: ignore[no-untyped-def]
    import pyarrow as pa

    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table({n: pa.array(c, pa.string()) for n, c in zip(names, columns, strict=True)})


def _files(out: Path, connection: str, feed: str) -> list[Path]:
    return sorted((out / "landing" / connection / feed).glob("*/*"))


def _header_and_rows(path: Path) -> tuple[list[str], list[list[str | None]]]:
    """Any of the formats the simulator writes, as text."""
    if path.suffix == ".xlsx":
        sheet = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
        return [str(cell) for cell in sheet[0]], [[str(cell) or None for cell in row] for row in sheet[1:]]
    if path.suffix == ".parquet":
        result = duckdb.execute(f"select * from '{path}'")
        return [column[0] for column in result.description], [list(row) for row in result.fetchall()]
    if path.suffix == ".jsonl":
        records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        header = list(records[0])
        return header, [[record[name] for name in header] for record in records]
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("gb18030")
    lines = list(csv.reader(text.splitlines()))
    return lines[0], [[cell or None for cell in line] for line in lines[1:]]


def _aligned(path: Path, names: list[str]) -> list[tuple[str | None, ...]]:
    header, rows = _header_and_rows(path)
    place = {name: header.index(name) if name in header else None for name in names}
    return [tuple(None if at is None else row[at] for at in place.values()) for row in rows]


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[object, ...]:
    row = con.execute(sql).fetchone()
    assert row is not None
    return row


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    small = {"persons": 400, "stores": 2, "days": 24}
    _synthetic(tmp_path / "a", **small)
    _synthetic(tmp_path / "b", **small)
    _synthetic(tmp_path / "c", **small, seed=6)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a" / "landing") != digests(tmp_path / "c" / "landing")


def test_the_real_basis_is_deterministic_too(tmp_path: Path, real: SimulationSummary) -> None:
    again = tmp_path / "again"
    simulate(again, basis="real", persons=900, stores=3, days=40, seed=5, end=_END)
    assert digests(again) == digests(real.out)


def test_running_again_replaces_the_old_world(tmp_path: Path) -> None:
    _synthetic(tmp_path / "a", persons=300, days=30)
    _synthetic(tmp_path / "a", persons=200, days=10)
    _synthetic(tmp_path / "b", persons=200, days=10)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_a_chain_that_was_not_simulated_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "chain.yml").write_text("chain: {}", encoding="utf-8")
    with pytest.raises(FileExistsError, match="--out"):
        _synthetic(tmp_path)
    assert (tmp_path / "chain.yml").read_text("utf-8") == "chain: {}"


@pytest.mark.parametrize("which", ["world", "real"])
def test_files_have_the_contract_s_columns(which: str, request: pytest.FixtureRequest) -> None:
    summary: SimulationSummary = request.getfixturevalue(which)
    for connection, kind in _KINDS.items():
        for feed in feeds_of(kind):
            files = _files(summary.out, connection, feed.name)
            assert files, f"{connection}.{feed.name} was never written"
            header, rows = _header_and_rows(files[0])
            known = [column.name for column in feed.columns]
            assert [name for name in known if name in header] == header, (
                f"{files[0]}: order or unknown columns"
            )
            assert {column.name for column in feed.columns if column.must} <= set(header)
            for column in feed.columns:
                if column.value:
                    at = header.index(column.name)
                    assert all(row[at] for row in rows), f"{files[0]}: empty {column.name}"
                if column.choices and column.name in header:
                    at = header.index(column.name)
                    assert {row[at] for row in rows} - {None} <= set(column.choices)


def test_money_times_and_folders(read: duckdb.DuckDBPyConnection) -> None:
    for table, column in (
        ("pos_main__tickets", "net"),
        ("group_main__orders", "order_amount"),
        ("pos_main__tenders", "amount"),
    ):
        assert _one(
            read, f"select count(*) from {table} where not regexp_full_match({column}, '\\d+\\.\\d\\d')"
        ) == (0,)
    last, late, wrong = _one(
        read,
        """select max(_night), count(*) filter (where _night::date > (sold_at::timestamp - interval 4 hour)::date),
            count(*) filter (where _night::date < (sold_at::timestamp - interval 4 hour)::date)
        from pos_main__tickets where kind = 'sale' and _file not like 'resent%'""",
    )
    assert last == _END.isoformat()
    assert late > 0, "some tickets arrive late"  # type: ignore[operator]
    assert wrong == 0, "no ticket arrives before its business day"


def test_formats_are_mixed(world: SimulationSummary) -> None:
    files = [
        path
        for connection in _KINDS
        for path in (world.out / "landing" / connection).rglob("*")
        if path.is_file()
    ]
    assert {path.suffix for path in files} == {".csv", ".gz", ".xlsx", ".jsonl", ".parquet"}
    starts = {path.read_bytes()[:3] == b"\xef\xbb\xbf" for path in files if path.suffix == ".csv"}
    assert starts == {True, False}
    members = next(path for path in files if path.name.startswith("members_"))
    with pytest.raises(UnicodeDecodeError):
        members.read_bytes().decode("utf-8")
    assert "会员" not in members.read_bytes().decode("gb18030").splitlines()[0]
    assert any(path.name.startswith("resent_") for path in files)


def test_tickets_lines_and_tenders_balance(read: duckdb.DuckDBPyConnection) -> None:
    read.execute(
        """create or replace temp table ticket as select * from pos_main__tickets
        qualify row_number() over (partition by store_code, ticket_id order by updated_at desc nulls last, _night desc) = 1"""
    )
    off = _one(
        read,
        """with tender as (select store_code, ticket_id, sum(amount::decimal(12, 2) - change::decimal(12, 2)) as paid
            from (select distinct store_code, ticket_id, tender_no, amount, change from pos_main__tenders) group by all),
        line as (select store_code, ticket_id, sum(amount::decimal(12, 2) + discount::decimal(12, 2)) as worth
            from (select distinct store_code, ticket_id, line_no, amount, discount from pos_main__ticket_lines) group by all)
        select count(*) filter (where gross::decimal(12, 2) - discount::decimal(12, 2) <> net::decimal(12, 2)),
            count(*) filter (where paid is distinct from net::decimal(12, 2) + rounding::decimal(12, 2)),
            count(*) filter (where kind in ('sale', 'return') and worth is distinct from gross::decimal(12, 2))
        from ticket left join tender using (store_code, ticket_id) left join line using (store_code, ticket_id)""",
    )
    assert off == (0, 0, 0)


def test_group_orders_balance(read: duckdb.DuckDBPyConnection) -> None:
    off = _one(
        read,
        """with newest as (select * from group_main__orders
            qualify row_number() over (partition by order_id order by updated_at desc, _night desc) = 1),
        line as (select order_id, sum(amount::decimal(12, 2)) as goods, sum(refunded::decimal(12, 2)) as refunded
            from (select * from group_main__order_lines qualify row_number() over (partition by order_id, line_no order by refunded::decimal(12, 2) desc) = 1)
            group by order_id)
        select count(*) filter (where coupon_code is null and seller_role <> 'helper'
                and goods + freight::decimal(12, 2) - coalesce(points_spent, '0')::int * 0.01 is distinct from order_amount::decimal(12, 2)),
            count(*) filter (where refunded > 0 and refunded <> refund_amount::decimal(12, 2)),
            count(*) filter (where status = 'unpaid' and paid_at is not null)
        from newest left join line using (order_id)""",
    )
    assert off == (0, 0, 0)


def test_points_are_overdrawn_by_few_and_expire_for_some(read: duckdb.DuckDBPyConnection) -> None:
    cards, below, lowest, spent, expired = _one(
        read,
        """select count(*), count(*) filter (where balance < 0), min(balance), sum(spent), sum(expired) from (
            select member_ref, sum(if(kind in ('spend', 'expire'), -points::int, points::int)) as balance,
                count(*) filter (where kind = 'spend') as spent, count(*) filter (where kind = 'expire') as expired
            from (select distinct entry_id, member_ref, kind, points from pos_main__points) group by member_ref)""",
    )
    assert 0 < below < 0.02 * cards and lowest > -3000  # type: ignore[operator]
    assert spent > 0 and expired > 0  # type: ignore[operator]
    assert _one(read, "select min(points::int) from pos_main__points where kind <> 'adjust'")[0] > 0  # type: ignore[operator]


def test_truth_knows_every_record_once(read: duckdb.DuckDBPyConnection) -> None:
    named = {
        "pos_main": ("tickets", "members", "points", "coupon_events", "staff"),
        "group_main": ("orders", "complaints", "users", "shares", "leaders", "coupon_events"),
    }
    assert _one(
        read,
        "select count(*) - count(distinct (connection, feed, record_id)), count(*) - count(person_id) from truth",
    ) == (0, 0)
    for connection, feeds in named.items():
        for feed in feeds:
            key = next(spec for spec in feeds_of(_KINDS[connection]) if spec.name == feed).key
            joined = " || '|' || ".join(key)
            told = f"select distinct {joined} as record_id from {connection}__{feed}"
            known = f"select record_id from truth where connection = '{connection}' and feed = '{feed}'"
            assert read.execute(f"({told}) except ({known})").fetchall() == [], feed
            assert read.execute(f"({known}) except ({told})").fetchall() == [], feed


def test_rates_are_met(world: SimulationSummary, real: SimulationSummary) -> None:
    for summary in (world, real):
        assert 0.33 < summary.card_share < 0.40, "shops without linking recognise less than 40 %"
        assert 0.20 < summary.phone_share < 0.29


def test_rates_are_parameters(tmp_path: Path) -> None:
    size = {"persons": 600, "days": 20}
    shown = _synthetic(
        tmp_path / "all", **size, rates=Rates(card_holder=1.0, card_shown=1.45, phone_said=0.0)
    )
    assert shown.card_share > 0.8
    silent = _synthetic(
        tmp_path / "none", **size, rates=Rates(card_holder=0.0, handed_card=0.0, phone_said=-0.5)
    )
    assert silent.card_share == 0 and silent.phone_share < 0.05


def test_phones_are_valid_unless_a_trap_spoils_them(read: duckdb.DuckDBPyConnection) -> None:
    phones = [
        row[0]
        for row in read.execute(
            "select distinct phone from pos_main__members where phone not like '%*%' order by phone limit 400"
        ).fetchall()
    ]
    valid = [phone for phone in phones if phonenumbers.is_valid_number(phonenumbers.parse(phone, "CN"))]
    assert len(valid) >= 0.98 * len(phones) > 100
    masked, placeholder = _one(
        read,
        "select count(*) filter (where phone like '%*%'), count(*) filter (where phone = '13800138000') from pos_main__members",
    )
    assert masked > 0 and placeholder >= 0  # type: ignore[operator]


def test_the_traps_are_in_the_files(world: SimulationSummary) -> None:
    con = duckdb.connect()
    traps = dict(
        con.execute(f"select trap, count(*) from '{world.out}/truth/traps.csv' group by trap").fetchall()
    )
    assert traps.keys() >= {
        "number_changed",
        "number_recycled",
        "family_phone",
        "second_phone",
        "second_card",
        "new_wechat",
        "handed_card",
    }
    # a recycled number belongs to two persons, one after the other
    overlaps = con.execute(
        f"""select a.person_id from read_csv('{world.out}/truth/identifiers.csv', all_varchar = true) a
        join read_csv('{world.out}/truth/identifiers.csv', all_varchar = true) b using (namespace, identifier)
        where a.person_id < b.person_id and namespace = 'phone'
            and coalesce(a.valid_from, '0') <= coalesce(b.valid_to, '9') and coalesce(b.valid_from, '0') <= coalesce(a.valid_to, '9')
            and a.person_id not in (select person_id from '{world.out}/truth/traps.csv' where trap = 'family_phone')
            and b.person_id not in (select person_id from '{world.out}/truth/traps.csv' where trap = 'family_phone')"""
    ).fetchall()
    assert overlaps == []


def test_the_true_effect_of_a_coupon_is_known(world: SimulationSummary) -> None:
    """Who was lifted bought within the window; who would not have come and was not lifted did not."""
    con = duckdb.connect()
    landing = world.out / "landing"
    bought = f"""
        select distinct t.person_id, strptime(substr(split_part(record_id, '|', 2), 1, 6), '%y%m%d')::date as day
        from '{world.out}/truth/records.csv' t where feed = 'tickets' and regexp_full_match(record_id, '.*\\d')
        union
        select distinct t.person_id, strptime(substr(record_id, 2, 8), '%Y%m%d')::date from '{world.out}/truth/records.csv' t
        where feed = 'orders' and record_id not like '%H'"""
    treated, wrong, lifted = con.execute(
        f"""with trial as (select * from '{world.out}/truth/experiments.csv' where assigned_on <= date '{_END}' - 8),
        seen as (select trial.person_id, arm, returns_untreated, returns_treated,
                bool_or(day > assigned_on and day <= assigned_on + 7) as came
            from trial left join ({bought}) b using (person_id) group by all)
        select count(*) filter (where arm = 'treatment'),
            count(*) filter (where arm = 'holdout' and came and returns_untreated = 0)
                + count(*) filter (where arm = 'treatment' and came and returns_treated = 0),
            count(*) filter (where arm = 'treatment' and returns_treated > returns_untreated and came) from seen"""
    ).fetchone()
    assert treated > 20 and lifted > 0
    assert wrong == 0
    codes = f"select coupon_code from '{world.out}/truth/experiments.csv' where arm = 'treatment'"
    issued = con.execute(
        f"select count(distinct coupon_code) from read_csv('{landing}/pos_main/coupon_events/*/*.csv', all_varchar = true) "
        f"where event = 'issued' and coupon_code in ({codes})"
    ).fetchone()
    assert issued == con.execute(f"select count(*) from ({codes})").fetchone()


def test_the_default_rules_are_there_to_be_edited_and_edits_stay(tmp_path: Path) -> None:
    out = tmp_path / "chain"
    _synthetic(out, persons=60, days=10)
    packaged = files("dagster_project").joinpath("templates/chain/rules")
    assert {path.name: path.read_bytes() for path in (out / "rules").iterdir()} == {
        rules.name: rules.read_bytes() for rules in packaged.iterdir()
    }
    (out / "rules" / "churn.yml").write_text("l1_days: 5\nl2_days: 15\nl3_days: 30\n", "utf-8")
    _synthetic(out, persons=60, days=10)
    assert load_chain(out).rules.churn.l1_days == 5


def test_no_article_costs_what_no_community_shop_sells(real: SimulationSummary) -> None:
    """The receipts have printers behind the same kind of goods as notebooks."""
    usual = files("dagster_project.simulator").joinpath("data/categories.csv")
    lines, dearest = duckdb.sql(
        f"""
        select count(*), max(price::double / base_price)
        from read_csv('{real.out}/landing/pos_main/ticket_lines/*/*.csv', all_varchar = true, ignore_errors = true)
        join read_csv('{usual}') using (category)
        """
    ).fetchall()[0]
    assert lines > 1_000 and 1 < round(dearest, 6) <= 3


def test_the_chain_folder_is_one(world: SimulationSummary) -> None:
    chain = load_chain(world.out, resolve_secrets=False)
    assert [c.kind for c in chain.connections] == ["pos", "groupbuy", "wecom"]
    assert [t.name for t in chain.targets] == ["wecom", "groupbuy_files"]
    assert len(chain.stores) == 3 and all(store.manager_wecom_userid for store in chain.stores)


def test_the_sandbox_reads_the_wecom_world(world: SimulationSummary) -> None:
    corp = load_world(world.out / "sandbox" / "wecom_world.json")
    assert corp.corp_id == "demo" and len(corp.staff) == 9
    assert len(corp.contacts) > 1000
    assert sum(follow.remark_mobiles != () for c in corp.contacts.values() for follow in c.follow) > 300
    members = [member for chat in corp.group_chats.values() for member in chat.members if member.type == 2]
    assert {member.join_scene for member in members} == {1, 2, 3}
    assert any(member.invitor for member in members)
    truth = duckdb.sql(
        f"select count(*) from '{world.out}/truth/records.csv' where feed = 'contacts' and connection = 'wecom'"
    ).fetchall()
    assert truth == [(len(corp.contacts),)]


def test_sizes_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="360"):
        simulate(tmp_path, basis="real", persons=None, stores=1, days=400, seed=1, end=_END)
    with pytest.raises(ValueError, match="persons"):
        simulate(tmp_path, basis="synthetic", persons=None, stores=1, days=4, seed=1, end=_END)


def test_command(tmp_path: Path) -> None:
    out = tmp_path / "chain"
    done = CliRunner().invoke(
        command,
        ["--out", str(out), "--basis", "synthetic", "--persons", "60", "--stores", "1", "--days", "3"],
    )
    assert done.exit_code == 0, done.output
    assert "truth/" in done.output and (out / "landing" / "pos_main" / "tickets" / "2026-11-21").is_dir()
    refused = CliRunner().invoke(command, ["--out", str(out), "--days", "400"])
    assert refused.exit_code == 2 and "360" in refused.output
