"""The line a sandbox answers on: starlette on uvicorn in a thread, loopback only; it can fall silent or break."""

from __future__ import annotations

import asyncio
import socket
import struct
from threading import Thread
from time import monotonic, sleep

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dagster_project.lang import tr
from dagster_project.sandbox.errors import SandboxError

HOST = "127.0.0.1"


class Line:
    """One listening port. The route's handler runs on one thread, call by call; other paths get a plain 404."""

    def __init__(self, route: Route, *, port: int, name: str) -> None:
        self._socket = _bind(port)
        self.port = int(self._socket.getsockname()[1])
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        config = uvicorn.Config(
            Starlette(routes=[route]),
            lifespan="off",
            ws="none",
            loop="asyncio",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._run, name=f"{name}-sandbox", daemon=True)

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
        """Calls that are kept silent end; stopping twice is as good as once."""
        if self._loop and self._stopping and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._server.should_exit = True
        self._thread.join(timeout=10)

    async def silence(self, request: Request, seconds: float) -> None:
        """Until the caller hangs up, the sandbox stops, or the seconds are over."""
        if self._stopping is None:
            self._stopping, self._loop = asyncio.Event(), asyncio.get_running_loop()
        waits = {asyncio.ensure_future(request.receive()), asyncio.ensure_future(self._stopping.wait())}
        _, unfinished = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in unfinished:
            wait.cancel()

    async def hang_up(self, request: Request) -> Response:
        """Resets the connection (RST, not a polite end); the response only ends the handler."""
        client = (request.client.host, request.client.port) if request.client else None
        for connection in list(self._server.server_state.connections):
            transport = connection.transport
            if transport is None or transport.get_extra_info("peername") != client:
                continue
            raw = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        await request.receive()  # the server sees the line gone before this handler ends
        return Response()


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
