"""Days of shops and sellers: the oracle against figures worked out by hand, the published days against the oracle."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from dagster_project.config import load_chain
from dagster_project.orchestration.night import run_nights
from dagster_project.publish import Publication, current_publication
from dagster_project.simulator import simulate
from tests.oracle.days import Sold, product_days, seller_days, store_days
from tests.oracle.log import Event, Known, event_of, read_events

NIGHT = date(2026, 11, 20)


def _event(kind: str, record_id: str, day: int, **columns: str) -> Event:
    row = {"kind": kind, "connection": "p", "feed": "tickets", "record_id": record_id, "store_code": "A",
           "at": datetime(2026, 11, day, 9).isoformat(" "), "night": "2026-11-19", **columns}  # fmt: skip
    return event_of(row)


def test_refunds_stand_on_their_own_day_and_take_products_with_them() -> None:
    product = {"feed": "products", "amount_fen": "100"}
    told = [
        _event("product", "egg", 1, sku="egg", category="蛋", detail='{"item_name": "蛋", "cost_fen": 30}', **product),
        _event("product", "duck", 1, sku="duck", category="熟食", detail='{"item_name": "鸭"}', **product),
        _event("sale", "A|1", 2, amount_fen="500", detail='{"cashier_id": "c"}'),
        _event("sale_line", "A|1", 2, line_no="1", sku="egg", qty="3", amount_fen="300", detail="[100]"),
        _event("sale_line", "A|1", 2, line_no="2", sku="duck", qty="1", amount_fen="200", detail="[250,50]"),
        _event("return", "A|2", 3, ref="A|1", amount_fen="300", state="linked"),
        _event("return_line", "A|2", 3, line_no="1", sku="egg", qty="3", amount_fen="300"),
        _event("recharge", "A|3", 4, amount_fen="9000"),
    ]  # fmt: skip
    known = Known(told, NIGHT, {("p", "tickets", "A|1"): "m"})
    found = store_days(known)
    sold, back, topped = (found["A", date(2026, 11, day)] for day in (2, 3, 4))
    assert (sold.orders, sold.net, sold.items, sold.margin, sold.new_members) == (1, 200, 1, None, 1)
    assert (back.orders, back.refund, topped.recharge, topped.margin) == (0, 300, 9000, None)
    by_product = product_days(known)
    assert set(by_product) == {("duck", "A", date(2026, 11, 2)), ("egg", "A", date(2026, 11, 3))}
    assert by_product["egg", "A", date(2026, 11, 3)].refund == 300
    duck = by_product["duck", "A", date(2026, 11, 2)]
    assert (duck.net, duck.discounted, duck.items) == (200, 200, Decimal(1))
    assert seller_days(known, "cashier_id")["c", "A", date(2026, 11, 3)].refund == 300


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Known, Publication]:
    """Two shops, three weeks, everything in one run; what the log knows of it and what is published."""
    root: Path = tmp_path_factory.mktemp("days") / "chain"
    simulate(root, basis="synthetic", persons=400, stores=2, days=21, seed=9, end=NIGHT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WECOM_SECRET", "demo")
        patch.delenv("LINLI_KEY", raising=False)  # the chain makes a key of its own
        night = run_nights(root, NIGHT - timedelta(days=20), NIGHT)
    assert night.success, night.failures
    publication = current_publication(load_chain(root, resolve_secrets=False).paths)
    assert publication is not None
    rows = duckdb.execute(
        f"select connection, feed, record_id, member_id from {publication.sql('record_members')}"
    )
    members = {(connection, feed, record): member for connection, feed, record, member in rows.fetchall()}
    return Known(read_events(root / "truth" / "events.csv.gz"), NIGHT, members), publication


def _published(publication: Publication, table: str, keys: int, columns: str) -> dict[tuple, tuple]:
    """(key columns) → the other columns."""
    rows = duckdb.execute(f"select {columns} from {publication.sql(table)}").fetchall()
    return {row[:keys]: row[keys:] for row in rows}


_FIGURES = "orders, net_fen, buyers, items, refund_fen, discounted_fen, margin_fen"


def _figures(sold: Sold) -> tuple:
    return (sold.orders, sold.net, len(sold.buyers), sold.items, sold.refund, sold.discounted, sold.margin)


def test_store_days_equal_the_log(chain: tuple[Known, Publication]) -> None:
    known, publication = chain
    wanted = {
        key: (
            *(d.orders, d.net, d.identified, d.new_members, d.counter, d.groupbuy_orders, d.groupbuy),
            *(len(d.buyers), len(d.returning), d.items, d.discount, d.refund, d.recharge, d.stored_value),
            *(d.margin, d.points),
        )
        for key, d in store_days(known).items()
    }
    columns = "orders, net_fen, identified_orders, new_members, counter_fen, groupbuy_orders, groupbuy_fen, "
    columns += "buyers, returning_buyers, items, discount_fen, refund_fen, recharge_fen, stored_value_fen, "
    columns += "margin_fen, points_earned"
    found = _published(publication, "store_days", 2, f"store_code, business_date, {columns}")
    assert found == wanted
    assert sum(row[11] for row in found.values()) > 0 and sum(row[12] for row in found.values()) > 0


@pytest.mark.parametrize(("table", "seller"), [("leader_days", "leader_id"), ("cashier_days", "cashier_id")])
def test_days_of_sellers_equal_the_log(chain: tuple[Known, Publication], table: str, seller: str) -> None:
    known, publication = chain
    found = _published(publication, table, 3, f"{seller}, store_code, business_date, {_FIGURES}")
    assert found == {key: _figures(sold) for key, sold in seller_days(known, seller).items()}
    assert any(row[4] > 0 for row in found.values()), "something was given back"


def test_product_days_equal_the_log(chain: tuple[Known, Publication]) -> None:
    known, publication = chain
    found = _published(publication, "product_days", 3, f"sku, store_code, business_date, {_FIGURES}")
    assert found == {key: _figures(sold) for key, sold in product_days(known).items()}
