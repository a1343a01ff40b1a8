"""Every API preset against a server that behaves like its vendor: whole nights, faults, and a kill in the middle.

The sandboxes are written from the vendors' documents and never from the clients, so agreement means something.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from dagster_project.config import Chain, load_chain
from dagster_project.landing import FeedLanding, land_windows
from dagster_project.presets import load_client, load_preset
from dagster_project.privacy import ChainKey
from dagster_project.sandbox.vendors import VendorFault, VendorSandbox, make_world, running_vendor
from dagster_project.sources.vendor import Slice

KEY = ChainKey(b"k" * 32)
END = date(2026, 11, 20)
NIGHT = END + timedelta(days=2)  # refunds come up to two days later
VENDORS = ("pospal", "keruyun", "twodfire", "youzan", "ktt", "weimob")
# the feed of a vendor's main rows, its rows in the world, and the field that names one
MAIN = {
    "pospal": ("tickets", "tickets", "uid"),
    "keruyun": ("tickets", "orders", "orderId"),
    "twodfire": ("tickets", "orders", "orderId"),
    "youzan": ("orders", "trades", "tid"),
    "ktt": ("orders", "orders", "order_sn"),
    "weimob": ("orders", "orders", "orderNo"),
}
LINES = {"pospal": "ticket_lines", "keruyun": "ticket_lines", "twodfire": "ticket_lines"}


@contextmanager
def vendor_chain(
    root: Path, vendor: str, *, faults: Iterable[VendorFault] = (), **connection: str
) -> Iterator[tuple[Chain, VendorSandbox]]:
    """A chain whose one connection is the vendor's sandbox; `connection`: further settings of it."""
    with running_vendor(vendor, make_world(vendor, end=END, per_day=15), faults=faults) as sandbox:
        preset = f"{vendor}_api"
        known = load_preset(preset).settings
        settings = {k: v for k, v in sandbox.settings.items() if k in known}
        settings |= {"history_days": "4", "calls_per_minute": "6000"} | connection
        listed = "".join(f"    {key}: {json.dumps(value)}\n" for key, value in settings.items())
        text = (root / "chain.yml").read_text("utf-8").split("connections:")[0]
        (root / "chain.yml").write_text(
            f"{text}connections:\n  - name: shop\n    preset: {preset}\n{listed}", "utf-8"
        )
        yield load_chain(root), sandbox


def pull(chain: Chain, *nights: date) -> dict[str, FeedLanding]:
    source = chain.connection("shop")
    client = load_client(source.definition)
    return land_windows(
        chain,
        source,
        nights or (NIGHT,),
        KEY,
        lambda: client(source.settings, connection="shop", zone=chain.zone, sleep=lambda seconds: None),
    )


def rows(chain: Chain, feed: str) -> list[dict[str, Any]]:
    files = sorted((chain.paths.lake / "shop" / feed).rglob("*.parquet"))
    return [r for f in files if "rejects" not in f.name for r in pq.read_table(f).to_pylist()]


def everything(chain: Chain) -> dict[str, bytes]:
    lake = chain.paths.lake
    return {str(p.relative_to(lake)): p.read_bytes() for p in sorted(lake.rglob("*")) if p.is_file()}


def key_of(vendor: str) -> str:
    return "ticket_id" if MAIN[vendor][0] == "tickets" else "order_id"


def expected_ids(vendor: str, sandbox: VendorSandbox) -> set[str]:
    table, field = MAIN[vendor][1:]

    def find(record: Any) -> str | None:
        if isinstance(record, Mapping):
            if field in record:
                return str(record[field]).strip()
            for value in record.values():
                found = find(value)
                if found:
                    return found
        return None

    return {found for found in map(find, sandbox.world[table]) if found}


def accounted(landings: Mapping[str, FeedLanding]) -> bool:
    return all(
        m.rows_read == m.rows_loaded + m.rows_repeated + m.rows_rejected
        for landing in landings.values()
        for m in landing.manifests
    )


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_row_of_the_vendor_arrives_or_is_named(chain_dir: Path, vendor: str) -> None:
    with vendor_chain(chain_dir, vendor) as (chain, sandbox):
        landings = pull(chain)
        feed = MAIN[vendor][0]
        assert all(landing.complete for landing in landings.values()), landings[feed].notes
        assert accounted(landings)
        got = {row[key_of(vendor)] for row in rows(chain, feed)}
        refused = sum(m.rows_rejected + m.rows_ignored for m in landings[feed].manifests)
        missing = expected_ids(vendor, sandbox) - {name.rsplit("-", 1)[-1] for name in got} - got
        assert got and len(missing) <= refused, (len(missing), refused)
        for landing in landings.values():
            assert landing.total("rows_read") > 0, landing.feed


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_same_vendor_gives_the_same_lake_and_a_second_run_asks_nothing(
    chain_dir: Path, vendor: str, tmp_path: Path
) -> None:
    with vendor_chain(chain_dir, vendor) as (chain, sandbox):
        pull(chain)
        first = everything(chain)
        sandbox.forget_calls()
        pull(chain)
        assert sandbox.calls == [] and everything(chain) == first
        chain.paths.lake.rename(tmp_path / "before")
        pull(chain)
        assert everything(chain) == first


