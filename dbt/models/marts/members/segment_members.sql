-- Grain: one row per (segment_id, member_id), as of the night that is published.

{% set plan = var('segment_plan') %}

with

bits as (

    select * from {{ ref('int_segment_bits') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

rules as (

    select segment_id, definition_hash from {{ source('ops', 'rule_segments') }}

),

numbered as (

    {% for segment in plan.segments %}
    select
        '{{ segment.segment_id }}' as segment_id,
        {{ segment.word }} as word,
        cast({{ segment.bit }} as bigint) as bit,
        '{{ segment.reason | replace("'", "''") }}' as reason
    {% if not loop.last %}
    union all
    {% endif %}
    {% else %}
    select
        cast(null as varchar) as segment_id,
        cast(null as integer) as word,
        cast(null as bigint) as bit,
        cast(null as varchar) as reason
    where false
    {% endfor %}

),

listed as (

    select
        numbered.*,
        rules.definition_hash as rule_hash
    from numbered
    left join rules
        on numbered.segment_id = rules.segment_id

),

final as (

    {% for word in range(plan.words) %}
    select
        run_context.as_of_date,
        listed.segment_id,
        bits.member_id,
        listed.reason,
        listed.rule_hash
    from bits
    cross join run_context
    inner join listed
        on listed.word = {{ word }}
        and {{ has_bit('bits.word_' ~ word, 'listed.bit') }}
    where bits.word_{{ word }} <> 0
    {% if not loop.last %}
    union all
    {% endif %}
    {% else %}
    select
        run_context.as_of_date,
        listed.segment_id,
        bits.member_id,
        listed.reason,
        listed.rule_hash
    from bits
    cross join run_context
    cross join listed
    where false
    {% endfor %}

)

select * from final
