"""Rules about members: churn tiers, recommenders, metrics and tags, segments."""

from __future__ import annotations

import json

from dagster_project.segments import walk
from dagster_project.segments.events import Period
from dagster_project.warehouse.ops.table import BIGINT, INTEGER, TEXT, Night, OpsTable, Row

# column → key of rules/metrics.yml
_METRICS = {
    "new_days": "new_days", "lapsed_days": "lapsed_days", "regained_days": "regained_days",
    "groupbuy_star_orders": "groupbuy_star_orders", "price_days": "price_days",
    "price_min_lines": "price_min_lines", "price_sensitive_index_permille": "price_sensitive_index",
    "quality_index_permille": "quality_index", "affinity_min_share_permille": "affinity_min_share",
    "affinity_min_orders": "affinity_min_orders", "usual_min_times": "usual_min_times",
    "usual_days": "usual_days", "usual_items": "usual_items", "pickup_min_buyers": "pickup_min_buyers",
}  # fmt: skip

# what window_lengths() of dbt says
WINDOWS = (7, 30, 90, 365)


def _churn(night: Night) -> list[Row]:
    rule = night.rules.churn
    return [(rule.l1_days, rule.l2_days, rule.l3_days, rule.recall_days, rule.hash)]


def _koc(night: Night) -> list[Row]:
    rule = night.rules.koc
    return [(rule.spend_30d_fen, rule.shares_30d, rule.max_complaints, rule.silent_share_days, rule.hash)]


def _metrics(night: Night) -> list[Row]:
    rule = night.rules.metrics
    return [(*(getattr(rule, key) for key in _METRICS.values()), rule.hash)]


def _window_days(night: Night) -> list[Row]:
    """Lengths of all windows that end with the night: the fixed ones, those of rules, those of segments."""
    metrics, churn = night.rules.metrics, night.rules.churn
    found = {*WINDOWS, metrics.new_days, metrics.lapsed_days, metrics.regained_days, metrics.price_days}
    found |= {metrics.usual_days, churn.l1_days, churn.l2_days, churn.l3_days}
    for segment in (*night.rules.segments, *metrics.rule_tags.judged()):
        for _, condition in walk((), segment.when):
            if not isinstance(condition, Period):
                continue
            if condition.within_days is not None:
                found.add(condition.within_days)
            if condition.between_days is not None:
                # of days a to b ago, both included: one leaves when it is b + 1 days ago, another enters at a
                found |= {min(condition.between_days), max(condition.between_days) + 1}
    return [(days,) for days in sorted(found) if days > 0]


def _tags(night: Night) -> list[Row]:
    return [
        (rule.tag, json.dumps(rule.when, ensure_ascii=False, sort_keys=True), rule.hash)
        for rule in night.rules.metrics.tags
    ]


TABLES = (
    OpsTable(
        "rule_churn",
        {"l1_days": INTEGER, "l2_days": INTEGER, "l3_days": INTEGER, "recall_days": INTEGER, "rule_hash": TEXT},
        _churn,
    ),
    OpsTable(
        "rule_koc",
        {"spend_30d_fen": BIGINT, "shares_30d": INTEGER, "max_complaints": INTEGER,
         "silent_share_days": INTEGER, "rule_hash": TEXT},
        _koc,
    ),
    OpsTable("rule_metrics", {**dict.fromkeys(_METRICS, INTEGER), "rule_hash": TEXT}, _metrics),
    OpsTable("rule_tags", {"tag": TEXT, "condition_json": TEXT, "rule_hash": TEXT}, _tags),
    OpsTable("window_days", {"days": INTEGER}, _window_days),
    OpsTable(
        "high_margin_categories",
        {"category": TEXT, "rule_hash": TEXT},
        lambda night: [
            (name, night.rules.guards.hash) for name in sorted(set(night.rules.guards.high_margin_categories))
        ],
    ),
    OpsTable(
        "rule_segments",
        {"segment_id": TEXT, "name": TEXT, "definition_hash": TEXT},
        lambda night: [(s.segment_id, s.name, s.hash) for s in night.rules.segments],
    ),
)  # fmt: skip
