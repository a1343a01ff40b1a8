"""Campaigns with trigger, offer and limits."""

from __future__ import annotations

import json

from dagster_project.config import Campaign
from dagster_project.warehouse.ops.table import INTEGER, TEXT, Night, OpsTable, Row


def _campaigns(night: Night) -> list[Row]:
    cap = night.rules.guards.frequency_cap
    return [
        (c.campaign_id, c.name, c.trigger, c.tier, c.segment, c.only, c.once, c.every_days, c.holdout_percent,
         cap.messages, cap.days, c.daily_cap, ",".join(c.channels), _planned_time(night, c),
         _offer_json(c), c.hash)
        for c in night.rules.campaigns
    ]  # fmt: skip


def _planned_time(night: Night, campaign: Campaign) -> str:
    """HH:MM; the evening markdown has a time of its own."""
    return night.rules.markdown.push_at if campaign.trigger == "markdown" else campaign.send_at


def _offer_json(campaign: Campaign) -> str | None:
    if campaign.offer is None:
        return None
    return json.dumps(campaign.offer.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)


TABLES = (
    OpsTable(
        "rule_campaigns",
        {"campaign_id": TEXT, "name": TEXT, "trigger": TEXT, "tier": TEXT, "segment_id": TEXT, "wanted": TEXT, "once": TEXT,
         "every_days": INTEGER, "holdout_percent": INTEGER, "frequency_messages": INTEGER,
         "frequency_days": INTEGER, "daily_cap": INTEGER, "channel_order": TEXT, "planned_time": TEXT,
         "offer_json": TEXT, "rule_hash": TEXT},
        _campaigns,
    ),
)  # fmt: skip
