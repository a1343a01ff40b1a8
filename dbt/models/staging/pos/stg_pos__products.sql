-- Grain: one row per (connection, sku), its newest version.

with

arrivals as (

    select
        {{ record_columns('products', ['sku']) }},
        sku,
        item_name,
        category,
        category_l1,
        unit,
        cast(shelf_life_days as integer) as shelf_life_days,
        {{ fen('cost') }} as cost_fen,
        {{ fen('price') }} as price_fen
    from {{ source('raw', 'pos__products') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
