"""Who gets what: the candidates of one night, checked again at the instant of sending.

Pure and set-based: tables in, tables out, nothing is written and nobody is called. The night decided who is a
candidate; between the night and the send people opt out, merge, get another message or leave the staff member
who knew them, so every rule is asked again here against the newest state.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.config import Chain
from dagster_project.config.rules import Guards

COUPON_TARGET = "groupbuy_file"  # name of the file hand-over when chain.yml gives no target of that kind
ACTIONS = (
    "coupon",
    "tag",
    "message",
)  # in the order they happen: nobody hears of a coupon that does not exist
MAX_RECEIVERS = 10_000  # customers in one WeCom message task

_CAMPAIGNS = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("position", pa.int32()),
        ("send_on", pa.date32()),
        ("in_window", pa.bool_()),
        ("wecom_order", pa.int32()),
        ("coupon_order", pa.int32()),
        ("daily_cap", pa.int64()),
        ("has_offer", pa.bool_()),
        ("tag", pa.string()),
    ]
)


@dataclass(frozen=True)
class Inputs:
    """What the planner looks at. Tables as published (contract `marts.md`), the journal, and the vendor's edges.

    candidates: campaign_candidates of the business date. journal: columns of lake.feedback.JOURNAL, all dates.
    edges: userid, external_userid of customers whom a staff member follows now. shop_staff: store_code, userid,
    rank (0 the manager, 1 staff).
    """

    candidates: pa.Table
    members: pa.Table
    member_identifiers: pa.Table
    member_redirects: pa.Table
    record_members: pa.Table
    journal: pa.Table
    edges: pa.Table
    shop_staff: pa.Table


@dataclass(frozen=True)
class Plan:
    """What a push would do.

    treated: one row per treated candidate of the date: campaign_id, member_id, person (the member today), outcome (as
        published), due (still to be pushed), refusal (null: goes out), channel, and what a coupon row needs.
    effects: new effects, one row per message_id: campaign_id, member_id, target, action, message_id, task, sender,
        receiver.
    resumed: effects of an earlier push without a final state, columns of the journal plus refusal (consent was
        withdrawn since).
    refusals: campaign_id, member_id, target, action, message_id, state ('skipped:…').
    """

    treated: pa.Table
    effects: pa.Table
    resumed: pa.Table
    refusals: pa.Table


def build_plan(
    chain: Chain,
    business_date: date,
    instants: Mapping[str, datetime],
    inputs: Inputs,
) -> Plan:
    """Plans one push.

    Args:
        instants: the send instant of every campaign that is to send, naive, in the chain's zone.
    """
    guards = chain.rules.guards
    wecom, groupbuy = chain.target("wecom"), chain.target("groupbuy_file")
    with duckdb.connect(config={"threads": 2}) as con:
        for name in Inputs.__dataclass_fields__:
            con.register(f"in_{name}", getattr(inputs, name))
        con.register("campaign", _campaign_table(chain, instants, wecom is not None))
        parameters = {
            "business_date": business_date,
            "cap_messages": guards.frequency_cap.messages,
            "cap_days": guards.frequency_cap.days,
            "max_send": guards.max_send_per_run,
            "wecom_target": wecom.name if wecom else None,
            "coupon_target": groupbuy.name if groupbuy else COUPON_TARGET,
            "max_receivers": MAX_RECEIVERS,
        }
        for name, value in parameters.items():
            con.execute(f"set variable {name} = ?", [value])
        for statement in _STEPS:
            con.execute(statement)
        return Plan(
            **{
                name: con.sql(f"select * from {name} order by all").to_arrow_table()
                for name in Plan.__dataclass_fields__
            }
        )


def in_window(guards: Guards, instant: datetime) -> bool:
    """Whether a message may leave at this local time."""
    return guards.quiet_hours.open <= instant.strftime("%H:%M") < guards.quiet_hours.close


def payload_hash(payload: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of what is handed over."""
    text = json.dumps(payload, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _campaign_table(chain: Chain, instants: Mapping[str, datetime], has_wecom: bool) -> pa.Table:
    def order(channels: Sequence[str], channel: str, usable: bool = True) -> int | None:
        return channels.index(channel) if usable and channel in channels else None

    return pa.Table.from_pylist(
        [
            {
                "campaign_id": campaign.campaign_id,
                "position": position,
                "send_on": instants[campaign.campaign_id].date(),
                "in_window": in_window(chain.rules.guards, instants[campaign.campaign_id]),
                "wecom_order": order(campaign.channels, "wecom", has_wecom),
                "coupon_order": order(campaign.channels, "groupbuy_coupon"),
                "daily_cap": campaign.daily_cap,
                "has_offer": campaign.offer is not None,
                "tag": campaign.tag or None,
            }
            for position, campaign in enumerate(chain.rules.campaigns)
            if campaign.campaign_id in instants
        ],
        schema=_CAMPAIGNS,
    )


# A member id that no longer exists leads to the one that does, where that is certain; a guess would send one person's
# coupon to another.
_ALIAS = """
create temp table alias as
select retired_member_id as old_id, member_id as new_id from in_member_redirects
"""

_LAST_EVENTS = """
create temp table last_event as
select in_journal.*, coalesce(alias.new_id, in_journal.member_id) as person
from in_journal left join alias on alias.old_id = in_journal.member_id
qualify row_number() over (partition by message_id order by seq desc) = 1
"""

# What reached a person, or may have.
_TOUCHES = """
create temp table touch as
select distinct person, campaign_id, business_date, max("at")::date as sent_on
from last_event
where action in ('coupon', 'message') and state in ('intent', 'accepted', 'uncertain')
group by person, campaign_id, business_date
"""

# The staff member who sends: of the home shop if he follows the customer, else the lowest id.
_SENDERS = """
create temp table sender as
with owned as (
    select member_id, external_userid from in_members where external_userid is not null
    union
    select member_id, identifier from in_member_identifiers
    where namespace = 'external_userid' and valid_to is null and not is_shared
)
select member.member_id, edge.userid, edge.external_userid
from owned
inner join in_members as member using (member_id)
inner join in_edges as edge on edge.external_userid = owned.external_userid
left join (
    select store_code, userid, min(rank) as rank from in_shop_staff group by store_code, userid
) as staff
    on staff.store_code = member.home_store_code and staff.userid = edge.userid
qualify row_number() over (
    partition by member.member_id
    order by
        staff.rank nulls last,
        (edge.external_userid is not distinct from member.external_userid) desc,
        edge.userid,
        edge.external_userid
) = 1
"""

# An openid of the till's own mini-program is no account of the group-buy system: only its appids count.
_ACCOUNTS = """
create temp table account as
with groupbuy_app as (
    select distinct split_part(record_id, '|', 1) as appid from in_record_members where feed = 'users'
)
select
    member_id,
    split_part(identifier, ':', 1) as appid,
    substr(identifier, strpos(identifier, ':') + 1) as openid
from in_member_identifiers
where namespace = 'openid' and valid_to is null and not is_shared
    and split_part(identifier, ':', 1) in (select appid from groupbuy_app)
qualify row_number() over (partition by member_id order by valid_from desc, identifier) = 1
"""

# A card whose number was a phone number is only a token here, which nobody at the till can type.
_CARDS = """
create temp table card as
select member_id, substr(identifier, strpos(identifier, ':') + 1) as card_no
from in_member_identifiers
where namespace = 'pos_member' and valid_to is null and not is_shared
    and identifier not like '%:tel-%'
qualify row_number() over (partition by member_id order by valid_from desc, identifier) = 1
"""

_CANDIDATES = """
create temp table candidate as
with touched as (
    select campaign_id, person, bool_or(state <> 'skipped:quiet_hours') as is_decided
    from last_event
    where business_date = getvariable('business_date')
    group by campaign_id, person
)
select
    chosen.*,
    campaign.position,
    campaign.in_window,
    campaign.send_on,
    campaign.daily_cap,
    campaign.has_offer,
    campaign.tag,
    member.consent_marketing,
    member.phone_masked,
    sender.userid as sender,
    sender.external_userid as receiver,
    account.appid,
    account.openid,
    card.card_no,
    chosen.outcome = 'quiet_hours' and not coalesce(touched.is_decided, false) as due,
    case
        when sender.userid is not null and wecom_order < coalesce(if(openid is null, null, coupon_order), 99)
            then 'wecom'
        when account.openid is not null and coupon_order is not null then 'groupbuy_coupon'
    end as channel
from (
    select
        in_candidates.campaign_id, in_candidates.business_date, in_candidates.member_id,
        coalesce(alias.new_id, in_candidates.member_id) as person,
        outcome, lapse_key, coupon_code, subject
    from in_candidates left join alias on alias.old_id = in_candidates.member_id
    where arm = 'treatment' and business_date = getvariable('business_date')
) as chosen
inner join campaign on campaign.campaign_id = chosen.campaign_id
left join touched on touched.campaign_id = chosen.campaign_id and touched.person = chosen.person
left join in_members as member on member.member_id = chosen.person
left join sender on sender.member_id = chosen.person
left join account on account.member_id = chosen.person
left join card on card.member_id = chosen.person
"""

_TREATED = """
create temp table treated as
with checked as (
    select
        candidate.*,
        coalesce(past.touches, 0) as touches,
        case
            when consent_marketing = 'N' then 'opted_out'
            when consent_marketing is distinct from 'Y' then 'no_consent'
            when not in_window then 'quiet_hours'
            when coalesce(past.touches, 0) >= getvariable('cap_messages') then 'capped'
            when channel is null then 'unreachable'
            -- two candidates who are one person today
            when row_number() over (partition by campaign_id, person, due order by member_id) > 1 then 'capped'
        end as refusal
    from candidate
    left join lateral (
        select count(*) as touches
        from touch
        where touch.person = candidate.person
            and touch.sent_on > candidate.send_on - getvariable('cap_days')::int
    ) as past on true
    where due
),
per_person as (
    select * replace (
        if(
            refusal is null and touches + count(*) filter (refusal is null) over (
                partition by person order by position, member_id rows unbounded preceding
            ) > getvariable('cap_messages'),
            'capped', refusal
        ) as refusal
    )
    from checked
),
per_campaign as (
    select per_person.* replace (
        if(
            refusal is null and coalesce(sent.persons, 0) + count(*) filter (refusal is null) over (
                partition by per_person.campaign_id order by member_id rows unbounded preceding
            ) > daily_cap,
            'over_budget', refusal
        ) as refusal
    )
    from per_person
    left join (
        select campaign_id, count(*) as persons from touch
        where business_date = getvariable('business_date') group by campaign_id
    ) as sent on sent.campaign_id = per_person.campaign_id
),
per_run as (
    select * replace (
        if(
            refusal is null and count(*) filter (refusal is null) over (
                order by position, member_id rows unbounded preceding
            ) + (select count(*) from touch where business_date = getvariable('business_date'))
                > getvariable('max_send'),
            'over_budget', refusal
        ) as refusal
    )
    from per_campaign
)
select position, campaign_id, member_id, person, outcome, due, refusal, channel, sender, receiver, phone_masked, appid,
    openid, card_no, coupon_code, lapse_key, subject, has_offer, tag
from per_run
union all
select position, campaign_id, member_id, person, outcome, due, null, channel, sender, receiver, phone_masked, appid,
    openid, card_no, coupon_code, lapse_key, subject, has_offer, tag
from candidate where not due
"""

_MESSAGE_ID = """
create temp macro message_id(campaign, target, action, member) as
    substr(sha256(concat_ws('|', campaign, target, action, member, getvariable('business_date')::varchar)), 1, 24)
"""

_EFFECTS = """
create temp table effects as
with file_no as (
    select campaign_id, count(distinct task) as files
    from last_event
    where business_date = getvariable('business_date') and action = 'coupon'
    group by campaign_id
),
chosen as (select * from treated where due and refusal is null),
planned as (
    select
        chosen.campaign_id, member_id, getvariable('coupon_target') as target, 'coupon' as action,
        if(coalesce(files, 0) = 0, 'coupons.csv', 'coupons-' || (files + 1) || '.csv') as task,
        null as sender, null as receiver, null as subject
    from chosen left join file_no on file_no.campaign_id = chosen.campaign_id
    where has_offer
    union all
    select campaign_id, member_id, getvariable('wecom_target'), 'tag', tag, sender, receiver, null
    from chosen where channel = 'wecom' and tag is not null
    union all
    select campaign_id, member_id, getvariable('wecom_target'), 'message',
        ((row_number() over (partition by campaign_id, sender, subject order by member_id) - 1)
            // getvariable('max_receivers'))::varchar,
        sender, receiver, subject
    from chosen where channel = 'wecom'
),
named as (
    select message_id(campaign_id, target, action, member_id) as message_id, * from planned
)
select
    campaign_id, action, member_id, message_id, target,
    -- a task is named by whom it is for, so the vendor can be asked for it after a kill
    if(
        action = 'message',
        substr(sha256(concat_ws('|', campaign_id, sender, getvariable('business_date')::varchar,
            string_agg(message_id, '|' order by message_id) over (
                partition by campaign_id, action, sender, task, subject
                rows between unbounded preceding and unbounded following
            ))), 1, 10),
        task
    ) as task,
    sender, receiver
from named
"""

_RESUMED = """
create temp table resumed as
select
    last_event.* exclude (person),
    case
        when member.consent_marketing = 'N' then 'opted_out'
        when member.consent_marketing is distinct from 'Y' then 'no_consent'
    end as refusal
from last_event left join in_members as member on member.member_id = last_event.person
where business_date = getvariable('business_date') and state in ('intent', 'uncertain')
"""

_REFUSALS = """
create temp table refusals as
select
    campaign_id, member_id, 'linli' as target, 'decide' as action,
    message_id(campaign_id, 'linli', 'decide', member_id) as message_id,
    'skipped:' || refusal as state
from treated
where due and refusal is not null
    and not exists (
        select 1 from last_event
        where last_event.message_id = message_id(treated.campaign_id, 'linli', 'decide', treated.member_id)
            and last_event.state = 'skipped:' || treated.refusal
    )
"""

_STEPS = (
    _ALIAS,
    _LAST_EVENTS,
    _TOUCHES,
    _SENDERS,
    _ACCOUNTS,
    _CARDS,
    _CANDIDATES,
    _TREATED,
    _MESSAGE_ID,
    _EFFECTS,
    _RESUMED,
    _REFUSALS,
)
