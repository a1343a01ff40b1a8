"""What the tests of vendor clients share: a stub to derive a vendor from, and bytes that no vendor sends."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

import httpx
from hypothesis import strategies as st

C = TypeVar("C")

SHANGHAI = ZoneInfo("Asia/Shanghai")
# no vendor's envelope, whatever it looks like
NO_ENVELOPE = (b"", b"<html>502</html>", b"null", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000)


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class VendorStub(Generic[C]):
    """A vendor of a few lines: a subclass answers in `handle`, and names its client's class and settings.

    `epoch`: Unix seconds at which its clock begins.
    """

    def __init__(self, connect: Callable[..., C], settings: Mapping[str, str], epoch: float) -> None:
        self._connect, self._settings = connect, settings
        self.epoch = epoch
        self.clock = Clock()
        self._began = self.clock.now
        self.requests: list[httpx.Request] = []

    @property
    def now(self) -> float:
        """Unix seconds."""
        return self.epoch + (self.clock.now - self._began)

    @property
    def urls(self) -> list[httpx.URL]:
        """What was called, in order."""
        return [request.url for request in self.requests]

    def client(self, *, zone: ZoneInfo = SHANGHAI, **settings: str) -> C:
        """The client under test, on its way to nobody but `handle`."""
        return self._connect(
            {**self._settings, **settings},
            connection="till",
            zone=zone,
            transport=httpx.MockTransport(self._take),
            sleep=self.clock.sleep,
            clock=self.clock,
            now=lambda: self.now,
        )

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return reply(self.handle(request))

    def handle(self, request: httpx.Request) -> Any:
        """The answer, in one of the forms that `reply` takes."""
        raise NotImplementedError


def following(queue: list[Any], asked: Any) -> Any:
    """The next of the prepared answers, the last of which repeats; a callable gets what was asked."""
    answer = queue.pop(0) if len(queue) > 1 else queue[0]
    return answer(asked) if callable(answer) else answer


def reply(answer: Any) -> httpx.Response:
    """Sends an exception (raised), a response, a bare status, bytes, or else JSON."""
    if isinstance(answer, Exception):
        raise answer
    if isinstance(answer, httpx.Response):
        return answer
    if isinstance(answer, int):
        return httpx.Response(answer, text="<html>gateway</html>")
    if isinstance(answer, bytes):
        return httpx.Response(200, content=answer)
    return httpx.Response(200, json=answer)


def junk(*keys: str) -> st.SearchStrategy[bytes]:
    """Any bytes, and any JSON whose objects have keys that an envelope has."""
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(keys), inner),
    )
    return st.binary() | values.map(lambda value: json.dumps(value).encode())
