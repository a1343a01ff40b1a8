"""Pairs of members who may be one person, for people to judge. Grain: pair."""

from dagster_project.identity import suggest


def model(dbt, session):
    """Columns of `identity.suggestions.SCHEMA`; no rows where Splink is not installed."""
    dbt.config(materialized="table")
    evidence = dbt.ref("int_identity_evidence")
    return suggest(session, f"({evidence.sql_query()})")
