"""What every vendor's sandbox shares: one call from the line to the vendor and back, faults, limits, the book of calls.

A vendor module holds `VENDOR`, a subclass of `Vendor`, and `make_world(*, seed, days, per_day, end) -> dict`. The
module's name is the vendor's name. Nothing of a vendor is in here.
"""

from __future__ import annotations

import gzip
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from threading import Lock
from time import monotonic, time
from types import MappingProxyType, ModuleType
from typing import Any, ClassVar, Literal, get_args
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from dagster_project.lang import tr
from dagster_project.sandbox.clock import BEIJING
from dagster_project.sandbox.errors import SandboxError
from dagster_project.sandbox.faults import FaultPlan
from dagster_project.sandbox.transport import HOST, Line

KEPT_CALLS = 100_000
JITTER = 0.02  # seconds by which two calls may come closer on the way than they were sent
_HTML = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>\n"

FaultKind = Literal[
    "token_dies",
    "throttled",
    "errcode",
    "business_error",
    "timeout",
    "html",
    "reset",
    "row_moves",
    "total_changes",
    "unknown_envelope",
    "server_error",
]
FAULT_KINDS: tuple[str, ...] = get_args(FaultKind)
_BETWEEN_PAGES = ("row_moves", "total_changes")
_NOTHING_DONE = ("html", "unknown_envelope", "server_error")

Row = dict[str, Any]
Limit = tuple[int, float]


@dataclass(frozen=True)
class VendorFault:
    """One way to fail, for calls whose api name matches `api` (may hold `*`).

    `kind`:
      token_dies        the token is dead from this call on, although it had not expired
      throttled         the vendor's answer to too many calls, nothing done
      errcode           the vendor's error envelope with `code`, nothing done
      business_error    a failure inside HTTP 200 whose body has the usual keys with empty lists
      timeout           silence for `seconds`, then the line drops (`after` True: the call is done first)
      html              HTTP 200 with a gateway's HTML page, nothing done
      reset             the connection is reset (`after` True: the call is done first)
      row_moves         between two pages a row not read yet is updated: it moves to a page already read, and the last
                        row of the page before slides over the boundary and comes again
      total_changes     between two pages a new row arrives at the front: the total goes up and all rows slide by one
      unknown_envelope  HTTP 200 with JSON of a shape the vendor never sends, nothing done
      server_error      HTTP 500 (or the status in `code`) with plain text, nothing done

    `skip` matching calls pass first, then `times` calls fail. The two kinds between pages count later pages only.
    """

    kind: str
    api: str = "*"
    times: int = 1
    skip: int = 0
    code: int | str | None = None
    seconds: float = 60.0
    after: bool = False

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            known = ", ".join(FAULT_KINDS)
            raise SandboxError(
                tr(
                    f"故障种类 {self.kind!r} 不存在，可用：{known}",
                    f"unknown fault {self.kind!r}; known: {known}",
                )
            )
        if self.times < 1 or self.skip < 0:
            raise SandboxError(tr("故障的 times 至少 1，skip 不能为负", "times must be ≥ 1 and skip ≥ 0"))
        if self.kind == "errcode" and self.code is None:
            raise SandboxError(tr("errcode 故障要写 code", "a fault of kind errcode needs a code"))


@dataclass(frozen=True)
class VendorCall:
    """One call as received. `args` are query, form and JSON body together, without secrets.

    `code` is the vendor's code in the answer, None when no envelope went out. `at` is `time.monotonic()` seconds.
    """

    api: str
    args: Mapping[str, Any]
    code: int | str | None
    fault: str | None
    at: float


class VendorError(Exception):
    """A refusal in the vendor's own envelope. `shape` lets a vendor with several envelopes choose."""

    def __init__(self, code: int | str, message: str, *, shape: str = "", data: Any = None) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.shape = shape
        self.data = data


