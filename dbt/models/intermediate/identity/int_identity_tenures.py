"""Which person's turn with a number each hold belongs to. Grain: hold."""

from dagster_project.identity import TenureRules, split_tenures


def model(dbt, session):
    """One row per hold: hold_no, tenure_no, is_shared, cause, began_by, cut_at (see `split_tenures`), same_as_hold_no."""
    dbt.config(materialized="table")
    limits = dbt.ref("int_identity_holds")
    rules = dbt.source("ops", "rule_identity").to_arrow_table().to_pylist()[0]
    holds = (
        limits.order("hold_no")
        .project(
            "hold_no, phone_no, kinds::bigint as kinds, epoch(starts_at)::bigint as starts_at,"
            " epoch(ends_at)::bigint as ends_at, events::bigint as records, name_no, has_moved::bigint as has_moved"
        )
        .to_arrow_table()
    )
    found = split_tenures(
        holds,
        TenureRules(
            rules["max_wechat_accounts_per_phone"],
            rules["max_cards_per_phone"],
            rules["number_silence_days"],
            rules["reregister_gap_days"],
        ),
    )
    return found.append_column("hold_no", holds.column("hold_no"))
