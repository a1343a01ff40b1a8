"""The push journal: what we were about to do to a customer, and what came of it.

One append-only file per business date and campaign, `lake/linli/push_events/<D>/<campaign_id>.jsonl`, one JSON
object a line. A line is on disk (fsync) before the vendor hears of it, so after a kill the journal knows at least
as much as the vendor. Only the format, the writer and the reader live here; what the states mean is the business
of `activation`.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pa_json

from dagster_project.lang import tr

# The columns of ops.push_events, in order.
PUSH_EVENTS = pa.schema(
    [
        ("message_id", pa.string()),
        ("campaign_id", pa.string()),
        ("business_date", pa.date32()),
        ("member_id", pa.string()),
        ("target", pa.string()),
        ("action", pa.string()),
        ("attempt", pa.int32()),
        ("state", pa.string()),
        ("vendor_code", pa.string()),
        ("vendor_ref", pa.string()),
        ("payload_sha256", pa.string()),
        ("at", pa.timestamp("us")),
        ("seq", pa.int32()),
    ]
)
# What the push itself needs beside them to finish after a kill: the vendor task or file the message travels in,
# the staff member who sends it and the customer who receives it.
JOURNAL = pa.schema([*PUSH_EVENTS, ("task", pa.string()), ("sender", pa.string()), ("receiver", pa.string())])
_TEXT = {"business_date", "at"}
_PARSE = pa_json.ParseOptions(
    explicit_schema=pa.schema(
        [pa.field(f.name, pa.string() if f.name in _TEXT else f.type) for f in JOURNAL]
    ),
    unexpected_field_behavior="ignore",
)


class JournalError(RuntimeError):
    """A journal line cannot be read. Names file and line."""


def push_events_folder(lake_root: Path) -> Path:
    return lake_root / "linli" / "push_events"


def journal_path(lake_root: Path, business_date: date, campaign_id: str) -> Path:
    return push_events_folder(lake_root) / business_date.isoformat() / f"{campaign_id}.jsonl"


class PushJournal:
    """Appends to one journal. Opening repairs a line that a kill has torn; one writer at a time.

    `append` numbers the events (`seq` 1, 2, … through the file) and returns when they are on disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _make_folder(path.parent)
        fresh = not path.exists()
        self._file = path.open("a+b", buffering=0)
        if fresh:
            _sync_folder(path.parent)
        self._seq = self._repair()

    def __enter__(self) -> PushJournal:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def append(self, events: Sequence[dict[str, Any]], *, sync: bool = True) -> None:
        """Writes events in one go.

        Args:
            events: values by column name, without `seq`; dates and times as text.
            sync: off leaves the disk write to a later call; such lines survive a killed process but not a power cut.
        """
        lines = []
        for event in events:
            self._seq += 1
            lines.append(json.dumps(event | {"seq": self._seq}, ensure_ascii=False, separators=(",", ":")))
        if lines:
            rest = memoryview(("\n".join(lines) + "\n").encode())
            while rest:
                rest = rest[self._file.write(rest) :]
        if sync:
            os.fsync(self._file.fileno())

    def _repair(self) -> int:
        """Cuts a torn last line off and returns the last number used."""
        self._file.seek(0)
        data = self._file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            self._file.truncate(whole)
            os.fsync(self._file.fileno())
        if not whole:
            return 0
        last = data[data.rfind(b"\n", 0, whole - 1) + 1 : whole]
        try:
            return int(json.loads(last)["seq"])
        except (ValueError, KeyError, TypeError):
            raise _unreadable(self.path, data[:whole].count(b"\n")) from None


def load_push_journal(lake_root: Path, upto: date | None = None) -> pa.Table:
    """All journals of business dates up to and including `upto` (all when None), columns of `JOURNAL`.

    A torn last line is left out: what it would have said never became certain. Ordered by date, campaign, seq.

    Raises:
        JournalError: a whole line is no valid event.
    """
    tables = [
        _read_journal(path)
        for path in sorted(push_events_folder(lake_root).glob("*/*.jsonl"))
        if upto is None or path.parent.name <= upto.isoformat()
    ]
    return pa.concat_tables([JOURNAL.empty_table(), *tables])


def load_push_events(lake_root: Path, upto: date | None = None) -> pa.Table:
    """The journal as `ops.push_events` shows it: the columns of `PUSH_EVENTS`."""
    return load_push_journal(lake_root, upto).select(PUSH_EVENTS.names)


def _read_journal(path: Path) -> pa.Table:
    data = path.read_bytes()
    data = data[: data.rfind(b"\n") + 1]
    if not data:
        return JOURNAL.empty_table()
    try:
        table = pa_json.read_json(io.BytesIO(data), parse_options=_PARSE)
        table = table.select(JOURNAL.names).cast(JOURNAL)
    except (pa.ArrowInvalid, pa.ArrowKeyError, KeyError):
        raise _unreadable(path, _first_bad_line(data.splitlines())) from None
    if table["message_id"].null_count or table["state"].null_count or table["seq"].null_count:
        raise _unreadable(path, _first_bad_line(data.splitlines()))
    return table


def _first_bad_line(lines: Iterable[bytes]) -> int:
    """Number (from 1) of the first line that is no event; slow, only for the error text."""
    number = 0
    for number, line in enumerate(lines, start=1):  # noqa: B007
        try:
            event = json.loads(line)
            date.fromisoformat(event["business_date"])
            if not event["message_id"] or not event["state"] or not isinstance(event["seq"], int):
                break
        except (ValueError, KeyError, TypeError):
            break
    return number


def _unreadable(path: Path, line: int) -> JournalError:
    return JournalError(
        tr(
            f"{path}:{line} 推送日志这一行无法读取。请从备份恢复该文件；不要删除它，否则可能重复发送",
            f"{path}:{line} this line of the push journal cannot be read. Restore the file from a backup; "
            "deleting it could send twice",
        )
    )


def _make_folder(folder: Path) -> None:
    """mkdir -p whose every new level survives a power cut."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for level in reversed(missing):
        level.mkdir(exist_ok=True)
        _sync_folder(level.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
