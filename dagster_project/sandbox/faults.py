"""Ways the vendor fails, as data: a list of `Fault`, or the same as a JSON file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from threading import Lock
from typing import Any, Generic, Literal, Protocol, TypeVar, get_args

from dagster_project.lang import tr
from dagster_project.sandbox.errors import SandboxError

Kind = Literal[
    "token_dies", "busy", "rate_limited", "errcode", "timeout", "html", "reset", "row_moves", "warning"
]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class Fault:
    """One way to fail, for calls whose API matches.

    `kind`:
      token_dies    the access token is dead from this call on (42001) although it had not expired
      busy          errcode -1, nothing done
      rate_limited  errcode 45009, nothing done
      errcode       any `errcode`, nothing done
      timeout       the call is done, the answer never comes: silence for `seconds`, then the line drops
      html          HTTP 200 with a gateway's HTML page, nothing done
      reset         the connection is reset, nothing done (`after` True: done, then reset)
      row_moves     while paging, the last row of the page before comes again (`lost` True: the next row is skipped)
      warning       success whose errmsg is not "ok"

    `api` is the path after /cgi-bin/ and may hold `*`. `skip` matching calls pass first, then `times` calls fail.
    `where` narrows to calls whose argument equals a value, or whose list argument holds it: {"userid_list": "s01"}.
    """

    kind: Kind
    api: str = "*"
    times: int = 1
    skip: int = 0
    where: Mapping[str, Any] = field(default_factory=dict)
    errcode: int = -1
    seconds: float = 60.0
    after: bool = False
    lost: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SandboxError(
                tr(f"故障种类 {self.kind!r} 不存在，可用：", f"unknown fault {self.kind!r}; known: ")
                + ", ".join(KINDS)
            )
        if self.times < 1 or self.skip < 0:
            raise SandboxError(tr("故障的 times 至少 1，skip 不能为负", "times must be ≥ 1 and skip ≥ 0"))

    def matches(self, api: str, args: Mapping[str, Any]) -> bool:
        if not fnmatchcase(api, self.api):
            return False
        if self.kind == "token_dies" and api == "gettoken":
            return False
        if self.kind == "row_moves" and not args.get("cursor"):
            return False  # a first page has no page before it
        for name, wanted in self.where.items():
            given = args.get(name)
            if given != wanted and not (isinstance(given, list) and wanted in given):
                return False
        return True


class Countable(Protocol):
    """What a plan needs of a fault: `skip` matching calls pass first, then `times` calls fail."""

    @property
    def skip(self) -> int: ...

    @property
    def times(self) -> int: ...


F = TypeVar("F", bound=Countable)


class FaultPlan(Generic[F]):
    """Hands out faults call by call. The first fault of the list that is due wins."""

    def __init__(self, faults: Iterable[F] = ()) -> None:
        self._lock = Lock()
        self._due: list[tuple[F, int]] = [(fault, 0) for fault in faults]  # fault, matching calls seen

    def add(self, fault: F) -> None:
        with self._lock:
            self._due.append((fault, 0))

    def clear(self) -> None:
        with self._lock:
            self._due.clear()

    def take(self, matches: Callable[[F], bool]) -> F | None:
        """The fault for a call that `matches` tells of; a fault that has failed `times` calls is spent."""
        with self._lock:
            kept: list[tuple[F, int]] = []
            hit: F | None = None
            for fault, seen in self._due:
                if hit is None and matches(fault):
                    seen += 1
                    if seen > fault.skip:
                        hit = fault
                if seen < fault.skip + fault.times:
                    kept.append((fault, seen))
            self._due = kept
            return hit


def load_faults(path: Path) -> list[Fault]:
    """Faults of a JSON file: a list of objects with the fields of `Fault`. `SandboxError` names file and entry."""
    try:
        entries = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise SandboxError(tr(f"{path}：没有这个文件", f"{path}: no such file")) from error
    except ValueError as error:
        raise SandboxError(
            tr(f"{path}：不是有效的 JSON（{error}）", f"{path}: not JSON ({error})")
        ) from error
    known = {each.name for each in fields(Fault)}
    if not isinstance(entries, list):
        raise SandboxError(tr(f"{path}：应当是一个列表", f"{path}: must be a list"))
    faults = []
    for number, entry in enumerate(entries, start=1):
        place = tr(f"{path} 第 {number} 项：", f"{path} entry {number}: ")
        if not isinstance(entry, dict) or "kind" not in entry:
            raise SandboxError(place + tr("缺少 kind", "kind is missing"))
        if unknown := sorted(set(entry) - known):
            raise SandboxError(place + tr(f"不认识的字段 {unknown}", f"unknown fields {unknown}"))
        try:
            faults.append(Fault(**entry))
        except (SandboxError, TypeError) as error:
            raise SandboxError(f"{place}{error}") from error
    return faults
