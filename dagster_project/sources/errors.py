"""Why a source could not be read, as types the caller can branch on.

No message carries a secret, a token, a phone number or the vendor's own error text (it may echo any of them). Names say what happened rather than end in "Error", as a ledger or a report reads them.
"""

from __future__ import annotations

from dagster_project.lang import tr


class SourceError(Exception):
    """Base of everything this room raises on purpose."""


class SourceUnavailable(SourceError):  # noqa: N818
    """Nothing at all could be read from a connection this night; a warning, not a failed night."""

    def __init__(self, connection: str, reason: str) -> None:
        self.connection, self.reason = connection, reason
        super().__init__(
            tr(f"连接 {connection} 今晚读不到：{reason}", f"{connection} is unavailable: {reason}")
        )


class TransientError(SourceError):
    """May pass by itself. `attempts` bounds all tries of one call; `wait_seconds` None means growing backoff."""

    attempts: int = 4
    wait_seconds: float | None = None
    waits: tuple[float, ...] = ()  # a vendor's own documented back-off, one entry per retry


class Unreachable(TransientError):  # noqa: N818
    """No usable answer: connection, time-out or HTTP 5xx, and nothing was changed at the vendor's side."""


class OutcomeUncertain(SourceError):  # noqa: N818
    """A call that must not be repeated blindly got no readable answer: it may have taken effect. Never retried."""


class HttpStatusError(SourceError):
    """The server answered with a final HTTP status other than 200, e.g. 404 for an endpoint it does not have."""

    def __init__(self, api: str, status: int) -> None:
        self.api, self.status = api, status
        super().__init__(
            tr(
                f"{api} 返回 HTTP {status}，请核对 chain.yml 的 base_url",
                f"{api} answered HTTP {status}; check base_url in chain.yml",
            )
        )


class MalformedResponse(SourceError):  # noqa: N818
    """HTTP 200, but not the documented answer. Never read as 'no rows'."""

    def __init__(self, api: str, problem: str) -> None:
        self.api, self.problem = api, problem
        super().__init__(
            tr(f"{api} 的回应不合接口约定：{problem}", f"{api} answered out of contract: {problem}")
        )


class VendorError(SourceError):
    """The vendor refused the call with an error code; nothing was changed. Subclasses say what to do.

    `hint` tells a person the mend; never the vendor's own text.
    """

    def __init__(self, api: str, code: int | str, hint: str = "") -> None:
        self.api, self.code = api, code
        super().__init__(tr(f"{api} 返回错误码 {code}", f"{api} returned error code {code}") + hint)


class VendorConfigError(VendorError):
    """Key, account, permission or address list are wrong: no retry helps, a person has to mend it."""


class TokenRejected(VendorError):  # noqa: N818
    """The token was refused; seen by callers only when one refresh did not help."""


class RowRejected(VendorError):  # noqa: N818
    """This row is gone or out of the account's range; others are not affected."""


class VendorBusy(VendorError, TransientError):  # noqa: N818
    """System busy or too many calls at once: at most three more tries."""

    attempts = 4


class RateLimited(VendorError, TransientError):  # noqa: N818
    """Over the vendor's own limit. Longer blocks than `wait_seconds` are not waited for."""

    attempts = 3
    wait_seconds: float | None = 60.0


class TooManyRows(SourceError):  # noqa: N818
    """A slice holds more rows than the vendor lists or than fit in memory; ask for halves of it."""

    def __init__(self, api: str, rows: int, most: int) -> None:
        self.api, self.rows, self.most = api, rows, most
        super().__init__(
            tr(f"{api} 有 {rows} 行，超过 {most} 行的上限", f"{api} has {rows} rows, more than {most}")
        )
