-- Grain: identifier.

with

suspects as (

    select * from {{ ref('int_identity_suspects') }}

)

select
    namespace,
    identifier,
    masked,
    reason,
    store_code,
    evidence,
    first_on,
    flagged_on
from suspects
