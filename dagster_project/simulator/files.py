"""Writes landing files: one per connection, feed and night, in the mix of formats a real chain sends."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from xml.sax.saxutils import escape

import duckdb

from dagster_project.contracts.feeds import feed as contract_feed
from dagster_project.simulator.settings import GROUP, POS, World

_KINDS = {POS: "pos", GROUP: "groupbuy"}
# What each system exports. Bulk feeds stay plain CSV: it is the fastest to write and the most common.
FORMATS = {
    (POS, "tickets"): "csv",
    (POS, "ticket_lines"): "csv",
    (POS, "tenders"): "csv",
    (POS, "members"): "gb18030",
    (POS, "products"): "xlsx",
    (POS, "stock"): "csv.gz",
    (POS, "staff"): "xlsx",
    (POS, "points"): "csv-bom",
    (POS, "coupon_events"): "csv",
    (GROUP, "orders"): "csv-bom",
    (GROUP, "order_lines"): "csv",
    (GROUP, "refunds"): "csv-bom",
    (GROUP, "complaints"): "gb18030",
    (GROUP, "users"): "parquet",
    (GROUP, "shares"): "jsonl",
    (GROUP, "leaders"): "xlsx",
    (GROUP, "activities"): "jsonl",
    (GROUP, "coupon_events"): "parquet",
}
# Feeds that tell a record again when it changes; a history handed over at once holds each in its newest state.
_TOLD_AGAIN = {
    *("tickets", "products", "staff", "orders", "order_lines", "refunds", "complaints", "users"),
}
_SUFFIX = {"csv-bom": "csv", "gb18030": "csv"}


class Landing:
    """The landing folder under construction; counts rows and remembers who each record is about."""

    def __init__(self, con: duckdb.DuckDBPyConnection, world: World, root: Path) -> None:
        self.con, self.world, self.root = con, world, root
        self.rows: dict[tuple[str, str], int] = {}
        self._truth_parts: list[Path] = []
        # Files are written while the next feed's rows are being made; each feed has a table of its own until then.
        self._pool = ThreadPoolExecutor(2)
        self._writing: list[tuple[str, list[Future[None]]]] = []
        self._emits = 0
        self._waiting: set[tuple[str, str]] = set()
        (root / "truth").mkdir(parents=True, exist_ok=True)

    def emit(
        self,
        connection: str,
        feed: str,
        sql: str,
        *,
        until: int | None = None,
        truth: bool = False,
        order: str = "",
        sort: str | None = None,
    ) -> None:
        """Writes the rows of `sql`, one file per night; rows of nights after `until` wait for a later call.

        Args:
            connection, feed: where they go; the contract's columns are taken by name, absent ones stay out.
            sql: rows with `night` (day number), contract columns and, for `truth`, `person_id` and optionally
                `first` (false for a later version of a record told before).
            until: last night to write now; every night up to it is complete. None: the last night of all.
            order: extra sort terms after night and key, when versions of one key share a night.
            sort: the sort terms after night instead of the key: numbers in a bulk feed are cheaper than its ids.
        """
        spec = contract_feed(_KINDS[connection], feed)
        if self.world.first_night:
            sql = self._handed_over(sql, feed, spec.key)
        waiting = f"waiting_{connection}_{feed}"
        if (connection, feed) in self._waiting:
            sql = f"select * from ({sql}) union all by name select * from {waiting}"
        last = self.world.days - 1 if until is None else until
        terms = sort or ", ".join(spec.key)
        self._emits += 1
        table = f"sorted_{self._emits}"
        self.con.execute(
            f"create table {table} as select * from ({sql}) order by night, {terms}{', ' + order if order else ''}"
        )
        if last < self.world.days - 1:
            self.con.execute(
                f"create or replace table {waiting} as select * from {table} where night > {last}"
            )
            self._waiting.add((connection, feed))
        have = {row[0] for row in self.con.execute(f"describe {table}").fetchall()}
        columns = [column.name for column in spec.columns if column.name in have]
        missing = [column.name for column in spec.columns if column.must and column.name not in have]
        if missing:
            raise AssertionError(f"{connection}.{feed} lacks {missing}")
        nights = self.con.execute(
            f"select night, count(*) from {table} where night <= {last} group by night order by night"
        ).fetchall()
        self.rows[connection, feed] = self.rows.get((connection, feed), 0) + sum(count for _, count in nights)
        form = FORMATS[connection, feed]
        query = f"select {', '.join(columns)} from {table} where night = "
        files = [self._pool.submit(self._write, connection, feed, form, query, night) for night, _ in nights]
        self._writing.append((table, files))
        if truth:
            first = " and first" if "first" in have else ""
            self._note_truth(connection, feed, spec.key, f"{table} where night <= {last}{first}")

    def _handed_over(self, sql: str, feed: str, key: tuple[str, ...]) -> str:
        """The same rows, those of the days before the first landing night moved to it, each record's newest only."""
        arrival = f"greatest(night, {self.world.first_night})::INT"
        if feed not in _TOLD_AGAIN:
            return f"select * replace ({arrival} as night) from ({sql})"
        have = {row[0] for row in self.con.execute(f"describe {sql}").fetchall()}
        same = f"partition by arrival, {', '.join(key)}"
        first = f", bool_or(first) over ({same}) as first" if "first" in have else ""
        return (
            f"select * replace (arrival as night{first}) from (select *, {arrival} as arrival from ({sql})) "
            f"qualify row_number() over ({same} order by night desc{', step desc' if 'step' in have else ''}) = 1"
        )

    def finish(self) -> None:
        """Waits for the files under way and frees their rows."""
        for table, files in self._writing:
            for file in files:
                file.result()
            self.con.execute(f"drop table {table}")
        self._writing.clear()

    def _write(self, connection: str, feed: str, form: str, query: str, night: int) -> None:
        day = self.world.night(night)
        folder = self.root / "landing" / connection / feed / day.isoformat()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{feed}_{day:%Y%m%d}.{_SUFFIX.get(form, form)}"
        with self.con.cursor() as cursor:
            _WRITERS[form](cursor, f"{query}{night}", path)
        if (
            self._chance(connection, feed, night) < self.world.rates.file_repeated
            and night + 1 < self.world.days
        ):
            again = self.root / "landing" / connection / feed / self.world.night(night + 1).isoformat()
            again.mkdir(parents=True, exist_ok=True)
            (again / f"resent_{path.name}").write_bytes(path.read_bytes())

    def _chance(self, connection: str, feed: str, night: int) -> float:
        return zlib.crc32(f"{connection}|{feed}|{night}|{self.world.seed}".encode()) / 2**32

    def _note_truth(self, connection: str, feed: str, key: tuple[str, ...], rows: str) -> None:
        part = self.root / "truth" / f".part{len(self._truth_parts):05d}"
        record_id = " || '|' || ".join(key)
        self.con.execute(
            f"copy (select '{connection}', '{feed}', {record_id}, person_id from {rows}) "
            f"to '{part}' (format csv, header false)"
        )
        self._truth_parts.append(part)

    def note_records(self, connection: str, feed: str, sql: str) -> None:
        """Truth of records that reach us by API: `sql` gives record_id, person_id."""
        part = self.root / "truth" / f".part{len(self._truth_parts):05d}"
        self.con.execute(
            f"copy (select '{connection}', '{feed}', record_id, person_id from ({sql}) order by record_id) "
            f"to '{part}' (format csv, header false)"
        )
        self._truth_parts.append(part)

    def close_truth(self) -> None:
        """Waits for all files and joins the parts of the truth into truth/records.csv."""
        self.finish()
        self._pool.shutdown()
        with (self.root / "truth" / "records.csv").open("wb") as out:
            out.write(b"connection,feed,record_id,person_id\n")
            for part in self._truth_parts:
                out.write(part.read_bytes())
                part.unlink()


