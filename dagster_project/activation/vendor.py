"""What a push needs of WeCom, and what its refusals mean for a ledger line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit

from dagster_project.config import Target
from dagster_project.sources import (
    CreatedMessage,
    GroupMessage,
    HttpStatusError,
    MalformedResponse,
    OutcomeUncertain,
    SourceError,
    TokenRejected,
    TransientError,
    VendorConfigError,
    VendorError,
    WecomClient,
)
from dagster_project.sources.wecom_client import SendResult, Tag

_COMES_BACK_TOMORROW = 40129  # the customer is being handed to another member


class MessagingClient(Protocol):
    """The calls of `sources.wecom_client.WecomClient` that a push makes. See there for what they raise."""

    def corp_tags(self) -> Sequence[Tag]: ...

    def add_corp_tag(self, group_name: str, tag_names: Sequence[str]) -> dict[str, str]: ...

    def mark_tag(
        self, userid: str, external_userid: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None: ...

    def add_msg_template(self, sender: str, external_userids: Sequence[str], text: str) -> CreatedMessage: ...

    def groupmsg_list(
        self, start: int, end: int, *, creator: str | None = None
    ) -> Sequence[GroupMessage]: ...

    def groupmsg_send_result(self, msgid: str, userid: str) -> Sequence[SendResult]: ...

    def close(self) -> None: ...


ClientFactory = Callable[[Target], MessagingClient]


def wecom_client(target: Target) -> MessagingClient:
    """The real client of a wecom target of chain.yml."""
    if not (target.base_url and target.corp_id and target.secret):
        raise ValueError(f"target {target.name} lacks base_url, corp_id or secret")
    return WecomClient(target.base_url, target.corp_id, target.secret, connection=target.name)


@dataclass(frozen=True)
class Verdict:
    """A failed call in ledger terms.

    state: 'rejected' (final), 'uncertain' (may have happened), 'intent' (did not happen, is due again).
    ends_run: nothing else will work either until somebody mends something or time passes.
    """

    state: str
    code: str
    ends_run: bool


def verdict_of(error: SourceError) -> Verdict:
    """What a failed call means. An error code says that nothing was done; only silence leaves doubt."""
    if isinstance(error, OutcomeUncertain):
        return Verdict("uncertain", "no_answer", False)
    if isinstance(error, VendorError):
        ends = isinstance(error, (VendorConfigError, TokenRejected, TransientError))
        later = ends or error.code == _COMES_BACK_TOMORROW
        return Verdict("intent" if later else "rejected", str(error.code), ends)
    if isinstance(error, HttpStatusError):
        return Verdict("intent", f"http_{error.status}", True)
    if isinstance(error, MalformedResponse):
        return Verdict("intent", "malformed", True)
    return Verdict("intent", "unreachable", True)


def is_loopback(url: str | None) -> bool:
    """Whether an endpoint is on this machine, so that no real customer can be behind it."""
    host = urlsplit(url or "").hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
