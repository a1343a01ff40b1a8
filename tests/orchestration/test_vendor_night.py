"""A night of a chain whose data come from six vendors' systems at once: killed in the middle, run again, searched for phones."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pyarrow.parquet as pq
import pytest

from dagster_project.orchestration.night import run_nights
from dagster_project.presets import load_preset
from dagster_project.sandbox.vendors import make_world, running_vendor

END = date(2026, 11, 20)
NIGHT = END + timedelta(days=2)
APIS = ("pospal", "keruyun", "twodfire", "youzan", "ktt", "weimob")
_PHONE = re.compile(rb"(?<!\d)1[3-9]\d{9}(?!\d)")


@dataclass
class Night:
    """The chain after a kill and a second run, the same chain undisturbed, and every number that any source holds."""

    killed: Path
    calm: Path
    phones: set[str]
    output: str
    left_by_the_kill: int


def siss_dump(phones: list[str]) -> dict[str, tuple[str, bytes]]:
    sales = [
        "flow_no,flow_id,branch_no,oper_date,item_no,item_name,source_price,sale_price,sale_qnty,sale_money,sell_way,card_id"
    ]
    cards = ["card_id,card_no,vip_name,mobile,vip_tel,card_status,now_acc_num,branch_no,oper_date"]
    for n, phone in enumerate(phones):
        sales.append(f"F{n},1,000101,{END} 10:{n:02}:00,A1 ,油麦菜,5.00,4.00,1.500,6.00,A,C{n}")
        cards.append(f"C{n},,张三,{phone},,0,12,000101,{END} 09:00:00")
    found = {}
    for table, lines in (("t_rm_saleflow", sales), ("t_rm_vip_info", cards)):
        name = f"table={table}/dump=2026-11-21 03:00:00&rowcount={len(lines) - 1}.csv.gz"
        found[table] = (name, gzip.compress("\n".join(lines).encode("gb18030"), mtime=0))
    return found


def ktt_export(phones: list[str]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(
        ["跟团号", "下单人", "支付时间", "商品", "订单金额", "订单状态", "收货人", "联系电话", "详细地址"]
    )
    for n, phone in enumerate(phones):
        sheet.append(
            [n, f"邻居{n}", f"{END} 11:{n:02}:00", "菠菜+2", 9.9, "已支付", "李四", phone, f"幸福路{n}号"]
        )
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def make_chain(root: Path, urls: dict[str, dict[str, str]], phones: list[str]) -> None:
    shutil.copytree(str(files("dagster_project").joinpath("templates/chain")), root)
    text = (root / "chain.yml").read_text("utf-8").split("connections:")[0] + "connections:\n"
    text += (
        "  - {name: siss, preset: siss_dump}\n  - {name: ktt_files, preset: ktt_excel, store_code: S001}\n"
    )
    for vendor, settings in urls.items():
        text += f"  - name: {vendor}\n    preset: {vendor}_api\n"
        text += "".join(f"    {key}: {json.dumps(value)}\n" for key, value in settings.items())
    (root / "chain.yml").write_text(text, "utf-8")
    for table, (name, content) in siss_dump(phones).items():
        path = root / "landing" / "siss" / table / NIGHT.isoformat() / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    # a number in a file's name is a number too
    path = root / "landing" / "ktt_files" / "orders" / NIGHT.isoformat() / f"跟团订单{phones[0]}.xlsx"
    path.parent.mkdir(parents=True)
    path.write_bytes(ktt_export(phones))


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    base = tmp_path_factory.mktemp("vendors")
    own = [f"1391234{n:04d}" for n in range(40)]
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINLI_KEY", "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")
        urls: dict[str, dict[str, str]] = {}
        worlds = []
        for vendor in APIS:
            world = make_world(vendor, end=END, per_day=20)
            worlds.append(json.dumps(world, ensure_ascii=False))
            sandbox = stack.enter_context(running_vendor(vendor, world))
            known = load_preset(f"{vendor}_api").settings
            urls[vendor] = {key: value for key, value in sandbox.settings.items() if key in known}
            urls[vendor] |= {"history_days": "4", "calls_per_minute": "6000"}
        urls["youzan"]["decrypt"] = "on"
        make_chain(base / "killed", urls, own)
        script = textwrap.dedent(
            f"""
            import os, signal
            from datetime import date
            from pathlib import Path
            from dagster_project.orchestration.night import run_nights
            seen = []
            def progress(text):
                seen.append(text)
                if len(seen) == 25:
                    os.kill(os.getpid(), signal.SIGKILL)
            night = date.fromisoformat({NIGHT.isoformat()!r})
            run_nights(Path({str(base / "killed")!r}), night, night, progress=progress)
            """
        )
        died = subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ,
            timeout=300,
            check=False,
            capture_output=True,
            text=True,
        )
        assert died.returncode == -signal.SIGKILL, died.stderr[-2000:]
        left = sum(1 for _ in (base / "killed" / "lake").rglob("*.json"))
        told: list[str] = []
        again = run_nights(base / "killed", NIGHT, NIGHT, progress=told.append)
        assert again.success, again.failures
        make_chain(base / "calm", urls, own)
        calm = run_nights(base / "calm", NIGHT, NIGHT)
        assert calm.success, calm.failures
        phones = {match.decode() for match in _PHONE.findall("".join(worlds).encode())} | set(own)
        output = "\n".join([*told, *again.warnings, died.stdout, died.stderr])
        yield Night(base / "killed", base / "calm", phones, output, left)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def test_a_killed_night_publishes_the_same_bytes_as_a_calm_one(night: Night) -> None:
    assert night.left_by_the_kill > 0
    killed, calm = contents(night.killed / "published"), contents(night.calm / "published")
    assert killed.keys() == calm.keys() and len(calm) > 20
    assert [name for name in calm if killed[name] != calm[name]] == []


def published(root: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(root / "warehouse.duckdb"), read_only=True) as warehouse:
        return warehouse.execute(query).fetchall()


def test_every_system_is_in_the_marts_and_every_row_is_accounted_for(night: Night) -> None:
    by_connection = dict(published(night.calm, "select connection, count(*) from marts.orders group by 1"))
    assert set(by_connection) == {*APIS, "siss", "ktt_files"} and min(by_connection.values()) >= 20
    wrong = published(
        night.calm,
        "select connection, feed, file from ops.files where rows_read <> rows_loaded + rows_repeated + rows_rejected",
    )
    assert wrong == []
    assert published(night.calm, "select count(*) from ops.files where status = 'quarantined'") == [(0,)]
    # a decrypted buyer of the one shop and a card of another with one number are one person
    assert published(night.calm, "select count(*) from marts.members")[0][0] > 50


def test_no_plain_phone_is_anywhere_outside_the_vault(night: Night) -> None:
    """Lake, warehouse, Dagster's storage and logs, reports, exports, publications, and what was printed."""
    assert len(night.phones) > 100
    wanted = [number.encode() for number in sorted(night.phones)]
    found: list[str] = []
    searched = 0
    for path in sorted(night.killed.rglob("*")):
        inside = path.relative_to(night.killed).parts
        if not path.is_file() or inside[0] in ("landing", "rules", "vault"):  # rules name the placeholders
            continue
        searched += 1
        if any(number.decode() in str(path) for number in wanted):
            found.append(f"name of {path}")
        texts = [path.read_bytes()]
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            texts = [str(table.column(name).to_pylist()).encode() for name in table.column_names]
        for text in texts:
            found += [
                f"{'/'.join(inside)}: {m.decode()}"
                for m in _PHONE.findall(text)
                if m.decode() in night.phones
            ]
    assert searched > 200
    with duckdb.connect(str(night.killed / "warehouse.duckdb"), read_only=True) as warehouse:
        columns = warehouse.execute(
            "select table_schema, table_name, column_name from information_schema.columns where data_type = 'VARCHAR'"
        ).fetchall()
        assert len(columns) > 300
        for schema, table, column in columns:
            hits = warehouse.execute(
                f"select distinct regexp_extract(\"{column}\", '(^|[^0-9])(1[3-9][0-9]{{9}})([^0-9]|$)', 2)"
                f' from "{schema}"."{table}"'
            ).fetchall()
            found += [f"{schema}.{table}.{column}" for (hit,) in hits if hit in night.phones]
    found += [
        f"printed: {m.decode()}" for m in _PHONE.findall(night.output.encode()) if m.decode() in night.phones
    ]
    assert found == []
