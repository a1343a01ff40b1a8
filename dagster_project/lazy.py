"""Names of a room that are imported when first asked for: a command that reads a little starts without the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def on_demand(room: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for the package `room`. modules: name → module of the room that defines it."""

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(import_module(f"{room}.{modules[name]}"), name)

    return get
