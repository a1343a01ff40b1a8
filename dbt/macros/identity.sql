{#
  Which column of which feed names a person, in order of precedence within a record. One list feeds both the night
  a statement was first seen (from raw) and what is stated now (from staging), so the two cannot drift apart.

  role  own         the source binds it to the record's person: makes a member, links, recognises
        said        somebody said it at the till or in a ledger: makes a member, recognises, links nothing
        payer       paid for it: recognises; of a returning customer it makes a member; it links to the one card or phone
                    that it always pays for (int_identity_payers)
        known       recognises only when it already belongs to a member
        unverified  typed and never proved: recognises nobody; kept to show the link that was refused

  at     when it was so: the event's own time; of a record that is a state, the time of its version
  state  the record holds one such identifier at a time; another value, or none, ends the one before
#}
{% macro identity_feeds() %}
    {% set night = "cast(_night as timestamp)" %}
    {% set version = "coalesce(" ~ instant("updated_at") ~ ", " ~ night ~ ")" %}
    {% set card = "connection || ':' || member_ref" %}
    {% set account = "coalesce(appid, connection) || ':' || openid" %}
    {% set pos_ledger = [
        {"basis": "member_ref", "namespace": "pos_member", "identifier": card, "role": "said"},
        {"basis": "phone", "phone": "phone", "role": "said"},
    ] %}
    {{ return([
        {"kind": "pos", "feed": "tickets", "record": ["store_code", "ticket_id"], "at": instant("sold_at"), "statements": pos_ledger + [
            {"basis": "pay_openid", "namespace": "openid", "role": "payer",
             "identifier": "coalesce(pay_appid, connection) || ':' || pay_openid"},
            {"basis": "alipay_user", "namespace": "alipay_user", "role": "payer", "identifier": "alipay_user_id"},
        ]},
        {"kind": "pos", "feed": "members", "record": ["member_ref"], "at": version, "statements": [
            {"basis": "member_ref", "namespace": "pos_member", "identifier": card, "role": "own",
             "at": "coalesce(" ~ instant("created_at") ~ ", " ~ version ~ ")"},
            {"basis": "phone", "phone": "phone", "role": "own", "state": true},
            {"basis": "openid", "namespace": "openid", "role": "own",
             "identifier": "coalesce(wx_appid, connection) || ':' || wx_openid"},
            {"basis": "unionid", "namespace": "unionid", "identifier": "unionid", "role": "own"},
        ]},
        {"kind": "pos", "feed": "points", "record": ["entry_id"], "at": instant("occurred_at"), "statements": pos_ledger},
        {"kind": "pos", "feed": "coupon_events", "record": ["event_id"], "at": instant("occurred_at"),
         "statements": pos_ledger},
        {"kind": "pos", "feed": "staff", "record": ["staff_id"], "at": night, "statements": [
            {"basis": "phone", "phone": "phone", "role": "known"},
        ]},
        {"kind": "groupbuy", "feed": "orders", "record": ["order_id"], "at": instant("created_at"), "statements": [
            {"basis": "openid", "namespace": "openid", "identifier": account, "role": "own"},
            {"basis": "verified_phone", "phone": "buyer_phone", "role": "own", "flag": "phone_verified"},
            {"basis": "unionid", "namespace": "unionid", "identifier": "unionid", "role": "own"},
            {"basis": "unverified_phone", "phone": "buyer_phone", "role": "unverified",
             "flag": "phone_verified", "flag_is": false},
        ]},
        {"kind": "groupbuy", "feed": "users", "record": ["appid", "openid"], "at": version, "statements": [
            {"basis": "openid", "namespace": "openid", "identifier": account, "role": "own",
             "at": "coalesce(" ~ instant("registered_at") ~ ", " ~ version ~ ")"},
            {"basis": "verified_phone", "phone": "phone", "role": "own", "when": "phone_verified_at is not null",
             "state": true, "at": "coalesce(" ~ instant("phone_verified_at") ~ ", " ~ version ~ ")"},
            {"basis": "unionid", "namespace": "unionid", "identifier": "unionid", "role": "own"},
            {"basis": "unverified_phone", "phone": "phone", "role": "unverified", "when": "phone_verified_at is null"},
        ]},
        {"kind": "groupbuy", "feed": "complaints", "record": ["complaint_id"], "at": instant("opened_at"), "statements": [
            {"basis": "openid", "namespace": "openid", "identifier": account, "role": "own"},
            {"basis": "phone", "phone": "phone", "role": "known"},
        ]},
        {"kind": "groupbuy", "feed": "shares", "record": ["share_id"], "at": instant("shared_at"), "statements": [
            {"basis": "openid", "namespace": "openid", "identifier": account, "role": "own"},
        ]},
        {"kind": "groupbuy", "feed": "leaders", "record": ["leader_id"], "at": night, "statements": [
            {"basis": "phone", "phone": "phone", "role": "known"},
        ]},
        {"kind": "groupbuy", "feed": "coupon_events", "record": ["event_id"], "at": instant("occurred_at"),
         "statements": [
            {"basis": "openid", "namespace": "openid", "identifier": account, "role": "own"},
            {"basis": "phone", "phone": "phone", "role": "known"},
        ]},
        {"kind": "wecom", "feed": "contacts", "record": ["external_userid"],
         "at": "coalesce(" ~ instant("createtime") ~ ", " ~ night ~ ")", "statements": [
            {"basis": "external_userid", "namespace": "external_userid", "identifier": "external_userid", "role": "own"},
            {"basis": "unionid", "namespace": "unionid", "identifier": "unionid", "role": "own"},
            {"basis": "remark_phone", "phone": "phone", "role": "own", "when": "cast(remark_phone_count as integer) = 1"},
        ]},
        {"kind": "wecom", "feed": "group_members", "record": ["chat_id", "userid"],
         "at": "coalesce(" ~ instant("join_time") ~ ", " ~ night ~ ")", "when": "cast(member_type as integer) = 2", "statements": [
            {"basis": "external_userid", "namespace": "external_userid", "identifier": "userid", "role": "own"},
            {"basis": "unionid", "namespace": "unionid", "identifier": "unionid", "role": "own"},
        ]},
    ]) }}
{% endmacro %}


{# Whether a feed's rows are happenings; the others are states, which are exported again and again. #}
{% macro identity_happenings() %}
    {{ return(["tickets", "orders", "points", "coupon_events", "complaints", "shares"]) }}
{% endmacro %}

{% macro identity_is_event(feed) -%}
    {{ feed }} in ('{{ identity_happenings() | join("', '") }}')
{%- endmacro %}


{# Where a feed is read: the newest versions in staging, of all records or of those that arrived tonight, or every raw
   version of the batches to digest. #}
{% macro identity_relation(feed, layer) -%}
    {%- if layer == "staging" -%}
        {{ ref("stg_" ~ feed.kind ~ "__" ~ feed.feed) }}
    {%- elif layer == "arrived" -%}
        (
            select staged.*
            from {{ ref("stg_" ~ feed.kind ~ "__" ~ feed.feed) }} as staged
            where exists (
                select 1
                from {{ ref("stg_identity__arrivals") }} as arrivals
                where
                    arrivals.feed = '{{ feed.feed }}'
                    and arrivals.connection = staged.connection
                    and arrivals.record_id = {{ feed.record | join(" || '|' || ") }}
            )
        )
    {%- else -%}
        (
            select *, _connection as connection
            from {{ source("raw", feed.kind ~ "__" ~ feed.feed) }}
            where {{ is_pending() }}
        )
    {%- endif -%}
{%- endmacro %}


{# Whether an id is one: some systems write a word, or a naught, where they have none. #}
{% macro names_something(id) -%}
    lower(trim({{ id }})) not in ('', '0', '-', 'null', 'none', 'nil', 'nan', 'undefined')
{%- endmacro %}


{# Whether a record says this phone at all: a number that may name a person, proved as the statement wants it. A
   placeholder is stated too, so that its refusal shows; int_identity_phone_guards names all of them. #}
{% macro identity_condition(statement, layer) %}
    {%- set conditions = [] -%}
    {%- if "phone" in statement -%}
        {%- do conditions.append("(" ~ is_linkable_phone(statement.phone ~ "_kind") ~ " or " ~ statement.phone ~ "_kind = 'placeholder')") -%}
    {%- endif -%}
    {%- if "identifier" in statement -%}
        {%- do conditions.append(names_something(statement.identifier.split(" || ':' || ") | last)) -%}
    {%- endif -%}
    {%- if "when" in statement -%}
        {%- do conditions.append(statement.when) -%}
    {%- endif -%}
    {%- if "flag" in statement -%}
        {%- set flag = statement.flag ~ (" = 'Y'" if layer == "raw" else "") -%}
        {%- do conditions.append(("" if statement.get("flag_is", true) else "not ") ~ "coalesce(" ~ flag ~ ", false)") -%}
    {%- endif -%}
    {{ return(conditions | join(" and ") or "true") }}
{% endmacro %}


{# All identity statements of a layer, one row each; several rows may say the same. In the raw layer a state that
   names nobody any more says so by an empty identifier; one whose phone is only hidden says nothing. #}
{% macro identity_statements(layer) %}
    {% for feed in identity_feeds() %}
        {% set outer_loop = loop %}
        {% for statement in feed.statements %}
            {% set identifier = statement.get("identifier", statement.get("phone", "") ~ "_token") %}
            {% set condition = identity_condition(statement, layer) %}
            {% set is_state = layer == "raw" and statement.get("state", false) %}
            select
                connection,
                '{{ feed.feed }}' as feed,
                {{ feed.record | join(" || '|' || ") }} as record_id,
                '{{ statement.get("namespace", "phone") }}' as namespace,
                {% if is_state %}
                case when {{ identifier }} is not null and {{ condition }} then {{ identifier }} else '' end as identifier,
                {% else %}
                {{ identifier }} as identifier,
                {% endif %}
                '{{ statement.role }}' as role,
                {% if layer == "raw" %}
                _night as seen_on,
                {{ statement.get("at", feed.at) }} as said_at,
                {% else %}
                '{{ statement.basis }}' as basis,
                {{ loop.index }} as precedence,
                {% if "phone" in statement %}{{ statement.phone }}_masked{% else %}cast(null as varchar){% endif %} as masked,
                {% endif %}
                '{{ feed.kind }}' as kind
            from {{ identity_relation(feed, layer) }} as named
            where
                {% if is_state %}
                coalesce({{ statement.phone }}_kind, '') not in ('masked', 'cipher')
                {% else %}
                {{ identifier }} is not null
                and {{ condition }}
                {% endif %}
                {% if "when" in feed %}
                and {{ feed.when }}
                {% endif %}
            {% if not (loop.last and outer_loop.last) %}union all{% endif %}
        {% endfor %}
    {% endfor %}
{% endmacro %}


{# The statements that are states, as rows (kind, feed, namespace, role, basis, precedence). #}
{% macro identity_states() %}
    {% set rows = [] %}
    {% for feed in identity_feeds() %}
        {% for statement in feed.statements if statement.get("state", false) %}
            {% do rows.append("('" ~ [feed.kind, feed.feed, statement.get("namespace", "phone"), statement.role, statement.basis]
                | join("', '") ~ "', " ~ loop.index ~ ")") %}
        {% endfor %}
    {% endfor %}
    {{ return("(values " ~ rows | join(", ") ~ ") as states (kind, feed, namespace, role, basis, precedence)") }}
{% endmacro %}


{# Every record of the feeds that name people, whether or not this one does. In the raw layer, of the batches to
   digest, also one that a condition keeps from naming anybody: it may have named somebody before. #}
{% macro identity_records(layer="staging") %}
    {% for feed in identity_feeds() %}
        select distinct
            connection,
            '{{ feed.kind }}' as kind,
            '{{ feed.feed }}' as feed,
            {{ feed.record | join(" || '|' || ") }} as record_id
        from {{ identity_relation(feed, layer) }} as named
        {% if "when" in feed and layer == "staging" %}
        where {{ feed.when }}
        {% endif %}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
{% endmacro %}


{# The number of a record of a relation. Two that share one only cost time: they are looked at together. #}
{% macro record_key(relation) -%}
    {{ key_hash(relation ~ ".connection || '|' || " ~ relation ~ ".feed || '|' || " ~ relation ~ ".record_id") }}
{%- endmacro %}


{# Whether a phone of this kind may name a person: a valid mobile number, also one of a virtual operator. Every place
   that uses a token as somebody's identity asks this; the kinds are those of dagster_project/privacy/phones.py. #}
{% macro is_linkable_phone(kind) -%}
    coalesce({{ kind }} in ('plain', 'mvno'), false)
{%- endmacro %}


{# Rank of a namespace, lowest first: what a record's other identifiers are tied to, and who gives a member its id
   when several arrive on one night. The phone comes last because it is the one that may turn out to be shared, and
   an id must not hang on it; a payer may be anybody. #}
{% macro identity_rank(namespace) -%}
    case {{ namespace }}
        when 'pos_member' then 1
        when 'external_userid' then 2
        when 'openid' then 3
        when 'unionid' then 4
        when 'phone' then 5
        else 6
    end
{%- endmacro %}


{# Joins a relation of claims with the hubs at its ends, as hubs_a and hubs_b: those that must not be tied to the other end. #}
{% macro identity_hub_joins(claims) %}
    left join {{ ref("int_identity_hubs") }} as hubs_a
        on
            {{ claims }}.namespace_a = hubs_a.namespace
            and {{ claims }}.identifier_a = hubs_a.identifier
            and {{ claims }}.namespace_b = coalesce(hubs_a.beside, {{ claims }}.namespace_b)
    left join {{ ref("int_identity_hubs") }} as hubs_b
        on
            {{ claims }}.namespace_b = hubs_b.namespace
            and {{ claims }}.identifier_b = hubs_b.identifier
            and {{ claims }}.namespace_a = coalesce(hubs_b.beside, {{ claims }}.namespace_a)
{%- endmacro %}

{# Whether what was shown at the till is somebody's own: nobody's number and everybody's card are as good as none. #}
{% macro identity_is_own() -%}
    (namespace != 'phone' or identifier not in (select phone from {{ ref("int_identity_phone_guards") }}))
    and (
        namespace != 'pos_member'
        or identifier not in (select identifier from {{ ref("int_identity_hubs") }} where namespace = 'pos_member')
    )
{%- endmacro %}


{# A short, stable id: prefix and 16 letters that stand for hex digits of SHA-256; letters, so that no id looks like
   a phone number. #}
{% macro identity_id(prefix, text) -%}
    '{{ prefix }}' || translate(substr({{ sha256_hex(text) }}, 1, 16), '0123456789abcdef', 'abcdefghijklmnop')
{%- endmacro %}

{# The member id that an identifier gives: that of a phone's later owner and of a later life of an id that ended are others. #}
{% macro minted_id(namespace, identifier, segment, generation) -%}
    {{ identity_id(
        "m",
        namespace ~ " || ':' || " ~ identifier
        ~ " || case when " ~ segment ~ " = '' and " ~ generation ~ " = 0 then '' else '#' || " ~ segment ~ " end"
        ~ " || case when " ~ generation ~ " = 0 then '' else '@' || " ~ generation ~ " end",
    ) }}
{%- endmacro %}


{# Whether two who each use a thing on their own would hardly ever come strictly one after the other: of all orders of their
   uses fewer than one in a hundred would be so. #}
{% macro is_no_chance(uses_a, uses_b) -%}
    case least({{ uses_a }}, {{ uses_b }})
        when 1 then greatest({{ uses_a }}, {{ uses_b }}) >= 100
        when 2 then greatest({{ uses_a }}, {{ uses_b }}) >= 13
        when 3 then greatest({{ uses_a }}, {{ uses_b }}) >= 7
        when 4 then greatest({{ uses_a }}, {{ uses_b }}) >= 5
        else true
    end
{%- endmacro %}


{# Great-circle distance in kilometres between two points in degrees; null when one of them is unknown, which least would
   not tell. #}
{% macro distance_km(lng_a, lat_a, lng_b, lat_b) -%}
    (case when {{ lng_a }} + {{ lat_a }} + {{ lng_b }} + {{ lat_b }} is not null then 12742 * asin(least(1, sqrt(
        power(sin(radians({{ lat_b }} - {{ lat_a }}) / 2), 2)
        + cos(radians({{ lat_a }})) * cos(radians({{ lat_b }}))
        * power(sin(radians({{ lng_b }} - {{ lng_a }}) / 2), 2)
    ))) end)
{%- endmacro %}


{# How strong a link is, the strongest lowest: what somebody decided, what the platform vouches for, a phone that was proved, the shop's own
   member file, a shared phone together with a name or a visit, an account written on a card, a number read out of a card's number, one always said with it, a remark typed by staff, who always pays. What a
   record no longer says comes after what it says. #}
{% macro identity_strength(namespace_b, basis, ended_at) -%}
    case
        when {{ basis }} = 'decision' then 5
        when {{ ended_at }} is not null then 70
        when {{ basis }} = 'verified_phone' then 20
        when {{ basis }} = 'phone' then 30
        when {{ basis }} = 'phone_and_name' then 35
        when {{ basis }} = 'phone_and_visit' then 37
        when {{ basis }} = 'card_number' then 50
        when {{ basis }} = 'said_together' then 55
        when {{ basis }} = 'payer' then 57
        when {{ basis }} = 'remark_phone' then 60
        when {{ namespace_b }} = 'unionid' then 10
        else 40
    end
{%- endmacro %}
