"""Publishing: audited tables become `published/current` and schema `marts`, in one atomic step per night.

Belongs here: which tables are published and how they are split, content digests, deterministic Parquet, the switch,
its repair, and reading what is current. Not here: building or checking the tables.
"""

from typing import TYPE_CHECKING

from dagster_project.lazy import on_demand
from dagster_project.publish.errors import PublishError
from dagster_project.publish.publication import (
    Publication,
    PublicationContext,
    PublishedTable,
    PublishPaths,
    current_publication,
    decided_up_to,
    last_published_as_of,
    read_current,
)
from dagster_project.publish.tables import TableSpec, published_tables

if TYPE_CHECKING:
    from dagster_project.publish.publisher import KEPT_PUBLICATIONS, publish, recover
else:
    __getattr__ = on_demand(
        __name__,
        {
            "KEPT_PUBLICATIONS": "publisher",
            "publish": "publisher",
            "recover": "publisher",
        },
    )

__all__ = [
    "KEPT_PUBLICATIONS",
    "Publication",
    "PublicationContext",
    "PublishError",
    "PublishPaths",
    "PublishedTable",
    "TableSpec",
    "current_publication",
    "decided_up_to",
    "last_published_as_of",
    "publish",
    "published_tables",
    "read_current",
    "recover",
]
