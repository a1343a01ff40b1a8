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


{# Whether a text tells of health, pregnancy or children: it holds a word of the plan, in either case of letters. #}
{% macro is_sensitive(text) -%}
    (
        {%- for word in var('segment_plan').sensitive -%}
        {{ position_of("'" ~ word ~ "'", 'lower(' ~ text ~ ')') }} > 0 or {% endfor -%}
        false)
{%- endmacro %}
