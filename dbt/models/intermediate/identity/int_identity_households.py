"""Households: members connected by numbers they share. Grain: member."""

from dagster_project.identity import connect_households


def model(dbt, session):
    """One row per member who shares a number: member_id, head_member_id (the earliest member of the household)."""
    dbt.config(materialized="table")
    ties = dbt.ref("int_identity_household_ties").order("phone, member_no").to_arrow_table()
    return connect_households(ties)
