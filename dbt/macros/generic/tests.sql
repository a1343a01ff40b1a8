{# Breaches of a key: rows that share all the named columns, and rows that lack one of them. #}
{% test unique_combination(model, columns) %}
select {{ columns | join(', ') }}, count(*) as rows_found
from {{ model }}
group by {{ columns | join(', ') }}
having
    count(*) > 1
    {%- for column in columns %}
    or {{ column }} is null
    {%- endfor %}
{% endtest %}


{# The same for a key of one column. #}
{% test unique_key(model, column_name) %}
{{ linli.test_unique_combination(model, [column_name]) }}
{% endtest %}


{# Values outside [min_value, max_value]; either end may be left open. Nulls pass. #}
{% test accepted_range(model, column_name, min_value=none, max_value=none) %}
select {{ column_name }}
from {{ model }}
where
    false
    {%- if min_value is not none %}
    or {{ column_name }} < {{ min_value }}
    {%- endif %}
    {%- if max_value is not none %}
    or {{ column_name }} > {{ max_value }}
    {%- endif %}
{% endtest %}


{# Rows for which the expression is not true (false or unknown). #}
{% test holds(model, expression) %}
select *
from {{ model }}
where ({{ expression }}) is not true
{% endtest %}


{# Rows that break one of several named expressions (name: expression), found in one scan; each with the name of the
   first that is not true (false or unknown). #}
{% test row_checks(model, checks) %}
select *
from (
    select
        *,
        case
            {%- for name, expression in checks.items() %}
            when ({{ expression }}) is not true then '{{ name }}'
            {%- endfor %}
        end as broken_check
    from {{ model }}
) as checked
where broken_check is not null
{% endtest %}


{# Orders whose refunds do not add up to their refund_fen. #}
{% test adds_up_to_orders(model, orders) %}
with given_back as (
    select order_key, sum(amount_fen) as amount_fen from {{ model }} group by order_key
)

select orders.order_key, orders.refund_fen, given_back.amount_fen
from {{ orders }} as orders
full outer join given_back
    on orders.order_key = given_back.order_key
where coalesce(orders.refund_fen, -1) <> coalesce(given_back.amount_fen, 0)
{% endtest %}
