"""Households: members connected by what they have in common. Grain: member."""

from dagster_project.identity import connect_households


def model(dbt, session):
    """One row per member of a household: member_id, head_member_id (the earliest member of the household)."""
    dbt.config(materialized="table")
    ties = (
        dbt.ref("int_identity_household_ties")
        .order("basis, thing, member_no")
        .project("basis || thing as thing, member_id, member_no")
        .to_arrow_table()
    )
    return connect_households(ties)
