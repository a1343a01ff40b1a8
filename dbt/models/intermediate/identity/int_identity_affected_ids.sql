-- Member ids that an identifier of the touched islands gives or ever gave: members with one of them are written anew.
-- Grain: member id.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

select member_id
from {{ source("ops", "digested_identity_ids") }}
where identifier_key in (select identifier_key from {{ ref("int_identity_affected_keys") }})
union
select member_id
from {{ ref("int_identity_published") }}
union
select minted_id
from {{ ref("int_identity_nodes") }}
{% if not is_incremental() %}
-- the first build has nothing to write anew
where false
{% endif %}
