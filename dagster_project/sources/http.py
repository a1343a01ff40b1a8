"""Small HTTP core for vendor APIs: time-outs, bounded retries, a rate limit, and nothing secret in any log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar
from urllib.request import getproxies, proxy_bypass

import httpx
import tenacity

from dagster_project.lang import tr
from dagster_project.sources.errors import (
    HttpStatusError,
    MalformedResponse,
    OutcomeUncertain,
    TransientError,
    Unreachable,
)

T = TypeVar("T")

_SECRET_QUERY = "linli_secret_query"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# Raised before a byte of the request left: repeating can never do a thing twice.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_ANSWER_SECONDS = 120.0
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)


class SlidingWindow:
    """At most `limit` calls in any `seconds`, for each window given; blocks by `sleep`.

    A ring of the last call times per window is all it takes, so no limiter package is needed; one process
    makes one night's calls one after the other, so neither a lock nor shared storage is.
    """

    def __init__(
        self,
        windows: Sequence[tuple[int, float]],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._windows = [(seconds, deque[float](maxlen=limit)) for limit, seconds in windows]
        self._clock, self._sleep = clock, sleep

    def acquire(self) -> None:
        """Waits until one more call fits every window, then counts it."""
        while (wait := self._wait(self._clock())) > 0:
            self._sleep(wait)
        now = self._clock()
        for _, calls in self._windows:
            calls.append(now)

    def _wait(self, now: float) -> float:
        waits = (calls[0] + s - now for s, calls in self._windows if len(calls) == calls.maxlen)
        return max(waits, default=0.0)


class _SecretQuery(httpx.BaseTransport):
    """Adds secret query parameters on the way out only.

    httpx logs every request's URL at INFO and keeps the URL in its errors; the request it sees has no secret.
    """

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        secret = request.extensions.get(_SECRET_QUERY)
        if secret:
            request = httpx.Request(
                request.method,
                request.url.copy_merge_params(secret),
                headers=request.headers,
                stream=request.stream,
                extensions=request.extensions,
            )
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


class HttpCore:
    """One vendor endpoint.

    Args:
        base_url: scheme, host and optional path prefix.
        transport: for tests; by default a pooled HTTPS transport that follows the machine's proxy settings
            (never for loopback).
        limiter: asked before each attempt.
        sleep, clock: seconds; injectable, so tests do not wait.
        connect_seconds, read_seconds: time-outs of one attempt.

    Not safe for use from several threads at once.
    """

    def __init__(
        self,
        base_url: str,
        *,
        transport: httpx.BaseTransport | None = None,
        limiter: SlidingWindow | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        connect_seconds: float = 5.0,
        read_seconds: float = 30.0,
    ) -> None:
        url = _checked_url(base_url)
        self.host = url.host
        self._limiter, self._sleep, self._clock = limiter, sleep, clock
        self._client = httpx.Client(
            base_url=url,
            transport=_SecretQuery(transport or _default_transport(url)),
            timeout=httpx.Timeout(read_seconds, connect=connect_seconds),
            follow_redirects=False,  # a redirect would carry the token to another address
            trust_env=False,
        )

    def close(self) -> None:
        self._client.close()

    def retrying(self, attempt: Callable[[], T]) -> T:
        """Runs `attempt`, again after a TransientError as often and as late as that error allows.

        Raises: the last error of `attempt`, unchanged.
        """

        def exhausted(state: tenacity.RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            return isinstance(error, TransientError) and state.attempt_number >= error.attempts

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, TransientError):
                if error.waits:
                    return error.waits[min(state.attempt_number, len(error.waits)) - 1]
                if error.wait_seconds is not None:
                    return error.wait_seconds
            return BACKOFF_SECONDS[min(state.attempt_number, len(BACKOFF_SECONDS)) - 1]

        return tenacity.Retrying(
            sleep=self._sleep,
            stop=exhausted,
            wait=wait,
            retry=tenacity.retry_if_exception_type(TransientError),
            reraise=True,
        )(attempt)

    def attempt(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        secret_query: Mapping[str, str] | None = None,
        body: Any = None,
        content: bytes | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> bytes:
        """One request, one answer: the body of an HTTP 200.

        Args:
            secret_query: query parameters that must appear in no log and no error.
            body: sent as JSON when not None.
            content: the exact bytes to send, where a vendor signs them; give a Content-Type in `headers`.
            form: sent as an URL-encoded form.
            repeatable: False for calls that would take effect twice; then an answer that was lost after the
                request left is OutcomeUncertain.

        Raises:
            Unreachable: may be tried again. OutcomeUncertain. HttpStatusError. MalformedResponse: too large.
        """
        if self._limiter:
            self._limiter.acquire()
        request = self._client.build_request(
            method,
            path,
            params=dict(query) if query else None,
            json=body,
            content=content,
            data=dict(form) if form else None,
            headers=dict(headers or {}),
            extensions={_SECRET_QUERY: dict(secret_query or {})},
        )
        try:
            response = self._client.send(request, stream=True)
            try:
                content = self._read(path, response)
            finally:
                response.close()
        except _NOT_SENT as error:
            raise self._unreachable(error) from None
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise self._lost(path, repeatable, error) from None
        except MalformedResponse as error:
            if not repeatable:
                raise OutcomeUncertain(str(error)) from None
            raise
        status = response.status_code
        if status == 200:
            return content
        if status == 429:  # turned away at the door, so safe to repeat
            raise self._unreachable(f"HTTP {status}")
        if status >= 500:
            raise self._lost(path, repeatable, f"HTTP {status}")
        raise HttpStatusError(path, status)

    def _read(self, path: str, response: httpx.Response) -> bytes:
        # The read time-out restarts with every byte, so a dripping server needs a limit of its own.
        deadline = self._clock() + MAX_ANSWER_SECONDS
        chunks, size = [], 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise MalformedResponse(
                    path, tr(f"超过 {MAX_BODY_BYTES} 字节", f"more than {MAX_BODY_BYTES} bytes")
                )
            if self._clock() > deadline:
                raise httpx.ReadTimeout("answer took too long")
            chunks.append(chunk)
        return b"".join(chunks)

    def _unreachable(self, why: Exception | str) -> Unreachable:
        return Unreachable(
            tr(f"{self.host} 连不上（{_name(why)}）", f"cannot reach {self.host} ({_name(why)})")
        )

    def _lost(self, path: str, repeatable: bool, why: Exception | str) -> Unreachable | OutcomeUncertain:
        if repeatable:
            return self._unreachable(why)
        return OutcomeUncertain(
            tr(
                f"{path} 已发出但没有可读的回应（{_name(why)}），结果不明，先查询再决定是否重发",
                f"{path} was sent but its answer was lost ({_name(why)}): look it up before repeating",
            )
        )


class HttpOwner:
    """Whoever has an HttpCore as `_http`: leaving it closes the connections."""

    _http: HttpCore

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()


def _name(why: Exception | str) -> str:
    # The class, not the text: a transport's text may quote the URL it was given, which holds the token.
    return why if isinstance(why, str) else type(why).__name__


def _checked_url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(
            tr(
                "base_url 应以 http:// 或 https:// 开头并带主机名，请改 chain.yml",
                "base_url must start with http:// or https:// and name a host; mend chain.yml",
            )
        )
    return url


def _default_transport(url: httpx.URL) -> httpx.HTTPTransport:
    proxy = None
    if url.host not in _LOOPBACK and not proxy_bypass(url.host):
        # Vendors allow only listed addresses, so a fixed egress proxy is common.
        proxy = getproxies().get(url.scheme)
    return httpx.HTTPTransport(proxy=proxy)
