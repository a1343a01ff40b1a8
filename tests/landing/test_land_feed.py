"""Landing: every file is accounted for, whatever it is, and nothing plain gets through the door."""

from __future__ import annotations

import gzip
import io
import shutil
from datetime import date
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project.config import Chain
from dagster_project.landing import FeedLanding, land_files
from dagster_project.landing.readers import UnreadableFileError, read_bytes
from dagster_project.privacy import ChainKey, Vault
from tests.landing.readerkit import saved, workbook

KEY = ChainKey(b"k" * 32)
NIGHT = "2026-11-01"
PHONE = "13900000001"
HEAD = "store_code,ticket_id,kind,sold_at,net,phone,member_ref"


def tickets(*rows: str) -> str:
    return "\n".join([HEAD, *rows]) + "\n"


def land(chain: Chain, *nights: str, name: str = "tickets", kind: str = "pos") -> FeedLanding:
    source = next(c for c in chain.connections if c.kind == kind)
    days = [date.fromisoformat(night) for night in nights or (NIGHT,)]
    return land_files(chain, source, name, days, KEY)[name]


def rows(chain: Chain, landing: FeedLanding) -> list[dict]:
    return [
        row
        for manifest in landing.manifests
        if manifest.lake_path
        for row in pq.read_table(chain.paths.lake / manifest.lake_path).to_pylist()
    ]


def test_a_gb18030_csv_is_read_exactly(chain: Chain, drop) -> None:
    text = "sku,item_name,category\nA1,张䶮家的油麦菜,叶菜\n"
    drop(chain.root, "pos_main", "products", NIGHT, "商品.csv", text.encode("gb18030"))
    landing = land(chain, name="products")
    assert landing.manifests[0].encoding == "gb18030"
    assert rows(chain, landing)[0]["item_name"] == "张䶮家的油麦菜"


def test_a_bom_is_stripped_and_a_gz_is_opened(chain: Chain, drop) -> None:
    content = ("\ufeff" + tickets("S001,T1,sale,2026-11-01 08:00:00,1,,")).encode()
    drop(chain.root, "pos_main", "tickets", NIGHT, "a.csv.gz", gzip.compress(content))
    landing = land(chain)
    assert (landing.manifests[0].format, landing.manifests[0].rows_loaded) == ("csv.gz", 1)
    assert rows(chain, landing)[0]["store_code"] == "S001"


