"""What the pages say, read from one publication: a record per shop and one for the whole chain.

All sums are SQL over the published Parquet, once for every shop together; a page then takes its own record, so a
shop's page cannot hold another shop's data. Orders belong to the shop that sold them, people to their home shop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb

from dagster_project.config.rules import Campaign
from dagster_project.publish import Publication
from dagster_project.reports.books import Books, Experiment, read_books, read_experiments
from dagster_project.reports.published import connect
from dagster_project.reports.recognition import Recognition, read_recognition
from dagster_project.reports.totals import Scope, by_scope

WINDOW_DAYS = 28
LIST_LENGTH = 20
TIER_ORDER = ("active", "L1", "L2", "L3")
Row = Mapping[str, Any]
# field of a day → metric; what any of them means, dbt/models/semantic says
_DAY_METRICS = {
    "orders": "purchases",
    "net_fen": "net_fen",
    "identified_orders": "identified_purchases",
    "new_members": "new_members",
    "counter_fen": "counter_fen",
    "groupbuy_orders": "groupbuy_purchases",
    "groupbuy_fen": "groupbuy_fen",
}
_PEOPLE_METRICS = ("people", "people_in_pos", "people_in_groupbuy", "people_in_wecom", "people_in_several")


@dataclass(frozen=True)
class Day:
    """Purchases of one business date; money in fen."""

    on: date
    orders: int = 0
    net_fen: int = 0
    identified_orders: int = 0
    new_members: int = 0
    counter_fen: int = 0
    groupbuy_orders: int = 0
    groupbuy_fen: int = 0


@dataclass(frozen=True)
class Facts:
    """Everything one page shows.

    days: at most 28, the last is the shown day; empty when nothing was ever sold.
    week_ago: the same weekday a week before the shown day; None when the chain has no data for it.
    customers, customers_week_ago: recognised people who bought on that day.
    channels: per channel orders, identified orders, and those of people whom several systems know (28 days).
    bases: the same orders by what recognised the person, or why nobody was.
    people: members of this home shop and in how many of the three systems they were seen.
    tiers: members per churn tier. calls: per tier the most valuable people who may be called.
    call_consent: per tier, people who may be called, and why others may or can not be. Who is left alone to measure
        a running campaign may not be called either, for as long as that lapse lasts.
    koc: people per eligibility. koc_list: eligible first, then unknown, by 30-day spend. koc_reasons: for unknown.
    campaigns: rows campaign_id, outcome, arm, people of the publication's night.
    campaigns_28d: per campaign the persons of 28 nights, each counted once: people, reached, held_out.
    """

    days: tuple[Day, ...]
    week_ago: Day | None
    customers: int
    customers_week_ago: int
    channels: Mapping[str, Row]
    bases: Sequence[Row]
    people: Row
    tiers: Mapping[str, int]
    calls: Mapping[str, Sequence[Row]]
    call_consent: Mapping[str, Row]
    koc: Mapping[str, int]
    koc_list: Sequence[Row]
    koc_reasons: Sequence[Row]
    campaigns: Sequence[Row]
    campaigns_28d: Mapping[str, Row]
    books: Books

    @property
    def today(self) -> Day | None:
        return self.days[-1] if self.days else None

    def window(self, field: str) -> int:
        """Sum of one column of `days`."""
        return sum(getattr(day, field) for day in self.days)


@dataclass(frozen=True)
class ChainFacts:
    """`shown` is the day the pages call today: the publication's date, or the last one with sales before it.
    `recognition` and `experiments` (by campaign)
    are the head office's only."""

    publication: Publication
    shown: date
    chain: Facts
    stores: Mapping[str, Facts]
    recognition: Recognition
    experiments: Mapping[str, Experiment]


def read_facts(
    publication: Publication, store_codes: Sequence[str], running: Sequence[Campaign]
) -> ChainFacts:
    """Reads a publication for the given shops and for every other shop code that its data mentions.

    Args:
        running: the campaigns whose hold-outs nobody may call.
    """
    since = publication.as_of - timedelta(days=2 * WINDOW_DAYS)
    con = connect(publication, facts_since=since)
    try:
        return _read(con, publication, store_codes, running)
    finally:
        con.close()


