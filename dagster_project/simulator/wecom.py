"""The WeCom side of the world, written as one JSON file that the sandbox server reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import duckdb

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
        """select to_json({'external_userid': external_userid, 'name': any_value(name), 'type': 1, 'gender': any_value(gender),
            'unionid': any_value(unionid), 'follow': list({'userid': userid, 'remark': remark, 'description': '',
            'createtime': createtime, 'tag_id': tag_id, 'remark_mobiles': remark_mobiles, 'add_way': add_way,
            'oper_userid': userid, 'state': state, 'deleted_at': deleted_at} order by createtime, userid)})::VARCHAR
        from contact group by external_userid order by external_userid"""
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
                    'invitor': if(invitor is null, null, {'userid': invitor}), 'left_at': left_at, 'name': name}
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
                coalesce(b.store, j.store) as at_store
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
            case when t.scene = 2 then null else 'csh' || (1 + pick(t.pid, 'invitor', 2)) || '_'
                || store_code_of(t.at_store) end as invitor,
            left(t.name, 1) || '**' as name, t.person_id
        from timed t join chat c on c.store = t.at_store and c.n = pick(t.pid, 'chat', {_CHATS})
        union all
        select c.chat_id, c.chat_name, c.owner, c.create_time, s.wecom_userid, 1, null, c.create_time + s.place, null,
            1, c.owner, s.role, s.person_id
        from chat c join staff s on s.store = c.store where s.wecom_userid is not null"""
    )
