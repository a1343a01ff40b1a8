"""Points of each connection, and the templates coupons are issued from."""

from __future__ import annotations

from decimal import Decimal

from dagster_project.warehouse.ops.table import BIGINT, INTEGER, QUANTITY, TEXT, Night, OpsTable, Row


def _ledger(night: Night) -> list[Row]:
    rule = night.rules.ledger
    return [(Decimal(rule.tolerance_points) / 1000, rule.hash)]


def _factors(night: Night) -> list[Row]:
    return [(c, night.rules.ledger.factor(c)) for c in sorted(c.name for c in night.chain.connections)]


def _templates(night: Night) -> list[Row]:
    """One row per template. What the ledger file says of one goes before what a campaign offers, and an earlier
    campaign before a later."""
    found: dict[str, Row] = {}
    for t in night.rules.ledger.templates:
        found[t.template_id] = (t.template_id, t.hours, t.threshold_yuan, t.amount_yuan, None, t.hash)
    for c in night.rules.campaigns:
        o = c.offer
        if o is None:
            continue
        row = (o.template_id, o.valid_hours, o.threshold_fen, o.amount_fen, c.campaign_id, c.hash)
        found.setdefault(o.template_id, row)
    return [found[template_id] for template_id in sorted(found)]


TABLES = (
    OpsTable("rule_ledger", {"tolerance_points": QUANTITY, "rule_hash": TEXT}, _ledger),
    OpsTable("point_factors", {"connection": TEXT, "factor_permille": INTEGER}, _factors),
    OpsTable(
        "rule_coupon_templates",
        {"template_id": TEXT, "valid_hours": INTEGER, "threshold_fen": BIGINT, "amount_fen": BIGINT,
         "campaign_id": TEXT, "rule_hash": TEXT},
        _templates,
    ),
)  # fmt: skip
