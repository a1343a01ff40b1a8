"""Who carries which trap, and what that does to the person's numbers, cards and accounts.

`person` keeps the meaning of the plain world: `phone_a` until `chg_day`, `phone_b` from then on, `card_a` until
`card_b_day` or `card_until`, `openid` until `wechat_left`, and another from `wechat_day` on. Day numbers below 0 lie before the simulated days.
"""

from __future__ import annotations

from dataclasses import replace

import duckdb

from dagster_project.lang import tr
from dagster_project.simulator.catalogue import words
from dagster_project.simulator.database import text_list
from dagster_project.simulator.settings import Rates, World
from dagster_project.simulator.traps.rates import Traps

# What the plain world does by ticket or person at rates of its own is the business of the traps here.
_QUIET = dict.fromkeys(
    (
        *("number_changed", "number_recycled", "second_phone", "second_card", "family_phone"),
        *("handed_card", "new_wechat", "partner_pays"),
        *("said_mistyped", "said_cashier", "said_shop", "said_placeholder", "said_masked"),
        *("order_phone_masked", "receiver_other", "receiver_masked", "remark_phone_wrong"),
        *("card_phone_masked", "card_phone_placeholder", "card_phone_mistyped"),
        "staff_customer",  # the hubs shop
    ),
    0.0,
)


def quiet(rates: Rates) -> Rates:
    """The rates of the ordinary people around the traps."""
    return replace(rates, adults_two=0.42, adults_three=0.17, adults_four=0.06, **_QUIET)


def build_trapped(con: duckdb.DuckDBPyConnection, world: World, traps: Traps) -> None:
    """Changes `person` and `staff`, and creates `trap_note` and the tables that say who is tied to whom.

    Raises:
        ValueError: too few days for a number to change hands, or too few persons fit for a trap.
    """
    least = traps.freeze_days + 40
    if world.days < least or world.days < traps.single_nights + 20:
        least = max(least, traps.single_nights + 20)
        raise ValueError(
            tr(
                f"陷阱世界至少要 {least} 天（冷冻期 freeze_days {traps.freeze_days} 天加前后各一段）",
                f"a world with traps needs at least {least} days (freeze_days {traps.freeze_days} and time around it)",
            )
        )
    con.execute("create table trapped (pid BIGINT, trap VARCHAR)")
    con.execute(
        "create table trap_note (pid BIGINT, trap VARCHAR, role VARCHAR, namespace VARCHAR, identifier VARCHAR, "
        "since INT, other_pid BIGINT)"
    )
    for column in (
        "card_told_day INT",
        "active_from INT default -100000",
        "active_until INT default 100000",
        "second_phone VARCHAR",
        "second_day INT",
        "taste BIGINT",
        "building VARCHAR",
    ):
        con.execute(f"alter table person add column {column}")
    _describe_persons(con, world)
    _share_phones(con, traps)
    _recycle_numbers(con, world, traps)
    _change_numbers(con, world, traps)
    _give_second_ones(con, world, traps)
    _mix_cards_up(con, world, traps)
    _name_hubs(con)
    _spoil_card_phones(con, traps)
    _tie_persons(con, traps)


def _who(*traps: str) -> str:
    return f"(select pid from trapped where trap in ({', '.join(repr(trap) for trap in traps)}))"


def _draw(con: duckdb.DuckDBPyConnection, traps: Traps, trap: str, fit: str) -> None:
    """Adds to `trapped` the trap's share of all persons, drawn among the fit ones."""
    rate = getattr(traps, trap)
    counted = con.execute(f"select count(*), count(*) filter (where {fit}) from person").fetchone()
    assert counted is not None
    persons, pool = counted
    if rate * persons > pool:
        raise ValueError(
            tr(
                f"{trap}: {rate} 太高：{persons} 人里只有 {pool} 人可能遇到，最多 {pool / max(1, persons):.3f}",
                f"{trap}: {rate} is too high: only {pool} of {persons} persons are fit, at most {pool / max(1, persons):.3f}",
            )
        )
    if rate:
        con.execute(
            f"insert into trapped select pid, '{trap}' from person where ({fit}) "
            f"and u(pid, 'trap {trap}') < {rate * persons / pool}"
        )


