"""What chance alone may do to the arms of a campaign. Grain: campaign, arm; a handful of rows."""

import pyarrow as pa

from dagster_project.statistics import Arm, compare_arms

SCHEMA = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("arm", pa.string()),
        ("lift", pa.float64()),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        ("srm_p", pa.float64()),
        ("always_valid_p", pa.float64()),
    ]
)


def model(dbt, session):
    """One row per campaign and arm, see SCHEMA."""
    dbt.config(materialized="table")
    arms = dbt.ref("int_experiment_arms").to_arrow_table()
    names = ("campaign_id", "arm", "assigned", "converted", "holdout_percent")
    rows = zip(*(arms.column(name).to_pylist() for name in names), strict=True)
    return pa.Table.from_pylist(compare_arms(Arm(*row) for row in rows), SCHEMA)
