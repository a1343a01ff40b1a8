"""How fast a big day lands, beside DuckDB's bare copy of the same file and dlt's load of it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.benchmarks.process import answer, clocked, run_alone
from dagster_project.config import Chain, load_chain
from dagster_project.landing import land_files
from dagster_project.privacy import ChainKey

NIGHT = date(2026, 11, 21)
KNOWN_SHARE = 97  # percent of a day's members whose number the vault already has
_KEY = ChainKey(b"b" * 32)


@dataclass
class Timing:
    """Seconds of one way to take the file in; `rows` as counted by that way."""

    name: str
    seconds: float
    rows: int
    peak_mb: int = 0


def write_day(path: Path, rows: int) -> int:
    """Writes a day of `rows` tickets as UTF-8 CSV, about 100 bytes a row; returns the bytes.

    Three rows in five carry a member and a phone; a member's number stands on about seven rows, as it does where a
    till exports by line.
    """
    with duckdb.connect() as connection:
        connection.execute(
            f"""copy (
                select printf('S%03d', i % 500) as store_code, printf('T20261121%07d', i) as ticket_id, 'sale' as kind,
                    (timestamp '2026-11-21 06:00:00' + to_seconds((i * 7919) % 57600))::varchar as sold_at,
                    (hash(i) % 20000 / 100)::decimal(10, 2) as gross, (hash(i + 1) % 200 / 100)::decimal(10, 2) as discount,
                    (hash(i) % 19000 / 100)::decimal(10, 2) as net,
                    case when hash(i + 2) % 10 < 6 then printf('M%08d', hash(i + 3) % {max(rows // 12, 1)}) end as member_ref,
                    case when hash(i + 2) % 10 < 6 then printf('139%08d', (hash(i + 3) % {max(rows // 12, 1)}) * 7 + 1) end as phone,
                    printf('C%04d', hash(i) % 3000) as cashier_id,
                    (timestamp '2026-11-21 06:00:00' + to_seconds((i * 7919) % 57600))::varchar as updated_at
                from range({rows}) t(i)
            ) to '{path}' (header)"""
        )
    return path.stat().st_size


def measure(folder: Path, rows: int, say: Callable[[str], None], *, with_dlt: bool = True) -> list[Timing]:
    """Times every way on one file, one after the other, each in a process of its own.

    Ways: DuckDB's bare copy to Parquet, of text and with guessed types; landing of a day whose members are known, of
    the same file in GB18030, and of a first day; dlt by its documented CSV source and with Arrow tables, when it is
    installed.
    """
    source = folder / "utf8.csv"
    size = write_day(source, rows)
    (folder / "gb18030.csv").write_bytes(source.read_text("utf-8").encode("gb18030"))
    say(f"{rows:,} × {size / rows:.0f} B = {size / 1e6:.0f} MB")
    ways = ["bare", "bare-typed", "known", "gb18030", "new"] + (
        ["dlt", "dlt-arrow"] if with_dlt and find_spec("dlt") else []
    )
    timings = []
    for way in ways:
        best = min(
            (_in_process(way, folder) for _ in range(1 if way.startswith("dlt") else 3)),
            key=lambda t: t.seconds,
        )
        say(f"{way}: {best.seconds:.2f} s")
        timings.append(best)
    return timings


def _in_process(way: str, folder: Path) -> Timing:
    return Timing(**run_alone(__name__, way, str(folder), environment={"RUNTIME__DLTHUB_TELEMETRY": "false"}))


def _run(way: str, folder: Path) -> Timing:
    """One way, timed without start-up and imports."""
    ways: dict[str, Callable[[Path], Callable[[], int]]] = {
        "bare": _bare, "bare-typed": _bare_typed, "dlt": _dlt, "dlt-arrow": _dlt_arrow,
    }  # fmt: skip
    prepare = ways.get(way) or _landing(way)
    rows, seconds, peak_mb = clocked(prepare(folder))
    return Timing(way, seconds, rows, peak_mb)


def _bare(folder: Path, options: str = ", all_varchar = true") -> Callable[[], int]:
    """The raw layer's own shape: text in, text out, compressed as the lake is."""
    connection = duckdb.connect()
    connection.execute("set threads = 2")

    def take() -> int:
        copied = connection.execute(
            f"copy (select * from read_csv('{folder / 'utf8.csv'}'{options})) to '{folder / 'bare.parquet'}'"
            " (format parquet, compression zstd)"
        ).fetchall()
        return int(copied[0][0])

    return take


def _bare_typed(folder: Path) -> Callable[[], int]:
    return _bare(folder, "")


def _landing(way: str) -> Callable[[Path], Callable[[], int]]:
    def prepare(folder: Path) -> Callable[[], int]:
        chain = _chain(folder / f"chain-{way}", folder / ("gb18030.csv" if way == "gb18030" else "utf8.csv"))
        if way != "new":
            _fill_vault(chain, folder)
        source = chain.connection("pos_main")
        land_files(chain, source, "products", [NIGHT], _KEY)  # first use of the libraries is no part of a day

        def take() -> int:
            landing = land_files(chain, source, "tickets", [NIGHT], _KEY)["tickets"]
            return landing.total("rows_loaded")

        return take

    return prepare


def _chain(root: Path, source: Path) -> Chain:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(str(files("dagster_project").joinpath("templates/chain")), root)
    for feed, content in (("tickets", source), ("products", None)):
        target = root / "landing" / "pos_main" / feed / NIGHT.isoformat() / "day.csv"
        target.parent.mkdir(parents=True)
        if content is None:
            target.write_text("sku,item_name,category\nA,B,C\n", "utf-8")
        else:
            target.hardlink_to(content)
    return load_chain(root, resolve_secrets=False)


def _fill_vault(chain: Chain, folder: Path) -> None:
    """The numbers of most of the day's members, as the days before would have left them."""
    from dagster_project.privacy import Vault

    with duckdb.connect() as connection:
        numbers = connection.execute(
            "select distinct '+86' || phone from read_csv(?, all_varchar = true)"
            f" where phone is not null and hash(phone) % 100 < {KNOWN_SHARE} order by 1",
            [str(folder / "utf8.csv")],
        ).fetchall()
    known = [number for (number,) in numbers]
    Vault(chain.paths.vault, _KEY).put(dict(zip(_KEY.token_maker().many(known), known, strict=True)))


def _dlt(folder: Path) -> Callable[[], int]:
    from dlt.sources.filesystem import filesystem, read_csv

    def source(dlt: Any) -> Any:
        return (filesystem(bucket_url=folder.as_uri(), file_glob="utf8.csv") | read_csv()).with_name(
            "tickets"
        )

    return _dlt_pipeline(folder, "rows", source)


def _dlt_arrow(folder: Path) -> Callable[[], int]:
    import pyarrow.csv

    def source(dlt: Any) -> Any:
        return dlt.resource(lambda: iter([pyarrow.csv.read_csv(folder / "utf8.csv")]), name="tickets")

    return _dlt_pipeline(folder, "arrow", source)


def _dlt_pipeline(folder: Path, name: str, source: Callable[[Any], Any]) -> Callable[[], int]:
    import dlt

    target = folder / f"dlt-{name}.duckdb"
    target.unlink(missing_ok=True)
    home = folder / f"dlt-{name}"
    shutil.rmtree(home, ignore_errors=True)
    pipeline = dlt.pipeline(
        f"bench_{name}",
        destination=dlt.destinations.duckdb(str(target)),
        dataset_name="bench",
        pipelines_dir=str(home),
    )

    def take() -> int:
        pipeline.run(source(dlt), write_disposition="replace")
        with duckdb.connect(str(target), read_only=True) as connection:
            return int(connection.execute("select count(*) from bench.tickets").fetchall()[0][0])

    return take


if __name__ == "__main__":
    answer(asdict(_run(sys.argv[1], Path(sys.argv[2]))))
