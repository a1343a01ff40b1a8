"""Errors of the sandbox itself (`SandboxError`) and of the simulated vendor (`ApiError`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class SandboxError(Exception):
    """The sandbox cannot start: a file it reads is wrong, or something else holds its place."""


class ApiError(Exception):
    """An answer with `errcode` ≠ 0. `extra` are the keys the vendor still sends beside the code."""

    def __init__(self, errcode: int, message: str, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{errcode} {message}")
        self.errcode = errcode
        self.message = message
        self.extra = dict(extra or {})
