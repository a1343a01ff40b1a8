"""The parts of One ID that SQL does badly: connected components, likely pairs, measuring identity against a truth.

Nothing here reads configuration, Dagster or dbt; the dbt model `int_identity_components` calls the kernel,
`int_identity_suggestions` asks for likely pairs, and the command `linli score` the measures.
"""

from dagster_project.identity.components import Components, connect, connect_links
from dagster_project.identity.resolution import resolve_tables
from dagster_project.identity.scores import score_records
from dagster_project.identity.suggestions import suggest

__all__ = ["Components", "connect", "connect_links", "score_records", "suggest"]
