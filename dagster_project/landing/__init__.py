"""Landing → lake: reads what a night brought, takes it through the privacy door, checks it, writes batches.

Readers, mapping, the door, validation, and the pulls of API sources; no warehouse and no business rule here.
"""

import pyarrow as pa

from dagster_project.landing.feed import FeedLanding
from dagster_project.landing.files import arrived_nights, land_files
from dagster_project.landing.pull import land_pull
from dagster_project.landing.windows import land_windows

__all__ = ["FeedLanding", "arrived_nights", "land_files", "land_pull", "land_windows"]

if "jemalloc" in pa.supported_memory_backends():
    # keeps freed pages for the next column; fetching fresh ones was a quarter of landing's time
    pa.set_memory_pool(pa.jemalloc_memory_pool())
