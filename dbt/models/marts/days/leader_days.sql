-- Grain: one row per group leader, shop and business date with a purchase or a refund.

{{ seller_days('leader_id') }}
