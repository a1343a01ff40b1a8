{# True when both sides agree in every one of these columns. #}
{% macro equal_in(columns, left, right) -%}
    {%- for column in columns -%}
    {{ left }}.{{ column }} = {{ right }}.{{ column }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{# True when both sides name the same record of the same source. #}
{% macro same_record(left, right) -%}
    {{ equal_in(['connection', 'feed', 'record_id'], left, right) }}
{%- endmacro %}
