"""Which identifiers can have to do with each other at all, ever. Grain: identifier, by its number."""

from dagster_project.identity import join_islands


def model(dbt, session):
    """One row per identifier: identifier_key, and island_key, the smallest number of its island.

    What was ever said of one record stays together: whatever a night changes, the islands of the records it touches
    hold everything the change can reach.
    """
    dbt.config(materialized="incremental", incremental_strategy="delete+insert", unique_key="identifier_key")
    found = dbt.ref("int_identity_ties")
    ties = found.to_arrow_table()
    if not dbt.is_incremental:
        return join_islands(ties)[0]
    islands = session.sql(f"select identifier_key, island_key from {dbt.this}")
    known = (
        found.project("tied_key as key")
        .distinct()
        .join(islands, "key = identifier_key")
        .project("identifier_key, island_key")
        .to_arrow_table()
    )
    named, grown = map(session.from_arrow, join_islands(ties, known))
    moved = islands.join(grown.project("was_key, island_key as new_key"), "island_key = was_key")
    return named.union(moved.project("identifier_key, new_key as island_key")).distinct().to_arrow_table()