def _csv(cursor: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    cursor.execute(f"copy ({query}) to '{path}' (format csv, header true)")


def _csv_bom(cursor: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    _csv(cursor, query, path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


def _gb18030(cursor: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    _csv(cursor, query, path)
    path.write_bytes(path.read_text("utf-8").encode("gb18030"))


def _csv_gz(cursor: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    cursor.execute(f"copy ({query}) to '{path}' (format csv, header true, compression gzip)")


def _jsonl(cursor: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    cursor.execute(f"copy (select columns(*)::VARCHAR from ({query})) to '{path}' (format json)")


def _parquet(cursor: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    cursor.execute(
        f"copy (select columns(*)::VARCHAR from ({query})) to '{path}' (format parquet, compression zstd)"
    )


def _xlsx(cursor: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    result = cursor.execute(f"select columns(*)::VARCHAR from ({query})")
    write_workbook(path, [[column[0] for column in result.description], *result.fetchall()])


_WRITERS: dict[str, Callable[[duckdb.DuckDBPyConnection, str, Path], None]] = {
    "csv": _csv,
    "csv-bom": _csv_bom,
    "gb18030": _gb18030,
    "csv.gz": _csv_gz,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "xlsx": _xlsx,
}

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_FORMATS = "http://schemas.openxmlformats.org"
_MAIN = f"{_FORMATS}/spreadsheetml/2006/main"
_RELATIONS = f"{_FORMATS}/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": f'{_HEAD}<Types xmlns="{_FORMATS}/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/></Types>',
    "_rels/.rels": f'{_HEAD}<Relationships xmlns="{_FORMATS}/package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}">'
    '<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'{_HEAD}<Relationships xmlns="{_FORMATS}/package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}


def write_workbook(path: Path, rows: list[list[str | None] | tuple[str | None, ...]]) -> None:
    """A one-sheet XLSX of text cells. Fixed dates inside the archive keep the bytes the same every time."""
    sheet = io.StringIO()
    sheet.write(f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>')
    for number, row in enumerate(rows, 1):
        sheet.write(f'<row r="{number}">')
        for index, value in enumerate(row):
            if value is not None and value != "":
                text = escape(_UNPRINTABLE.sub("", value))
                sheet.write(
                    f'<c r="{_column_letters(index)}{number}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
                )
        sheet.write("</row>")
    sheet.write("</sheetData></worksheet>")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {**_PARTS, "xl/worksheets/sheet1.xml": sheet.getvalue()}.items():
            info = zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text)


def _column_letters(index: int) -> str:
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
