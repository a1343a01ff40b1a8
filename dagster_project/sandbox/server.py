"""HTTP around the gate: calls come in, are noted, and go out as answers, pages of a gateway, silence or resets."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dagster_project.sandbox.clock import Clock, ClockSource
from dagster_project.sandbox.corp import Corp
from dagster_project.sandbox.delivery import Delivery
from dagster_project.sandbox.faults import Fault, FaultPlan
from dagster_project.sandbox.gate import APIS, Gate, Tokens
from dagster_project.sandbox.limits import Limits, RateLimiter
from dagster_project.sandbox.state import State
from dagster_project.sandbox.transport import HOST, Line
from dagster_project.sandbox.world import load_world

KEPT_CALLS = 20_000
_GATEWAY_PAGE = (
    "<html><head><title>502 Bad Gateway</title></head>"
    "<body><center><h1>502 Bad Gateway</h1></center></body></html>\n"
)


@dataclass(frozen=True)
class Call:
    """One call as received. `args` are query and body together, without token and secret.

    `errcode` is None when no vendor envelope went out (HTML, reset, silence). `at` is the sandbox's clock.
    """

    api: str
    method: str
    args: Mapping[str, Any]
    errcode: int | None
    fault: str | None
    at: int


class Sandbox:
    """A running sandbox. Made by `running_sandbox`."""

    def __init__(self, gate: Gate, port: int) -> None:
        self._gate = gate
        self._lock = Lock()
        self._calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        route = Route("/cgi-bin/{api:path}", self._serve, methods=["GET", "POST"])
        self._line = Line(route, port=port, name="wecom")
        self.port = self._line.port

    # for people and tests

    @property
    def base_url(self) -> str:
        """For example http://127.0.0.1:8701, as `base_url` of a chain's connection."""
        return f"http://{HOST}:{self.port}"

    @property
    def calls(self) -> list[Call]:
        """The latest 20,000 calls, oldest first."""
        with self._lock:
            return list(self._calls)

    def forget_calls(self) -> None:
        with self._lock:
            self._calls.clear()

    @property
    def now(self) -> int:
        return self._gate.clock.now()

    def set_clock(self, source: ClockSource) -> None:
        """Freezes the clock at Unix seconds or a datetime (without zone: Beijing time); None is the real clock."""
        self._gate.clock.set(source)

    def add_fault(self, fault: Fault) -> None:
        self._gate.faults.add(fault)

    def clear_faults(self) -> None:
        self._gate.faults.clear()

    def start(self) -> None:
        """`SandboxError` when calls are not answered within ten seconds."""
        self._line.start()

    def stop(self) -> None:
        self._line.stop()

    # one call

    async def _serve(self, request: Request) -> Response:
        api = request.path_params["api"]
        if api != "gettoken" and api not in APIS:
            return PlainTextResponse("404 page not found", status_code=404)
        args, broken = await _arguments(request)
        token = str(args.pop("access_token", ""))
        fault = self._gate.faults.take(lambda fault: fault.matches(api, args))
        kind = fault.kind if fault else None
        body: dict[str, Any] | None = None
        if kind != "html" and not (fault and kind == "reset" and not fault.after):
            body = self._gate.answer(api, request.method, args, token, fault, broken)
        answered = body is not None and kind not in ("timeout", "reset")
        shown = {name: value for name, value in args.items() if name != "corpsecret"}
        with self._lock:
            self._calls.append(
                Call(
                    api,
                    request.method,
                    MappingProxyType(shown),
                    body["errcode"] if answered and body is not None else None,
                    kind,
                    self.now,
                )
            )
        if fault and kind == "timeout":
            await self._line.silence(request, fault.seconds)
        if kind in ("timeout", "reset"):
            return await self._line.hang_up(request)
        if body is None:
            return HTMLResponse(_GATEWAY_PAGE)
        return JSONResponse(body)


async def _arguments(request: Request) -> tuple[dict[str, Any], bool]:
    """Query and JSON body together, the body winning; True when the body is not a JSON object."""
    args: dict[str, Any] = dict(request.query_params)
    content = await request.body()
    if request.method != "POST" or not content:
        return args, False
    try:
        body = json.loads(content)
        json.dumps(body, ensure_ascii=False).encode()  # half a surrogate pair parses, but is no text
    except ValueError:
        return args, True
    if not isinstance(body, dict):
        return args, True
    body.pop("access_token", None)  # only the query carries the token
    return args | body, False


@contextmanager
def running_sandbox(
    world: Path,
    *,
    port: int = 0,
    clock: ClockSource = None,
    faults: Iterable[Fault] = (),
    secret: str = "demo",
    limits: Limits | None = None,
    delivery: Delivery | None = None,
    state: Path | None = None,
) -> Iterator[Sandbox]:
    """Serves the world file on 127.0.0.1 while the block runs; `port` 0 takes a free one.

    State is kept in `state` (default: state.json beside the world) across runs. `clock`: None real, Unix seconds or
    datetime frozen, or a callable. Raises `SandboxError` (bad file, port taken, folder used by another sandbox).
    """
    corp_world = load_world(world)
    kept = State(state or world.with_name("state.json"), corp_world.corp_id)
    try:
        gate = Gate(
            corp=Corp(corp_world, kept, delivery or Delivery()),
            clock=Clock(clock),
            tokens=Tokens(corp_world.corp_id, secret),
            limiter=RateLimiter(limits or Limits()),
            faults=FaultPlan(faults),
        )
        sandbox = Sandbox(gate, port)
        sandbox.start()
        try:
            yield sandbox
        finally:
            sandbox.stop()
    finally:
        kept.close()
