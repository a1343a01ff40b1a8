"""How a typed cell is written as text."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

# a double holds 15 decimal digits exactly; a longer id that went through one has lost its tail
EXACT_DOUBLE = 10**15


def number_text(value: float, digits: int = 15) -> str:
    """A finite float as a spreadsheet shows it: 15 significant digits, no exponent, whole numbers without ".0"."""
    if value.is_integer():
        return str(int(value))
    return format(Decimal(f"{value:.{digits}g}"), "f")


def has_lost_digits(cell: Any) -> bool:
    """Whether a cell is a number of more digits than a double holds."""
    return isinstance(cell, float | int) and not isinstance(cell, bool) and not abs(cell) < EXACT_DOUBLE


def cell_text(cell: Any) -> str:
    """Text of a spreadsheet cell; times without zone, to the millisecond Excel keeps."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "Y" if cell else "N"
    if isinstance(cell, float):
        return str(cell) if has_lost_digits(cell) else number_text(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    return "" if cell is None else str(cell)