@dataclass
class Ask:
    """One call. `body` are the bytes as sent (signatures are over them), `json` the body when it is a JSON object."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # lower-case names
    body: bytes
    api: str = ""
    fault: VendorFault | None = None
    json: Row | None = field(init=False)
    form: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        text = self.body.decode("utf-8", errors="replace")
        is_form = "x-www-form-urlencoded" in self.content_type
        self.form = dict(parse_qsl(text, keep_blank_values=True)) if is_form else {}
        self.json = None if is_form else _json_object(text)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").lower()

    @property
    def args(self) -> Row:
        return {**self.query, **self.form, **(self.json or {})}


class Vendor(ABC):
    """One vendor's behaviour over a world. Subclasses are named `VENDOR` in their module.

    `world` is a dict that may change between calls. `settings` are what the vendor knows of the caller: the keys of
    `defaults`, named as in a chain's connection, and of `options`, how the sandbox itself behaves where the reference
    leaves it open. Calls come one at a time.
    """

    name: ClassVar[str]
    defaults: ClassVar[Mapping[str, str]] = {}
    options: ClassVar[Mapping[str, str]] = {}
    limits: ClassVar[tuple[Limit, ...]] = ((6000, 60.0),)  # generous; none of these vendors publishes its own
    throttle: tuple[int | str, str]  # code and message
    business_failure: tuple[int | str, str]  # code and message of an ordinary failure
    secret_args: ClassVar[tuple[str, ...]] = ("sign", "access_token", "accesstoken", "client_secret", "token")
    has_token: ClassVar[bool] = True
    shows_total: ClassVar[bool] = True  # False: a list without a total, so that total_changes cannot be
    paged: ClassVar[Collection[str]] = ()  # the apis whose page is asked for by its number

    def __init__(
        self, world: MutableMapping[str, Any], settings: Mapping[str, str], now: datetime | None
    ) -> None:
        self.world = world
        self.settings = {**self.defaults, **self.options, **settings}
        if unknown := sorted(set(self.settings) - set(self.defaults) - set(self.options) - {"base_url"}):
            raise SandboxError(
                tr(f"{self.name} 不认识的设置 {unknown}", f"{self.name}: unknown settings {unknown}")
            )
        self.now = now
        self.tokens = TokenBook()
        self.moves: dict[str, int] = {}  # id of a row -> number of its latest move to the front

    # what a vendor says

    @abstractmethod
    def api_of(self, ask: Ask) -> str | None:
        """The api's name as it stands in `VendorCall.api` and in faults; None for a path the vendor does not know."""

    @abstractmethod
    def answer(self, ask: Ask) -> Row:
        """The whole envelope of a success. Raises `VendorError`."""

    @abstractmethod
    def refuse(self, ask: Ask, error: VendorError) -> Row:
        """The whole envelope of a failure."""

    @abstractmethod
    def code_of(self, body: Row) -> int | str | None:
        """The vendor's code in an envelope of its own."""

    def emptied(self, ask: Ask, body: Row, code: int | str, message: str) -> Row:
        """The envelope of a failure whose body still has the keys of a success, with empty lists."""
        return {**self.refuse(ask, VendorError(code, message)), "data": empty_lists(body.get("data"))}

    def page_of(self, ask: Ask) -> tuple[int, int]:
        """Number (from 1) and size of the page asked for, of an api in `paged`. Raises `VendorError`."""
        raise NotImplementedError

    def page_start(self, ask: Ask) -> int:
        """How many rows lie before the page asked for; 0 for a first page, a refused one and for what is no list."""
        if ask.api not in self.paged:
            return 0
        try:
            number, size = self.page_of(ask)
        except VendorError:
            return 0
        return (number - 1) * size

    def kill_tokens(self) -> None:
        """The living tokens die before their time."""
        self.tokens.kill()

    # helpers

    def clock(self) -> datetime:
        """The set time, else the real one, in Shanghai."""
        return self.now or datetime.now(BEIJING)

    def exists(self, moment: datetime) -> bool:
        """False for what has not happened yet. Without a set time everything in the world has happened."""
        return self.now is None or moment <= self.now

    def timely(self, seconds: float, tolerance: float) -> bool:
        """Whether a caller's Unix seconds are near the real time, or near the set one."""
        clocks = [time()] + ([self.now.timestamp()] if self.now else [])
        return any(abs(seconds - now) <= tolerance for now in clocks)

    def setting(self, key: str) -> str:
        return str(self.settings.get(key, ""))

    def page(
        self,
        ask: Ask,
        rows: list[Row],
        start: int,
        size: int,
        *,
        key: Callable[[Row], str],
        touch: Callable[[Row], None] = lambda row: None,
        rename: Callable[[Row], None] = lambda row: None,
        into: list[Row] | None = None,
    ) -> tuple[list[Row], int]:
        """Rows `start` … `start + size` of the list and the total, after what the call's fault does between pages.

        `rows` come in the vendor's order; rows that moved stand in front, the latest first. `key` names a row,
        `touch` updates one in the world. A new row is a copy that `rename` gives an id of its own, put `into` the
        world's list; without one none can arrive.
        """
        kind = ask.fault.kind if ask.fault else ""
        rows = self._moved_first(rows, key)
        if kind == "row_moves" and 0 < start < len(rows):
            touch(rows[-1])
            self.moves[key(rows[-1])] = len(self.moves) + 1
        if kind == "total_changes" and into is not None and 0 < start < len(rows):
            new = deepcopy(rows[-1])
            rename(new)
            into.append(new)
            rows.append(new)
            self.moves[key(new)] = len(self.moves) + 1
        rows = self._moved_first(rows, key)
        return rows[start : start + size], len(rows)

    def _moved_first(self, rows: list[Row], key: Callable[[Row], str]) -> list[Row]:
        return sorted(rows, key=lambda row: -self.moves.get(key(row), 0))


