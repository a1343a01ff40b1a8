{# Why a link is refused for what two stronger ones say, from what a person would have too many of (the kind of a
   refusal in int_identity_resolution). #}
{% macro identity_overruled(kind) -%}
    case
        when {{ kind }} = 'decision' then 'decided_different'
        when {{ kind }} = 'two_places' then 'two_places_at_once'
        when {{ kind }} = 'phone' then 'too_many_phones'
        when {{ kind }} like 'pos_member %' then 'too_many_cards'
        else 'two_wechat_accounts'
    end
{%- endmacro %}
