{# How a feed becomes "the newest version of each key", without reading the whole lake again every night. #}

{#  Columns every staging row starts with.
    feed: canonical feed name; key: columns of its key; record_id: columns that name the record, where a record of
    the contract is coarser than the row (a WeCom contact is one person however many staff follow her).  #}
{% macro record_columns(feed, key, record_id=none) -%}
    {%- set record = (record_id or key) | join(" || '|' || ") -%}
    _connection || '|{{ feed }}|' || {{ key | join(" || '|' || ") }} as row_key,
        _connection || '|{{ feed }}|' || {{ record }} as record_key,
        {{ record }} as record_id,
        _connection as connection,
        _night as arrived_on,
        _night as first_arrived_on,
        _file as file_name,
        _row_no as row_no,
        _batch_id as batch_id
{%- endmacro %}


{# True for raw rows this run has to look at: all of them in a rebuild, else those of batches not digested yet. #}
{% macro is_pending() -%}
    {%- if is_incremental() -%}
    _batch_id in (select batch_id from {{ source('ops', 'pending_batches') }})
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}


{#  The newest version per row_key among the arrivals and what is already known; first_arrived_on is the first night
    of all versions. Digesting a batch twice, or batches in another order, ends in the same rows.
    arrivals: name of the CTE; by_update: the feed has updated_at, which outranks the night of arrival.  #}
{% macro latest_version(arrivals, by_update=false) -%}
versions as (

    select * from {{ arrivals }}
    {%- if is_incremental() %}

    {{ union_all_by_name() }}

    select *
    from {{ this }}
    where row_key in (select row_key from {{ arrivals }})
    {%- endif %}

),

latest as (

    select {{ star_replacing('first_arrived_on', 'min(first_arrived_on) over (partition by row_key)') }}
    from versions
    qualify row_number() over (
        partition by row_key
        order by
            {%- if by_update %}
            updated_at desc nulls last,
            {%- endif %}
            arrived_on desc,
            file_name desc,
            row_no desc,
            batch_id desc
    ) = 1

)

select * from latest
{%- endmacro %}
