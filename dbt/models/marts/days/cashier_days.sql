-- Grain: one row per cashier, shop and business date with a purchase or a refund of what she sold.

{{ seller_days('cashier_id') }}
