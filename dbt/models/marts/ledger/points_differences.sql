-- Grain: one row per disagreement between what a source reports, what it posted, and what its tickets say.
-- A view: the differences are kept, and none is copied.
{{ config(materialized='view') }}

select
    difference_id,
    business_date,
    connection,
    account,
    member_id,
    kind,
    reported,
    ledger,
    difference,
    evidence,
    rule_hash
from {{ ref('int_points_differences') }}
