"""The oracle of days of shops and sellers against figures worked out by hand; test_chain.py compares what is published."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from tests.oracle.days import product_days, seller_days, store_days
from tests.oracle.log import Event, Known, event_of

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
