"""The parts of One ID that SQL does badly: connected components, and measuring identity against a truth.

Nothing here reads configuration, Dagster or dbt; the dbt model `int_identity_components` calls the kernel
and the command `linli score` the measures.
"""

from dagster_project.identity.components import Components, connect, connect_links
from dagster_project.identity.scores import score_records

__all__ = ["Components", "connect", "connect_links", "score_records"]