def _read(
    con: duckdb.DuckDBPyConnection,
    publication: Publication,
    store_codes: Sequence[str],
    running: Sequence[Campaign],
) -> ChainFacts:
    shown, first = con.execute(
        "select max(business_date) filter (where orders > 0), min(business_date) from store_days "
        "where business_date <= ?",
        [publication.as_of],
    ).fetchone() or (None, None)
    has_sales = shown is not None
    shown = shown or publication.as_of
    first = max(first or shown, shown - timedelta(days=WINDOW_DAYS - 1))
    _base_tables(con, publication.as_of, shown, running)

    since = shown - timedelta(days=WINDOW_DAYS - 1)
    sums = by_scope(con, [*_DAY_METRICS.values(), "buyers"], ["day"], since=since, until=shown)
    days, customers = _days(sums), _customers(sums)
    channels = by_scope(con, ["purchases", "identified_purchases"], ["channel"], since=since, until=shown)
    linked = _by_scope(con, _LINKED)
    bases = _by_scope(con, _BASES)
    people = by_scope(con, _PEOPLE_METRICS, shop="home_store_code")
    tiers = _by_scope(con, _TIERS)
    calls = _by_scope(con, _CALLS)
    koc = by_scope(con, ["judged_members"], ["eligible"], shop="home_store_code")
    koc_list = _by_scope(con, _KOC_LIST)
    koc_reasons = _by_scope(con, _KOC_REASONS)
    evidence = _evidence(con, {row["member_id"] for rows in koc_list.values() for row in rows})
    # whom a cap or the budget keeps waiting is a candidate again each night: persons are counted, not person-nights
    tonight = by_scope(
        con,
        ["campaign_people"],
        ["campaign_id", "arm", "outcome"],
        shop="home_store_code",
        since=publication.as_of,
        until=publication.as_of,
    )
    month = by_scope(
        con,
        ["campaign_people", "campaign_reached", "campaign_held_out"],
        ["campaign_id"],
        shop="home_store_code",
        since=publication.as_of - timedelta(days=WINDOW_DAYS - 1),
        until=publication.as_of,
    )
    books = read_books(con, publication.as_of, shown)

    window = [first + timedelta(days=n) for n in range((shown - first).days + 1)] if has_sales else []
    week_ago = shown - timedelta(days=7)

    def facts(scope: Scope) -> Facts:
        known = days[scope]
        called: dict[str, list[Row]] = defaultdict(list)
        for row in calls[scope]:
            called[row["tier"]].append(row)
        return Facts(
            days=tuple(known.get(day, Day(day)) for day in window),
            week_ago=known.get(week_ago, Day(week_ago)) if week_ago >= first and has_sales else None,
            customers=customers.get(scope, {}).get(shown, 0),
            customers_week_ago=customers.get(scope, {}).get(week_ago, 0),
            channels=_channels(channels[scope], linked[scope]),
            bases=bases[scope],
            people=_people(people[scope]),
            tiers={row["tier"]: row["people"] for row in tiers[scope]},
            calls=called,
            call_consent={row["tier"]: row for row in tiers[scope]},
            koc={row["eligible"]: row["judged_members"] for row in koc[scope]},
            koc_list=[{**row, "evidence": evidence.get(row["member_id"], {})} for row in koc_list[scope]],
            koc_reasons=koc_reasons[scope],
            campaigns=[{**row, "people": row["campaign_people"]} for row in tonight[scope]],
            campaigns_28d={
                row["campaign_id"]: {
                    "people": row["campaign_people"],
                    "reached": row["campaign_reached"],
                    "held_out": row["campaign_held_out"],
                }
                for row in month[scope]
            },
            books=books[scope],
        )

    seen = {row[0] for row in con.execute(_STORES_SEEN).fetchall()}
    return ChainFacts(
        publication=publication,
        shown=shown,
        chain=facts(None),
        stores={code: facts(code) for code in sorted(seen | set(store_codes))},
        recognition=read_recognition(con),
        experiments=read_experiments(con),
    )