class TokenBook:
    """Tokens by their state. A life is counted on the real clock, so that a short one really ends."""

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}  # token -> monotonic seconds of its end
        self._issued = 0

    def issue(self, seed: str, seconds: float) -> str:
        """A new token of 64 characters; older ones live on until they end."""
        self._issued += 1
        token = sha256(f"{seed}|{self._issued}".encode()).hexdigest()
        self._ends[token] = monotonic() + seconds
        return token

    def adopt(self, token: str, seconds: float) -> None:
        """A token that was handed out elsewhere."""
        self._ends[token] = monotonic() + seconds

    def known(self) -> tuple[str, ...]:
        """Every token ever handed out, the latest first (for signatures that a token goes into unseen)."""
        return tuple(reversed(self._ends))

    def kill(self) -> None:
        self._ends = dict.fromkeys(self._ends, float("-inf"))

    def state(self, token: str) -> Literal["alive", "expired", "unknown"]:
        if token not in self._ends:
            return "unknown"
        return "alive" if monotonic() < self._ends[token] else "expired"


class SlidingLimits:
    """At most `calls` in any window of `seconds`, for each pair; refused calls do not count."""

    def __init__(self, limits: Iterable[Limit]) -> None:
        self._limits = list(limits)
        self._taken: list[deque[float]] = [deque() for _ in self._limits]

    def allow(self, at: float) -> bool:
        for (calls, seconds), taken in zip(self._limits, self._taken, strict=True):
            while taken and at - taken[0] >= seconds - JITTER:
                taken.popleft()
            if len(taken) >= calls:
                return False
        for taken in self._taken:
            taken.append(at)
        return True


