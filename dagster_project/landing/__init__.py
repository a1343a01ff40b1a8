"""Landing → lake: reads what a night brought, takes it through the privacy door, checks it, writes batches.

Readers, the door, validation and the nightly pull of API sources; no warehouse and no business rule here.
"""

from dagster_project.landing.feed import FeedLanding, arrived_nights, land_feed
from dagster_project.landing.pull import land_pull

__all__ = ["FeedLanding", "arrived_nights", "land_feed", "land_pull"]