def _base_tables(
    con: duckdb.DuckDBPyConnection, as_of: date, shown: date, running: Sequence[Campaign]
) -> None:
    con.execute("create temp table param as select ?::date as as_of, ?::date as shown", [as_of, shown])
    con.execute(
        "create temp table running as select unnest(?::varchar[]) as campaign_id, unnest(?::varchar[]) as trigger",
        [[campaign.campaign_id for campaign in running], [campaign.trigger for campaign in running]],
    )
    con.execute(_HELD_OUT)
    con.execute(_CARDS)
    con.execute(
        """
        create temp table person as
        select
            m.member_id, m.home_store_code, m.phone_masked, card.card_no, m.wecom_staff_userid,
            m.external_userid is not null as in_wecom,
            m.member_id in (select member_id from held_out) as is_held_out,
            m.phone_masked is not null or m.external_userid is not null as reachable,
            coalesce(m.has_pos, false)::int as in_pos,
            coalesce(m.has_groupbuy, false)::int as in_groupbuy,
            coalesce(m.has_wecom, false)::int as in_contacts,
            coalesce(m.consent_marketing, '?') as consent,
            coalesce(x.spend_90d_fen, 0) as spend_90d_fen,
            t.tier, t.last_purchase_on, t.days_since, t.usual_item
        from members m
        left join member_metrics x using (member_id)
        left join churn_tiers t using (member_id)
        left join card using (member_id)
        """
    )
    con.execute(
        f"""
        create temp table sale as
        select
            o.store_code, o.channel, o.business_date, o.member_id, record.basis,
            coalesce(person.in_pos + person.in_groupbuy + person.in_contacts > 1, false) as is_linked
        from orders o
        left join person using (member_id)
        left join (
            -- the key as one column: an expression over both sides would be compared row by row
            select concat_ws('|', case feed when 'tickets' then 'pos' else 'groupbuy' end, connection, record_id)
                as order_key, basis
            from record_members
            where feed in ('tickets', 'orders')
        ) record using (order_key)
        where not o.is_test and o.net_fen - o.refund_fen > 0
            and o.business_date between (select shown - {WINDOW_DAYS - 1} from param)
                and (select shown from param)
        """
    )


def _days(sums: Mapping[Scope, Sequence[Row]]) -> defaultdict[Scope, dict[date, Day]]:
    days: defaultdict[Scope, dict[date, Day]] = defaultdict(dict)
    for scope, rows in sums.items():
        for row in rows:
            figures = {field: int(row[name]) for field, name in _DAY_METRICS.items()}
            days[scope][row["day"]] = Day(on=row["day"], **figures)
    return days


def _customers(sums: Mapping[Scope, Sequence[Row]]) -> dict[Scope, dict[date, int]]:
    return {scope: {row["day"]: row["buyers"] for row in rows} for scope, rows in sums.items()}


def _channels(counted: Sequence[Row], linked: Sequence[Row]) -> dict[str, Row]:
    """Per channel: orders, identified, and linked: those of people whom several systems know."""
    known = {row["channel"]: row["linked"] for row in linked}
    return {
        row["channel"]: {
            "orders": row["purchases"],
            "identified": row["identified_purchases"],
            "linked": known.get(row["channel"], 0),
        }
        for row in counted
        if row["purchases"]
    }


def _people(rows: Sequence[Row]) -> Row:
    """People, their identities, and in which systems they are."""
    row = rows[0] if rows else dict.fromkeys(_PEOPLE_METRICS, 0)
    systems = [row["people_in_pos"], row["people_in_groupbuy"], row["people_in_wecom"]]
    return {
        "people": row["people"],
        "identities": sum(systems),
        "in_several": row["people_in_several"],
        **dict(zip(("in_pos", "in_groupbuy", "in_contacts"), systems, strict=True)),
    }


def _evidence(con: duckdb.DuckDBPyConnection, members: set[str]) -> dict[str, dict[str, int]]:
    """member → kind (order, share, complaint) → how many rows speak of her."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    rows = con.execute(
        "select member_id, kind, count(*) from koc_evidence where counts and member_id = any(?) group by all",
        [sorted(members)],
    )
    for member, kind, number in rows.fetchall():
        found[member][kind] = number
    return found


def _by_scope(con: duckdb.DuckDBPyConnection, sql: str) -> defaultdict[Scope, list[Row]]:
    """Runs a query whose first two columns are is_chain and store_code; rows without a shop are the chain's only."""
    cursor = con.execute(sql)
    names = [column[0] for column in cursor.description or ()][2:]
    found: defaultdict[Scope, list[Row]] = defaultdict(list)
    for is_chain, store_code, *values in cursor.fetchall():
        if is_chain or store_code is not None:
            found[None if is_chain else store_code].append(dict(zip(names, values, strict=True)))
    return found