def test_a_truncated_workbook_goes_to_quarantine_and_the_rest_goes_on(chain: Chain, drop) -> None:
    whole = workbook(HEAD.split(","), ["S001", "T1", "sale", "2026-11-01 08:00:00", 12.3, None, None])
    drop(chain.root, "pos_main", "tickets", NIGHT, "a.xlsx", whole[: len(whole) // 2])
    drop(chain.root, "pos_main", "tickets", NIGHT, "b.xlsx", whole)
    drop(chain.root, "pos_main", "tickets", NIGHT, "c.csv.gz", gzip.compress(b"x" * 999)[:20])
    landing = land(chain)
    assert [m.status for m in landing.manifests] == ["quarantined", "loaded", "quarantined"]
    assert "Excel" in landing.manifests[0].reason and "gzip" in landing.manifests[2].reason
    assert rows(chain, landing)[0]["net"] == "12.30"


def test_the_same_file_twice_is_skipped_also_under_another_name_and_night(chain: Chain, drop) -> None:
    content = tickets("S001,T1,sale,2026-11-01 08:00:00,1,,")
    drop(chain.root, "pos_main", "tickets", NIGHT, "a.csv", content)
    drop(chain.root, "pos_main", "tickets", NIGHT, "copy of a.csv", content)
    drop(chain.root, "pos_main", "tickets", "2026-11-02", "a.csv", content)
    first, again = land(chain, NIGHT, "2026-11-02"), land(chain, NIGHT, "2026-11-02")
    assert [m.status for m in first.manifests] == ["loaded", "repeated", "repeated"]
    assert again.manifests == first.manifests
    assert [m.rows_repeated for m in first.manifests] == [0, 1, 1]
    assert len(list(chain.paths.lake.rglob("*.parquet"))) == 1


def test_a_missing_night_is_told_and_the_next_goes_on(chain: Chain, drop) -> None:
    drop(
        chain.root,
        "pos_main",
        "tickets",
        "2026-11-03",
        "a.csv",
        tickets("S001,T1,sale,2026-11-03 08:00:00,1,,"),
    )
    landing = land(chain, "2026-11-02", "2026-11-03")
    assert landing.empty_nights == [date(2026, 11, 2)] and landing.total("rows_loaded") == 1


def test_every_row_is_counted_and_every_reject_is_named_without_its_value(chain: Chain, drop) -> None:
    drop(
        chain.root,
        "pos_main",
        "tickets",
        NIGHT,
        "a.csv",
        tickets(
            f'S001,T1,SALE,2026/11/1 8:05,"1,234.50",{PHONE},{PHONE}',
            f"S001,T2,sale,2026-11-01T00:10:00Z,1,{PHONE},",
            "S001,T3,sale,yesterday,1,,",
            "S001,T4,sale,2026-11-01 08:00:00,1",
            ",T5,sale,2026-11-01 08:00:00,1,,",
            "S001,T6,barter,2026-11-01 08:00:00,1,,",
            f"S001,T2,sale,2026-11-01T00:10:00Z,1,{PHONE},",
            "S001,T7,sale,2031-01-01 08:00:00,1,,",
        ),
    )
    landing = land(chain)
    manifest = landing.manifests[0]
    assert (manifest.rows_read, manifest.rows_loaded, manifest.rows_repeated, manifest.rows_rejected) == (
        8,
        2,
        1,
        5,
    )
    good = rows(chain, landing)
    assert [(r["sold_at"], r["net"], r["kind"]) for r in good] == [
        ("2026-11-01 08:05:00", "1234.50", "sale"),
        ("2026-11-01 08:10:00", "1.00", "sale"),
    ]
    assert good[0]["phone_masked"] == "139****0001" and good[0]["member_ref"].startswith("tel-")
    rejects = pq.read_table(chain.paths.lake / manifest.rejects_path).to_pylist()
    assert {(r["row_no"], r["column_name"]) for r in rejects} == {
        (4, "sold_at"), (5, ""), (6, "store_code"), (7, "kind"), (9, "sold_at"),
    }  # fmt: skip
    assert Vault(chain.paths.vault, KEY).reveal([good[0]["phone_token"]]) == {
        good[0]["phone_token"]: "+86" + PHONE
    }


def test_nothing_plain_is_in_the_lake_not_even_in_extras_and_text(chain: Chain, drop) -> None:
    head = "order_id,created_at,status,order_amount,buyer_phone,receiver_name,pickup_site,收货地址,备注,leader_id"
    line = f"O1,2026-11-01 08:00:00,paid,10,{PHONE},张三测试,站点{PHONE},人民路1号,改打{PHONE},{PHONE}"
    drop(chain.root, "group_main", "orders", NIGHT, "a.csv", f"{head}\n{line}\n")
    landing = land(chain, name="orders", kind="groupbuy")
    row = rows(chain, landing)[0]
    assert row["receiver_name_is_test"] == "Y" and "receiver_name" not in row
    assert row["receiver_name_token"] is None  # a test is nobody's name
    assert row["_extra"] == '{"备注":"改打139****0001"}'
    assert landing.manifests[0].extra_columns == ("备注", "收货地址")
    everything = b"".join(
        pq.read_table(p).to_pandas().to_csv().encode() if p.suffix == ".parquet" else p.read_bytes()
        for p in chain.paths.lake.rglob("*")
        if p.is_file()
    )
    assert (
        PHONE.encode() not in everything
        and "张三".encode() not in everything
        and "人民路".encode() not in everything
    )


def test_a_missing_required_column_quarantines_only_that_file(chain: Chain, drop) -> None:
    drop(
        chain.root,
        "pos_main",
        "tickets",
        NIGHT,
        "a.csv",
        "store_code,ticket_id,kind,sold_at\nS001,T1,sale,2026-11-01\n",
    )
    drop(chain.root, "pos_main", "tickets", NIGHT, "b.csv", tickets("S001,T1,sale,2026-11-01 08:00:00,1,,"))
    landing = land(chain)
    assert [m.status for m in landing.manifests] == ["quarantined", "loaded"]
    assert "net" in landing.manifests[0].reason


def test_ids_stay_text_in_every_format(chain: Chain, drop) -> None:
    order = {
        "order_id": 3571234567890123456,
        "created_at": "2026-11-01 08:00:00",
        "status": "paid",
        "order_amount": 1.5,
    }
    import json

    drop(chain.root, "group_main", "orders", NIGHT, "a.jsonl", json.dumps(order) + "\n{broken\n")
    table = pa.table(
        {
            "order_id": [3571234567890123457],
            "created_at": ["2026-11-01 08:00:00"],
            "status": ["paid"],
            "order_amount": [2.0],
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    drop(chain.root, "group_main", "orders", NIGHT, "b.parquet", buffer.getvalue())
    lost = workbook(list(order), [float(order["order_id"]), order["created_at"], "paid", 1])
    drop(chain.root, "group_main", "orders", NIGHT, "c.xlsx", lost)
    landing = land(chain, name="orders", kind="groupbuy")
    assert [m.status for m in landing.manifests] == ["loaded", "loaded", "quarantined"]
    assert [r["order_id"] for r in rows(chain, landing)] == ["3571234567890123456", "3571234567890123457"]
    assert landing.manifests[0].rows_rejected == 1 and "15 位" in landing.manifests[2].reason


def test_unfinished_files_are_left_alone(chain: Chain, drop) -> None:
    drop(
        chain.root,
        "pos_main",
        "tickets",
        NIGHT,
        "a.csv.part",
        tickets("S001,T1,sale,2026-11-01 08:00:00,1,,"),
    )
    assert land(chain).manifests == []


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_reason(data: bytes) -> None:
    for prefix in (b"", b"PK\x03\x04", b"PAR1", b"\x1f\x8b", b"{"):
        try:
            table = read_bytes(prefix + data)
        except UnreadableFileError as error:
            assert str(error)
        else:
            assert table.table.num_rows + len(table.broken) == table.rows_read


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(
        st.tuples(
            st.text(max_size=6), st.text(max_size=12), st.sampled_from(["1", "1.005", "x", "", "-3", "9e99"])
        ),
        min_size=1,
        max_size=8,
    )
)
def test_no_row_is_lost_silently(
    tmp_path_factory, chain_dir: Path, cells: list[tuple[str, str, str]]
) -> None:
    import csv

    from dagster_project.config import load_chain

    chain = load_chain(chain_dir)
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["store_code", "ticket_id", "kind", "sold_at", "net"])
    for store, ticket, net in cells:
        writer.writerow([store, ticket, "sale", "2026-11-01 08:00:00", net])
    drop_path = chain_dir / "landing" / "pos_main" / "tickets" / NIGHT / "x.csv"
    drop_path.parent.mkdir(parents=True, exist_ok=True)
    drop_path.write_bytes(buffer.getvalue().encode("utf-8", "surrogatepass"))
    manifest = land(chain).manifests[0]
    if manifest.status == "loaded":
        assert manifest.rows_read == manifest.rows_loaded + manifest.rows_repeated + manifest.rows_rejected
        assert manifest.rows_read == len(cells)


@pytest.mark.parametrize("content", ["", "\n\n", "a,a\n1,2\n"])
def test_files_without_a_usable_header_are_refused(content: str) -> None:
    with pytest.raises(UnreadableFileError):
        read_bytes(content.encode())


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\n1 0 obj", "PDF"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"Rar!\x1a\x07", "RAR"),
        (b"{\\rtf1", "RTF"),
    ],
)
def test_a_file_that_is_no_table_is_named_as_what_it_is(
    chain: Chain, drop, content: bytes, kind: str
) -> None:
    drop(chain.root, "pos_main", "tickets", NIGHT, "a.csv", content)
    [manifest] = land(chain).quarantined
    assert manifest.reason == f"不支持的文件类型（{kind}）。请导出为 xlsx 或 csv"


