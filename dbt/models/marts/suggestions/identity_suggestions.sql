-- Grain: one row per pair of members who may be one person, with what somebody has decided of them.

with

suggestions as (

    select * from {{ ref('int_identity_suggestions') }}

),

record_members as (

    select * from {{ ref('record_members') }}

),

decisions as (

    select * from {{ source('ops', 'identity_decisions') }}

),

-- the record that stands for a member in a decision: one that names a person rather than a purchase, if there is one
ranked_records as (

    select
        member_id,
        connection || '|' || feed || '|' || record_id as record,
        row_number() over (
            partition by member_id
            order by
                case feed when 'members' then 1 when 'users' then 2 when 'contacts' then 3 else 4 end,
                connection,
                feed,
                record_id
        ) as place
    from record_members
    where member_id is not null

),

decided_pairs as (

    select
        case when a.member_id < b.member_id then a.member_id else b.member_id end as member_id_a,
        case when a.member_id < b.member_id then b.member_id else a.member_id end as member_id_b,
        decisions.decision,
        decisions.decided_by,
        decisions.line
    from decisions
    inner join record_members as a
        on
            decisions.connection_a = a.connection
            and decisions.feed_a = a.feed
            and decisions.record_id_a = a.record_id
    inner join record_members as b
        on
            decisions.connection_b = b.connection
            and decisions.feed_b = b.feed
            and decisions.record_id_b = b.record_id

),

-- of several decisions about one pair the one further down was made later
ranked_decisions as (

    select
        *,
        row_number() over (partition by member_id_a, member_id_b order by line desc) as place
    from decided_pairs

),

final as (

    select
        substr({{ sha256_hex("suggestions.member_id_a || '|' || suggestions.member_id_b") }}, 1, 12) as suggestion_id,
        suggestions.member_id_a,
        suggestions.member_id_b,
        suggestions.match_probability,
        suggestions.reasons,
        records_a.record as record_a,
        records_b.record as record_b,
        ranked_decisions.decision,
        ranked_decisions.decided_by
    from suggestions
    inner join ranked_records as records_a
        on suggestions.member_id_a = records_a.member_id and records_a.place = 1
    inner join ranked_records as records_b
        on suggestions.member_id_b = records_b.member_id and records_b.place = 1
    left join ranked_decisions
        on
            suggestions.member_id_a = ranked_decisions.member_id_a
            and suggestions.member_id_b = ranked_decisions.member_id_b
            and ranked_decisions.place = 1

)

select * from final
