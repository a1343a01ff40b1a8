"""Campaigns with trigger, offer and limits."""

from __future__ import annotations

import json

from dagster_project.warehouse.ops.table import INTEGER, TEXT, Night, OpsTable, Row


def _campaigns(night: Night) -> list[Row]:
    cap = night.rules.guards.frequency_cap
    return [
        (c.campaign_id, c.name, c.trigger, c.tier, c.segment, c.once, c.every_days, c.holdout_percent,
         cap.messages, cap.days, c.daily_cap, ",".join(c.channels), c.send_at,
         json.dumps(c.offer.model_dump(mode="json"), ensure_ascii=False, sort_keys=True), c.hash)
        for c in night.rules.campaigns
    ]  # fmt: skip


TABLES = (
    OpsTable(
        "rule_campaigns",
        {"campaign_id": TEXT, "name": TEXT, "trigger": TEXT, "tier": TEXT, "segment_id": TEXT, "once": TEXT,
         "every_days": INTEGER, "holdout_percent": INTEGER, "frequency_messages": INTEGER,
         "frequency_days": INTEGER, "daily_cap": INTEGER, "channel_order": TEXT, "planned_time": TEXT,
         "offer_json": TEXT, "rule_hash": TEXT},
        _campaigns,
    ),
)  # fmt: skip
