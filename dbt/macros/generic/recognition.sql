{# Days and shops whose sales or recognised sales differ from those of store_days, which counts them by another way. #}
{% test same_as_store_days(model, store_days) %}
with mine as (
    select
        store_code,
        business_date,
        sum(sales) as orders,
        sum(case when is_recognised then sales else 0 end) as identified_orders
    from {{ model }}
    group by store_code, business_date
),

theirs as (
    select store_code, business_date, orders, identified_orders from {{ store_days }} where orders > 0
)

select
    coalesce(mine.store_code, theirs.store_code) as store_code,
    coalesce(mine.business_date, theirs.business_date) as business_date,
    mine.orders,
    theirs.orders as store_days_orders,
    mine.identified_orders,
    theirs.identified_orders as store_days_identified_orders
from mine
full outer join theirs
    on mine.store_code = theirs.store_code and mine.business_date = theirs.business_date
where
    mine.orders is distinct from theirs.orders
    or mine.identified_orders is distinct from theirs.identified_orders
{% endtest %}


{# The same sales per day, shop and channel in both recognition tables. #}
{% test same_as_rates(model, rates) %}
with theirs as (
    select distinct business_date, store_code, channel, all_sales, recognised_sales from {{ rates }}
)

select
    mine.business_date,
    mine.store_code,
    mine.channel,
    mine.sales,
    theirs.all_sales
from {{ model }} as mine
full outer join theirs
    on
        mine.business_date = theirs.business_date
        and mine.store_code = theirs.store_code
        and mine.channel = theirs.channel
where
    mine.sales is distinct from theirs.all_sales
    or mine.recognised_sales is distinct from theirs.recognised_sales
{% endtest %}


{# Shops out of their own range on the night that is published, with what is out of range; older alarms stay in the
   table and warn no more. #}
{% test in_own_range(model) %}
select
    model.namespace,
    model.store_code,
    model.business_date,
    model.alarm
from {{ model }} as model
cross join {{ source('ops', 'run_context') }} as run_context
where model.is_alarm and model.business_date = run_context.as_of_date
{% endtest %}
