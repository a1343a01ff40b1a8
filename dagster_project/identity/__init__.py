"""The parts of One ID that SQL does badly: connected components, and measuring identity against a truth.

Nothing here reads configuration, Dagster or dbt; the dbt models `int_identity_tenures` and `int_identity_resolution`
call the kernels and the command `linli score` the measures.
"""

from dagster_project.identity.components import Components, connect, connect_links
from dagster_project.identity.resolution import resolve_tables
from dagster_project.identity.scores import score_records
from dagster_project.identity.tenures import TenureRules, split_tenures

__all__ = [
    "Components",
    "TenureRules",
    "connect",
    "connect_links",
    "resolve_tables",
    "score_records",
    "split_tenures",
]
