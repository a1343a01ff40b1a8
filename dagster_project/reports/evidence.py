"""Everything that the current publication and the lake hold about one member, and the paths between its identifiers.

Only rows of the member are looked up; nothing is read whole. Published files are never locked, so this works while a
night is being made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
from duckdb import DuckDBPyConnection

from dagster_project.config import Chain, RecordName
from dagster_project.contracts import feed as contract
from dagster_project.identity.explain import (
    RECORD_KEYS,
    Link,
    Node,
    Step,
    minted_id,
    named_identifiers,
    paths_from,
    shortest_path,
)
from dagster_project.lang import tr
from dagster_project.publish import Publication, PublishError
from dagster_project.publish.relations import parquet_files, quoted
from dagster_project.reports.published import open_publication, rows_by_name

NEEDED = (
    "members",
    "member_identifiers",
    "member_events",
    "record_members",
    "identity_links",
    "member_redirects",
)
# by feed and basis: the feed of the sale that a record is about, and the record's columns that name that sale; a posting
# tells the number of the ticket and no shop (_Reader._ticket_of)
_REFERENCES = {
    ("tickets", "origin_ticket"): ("tickets", ("store_code", "origin_ticket_id")),
    ("complaints", "order"): ("orders", ("order_id",)),
    ("complaints", "ticket"): ("tickets", ("store_code", "ticket_id")),
}
_OF_ITS_TICKET = ("points", "ticket")
# by basis: the namespace of an account that recognises whoever it paid for, although it need not be hers
_PAYERS = {"pay_openid": "openid", "alipay_user": "alipay_user"}
# of a link, beside its two ends: fields of Link and columns of identity_links
_PROOF = ("rule", "record", "strength", "support", "first_seen_on", "starts_at", "ends_at")
_LINK_COLUMNS = (
    "member_id_a, namespace_a, identifier_a, segment_a, member_id_b, namespace_b, identifier_b, segment_b, masked_b, followed,"
    f" reason, evidence, {', '.join(_PROOF)}"
)


class UnknownMemberError(ValueError):
    """Nobody has this id, or the record is not the member's. The text says what to do."""


class Source(NamedTuple):
    """Where a record stands in what arrived: the source's own file, its row, and the night of its arrival."""

    file: str
    row: int
    night: date


class Identifier(NamedTuple):
    """A row of member_identifiers."""

    member_id: str
    namespace: str
    identifier: str
    valid_from: date
    valid_to: date | None
    basis: str
    is_shared: bool


class Event(NamedTuple):
    """A row of member_events."""

    occurred_on: date
    kind: str
    member_id: str
    other_member_id: str | None
    evidence: str


@dataclass(frozen=True)
class Refusal:
    """A link that touches the member and is not followed; `member_a`, `member_b`: whose its two sides are."""

    link: Link
    member_a: str | None
    member_b: str | None
    reason: str
    evidence: str


class Ticket(NamedTuple):
    """A ticket and where it stands."""

    record: str
    source: Source


@dataclass(frozen=True)
class Paid:
    """An account that is none of the member's, and the member's tickets, the earliest first, that it paid for when a
    card or phone was shown: why a ticket that shows neither is hers."""

    account: Node
    tickets: tuple[Ticket, ...]


@dataclass(frozen=True)
class End:
    """A record that a path begins or ends at. `nodes`: identifiers of the member that it names.

    via: the record of the sale by which it is known, whose nodes these are. paid: the payer by whom it, or that sale,
    is known; the nodes are those that the payer's other tickets name.
    """

    record: str
    basis: str
    nodes: tuple[Node, ...]
    source: Source | None
    via: str | None = None
    paid: Paid | None = None


@dataclass(frozen=True)
class Explanation:
    """What there is to tell of a member.

    asked: the id that was asked for; it differs from member_id when it was merged away on retired_on. root: the
    identifier that the id was minted from. paths: between the two `ends`, or from every identifier to the root; a
    path is None when no link joins them. sources: by connection|feed|record_id. masks: by phone token.
    """

    asked: str
    member_id: str
    as_of: date
    retired_on: date | None
    member: dict[str, Any]
    identifiers: tuple[Identifier, ...]
    events: tuple[Event, ...]
    household: tuple[str, ...]
    root: Node | None
    paths: tuple[tuple[Node | None, list[Step] | None], ...]
    refusals: tuple[Refusal, ...]
    holders: tuple[Identifier, ...]
    masks: dict[str, str]
    ends: tuple[End, End] | None = None
    sources: dict[str, Source] = field(default_factory=dict)