def _need(con: duckdb.DuckDBPyConnection, trap: str, wanted: str, found: str) -> None:
    """Refuses a rate for which there are not enough counterparts."""
    counted = con.execute(f"select ({wanted}), ({found})").fetchone()
    assert counted is not None
    if counted[1] < counted[0]:
        raise ValueError(
            tr(
                f"{trap}: 比例太高：{counted[0]} 个主角只找得到 {counted[1]} 个对方",
                f"{trap}: the rate is too high: {counted[0]} subjects, only {counted[1]} counterparts",
            )
        )


def _note(
    con: duckdb.DuckDBPyConnection,
    trap: str,
    role: str,
    namespace: str,
    rows: str,
    identifier: str = "null",
    since: str = "null",
    other: str = "null",
) -> None:
    """Notes rows that have `pid`. An identifier is never a phone: for those it stays empty."""
    con.execute(
        f"insert into trap_note select pid, '{trap}', '{role}', '{namespace}', {identifier}, {since}, {other} from {rows}"
    )


def _describe_persons(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Names as they are spread among people, a building to live in, and what one likes to eat."""
    w = words()

    def common(key: str, purpose: str, steep: float, draw: str = "pid") -> str:
        return f"{text_list(w[key])}[1 + floor({len(w[key])} * pow(u({draw}, '{purpose}'), {steep}))::INT]"

    def given(sex: str) -> str:
        two = (
            f"{common(f'first_{sex}', 'given first', 1.1)} || {common(f'second_{sex}', 'given second', 1.1)}"
        )
        return f"if(u(pid, 'common name') < 0.35, {common(f'common_{sex}', 'given', 1.6)}, {two})"

    # a child or a parent bears the family's surname, a wife mostly keeps her own
    family = "if(place <> 1 or u(hh, 'kin') < 0.35, hh, -1 - pid)"
    con.execute(
        f"""update person set
            name = {common("surnames", "family name", 1.4, family)}
                || if(pick(pid, 'gender', 2) = 0, {given("male")}, {given("female")}),
            community = {text_list(w["communities"])}[1 + ((store * 3 + pick(hh, 'community', 4)) % {len(w["communities"])})::INT],
            building = (1 + pick(hh, 'building', 18)) || '栋',
            -- half of the people who live together eat the same
            taste = if(place > 0 and u(pid, 'cooks alike') < 0.3, pid - place, pid)"""
    )


def _share_phones(con: duckdb.DuckDBPyConnection, traps: Traps) -> None:
    """`shared_number`: members of a household who use the phone, and some the card, of its first adult."""
    _draw(con, traps, "family_phone", "place > 0 and pid not in (select pid from leader)")
    con.execute(
        f"""create table shared_number as
        select m.pid, o.pid as owner, o.has_card and u(m.hh, 'family card') < {traps.family_card} as same_card,
            o.phone_a, o.card_a, o.card_day
        from person m join person o on o.hh = m.hh and o.place = 0 where m.pid in {_who("family_phone")} order by 1"""
    )
    con.execute(
        "update person set phone_a = s.phone_a, uses_family_phone = true from shared_number s where s.pid = person.pid"
    )
    # took_card: the member file has one row for the card, and it is the owner's
    con.execute(
        "update person set has_card = true, took_card = true, card_a = s.card_a, card_day = s.card_day, card_b = null, "
        "card_until = null from shared_number s where s.pid = person.pid and s.same_card"
    )
    _note(con, "family_phone", "subject", "phone", "shared_number", other="owner")
    _note(
        con,
        "family_phone",
        "owner",
        "phone",
        "(select owner as pid, min(pid) as o from shared_number group by owner)",
        other="o",
    )
    _note(
        con,
        "family_phone",
        "shares_card",
        "pos_member",
        "shared_number where same_card",
        identifier="card_a",
        other="owner",
    )


_IN_FAMILY = "(select pid from shared_number union select owner from shared_number)"
_GAVE_OR_TOOK = "(select giver from recycled union select taker from recycled)"


def _recycle_numbers(con: duckdb.DuckDBPyConnection, world: World, traps: Traps) -> None:
    """`recycled`: the giver's first phone becomes the taker's, who is a newcomer or gave up another number."""
    days, freeze = world.days, traps.freeze_days
    _draw(con, traps, "recycled_number", f"(has_card or group_user) and pid not in {_IN_FAMILY}")
    takers = (
        f"select pid from person where pid not in {_IN_FAMILY} and pid not in {_who('recycled_number')} "
        "and pid not in (select pid from leader)"
    )
    _need(
        con,
        "recycled_number",
        f"select count(*) from {_who('recycled_number')}",
        f"select count(*) from ({takers})",
    )
    con.execute(
        f"""create table recycled as
        with giver as (
            select pid as giver, -30 + pick(pid, 'gives up', {days - freeze + 18}) as gave_day,
                row_number() over (order by h(pid, 'giver'), pid) as turn from {_who("recycled_number")}),
        taker as (select pid as taker, row_number() over (order by h(pid, 'taker'), pid) as turn from ({takers}))
        select g.giver, t.taker, g.gave_day::INT as gave_day,
            greatest(1, gave_day + {freeze} + pick(giver, 'given out', {days} - 2 - gave_day - {freeze}))::INT as took_day,
            u(giver, 'moves on') < 0.5 as moves_on, u(taker, 'newcomer') < 0.7 as newcomer, mobile(giver * 4) as phone
        from giver g join taker t using (turn) order by 1"""
    )
    # the old holder's card and account are older than the end of the number; who moves on tells some systems
    con.execute(
        """update person set chg_day = r.gave_day, phone_b = if(r.moves_on, mobile(pid * 4 + 1), null),
            told_day = if(r.moves_on, least(r.gave_day + pick(pid, 'tells', 70), r.took_day - 1), null),
            card_told_day = if(r.moves_on and u(pid, 'tells the till') < 0.5, r.gave_day + pick(pid, 'told till', 60), null),
            active_until = if(r.moves_on, 100000, r.gave_day),
            card_day = least(card_day, r.gave_day - 1 - pick(pid, 'card before', 300)),
            reg_day = least(reg_day, r.gave_day - 1 - pick(pid, 'reg before', 300))
        from recycled r where r.giver = person.pid"""
    )
    con.execute(
        f"""update person set chg_day = r.took_day, phone_b = r.phone,
            verified = true, group_user = group_user or not has_card,
            phone_a = if(r.newcomer, null, phone_a),
            told_day = if(r.newcomer, null, r.took_day + pick(pid, 'tells', 15)),
            card_told_day = if(not r.newcomer and u(pid, 'tells the till') < 0.5, r.took_day + pick(pid, 'told till', 20), null),
            active_from = if(r.newcomer, r.took_day, active_from),
            card_day = if(r.newcomer, least(r.took_day + pick(pid, 'card after', 20), {days - 1}), card_day),
            reg_day = if(r.newcomer, least(r.took_day + pick(pid, 'reg after', 12), {days - 1}), reg_day),
            opt_out_day = if(r.newcomer, null, opt_out_day), in_chat = in_chat and not r.newcomer
        from recycled r where r.taker = person.pid"""
    )
    _note(
        con,
        "recycled_number",
        "subject",
        "phone",
        "(select giver as pid, * from recycled)",
        since="gave_day",
        other="taker",
    )
    _note(
        con,
        "recycled_number",
        "taker",
        "phone",
        "(select taker as pid, * from recycled)",
        since="took_day",
        other="giver",
    )


def _change_numbers(con: duckdb.DuckDBPyConnection, world: World, traps: Traps) -> None:
    days, late = world.days, min(world.days - 4, traps.single_nights + 8)
    fit = f"pid not in (select pid from shared_number) and pid not in {_GAVE_OR_TOOK}"
    _draw(con, traps, "number_change", fit)
    con.execute(
        f"""update person set chg_day = c.day, phone_b = mobile(pid * 4 + 1),
            told_day = if(u(pid, 'follows') < 0.7, c.day + pick(pid, 'tells', 25), null),
            card_told_day = if(u(pid, 'tells the till') < 0.55, c.day + pick(pid, 'told till', 25), null)
        from (select pid as changer, if(u(pid, 'lately') < 0.2, {days - 1 - late} + pick(pid, 'changes', {late}),
                2 + pick(pid, 'changes', {days - 3}))::INT as day from {_who("number_change")}) c
        where c.changer = person.pid"""
    )
    # the family that shares the number goes along
    con.execute(
        """update person set chg_day = o.chg_day, phone_b = o.phone_b,
            told_day = if(u(person.pid, 'follows') < 0.7, o.chg_day + pick(person.pid, 'tells', 40), null)
        from shared_number s join person o on o.pid = s.owner
        where s.pid = person.pid and o.chg_day is not null"""
    )
    _note(
        con,
        "number_change",
        "subject",
        "phone",
        f"person where pid in {_who('number_change')}",
        since="chg_day",
    )


def _give_second_ones(con: duckdb.DuckDBPyConnection, world: World, traps: Traps) -> None:
    """A second phone, a second card, a second WeChat account."""
    days = world.days
    newcomers = "(select taker from recycled where newcomer)"
    _draw(
        con,
        traps,
        "two_phones",
        f"group_user and reg_day < {days - 1} and pid not in (select pid from shared_number)",
    )
    con.execute(
        f"""update person set second_phone = mobile(pid * 4 + 2), verified = true,
            second_day = (greatest(reg_day, 0) + 1 + pick(pid, 'second phone', greatest(1, {days - 1} - greatest(reg_day, 0))))::INT
        where pid in {_who("two_phones")}"""
    )
    _note(con, "two_phones", "subject", "phone", f"person where pid in {_who('two_phones')}")
    _draw(
        con,
        traps,
        "two_cards",
        f"has_card and not took_card and card_day < {days // 2} and pid not in {_GAVE_OR_TOOK} "
        "and pid not in (select owner from shared_number where same_card)",
    )
    con.execute(
        f"""update person set card_b = lpad((60000003 + pid * 6)::VARCHAR, 10, '0'),
            card_b_day = (greatest(card_day, 0) + 1 + pick(pid, 'card lost', {days - 2} - greatest(card_day, 0)))::INT
        where pid in {_who("two_cards")}"""
    )
    _note(
        con,
        "two_cards",
        "subject",
        "pos_member",
        f"person where pid in {_who('two_cards')}",
        identifier="card_b",
        since="card_b_day",
    )
    _draw(
        con,
        traps,
        "reregistered_openid",
        f"group_user and reg_day < {days // 2} and active_until > {days} and pid not in {newcomers}",
    )
    con.execute(
        f"""update person set wechat_day =
            (greatest(reg_day, 1) + 1 + pick(pid, 'new wechat', {days - 2} - greatest(reg_day, 1)))::INT
        where pid in {_who("reregistered_openid")}"""
    )
    # whoever loses the phone that WeChat is on stays away until she has another
    con.execute(
        f"""update person set wechat_left = greatest(least(greatest(reg_day, 1), wechat_day),
            wechat_day - pick(pid, 'without wechat', {traps.reregister_gap_days + 1}))::INT
        where pid in {_who("reregistered_openid")}"""
    )
    _note(
        con,
        "reregistered_openid",
        "subject",
        "openid",
        f"person where pid in {_who('reregistered_openid')}",
        identifier="openid_new",
        since="wechat_day",
    )


def _mix_cards_up(con: duckdb.DuckDBPyConnection, world: World, traps: Traps) -> None:
    """`swapped` (whose card shows whose data, from when to when) and `handed` (cards given away for good)."""
    days, first = world.days, world.first_night
    _draw(
        con,
        traps,
        "swapped_card",
        f"has_card and not took_card and card_b is null and card_day < 0 and pid not in {_GAVE_OR_TOOK} "
        "and pid not in (select owner from shared_number)",
    )
    con.execute(
        f"""create table swapped as
        with turned as (
            select pid, store, row_number() over (partition by store order by h(pid, 'swapped'), pid) - 1 as turn
            from person where pid in {_who("swapped_card")} and u(pid, 'for good') >= {traps.swapped_for_good}),
        pair as (select store, turn // 2 as pair, min(pid) as a, max(pid) as b from turned group by all having count(*) = 2),
        dated as (
            -- most were mixed up during the history and some of them are put right in the single nights
            select a, b, if(u(a, 'swap') < 0.7, 5 + pick(a, 'swap day', {first - 5}),
                    {first + 1} + pick(a, 'swap day', {traps.single_nights}))::INT as from_day,
                if(u(a, 'swap') < 0.45, {first + 1} + pick(a, 'put right', {traps.single_nights}), null)::INT as to_day
            from pair)
        select a as pid, b as other, from_day, to_day from dated
        union all select b, a, from_day, to_day from dated order by 1"""
    )
    givers = f"select pid from {_who('swapped_card')} where pid not in (select pid from swapped)"
    takers = (
        "select pid, store from person where not has_card and pid not in (select pid from shared_number) "
        f"and pid not in {_GAVE_OR_TOOK}"
    )
    _need(con, "swapped_card", f"select count(*) from ({givers})", f"select count(*) from ({takers})")
    con.execute(
        f"""insert into handed
        with giving as (
            select pid, card_a, 5 + pick(pid, 'hand day', {days - 8}) as day,
                row_number() over (order by store, h(pid, 'hand'), pid) as turn
            from person where pid in ({givers})),
        -- as many as there are givers, then by shop, so that most cards stay in their shop
        taking as (
            select pid, row_number() over (order by store, h(pid, 'hand'), pid) as turn
            from (select * from ({takers}) order by h(pid, 'takes'), pid limit (select count(*) from ({givers}))))
        select g.pid, t.pid, g.card_a, g.day::INT from giving g join taking t using (turn) order by 1"""
    )
    con.execute("update person set card_until = handed.day from handed where handed.from_pid = person.pid")
    con.execute(
        "update person set has_card = true, took_card = true, card_a = handed.card, card_day = handed.day "
        "from handed where handed.to_pid = person.pid"
    )
    _note(
        con,
        "swapped_card",
        "subject",
        "pos_member",
        "swapped join person using (pid)",
        identifier="card_a",
        since="from_day",
        other="other",
    )
    _note(
        con,
        "swapped_card",
        "subject",
        "pos_member",
        "(select from_pid as pid, * from handed)",
        identifier="card",
        since="day",
        other="to_pid",
    )
    _note(
        con,
        "swapped_card",
        "taker",
        "pos_member",
        "(select to_pid as pid, * from handed)",
        identifier="card",
        since="day",
        other="from_pid",
    )


def _name_hubs(con: duckdb.DuckDBPyConnection) -> None:
    """`hub`: in every shop one cashier types her own number. She shops there too, with that number and her card."""
    con.execute(
        f"""create table hub as
        with own as (
            select store, arg_min(pid, (h(pid, 'works here'), pid)) as pid from person
            where has_card and not took_card and chg_day is null and card_until is null
                and pid not in (select pid from leader) and pid not in {_IN_FAMILY}
                and pid not in (select pid from trapped)
            group by store)
        select s.store, 1 + pick(s.store, 'hub', 4) as place, o.pid, coalesce(p.phone_a, staff.phone) as phone
        from store s left join own o using (store) left join person p using (pid)
        join staff on staff.store = s.store and staff.place = 1 + pick(s.store, 'hub', 4) order by 1"""
    )
    con.execute(
        "update staff set phone = p.phone_a, staff_name = p.name, person_id = p.person_id "
        "from hub h join person p using (pid) where h.store = staff.store and h.place = staff.place"
    )


def _spoil_card_phones(con: duckdb.DuckDBPyConnection, traps: Traps) -> None:
    """`wrong_phone`: what stands in the member file instead of the person's number; one cause per card."""
    not_hub = "pid not in (select pid from hub where pid is not null)"
    _draw(con, traps, "cashier_hub", not_hub)
    card = f"has_card and not took_card and {not_hub} and pid not in {_GAVE_OR_TOOK}"
    taken = ["cashier_hub"]
    for trap in ("shop_phone", "placeholder", "mistyped_digit"):
        _draw(con, traps, trap, f"{card} and pid not in {_who(*taken)}")
        taken.append(trap)
    _draw(con, traps, "masked_number", "has_card or group_user")
    con.execute(
        f"""create table victim as
        with typed as (
            select pid, phone_a, row_number() over (order by h(pid, 'hits'), pid) as turn from person
            where pid in {_who("mistyped_digit")} and u(pid, 'hits somebody') < {traps.mistyped_hits}),
        free as (
            select pid as hit, row_number() over (order by h(pid, 'hit'), pid) as turn from person
            where (has_card or group_user) and {not_hub} and pid not in {_IN_FAMILY} and pid not in {_GAVE_OR_TOOK}
                and pid not in {_who("mistyped_digit")} and chg_day is null)
        select t.pid, f.hit, mistype(t.phone_a, t.pid) as phone from typed t join free f using (turn) order by 1"""
    )
    # numbers of one town lie close together; here the victim gets the neighbouring one
    con.execute("update person set phone_a = v.phone from victim v where v.hit = person.pid")
    # on no list: what a cashier's fingers find on the pad
    unlisted = "['13812345678', '13912345678', '15912345678', '13811112222', '15000000000', '13566668888', '18612341234']"
    con.execute(
        f"""create table shop_habit as
        select store, mobile(3950000000 + store) as shop_phone, if(u(store, 'own placeholder') < {traps.placeholder_new},
            {unlisted}[1 + pick(store, 'unlisted', 7)::INT], placeholder(store)) as filler from store order by 1"""
    )
    con.execute(
        f"""create table wrong_phone as
        select p.pid, t.trap, case t.trap when 'cashier_hub' then b.phone when 'shop_phone' then s.shop_phone
                when 'placeholder' then s.filler when 'mistyped_digit' then mistype(p.phone_a, p.pid)
                else masked(phone_on(p.phone_a, p.phone_b, p.chg_day, p.card_day)) end as phone,
            if(t.trap = 'mistyped_digit' and u(p.pid, 'corrected') < {traps.mistyped_corrected},
                true, false) as corrected
        from trapped t join person p using (pid) join hub b using (store) join shop_habit s using (store)
        where p.has_card and not p.took_card and (t.trap in ('shop_phone', 'placeholder', 'mistyped_digit')
            or (t.trap = 'cashier_hub' and u(pid, 'card too') < 0.6 and pid not in {_GAVE_OR_TOOK})
            or (t.trap = 'masked_number' and u(pid, 'masked card') < 0.6 and pid not in {_who(*taken)}
                and pid not in {_GAVE_OR_TOOK}))
        order by 1"""
    )
    for trap in ("shop_phone", "placeholder", "masked_number"):
        _note(con, trap, "subject", "phone", _who(trap))
    _note(
        con,
        "cashier_hub",
        "subject",
        "phone",
        f"(select p.pid, b.pid as o from person p join hub b using (store) where p.pid in {_who('cashier_hub')})",
        other="o",
    )
    _note(con, "cashier_hub", "cashier", "phone", "hub where pid is not null")
    _note(
        con,
        "mistyped_digit",
        "subject",
        "phone",
        f"{_who('mistyped_digit')} left join victim using (pid)",
        other="hit",
    )
    _note(con, "mistyped_digit", "victim", "phone", "(select hit as pid, pid as o from victim)", other="o")


def _tie_persons(con: duckdb.DuckDBPyConnection, traps: Traps) -> None:
    """Parents who receive, customers whose number stands in another's remark, twins, and who pays for whom."""
    _draw(con, traps, "receiver_not_buyer", "group_user")
    _draw(con, traps, "wrong_remark", "wecom_contact")
    _draw(
        con,
        traps,
        "twins",
        f"pid not in {_IN_FAMILY} and pid not in (select pid from hub where pid is not null)",
    )
    paying = "has_card and adults > 1 and pid not in (select pid from shared_number where same_card)"
    _draw(con, traps, "shared_payer", paying)
    others = "select pid, count(*) over () as n, row_number() over (order by h(pid, 'parents'), pid) - 1 as turn from person"
    con.execute(
        f"""create table parent as
        select s.pid, if(u(s.pid, 'parent shops') < 0.6, o.pid, null) as parent_pid,
            if(parent_pid is null, mobile(s.pid * 4 + 3), coalesce(o.phone_a, o.phone_b)) as phone,
            if(parent_pid is null, left(s.name, 1) || right(o.name, 1), o.name) as name
        from person s join ({others}) x on x.turn = pick(s.pid, 'whose child', x.n) join person o on o.pid = x.pid
        where s.pid in {_who("receiver_not_buyer")} order by 1"""
    )
    # a neighbour in the list of the same shop (n persons); whoever is alone there gets one of another shop
    listed = """select pid, store, count(*) over (partition by {by}) as n,
        row_number() over (partition by {by} order by h(pid, '{purpose}'), pid) - 1 as turn from person"""
    near, far = listed.format(by="store", purpose="near"), listed.format(by="1", purpose="far")
    con.execute(
        f"""create table remark_slip as
        select s.pid, case when u(s.pid, 'remark other') < {traps.remark_other}
            then nullif(if(u(s.pid, 'same shop') < 0.8 and s.n > 1, a.pid, b.pid), s.pid) end as other
        from ({near}) s join ({near}) a on a.store = s.store and a.turn = (s.turn + 1 + pick(s.pid, 'near', greatest(1, s.n - 1))) % s.n
        join ({far}) f on f.pid = s.pid join ({far}) b on b.turn = (f.turn + 1 + pick(f.pid, 'far', greatest(1, f.n - 1))) % f.n
        where s.pid in {_who("wrong_remark")} order by 1"""
    )
    con.execute(
        f"""create table twin as
        with pool as (select pid, store, count(*) over (partition by store) as n,
            row_number() over (partition by store order by h(pid, 'twin'), pid) - 1 as turn
            from person where pid not in {_who("twins")})
        select s.pid, o.pid as other from person s
        join pool o on o.store = s.store and o.turn = pick(s.pid, 'twin', o.n)
        where s.pid in {_who("twins")} order by 1"""
    )
    _need(con, "twins", f"select count(*) from {_who('twins')}", "select count(*) from twin")
    con.execute(
        "update person set name = o.name, community = o.community, building = o.building, lng = o.lng, lat = o.lat, "
        "taste = o.taste from twin t join person o on o.pid = t.other where t.pid = person.pid"
    )
    con.execute(
        f"""create table payer as
        select p.pid, o.pid as payer from person p
        join person o on o.hh = p.hh and o.place = (p.place + 1) % p.adults where p.pid in {_who("shared_payer")}
        order by 1"""
    )
    # they pay by WeChat
    con.execute("update person set pay = pay * 0.66 from payer y where y.pid = person.pid")
    _note(con, "receiver_not_buyer", "subject", "phone", "parent", other="parent_pid")
    _note(con, "wrong_remark", "subject", "phone", "remark_slip", other="other")
    _note(con, "twins", "subject", "none", "twin", other="other")
    paid = "(select y.pid, y.payer, o.openid_pay from payer y join person o on o.pid = y.payer)"
    _note(con, "shared_payer", "subject", "openid", paid, identifier="openid_pay", other="payer")
    for trap, role, namespace, table, column in (
        ("receiver_not_buyer", "receiver", "phone", "parent", "parent_pid"),
        ("wrong_remark", "named", "phone", "remark_slip", "other"),
        ("twins", "twin", "none", "twin", "other"),
        ("shared_payer", "payer", "openid", "payer", "payer"),
    ):
        # one row per other person, with one of those they are tied to
        others = f"(select {column} as pid, min(pid) as tied_to from {table} where {column} is not null group by 1)"
        _note(con, trap, role, namespace, others, other="tied_to")
