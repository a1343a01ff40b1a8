-- From when a connection's ledger of points tells of its tickets: from the night its first file arrived, or, where that
-- file tells of days before, from its first posting for a ticket. Grain: connection.

with

arrivals as (

    select
        connection,
        min(first_night) as first_night
    from {{ source('ops', 'available_feeds') }}
    where feed = 'points'
    group by connection

),

-- what names no ticket (an opening balance, say) may be of long before
postings as (

    select
        connection,
        min(occurred_at) as first_posted_at
    from {{ ref('stg_pos__points') }}
    where kind in ('earn', 'spend') and ref_id is not null
    group by connection

)

select
    arrivals.connection,
    arrivals.first_night,
    postings.first_posted_at
from arrivals
left join postings
    on arrivals.connection = postings.connection
