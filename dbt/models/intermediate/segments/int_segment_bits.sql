-- Grain: one row per member. Each segment is a bit of a word; which one it is, the plan says.

with

features as (

    select * from {{ ref('int_segment_features') }}

),

final as (

    select * from (
        {{ var('segment_plan').bits | replace('__features__', 'features') }}
    ) as bits

)

select * from final
