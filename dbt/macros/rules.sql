{# The business day an instant belongs to: a day ends at the cutover, not at midnight. #}
{% macro business_date(instant, cutover_minutes) -%}
    cast({{ add_minutes(instant, '-(' ~ cutover_minutes ~ ')') }} as date)
{%- endmacro %}


{# Days of the windows that published columns are named after (spend_30d_fen, orders_90d). They are no rule: the contract
   of the marts says what 30 days at a night are, and a column of another length is another column. #}
{% macro window_lengths() -%}
    {{ return([7, 30, 90, 365]) }}
{%- endmacro %}


{# True for a business date among the n that end with a day: D-n+1 to D, by the contract of the marts. #}
{% macro in_window(business_date, last_day, days) -%}
    {{ days_between(business_date, last_day) }} between 0 and {{ days - 1 }}
{%- endmacro %}


{# 0 to 99, the same for the same campaign and member in every run and on every engine. #}
{% macro hash_bucket(campaign_id, member_id) -%}
    ({{ hex_to_bigint('substr(' ~ sha256_hex(campaign_id ~ " || '|' || " ~ member_id) ~ ', 1, 8)') }} % 100)
{%- endmacro %}


{# Fifth that a value belongs to among all rows, 5 the highest, of rows grouped by that value: equal values share a fifth.
   order_by: the value, lowest first. #}
{% macro fifth_of(order_by) -%}
    cast({{ int_div(
        '5 * sum(count(*)) over (order by ' ~ order_by ~ ') + sum(count(*)) over () - 1',
        'sum(count(*)) over ()'
    ) }} as integer)
{%- endmacro %}


{# Fen as yuan text with two decimals. #}
{% macro yuan_text(fen_amount) -%}
    cast({{ int_div(fen_amount, 100) }} as varchar)
    || '.' || lpad(cast({{ fen_amount }} % 100 as varchar), 2, '0')
{%- endmacro %}


{# The same code for the same campaign, member and lapse, so a night that is run again issues nothing new. #}
{% macro coupon_code(campaign_id, member_id, lapse_key) -%}
    'LL' || upper(substr({{ sha256_hex(
        campaign_id ~ " || '|' || " ~ member_id ~ " || '|' || " ~ lapse_key
    ) }}, 1, 14))
{%- endmacro %}


{# An instant of a day, from its clock text HH:MM. #}
{% macro at_clock(day, clock) -%}
    {{ add_minutes(
        'cast(' ~ day ~ ' as timestamp)',
        '60 * cast(substr(' ~ clock ~ ', 1, 2) as integer) + cast(substr(' ~ clock ~ ', 4, 2) as integer)'
    ) }}
{%- endmacro %}


{#  True when every difference is more than rounding: more than a fen per piece, whatever the till rounds off (抹零),
    which tills write with either sign, before or after net.  #}
{% macro beyond_rounding(differences, rounding, pieces) -%}
    {%- for difference in differences -%}
    least(abs({{ difference }}), abs({{ difference }} - {{ rounding }}), abs({{ difference }} + {{ rounding }})) > {{ pieces }}
        {%- if not loop.last %}
        and {% endif %}
    {%- endfor -%}
{%- endmacro %}


{# What is usual among identifiers: the upper quartile, which does not move while fewer than a quarter of them are bad.
   Of fewer than `at_least` nothing can be said to be usual. #}
{% macro usual(measure, at_least) -%}
    case when count(*) >= max({{ at_least }}) then percentile_disc(0.75) within group (order by {{ measure }}) else 1 end
{%- endmacro %}
