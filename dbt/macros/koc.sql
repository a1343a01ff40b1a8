{# The invite code of our own for a member id, the same in every run. #}
{% macro own_invite_code(member_id) -%}
    'LK' || upper(substr({{ sha256_hex("'invite|' || " ~ member_id) }}, 1, 10))
{%- endmacro %}


{# The account of a person in a mini-program, as it is written everywhere: appid:openid. #}
{% macro account_of(appid, openid, connection) -%}
    coalesce({{ appid }}, {{ connection }}) || ':' || {{ openid }}
{%- endmacro %}


{# Answer of the KOC rule from its three facts; shares are null where nobody can know them. #}
{% macro koc_answer(spend_fen, shares, complaints, rule) -%}
    case
        when {{ shares }} is null then 'unknown'
        when
            {{ spend_fen }} >= {{ rule }}.spend_30d_fen
            and {{ shares }} >= {{ rule }}.shares_30d
            and {{ complaints }} <= {{ rule }}.max_complaints
            then 'yes'
        else 'no'
    end
{%- endmacro %}
