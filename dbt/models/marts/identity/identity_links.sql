-- Sorted by the member of the stronger side (publish/tables.yml), so that one member's links are few row groups.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key=["namespace_a", "identifier_a"],
    on_schema_change="fail",
    meta={"affected": "int_identity_affected_identifiers", "affected_columns": ["namespace", "identifier"]},
) }}

-- depends_on: {{ ref("int_identity_affected_identifiers") }}

with links as (
    select
        *,
        -- the text is what was found, then the rule, then the record
        {{ position_of("rule || ' '", "evidence") }} as rule_at
    from {{ ref("int_identity_links") }}
),

members as (
    select * from {{ ref("int_identity_members") }}
),

overruled as (
    select * from {{ ref("int_identity_overruled") }}
),

phones as (
    select identifier, masked from {{ ref("int_identity_affected_statements") }} where namespace = 'phone'
),

masks as (
    select
        identifier,
        min(masked) as masked
    from phones
    group by identifier
),

final as (
    select
        members_a.member_id as member_id_a,
        links.namespace_a,
        links.identifier_a,
        links.segment_a,
        members_b.member_id as member_id_b,
        links.namespace_b,
        links.identifier_b,
        links.segment_b,
        masks.masked as masked_b,
        coalesce(links.refusal, overruled.reason) is null as followed,
        coalesce(links.refusal, overruled.reason) as reason,
        coalesce(overruled.cause, nullif(rtrim(substr(links.evidence, 1, links.rule_at - 1), '; '), '')) as evidence,
        links.rule,
        substr(links.evidence, links.rule_at + length(links.rule) + 1) as record,
        cast(links.strength as integer) as strength,
        cast(links.support as bigint) as support,
        links.first_seen_on,
        links.starts_at,
        links.ends_at
    from links
    left join members as members_a
        on
            links.namespace_a = members_a.namespace
            and links.identifier_a = members_a.identifier
            and links.segment_a = members_a.segment
    left join members as members_b
        on
            links.namespace_b = members_b.namespace
            and links.identifier_b = members_b.identifier
            and links.segment_b = members_b.segment
    left join overruled
        on
            links.namespace_a = overruled.namespace_a
            and links.identifier_a = overruled.identifier_a
            and links.segment_a = overruled.segment_a
            and links.namespace_b = overruled.namespace_b
            and links.identifier_b = overruled.identifier_b
            and links.segment_b = overruled.segment_b
    left join masks
        on links.namespace_b = 'phone' and links.identifier_b = masks.identifier
)

select * from final
order by member_id_a, namespace_a, identifier_a, segment_a, namespace_b, identifier_b, segment_b
