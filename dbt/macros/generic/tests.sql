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


{# Rows that lack one of the named columns, found in one scan. #}
{% test all_filled(model, columns) %}
select *
from {{ model }}
where
    {%- for column in columns %}
    {{ 'or ' if not loop.first }}{{ column }} is null
    {%- endfor %}
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


{# Touched orders whose refunds do not add up to their refund_fen. #}
{% test adds_up_to_orders(model, orders, touched) %}
with given_back as (
    select order_key, sum(amount_fen) as amount_fen
    from {{ model }}
    where order_key in (select order_key from {{ touched }})
    group by order_key
),

touched_orders as (
    select order_key, refund_fen
    from {{ orders }}
    where order_key in (select order_key from {{ touched }})
)

select touched_orders.order_key, touched_orders.refund_fen, given_back.amount_fen
from touched_orders
full outer join given_back
    on touched_orders.order_key = given_back.order_key
where coalesce(touched_orders.refund_fen, -1) <> coalesce(given_back.amount_fen, 0)
{% endtest %}


{# Days and shops for which a column differs from the metric it is named for in models/semantic, asked of `source`.
   `metrics`: column → simple metric of one semantic model; `keys`: column → dimension of it. #}
{% test agrees_with_metric(model, source, metrics, keys) %}
{%- if execute %}
{%- set values = [] %}
{%- set semantic = namespace(model=none) %}
{%- for column, name in metrics.items() %}
    {%- set metric = graph.metrics.values() | selectattr('name', 'equalto', name) | first %}
    {%- for candidate in graph.semantic_models.values() %}
        {%- for measure in candidate.measures if measure.name == metric.type_params.measure.name %}
            {%- set semantic.model = candidate %}
            {%- set chosen = namespace(sql='true') %}
            {%- if metric.filter %}
                {%- set chosen.sql = metric.filter.where_filters | map(attribute='where_sql_template') | join(' and ') %}
                {%- for entity in candidate.entities %}
                    {%- for dimension in candidate.dimensions %}
                        {%- set said = "{{ Dimension('" ~ entity.name ~ "__" ~ dimension.name ~ "') }}" %}
                        {%- set chosen.sql = chosen.sql.replace(said, '(' ~ dimension.expr ~ ')') %}
                    {%- endfor %}
                {%- endfor %}
            {%- endif %}
            {%- set counted = {'sum': 'sum(', 'count': 'count(', 'count_distinct': 'count(distinct '}[measure.agg.value | default(measure.agg, true)] %}
            {%- do values.append(counted ~ 'case when ' ~ chosen.sql ~ ' then ' ~ measure.expr ~ ' end) as ' ~ column) %}
        {%- endfor %}
    {%- endfor %}
{%- endfor %}
{%- set dimensions = {} %}
{%- for dimension in semantic.model.dimensions %}{% do dimensions.update({dimension.name: dimension.expr}) %}{% endfor %}
with asked as (
    select
        {% for column, dimension in keys.items() %}
        {{ dimensions[dimension] }} as {{ column }},
        {% endfor %}
        {{ values | join(',\n        ') }}
    from {{ source }}
    group by {% for column in keys %}{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}
)

select
    {% for column in keys %}
    coalesce(told.{{ column }}, asked.{{ column }}) as {{ column }},
    {% endfor %}
    {% for column in metrics %}
    told.{{ column }},
    asked.{{ column }} as asked_{{ column }}{{ ',' if not loop.last }}
    {% endfor %}
from {{ model }} as told
full outer join asked
    on {% for column in keys %}told.{{ column }} = asked.{{ column }}{{ ' and ' if not loop.last }}{% endfor %}
where
    false
    {% for column in metrics %}
    or coalesce(told.{{ column }}, 0) <> coalesce(asked.{{ column }}, 0)
    {% endfor %}
{%- endif %}
{% endtest %}
