-- What speaks for a phone number that staff typed into a contact's remark. Grain: contact × phone.
-- Staff mistype, and note one customer's number with another: a remark is followed when it is unambiguous, nothing
-- known of either side contradicts it, and something confirms it.
{{ config(materialized="table") }}

with claims as (
    select
        identifier_a as external_userid,
        identifier_b as phone,
        min(first_at) as noted_at
    from {{ ref("int_identity_claims") }}
    where basis = 'remark_phone'
    group by 1, 2
),

accounts as (
    select * from {{ ref("int_identity_accounts") }} where namespace = 'external_userid'
),

holds as (
    select * from {{ ref("int_identity_holds") }}
),

names as (
    select * from {{ ref("int_identity_names") }}
),

statements as (
    select * from {{ ref("int_identity_affected_statements") }}
    where {{ identity_is_event("feed") }} and role in ('own', 'said')
),

of_contacts as (
    select
        claims.*,
        count(*) over (partition by claims.external_userid) as phones,
        count(*) over (partition by claims.phone) as contacts,
        coalesce(accounts.account, 'external_userid:' || claims.external_userid) as account
    from claims
    left join accounts on claims.external_userid = accounts.identifier
),

-- the contact's own number, proved elsewhere
proved as (
    select
        of_contacts.external_userid,
        of_contacts.phone,
        max(case when holds.phone = of_contacts.phone then 1 else 0 end) as is_this
    from of_contacts
    inner join holds on of_contacts.account = holds.holder
    group by 1, 2
),

-- names of whoever holds the number, against the contact's
named as (
    select
        of_contacts.external_userid,
        of_contacts.phone,
        max(case when of_holder.name_token = of_contact.name_token then 1 else 0 end) as agrees
    from of_contacts
    inner join names as of_contact on of_contacts.account = of_contact.holder
    inner join holds on of_contacts.phone = holds.phone
    inner join names as of_holder on holds.holder = of_holder.holder
    group by 1, 2
),

-- whether the number, or a card that has it, was in use or taken when staff met the contact
ids_of_phone as (
    select distinct external_userid, phone, noted_at, 'phone' as namespace, phone as identifier
    from of_contacts
    union
    select of_contacts.external_userid, of_contacts.phone, of_contacts.noted_at, 'pos_member', substr(holds.holder, 12)
    from of_contacts
    inner join holds on of_contacts.phone = holds.phone
    where holds.is_card
),

met as (
    select distinct ids_of_phone.external_userid, ids_of_phone.phone
    from ids_of_phone
    inner join statements
        on
            ids_of_phone.namespace = statements.namespace
            and ids_of_phone.identifier = statements.identifier
    where
        abs({{ days_between("cast(statements.first_at as date)", "cast(ids_of_phone.noted_at as date)") }}) <= 1
    union
    -- the number was given then: staff who open a card add the customer on the spot
    select of_contacts.external_userid, of_contacts.phone
    from of_contacts
    inner join holds on of_contacts.phone = holds.phone
    where
        abs({{ days_between("cast(holds.starts_at as date)", "cast(of_contacts.noted_at as date)") }}) <= 1
)

select
    of_contacts.external_userid,
    of_contacts.phone,
    case
        when of_contacts.phones > 1 or of_contacts.contacts > 1 then 'ambiguous_remark'
        when proved.is_this = 0 or named.agrees = 0 then 'contradicted_remark'
        when
            coalesce(proved.is_this, 0) = 0
            and coalesce(named.agrees, 0) = 0
            and met.phone is null
            and rules.remark_needs_proof
            then 'unconfirmed_remark'
    end as refusal,
    'phones of the contact=' || of_contacts.phones || ' contacts of the phone=' || of_contacts.contacts
    || case when proved.is_this = 0 then ' the contact proved another number' else '' end
    || case when named.agrees = 0 then ' names differ' else '' end as evidence
from of_contacts
cross join {{ source("ops", "rule_identity") }} as rules
left join proved
    on of_contacts.external_userid = proved.external_userid and of_contacts.phone = proved.phone
left join named
    on of_contacts.external_userid = named.external_userid and of_contacts.phone = named.phone
left join met
    on of_contacts.external_userid = met.external_userid and of_contacts.phone = met.phone
