"""Landing → lake: reads what a night brought, takes it through the privacy door, checks it, writes batches.

Readers, mapping, the door, validation, and the pulls of API sources; no warehouse and no business rule here.
"""

from dagster_project.landing.feed import FeedLanding
from dagster_project.landing.files import arrived_nights, land_files
from dagster_project.landing.pull import land_pull
from dagster_project.landing.windows import land_windows

__all__ = ["FeedLanding", "arrived_nights", "land_files", "land_pull", "land_windows"]
