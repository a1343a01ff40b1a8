-- Grain: one row per month, kind of party and party. No rows yet.

select
    cast(null as varchar) as month,
    cast(null as varchar) as party_kind,
    cast(null as varchar) as party_id,
    cast(null as varchar) as store_code,
    cast(null as bigint) as sales_fen,
    cast(null as bigint) as refund_fen,
    cast(null as bigint) as net_fen,
    cast(null as bigint) as commission_fen,
    cast(null as bigint) as incentive_fen,
    cast(null as bigint) as due_fen
where false
