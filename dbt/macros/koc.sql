{# The days that a recommender's spend and shares are counted over. The contract of the marts fixes them, in the names of
   spend_30d_fen and shares_30d and by what 30 days at a night are; a complaint counts for ever ("on record"). So they are
   no rule: what is asked of them is, and how long a silent feed of shares is believed (rules/koc.yml). #}
{% macro koc_days() -%}
    {{ return(30) }}
{%- endmacro %}


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
