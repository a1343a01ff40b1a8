"""Mobile numbers and names in what staff type into a contact's remark."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from dagster_project.privacy.names import name_key, starts_like_a_name, without_titles

_MOBILE = re.compile(r"(?:(?:00)?86|0)?(1[3-9]\d{9})")
# A privacy number with an extension belongs to a relay, not to a person.
_EXTENSION = re.compile(
    r"(?<!\d)1[3-9](?:[\s-]?\d){9}\s*(?:[-#,_]|转|ext\.?)\s*\d{1,6}(?![\s-]*\d)", re.IGNORECASE
)
_ABROAD = re.compile(r"\+\s*(?!\s|86)\d[\d\s-]*")
# What people put inside one number; anything else stands between two.
_SPREAD_DIGITS = re.compile(r"\d+(?:[\s.·()-]+\d+)*")
# a masked name stays one piece, and so stays no name
_NOT_LETTERS = re.compile(r"[^\w*]+|[\d_]+")
_DASHES = str.maketrans("‐‑‒–—―−", "-------")


def mobiles_in(text: str) -> set[str]:
    """The distinct mainland mobile numbers of one free text, 11 digits each.

    Spaces, dots and dashes inside a number are dropped; a country code or a leading 0 is taken off. Landlines,
    masked numbers, foreign numbers and relay numbers with an extension are not counted.
    """
    text = unicodedata.normalize("NFKC", text).translate(_DASHES)
    text = _ABROAD.sub(" ; ", _EXTENSION.sub(" ; ", text))
    found: set[str] = set()
    for run in _SPREAD_DIGITS.findall(text):
        found |= _mobiles_of_groups(re.findall(r"\d+", run))
    return found


def _mobiles_of_groups(groups: list[str]) -> set[str]:
    """Reads digit groups left to right: a group that is a mobile stands alone, shorter ones are joined."""
    found: set[str] = set()
    joined = ""
    for group in groups:
        whole = _MOBILE.fullmatch(group)
        joined = "" if whole else joined + group
        match = whole or _MOBILE.fullmatch(joined)
        if match:
            found.add(match.group(1))
            joined = ""
        elif len(joined) > 15:  # longer than any written mobile: whatever it was, start anew
            joined = ""
    return found


def remark_phone(texts: Iterable[str]) -> tuple[str | None, int]:
    """The one mobile number of a contact's remark, and how many different ones there are.

    Returns:
        (number, 1) when there is exactly one, else (None, count): with two, nobody knows whose is whose.
    """
    found: set[str] = set()
    for text in texts:
        found |= mobiles_in(text)
    return (next(iter(found)) if len(found) == 1 else None), len(found)


def remark_name(text: str) -> str | None:
    """The one full name in a contact's remark, as `name_key` spells it, else None.

    Staff write the building, the name and a note in any order (3栋 王小明 爱吃鱼). Pieces that begin with no usual surname
    are taken for notes; with two that do, or beside a surname with a title (王姐 白菜), nobody knows which one it is.
    """
    pieces = _NOT_LETTERS.sub(" ", unicodedata.normalize("NFKC", text)).split()
    likely = [piece for piece in pieces if starts_like_a_name(piece)]
    if any(len(without_titles(piece)) == 1 or "*" in piece for piece in likely):
        return None
    named = {name for piece in likely if (name := name_key(piece)) is not None}
    return next(iter(named)) if len(named) == 1 else None
