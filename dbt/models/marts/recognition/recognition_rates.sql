-- Grain: business date × shop × channel × recognised or not × basis. Built anew each night like store_days: a late
-- identifier recognises old sales, a late refund takes them away.

with

purchases as (

    select * from {{ ref('int_purchases_netted') }} where is_purchase

),

record_members as (

    select * from {{ ref('record_members') }} where feed in ('tickets', 'orders')

),

counted as (

    select
        purchases.business_date,
        coalesce(purchases.store_code, 'unknown') as store_code,
        purchases.channel,
        record_members.member_id is not null as is_recognised,
        coalesce(record_members.basis, 'no_identifier') as basis,
        count(*) as sales,
        sum(purchases.spend_fen) as spend_fen
    from purchases
    left join record_members
        on {{ same_record('purchases', 'record_members') }}
    group by
        purchases.business_date,
        coalesce(purchases.store_code, 'unknown'),
        purchases.channel,
        record_members.member_id is not null,
        coalesce(record_members.basis, 'no_identifier')

),

final as (

    select
        business_date,
        store_code,
        channel,
        is_recognised,
        basis,
        cast(sales as bigint) as sales,
        cast(spend_fen as bigint) as spend_fen,
        cast(sum(sales) over (partition by business_date, store_code, channel) as bigint) as all_sales,
        cast(
            sum(case when is_recognised then sales else 0 end) over (partition by business_date, store_code, channel)
            as bigint
        ) as recognised_sales
    from counted

)

select * from final
