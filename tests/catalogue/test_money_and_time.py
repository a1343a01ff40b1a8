"""Cases 24 and 25 of the catalogue: units of money and kinds of time, checked at the door."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalogue_kit import adds_up, csv_text, land, make_chain, only, put, rejects_of, rows_of

from dagster_project.config import Chain


@pytest.fixture
def till(tmp_path: Path) -> Chain:
    return make_chain(tmp_path / "chain", "name: till, preset: standard_pos")


# ---- 24, 25: units and times


def test_case_24_fen_where_yuan_is_declared_is_noticed(till: Chain) -> None:
    head = "store_code,ticket_id,kind,sold_at,gross,net"
    sales = [(f"T{n}", f"{10 + n}.50") for n in range(8)]
    row = "S001,{},sale,2026-11-20 10:00:00,{},{}"
    put(till, "till/tickets", "a.csv", csv_text(head, *(row.format(t, yuan, yuan) for t, yuan in sales)))
    put(
        till,
        "till/tickets",
        "b.csv",
        csv_text(head, *(row.format(t, yuan, yuan.replace(".", "")) for t, yuan in sales)),
    )
    put(
        till,
        "till/tickets",
        "c.csv",
        csv_text(head, *(row.format(t, yuan, float(yuan) / 100) for t, yuan in sales)),
    )
    landing = land(till, "tickets")["tickets"]
    assert [m.status for m in landing.manifests] == ["loaded", "quarantined", "quarantined"]
    for manifest in landing.manifests[1:]:
        assert "100" in manifest.reason and "net" in manifest.reason and "gross" in manifest.reason
    assert [row["net"] for row in rows_of(till, landing)] == [yuan for _, yuan in sales]


def test_case_24_lines_are_measured_by_price_and_quantity(till: Chain) -> None:
    head = "store_code,ticket_id,line_no,sku,qty,price,amount"
    put(
        till, "till/ticket_lines", "a.csv", csv_text(head, *(f"S001,T1,{n},A,0.5,8.00,400" for n in range(6)))
    )
    manifest = only(land(till, "ticket_lines")["ticket_lines"])
    assert manifest.status == "quarantined" and "amount" in manifest.reason and "price" in manifest.reason


@pytest.mark.parametrize(
    "moment",
    [
        "2014-12-31 23:59:59",
        "1970-01-21 16:00:00",
        "2026-11-22 00:00:01",
        "2056-01-01 00:00:00",
        "1700000000",
    ],
)
def test_case_25_a_time_out_of_range_rejects_its_row_visibly(till: Chain, moment: str) -> None:
    head = "store_code,ticket_id,kind,sold_at,net"
    put(
        till,
        "till/tickets",
        "a.csv",
        csv_text(head, f"S001,T1,sale,{moment},1", "S001,T2,sale,2026-11-20 10:00:00,1"),
    )
    landing = land(till, "tickets")["tickets"]
    assert [row["ticket_id"] for row in rows_of(till, landing)] == ["T2"] and adds_up(landing)
    [reject] = rejects_of(till, landing)
    assert (reject["column_name"], reject["rule"], reject["action"], reject["row_no"]) == (
        "sold_at",
        "not_time",
        "row_rejected",
        2,
    )
    assert moment not in reject.values()


@pytest.mark.parametrize("moment", ["2015-01-01 00:00:00", "2026-11-21 23:59:59"])
def test_case_25_the_range_is_2015_to_tomorrow(till: Chain, moment: str) -> None:
    put(
        till,
        "till/tickets",
        "a.csv",
        csv_text("store_code,ticket_id,kind,sold_at,net", f"S001,T1,sale,{moment},1"),
    )
    assert [row["sold_at"] for row in rows_of(till, land(till, "tickets")["tickets"])] == [moment]
