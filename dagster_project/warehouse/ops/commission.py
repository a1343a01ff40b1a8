"""What recommenders, cashiers and leaders earn."""

from __future__ import annotations

from dagster_project.warehouse.ops.table import BIGINT, BOOLEAN, INTEGER, TEXT, Night, OpsTable, Row

_COLUMNS = {
    "koc_level1_bp": INTEGER, "koc_level2_bp": INTEGER, "koc_refund_window_days": INTEGER,
    "koc_require_koc": BOOLEAN, "koc_attribution": TEXT, "koc_max_circle": INTEGER,
    "koc_refuse_shared_phone": BOOLEAN,
    "cashier_join_fen": BIGINT, "cashier_stay_days": INTEGER, "cashier_first_order_fen": BIGINT,
    "cashier_first_order_days": INTEGER, "cashier_scenes": TEXT,
    "leader_groupbuy_bp": INTEGER, "leader_counter_bp": INTEGER, "leader_bind_days": INTEGER,
    "rule_hash": TEXT,
}  # fmt: skip


def _commission(night: Night) -> list[Row]:
    rule = night.rules.commission
    koc, cashier, leader = rule.koc, rule.cashier, rule.leader
    return [
        (koc.level1_percent, koc.level2_percent, koc.refund_window_days, koc.require_koc,
         ",".join(koc.attribution), koc.max_circle, koc.refuse_shared_phone, cashier.join_yuan, cashier.stay_days,
         cashier.first_order_yuan, cashier.first_order_days, ",".join(map(str, cashier.scenes)),
         leader.groupbuy_percent, leader.counter_percent, leader.bind_days, rule.hash)
    ]  # fmt: skip


TABLES = (OpsTable("rule_commission", _COLUMNS, _commission),)
