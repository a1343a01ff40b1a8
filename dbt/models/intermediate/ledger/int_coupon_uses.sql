-- Grain: one row per redemption of a coupon, with what speaks against it. The first one that nothing speaks against
-- counts, and where there is none, the first. A use whose order was voided or closed is none any more.

with

uses as (

    select * from {{ ref('int_coupon_events') }} where event = 'redeemed'

),

codes as (

    select * from {{ ref('int_coupon_codes') }}

),

undone_orders as {{ read_in_place() }} (

    select order_key from {{ ref('int_orders') }} where status in ('voided', 'closed')

),

judged as (

    select
        uses.ledger_id,
        uses.coupon_code,
        uses.occurred_at,
        uses.business_date,
        uses.member_id,
        uses.channel,
        uses.order_key,
        uses.is_derived,
        coalesce(uses.amount_fen, codes.template_amount_fen) as amount_fen,
        codes.issued_at is null as is_never_issued,
        coalesce(uses.occurred_at < codes.issued_at, false) as is_before_issue,
        -- in the last instant it is still valid
        coalesce(uses.occurred_at > codes.expires_at, false) as is_after_expiry,
        coalesce(uses.occurred_at > codes.voided_at, false) as is_after_void,
        coalesce(uses.member_id <> codes.holder_member_id, false) as is_other_member,
        codes.issued_at is not null and codes.holder_member_id is null as is_holder_unknown,
        undone_orders.order_key is not null as is_released
    from uses
    inner join codes
        on uses.coupon_code = codes.coupon_code
    left join undone_orders
        on uses.order_key = undone_orders.order_key

),

final as (

    select
        *,
        not is_released
        and row_number() over (
            partition by coupon_code
            order by
                case
                    when is_released then 3
                    when is_never_issued or is_before_issue or is_after_expiry or is_after_void or is_other_member then 2
                    else 1
                end,
                occurred_at,
                ledger_id
        ) = 1 as is_counted
    from judged

)

select * from final
