"""Members, refused links and events, in one pass. Grain: node, refused link or event, told apart by `what`."""

from dagster_project.identity import resolve_tables


def model(dbt, session):
    """The tables of `resolve_tables` under each other."""
    dbt.config(materialized="table")
    rules = dbt.source("ops", "rule_identity").to_arrow_table().to_pylist()[0]
    return resolve_tables(
        dbt.ref("int_identity_nodes")
        .order("node_no")
        .project(
            "node_no, known_on as first_seen_on, until_on, id_kind, hash(lineage) as thing, epoch(starts_at)::bigint as starts_at,"
            " epoch(ends_at)::bigint as ends_at"
        )
        .to_arrow_table(),
        dbt.ref("int_identity_edges")
        .order("link_no")
        .project("link_no, node_a, node_b, first_seen_on, until_on")
        .to_arrow_table(),
        dbt.ref("int_identity_apart").order("node_a, node_b, reason").to_arrow_table(),
        max_accounts=rules["max_wechat_accounts_per_phone"],
        max_cards=rules["max_cards_per_phone"],
        max_phones=rules["max_phones_per_member"],
    )
