"""Which person's turn with a number each hold belongs to. Grain: hold."""

from dagster_project.identity import TenureRules, split_tenures


def model(dbt, session):
    """One row per hold: hold_no and the columns of `split_tenures`."""
    dbt.config(materialized="table")
    found = dbt.ref("int_identity_holds")
    names = dbt.ref("int_identity_names")
    [rules] = dbt.source("ops", "rule_identity").to_arrow_table().to_pylist()
    [agreement] = dbt.ref("int_identity_name_agreement").to_arrow_table().to_pylist()
    holds = (
        found.join(names.aggregate("holder as named, sum(records) as said"), "holder = named", how="left")
        .order("hold_no")
        .project(
            "hold_no, phone_no, kinds::bigint as kinds, epoch(starts_at)::bigint as starts_at,"
            " epoch(said_from)::bigint as said_from,"
            " epoch(ends_at)::bigint as ends_at, epoch(born_at)::bigint as born_at, events::bigint as records,"
            " has_moved::bigint as has_moved, (is_card or coalesce(said, 0) > 1)::bigint as is_named"
        )
        .to_arrow_table()
    )
    # the number of a name means nothing but the name
    named = (
        found.project("hold_no, holder as held_by")
        .join(
            names.project("holder, name_token, dense_rank() over (order by name_token) as name_no"),
            "held_by = holder",
        )
        .order("hold_no, name_no")
        .project("hold_no, name_no")
        .to_arrow_table()
    )
    limits = TenureRules(
        rules["max_wechat_accounts_per_phone"],
        rules["max_cards_per_phone"],
        rules["number_silence_days"],
        rules["reregister_gap_days"],
        bool(agreement["names_differ"]),
        rules["visit_minutes"],
    )
    return split_tenures(holds, named, limits).append_column("hold_no", holds.column("hold_no"))
