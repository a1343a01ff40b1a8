"""No plain phone or name outside landing and vault: not in a table, a file, a page, a log, nor on the screen."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from pathlib import Path

import duckdb
import pytest

from tests.acceptance import readers
from tests.acceptance.scenarios import Lab
from tests.acceptance.world import World

_SEPARATORS = re.compile(rb"(?<=\d)[ \-](?=\d)")


def _leaks(data: bytes, phones: set[bytes]) -> set[str]:
    """Phones of the world standing in these bytes, also with blanks or dashes inside."""
    found = set()
    for text in (data, _SEPARATORS.sub(b"", data)):
        for match in re.finditer(rb"1[3-9]\d{9}", text):
            if match[0] in phones:
                found.add(match[0].decode())
        # a number right behind other digits (+86…) is still the number
        for match in re.finditer(rb"86(1[3-9]\d{9})", text):
            if match[1] in phones:
                found.add(match[1].decode())
    return found


def _inside(path: Path) -> bytes:
    """What the file says, unpacked when it is a workbook or Parquet."""
    if path.suffix == ".parquet":
        with duckdb.connect() as connection:
            rows = connection.execute(f"select * from read_parquet('{path}')").fetchall()
        return "\n".join(repr(row) for row in rows).encode()
    raw = path.read_bytes()
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(io.BytesIO(raw)) as book:
            return b"\n".join(book.read(name) for name in book.namelist())
    return raw


def _scan(root: Path, world: World, skip: set[str]) -> dict[str, list[str]]:
    phones = {p.encode() for p in world.phones}
    out = {}
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if relative.parts[0] in skip or not path.is_file() or path.is_symlink():
            continue
        if found := _leaks(_inside(path) + str(relative).encode(), phones) - {world.marks["file_name_phone"]}:
            out[str(relative)] = sorted(found)[:3]
    return out


@pytest.mark.job("main")
@pytest.mark.parametrize("place", ["lake", "published", "reports", "exports", ".dagster"])
def test_no_phone_in(place: str, lab: Lab, world: World) -> None:
    root = lab.job("main")["root"]
    assert (root / place).exists()
    assert _scan(root / place, world, set()) == {}


def _written_names(world: World) -> re.Pattern[bytes]:
    names = {
        str(row[column])
        for delivery in world.deliveries
        for row in delivery.rows
        for column in ("name", "receiver_name")
        if row.get(column)
    }
    remarks = {contact["remark"].split()[0] for contact in world.wecom["contacts"]}
    assert len(names) > 10 and len(remarks) > 1
    # the longest first, that a match shows all of the name
    return re.compile("|".join(map(re.escape, sorted(names | remarks, reverse=True))).encode())


@pytest.mark.job("main")
@pytest.mark.parametrize("place", ["lake", "published", "reports", "exports", ".dagster"])
def test_no_name_in(place: str, lab: Lab, world: World) -> None:
    root, names = lab.job("main")["root"] / place, _written_names(world)
    found = {
        str(path.relative_to(root)): match[0].decode()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink() and (match := names.search(_inside(path)))
    }
    assert found == {}


@pytest.mark.job("main")
def test_no_name_in_the_warehouse_nor_on_the_screen(lab: Lab, world: World) -> None:
    root, names = lab.job("main")["root"], _written_names(world)
    assert names.search("\n".join(lab.output).encode()) is None
    with duckdb.connect(str(root / "warehouse.duckdb"), read_only=True) as connection:
        tables = connection.execute(
            "select table_schema, table_name from information_schema.tables where table_catalog = 'warehouse'"
        ).fetchall()
        found = {
            f"{schema}.{name}": match[0].decode()
            for schema, name in tables
            if (
                match := names.search(
                    repr(connection.execute(f'select * from "{schema}"."{name}"').fetchall()).encode()
                )
            )
        }
    assert found == {}


@pytest.mark.job("pushed")
def test_no_phone_anywhere_after_a_push(lab: Lab, world: World) -> None:
    assert _scan(lab.job("pushed").root, world, {"landing", "vault", "lake", "published"}) == {}


@pytest.mark.job("pushed")
def test_no_phone_reached_wecom(lab: Lab, world: World) -> None:
    text = repr(lab.job("pushed").stub.calls).encode()
    assert _leaks(text, {p.encode() for p in world.phones}) == set()


@pytest.mark.job("main")
def test_no_phone_in_the_warehouse(lab: Lab, world: World) -> None:
    phones = {p.encode() for p in world.phones} - {world.marks["file_name_phone"].encode()}
    found = {}
    with duckdb.connect(str(lab.job("main")["root"] / "warehouse.duckdb"), read_only=True) as connection:
        tables = connection.execute(
            "select table_schema, table_name from information_schema.tables where table_catalog = 'warehouse'"
        ).fetchall()
        assert len(tables) > 40
        for schema, name in tables:
            rows = connection.execute(f'select * from "{schema}"."{name}"').fetchall()
            if leaks := _leaks("\n".join(repr(row) for row in rows).encode(), phones):
                found[f"{schema}.{name}"] = sorted(leaks)[:3]
    assert found == {}


@pytest.mark.job("main")
def test_no_phone_on_the_screen(lab: Lab, world: World) -> None:
    lab.job("main")
    phones = {p.encode() for p in world.phones} - {world.marks["file_name_phone"].encode()}
    assert _leaks("\n".join(lab.output).encode(), phones) == set()


@pytest.mark.job("main")
def test_a_phone_in_a_file_name_stays_out_too(lab: Lab, world: World) -> None:
    root = lab.job("main")["root"]
    phone = {world.marks["file_name_phone"].encode()}
    places = [
        str(path.relative_to(root)) for path in root.rglob("*")
        if path.is_file() and path.relative_to(root).parts[0] not in ("landing", "vault")
        and _leaks(_inside(path) + str(path.relative_to(root)).encode(), phone)
    ]  # fmt: skip
    assert places == []


@pytest.mark.job("main")
def test_tokens_are_keyed(current: Path, world: World) -> None:
    """A token nobody can make without the key: no plain digest of the number."""
    digests = {
        maker(text.encode()).hexdigest()
        for phone in world.phones
        for text in (phone, f"+86{phone}", f"86{phone}")
        for maker in (hashlib.sha256, hashlib.sha1, hashlib.md5)
    }
    tokens = [r["identifier"] for r in readers.rows(current, "member_identifiers", "namespace = 'phone'")]
    assert tokens
    assert [t for t in tokens if any(t.lower() in d or d in t.lower() for d in digests)] == []


@pytest.mark.job("main")
def test_members_show_masks_only(current: Path) -> None:
    masks = {r["phone_masked"] for r in readers.rows(current, "members", "phone_masked is not null")}
    assert masks and all(re.fullmatch(r"1\d\d\*{4}\d{4}", mask) for mask in masks)


@pytest.mark.job("main")
def test_the_vault_is_encrypted(lab: Lab, world: World) -> None:
    vault = lab.job("main")["root"] / "vault"
    phones = {p.encode() for p in world.phones}
    assert {
        str(p): _leaks(_inside(p), phones)
        for p in vault.rglob("*")
        if p.is_file() and _leaks(_inside(p), phones)
    } == {}
