-- Grain: one row per shop and product that goes on this evening's list: much of a perishable is left at the afternoon
-- count. Made in the afternoon only, from what had arrived by then, for shops that have no list of today yet; what is
-- decided goes into the lake, and a later count does not change it.

with

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

rule as (

    select * from {{ source('ops', 'rule_markdown') }}

),

categories as (

    select category from {{ source('ops', 'markdown_categories') }}

),

kept as (

    select distinct business_date, store_code from {{ source('ops', 'markdown_kept_plan') }}

),

stock as (

    select * from {{ ref('stg_pos__stock') }}

),

products as (

    select * from {{ ref('stg_pos__products') }}

),

counted as (

    select
        stock.connection,
        stock.store_code,
        stock.sku,
        stock.snapshot_at,
        stock.on_hand_qty,
        stock.received_qty
    from stock
    cross join rule
    inner join run_context
        on cast(stock.snapshot_at as date) = run_context.stock_on
    where
        stock.arrived_on <= run_context.stock_on
        and {{ is_afternoon_count('stock.snapshot_at', 'rule') }}
    qualify row_number() over (
        partition by stock.store_code, stock.sku
        order by stock.snapshot_at desc, stock.connection
    ) = 1

),

final as (

    select
        counted.store_code,
        run_context.stock_on as business_date,
        counted.sku,
        products.item_name,
        products.category,
        products.unit,
        counted.on_hand_qty,
        counted.received_qty,
        -- nothing came today and something is left: all of it is left over
        case
            when counted.received_qty <= 0 then cast(1 as double)
            else cast(counted.on_hand_qty as double) / cast(counted.received_qty as double)
        end as left_ratio,
        counted.snapshot_at,
        products.price_fen,
        cast({{ int_div('products.price_fen * rule.price_factor_permille + 500', '1000') }} as bigint) as markdown_fen,
        cast(rule.price_factor_permille as double) / 1000 as price_factor,
        rule.rule_hash
    from counted
    cross join rule
    cross join run_context
    inner join products
        on counted.connection = products.connection
        and counted.sku = products.sku
    left join kept
        on counted.store_code = kept.store_code
        and run_context.stock_on = kept.business_date
    where
        kept.store_code is null
        and counted.on_hand_qty > 0
        and (
            products.category in (select category from categories)
            or products.category_l1 in (select category from categories)
        )
        -- exact: 29.99 % is not 30 %
        and (
            counted.received_qty <= 0
            or counted.on_hand_qty * 1000 >= counted.received_qty * rule.left_ratio_permille
        )

)

select * from final
