"""HTTP around the gate: starlette on uvicorn in a thread of this process, on 127.0.0.1 and nowhere else."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from time import monotonic, sleep
from types import MappingProxyType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dagster_project.lang import tr
from dagster_project.sandbox.clock import Clock, ClockSource
from dagster_project.sandbox.corp import Corp
from dagster_project.sandbox.delivery import Delivery
from dagster_project.sandbox.errors import SandboxError
from dagster_project.sandbox.faults import Fault, FaultPlan
from dagster_project.sandbox.gate import APIS, Gate, Tokens
from dagster_project.sandbox.limits import Limits, RateLimiter
from dagster_project.sandbox.state import State
from dagster_project.sandbox.world import load_world

HOST = "127.0.0.1"
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

    def __init__(self, gate: Gate, sock: socket.socket) -> None:
        self._gate = gate
        self._socket = sock
        self.port = int(sock.getsockname()[1])
        self._lock = Lock()
        self._calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        routes = [Route("/cgi-bin/{api:path}", self._serve, methods=["GET", "POST"])]
        config = uvicorn.Config(
            Starlette(routes=routes),
            lifespan="off",
            ws="none",
            loop="asyncio",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._run, name="wecom-sandbox", daemon=True)

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

    # the thread

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def start(self) -> None:
        """Returns when calls are answered. `SandboxError` when that takes more than ten seconds."""
        self._thread.start()
        deadline = monotonic() + 10
        while not self._server.started:
            if monotonic() > deadline or not self._thread.is_alive():
                raise SandboxError(tr("沙箱没有启动起来", "the sandbox did not start"))
            sleep(0.005)

    def stop(self) -> None:
        if self._loop and self._stopping:
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._server.should_exit = True
        self._thread.join(timeout=10)

    # one call

    async def _serve(self, request: Request) -> Response:
        api = request.path_params["api"]
        if api != "gettoken" and api not in APIS:
            return PlainTextResponse("404 page not found", status_code=404)
        args, broken = await _arguments(request)
        token = str(args.pop("access_token", ""))
        fault = self._gate.faults.take(api, args)
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
            await self._stay_silent(request, fault.seconds)
        if kind in ("timeout", "reset"):
            self._drop(request)
            await request.receive()  # the server sees the line gone before this handler ends
            return Response()
        if body is None:
            return HTMLResponse(_GATEWAY_PAGE)
        return JSONResponse(body)

    async def _stay_silent(self, request: Request, seconds: float) -> None:
        """Until the caller hangs up, the sandbox stops, or the seconds are over."""
        if self._stopping is None:
            self._stopping, self._loop = asyncio.Event(), asyncio.get_running_loop()
        waits = {asyncio.ensure_future(request.receive()), asyncio.ensure_future(self._stopping.wait())}
        _, open_waits = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in open_waits:
            wait.cancel()

    def _drop(self, request: Request) -> None:
        """Resets the connection (RST, not a polite end)."""
        client = (request.client.host, request.client.port) if request.client else None
        for connection in list(self._server.server_state.connections):
            transport = connection.transport
            if transport is None or transport.get_extra_info("peername") != client:
                continue
            raw = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()


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


def _bind(port: int) -> socket.socket:
    # with the protocol named, asyncio turns Nagle off; else every answer waits 40 ms for an ACK
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
    except OSError as error:
        sock.close()
        raise SandboxError(
            tr(
                f"端口 {port} 用不了（{error.strerror}），换一个 --port",
                f"port {port}: {error.strerror}; use another --port",
            )
        ) from error
    return sock


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
        sandbox = Sandbox(gate, _bind(port))
        sandbox.start()
        try:
            yield sandbox
        finally:
            sandbox.stop()
    finally:
        kept.close()
