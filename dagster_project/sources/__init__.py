"""Sources that are asked rather than read from files: vendor HTTP APIs. Knows `contracts` only.

`WecomClient` speaks to WeCom's customer-contact API, also for pushes; `pull_night` takes one full snapshot with it.
"""

from dagster_project.sources.errors import (
    HttpStatusError,
    MalformedResponse,
    OutcomeUncertain,
    RateLimited,
    RowRejected,
    SourceError,
    SourceUnavailable,
    TokenRejected,
    TransientError,
    Unreachable,
    VendorBusy,
    VendorConfigError,
    VendorError,
)
from dagster_project.sources.wecom import Night, pull_night
from dagster_project.sources.wecom_client import CreatedMessage, GroupMessage, TagRejected, WecomClient

__all__ = [
    "CreatedMessage",
    "GroupMessage",
    "HttpStatusError",
    "MalformedResponse",
    "Night",
    "OutcomeUncertain",
    "RateLimited",
    "RowRejected",
    "SourceError",
    "SourceUnavailable",
    "TagRejected",
    "TokenRejected",
    "TransientError",
    "Unreachable",
    "VendorBusy",
    "VendorConfigError",
    "VendorError",
    "WecomClient",
    "pull_night",
]
