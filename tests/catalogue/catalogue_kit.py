"""Files of every odd kind, and a chain folder to land them in."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msoffcrypto.format.ooxml
import openpyxl
import pyarrow.parquet as pq

from dagster_project.config import Chain, load_chain
from dagster_project.lake.batches import Manifest
from dagster_project.landing import FeedLanding, land_files
from dagster_project.privacy import ChainKey

KEY = ChainKey(b"k" * 32)
NIGHT = date(2026, 11, 20)

# ---- the chain


def make_chain(root: Path, *connections: str, targets: str = "", stores: str = "S001") -> Chain:
    """A chain folder with these connections (YAML flow mappings) and the shipped rules."""
    root.mkdir(parents=True, exist_ok=True)
    listed = "".join(f"  - {{{connection}}}\n" for connection in connections)
    (root / "chain.yml").write_text(
        "chain: {code: cat, name: 目录, timezone: Asia/Shanghai}\n"
        f"connections:\n{listed}" + (f"targets:\n  - {{{targets}}}\n" if targets else ""),
        "utf-8",
    )
    head = (
        "store_code,store_name,lng,lat,opened_on,business_day_cutover,manager_wecom_userid,wecom_department\n"
    )
    (root / "stores.csv").write_text(head + "".join(f"{code},,,,,,,\n" for code in stores.split()), "utf-8")
    return load_chain(root)


def put(chain: Chain, where: str, name: str, content: bytes | str, night: date = NIGHT) -> None:
    """Puts a file into landing/<connection>/<folder>/<night>; `where` is connection/folder."""
    path = chain.paths.landing / where / night.isoformat() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def land(chain: Chain, table: str, *nights: date, connection: int = 0) -> dict[str, FeedLanding]:
    return land_files(chain, chain.connections[connection], table, nights or (NIGHT,), KEY)


def rows_of(chain: Chain, landing: FeedLanding) -> list[dict[str, Any]]:
    """The landed rows of a feed, as the lake has them."""
    return [
        row
        for manifest in landing.manifests
        if manifest.lake_path
        for row in pq.read_table(chain.paths.lake / manifest.lake_path).to_pylist()
    ]


def rejects_of(chain: Chain, landing: FeedLanding) -> list[dict[str, Any]]:
    return [
        row
        for manifest in landing.manifests
        if manifest.rejects_path
        for row in pq.read_table(chain.paths.lake / manifest.rejects_path).to_pylist()
    ]


def only(landing: FeedLanding) -> Manifest:
    [manifest] = landing.manifests
    return manifest


def adds_up(landing: FeedLanding) -> bool:
    """Read = loaded + repeated + rejected, file by file."""
    return all(m.rows_read == m.rows_loaded + m.rows_repeated + m.rows_rejected for m in landing.manifests)


# ---- files


def csv_text(header: str, *rows: Sequence[object] | str) -> str:
    lines = [row if isinstance(row, str) else ",".join(str(cell) for cell in row) for row in rows]
    return "\n".join([header, *lines]) + "\n"


def dump(header: str, *rows: str) -> bytes:
    """A csv.gz as the nightly SQL dumps write it."""
    return gzip.compress(csv_text(header, *rows).encode("utf-8"), mtime=0)


def workbook(*rows: Sequence[object], merged: Iterable[str] = ()) -> bytes:
    """An xlsx with one sheet; `merged` are ranges such as A1:D1."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    for cells in merged:
        sheet.merge_cells(cells)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def locked(content: bytes, password: str) -> bytes:
    """The workbook behind an opening password (ECMA-376 agile encryption)."""
    buffer = io.BytesIO()
    msoffcrypto.format.ooxml.OOXMLFile(io.BytesIO(content)).encrypt(password, buffer)
    return buffer.getvalue()


def old_workbook(rows: Iterable[Sequence[object]]) -> bytes:
    """An .xls (BIFF8): texts as LABEL, numbers as NUMBER records, one sheet, in a compound file."""
    cells = bytearray()
    for row, values in enumerate(rows):
        for column, value in enumerate(values):
            if isinstance(value, str):
                text = value.encode("utf-16-le")
                cells += _record(0x0204, struct.pack("<HHHHB", row, column, 0, len(value), 1) + text)
            elif value is not None:
                cells += _record(0x0203, struct.pack("<HHHd", row, column, 0, float(str(value))))
    name = "Sheet1"
    start = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 1997, 0, 6))
    sheet_entry = struct.pack("<BBB", 0, 0, len(name)) + b"\0" + name.encode("latin-1")
    size = len(start) + 4 + 4 + len(sheet_entry) + 4  # + EOF
    bound = _record(0x0085, struct.pack("<I", size) + sheet_entry)
    end = _record(0x000A, b"")
    sheet = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 1997, 0, 6)) + bytes(cells) + end
    return _compound("Workbook", start + bound + end + sheet)


def _record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def _compound(name: str, stream: bytes) -> bytes:
    """An OLE compound file with one stream (padded so that it needs no mini stream)."""
    sector, free, last, table = 512, 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    stream = stream.ljust(max(4096, -(-len(stream) // sector) * sector), b"\0")
    used = len(stream) // sector
    tables = 1
    while used + 1 + tables > tables * 128:
        tables += 1
    # sectors: the stream, the directory, the allocation tables
    chain = [*range(1, used), last, last, *[table] * tables]
    chain += [free] * (tables * 128 - len(chain))
    first_table = used + 1
    assert tables <= 109
    listed = [*range(first_table, first_table + tables), *[free] * (109 - tables)]
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16)
    header += struct.pack(
        "<HHHHHHIIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 0, 0, tables, used, 0, 4096, last, 0, last, 0
    )
    header += struct.pack("<109I", *listed)
    directory = _entry("Root Entry", 5, 1, last, 0) + _entry(name, 2, free, 0, len(stream))
    directory += _entry("", 0, free, 0, 0) * 2
    return header + stream + directory + struct.pack(f"<{len(chain)}I", *chain)


def _entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    text = (name + "\0").encode("utf-16-le") if name else b""
    free = 0xFFFFFFFF
    packed = text.ljust(64, b"\0") + struct.pack("<HBBIII", len(text), kind, 1, free, free, child)
    return packed + bytes(16 + 4 + 16) + struct.pack("<IQ", start, size)
