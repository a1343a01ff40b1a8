-- Grain: one row per segment.

select
    segment_id,
    name,
    definition_hash
from {{ source('ops', 'rule_segments') }}
