{# The business day an instant belongs to: a day ends at the cutover, not at midnight. #}
{% macro business_date(instant, cutover_minutes) -%}
    cast({{ add_minutes(instant, '-(' ~ cutover_minutes ~ ')') }} as date)
{%- endmacro %}


{# 0 to 99, the same for the same campaign and member in every run and on every engine. #}
{% macro hash_bucket(campaign_id, member_id) -%}
    ({{ hex_to_bigint('substr(' ~ sha256_hex(campaign_id ~ " || '|' || " ~ member_id) ~ ', 1, 8)') }} % 100)
{%- endmacro %}


{# Fifths of a value among all rows, 5 the highest; equal values share a fifth. #}
{% macro quintile(order_by) -%}
    cast({{ int_div(
        '5 * count(*) over (order by ' ~ order_by ~ ' range between unbounded preceding and current row)'
        ~ ' + count(*) over () - 1',
        'count(*) over ()'
    ) }} as integer)
{%- endmacro %}
