"""The group-buy clients against the vendors' lookalikes: what goes wrong on the way costs no row and invents none."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dagster_project.presets import load_client, load_preset
from dagster_project.sandbox.vendors.base import VendorFault, VendorSandbox, make_world, running_vendor
from dagster_project.sources.errors import MalformedResponse, SourceError, TokenRejected, VendorError

ZONE = ZoneInfo("Asia/Shanghai")
END = date(2026, 3, 3)
# after the last refund of the world's orders: every row lies in one of the windows
NIGHT, NOW = date(2026, 3, 17), datetime(2026, 3, 18, 2, tzinfo=ZONE)
CREDENTIALS = {
    "youzan": {"client_id": "c", "client_secret": "s", "kdt_id": "9001"},
    "ktt": {"client_id": "c", "client_secret": "s", "access_token": "t"},
    "weimob": {"client_id": "c", "client_secret": "s", "vid": "6016"},
}
TABLES = {
    "youzan": {"trades": "trades", "refunds": "refunds"},
    "ktt": {"orders": "orders", "after_sales": "after_sales"},
    "weimob": {"orders": "orders", "rights": "rights"},
}
IDS = {
    ("youzan", "trades"): ("full_order_info", "order_info", "tid"),
    ("youzan", "refunds"): ("refund_id",),
    ("ktt", "orders"): ("order_sn",),
    ("ktt", "after_sales"): ("after_sales_biz_sn",),
    ("weimob", "orders"): ("orderInfo", "orderBaseInfo", "orderNo"),
    ("weimob", "rights"): ("rightsOrder", "rightsId"),
}
VENDORS = sorted(TABLES)


@pytest.fixture(scope="module")
def worlds() -> dict[str, dict[str, Any]]:
    """One day with several pages of orders, per vendor."""
    return {vendor: make_world(vendor, seed=7, days=1, per_day=230, end=END) for vendor in VENDORS}


def pull(server: VendorSandbox, vendor: str) -> tuple[dict[str, set[str]], list[str]]:
    """Ids by table of everything that changed since the world's day, and the client's notes."""
    preset = load_preset(f"{vendor}_api")
    defaults = {name: setting.default or "" for name, setting in preset.settings.items()}
    settings = defaults | CREDENTIALS[vendor] | {"base_url": server.base_url, "calls_per_minute": "60000"}
    found: dict[str, set[str]] = defaultdict(set)
    client = load_client(preset)(
        settings, connection=vendor, zone=ZONE, now=NOW.timestamp, sleep=lambda seconds: None
    )
    try:
        for piece in client.slices(NIGHT, END):
            for page in client.fetch(piece):
                path = IDS.get((vendor, piece.table), ())
                found[piece.table] |= {id_at(row, path) for row in page if path}
        return found, client.notes
    finally:
        client.close()


def id_at(row: Any, path: tuple[str, ...]) -> str:
    """The text at `path`, also where a key has blanks behind it."""
    for step in path:
        row = next(value for key, value in row.items() if key.strip() == step)
    return str(row)


def expected(vendor: str, world: dict[str, Any]) -> dict[str, set[str]]:
    return {
        table: {id_at(row, IDS[vendor, table]) for row in world[rows]}
        for table, rows in TABLES[vendor].items()
    }


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    "fault",
    [
        None,
        VendorFault("throttled", skip=1),
        VendorFault("reset", skip=1),
        VendorFault("timeout", skip=1, seconds=0.1, after=True),
        VendorFault("server_error", skip=1),
        VendorFault("row_moves", skip=1),
    ],
    ids=lambda fault: fault.kind if fault else "quiet",
)
def test_every_row_arrives(vendor: str, fault: VendorFault | None, worlds: dict[str, Any]) -> None:
    faults = [fault] if fault else []
    with running_vendor(
        vendor, worlds[vendor], settings=CREDENTIALS[vendor], now=NOW, faults=faults
    ) as server:
        found, notes = pull(server, vendor)
        assert {table: found[table] for table in TABLES[vendor]} == expected(vendor, worlds[vendor])
        assert notes == []
        if fault:
            assert any(call.fault for call in server.calls)


@pytest.mark.parametrize("vendor", ["youzan", "weimob"])
def test_a_token_that_dies_early_is_renewed(vendor: str, worlds: dict[str, Any]) -> None:
    with running_vendor(
        vendor,
        worlds[vendor],
        settings=CREDENTIALS[vendor],
        now=NOW,
        faults=[VendorFault("token_dies", skip=2)],
    ) as server:
        found, _ = pull(server, vendor)
        assert {table: found[table] for table in TABLES[vendor]} == expected(vendor, worlds[vendor])


def test_a_dead_token_of_a_leader_is_told_as_nobody_else_can_renew_it(worlds: dict[str, Any]) -> None:
    with (
        running_vendor(
            "ktt",
            worlds["ktt"],
            settings=CREDENTIALS["ktt"],
            now=NOW,
            faults=[VendorFault("token_dies", skip=2)],
        ) as server,
        pytest.raises(TokenRejected),
    ):
        pull(server, "ktt")


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("kind", "error"),
    [("business_error", VendorError), ("html", MalformedResponse), ("unknown_envelope", MalformedResponse)],
)
def test_an_answer_that_is_no_answer_is_never_zero_rows(
    vendor: str, kind: str, error: type[SourceError], worlds: dict[str, Any]
) -> None:
    with (
        running_vendor(
            vendor,
            worlds[vendor],
            settings=CREDENTIALS[vendor],
            now=NOW,
            faults=[VendorFault(kind, skip=1)],
        ) as server,
        pytest.raises(error),
    ):
        pull(server, vendor)


@pytest.mark.parametrize("vendor", VENDORS)
def test_wrong_credentials_are_told(vendor: str, worlds: dict[str, Any]) -> None:
    with (
        running_vendor(
            vendor, worlds[vendor], settings={**CREDENTIALS[vendor], "client_secret": "other"}, now=NOW
        ) as server,
        pytest.raises(VendorError),
    ):
        pull(server, vendor)