def explain_member(chain: Chain, member_id: str, records: tuple[str, str] | None = None) -> Explanation:
    """Explains one member of the current publication.

    Args:
        member_id: a present or a retired id.
        records: two records of the member, connection|feed|record_id; without them every identifier is led back to
            the one that the id was minted from.

    Raises:
        PublishError: nothing is published, or a publication of an older release is.
        UnknownMemberError: no such member, or a record that is not the member's.
    """
    publication = _publication(chain)
    with duckdb.connect() as con:
        con.execute("set threads = 2")
        return _Reader(con, publication, chain).explain(member_id, records)


def _publication(chain: Chain) -> Publication:
    publication = open_publication(chain)
    if missing := [name for name in NEEDED if name not in publication.tables]:
        names = ", ".join(missing)
        raise PublishError(
            tr(
                f"{publication.publication_id} 是旧版本发布的，没有 {names}：请再运行一次 linli run",
                f"{publication.publication_id} is of an older release without {names}: run linli run once more",
            )
        )
    return publication


class _Reader:
    """Filtered look-ups in one publication and in the lake."""

    def __init__(self, con: DuckDBPyConnection, publication: Publication, chain: Chain) -> None:
        self.con, self.publication, self.chain = con, publication, chain
        self.kinds = {connection.name: connection.kind for connection in chain.connections}

    def explain(self, asked: str, records: tuple[str, str] | None) -> Explanation:
        member_id, retired_on, member = self._member(asked)
        identifiers = tuple(
            Identifier(*row)
            for row in self._rows("member_identifiers", Identifier._fields, "member_id = ?", member_id)
        )
        links, refusals, masks = self._links(member_id)
        nodes = _nodes(member_id, identifiers, links)
        root = next((node for node in nodes if minted_id(node) == member_id), None)
        # of a lone phone only the day of its turn is published, not the second its id is made of
        root = nodes[0] if root is None and len(nodes) == 1 else root
        phones = _contested(identifiers, links, refusals)
        found = Explanation(
            asked=asked,
            member_id=member_id,
            as_of=self.publication.as_of,
            retired_on=retired_on,
            member=member,
            identifiers=identifiers,
            events=self._events(member_id),
            household=self._household(member),
            root=root,
            paths=(),
            refusals=refusals,
            holders=self._holders(phones),
            masks=masks
            | ({member["phone_token"]: member["phone_masked"]} if member.get("phone_masked") else {}),
        )
        if records is None:
            reached = paths_from(links, [root]) if root else {}
            found = replace(found, paths=tuple((node, reached.get(node)) for node in nodes if node != root))
        else:
            ends = (self._end(records[0], member_id, nodes), self._end(records[1], member_id, nodes))
            found = replace(
                found, ends=ends, paths=((None, shortest_path(links, ends[0].nodes, ends[1].nodes)),)
            )
        told = [step.link for _, path in found.paths for step in path or ()]
        return replace(found, sources=self._sources([*told, *(refusal.link for refusal in refusals)]))

    def _rows(self, table: str, columns: Iterable[str], where: str, *values: Any) -> list[tuple[Any, ...]]:
        """Matching rows; a column that the publication lacks is null. In the file's order, so in one order always."""
        have = set(self.publication.tables[table].shape.names)
        names = ", ".join(quoted(name) if name in have else f"null as {quoted(name)}" for name in columns)
        return self.con.execute(
            f"select {names} from {self.publication.sql(table)} where {where}", list(values)
        ).fetchall()

    def _member(self, asked: str) -> tuple[str, date | None, dict[str, Any]]:
        member_id, retired_on = asked, None
        columns = self.publication.tables["members"].shape.names
        rows = self._rows("members", columns, "member_id = ?", member_id)
        if not rows:
            led = self._rows("member_redirects", ("member_id", "merged_on"), "retired_member_id = ?", asked)
            if led:
                member_id, retired_on = led[0]
                rows = self._rows("members", columns, "member_id = ?", member_id)
        if not rows:
            raise UnknownMemberError(self._unknown(asked))
        return member_id, retired_on, dict(zip(columns, rows[0], strict=True))

    def _unknown(self, asked: str) -> str:
        record = RecordName.parse(asked)
        owner = self._record_member(record) if record else None
        if owner and owner[0]:
            return tr(
                f"{asked} 是一条记录，属于会员 {owner[0]}：请运行 linli explain member {owner[0]}",
                f"{asked} is a record, of member {owner[0]}: run linli explain member {owner[0]}",
            )
        if owner:
            return tr(
                f"{asked} 是一条没有认出会员的记录，原因见 record_members.basis",
                f"{asked} is a record of nobody known; record_members.basis says why",
            )
        ends = "other_member_id = ? or (kind = 'reassigned' and other_member_id is null and member_id = ?)"
        if ended := sorted(self._rows("member_events", ("occurred_on",), ends, asked, asked)):
            return tr(
                f"会员 {asked} 已在 {ended[-1][0]} 结束：没有记录再写它的标识，它的记录归谁不能确定，所以不指向任何人",
                f"member {asked} ended on {ended[-1][0]}: no record names its identifier any more, and whose its records"
                " are is not certain, so it leads to nobody",
            )
        return tr(
            f"最近一次发布里没有会员 {asked}，也没有被并走的这个会员号。会员号是 m 加 16 个字母，可在 members 里查；"
            "手机号、卡号不是会员号",
            f"the current publication has no member {asked}, nor one merged away. An id is m and 16 letters, see members;"
            " a phone or card number is none",
        )

    def _links(self, member_id: str) -> tuple[list[Link], tuple[Refusal, ...], dict[str, str]]:
        table = self.publication.sql("identity_links")
        # two look-ups: the file is sorted by the first of the two columns, an "or" would read all of it for both
        found = self.con.execute(
            f"select {_LINK_COLUMNS} from {table} where member_id_a = $m union all"
            f" select {_LINK_COLUMNS} from {table} where member_id_b = $m and member_id_a is distinct from $m"
            " order by all",
            {"m": member_id},
        )
        links, refusals, masks = [], [], {}
        for row in rows_by_name(found):
            link = Link(
                (row["namespace_a"], row["identifier_a"], row["segment_a"]),
                (row["namespace_b"], row["identifier_b"], row["segment_b"]),
                **{name: row[name] for name in _PROOF},
            )
            if row["masked_b"]:
                masks[row["identifier_b"]] = row["masked_b"]
            if row["followed"]:
                links.append(link)
            else:
                why = row["evidence"] or ""
                refusals.append(Refusal(link, row["member_id_a"], row["member_id_b"], row["reason"], why))
        return links, tuple(refusals), masks

    def _events(self, member_id: str) -> tuple[Event, ...]:
        rows = self._rows(
            "member_events", Event._fields, "member_id = ? or other_member_id = ?", member_id, member_id
        )
        return tuple(Event(*row) for row in sorted(rows, key=lambda row: tuple(map(str, row))))

    def _household(self, member: dict[str, Any]) -> tuple[str, ...]:
        household = member.get("household_id")
        if household is None:
            return ()
        rows = self._rows("members", ("member_id",), "household_id = ?", household)
        return tuple(sorted(row[0] for row in rows if row[0] != member["member_id"]))

    def _holders(self, phones: set[str]) -> tuple[Identifier, ...]:
        """Everybody who ever had one of these numbers, where more than one member did."""
        if not phones:
            return ()
        rows = [
            Identifier(*row)
            for row in self._rows(
                "member_identifiers",
                Identifier._fields,
                f"namespace = 'phone' and identifier in ({', '.join('?' * len(phones))})",
                *sorted(phones),
            )
        ]
        members = {phone: {row.member_id for row in rows if row.identifier == phone} for phone in phones}
        shared = [row for row in rows if len(members[row.identifier]) > 1]
        return tuple(sorted(shared, key=lambda row: (row.identifier, row.valid_from, row.member_id)))

    def _end(self, record: str, member_id: str, nodes: Sequence[Node]) -> End:
        name = _parsed(record)
        found = self._record_member(name)
        if found is None:
            raise UnknownMemberError(
                tr(
                    f"最近一次发布里没有记录 {record}：请核对连接名、数据名和编号，编号的各部分用 | 连接，"
                    "例如 pos_main|tickets|S001|T0001",
                    f"the current publication has no record {record}: check connection, feed and key; parts of the key"
                    " are joined by |, for example pos_main|tickets|S001|T0001",
                )
            )
        owner, basis = found
        if owner != member_id:
            raise UnknownMemberError(_not_theirs(record, owner, basis, member_id))
        return self._named(name, basis, member_id, nodes)

    def _record_member(self, record: RecordName) -> tuple[str | None, str] | None:
        """Member and basis of a record; None when the publication has no such record."""
        where = "connection = ? and feed = ? and record_id = ?"
        rows = self._rows("record_members", ("member_id", "basis"), where, *record)
        return (rows[0][0], rows[0][1]) if rows else None

    def _named(self, name: RecordName, basis: str, member_id: str, nodes: Sequence[Node]) -> End:
        rows = self._lake_rows(name.connection, name.feed, [name.record_id], None)
        # every version of the record speaks, the earliest row is where it stands
        named = {each for row in rows for each in self._identifiers(name, row)}
        end = End(str(name), basis, _met(nodes, named), _source(rows[0]) if rows else None)
        if not rows:
            return end
        sale = self._sale_of(name, basis, rows[-1], named, member_id)
        if sale is not None:
            found = self._named(*sale, member_id, nodes)
            return replace(end, nodes=found.nodes, via=found.record, paid=found.paid)
        if basis in _PAYERS and not end.nodes:
            accounts = {each for each in self._identifiers(name, rows[-1]) if each[0] == _PAYERS[basis]}
            return self._paid(end, accounts, member_id, nodes)
        return end

    def _identifiers(self, name: RecordName, row: dict[str, Any]) -> set[tuple[str, str]]:
        kind = self.kinds.get(name.connection, "")
        return named_identifiers(kind, name.feed, name.connection, row)

    def _sale_of(
        self,
        name: RecordName,
        basis: str,
        row: dict[str, Any],
        named: set[tuple[str, str]],
        member_id: str,
    ) -> tuple[RecordName, str] | None:
        """The sale by which the record is known, and its basis; None when it is known by itself."""
        if (name.feed, basis) == _OF_ITS_TICKET:
            return self._ticket_of(name.connection, row.get("ref_id"), named, member_id)
        if (name.feed, basis) not in _REFERENCES:
            return None
        feed_name, columns = _REFERENCES[name.feed, basis]
        sale_id = "|".join(str(row.get(column)) for column in columns)
        where = "feed = ? and record_id = ? and member_id = ?"
        sales = self._rows("record_members", ("connection", "basis"), where, feed_name, sale_id, member_id)
        for connection, sale_basis in sorted(sales, key=lambda sale: sale[0] != name.connection):
            if (feed_name, sale_basis) not in _REFERENCES:
                return RecordName(connection, feed_name, sale_id), sale_basis
        return None

    def _ticket_of(
        self, connection: str, ticket_id: str | None, named: set[tuple[str, str]], member_id: str
    ) -> tuple[RecordName, str] | None:
        """The member's ticket of this number that shows what the posting names."""
        where = "connection = ? and feed = 'tickets' and split_part(record_id, '|', 2) = ? and member_id = ?"
        rows = self._rows("record_members", ("record_id", "basis"), where, connection, ticket_id, member_id)
        for record_id, basis in rows:
            name = RecordName(connection, "tickets", record_id)
            versions = self._lake_rows(connection, "tickets", [record_id], None)
            if any(named & self._identifiers(name, version) for version in versions):
                return name, basis
        return None

    def _paid(self, end: End, accounts: set[tuple[str, str]], member_id: str, nodes: Sequence[Node]) -> End:
        """`end` with the tickets that tell whose the ticket is: the same account paid for them."""
        where = "feed = 'tickets' and basis in ('member_ref', 'phone') and member_id = ?"
        shown: dict[str, list[str]] = {}
        for connection, record_id in self._rows(
            "record_members", ("connection", "record_id"), where, member_id
        ):
            shown.setdefault(connection, []).append(record_id)
        tickets: dict[str, Source] = {}
        said: set[tuple[str, str]] = set()
        for connection, record_ids in shown.items():
            for row in self._lake_rows(connection, "tickets", record_ids, None):
                name = RecordName(connection, "tickets", row["_record_id"])
                names = self._identifiers(name, row)
                if names & accounts:
                    tickets.setdefault(str(name), _source(row))
                    said |= names - accounts
        if not tickets:
            return end
        [account] = accounts
        ordered = sorted(tickets.items(), key=lambda each: (each[1].night, each[0]))
        paid = Paid((*account, ""), tuple(Ticket(*each) for each in ordered))
        return replace(end, nodes=_met(nodes, said), paid=paid)

    def _sources(self, links: Iterable[Link]) -> dict[str, Source]:
        """File and row of every link's record, of the night on which it arrived saying so."""
        wanted: dict[tuple[str, str, date], set[str]] = {}
        for link in links:
            name = RecordName.parse(link.record)
            if name and name.connection in self.kinds:
                place = (name.connection, name.feed, link.first_seen_on)
                wanted.setdefault(place, set()).add(name.record_id)
        found: dict[str, Source] = {}
        for (connection, feed_name, night), record_ids in wanted.items():
            for row in self._lake_rows(connection, feed_name, sorted(record_ids), night):
                found.setdefault(f"{connection}|{feed_name}|{row['_record_id']}", _source(row))
        return found

    def _lake_rows(
        self, connection: str, feed_name: str, record_ids: Sequence[str], night: date | None
    ) -> list[dict[str, Any]]:
        """Rows of records as they landed, the earliest first, with `_record_id`; `night` None: of every night."""
        files = _batches(self.chain.paths.lake / connection / feed_name, night)
        kind = self.kinds.get(connection)
        if not files or kind is None:
            return []
        key = RECORD_KEYS.get((kind, feed_name)) or contract(kind, feed_name).key
        source = parquet_files(files).replace("hive_partitioning", "union_by_name = true, hive_partitioning")
        parts = [part for part in (i.split("|", len(key) - 1) for i in record_ids) if len(part) == len(key)]
        if not parts:
            return []
        # part by part: the files' own statistics then tell where a record cannot be
        narrow = " and ".join(f"{quoted(name)} in ({', '.join('?' * len(parts))})" for name in key)
        try:
            cursor = self.con.execute(
                f"select * from {source} where {narrow} order by _night, _batch_id, _row_no",
                [part[place] for place in range(len(key)) for part in parts],
            )
        except duckdb.BinderException:
            return []  # no file of this feed has a column of its key, so no row is a record
        rows = rows_by_name(cursor)
        for row in rows:
            row["_record_id"] = "|".join(row[name] for name in key)
        return [row for row in rows if row["_record_id"] in record_ids]