class VendorSandbox:
    """A running server. Made by `running_vendor`."""

    def __init__(
        self, vendor: Vendor, *, port: int, faults: Iterable[VendorFault], limits: Iterable[Limit]
    ) -> None:
        self.vendor = vendor
        self._lock = Lock()
        self._faults = FaultPlan[VendorFault]()
        self._calls: deque[VendorCall] = deque(maxlen=KEPT_CALLS)
        self._limits = SlidingLimits(limits)
        for fault in faults:
            self.add_fault(fault)
        route = Route("/{path:path}", self._serve, methods=["GET", "POST", "PUT", "DELETE"])
        self._line = Line(route, port=port, name=vendor.name)
        self.port = self._line.port

    # for people and tests

    @property
    def base_url(self) -> str:
        """For example http://127.0.0.1:8703, as `base_url` of a chain's connection."""
        return f"http://{HOST}:{self.port}"

    @property
    def world(self) -> MutableMapping[str, Any]:
        """What the vendor holds; changes show in the next answer."""
        return self.vendor.world

    @property
    def settings(self) -> Mapping[str, str]:
        """The credentials the vendor accepts, base_url included, as a connection's settings."""
        kept = {key: self.vendor.settings[key] for key in self.vendor.defaults}
        return {**kept, "base_url": self.base_url}

    @property
    def calls(self) -> list[VendorCall]:
        """The latest 100,000 calls, oldest first."""
        with self._lock:
            return list(self._calls)

    def forget_calls(self) -> None:
        with self._lock:
            self._calls.clear()

    def most_calls(self, seconds: float) -> int:
        """The most calls received within any sliding window of so many seconds."""
        times = [call.at for call in self.calls]
        most, first = 0, 0
        for last, at in enumerate(times):
            while at - times[first] > max(0.0, seconds - JITTER):
                first += 1
            most = max(most, last - first + 1)
        return most

    def set_now(self, now: datetime | None) -> None:
        """Freezes the vendor's day (without zone: Shanghai): what came later is not there yet. None shows everything."""
        self.vendor.now = _in_shanghai(now)

    def add_fault(self, fault: VendorFault) -> None:
        """`SandboxError` for a fault this vendor cannot have."""
        cannot = (fault.kind == "token_dies" and not self.vendor.has_token) or (
            fault.kind == "total_changes" and not self.vendor.shows_total
        )
        if cannot:
            name = self.vendor.name
            raise SandboxError(tr(f"{name} 没有 {fault.kind} 这种故障", f"{name} cannot have {fault.kind}"))
        self._faults.add(fault)

    def clear_faults(self) -> None:
        self._faults.clear()

    def start(self) -> None:
        self._line.start()

    def stop(self) -> None:
        self._line.stop()

    # one call

    def _matches(self, fault: VendorFault, ask: Ask) -> bool:
        if not fnmatchcase(ask.api, fault.api):
            return False
        if fault.kind == "token_dies" and ask.api.rpartition("/")[2] == "token":
            return False  # a token dies when it is used, not while one is handed out
        return fault.kind not in _BETWEEN_PAGES or self.vendor.page_start(ask) > 0

    async def _serve(self, request: Request) -> Response:
        at = monotonic()
        ask = Ask(
            request.method,
            request.url.path,
            dict(request.query_params),
            {name.lower(): value for name, value in request.headers.items()},
            await request.body(),
        )
        api = self.vendor.api_of(ask)  # an unknown name inside a known path is the vendor's to refuse
        if api is None:
            return PlainTextResponse("404 page not found", status_code=404)
        ask.api = api
        ask.fault = fault = self._faults.take(lambda planned: self._matches(planned, ask))
        body = self._body(ask, at)
        silent = fault is not None and fault.kind in ("timeout", "reset")
        self._note(ask, None if body is None or silent else self.vendor.code_of(body), at)
        if fault and silent:
            if fault.kind == "timeout":
                await self._line.silence(request, fault.seconds)
            return await self._line.hang_up(request)
        return _page(fault) if body is None and fault else _json_response(ask, body or {})

    def _body(self, ask: Ask, at: float) -> Row | None:
        """The vendor's envelope; None when none goes out."""
        fault = ask.fault
        if fault and (
            fault.kind in _NOTHING_DONE or (fault.kind in ("timeout", "reset") and not fault.after)
        ):
            return None
        vendor = self.vendor
        try:
            if not self._limits.allow(at) or (fault and fault.kind == "throttled"):
                code, message = vendor.throttle
                raise VendorError(fault.code if fault and fault.code is not None else code, message)
            if fault and fault.kind == "errcode" and fault.code is not None:
                raise VendorError(fault.code, "error")
            if fault and fault.kind == "token_dies":
                vendor.kill_tokens()
            body = vendor.answer(ask)
        except VendorError as error:
            return vendor.refuse(ask, error)
        if fault and fault.kind == "business_error":
            code, message = vendor.business_failure
            return vendor.emptied(ask, body, fault.code if fault.code is not None else code, message)
        return body

    def _note(self, ask: Ask, code: int | str | None, at: float) -> None:
        args = {name: value for name, value in ask.args.items() if name not in self.vendor.secret_args}
        call = VendorCall(ask.api, MappingProxyType(args), code, ask.fault.kind if ask.fault else None, at)
        with self._lock:
            self._calls.append(call)