def test_what_a_reader_finds_unusual_is_said_once_with_the_file(chain: Chain, drop) -> None:
    """All sheets that fit are read, and which; a sheet that does not fit is told: nobody may miss that."""
    book = openpyxl.Workbook()
    for number, sheet in enumerate((book.active, book.create_sheet("十一月")), start=1):
        sheet.append(["sku", "item_name", "category"])
        sheet.append([f"A{number}", "白菜", "叶菜"])
    book.create_sheet("说明").append(["请勿修改"])
    drop(chain.root, "pos_main", "products", NIGHT, "商品.xlsx", saved(book))
    landing = land(chain, name="products")
    assert landing.total("rows_loaded") == 2
    assert len([note for note in landing.notes if "十一月" in note and "商品.xlsx" in note]) == 1
    assert len([note for note in landing.notes if "说明" in note and "商品.xlsx" in note]) == 1


CELLS = {
    "ticket_id": ["T1", "T2", " T3", "T4\u3000", "T5", ""],
    "kind": ["sale", "SALE", "return", "?", ""],
    "sold_at": ["2026-11-01 08:00:00", "2026/11/1 9:00", "2026-11-01T08:00:00+08:00", "2031-01-01 00:00:00", "x"],
    "net": ["1.00", "1", "-0.5", "¥3", "999999999", ""],
    "phone": [PHONE, "139****0001", ""],
    "member_ref": ["M1", " M1", ""],
}  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries({name: st.sampled_from(cells) for name, cells in CELLS.items()}), max_size=12
    ),
    st.booleans(),
)
def test_a_long_file_checked_in_parts_is_the_same_batch(
    chain: Chain, drop, monkeypatch: pytest.MonkeyPatch, lines: list[dict[str, str]], numbered: bool
) -> None:
    """`numbered`: keys differ, so parts are possible; else most files hold repeats."""
    body = [
        ",".join(["S001", line["ticket_id"] + (f"-{number}" if numbered else ""), *list(line.values())[1:]])
        for number, line in enumerate(lines)
    ]
    seen = []
    for part_rows in (300_000, 4):
        monkeypatch.setattr("dagster_project.landing.validate.PART_ROWS", part_rows)
        for folder in (chain.paths.lake, chain.root / "landing"):
            shutil.rmtree(folder, ignore_errors=True)
        drop(chain.root, "pos_main", "tickets", NIGHT, "a.csv", tickets(*body))
        drop(
            chain.root, "pos_main", "tickets", NIGHT, "b.csv", tickets("S001,T9,sale,2026-11-01 08:00:00,1,,")
        )
        landing = land(chain)
        rejects = [
            pq.read_table(chain.paths.lake / manifest.rejects_path).to_pylist()
            for manifest in landing.manifests
            if manifest.rejects_path
        ]
        seen.append((landing.manifests, rows(chain, landing), rejects))
    assert seen[0] == seen[1]
    assert all(m.rows_read == m.rows_loaded + m.rows_repeated + m.rows_rejected for m in seen[0][0])


def test_the_parts_of_a_long_file_are_row_groups_in_file_order(
    chain: Chain, drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dagster_project.landing.validate.PART_ROWS", 4)
    lines = [f"S001,T{number},sale,2026-11-01 08:00:00,1.00,," for number in range(10)]
    drop(chain.root, "pos_main", "tickets", NIGHT, "a.csv", tickets(*lines))
    landing = land(chain)
    path = chain.paths.lake / landing.manifests[0].lake_path
    assert pq.ParquetFile(path).metadata.num_row_groups == 3
    assert [row["ticket_id"] for row in rows(chain, landing)] == [f"T{number}" for number in range(10)]
