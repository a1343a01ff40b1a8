"""The lake: raw Parquet, immutable, one folder per connection, feed and night.

A batch is a Parquet file plus a manifest written last; without its manifest a batch does not exist, so a killed
landing leaves nothing behind. Nothing here knows what a feed means.
"""

from dagster_project.lake.batches import Manifest, list_manifests, write_batch
from dagster_project.lake.files import write_atomically

__all__ = ["Manifest", "list_manifests", "write_atomically", "write_batch"]
