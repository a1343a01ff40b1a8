"""The parts of One ID that SQL does badly: who held a number when, who belongs together, likely pairs, and measuring.

Nothing here reads configuration, Dagster or dbt. The dbt models `int_identity_islands`, `int_identity_tenures`,
`int_identity_groups`, `int_identity_resolution` and `int_identity_households` call the kernels,
`int_identity_suggestions` asks for likely pairs, and the command `linli score` measures.
"""

from typing import TYPE_CHECKING

from dagster_project.lazy import on_demand

if TYPE_CHECKING:
    from dagster_project.identity.components import connect, connect_households, connect_nodes
    from dagster_project.identity.islands import join_islands
    from dagster_project.identity.resolution import resolve_tables
    from dagster_project.identity.scores import score_records
    from dagster_project.identity.suggestions import suggest
    from dagster_project.identity.tenures import TenureRules, split_tenures
else:
    __getattr__ = on_demand(
        __name__,
        {
            "TenureRules": "tenures",
            "connect": "components",
            "connect_households": "components",
            "connect_nodes": "components",
            "join_islands": "islands",
            "resolve_tables": "resolution",
            "score_records": "scores",
            "split_tenures": "tenures",
            "suggest": "suggestions",
        },
    )

__all__ = [
    "TenureRules",
    "connect",
    "connect_households",
    "connect_nodes",
    "join_islands",
    "resolve_tables",
    "score_records",
    "split_tenures",
    "suggest",
]
