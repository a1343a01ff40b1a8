"""Plain numbers in the places where nobody looks for them: ids, headers, reasons, and odd spellings."""

from __future__ import annotations

import json
import zipfile
from datetime import date
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.config import Chain
from dagster_project.contracts import feed, feeds_of, kinds
from dagster_project.landing import FeedLanding, land_files
from dagster_project.landing.door import DoorResult, pass_door, shown_headers
from dagster_project.landing.feed import TableLanding, new_manifest
from dagster_project.landing.readers import UnreadableFileError
from dagster_project.privacy import ChainKey, Vault

KEY = ChainKey(b"k" * 32)
TOKEN = KEY.token_maker()
NIGHT = "2026-11-01"
PHONE = "13912345614"
OTHER = "13955555614"  # the same mask


def land(chain: Chain, name: str = "tickets") -> FeedLanding:
    source = next(c for c in chain.connections if c.kind == "pos")
    return land_files(chain, source, name, [date.fromisoformat(NIGHT)], KEY)[name]


def passed(kind: str, name: str, **columns: list[str | None]) -> DoorResult:
    count = len(next(iter(columns.values())))
    numbered = {column: pa.array(cells, pa.string()) for column, cells in columns.items()}
    return pass_door(
        pa.table(numbered | {"_row_no": pa.array(range(count), pa.int64())}), feed(kind, name), KEY
    )


def archive(name: str) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr(name, b"store_code,ticket_id\n" * 9)
    return buffer.getvalue()


def damaged(name: str) -> bytes:
    """The member's own header names another file than the directory: the zip reader's error quotes both."""
    encoded = name.encode()
    return archive(name).replace(encoded, encoded.replace(b"14.csv", b"15.csv"), 1)


def locked_in_the_directory(name: str) -> bytes:
    """The flag of the directory says locked; the content is not, so any password is wrong."""
    data = bytearray(archive(name))
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize("make", [damaged, locked_in_the_directory])
@pytest.mark.parametrize("password", [None, "secret"])
def test_a_bad_archive_is_refused_without_the_names_in_it(
    chain: Chain, drop, make, password: str | None
) -> None:
    if password:
        next(c for c in chain.connections if c.kind == "pos").settings["file_password"] = password
    drop(chain.root, "pos_main", "tickets", NIGHT, "a.zip", make(f"客户{PHONE}.csv"))
    manifest = land(chain).manifests[0]
    assert manifest.status == "quarantined" and "压缩包" in manifest.reason
    assert "客户" not in manifest.reason and PHONE not in manifest.reason


def test_a_reason_is_masked_whoever_gives_it(chain: Chain) -> None:
    source = next(c for c in chain.connections if c.kind == "pos")
    blank = new_manifest(source, feed("pos", "tickets"), date.fromisoformat(NIGHT), "api/a", "0" * 64)
    landing = TableLanding(chain, feed("pos", "tickets"), KEY)

    def read():
        raise UnreadableFileError(f"列 {PHONE} 不对")

    landing.add(blank, read)
    landing.write_after(blank.__class__(**{**blank.__dict__, "reason": f"同 {PHONE}"}))
    refused, repeated = landing.flush()
    assert (refused.reason, repeated.reason) == ("列 139****5614 不对", "同 139****5614")
    written = "".join(path.read_text("utf-8") for path in chain.paths.lake.rglob("*.json"))
    assert "139****5614" in written and PHONE not in written


def test_headers_with_numbers_are_masked_and_stay_apart(chain: Chain, drop) -> None:
    text = (
        f"store_code,ticket_id,kind,sold_at,net,自定义{PHONE},自定义{OTHER},备注\n"
        "S001,T1,sale,2026-11-01 08:00:00,1,a,b,c\n"
    )
    drop(chain.root, "pos_main", "tickets", NIGHT, "a.csv", text)
    manifest = land(chain).manifests[0]
    assert manifest.extra_columns == ("备注", "自定义139****5614", "自定义139****5614 (2)")
    row = pq.read_table(chain.paths.lake / manifest.lake_path).to_pylist()[0]
    assert json.loads(row["_extra"]) == {
        "备注": "c",
        "自定义139****5614": "a",
        "自定义139****5614 (2)": "b",
    }
    stored = b"".join(p.read_bytes() for p in Path(chain.paths.lake).rglob("*") if p.is_file())
    assert PHONE.encode() not in stored and OTHER.encode() not in stored


def test_a_header_that_looks_like_a_mask_keeps_its_own_name() -> None:
    assert shown_headers([f"x{PHONE}", "x139****5614"]) == {
        "x139****5614": "x139****5614",
        f"x{PHONE}": "x139****5614 (2)",
    }


IDS = [
    (kind, feed_.name, column.name)
    for kind in kinds()
    for feed_ in feeds_of(kind)
    for column in feed_.columns
    if column.type in ("id", "ref")
]


