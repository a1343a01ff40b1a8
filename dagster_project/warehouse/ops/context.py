"""The night and the chain: run_context, stores, connections."""

from __future__ import annotations

from dagster_project.warehouse.ops.table import (
    BIGINT,
    BOOLEAN,
    DATE,
    INTEGER,
    NUMBER,
    TEXT,
    Night,
    OpsTable,
    Row,
)


def _run_context(night: Night) -> list[Row]:
    chain = night.chain
    return [
        (night.as_of, chain.timezone, chain.cutover_minutes, night.run_seq, night.previous_as_of,
         night.is_refresh, night.stock_on)
    ]  # fmt: skip


def _stores(night: Night) -> list[Row]:
    return [
        (s.store_code, s.store_name, s.lng, s.lat, s.opened_on, s.cutover_minutes, s.manager_wecom_userid,
         s.wecom_department)
        for s in night.chain.stores
    ]  # fmt: skip


TABLES = (
    OpsTable(
        "run_context",
        {"as_of_date": DATE, "timezone": TEXT, "cutover_minutes": INTEGER, "run_seq": BIGINT,
         "previous_as_of": DATE, "is_refresh": BOOLEAN, "stock_on": DATE},
        _run_context,
    ),
    OpsTable(
        "stores",
        {"store_code": TEXT, "store_name": TEXT, "lng": NUMBER, "lat": NUMBER, "opened_on": DATE,
         "cutover_minutes": INTEGER, "manager_wecom_userid": TEXT, "wecom_department": TEXT},
        _stores,
    ),
    OpsTable(
        "connections",
        {"connection": TEXT, "kind": TEXT, "preset": TEXT},
        lambda night: [
            (c.name, c.kind, c.preset) for c in sorted(night.chain.connections, key=lambda c: c.name)
        ],
    ),
)  # fmt: skip