@pytest.mark.parametrize("vendor", VENDORS)
def test_faults_lose_nothing(chain_dir: Path, vendor: str, tmp_path: Path) -> None:
    """Throttling, dead tokens, dropped lines and shifting pages: the lake ends up with the same rows."""
    with vendor_chain(chain_dir, vendor) as (chain, _):
        pull(chain)
        feeds = [feed.name for feed in chain.connection("shop").feeds]
        wanted = {feed: plain(rows(chain, feed)) for feed in feeds}
        chain.paths.lake.rename(tmp_path / "calm")
    kinds = ["throttled", "reset", "server_error", "throttled", "reset"]
    if vendor not in ("pospal", "twodfire", "ktt"):
        kinds.append("token_dies")
    faults = [VendorFault(kind, skip=2 * n) for n, kind in enumerate(kinds)]
    with vendor_chain(chain_dir, vendor, faults=faults, **throttle_setting(vendor)) as (chain, sandbox):
        landings = pull(chain)
        assert sum(call.fault is not None for call in sandbox.calls) >= len(kinds) - 1
        assert accounted(landings)
        if not all(landing.complete for landing in landings.values()):
            landings = pull(chain)  # what could not be read is asked for again by the next run
        assert all(landing.complete for landing in landings.values()), landings[feeds[0]].notes
        assert {feed: plain(rows(chain, feed)) for feed in feeds} == wanted


def throttle_setting(vendor: str) -> dict[str, str]:
    """Where the vendor's throttle code is unknown it is configuration; the sandboxes' own numbers."""
    return {
        "pospal": {"throttle_codes": "1010"},
        "keruyun": {"throttle_codes": "108"},
        "twodfire": {"throttle_codes": "ERR_LIMITED"},
        "weimob": {"throttle_errcodes": "429"},
    }.get(vendor, {})


def plain(found: list[dict[str, Any]]) -> set[str]:
    return {
        json.dumps({k: v for k, v in row.items() if not k.startswith("_")}, sort_keys=True) for row in found
    }


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_error_inside_200_is_never_an_empty_night(chain_dir: Path, vendor: str) -> None:
    for kind in ("unknown_envelope", "html", "business_error"):
        fault = VendorFault(kind, skip=1 if vendor in ("keruyun", "youzan", "weimob") else 0, times=10_000)
        with vendor_chain(chain_dir, vendor, faults=[fault]) as (chain, _):
            landings = pull(chain)
            feed = MAIN[vendor][0]
            assert not landings[feed].complete and landings[feed].notes, kind
            assert rows(chain, feed) == [] and landings[feed].total("rows_read") == 0


@pytest.mark.parametrize("vendor", VENDORS)
def test_never_more_calls_than_configured_in_any_window(chain_dir: Path, vendor: str) -> None:
    """With a clock of its own: as many calls as the setting allows in any sliding minute, never one more."""
    with vendor_chain(chain_dir, vendor, calls_per_minute="5") as (chain, _):
        now = [0.0]
        stamps: list[float] = []
        source = chain.connection("shop")

        def sleep(seconds: float) -> None:
            now[0] += seconds

        class Stamped(httpx.HTTPTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                stamps.append(now[0])
                return super().handle_request(request)

        client = load_client(source.definition)(
            source.settings, connection="shop", zone=chain.zone, transport=Stamped(), sleep=sleep,
            clock=lambda: now[0],
        )  # fmt: skip
        land_windows(chain, source, [END], KEY, lambda: client)
        assert len(stamps) > 5
        busiest = max(sum(start <= other < start + 60 for other in stamps) for start in stamps)
        assert busiest <= 5


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_killed_pull_goes_on_without_asking_again(chain_dir: Path, vendor: str, tmp_path: Path) -> None:
    """SIGKILL between two slices: a real process dies, the next one takes only what is missing."""
    with vendor_chain(chain_dir, vendor) as (chain, sandbox):
        pull(chain)
        wanted = everything(chain)
        chain.paths.lake.rename(tmp_path / "calm")
        asked = len(sandbox.calls)
        sandbox.forget_calls()
        script = textwrap.dedent(
            f"""
            import os, signal, sys
            from datetime import date
            from pathlib import Path
            from dagster_project.config import load_chain
            from dagster_project.landing import land_windows
            from dagster_project.presets import load_client, load_preset
            from dagster_project.privacy import ChainKey
            chain = load_chain(Path({str(chain_dir)!r}))
            source = chain.connection("shop")
            done = []
            def progress(piece):
                done.append(piece)
                if len(done) == 4:
                    os.kill(os.getpid(), signal.SIGKILL)
            land_windows(chain, source, [date.fromisoformat({NIGHT.isoformat()!r})],
                ChainKey(b"k" * 32),
                lambda: load_client(source.definition)(source.settings, connection="shop", zone=chain.zone),
                progress)
            """
        )
        died = subprocess.run([sys.executable, "-c", script], env=os.environ, timeout=120, check=False)
        assert died.returncode == -signal.SIGKILL
        before = everything(chain)
        assert before and set(before) < set(wanted)
        sandbox.forget_calls()
        pull(chain)
        assert everything(chain) == wanted
        assert len(sandbox.calls) < asked


def test_a_slice_has_one_name(chain_dir: Path) -> None:
    """Two slices of a night never share a name, or one would be taken for the other."""
    for vendor in VENDORS:
        with vendor_chain(chain_dir, vendor) as (chain, _):
            source = chain.connection("shop")
            client = load_client(source.definition)(source.settings, connection="shop", zone=chain.zone)
            pieces: list[Slice] = list(client.slices(END, END - timedelta(days=9)))
            monday = list(client.slices(date(2026, 11, 16), date(2026, 11, 1)))
            client.close()
            for night in (pieces, monday):
                assert len({piece.name for piece in night}) == len(night) > 0
