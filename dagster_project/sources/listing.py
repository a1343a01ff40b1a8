"""Lists that a vendor does not count: read until two readings agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dagster_project.lang import tr
from dagster_project.sources.errors import MalformedResponse, TooManyRows
from dagster_project.sources.vendor import MAX_PASSES, Record, never_stood_still, record_digest

HANDED_ON = 500


@dataclass(frozen=True)
class OpenPage:
    """One page of a list without a count; `more` says whether another page may follow."""

    rows: list[Record]
    more: bool


@dataclass
class _Pass:
    keys: set[str] = field(default_factory=set)
    pages: int = 0


def agreeing_pages(
    api: str,
    read: Callable[[int], OpenPage],
    *,
    key: Callable[[Record], str],
    most: int,
    notes: list[str],
) -> Iterator[list[Record]]:
    """All rows of a numbered list that may shift while it is read and that nobody counts.

    Without a count only a second reading shows that a row slid over a page boundary, so a list of several pages is
    read until two readings in a row find the same keys. One page is one moment and needs no second look. A row that
    changed between readings comes once per content, later content later.

    Args:
        read: page number from 1 → page.
        most: rows that are held in memory, and so the most a slice may have.
        notes: told when no two readings agreed; the union of all has been yielded then.

    Raises: TooManyRows before anything is yielded; MalformedResponse when a page promises more and brings nothing new.
    """
    rows: dict[bytes, Record] = {}
    before: set[str] | None = None
    agreed = False
    for _ in range(MAX_PASSES):
        found = _read_once(api, read, key, most, rows)
        agreed = found.pages < 2 or found.keys == before
        if agreed:
            break
        before = found.keys
    if not agreed:
        notes.append(never_stood_still(api))
    union = list(rows.values())
    for start in range(0, len(union), HANDED_ON):
        yield union[start : start + HANDED_ON]


def _read_once(
    api: str,
    read: Callable[[int], OpenPage],
    key: Callable[[Record], str],
    most: int,
    rows: dict[bytes, Record],
) -> _Pass:
    found = _Pass()
    number = 1
    while True:
        page = read(number)
        keys = {key(row) for row in page.rows}
        fresh = bool(keys - found.keys)
        found.keys |= keys
        found.pages += bool(page.rows)
        for row in page.rows:
            rows.setdefault(record_digest(row), row)
        if len(rows) > most:
            raise TooManyRows(api, len(rows), most)
        if not page.more:
            return found
        if not fresh:
            raise MalformedResponse(api, tr("翻页没有尽头", "the list never ends"))
        number += 1
