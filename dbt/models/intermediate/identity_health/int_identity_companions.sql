-- Which identifiers stand on records together, and how often. Grain: identifier × other identifier, both ways round.
-- Not incremental: a corrected record withdraws its pairs, so every night counts them anew from the statements.

with

statements as (

    select
        connection,
        feed,
        record_id,
        namespace,
        identifier,
        role,
        first_seen_on,
        -- an openid proves another person only among openids of one app; who pays may do so in two ways
        case
            when feed = 'tickets' and role = 'payer' then 'payer'
            when namespace = 'openid' then 'openid ' || split_part(identifier, ':', 1)
            else namespace
        end as id_kind
    from {{ ref('int_identity_statements') }}

),

placeholders as (

    select distinct phone_token from {{ source('ops', 'placeholder_phones') }}

),

-- a number that is listed as nobody's says nothing about what it stands beside
usable as (

    select statements.*
    from statements
    left join placeholders
        on statements.namespace = 'phone' and statements.identifier = placeholders.phone_token
    where placeholders.phone_token is null

),

-- every pair once; it is turned round only after it has been counted
pairs as (

    select
        a.namespace as namespace_a,
        a.id_kind as id_kind_a,
        a.identifier as identifier_a,
        b.namespace as namespace_b,
        b.id_kind as id_kind_b,
        b.identifier as identifier_b,
        count(*) as records,
        count(*) filter (where a.role != 'own' or b.role != 'own') as passing_records,
        -- what was typed and never proved cannot speak against the identifier it was typed beside
        count(*) filter (where a.role != 'unverified') as records_proved_a,
        count(*) filter (where b.role != 'unverified') as records_proved_b,
        min(greatest(a.first_seen_on, b.first_seen_on)) as first_on
    from usable as a
    inner join usable as b
        on {{ same_record('a', 'b') }}
            and a.id_kind < b.id_kind
    group by
        a.namespace,
        a.id_kind,
        a.identifier,
        b.namespace,
        b.id_kind,
        b.identifier

),

-- both ways round, without counting twice
sides as (

    select true as is_first

    union all

    select false

),

turned as (

    select
        case when sides.is_first then pairs.namespace_a else pairs.namespace_b end as namespace,
        case when sides.is_first then pairs.id_kind_a else pairs.id_kind_b end as id_kind,
        case when sides.is_first then pairs.identifier_a else pairs.identifier_b end as identifier,
        case when sides.is_first then pairs.id_kind_b else pairs.id_kind_a end as other_kind,
        case when sides.is_first then pairs.identifier_b else pairs.identifier_a end as other_identifier,
        case when sides.is_first then pairs.records_proved_b else pairs.records_proved_a end as records_proved,
        pairs.records,
        pairs.passing_records,
        pairs.first_on
    from pairs
    cross join sides

),

final as (

    select
        namespace,
        id_kind,
        identifier,
        other_kind,
        other_identifier,
        records,
        passing_records,
        first_on
    from turned
    where records_proved > 0

)

select * from final
