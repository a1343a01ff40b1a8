"""Quality of raw feeds: Great Expectations suites over batches in the lake, before the warehouse may see them.

Suites are data (`suites.yml`); tests of models belong to dbt.
"""

from dagster_project.quality.gate import Verdict, check_batches

__all__ = ["Verdict", "check_batches"]
