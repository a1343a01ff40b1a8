{# Numbers and days: arithmetic that stays in integers, and what engines spell differently about it. #}

{# A number for a text, the same in every run, null for none: equal texts have equal numbers, and different ones nearly
   always. To join and delete by, never to publish. #}
{% macro key_hash(text) -%}
    {{ return(adapter.dispatch('key_hash', 'linli')(text)) }}
{%- endmacro %}

{% macro duckdb__key_hash(text) -%} cast(md5_number_lower({{ text }}) >> 1 as bigint) {%- endmacro %}

{% macro spark__key_hash(text) -%} cast(conv(substr(md5({{ text }}), 1, 15), 16, 10) as bigint) {%- endmacro %}


{# Hour of an instant by the clock on the wall, 0 to 23. #}
{% macro hour_of(instant) -%} cast(extract(hour from {{ instant }}) as integer) {%- endmacro %}


{# Day of the week, 1 Monday to 7 Sunday. #}
{% macro iso_weekday(day) -%}
    {{ return(adapter.dispatch('iso_weekday', 'linli')(day)) }}
{%- endmacro %}

{% macro duckdb__iso_weekday(day) -%} cast(isodow({{ day }}) as integer) {%- endmacro %}

{% macro spark__iso_weekday(day) -%} cast(weekday({{ day }}) + 1 as int) {%- endmacro %}


{# Month of a day as text, YYYY-MM. #}
{% macro month_text(day) -%}
    {{ return(adapter.dispatch('month_text', 'linli')(day)) }}
{%- endmacro %}

{% macro duckdb__month_text(day) -%} strftime({{ day }}, '%Y-%m') {%- endmacro %}

{% macro spark__month_text(day) -%} date_format({{ day }}, 'yyyy-MM') {%- endmacro %}


{# Aggregate: the middle value, of an even number the mean of the two in the middle; nulls do not count. #}
{% macro median_of(value) -%}
    {{ return(adapter.dispatch('median_of', 'linli')(value)) }}
{%- endmacro %}

{% macro duckdb__median_of(value) -%} cast(median({{ value }}) as double) {%- endmacro %}

{% macro spark__median_of(value) -%} percentile({{ value }}, 0.5) {%- endmacro %}


{# A share of an amount in whole units, half a unit rounded up: amount × basis_points / 10,000. Neither is negative. #}
{% macro half_up(amount, basis_points) -%}
    cast({{ int_div('cast(' ~ amount ~ ' as bigint) * (' ~ basis_points ~ ') + 5000', '10000') }} as bigint)
{%- endmacro %}


{# A decimal quantity times an amount in fen, in whole fen, half a fen away from zero. #}
{% macro fen_times(quantity, fen_amount) -%}
    cast(round(cast({{ quantity }} as decimal(18, 3)) * ({{ fen_amount }}), 0) as bigint)
{%- endmacro %}
