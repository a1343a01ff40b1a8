{# Raw text to typed columns. The door has normalised the text, so a cast that fails is a bug and stops the build. #}

{# Yuan text to integer fen, exact: decimal arithmetic, half a fen away from zero. #}
{% macro fen(yuan_text) -%}
    cast(round(cast({{ yuan_text }} as decimal(18, 4)) * 100, 0) as bigint)
{%- endmacro %}

{% macro quantity(text) -%} cast({{ text }} as decimal(18, 3)) {%- endmacro %}

{% macro instant(text) -%} cast({{ text }} as timestamp) {%- endmacro %}

{# 'Y', 'N' or null to a three-state boolean. #}
{% macro yes_no(text) -%}
    case {{ text }} when 'Y' then true when 'N' then false end
{%- endmacro %}
