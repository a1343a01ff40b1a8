{# The hour of an instant, 0 to 23. #}
{% macro segment_hour(instant) -%} cast(extract(hour from {{ instant }}) as integer) {%- endmacro %}


{# The weekday of a day, 1 Monday to 7 Sunday. #}
{% macro segment_weekday(day) -%}
    {{ return(adapter.dispatch('segment_weekday', 'linli')(day)) }}
{%- endmacro %}

{% macro duckdb__segment_weekday(day) -%} cast(isodow({{ day }}) as integer) {%- endmacro %}

{% macro spark__segment_weekday(day) -%} cast(weekday({{ day }}) + 1 as integer) {%- endmacro %}


{# Whether a bit of a word is set; `bit` is its value, a power of two. #}
{% macro has_bit(word, bit) -%} (({{ word }} & {{ bit }}) <> 0) {%- endmacro %}


{# The compiled features with what their names stand for. #}
{% macro segment_features(plan, relations) -%}
    {%- set text = namespace(sql=plan.features) -%}
    {%- for name, relation in relations.items() -%}
        {%- set text.sql = text.sql | replace('__' ~ name ~ '__', relation) -%}
    {%- endfor -%}
    {%- for bucket in plan.buckets -%}
        {%- set percent = hash_bucket("'" ~ bucket.salt ~ "'", 'frame.member_id') -%}
        {%- set text.sql = text.sql | replace('__bucket_' ~ bucket.column ~ '__', percent) -%}
    {%- endfor -%}
    {{ return(text.sql) }}
{%- endmacro %}
