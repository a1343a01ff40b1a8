"""The WeCom side of the world, written as one JSON file that the sandbox server reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import duckdb

from dagster_project.simulator.database import text_list
from dagster_project.simulator.events import EventLog, told
from dagster_project.simulator.files import Landing
from dagster_project.simulator.settings import CORP_ID, WECOM, World

_TAGS = {
    "活跃度": ["近7天未消费", "近15天未消费", "活跃"],
    "偏好": ["爱买菜", "爱买水果", "爱买熟食"],
    "渠道": ["门店扫码", "群里来的"],
}
_CHATS = 3


def build_wecom(
    con: duckdb.DuckDBPyConnection,
    world: World,
    landing: Landing,
    path: Path,
    amend: Callable[[], None] | None = None,
    log: EventLog | None = None,
) -> None:
    """Writes the WeCom world: contacts with their staff, tags, group chats and members; seconds are Unix time.

    `amend` may change `contact` and `chat_member` before they are written.
    """
    # Shop time is China's, eight hours ahead of Unix time.
    con.execute("create macro unix(day, second) as epoch(moment(day, second))::BIGINT - 28800")
    _contacts(con, world)
    _members(con, world)
    if amend:
        amend()
    _codes_and_tags(con, world)
    tags = [
        {
            "group_id": f"etg{g}",
            "group_name": group,
            "tags": [
                {"id": f"et{g}{t}", "name": name, "create_time": 1700000000} for t, name in enumerate(names)
            ],
        }
        for g, (group, names) in enumerate(_TAGS.items())
    ]
    staff = [
        row[0]
        for row in con.execute(
            "select wecom_userid from staff where wecom_userid is not null order by 1"
        ).fetchall()
    ]
    contacts = con.execute(
        """with told as (
            select c.* replace (coalesce(t.tag_id, []) as tag_id), coalesce(t.tag_times, []) as tag_times from contact c
            left join (select userid, external_userid,
                    list(tag_id order by tag_id) filter (where until is null and since = createtime) as tag_id,
                    list([tag_id, since::VARCHAR, until::VARCHAR] order by since, tag_id)
                        filter (where until is not null or since > createtime) as tag_times
                from contact_tag group by all) t using (userid, external_userid))
        select to_json({'external_userid': external_userid, 'name': any_value(name), 'type': 1, 'gender': any_value(gender),
            'unionid': any_value(unionid), 'follow': list({'userid': userid, 'remark': remark, 'description': '',
            'createtime': createtime, 'tag_id': tag_id, 'remark_mobiles': remark_mobiles, 'add_way': add_way,
            'oper_userid': userid, 'state': state, 'deleted_at': deleted_at, 'tag_times': tag_times} order by createtime, userid)})::VARCHAR
        from told group by external_userid order by external_userid"""
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as out:
        out.write(f'{{"corp_id":{json.dumps(CORP_ID)},"staff":{json.dumps(staff)},\n"contacts":[')
        _write_rows(out, contacts)
        out.write(f'],\n"tag_groups":{json.dumps(tags, ensure_ascii=False)},\n"group_chats":[')
        chats = con.execute(
            """select to_json({'chat_id': chat_id, 'name': any_value(chat_name), 'owner': any_value(owner), 'status': 0,
                'create_time': any_value(create_time),
                    'members': list({'userid': userid, 'type': type, 'unionid': unionid,
                'join_time': join_time, 'join_scene': join_scene,
                    'invitor': if(invitor is null, null, {'userid': invitor}), 'left_at': left_at, 'name': name,
                    'state': coalesce(state, '')}
                order by join_time, userid)})::VARCHAR
            from chat_member group by chat_id order by chat_id"""
        )
        _write_rows(out, chats)
        out.write("]}\n")
    landing.note_records(
        WECOM, "contacts", "select distinct external_userid as record_id, person_id from contact"
    )
    landing.note_records(
        WECOM,
        "group_members",
        "select chat_id || '|' || userid as record_id, person_id from chat_member where type = 2",
    )
    if log:
        _log(log)


def _write_rows(out, cursor: duckdb.DuckDBPyConnection) -> None:
    separator = "\n"
    while rows := cursor.fetchmany(20000):
        out.write(separator + ",\n".join(row[0] for row in rows))
        separator = ",\n"


def _contacts(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `contact`: one row per (person, staff member who follows)."""
    r = world.rates
    con.execute(
        f"""create table contact as
        with edge as (
            select pid, pick(pid, 'staff', 3) as place, 0 as turn from person where wecom_contact
            union all
            select pid, (pick(pid, 'staff', 3) + 1) % 3, 1 from person where wecom_contact
                and u(pid, 'second staff') < {r.second_staff}),
        dated as (
            select *, pid * 2 + turn as k, case when u(pid * 2 + turn, 'contact inside') < 0.22
                then pick(pid * 2 + turn, 'contact day', {world.days})
                    else -5 - pick(pid * 2 + turn, 'contact day', 400) end::INT as day
            from edge)
        select p.pid, p.person_id, p.external_userid, s.wecom_userid as userid,
            1 + pick(p.pid, 'gender', 2) as gender,
            left(p.name, 1) || [['哥', '叔'], ['姐',
                '阿姨']][1 + pick(p.pid, 'gender', 2)::INT][1 + pick(p.pid, 'nick', 2)::INT] as name,
            case when u(p.pid, 'contact unionid') < {r.wecom_unionid} then p.unionid end as unionid,
            unix(d.day, 32400 + pick(k, 'contact at', 36000)) as createtime,
            case when u(k, 'deleted') < {r.contact_deleted} then createtime + 86400 * (5 + pick(k, 'deleted after',
                300)) end as deleted_at,
            case when u(k, 'remarked') < {r.remark_phone} then [case
                    when u(k, 'remark wrong') < {r.remark_phone_wrong} / 2 then mistype(p.phone_a, k)
                    when u(k, 'remark wrong') < {r.remark_phone_wrong} then coalesce(x.partner_phone,
                        mistype(p.phone_a, k))
                    else phone_on(p.phone_a, p.phone_b, p.chg_day, d.day) end]
                || if(p.phone_2 is not null and u(k, 'both') < 0.5, [p.phone_2], []::VARCHAR[])
                else []::VARCHAR[] end as remark_mobiles,
            p.community || ' ' || name
                || if(len(remark_mobiles) > 0 and u(k, 'in text') < 0.2, ' ' || remark_mobiles[1], '') as remark,
            if(u(k, 'tagged') < 0.3, ['et1' || pick(k, 'tag', 3)], []::VARCHAR[]) as tag_id,
            [1, 1, 1, 2, 3, 4, 201][1 + pick(k, 'way', 7)::INT] as add_way, s.store_code as state
        from dated d join person p using (pid) join staff s on s.store = p.store and s.place = d.place left
            join partner x using (pid)"""
    )