# A decision names the member of its night; who was merged since is somebody else by name only. A lapse lasts until
# the next purchase: for the first group order until a group-buy purchase.
_HELD_OUT = """
create temp table held_out as
with recursive held(member_id, campaign_id, lapse_key) as (
    select member_id, campaign_id, lapse_key
    from campaign_candidates, param
    where arm = 'holdout' and business_date <= as_of
    union
    select event.member_id, held.campaign_id, held.lapse_key
    from held join member_events event on event.kind = 'merged' and event.other_member_id = held.member_id
)
select distinct held.member_id
from held
join running using (campaign_id)
left join churn_tiers t using (member_id)
left join member_metrics x using (member_id)
where case running.trigger
    when 'churn_tier' then held.lapse_key is null or held.lapse_key = t.last_purchase_on::varchar
    when 'potential_group_buyer' then coalesce(x.groupbuy_orders_total, 0) = 0
    when 'segment' then held.lapse_key like 'segment:' || coalesce(t.last_purchase_on::varchar, 'never') || '%'
    -- an evening or an order is over by the time anybody phones
    else false
end
"""

# the card that the coupon lists name too; a number that was a phone is only a token, which no till knows
_CARDS = """
create temp table card as
select member_id, substr(identifier, strpos(identifier, ':') + 1) as card_no
from member_identifiers
where namespace = 'pos_member' and valid_to is null and not coalesce(is_shared, false)
    and identifier not like '%:tel-%'
qualify row_number() over (partition by member_id order by valid_from desc, identifier) = 1
"""

_STORES_SEEN = """
select store_code from store_days, param where store_code is not null and business_date <= as_of
union
select home_store_code from person where home_store_code is not null
"""

_LINKED = """
select grouping(store_code) as is_chain, store_code, channel, count(*) filter (where is_linked) as linked
from sale
group by grouping sets ((store_code, channel), (channel))
"""

_BASES = """
select
    grouping(store_code) as is_chain, store_code, channel, member_id is not null as is_identified,
    coalesce(basis, 'no_identifier') as basis, count(*) as orders
from sale
group by grouping sets ((store_code, channel, is_identified, basis), (channel, is_identified, basis))
order by orders desc, basis
"""

_TIERS = """
select
    grouping(home_store_code) as is_chain, home_store_code, tier,
    count(*) as people,
    count(*) filter (where consent = 'Y' and reachable and not is_held_out) as allowed,
    count(*) filter (where consent = 'Y' and reachable and is_held_out) as held_out,
    count(*) filter (where consent = 'Y' and not reachable) as unreachable,
    count(*) filter (where consent = 'N') as opted_out,
    count(*) filter (where consent not in ('Y', 'N')) as unasked
from person
where tier is not null
group by grouping sets ((home_store_code, tier), (tier))
"""

# A phone call to bring someone back is marketing too: only people who agreed to it are listed, and a campaign's
# hold-out would no longer measure anything once the manager calls her.
_CALLS = f"""
with scoped as (
    select *, case when not is_chain then home_store_code end as scope_code
    from person cross join (values (true), (false)) both_scopes(is_chain)
    where tier in ('L2', 'L3') and consent = 'Y' and reachable and not is_held_out
)
select
    is_chain, scope_code, tier, member_id, phone_masked, card_no, wecom_staff_userid, in_wecom, in_groupbuy,
    home_store_code, last_purchase_on, days_since, usual_item, spend_90d_fen
from scoped
qualify row_number() over (
    partition by is_chain, scope_code, tier
    order by spend_90d_fen desc, days_since, member_id
) <= {LIST_LENGTH}
order by is_chain, scope_code, tier, spend_90d_fen desc, days_since, member_id
"""

_KOC_LIST = f"""
with scoped as (
    select is_chain, koc.*, person.phone_masked, person.card_no, person.wecom_staff_userid, person.in_wecom,
        person.in_groupbuy, person.home_store_code,
        case when not is_chain then person.home_store_code end as scope_code
    from koc join person using (member_id), (values (true), (false)) both_scopes(is_chain)
    where eligible in ('yes', 'unknown')
)
select
    is_chain, scope_code, member_id, phone_masked, card_no, wecom_staff_userid, in_wecom, in_groupbuy,
    home_store_code, spend_30d_fen, shares_30d, complaints, eligible, reason, invite_code
from scoped
qualify row_number() over (
    partition by is_chain, scope_code order by eligible desc, spend_30d_fen desc, member_id
) <= {LIST_LENGTH}
order by is_chain, scope_code, eligible desc, spend_30d_fen desc, member_id
"""

_KOC_REASONS = """
select grouping(home_store_code) as is_chain, home_store_code, reason, count(*) as people
from koc join person using (member_id)
where eligible = 'unknown'
group by grouping sets ((home_store_code, reason), (reason))
qualify row_number() over (
    partition by grouping(home_store_code), home_store_code order by count(*) desc, reason
) <= 3
order by people desc, reason
"""
