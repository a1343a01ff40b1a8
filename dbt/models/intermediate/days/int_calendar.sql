-- Grain: one row per business date on which something was sold, given back or topped up. The time spine that dbt's
-- semantic models ask for.

select distinct business_date
from {{ ref('store_days') }}
