"""Reverse ETL: takes the night's campaign decisions to the customers, each exactly once, and keeps the ledger.

Belongs here: re-checking at the send instant, WeCom tags and message tasks, the coupon list, and finishing after a
kill. Not here: choosing candidates (models), the journal's format (`lake.feedback`), the vendor's API (`sources`).
"""

from dagster_project.activation.errors import PushError
from dagster_project.activation.report import CampaignReport, PushReport
from dagster_project.activation.run import pending_message_ids, push, push_instant
from dagster_project.activation.vendor import MessagingClient

__all__ = [
    "CampaignReport",
    "MessagingClient",
    "PushError",
    "PushReport",
    "pending_message_ids",
    "push",
    "push_instant",
]
