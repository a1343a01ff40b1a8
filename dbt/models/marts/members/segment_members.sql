-- Grain: one row per (segment_id, member_id), as of the night that is published.
-- depends_on: {{ ref('member_metrics') }}

{% for segment in var('segments') %}
select
    as_of_date,
    '{{ segment.segment_id }}' as segment_id,
    member_id,
    '{{ segment.reason | replace("'", "''") }}' as reason
from {{ ref('member_metrics') }}
where {{ segment.predicate }}
{% if not loop.last %}
union all
{% endif %}
{% else %}
select
    cast(null as date) as as_of_date,
    cast(null as varchar) as segment_id,
    cast(null as varchar) as member_id,
    cast(null as varchar) as reason
where false
{% endfor %}
