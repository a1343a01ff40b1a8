"""Connected components of the followed links. Grain: node."""

from dagster_project.identity import connect_links


def model(dbt, session):
    """One row per node: node_no, root_no, merged_by_link_no, merged_into_no (see `connect_links`)."""
    dbt.config(materialized="table")
    nodes = dbt.ref("int_identity_nodes").aggregate("count(*) as n").to_arrow_table()
    links = dbt.ref("int_identity_edges").order("link_no").to_arrow_table()
    return connect_links(nodes.column("n")[0].as_py(), links)