def _members(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `chat_member`. Who joins by scanning at the till does so minutes after a counter purchase."""
    con.execute(
        f"""create table chat_member as
        with joining as (
            select *, case when u(pid, 'chat inside') < 0.3 then pick(pid, 'chat day', {world.days})
                    else -5 - pick(pid, 'chat day', 300) end::INT as wish, u(pid, 'scene') as draw from person
                        where in_chat),
        scanned as (
            select j.pid, min(b.bid) as bid from joining j join basket b on b.pid = j.pid and not b.grouped
                and b.day >= j.wish
            where j.wish >= 0 and j.draw < 0.55 group by j.pid),
        timed as (
            select j.*, coalesce(b.day, j.wish) as day,
                coalesce(b.sec + 120 + pick(j.pid, 'scan', 600), 36000 + pick(j.pid, 'join at', 36000)) as sec,
                case when b.bid is not null or (j.wish < 0 and j.draw < 0.4) then 3 when j.draw < 0.75 then 2
                    else 1 end as scene,
                coalesce(b.store, j.store) as at_store,
                if(b.bid is null, 1 + pick(j.pid, 'cashier', 4),
                    1 + pick(b.store * 100000 + b.day * 3 + (b.sec > 50000)::INT, 'shift', 4)) as cashier
            from joining j left join scanned using (pid) left join basket b on b.bid = scanned.bid),
        chat as (
            select store, n, 'wr' || store_code || 'c' || n as chat_id, store_name || '生鲜福利' || (n + 1)
                || '群' as chat_name,
                'mgr_' || store_code as owner, unix(-400 + n * 60, 36000) as create_time
            from store, range({_CHATS}) numbers(n))
        select c.chat_id, c.chat_name, c.owner, c.create_time, t.external_userid as userid, 2 as type,
            case when u(t.pid, 'contact unionid') < {world.rates.wecom_unionid} then t.unionid end as unionid,
            unix(t.day, t.sec) as join_time,
            case when u(t.pid, 'left') < {world.rates.chat_left} then join_time + 86400 * (3 + pick(t.pid,
                'left after', 200)) end as left_at, t.scene as join_scene,
            -- a scan shows no inviter when the code was the cashier's own
            case when t.scene = 2 or (t.scene = 3 and u(t.pid, 'chat state') < {world.rates.chat_state}) then null
                else 'csh' || (1 + pick(t.pid, 'invitor', 2)) || '_' || store_code_of(t.at_store) end as invitor,
            left(t.name, 1) || '**' as name, t.person_id,
            -- a code of the cashier's own, named after her account or her number in the staff list
            case when t.scene = 3 and u(t.pid, 'chat state') < {world.rates.chat_state} then
                if(t.cashier <= 2 and u(t.pid, 'state by') < 0.5, 'csh' || t.cashier || '_' || store_code_of(t.at_store),
                    store_code_of(t.at_store) || 'E0' || t.cashier) end as state
        from timed t join chat c on c.store = t.at_store and c.n = pick(t.pid, 'chat', {_CHATS})
        union all
        select c.chat_id, c.chat_name, c.owner, c.create_time, s.wecom_userid, 1, null, c.create_time + s.place, null,
            1, c.owner, s.role, s.person_id, null
        from chat c join staff s on s.store = c.store where s.wecom_userid is not null"""
    )


def _codes_and_tags(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Gives `contact` the state of the code it came by, and creates `contact_tag`: who set which tag, from when to when."""
    r, days = world.rates, world.days
    own = f"u(k, 'own code') < {r.contact_state}"
    con.execute(
        f"""update contact set state = coded.state from (
            select c.userid, c.external_userid, (hash(c.userid || c.external_userid) >> 1)::BIGINT as k,
                case when {own} then if(u(k, 'code by') < 0.5, c.userid, s.staff_id) else c.state end as state
            from contact c join staff s on s.wecom_userid = c.userid) coded
        where coded.userid = contact.userid and coded.external_userid = contact.external_userid"""
    )
    number = (
        "["
        + ", ".join(f"'et{g}{t}'" for g, names in enumerate(_TAGS.values()) for t in range(len(names)))
        + "]"
    )
    day = "unix(pick(k, '{0}', " + str(days) + "), 36000 + pick(k, '{0} at', 28800))"
    con.execute(
        f"""create table contact_tag as
        with edge as (
            select userid, external_userid, person_id, createtime, deleted_at, tag_id,
                (hash(external_userid || userid) >> 1)::BIGINT as k from contact),
        first as (
            select * exclude (tag_id), unnest(tag_id) as tag_id, createtime as since,
                if(u(k, 'tag goes') < {r.tag_changes}, {day.format("tag goes on")}, null) as until from edge),
        second as (
            select * exclude (tag_id), {number}[1 + pick(k, 'other tag', {sum(map(len, _TAGS.values()))})::INT] as tag_id,
                {day.format("tag comes on")} as since,
                if(u(k, 'and goes') < 0.4, since + 86400 * (1 + pick(k, 'stays', 20)), null) as until
            from edge where u(k, 'tag comes') < {r.tag_changes} / 2)
        select userid, external_userid, person_id, createtime, tag_id, since,
            if(until >= deleted_at, null, until)::BIGINT as until
        from (select * from first union all by name select * from second)
        where since >= createtime and since < coalesce(deleted_at, 9999999999) and (until is null or until > since)
        qualify row_number() over (partition by userid, external_userid, tag_id order by since) = 1
        order by external_userid, userid, tag_id"""
    )


def _log(log: EventLog) -> None:
    """What happened in WeCom, in the words of truth/events.csv.gz. It is read at night, so the business day is the night."""

    def when(seconds: str) -> tuple[str, str]:
        at = f"make_timestamp(({seconds} + 28800) * 1000000)::TIMESTAMP_S"
        return at, f"greatest(0, datediff('day', on_day(0), ({at} - interval 4 hour)::DATE))::INT as night"

    names = text_list([name for group in _TAGS.values() for name in group])
    for kind, column in (("chat_join", "join_time"), ("chat_leave", "left_at")):
        at, night = when(column)
        log.add(
            kind,
            f"(select *, {night} from chat_member where type = 2 and {column} is not null)",
            f"{column}, chat_id, userid",
            at=at,
            connection=f"'{WECOM}'",
            feed="'group_members'",
            record_id="chat_id || '|' || userid",
            person_id="person_id",
            store_code="split_part(chat_id, 'c', 1)[3:]",
            ref="invitor",
            state="state",
            detail=told(join_scene="join_scene", owner="owner"),
        )
    for kind, column in (("contact_added", "createtime"), ("contact_removed", "deleted_at")):
        at, night = when(column)
        log.add(
            kind,
            f"(select *, {night} from contact where {column} is not null)",
            f"{column}, external_userid, userid",
            at=at,
            connection=f"'{WECOM}'",
            feed="'contacts'",
            record_id="external_userid",
            person_id="person_id",
            ref="userid",
            state="state",
            detail=told(add_way="add_way"),
        )
    for kind, column in (("tag_set", "since"), ("tag_gone", "until")):
        at, night = when(column)
        log.add(
            kind,
            f"(select *, {night} from contact_tag where {column} is not null)",
            f"{column}, external_userid, userid, tag_id",
            at=at,
            connection=f"'{WECOM}'",
            feed="'contacts'",
            record_id="external_userid",
            person_id="person_id",
            ref="userid",
            state=f"{names}[1 + tag_id[3:3]::INT * 3 + tag_id[4:4]::INT]",
            detail=told(tag_id="tag_id"),
        )
