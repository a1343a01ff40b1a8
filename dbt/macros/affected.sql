{# How a model keeps what the night did not touch. Both delete and insert in one transaction; a night that is run again
   ends in the same rows. #}

{# The table holds tonight's rows only. #}
{% macro get_incremental_replaced_sql(arguments) %}
    {% set columns = get_quoted_csv(arguments.dest_columns | map(attribute="name")) %}
    delete from {{ arguments.target_relation }};
    insert into {{ arguments.target_relation }} ({{ columns }})
    select {{ columns }} from {{ arguments.temp_relation }};
{% endmacro %}


{# Rows of what the night may have changed go, whether or not it has new ones, and its new ones come. The model names
   them in its meta: `affected`, a model with the columns of unique_key (`affected_columns`, when they are named
   otherwise), and, where both have one, `number`: a number of the key, which is compared faster than the key. All rows of
   a day go that is in `days`, a model with a business_date. #}
{% macro get_incremental_affected_sql(arguments) %}
    {% set columns = get_quoted_csv(arguments.dest_columns | map(attribute="name")) %}
    {% set key = [arguments.unique_key] if arguments.unique_key is string else arguments.unique_key %}
    {% set meta = config.get("meta") %}
    {% set theirs = meta.get("affected_columns", key) %}
    delete from {{ arguments.target_relation }} as kept
    where {% if "number" in meta %}kept.{{ meta.number }} in (select {{ meta.number }} from {{ ref(meta.affected) }}) and {% endif %}
        {# not EXISTS: were `affected` a view, it would be asked again and again #}
        ({% for column in key %}kept.{{ column }}{% if not loop.last %}, {% endif %}{% endfor %}) in (
            select {{ theirs | join(", ") }} from {{ ref(meta.affected) }}
        );
    {%- if "days" in meta %}
    delete from {{ arguments.target_relation }}
    where business_date in (select business_date from {{ ref(meta.days) }});
    {%- endif %}
    insert into {{ arguments.target_relation }} ({{ columns }})
    select {{ columns }} from {{ arguments.temp_relation }};
{% endmacro %}


{# A CTE `name`: the records of the relation `records`, and those that are tied to one of them. #}
{% macro tied_records(records, name) -%}
{{ name }} as (
    select connection, kind, feed, record_id from {{ records }}
    union
    select ties.other_connection, ties.other_kind, ties.other_feed, ties.other_record_id
    from {{ ref("int_identity_record_ties") }} as ties
    inner join {{ records }} as records
        on
            ties.connection = records.connection
            and ties.feed = records.feed
            and ties.record_id = records.record_id
)
{%- endmacro %}


{# The records that a relation of decisions (ops.identity_decisions) speaks of, each once. #}
{% macro decided_records(decisions) -%}
select connection_a as connection, feed_a as feed, record_id_a as record_id
    from {{ decisions }}
    union
    select connection_b, feed_b, record_id_b
    from {{ decisions }}
{%- endmacro %}


{# Where an incremental model puts tonight's rows first. Those of a Python model cannot be a temporary table, and dbt-duckdb
   leaves theirs in the file unless it is told so: by the name of a rebuild's, which the next night drops after a kill. #}
{% macro duckdb__dispatch_temporary_relation(target_relation, batch_id="") %}
    {% set is_python = model.language == "python" %}
    {% set relation = make_intermediate_relation(target_relation) if is_python else make_temp_relation(target_relation) %}
    {% do return({"relation": relation, "temporary": not is_python}) %}
{% endmacro %}
