"""Pulls of a vendor's sandbox into a chain of its own, with a clock that moves instead of waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from catalogue_kit import KEY, NIGHT, adds_up, make_chain, rows_of

from dagster_project.config import Chain
from dagster_project.landing import FeedLanding, land_windows
from dagster_project.presets import load_client
from dagster_project.sandbox.vendors import VendorSandbox, make_world, running_vendor
from tests.sources.vendor_stub import Clock

PRESETS = {
    "pospal": "pospal_api",
    "keruyun": "keruyun_api",
    "twodfire": "twodfire_api",
    "youzan": "youzan_api",
    "ktt": "ktt_api",
    "weimob": "weimob_api",
}
# the feed that every vendor fills first
FIRST_FEED = {name: "tickets" if name in ("pospal", "keruyun", "twodfire") else "orders" for name in PRESETS}


@dataclass
class Pull:
    """A sandbox and the chain that pulls it."""

    vendor: str
    sandbox: VendorSandbox
    chain: Chain
    clock: Clock = field(default_factory=Clock)
    landed: dict[str, FeedLanding] = field(default_factory=dict)

    @property
    def world(self) -> Any:
        return self.sandbox.world

    def night(self, *nights: date, name: int = 0) -> dict[str, FeedLanding]:
        connection = self.chain.connections[name]

        def connect() -> Any:
            client = load_client(connection.definition)
            return client(
                connection.settings,
                connection=connection.name,
                zone=self.chain.zone,
                sleep=self.clock.sleep,
                clock=self.clock,
            )

        found = land_windows(self.chain, connection, nights or (NIGHT,), KEY, connect)
        assert all(adds_up(landing) for landing in found.values())
        return found

    def rows(self, landing: FeedLanding) -> list[dict[str, Any]]:
        return rows_of(self.chain, landing)

    def asked(self, api: str) -> list[Any]:
        return [call for call in self.sandbox.calls if api in call.api]


@contextmanager
def pulling(
    vendor: str,
    folder: Path,
    *,
    days: int = 2,
    per_day: int = 12,
    change: Callable[[Any], object] = lambda world: None,
    faults: tuple[Any, ...] = (),
    history_days: int = 1,
    sandbox_settings: dict[str, str] | None = None,
    **settings: str,
) -> Iterator[Pull]:
    """`change` edits the vendor's world before it is served; `settings` are added to the connection."""
    world = make_world(vendor, days=days, per_day=per_day, end=NIGHT)
    change(world)
    with running_vendor(vendor, world, faults=faults, settings=sandbox_settings) as sandbox:
        given = {
            **sandbox.settings,
            "calls_per_minute": "100000",
            "history_days": str(history_days),
            **settings,
        }
        listed = ", ".join(f'{key}: "{value}"' for key, value in given.items())
        chain = make_chain(folder / vendor, f"name: {vendor}, preset: {PRESETS[vendor]}, {listed}")
        yield Pull(vendor, sandbox, chain)


def newest(rows: list[dict[str, Any]], *key: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows by key; of several versions the last."""
    return {tuple(row[name] for name in key): row for row in rows}
