"""The first rows of a table as Dagster shows them: no plain phone, and nothing by which a person could be looked up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dagster_project.privacy import mask_text

ROWS = 5
_WIDTH = 24
_STUB = 6
# by these a person can be found in another system, or a coupon be spent
_IDENTIFIERS = re.compile(r".*(_token|unionid|openid|external_userid|coupon_code|identifier)")


def preview_table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as a Markdown table; '' when there are none. Columns without any value and our own (`_…`) are left out."""
    shown = list(rows)[:ROWS]
    names = [
        name
        for name in (shown[0] if shown else ())
        if not name.startswith("_") and any(row[name] is not None for row in shown)
    ]
    if not names:
        return ""
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(name, row[name]) for name in names) + " |" for row in shown]
    return "\n".join(lines)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    text = str(value)
    if _IDENTIFIERS.fullmatch(name):
        return f"{text[:_STUB]}…" if len(text) > _STUB else "…"
    return " ".join(mask_text(text)[:_WIDTH].replace("|", "/").split())
