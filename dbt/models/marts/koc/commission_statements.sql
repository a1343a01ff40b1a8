-- Grain: one row per month and beneficiary. No rows yet.

select
    cast(null as varchar) as month,
    cast(null as varchar) as beneficiary_member_id,
    cast(null as integer) as orders,
    cast(null as bigint) as level1_fen,
    cast(null as bigint) as level2_fen,
    cast(null as bigint) as clawed_back_fen,
    cast(null as bigint) as pending_fen,
    cast(null as bigint) as due_fen
where false
