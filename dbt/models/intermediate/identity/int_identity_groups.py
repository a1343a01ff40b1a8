"""Identifiers that links hold together, followed or not. Grain: node that has a link."""

from dagster_project.identity import connect_nodes


def model(dbt, session):
    """One row per linked node: node_no, and group_no, the smallest node of its group."""
    dbt.config(materialized="table")
    return connect_nodes(dbt.ref("int_identity_edges").project("node_a, node_b").to_arrow_table())