@pytest.mark.parametrize(("kind", "name", "column"), IDS)
def test_every_id_that_is_a_number_becomes_its_token(kind: str, name: str, column: str) -> None:
    cells = [PHONE, f"+86 {PHONE}", "139-1234-5614", "14912345678", "A1", None, "6901234567892"]
    result = passed(kind, name, **{column: cells})
    tel = f"tel-{TOKEN('+86' + PHONE)}"
    num = f"num-{TOKEN('+8614912345678')}"
    assert result.table[column].to_pylist() == [tel, tel, tel, num, "A1", None, "6901234567892"]
    assert result.numbers == {tel[4:]: "+86" + PHONE, num[4:]: "+8614912345678"}


def test_a_number_inside_an_id_is_hidden_and_two_of_them_stay_two(chain: Chain) -> None:
    cells = [f"代收配送 {PHONE}", f"代收配送 {OTHER}", f"代收配送 {PHONE}", f"{PHONE}-123", f"VIP{PHONE}"]
    hidden = passed("pos", "ticket_lines", sku=cells).table["sku"].to_pylist()
    first, second = (f"代收配送 num-{TOKEN('+86' + number)}" for number in (PHONE, OTHER))
    token = TOKEN("+86" + PHONE)
    assert hidden == [first, second, first, f"num-{token}-123", f"VIPnum-{token}"]
    result = passed("pos", "ticket_lines", sku=cells)
    Vault(chain.paths.vault, KEY).put(result.numbers)
    assert Vault(chain.paths.vault, KEY).reveal([token]) == {token: "+86" + PHONE}


def test_barcodes_and_long_ids_are_left_alone() -> None:
    cells = ["016000275270", "2026112013912345614", "S001-20261101-000123", "1791234567890123456"]
    assert passed("pos", "ticket_lines", sku=cells).table["sku"].to_pylist() == cells
    # a card is another matter: a leading 0 is how some tills write a long-distance mobile number
    assert passed("pos", "members", member_ref=["0" + PHONE]).table["member_ref"].to_pylist() == [
        f"tel-{TOKEN('+86' + PHONE)}"
    ]


def test_what_becomes_of_an_id_does_not_depend_on_its_neighbours() -> None:
    abroad = "+85251234567"
    alone = passed("pos", "members", member_ref=[abroad]).table["member_ref"].to_pylist()
    beside = passed("pos", "members", member_ref=[abroad, PHONE]).table["member_ref"].to_pylist()
    assert alone == beside[:1] == [f"tel-{TOKEN(abroad)}"]


def test_free_text_is_masked_in_odd_spellings_too() -> None:
    cells = ["致电 139.1234.5614", "139—1234—5614", "1-391-234-5614", "取货 2026-11-20 13:51:22 123"]
    assert passed("pos", "ticket_lines", item_name=cells).table["item_name"].to_pylist() == [
        "致电 139****5614", "139****5614", "139****5614", cells[3],
    ]  # fmt: skip


WITH_NAMES = [
    ("pos", "members", "member_ref,name", "M1,{}"),
    ("pos", "staff", "staff_id,store_code,name", "E1,S001,{}"),
    ("groupbuy", "leaders", "leader_id,name", "L1,{}"),
    (
        "groupbuy",
        "orders",
        "order_id,created_at,status,order_amount,receiver_name",
        "O1,2026-11-01 08:00:00,paid,1,{}",
    ),
]


@pytest.mark.parametrize(("kind", "name", "head", "line"), WITH_NAMES)
@pytest.mark.parametrize(
    "written", ["王小明", "王小明 先生", "王小明（302室）", "王女士", "王*明", "Li Xiaoming"]
)
def test_no_name_is_in_the_lake_nor_in_the_vault(
    chain: Chain, drop, kind: str, name: str, head: str, line: str, written: str
) -> None:
    """Good rows, rejected ones (the second has no key), manifests and the vault."""
    source = next(c for c in chain.connections if c.kind == kind)
    rejected = line.format(written).split(",", 1)[1]
    drop(chain.root, source.name, name, NIGHT, "a.csv", f"{head}\n{line.format(written)}\n,{rejected}\n")
    landing = land_files(chain, source, name, [date.fromisoformat(NIGHT)], KEY)[name]
    assert (landing.total("rows_loaded"), landing.total("rows_rejected")) == (1, 1)
    stored = [
        path for root in (chain.paths.lake, chain.paths.vault) for path in root.rglob("*") if path.is_file()
    ]
    for path in stored:
        text = (
            repr(pq.read_table(path).to_pydict()).encode() if path.suffix == ".parquet" else path.read_bytes()
        )
        for part in (written, "小明", "Xiaoming", "xiaoming", "女士", "302"):
            assert part.encode() not in text, path