def public(record: Mapping[str, Any]) -> Row:
    """The record without keys that begin with `_`, which are the sandbox's own notes."""
    return {key: value for key, value in record.items() if not key.startswith("_")}


def empty_lists(value: Any) -> Any:
    """The same keys with every list empty."""
    if isinstance(value, dict):
        return {key: empty_lists(each) for key, each in value.items()}
    return [] if isinstance(value, list) else value


def _json_object(text: str) -> Row | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _page(fault: VendorFault) -> Response:
    if fault.kind == "html":
        return HTMLResponse(_HTML)
    if fault.kind == "server_error":
        return PlainTextResponse("Internal Server Error", status_code=int(fault.code or 500))
    return Response('{"Response":{"ok":1}}', media_type="application/json")


def _json_response(ask: Ask, body: Row) -> Response:
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"content-type": "application/json;charset=UTF-8"}
    if len(content) > 1024 and "gzip" in ask.headers.get("accept-encoding", ""):
        content = gzip.compress(content, 1)
        headers["content-encoding"] = "gzip"
    return Response(content, headers=headers)


def _in_shanghai(now: datetime | None) -> datetime | None:
    return now.replace(tzinfo=BEIJING) if now and now.tzinfo is None else now


def _modules() -> dict[str, ModuleType]:
    package = __name__.rpartition(".")[0]
    names = sorted(found.name for found in iter_modules([str(Path(__file__).parent)]))
    modules = {name: import_module(f"{package}.{name}") for name in names if f"{package}.{name}" != __name__}
    return {name: module for name, module in modules.items() if hasattr(module, "VENDOR")}


def _module(vendor: str) -> ModuleType:
    modules = _modules()
    if vendor not in modules:
        known = ", ".join(modules)
        raise SandboxError(
            tr(f"没有 {vendor!r} 这个厂商的沙箱，可用：{known}", f"no sandbox for {vendor!r}; known: {known}")
        )
    return modules[vendor]


def vendor_names() -> tuple[str, ...]:
    """Vendors with a module in this folder, in alphabetical order."""
    return tuple(_modules())


def make_world(vendor: str, *, seed: int = 7, days: int = 3, per_day: int = 40, end: date) -> dict[str, Any]:
    """What the vendor holds: JSON-able records in its own shapes over `days` days, the last one `end` (Shanghai).

    The same arguments give the same world. `world["truth"]` counts each kind of trouble that is in it. Raises
    `SandboxError` for a vendor without a sandbox.
    """
    world: dict[str, Any] = _module(vendor).make_world(seed=seed, days=days, per_day=per_day, end=end)
    return world


@contextmanager
def running_vendor(
    vendor: str,
    world: Mapping[str, Any] | None = None,
    *,
    port: int = 0,
    now: datetime | None = None,
    faults: Iterable[VendorFault] = (),
    settings: Mapping[str, str] | None = None,
    limits: Iterable[Limit] | None = None,
) -> Iterator[VendorSandbox]:
    """Serves the vendor on 127.0.0.1 while the block runs; `port` 0 takes a free one.

    `world` is copied; None makes a small one that ends today. `now` hides what came later (see `set_now`). `settings`
    are the credentials the vendor accepts, over its defaults. `limits` are (calls, seconds) pairs, over the vendor's.
    Raises `SandboxError` (unknown vendor, fault this vendor cannot have, port taken).
    """
    behaviour: type[Vendor] = _module(vendor).VENDOR
    held = deepcopy(dict(world)) if world else make_world(vendor, end=datetime.now(BEIJING).date())
    sandbox = VendorSandbox(
        behaviour(held, settings or {}, _in_shanghai(now)),
        port=port,
        faults=faults,
        limits=behaviour.limits if limits is None else limits,
    )
    sandbox.start()
    try:
        yield sandbox
    finally:
        sandbox.stop()
