"""Cursors. A page resumes after the last row served, so rows added meanwhile neither repeat nor hide others."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any, Literal, TypeVar

from dagster_project.sandbox.errors import ApiError

Row = TypeVar("Row")
Key = tuple[Any, ...]
Moved = Literal["again", "lost"]


def scope_of(api: str, *filters: object) -> str:
    """Marks whose cursor it is: a cursor of another API or another filter is refused."""
    text = json.dumps([api, *filters], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _seal(scope: str, key: Key) -> str:
    return hashlib.sha256(json.dumps([scope, *key]).encode()).hexdigest()[:8]


def _encode(scope: str, key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps([_seal(scope, key), *key]).encode()).decode().rstrip("=")


def decode_cursor(scope: str, cursor: str) -> Key | None:
    """Key of the last row served; None on a first page. `ApiError` 40058 for a cursor that is not ours."""
    if not cursor:
        return None
    try:
        seal, *key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (TypeError, ValueError) as error:
        raise ApiError(40058, "invalid cursor") from error
    if seal != _seal(scope, tuple(key)):
        raise ApiError(40058, "invalid cursor")
    return tuple(key)


def take_page(
    rows: Iterable[tuple[Key, Row]], *, scope: str, after: Key | None, limit: int, moved: Moved | None = None
) -> tuple[list[Row], str]:
    """The page and its next cursor ('' at the end). `rows` are ordered by key and may begin before `after`.

    `moved` is the fault of a row that changed its place between two pages: "again" serves the last row of the page
    before once more, "lost" leaves out the row that would have come next.
    """
    page: list[Row] = []
    last: Key = ()
    skip = moved == "lost" and after is not None
    for key, row in rows:
        if after is not None and (key < after or (key == after and moved != "again")):
            continue
        if skip:
            skip = False
            continue
        if len(page) == limit:
            return page, _encode(scope, last)
        page.append(row)
        last = key
    return page, ""
