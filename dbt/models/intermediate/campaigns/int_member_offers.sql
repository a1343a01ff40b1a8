-- Grain: one row per member whose usual item is on offer in her shop on the day tonight's messages are due.

with

run_context as (

    select {{ add_days('as_of_date', 1) }} as due_on
    from {{ source('ops', 'run_context') }}

),

running as (

    select offers.*
    from {{ source('ops', 'offers') }} as offers
    cross join run_context
    where run_context.due_on between offers.starts_on and offers.ends_on

),

usual_items as (

    select member_id, usual_item from {{ ref('churn_tiers') }} where usual_item is not null

),

members as (

    select * from {{ ref('members') }}

),

products as (

    select * from {{ ref('stg_pos__products') }}

),

-- an offer names an item, a product or a category; all three lead to items
items as (

    select item_name, store_code from running where item_name is not null

    union

    select products.item_name, running.store_code
    from running
    inner join products
        on running.sku = products.sku

    union

    select products.item_name, running.store_code
    from running
    inner join products
        on running.category = products.category

),

final as (

    select
        usual_items.member_id,
        usual_items.usual_item as item_name
    from usual_items
    inner join members
        on usual_items.member_id = members.member_id
    inner join items
        on usual_items.usual_item = items.item_name
    where
        items.store_code is null
        or items.store_code = members.home_store_code
    group by usual_items.member_id, usual_items.usual_item

)

select * from final
