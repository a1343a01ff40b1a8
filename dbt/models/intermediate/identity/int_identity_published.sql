-- Member ids of the touched islands that readers have seen, with what became of them since. Grain: published member id.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

-- depends_on: {{ ref("int_identity_affected_identifiers") }}
with rows_of_nights as (
    select
        published.*,
        row_number() over (partition by published.member_id order by published.night desc) as place,
        max(case when published.owned then published.night end) over (partition by published.member_id) as own_on
    from {{ source("ops", "published_ids") }} as published
    {% if is_incremental() %}
    where (published.namespace, published.identifier) in (
        select namespace, identifier from {{ ref("int_identity_affected_identifiers") }}
    )
    {% endif %}
),

final as (
    select
        member_id,
        min(namespace) as namespace,
        min(identifier) as identifier,
        min(segment) as segment,
        min(generation) as generation,
        min(night) as published_on,
        min(case when owned then night end) as owned_on,
        min(case when night >= own_on and state != 'own' then night end) as retired_on,
        min(case when place = 1 then state end) as state
    from rows_of_nights
    group by 1
)

select
    final.*,
    row_number() over (
        partition by final.namespace, final.identifier, final.segment order by final.generation desc
    ) = 1 as is_newest
from final
