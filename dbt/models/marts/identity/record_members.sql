{{ config(materialized="view") }}

select
    connection,
    feed,
    record_id,
    member_id,
    basis
from {{ ref("int_record_recognitions") }}
