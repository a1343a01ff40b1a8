"""Rules about goods: the evening markdown, what goes together, what is on offer."""

from __future__ import annotations

from dagster_project.warehouse.ops.table import BIGINT, DATE, INTEGER, TEXT, Night, OpsTable, Row


def _markdown(night: Night) -> list[Row]:
    rule = night.rules.markdown
    return [
        (rule.count_at, rule.count_tolerance_minutes, rule.push_at, rule.start_at, rule.left_ratio,
         rule.price_factor, rule.radius_km, rule.min_orders_30d, rule.campaign_id, rule.usual_weeks, rule.hash)
    ]  # fmt: skip


def _pairs(night: Night) -> list[Row]:
    rule = night.rules.pairs
    return [(rule.days, rule.min_orders, rule.min_support, rule.min_lift, rule.per_item, rule.hash)]


def _offers(night: Night) -> list[Row]:
    """One row per offer and shop; a null shop is every shop."""
    rows: list[Row] = []
    for o in night.rules.offers.offers:
        stores: list[str | None] = [*sorted(set(o.stores))] or [None]
        rows += [
            (o.item_name, o.sku, o.category, o.since, o.until, store, o.price_yuan, o.hash)
            for store in stores
        ]
    return rows


TABLES = (
    OpsTable(
        "rule_markdown",
        {"count_at": TEXT, "count_tolerance_minutes": INTEGER, "push_at": TEXT, "start_at": TEXT,
         "left_ratio_permille": INTEGER, "price_factor_permille": INTEGER, "radius_m": INTEGER,
         "min_orders_30d": INTEGER, "campaign_id": TEXT, "usual_weeks": INTEGER, "rule_hash": TEXT},
        _markdown,
    ),
    OpsTable(
        "markdown_categories",
        {"category": TEXT},
        lambda night: [(name,) for name in sorted(set(night.rules.markdown.categories))],
    ),
    OpsTable(
        "rule_pairs",
        {"days": INTEGER, "min_orders": INTEGER, "min_support_ppm": INTEGER, "min_lift_permille": INTEGER,
         "per_item": INTEGER, "rule_hash": TEXT},
        _pairs,
    ),
    OpsTable(
        "offers",
        {"item_name": TEXT, "sku": TEXT, "category": TEXT, "starts_on": DATE, "ends_on": DATE,
         "store_code": TEXT, "price_fen": BIGINT, "rule_hash": TEXT},
        _offers,
    ),
)  # fmt: skip
