"""Small pieces of SQL that landing's steps share."""

from __future__ import annotations

# blanks that exports put around values: space, tab, newlines, no-break and full-width space
TIDY = r"' ' || chr(9) || chr(10) || chr(13) || chr(160) || chr(12288)"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def amount(cell: str) -> str:
    """SQL for what a cell of money says, decimal(18, 4) or null: ¥, 元 and blanks do not count, commas only before
    three digits (12,50 is no amount in this country's exports, and reading it as 1250 would be)."""
    bare = f"regexp_replace({cell}, '[¥￥元 ]', '', 'g')"
    grouped = f"regexp_full_match({bare}, '-?[0-9]{{1,3}}([,，][0-9]{{3}})+([.][0-9]+)?')"
    plain = f"case when {grouped} then regexp_replace({bare}, '[,，]', '', 'g') else {bare} end"
    return f"coalesce(try_cast({cell} as decimal(18, 4)), try_cast({plain} as decimal(18, 4)))"
