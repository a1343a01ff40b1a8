"""Rows of the feeds as worlds are made of: what a test does not care about is there already."""

from __future__ import annotations

from datetime import date, timedelta
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


def days(first: str, last: str, step: int) -> list[str]:
    """Every so many days."""
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    return [str(begin + timedelta(days=n)) for n in range(0, (end - begin).days + 1, step)]


def account(openid: str, phone: str, **more: str) -> Row:
    """A user since January 2025, with a proved number."""
    at = {"registered_at": "2025-01-02 09:00:00", "updated_at": "2025-01-02 09:00:00"}
    return user(openid, phone=phone, phone_verified_at="2025-01-02 09:00:00", **at, **more)


def card(ref: str, phone: str, **more: str) -> Row:
    """A card since January 2025."""
    at = {"created_at": "2025-01-01 10:00:00", "updated_at": "2025-01-01 10:00:00"}
    return {"member_ref": ref, "phone": phone, **at, **more}


def orders(openid: str, phone: str, **more: str) -> list[Row]:
    """A year of them, every 20 days."""
    return [
        order(
            f"{openid}{day}", appid="wx", openid=openid, buyer_phone=phone, phone_verified="Y",
            created_at=f"{day} 12:00:00", paid_at=f"{day} 12:00:00", **more,
        )
        for day in days("2025-02-01", "2025-12-20", 20)
    ]  # fmt: skip
