-- Grain: one row per member, tag and source, as of a night. What somebody buys names no tag that tells of health, pregnancy or
-- children: that is never inferred. What staff wrote themselves, and what a campaign of ours set, stays as it is.

{% set plan = var('segment_plan') %}

with

metrics as (

    select
        member_id,
        lifecycle,
        lifecycle_since,
        first_purchase_on,
        joined_group_on,
        is_potential_group_buyer,
        is_groupbuy_star,
        groupbuy_first_on,
        price_sensitivity,
        usual_item,
        never_high_margin
    from {{ ref('member_metrics') }}

),

categories as (

    select
        member_id, category_l1, orders_90d, share_90d
    from {{ ref('member_categories') }}
    where category = '' and category_l1 <> '' and orders_90d > 0

),

tiers as (

    select member_id, tier, entered_on from {{ ref('churn_tiers') }} where tier <> 'active'

),

bits as (

    select * from {{ ref('int_segment_bits') }}

),

wecom_tags as (

    select * from {{ ref('int_wecom_member_tags') }}

),

rule as (

    select * from {{ source('ops', 'rule_metrics') }}

),

churn_rule as (

    select rule_hash from {{ source('ops', 'rule_churn') }}

),

-- no row without such a category: then nobody ever bought one, which says nothing
high_margin_rule as (

    select max(rule_hash) as rule_hash
    from {{ source('ops', 'high_margin_categories') }}
    having count(*) > 0

),

rule_tags as (

    select tag, rule_hash from {{ source('ops', 'rule_tags') }}

),

run_context as (

    select as_of_date from {{ source('ops', 'run_context') }}

),

words as (

    select 'new' as lifecycle, '新客' as tag
    union all
    select 'active', '活跃'
    union all
    select 'regained', '回流'
    union all
    select 'lapsed', '流失'

),

-- the chain's own tags; where each is in the bits, the plan says
judged as (

    {% for tag in plan.tags %}
    select
        member_id,
        '{{ tag.tag | replace("'", "''") }}' as tag
    from bits
    where {{ has_bit('word_' ~ tag.word, tag.bit) }}
    {% if not loop.last %}
    union all
    {% endif %}
    {% else %}
    select
        member_id,
        cast(null as varchar) as tag
    from bits
    where false
    {% endfor %}

),

tagged as (

    select
        metrics.member_id,
        words.tag,
        'rule:metrics.yml' as source,
        metrics.lifecycle_since as since,
        rule.rule_hash
    from metrics
    cross join rule
    inner join words
        on metrics.lifecycle = words.lifecycle

    union all

    -- who never bought in the group bought at the counter first of all
    select
        metrics.member_id, '潜在拼团用户', 'rule:metrics.yml',
        greatest(metrics.joined_group_on, metrics.first_purchase_on), rule.rule_hash
    from metrics
    cross join rule
    where metrics.is_potential_group_buyer

    union all

    select
        metrics.member_id, '拼团达人', 'rule:metrics.yml',
        case when rule.groupbuy_star_orders = 1 then metrics.groupbuy_first_on end, rule.rule_hash
    from metrics
    cross join rule
    where metrics.is_groupbuy_star

    union all

    select
        metrics.member_id, case metrics.price_sensitivity when 'sensitive' then '价格敏感' else '品质型' end,
        'rule:metrics.yml', null, rule.rule_hash
    from metrics
    cross join rule
    where metrics.price_sensitivity in ('sensitive', 'quality')

    union all

    select
        metrics.member_id, '常买' || metrics.usual_item, 'rule:metrics.yml', null, rule.rule_hash
    from metrics
    cross join rule
    where metrics.usual_item is not null

    union all

    select
        categories.member_id, '爱买' || categories.category_l1, 'rule:metrics.yml', null, rule.rule_hash
    from categories
    cross join rule
    where
        categories.share_90d >= cast(rule.affinity_min_share_permille as double) / 1000
        and categories.orders_90d >= rule.affinity_min_orders

    union all

    select
        metrics.member_id, '从未买过高毛利', 'rule:guards.yml', metrics.first_purchase_on, high_margin_rule.rule_hash
    from metrics
    cross join high_margin_rule
    where metrics.never_high_margin

    union all

    select
        tiers.member_id, tiers.tier, 'rule:churn.yml', tiers.entered_on, churn_rule.rule_hash
    from tiers
    cross join churn_rule

    union all

    select
        judged.member_id, judged.tag, 'rule:metrics.yml', null, rule_tags.rule_hash
    from judged
    inner join rule_tags
        on judged.tag = rule_tags.tag

),

final as (

    select
        member_id, tag, source, since, cast(null as varchar) as author, rule_hash
    from tagged
    where not {{ is_sensitive('tag') }}

    union all

    select
        member_id, tag, coalesce('campaign:' || campaign_id, 'wecom:' || author), since, author, null
    from wecom_tags

)

select
    run_context.as_of_date,
    final.member_id,
    final.tag,
    final.source,
    final.since,
    final.author,
    final.rule_hash
from final
cross join run_context
