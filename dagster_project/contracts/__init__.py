"""The canonical feeds: names, types and keys that every source preset maps onto.

Data, not code: the table is `feeds.yml`; this room only reads it. No I/O besides that file.
"""

from dagster_project.contracts.feeds import Column, Feed, feed, feeds_of, kinds

__all__ = ["Column", "Feed", "feed", "feeds_of", "kinds"]
