-- Grain: one row per month and beneficiary.

with

commissions as (

    select * from {{ ref('commissions') }}

),

rule as (

    select rule_hash from {{ source('ops', 'rule_commission') }}

)

select
    month,
    beneficiary_member_id,
    cast(count(distinct case when entry_no = 0 and status <> 'clawed_back' then order_key end) as integer) as orders,
    cast(sum(case when entry_no = 0 and level = 1 then amount_fen else 0 end) as bigint) as level1_fen,
    cast(sum(case when entry_no = 0 and level = 2 then amount_fen else 0 end) as bigint) as level2_fen,
    cast(sum(case when entry_no > 0 then amount_fen else 0 end) as bigint) as clawed_back_fen,
    cast(sum(case when status = 'pending' then amount_fen else 0 end) as bigint) as pending_fen,
    cast(sum(case when status <> 'pending' then amount_fen else 0 end) as bigint) as due_fen,
    min(rule.rule_hash) as rule_hash
from commissions
cross join rule
group by month, beneficiary_member_id
