"""rules/identity_decisions.yml: which records a person has declared to be one customer, or two."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, field_validator

from dagster_project.config.document import Document, KeyPath, read_document
from dagster_project.config.numbers import refuse_numbers
from dagster_project.contracts import feeds_of, kinds
from dagster_project.lang import tr

DECISIONS_FILE = "identity_decisions.yml"


class RecordName(NamedTuple):
    """A source record as `record_members` names it; `record_id` may hold | itself."""

    connection: str
    feed: str
    record_id: str

    def __str__(self) -> str:
        return "|".join(self)

    @classmethod
    def parse(cls, text: str) -> RecordName | None:
        """What `str` made a text of; None when a part is missing."""
        connection, _, rest = text.partition("|")
        feed, _, record_id = rest.partition("|")
        return cls(connection, feed, record_id) if connection and feed and record_id else None


@dataclass(frozen=True)
class IdentityDecision:
    """`same`: the two records are one person; `different`: they are two. `record_a` sorts before `record_b`.

    since: first night on which it is followed, the members of the nights before stay as they were; None: on all.
    line: of the file that says so.
    """

    decision: Literal["same", "different"]
    record_a: RecordName
    record_b: RecordName
    since: date | None
    by: str | None
    why: str | None
    line: int

    def is_about(self, records: Iterable[str]) -> bool:
        """Whether these two records, in either order, are the ones it decides."""
        return {str(self.record_a), str(self.record_b)} == set(records)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    same: tuple[str, ...] | None = None
    different: tuple[str, ...] | None = None
    since: date | None = None
    by: str | None = None
    why: str | None = None

    @field_validator("same", "different")
    @classmethod
    def _two_records(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and len(set(value)) != 2:
            raise ValueError(tr("要写两条不同的记录", "name two different records"))
        for name in value or ():
            _record(name)
        return value


def read_decisions(path: Path) -> tuple[IdentityDecision, ...]:
    """Decisions in file order; none when there is no file, or nothing but comments in it.

    Raises:
        ConfigError: an entry that names no two records, a pair decided twice, a phone number; with file and line.
    """
    if not path.exists():
        return ()
    document = read_document(path, resolve=False)
    entries = document.data or []
    if not isinstance(entries, list):
        raise document.error(
            (),
            tr(
                "应当是列表，每项以 “- same:” 或 “- different:” 开头",
                "must be a list of same: and different: entries",
            ),
        )
    found: dict[tuple[RecordName, RecordName], IdentityDecision] = {}
    for index, entry in enumerate(entries):
        decision = _decision(document, index, entry)
        pair = (decision.record_a, decision.record_b)
        if pair in found:
            first = found[pair].line
            raise document.error(
                (index,),
                tr(f"这两条记录在第 {first} 行已经决定过", f"line {first} has decided this pair already"),
            )
        found[pair] = decision
    refuse_numbers(document)  # the comments too
    return tuple(found.values())


def check_connections(path: Path, decisions: tuple[IdentityDecision, ...], known: dict[str, str]) -> None:
    """Raises ConfigError when a record's connection is not in the chain or has no such feed.

    known: connection → kind.
    """
    for decision in decisions:
        for record in (decision.record_a, decision.record_b):
            kind = known.get(record.connection)
            if kind is None:
                listed = ", ".join(sorted(known))
                problem = tr(
                    f"没有名为 {record.connection} 的连接。可用：{listed}",
                    f"no connection {record.connection}; known: {listed}",
                )
            elif record.feed not in (feeds := {feed.name for feed in feeds_of(kind)}):
                listed = ", ".join(sorted(feeds))
                problem = tr(
                    f"{record.connection} 没有 {record.feed}。可用：{listed}",
                    f"{record.connection} has no feed {record.feed}; known: {listed}",
                )
            else:
                continue
            raise Document(path, {}, {(): decision.line}).error((decision.decision,), problem)


def _decision(document: Document, index: int, entry: Any) -> IdentityDecision:
    at: KeyPath = (index,)
    parsed = document.parse(_Entry, data=entry, at=at)
    if (parsed.same is None) == (parsed.different is None):
        raise document.error(at, tr("要写 same 或 different，二者选一", "say either same or different"))
    decision: Literal["same", "different"] = "same" if parsed.same is not None else "different"
    names = parsed.same or parsed.different or ()
    _refuse_phones(document, at, {decision: " ".join(names), "by": parsed.by, "why": parsed.why})
    record_a, record_b = sorted(_record(name) for name in names)
    line = document.line(at) or 1
    return IdentityDecision(decision, record_a, record_b, parsed.since, parsed.by, parsed.why, line)


def _record(name: str) -> RecordName:
    record = RecordName.parse(name)
    if record is None or record.feed not in {feed.name for kind in kinds() for feed in feeds_of(kind)}:
        from dagster_project.privacy import mask_text  # the number patterns take a moment to load

        name, example = mask_text(name), "pos_main|members|M1"
        raise ValueError(
            tr(
                f"{name!r} 不是“连接|数据表|记录号”，例如 {example}",
                f"{name!r} is not connection|feed|record id, such as {example}",
            )
        )
    return record


def _refuse_phones(document: Document, at: KeyPath, texts: dict[str, str | None]) -> None:
    """The file is read by people and copied about: a number in it would be plain for ever."""
    from dagster_project.privacy import mask_text

    for key, text in texts.items():
        if text is not None and mask_text(text) != text:
            raise document.error(
                (*at, key),
                tr(
                    "这里有手机号，请删掉；记录号里的手机号请照 record_members 写成 tel-…",
                    "a phone number stands here, take it out; in a record id write it as record_members does, tel-…",
                ),
            )
