{# Which rows a night looks at: those whose key is in a list of what it touched, or all when everything is made anew.
   `their_column`: the key's name in the list, where it has another. #}

{% macro touched_rows(column, touched, their_column=none) -%}
    {%- if is_incremental() -%}
    {{ column }} in (select {{ their_column or column.split('.') | last }} from {{ touched }})
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}


{# The same for facts by day, which are made anew for the days of touched sales, and for the keys (`columns`: of the row,
   as the list `keys` has them in `their_columns`) of sales that only changed hands. #}
{% macro touched_day_rows(columns, keys, their_columns) -%}
    {%- set days = ref('int_touched_sale_days') -%}
    {%- if is_incremental() -%}
    (
        {{ columns | last }} in (select business_date from {{ days }})
        or ({{ columns | join(', ') }}) in (select {{ their_columns | join(', ') }} from {{ keys }})
    )
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}


{# Rows whose newest version tonight's batches brought. #}
{% macro arrived_tonight() -%}
    batch_id in (select batch_id from {{ source('ops', 'pending_batches') }})
{%- endmacro %}


{# Tests may look at touched rows only. In the `where` of a test, `__touched__: <columns> in <model>` stands for the rows
   whose columns (joined by commas without blanks) are in that model of the schema `intermediate`; there may be several,
   joined by `or`. A build of everything, and a warehouse without one of the models, checks every row. Any other `where`
   means what it says. #}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if not where -%}
        {%- do return(relation) -%}
    {%- endif -%}
    {%- if where.startswith('__touched__:') and execute -%}
        {%- set wanted = [] -%}
        {%- set relations = [] -%}
        {%- for part in where.replace('__touched__:', '').split(' or ') -%}
            {%- set words = part.split() -%}
            {%- set list = adapter.get_relation(relation.database, 'intermediate', words[2]) -%}
            {%- do relations.append(list) -%}
            {%- do wanted.append('(' ~ words[0] ~ ') in (select ' ~ words[0] ~ ' from ' ~ list ~ ')') -%}
        {%- endfor -%}
        {%- if flags.FULL_REFRESH or none in relations -%}
            {%- do return(relation) -%}
        {%- endif -%}
        {%- set where -%}
            {{ wanted | join(' or ') }}
            or (select is_refresh from {{ source('ops', 'run_context') }})
        {%- endset -%}
        {%- do return('(select * from ' ~ relation ~ ' where ' ~ where ~ ') as touched_rows') -%}
    {%- endif -%}
    {%- do return('(select * from ' ~ relation ~ ' where ' ~ where ~ ') as dbt_subquery') -%}
{%- endmacro %}
