{#
  Which column of which feed names a person, in order of precedence within a record. One list feeds both the night
  a statement was first seen (from raw) and what is stated now (from staging), so the two cannot drift apart.

  role  own         the source binds it to the record's person: makes a member, links, recognises
        said        somebody said it at the till or in a ledger: makes a member, recognises, links nothing
        known       recognises only when it already belongs to a member
        unverified  typed and never proved: recognises nobody; kept to show the link that was refused
#}
{% macro identity_feeds() %}
    {% set card = "connection || ':' || member_ref" %}
    {% set account = "coalesce(appid, connection) || ':' || openid" %}
    {% set pos_ledger = [
        {"basis": "member_ref", "namespace": "pos_member", "identifier": card, "role": "said"},
        {"basis": "phone", "phone": "phone", "role": "said"},
    ] %}
    {{ return([
        {"kind": "pos", "feed": "tickets", "record": ["store_code", "ticket_id"], "statements": pos_ledger + [
            {"basis": "pay_openid", "namespace": "openid", "role": "known",
             "identifier": "coalesce(pay_appid, connection) || ':' || pay_openid"},
            {"basis": "alipay_user", "namespace": "alipay_user", "role": "known", "identifier": "alipay_user_id"},
        ]},
        {"kind": "pos", "feed": "members", "record": ["member_ref"], "statements": [
            {"basis": "member_ref", "namespace": "pos_member", "identifier": card, "role": "own"},
            {"basis": "phone", "phone": "phone", "role": "own"},
            {"basis": "openid", "namespace": "openid", "role": "own",
             "identifier": "coalesce(wx_appid, connection) || ':' || wx_openid"},
            {"basis": "unionid", "namespace": "unionid", "identifier": "unionid", "role": "own"},
        ]},
        {"kind": "pos", "feed": "points", "record": ["entry_id"], "statements": pos_ledger},
        {"kind": "pos", "feed": "coupon_events", "record": ["event_id"], "statements": pos_ledger},
        {"kind": "pos", "feed": "staff", "record": ["staff_id"], "statements": [
            {"basis": "phone", "phone": "phone", "role": "known"},
        ]},
        {"kind": "groupbuy", "feed": "orders", "record": ["order_id"], "statements": [
            {"basis": "openid", "namespace": "openid", "identifier": account, "role": "own"},
            {"basis": "verified_phone", "phone": "buyer_phone", "role": "own", "flag": "phone_verified"},
            {"basis": "unionid", "namespace": "unionid", "identifier": "unionid", "role": "own"},
            {"basis": "unverified_phone", "phone": "buyer_phone", "role": "unverified",
             "flag": "phone_verified", "flag_is": false},
        ]},
        {"kind": "groupbuy", "feed": "users", "record": ["appid", "openid"], "statements": [
            {"basis": "openid", "namespace": "openid", "identifier": account, "role": "own"},
            {"basis": "verified_phone", "phone": "phone", "role": "own", "when": "phone_verified_at is not null"},
            {"basis": "unionid", "namespace": "unionid", "identifier": "unionid", "role": "own"},
            {"basis": "unverified_phone", "phone": "phone", "role": "unverified", "when": "phone_verified_at is null"},
        ]},
        {"kind": "groupbuy", "feed": "complaints", "record": ["complaint_id"], "statements": [
            {"basis": "openid", "namespace": "openid", "identifier": account, "role": "own"},
            {"basis": "phone", "phone": "phone", "role": "known"},
        ]},
        {"kind": "groupbuy", "feed": "shares", "record": ["share_id"], "statements": [
            {"basis": "openid", "namespace": "openid", "identifier": account, "role": "own"},
        ]},
        {"kind": "groupbuy", "feed": "leaders", "record": ["leader_id"], "statements": [
            {"basis": "phone", "phone": "phone", "role": "known"},
        ]},
        {"kind": "groupbuy", "feed": "coupon_events", "record": ["event_id"], "statements": [
            {"basis": "openid", "namespace": "openid", "identifier": account, "role": "own"},
            {"basis": "phone", "phone": "phone", "role": "known"},
        ]},
        {"kind": "wecom", "feed": "contacts", "record": ["external_userid"], "statements": [
            {"basis": "external_userid", "namespace": "external_userid", "identifier": "external_userid", "role": "own"},
            {"basis": "unionid", "namespace": "unionid", "identifier": "unionid", "role": "own"},
            {"basis": "remark_phone", "phone": "phone", "role": "own", "when": "cast(remark_phone_count as integer) = 1"},
        ]},
        {"kind": "wecom", "feed": "group_members", "record": ["chat_id", "userid"],
         "when": "cast(member_type as integer) = 2", "statements": [
            {"basis": "external_userid", "namespace": "external_userid", "identifier": "userid", "role": "own"},
            {"basis": "unionid", "namespace": "unionid", "identifier": "unionid", "role": "own"},
        ]},
    ]) }}
{% endmacro %}


{# Where a feed is read: the newest versions in staging, or every raw version of the batches to digest. #}
{% macro identity_relation(feed, layer) -%}
    {%- if layer == "staging" -%}
        {{ ref("stg_" ~ feed.kind ~ "__" ~ feed.feed) }}
    {%- else -%}
        (
            select *, _connection as connection
            from {{ source("raw", feed.kind ~ "__" ~ feed.feed) }}
            where {{ is_pending() }}
        )
    {%- endif -%}
{%- endmacro %}


{# All identity statements of a layer, one row each; several rows may say the same. #}
{% macro identity_statements(layer) %}
    {% for feed in identity_feeds() %}
        {% set outer_loop = loop %}
        {% for statement in feed.statements %}
            {% set identifier = statement.get("identifier", statement.get("phone", "") ~ "_token") %}
            select
                connection,
                '{{ feed.feed }}' as feed,
                {{ feed.record | join(" || '|' || ") }} as record_id,
                '{{ statement.get("namespace", "phone") }}' as namespace,
                {{ identifier }} as identifier,
                '{{ statement.role }}' as role,
                {% if layer == "raw" %}
                _night as seen_on
                {% else %}
                '{{ feed.kind }}' as kind,
                '{{ statement.basis }}' as basis,
                {{ loop.index }} as precedence,
                {% if "phone" in statement %}{{ statement.phone }}_masked{% else %}cast(null as varchar){% endif %} as masked
                {% endif %}
            from {{ identity_relation(feed, layer) }} as named
            where
                {{ identifier }} is not null
                {% if "phone" in statement %}
                -- a placeholder is stated too, so that its refusal shows; int_identity_phone_guards names all of them
                and ({{ is_linkable_phone(statement.phone ~ "_kind") }} or {{ statement.phone }}_kind = 'placeholder')
                {% endif %}
                {% if "when" in feed %}
                and {{ feed.when }}
                {% endif %}
                {% if "when" in statement %}
                and {{ statement.when }}
                {% endif %}
                {% if "flag" in statement %}
                and {{ "" if statement.get("flag_is", true) else "not " -}}
                    coalesce({{ statement.flag ~ (" = 'Y'" if layer == "raw" else "") }}, false)
                {% endif %}
            {% if not (loop.last and outer_loop.last) %}union all{% endif %}
        {% endfor %}
    {% endfor %}
{% endmacro %}


{# Every record of the feeds that name people, whether or not this one does. #}
{% macro identity_records() %}
    {% for feed in identity_feeds() %}
        select distinct
            connection,
            '{{ feed.kind }}' as kind,
            '{{ feed.feed }}' as feed,
            {{ feed.record | join(" || '|' || ") }} as record_id
        from {{ identity_relation(feed, "staging") }} as named
        {% if "when" in feed %}
        where {{ feed.when }}
        {% endif %}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
{% endmacro %}


{# Whether a phone of this kind may name a person: a valid mobile number, also one of a virtual operator. Every place
   that uses a token as somebody's identity asks this; the kinds are those of dagster_project/privacy/phones.py. #}
{% macro is_linkable_phone(kind) -%}
    coalesce({{ kind }} in ('plain', 'mvno'), false)
{%- endmacro %}


{# Rank of a namespace, lowest first: what a record's other identifiers are tied to, and who gives a member its id
   when several arrive on one night. The phone comes last because it is the one that may turn out to be shared, and
   an id must not hang on it. #}
{% macro identity_rank(namespace) -%}
    case {{ namespace }}
        when 'pos_member' then 1
        when 'external_userid' then 2
        when 'openid' then 3
        when 'unionid' then 4
        when 'phone' then 5
    end
{%- endmacro %}


{# A short, stable id: prefix and 16 letters that stand for hex digits of SHA-256; letters, so that no id looks like
   a phone number. #}
{% macro identity_id(prefix, text) -%}
    '{{ prefix }}' || translate(substr({{ sha256_hex(text) }}, 1, 16), '0123456789abcdef', 'abcdefghijklmnop')
{%- endmacro %}

{# Great-circle distance in kilometres between two points in degrees. #}
{% macro distance_km(lng_a, lat_a, lng_b, lat_b) -%}
    (12742 * asin(least(1, sqrt(
        power(sin(radians({{ lat_b }} - {{ lat_a }}) / 2), 2)
        + cos(radians({{ lat_a }})) * cos(radians({{ lat_b }}))
        * power(sin(radians({{ lng_b }} - {{ lng_a }}) / 2), 2)
    ))))
{%- endmacro %}