def _batches(folder: Path, night: date | None) -> list[Path]:
    """Row files of a feed, of one night or of all; without its manifest a batch does not exist."""
    found = []
    for path in sorted(folder.glob(f"{night.isoformat() if night else '*'}/*.parquet")):
        if "." not in path.stem and any(path.parent.glob(f"{path.stem}-*.json")):
            found.append(path)
    return found


def _met(nodes: Sequence[Node], named: set[tuple[str, str]]) -> tuple[Node, ...]:
    return tuple(node for node in nodes if node[:2] in named)


def _source(row: dict[str, Any]) -> Source:
    return Source(row["_file"], row["_row_no"], row["_night"])


def _contested(
    identifiers: Sequence[Identifier], links: Sequence[Link], refusals: Sequence[Refusal]
) -> set[str]:
    """Phones that somebody else may have or have had. The others are spared the look-up, the longest of all."""
    linked = {link.right[:2]: link.right[2] for link in links}
    phones = {
        i.identifier
        for i in identifiers
        if i.namespace == "phone"
        and (i.is_shared or i.valid_to is not None or linked.get(("phone", i.identifier)) != "")
    }
    return phones | {r.link.right[1] for r in refusals if r.link.right[0] == "phone"}


def _nodes(member_id: str, identifiers: Sequence[Identifier], links: Sequence[Link]) -> tuple[Node, ...]:
    """The identifiers that make the member, a phone once for every turn the member had with it."""
    nodes = {node for link in links for node in (link.left, link.right)}
    known = {node[:2] for node in nodes}
    for i in identifiers:
        if not i.is_shared and (i.namespace, i.identifier) not in known:
            nodes.add((i.namespace, i.identifier, ""))
    return tuple(sorted(nodes))


def _parsed(record: str) -> RecordName:
    name = RecordName.parse(record)
    if name is None:
        raise UnknownMemberError(
            tr(
                f"记录 {record} 的写法不对：应为 连接|数据|编号，例如 pos_main|tickets|S001|T0001（在终端里加引号）",
                f"record {record} is not connection|feed|key, for example pos_main|tickets|S001|T0001 (quote it)",
            )
        )
    return name


def _not_theirs(record: str, owner: str | None, basis: str, member_id: str) -> str:
    if owner is None:
        return tr(
            f"记录 {record} 没有认出会员（{basis}），所以和 {member_id} 之间没有证据",
            f"record {record} has no member ({basis}), so nothing ties it to {member_id}",
        )
    return tr(
        f"记录 {record} 属于会员 {owner}，不是 {member_id}：请看 linli explain member {owner}",
        f"record {record} is member {owner}'s, not {member_id}'s: see linli explain member {owner}",
    )
