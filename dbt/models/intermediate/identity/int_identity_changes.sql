-- Inputs that are not what they were when the last green build ended. Grain: input.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

with tonight as (
    select * from {{ ref("int_identity_inputs") }}
),

before as (
    select * from {{ source("ops", "digested_identity_inputs") }}
),

final as (
    select
        coalesce(tonight.connection, before.connection) as connection,
        coalesce(tonight.kind, before.kind) as kind,
        coalesce(tonight.feed, before.feed) as feed,
        coalesce(tonight.record_id, before.record_id) as record_id,
        coalesce(tonight.namespace, before.namespace) as namespace,
        coalesce(tonight.identifier, before.identifier) as identifier
    from tonight
    full outer join before on tonight.input_key = before.input_key
    where tonight.fingerprint is distinct from before.fingerprint
)

select
    final.*,
    case when final.identifier is not null then {{ key_hash("final.namespace || ':' || final.identifier") }} end
        as identifier_key
from final
{% if not is_incremental() %}
-- the first build looks at everything and asks nobody what is new
where false
{% endif %}
