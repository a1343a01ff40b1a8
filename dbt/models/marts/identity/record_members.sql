{{ config(materialized="table") }}

select
    connection,
    feed,
    record_id,
    member_id,
    basis
from {{ ref("int_record_recognitions") }}
order by connection, feed, record_id
