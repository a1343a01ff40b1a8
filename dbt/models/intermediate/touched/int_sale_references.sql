-- What a record ever said it is about: the ticket number a return or void names, the order of a refund. Kept for good,
-- because a corrected record also changes what it named before. Grain: record × what it named.
{{ config(materialized="incremental", incremental_strategy="append") }}

with

named as (

    select
        connection,
        'tickets' as feed,
        sale_no as record_no,
        ticket_id as number,
        origin_ticket_id as refers_to
    from {{ ref('stg_pos__tickets') }}
    where origin_ticket_id is not null
    {%- if is_incremental() %} and {{ arrived_tonight() }}{% endif %}

    union all

    select
        connection,
        'refunds' as feed,
        {{ key_hash('record_key') }} as record_no,
        refund_id as number,
        order_id as refers_to
    from {{ ref('stg_groupbuy__refunds') }}
    where order_id is not null
    {%- if is_incremental() %} and {{ arrived_tonight() }}{% endif %}

)

select
    connection,
    feed,
    record_no,
    number,
    refers_to
from named
{% if is_incremental() %}
where not exists (
    select 1
    from {{ this }} as known
    where known.record_no = named.record_no and known.refers_to = named.refers_to
)
{% endif %}
