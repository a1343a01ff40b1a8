{{ config(materialized="table") }}

select
    namespace_a,
    identifier_a,
    namespace_b,
    identifier_b,
    refusal as reason,
    evidence
from {{ ref("int_identity_links") }}
where refusal is not null
order by namespace_a, identifier_a, namespace_b, identifier_b
