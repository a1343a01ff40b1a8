"""Two nights of a small world, from raw rows to marts."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import Any

from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import ModelNode

Rows = list[dict[str, Any]]


def member(rows: dict[str, Rows], record_id: str) -> str:
    [found] = [r["member_id"] for r in rows["audit.record_members"] if r["record_id"] == record_id]
    return str(found)


def pick(rows: Rows, **wanted: Any) -> dict[str, Any]:
    [found] = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return found


def test_all_models_and_checks_are_green(built: Any) -> None:
    assert built.failures == {}


def test_all_unit_tests_are_green(built: Any) -> None:
    assert built.unit_failures == {}


def test_nothing_of_a_build_stays_besides_the_models(built: Any) -> None:
    assert built.left == []


def test_documented_columns_are_the_real_ones(built: Any, manifest: Manifest) -> None:
    models = [n for n in manifest.nodes.values() if isinstance(n, ModelNode)]
    documented = {f"{m.schema}.{m.name}": sorted(m.columns) for m in models}
    # the rest of their columns follows the chain's rules
    open_ended = {f"{m.schema}.{m.name}" for m in models if m.config.meta.get("columns_follow_rules")}
    real = {
        table: sorted(set(columns) & set(documented[table]) if table in open_ended else columns)
        for table, columns in built.columns.items()
    }
    assert documented == real


def test_orders_of_both_channels(built: Any) -> None:
    orders = built.night_1["audit.orders"]
    assert len(orders) == 8
    wang = member(built.night_1, "C-wang")
    first = pick(orders, order_key="pos|pos_main|A|1")
    assert (first["member_id"], first["business_date"], first["spend_fen"]) == (
        wang,
        date(2024, 5, 20),
        20000,
    )
    assert pick(orders, order_key="pos|pos_main|B|1")["business_date"] == date(2024, 5, 31)
    assert pick(orders, order_key="groupbuy|groupbuy_main|g1")["member_id"] == wang
    assert pick(orders, order_key="groupbuy|groupbuy_main|g2")["spend_fen"] == 0
    assert pick(orders, order_key="groupbuy|groupbuy_main|g3")["is_test"] is True


def test_what_came_back_stands_on_its_own_day(built: Any) -> None:
    assert built.night_1["audit.refunds"] == []
    returned = pick(built.night_2["audit.refunds"], kind="return")
    assert (
        returned["order_key"],
        returned["business_date"],
        returned["store_code"],
        returned["amount_fen"],
    ) == (
        "pos|pos_main|A|3",
        date(2024, 6, 1),
        "A",
        2000,
    )
    [refund] = [r for r in built.night_2["audit.refunds"] if r["channel"] == "groupbuy"]
    assert (refund["kind"], refund["business_date"], refund["amount_fen"]) == (
        "refund",
        date(2024, 6, 1),
        4001,
    )


def test_engagements_of_a_night(built: Any) -> None:
    kinds = [r["kind"] for r in built.night_1["audit.engagements"]]
    assert sorted(kinds) == ["contact_added", "registered", *["share"] * 5]
    [message] = [r for r in built.night_2["audit.engagements"] if r["kind"] == "message"]
    assert (message["business_date"], message["ref"]) == (date(2024, 6, 1), "recall")
    assert message["member_id"] == member(built.night_2, "C-li")


def test_koc_and_metrics_join_the_channels(built: Any) -> None:
    wang = member(built.night_1, "C-wang")
    koc = pick(built.night_1["audit.koc"], member_id=wang)
    assert (koc["spend_30d_fen"], koc["shares_30d"], koc["eligible"]) == (30000, 5, "yes")
    assert koc["invite_code"] == "INV-WANG"
    metrics = pick(built.night_1["audit.member_metrics"], member_id=wang)
    assert (metrics["channels_30d"], metrics["orders_30d"], metrics["is_potential_group_buyer"]) == (
        2,
        2,
        False,
    )
    # ¥40.01 back: ¥259.99 is not ¥300
    assert pick(built.night_2["audit.koc"], member_id=wang)["eligible"] == "no"


def test_tiers_segments_and_usual_item(built: Any) -> None:
    li, chen = member(built.night_1, "C-li"), member(built.night_1, "C-chen")
    tiers = built.night_1["audit.churn_tiers"]
    assert pick(tiers, member_id=li)["tier"] == "L2"
    # bought once is nothing usual, here as in the metrics
    assert pick(tiers, member_id=li)["usual_item"] is None
    assert pick(built.night_1["audit.member_metrics"], member_id=li)["usual_item"] is None
    assert pick(tiers, member_id=chen)["tier"] == "L3"
    inside = {(r["segment_id"], r["member_id"]) for r in built.night_1["audit.segment_members"]}
    assert {("lapsed", li), ("lapsed", chen), ("eggs", li)} <= inside and ("eggs", chen) not in inside
    # everything returned: not a purchase, so not a lapse either
    assert [r for r in built.night_2["audit.churn_tiers"] if r["member_id"] == chen] == []


def test_a_candidate_is_chosen_once_and_followed_to_the_end(built: Any) -> None:
    li = member(built.night_1, "C-li")
    [welcome, recall] = sorted(
        (r for r in built.night_1["audit.campaign_candidates"] if r["member_id"] == li),
        key=lambda row: row["campaign_id"],
        reverse=True,
    )
    assert (recall["outcome"], recall["channel"], recall["lapse_key"]) == (
        "quiet_hours",
        "wecom",
        "2024-05-16",
    )
    assert recall["planned_at"] == datetime(2024, 6, 1, 10, 0)
    assert recall["coupon_code"] == "LL" + _sha(f"recall|{li}|2024-05-16")[:14].upper()
    assert (welcome["outcome"], welcome["lapse_key"]) == ("capped", "first_group_order")
    after = [r for r in built.night_2["audit.campaign_candidates"] if r["member_id"] == li]
    assert {(r["campaign_id"], r["business_date"], r["outcome"]) for r in after} == {
        ("recall", date(2024, 5, 31), "delivered"),
        ("welcome", date(2024, 5, 31), "capped"),
        # whom the cap keeps waiting is asked again the next night
        ("welcome", date(2024, 6, 1), "capped"),
    }
    assert pick(after, campaign_id="recall")["coupon_code"] == recall["coupon_code"]
    assert pick(built.night_2["audit.messages"], message_id="m1")["state"] == "accepted"


def test_store_days_add_up_to_the_orders(built: Any) -> None:
    for rows in (built.night_1, built.night_2):
        days, orders = rows["audit.store_days"], rows["audit.orders"]
        assert sum(d["net_fen"] for d in days) == sum(o["spend_fen"] for o in orders)
        assert sum(d["orders"] for d in days) == sum(o["is_purchase"] for o in orders)


def test_a_late_night_does_not_undo_a_newer_one(built: Any) -> None:
    ticket = pick(built.night_2["staging.stg_pos__tickets"], store_code="A", ticket_id="4")
    assert (ticket["net_fen"], ticket["arrived_on"], ticket["first_arrived_on"]) == (
        999,
        date(2024, 5, 31),
        date(2024, 5, 30),
    )


def test_digesting_night_by_night_ends_where_a_rebuild_does(built: Any) -> None:
    assert built.night_2.keys() == built.rebuilt.keys()
    differing = [table for table, rows in built.night_2.items() if rows != built.rebuilt[table]]
    # what a night brought is that night's, and a rebuild asks nobody what is new
    assert differing == ["staging.stg_identity__arrivals"]


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
