"""Small pieces of SQL that landing's steps share."""

from __future__ import annotations

# blanks that exports put around values: space, tab, newlines, no-break and full-width space
TIDY = r"' ' || chr(9) || chr(10) || chr(13) || chr(160) || chr(12288)"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
