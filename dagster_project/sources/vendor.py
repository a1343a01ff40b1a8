"""What every windowed vendor API shares: slices of a night, text-only JSON, stable paging, one token and its renewal.

A client turns one night into slices and a slice into pages of records. Landing decides what is already in the lake,
so a killed pull starts again at the first slice that is not.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from itertools import pairwise
from typing import Any, NoReturn, Protocol, TypeVar
from zoneinfo import ZoneInfo

import httpx

from dagster_project.lang import tr
from dagster_project.sources.errors import MalformedResponse, TokenRejected, TooManyRows

T = TypeVar("T")
Record = dict[str, Any]

SHORTEST_SLICE = timedelta(minutes=1)
MAX_PASSES = 4
MOST_RECORDS = 10_000  # of one slice where the vendor names no cap, so that a slice fits in memory
VENDOR_ZONE = ZoneInfo("Asia/Shanghai")  # of the vendors' wall clocks, whatever the chain's zone is


@dataclass(frozen=True)
class Slice:
    """One resumable piece of a pull: rows of a preset's `table` whose time `by` lies in [begin, end).

    Without begin and end it is everything the table has. `part` tells slices of one window apart, e.g. by shop.
    """

    table: str
    begin: datetime | None = None
    end: datetime | None = None
    by: str = ""
    part: str = ""

    @property
    def name(self) -> str:
        """Stable across runs, so that what landed can be recognised: `orders-updated-20260101T000000-…`."""
        moments = [f"{moment:%Y%m%dT%H%M%S}" for moment in (self.begin, self.end) if moment]
        return "-".join(filter(None, [self.table, self.by, self.part, *moments]))

    def halves(self) -> tuple[Slice, Slice] | None:
        """Two slices that cover this one; None when it is too short to split."""
        if self.begin is None or self.end is None or self.end - self.begin < 2 * SHORTEST_SLICE:
            return None
        # whole seconds: that is all the vendors' filters know
        middle = self.begin + timedelta(seconds=int((self.end - self.begin).total_seconds()) // 2)
        return replace(self, end=middle), replace(self, begin=middle)


class WindowedClient(Protocol):
    """What landing needs of an API client. Constructed by `connect`-style factories, closed after the pull.

    `notes`: what people should hear, e.g. a list that would not stand still; never a phone, a name or a secret.
    """

    notes: list[str]

    def slices(self, night: date, since: date) -> Sequence[Slice]:
        """The pieces that hold what may have changed in [since, night], business-independent calendar days."""
        ...

    def fetch(self, piece: Slice) -> Iterator[Sequence[Record]]:
        """Pages of records; keys trimmed, numbers as the text they were.

        Raises: TooManyRows before the first page when the slice has to be split; SourceError.
        """
        ...

    def close(self) -> None: ...


class ClientFactory(Protocol):
    """How landing builds a client; the named class of a preset's `client:` has this constructor."""

    def __call__(
        self,
        settings: Mapping[str, str],
        *,
        connection: str,
        zone: ZoneInfo,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> WindowedClient: ...


def day_slices(table: str, by: str, since: date, night: date, zone: ZoneInfo, part: str = "") -> list[Slice]:
    """One slice per calendar day of [since, night], oldest first."""
    days = (night - since).days + 1
    midnights = [datetime.combine(since + timedelta(days=n), time_of_day(), zone) for n in range(days + 1)]
    return [Slice(table, begin, end, by, part) for begin, end in pairwise(midnights)]


def wall_time(moment: datetime) -> str:
    """`yyyy-MM-dd HH:mm:ss` of an aware moment on the vendor's clock."""
    return f"{moment.astimezone(VENDOR_ZONE):%Y-%m-%d %H:%M:%S}"


# ---- JSON


def decode_json(api: str, content: bytes) -> Record:
    """A JSON object whose keys are trimmed and whose numbers stay the text they were (ids above 2^53 survive).

    Raises: MalformedResponse: not JSON, or not an object.
    """
    try:
        answer = json.loads(
            content, parse_int=str, parse_float=str, parse_constant=_refuse, object_pairs_hook=_trimmed
        )
    except (ValueError, RecursionError):
        raise MalformedResponse(api, tr("不是 JSON", "not JSON")) from None
    if not isinstance(answer, dict):
        raise MalformedResponse(api, tr("不是 JSON 对象", "not a JSON object"))
    return answer if _encodable(answer) else _whole_characters(answer)


def _encodable(value: Record) -> bool:
    try:
        encode_record(value).encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole_characters(value: Any) -> Any:
    """The same with half characters (a nickname cut inside an emoji) as replacement marks: no file can hold them."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {_whole_characters(key): _whole_characters(item) for key, item in value.items()}
    return value


def encode_record(record: Record) -> str:
    """One record as JSON text: the same record gives the same text."""
    return json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _trimmed(pairs: list[tuple[str, Any]]) -> Record:
    """Keys without blanks around them; of two that become one, the one that says something wins."""
    found: Record = {}
    for key, value in pairs:
        name = key.strip()
        if name not in found or found[name] in (None, "", [], {}):
            found[name] = value
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def whole(api: str, value: Any, key: str) -> int:
    """A count or code that may come as a number or as text."""
    try:
        return int(str(value))
    except ValueError:
        raise MalformedResponse(api, tr(f"{key} 缺失或不是整数", f"{key} is missing or no integer")) from None


def rows_at(api: str, answer: Mapping[str, Any], key: str) -> list[Record]:
    """The list of objects under `key`. An absent list is not an empty one."""
    rows = answer.get(key)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MalformedResponse(
            api, tr(f"{key} 缺失或不是对象的列表", f"{key} is missing or no list of objects")
        )
    return rows


def value_at(row: Any, path: Sequence[str]) -> Any:
    """What stands at the end of the keys; None where one is missing."""
    for step in path:
        row = row.get(step) if isinstance(row, dict) else None
    return row


def text_at(api: str, path: Sequence[str], row: Record) -> str:
    """The text at the end of the keys. Raises: MalformedResponse when there is none."""
    value = value_at(row, path)
    if not isinstance(value, str) or not value:
        raise MalformedResponse(api, tr(f"{path[-1]} 缺失", f"{path[-1]} is missing"))
    return value


# ---- paging


@dataclass(frozen=True)
class Page:
    """One page of a numbered list. `total` is None where the vendor does not count."""

    rows: list[Record]
    total: int | None = None


def stable_pages(
    api: str,
    read: Callable[[int], Page],
    *,
    key: Callable[[Record], str],
    size: int,
    most: int,
    notes: list[str],
) -> Iterator[list[Record]]:
    """All pages of a numbered list that may shift while it is read.

    A pass is good when the count stood still and as many different keys came as were counted; otherwise the list is
    read again. Rows are yielded once per content, so a row that changed between passes comes again, later.

    Args:
        read: page number from 1 → page.
        size: rows of a full page. most: rows the vendor lists at most, or that fit in memory.
        notes: told when the list never stood still; the union of all passes has been yielded then.

    Raises: TooManyRows before anything is yielded; MalformedResponse for a list without end.
    """
    sent: set[bytes] = set()
    for _ in range(MAX_PASSES):
        keys: set[str] = set()
        totals: set[int | None] = set()
        number = 1
        while True:
            page = read(number)
            if page.total is not None and page.total > most and not sent:
                raise TooManyRows(api, page.total, most)
            totals.add(page.total)
            keys.update(key(row) for row in page.rows)
            fresh = [row for row in page.rows if _is_new(row, sent)]
            if fresh:
                yield fresh
            seen = number * size
            if len(page.rows) < size or (page.total is not None and seen >= page.total):
                break
            number += 1
            if number * size > 2 * most:
                raise MalformedResponse(api, tr("翻页没有尽头", "the list never ends"))
        if totals == {None}:
            return
        # one page is one moment; after several, a last count shows what came or went while reading
        if totals == {len(keys)} and (number == 1 or read(1).total == len(keys)):
            return
    notes.append(never_stood_still(api))


def never_stood_still(api: str) -> str:
    """The note on a list of which the union of all passes was taken."""
    return tr(
        f"{api} 的列表在读取时一直变动，已取各次读到的并集",
        f"{api} kept shifting; took the union of all passes",
    )


def record_digest(row: Record) -> bytes:
    """16 bytes, equal for equal contents."""
    return hashlib.blake2b(encode_record(row).encode(), digest_size=16).digest()


def _is_new(row: Record, sent: set[bytes]) -> bool:
    digest = record_digest(row)
    if digest in sent:
        return False
    sent.add(digest)
    return True


# ---- token


class TokenKeeper:
    """One access token: asked for when first needed, renewed a little early, and once when the vendor let it die.

    Args:
        fetch: returns the token and its life in seconds.
    """

    def __init__(self, fetch: Callable[[], tuple[str, float]], clock: Callable[[], float]) -> None:
        self._fetch, self._clock = fetch, clock
        self._token: tuple[str, float] | None = None

    def using(self, send: Callable[[str], T]) -> T:
        """Calls `send` with the token; after TokenRejected once more with a new one."""
        try:
            return send(self._get())
        except TokenRejected:
            self._token = None
            return send(self._get())

    def _get(self) -> str:
        if self._token is None or self._clock() >= self._token[1]:
            token, life = self._fetch()
            self._token = (token, self._clock() + life - min(300.0, life / 10))
        return self._token[0]
