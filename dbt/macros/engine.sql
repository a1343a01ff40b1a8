{# Everything that DuckDB and Spark spell differently. Models use only these. #}

{% macro sha256_hex(text) -%}
    {{ return(adapter.dispatch('sha256_hex', 'linli')(text)) }}
{%- endmacro %}

{% macro duckdb__sha256_hex(text) -%} sha256({{ text }}) {%- endmacro %}

{% macro spark__sha256_hex(text) -%} sha2({{ text }}, 256) {%- endmacro %}


{% macro hex_to_bigint(hex) -%}
    {{ return(adapter.dispatch('hex_to_bigint', 'linli')(hex)) }}
{%- endmacro %}

{% macro duckdb__hex_to_bigint(hex) -%} cast('0x' || {{ hex }} as bigint) {%- endmacro %}

{% macro spark__hex_to_bigint(hex) -%} cast(conv({{ hex }}, 16, 10) as bigint) {%- endmacro %}


{% macro add_minutes(instant, minutes) -%}
    {{ return(adapter.dispatch('add_minutes', 'linli')(instant, minutes)) }}
{%- endmacro %}

{% macro duckdb__add_minutes(instant, minutes) -%}
    ({{ instant }} + to_minutes(cast({{ minutes }} as integer)))
{%- endmacro %}

{% macro spark__add_minutes(instant, minutes) -%}
    timestampadd(minute, cast({{ minutes }} as int), {{ instant }})
{%- endmacro %}


{% macro add_days(day, days) -%}
    {{ return(adapter.dispatch('add_days', 'linli')(day, days)) }}
{%- endmacro %}

{% macro duckdb__add_days(day, days) -%} ({{ day }} + cast({{ days }} as integer)) {%- endmacro %}

{% macro spark__add_days(day, days) -%} date_add({{ day }}, cast({{ days }} as int)) {%- endmacro %}


{% macro days_between(earlier, later) -%}
    {{ return(adapter.dispatch('days_between', 'linli')(earlier, later)) }}
{%- endmacro %}

{% macro duckdb__days_between(earlier, later) -%}
    cast(date_diff('day', {{ earlier }}, {{ later }}) as integer)
{%- endmacro %}

{% macro spark__days_between(earlier, later) -%} datediff({{ later }}, {{ earlier }}) {%- endmacro %}


{% macro format_minute(instant) -%}
    {{ return(adapter.dispatch('format_minute', 'linli')(instant)) }}
{%- endmacro %}

{% macro duckdb__format_minute(instant) -%} strftime({{ instant }}, '%Y-%m-%d %H:%M') {%- endmacro %}

{% macro spark__format_minute(instant) -%} date_format({{ instant }}, 'yyyy-MM-dd HH:mm') {%- endmacro %}


{# All columns of a relation, one of them computed anew. #}
{% macro star_replacing(column, expression) -%}
    {{ return(adapter.dispatch('star_replacing', 'linli')(column, expression)) }}
{%- endmacro %}

{% macro duckdb__star_replacing(column, expression) -%}
    * replace ({{ expression }} as {{ column }})
{%- endmacro %}

{% macro spark__star_replacing(column, expression) -%}
    * except ({{ column }}), {{ expression }} as {{ column }}
{%- endmacro %}


{# Whole quotient of two non-negative integers, without a detour through floating point. #}
{% macro int_div(numerator, denominator) -%}
    {{ return(adapter.dispatch('int_div', 'linli')(numerator, denominator)) }}
{%- endmacro %}

{% macro duckdb__int_div(numerator, denominator) -%} (({{ numerator }}) // ({{ denominator }})) {%- endmacro %}

{% macro spark__int_div(numerator, denominator) -%} (({{ numerator }}) div ({{ denominator }})) {%- endmacro %}


{# One row per item of a comma-separated text. #}
{% macro list_items(text) -%}
    {{ return(adapter.dispatch('list_items', 'linli')(text)) }}
{%- endmacro %}

{% macro duckdb__list_items(text) -%} unnest(string_split({{ text }}, ',')) {%- endmacro %}

{% macro spark__list_items(text) -%} explode(split({{ text }}, ',')) {%- endmacro %}


{# One row per item of a JSON list of texts; none for what is no such list. #}
{% macro json_items(text) -%}
    {{ return(adapter.dispatch('json_items', 'linli')(text)) }}
{%- endmacro %}

{% macro duckdb__json_items(text) -%}
    unnest(case when json_valid({{ text }}) then from_json({{ text }}, '["varchar"]') end)
{%- endmacro %}

{% macro spark__json_items(text) -%} explode(from_json({{ text }}, 'array<string>')) {%- endmacro %}


{# Position (from 1) of a text in another, 0 when absent. #}
{% macro position_of(needle, haystack) -%}
    {{ return(adapter.dispatch('position_of', 'linli')(needle, haystack)) }}
{%- endmacro %}

{% macro duckdb__position_of(needle, haystack) -%} strpos({{ haystack }}, {{ needle }}) {%- endmacro %}

{% macro spark__position_of(needle, haystack) -%} instr({{ haystack }}, {{ needle }}) {%- endmacro %}


{# Joins two relations of the same columns whatever their order; Spark SQL has no such word and trusts the order. #}
{% macro union_all_by_name() -%}
    {{ return(adapter.dispatch('union_all_by_name', 'linli')()) }}
{%- endmacro %}

{% macro duckdb__union_all_by_name() -%} union all by name {%- endmacro %}

{% macro spark__union_all_by_name() -%} union all {%- endmacro %}


{# Seconds since 1970 as an instant without a zone. #}
{% macro seconds_to_instant(seconds) -%}
    {{ return(adapter.dispatch('seconds_to_instant', 'linli')(seconds)) }}
{%- endmacro %}

{% macro duckdb__seconds_to_instant(seconds) -%} make_timestamp(({{ seconds }}) * 1000000) {%- endmacro %}

{% macro spark__seconds_to_instant(seconds) -%} cast(timestamp_seconds({{ seconds }}) as timestamp_ntz) {%- endmacro %}


{# A number of some values that changes when one of them does; another release of the engine may give another. #}
{% macro row_hash(values) -%}
    {{ return(adapter.dispatch('row_hash', 'linli')(values)) }}
{%- endmacro %}

{% macro duckdb__row_hash(values) -%} cast(hash({{ values | join(', ') }}) >> 1 as bigint) {%- endmacro %}

{% macro spark__row_hash(values) -%} xxhash64({{ values | join(', ') }}) {%- endmacro %}


{# After `as` of a CTE: a large table that is named more than once, and other rows of it each time. DuckDB would copy it as
   a whole first. #}
{% macro read_in_place() -%}
    {{ return(adapter.dispatch('read_in_place', 'linli')()) }}
{%- endmacro %}

{% macro duckdb__read_in_place() -%} not materialized {%- endmacro %}

{% macro spark__read_in_place() -%} {%- endmacro %}
