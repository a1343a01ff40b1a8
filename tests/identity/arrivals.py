"""Rows of the feeds as worlds are made of: what a test does not care about is there already."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def sale(ticket: str, **who: str) -> Row:
    about = {"store_code": "S1", "ticket_id": ticket, "kind": "sale", "net": "10"}
    return about | {"sold_at": "2026-01-01 10:00:00"} | who


def order(order_id: str, **who: str) -> Row:
    paid = {"status": "paid", "created_at": "2026-01-02 10:00:00", "paid_at": "2026-01-02 10:00:00"}
    return {"order_id": order_id, "order_amount": "20", "store_code": "S1"} | paid | who


def user(openid: str, **about: str) -> Row:
    return {"appid": "wx", "openid": openid} | about


def verified(phone: str) -> Row:
    """What a user's row says of a phone that was proved."""
    return {"phone": phone, "phone_verified_at": "2026-01-01 00:00:00"}


def contact(external: str, staff: str = "staff", **about: str | None) -> Row:
    remark = {"remark_phone_count": "1" if "phone" in about else "0"}
    return {"userid": staff, "external_userid": external} | remark | about
