"""Values as people write them in a segment: text in the file, exact numbers and dates from here on, never a float."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from dagster_project.lang import tr

MOST_DAYS = 1095
MOST_LISTED = 500
MOST_TEXT = 200
COMPARISONS = (">=", "<=", "!=", ">", "<", "=")
_WHOLE = re.compile(r"-?[0-9]{1,9}")
_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,3})?")
_YUAN = re.compile(r"[0-9]{1,12}(\.[0-9]{0,6})?")
_COMPARED = re.compile(r"(>=|<=|!=|>|<|=)\s*(\S+)")


def shown(value: Any) -> str:
    """A wrong value for a message: short, in one line."""
    text = " ".join(str(value).split())
    return repr(text if len(text) <= 40 else text[:39] + "…")


def scalar(value: Any) -> str:
    """A single text value that is not empty."""
    if isinstance(value, bool) or value is None or isinstance(value, dict | list | tuple):
        raise ValueError(tr("应当是一个值", "must be a single value"))
    text = str(value)
    if not text.strip() or len(text) > MOST_TEXT or any(ord(letter) < 32 for letter in text):
        raise ValueError(
            tr(f"应当是 1 到 {MOST_TEXT} 个字的一行文字", f"must be a line of 1 to {MOST_TEXT} characters")
        )
    return text


def whole(value: Any) -> int:
    if isinstance(value, bool) or not _WHOLE.fullmatch(str(value)):
        raise ValueError(tr(f"{shown(value)} 应当是整数", f"{shown(value)} must be a whole number"))
    return int(value)


def decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not _DECIMAL.fullmatch(str(value)):
        raise ValueError(
            tr(
                f"{shown(value)} 应当是数字，最多三位小数",
                f"{shown(value)} must be a number with at most three decimals",
            )
        )
    return Decimal(str(value))


def fen(value: Any) -> int:
    """Yuan as written, as fen."""
    found = (
        Decimal(str(value)) * 100
        if not isinstance(value, bool) and _YUAN.fullmatch(str(value).strip())
        else None
    )
    if found is None or found != int(found):
        raise ValueError(
            tr(
                f"{shown(value)} 不是以元为单位、最多两位小数的金额，例如 500 或 19.90",
                f"{shown(value)} is not an amount in yuan with at most two decimals, such as 500 or 19.90",
            )
        )
    return int(found)


def truth(value: Any) -> bool:
    if str(value) not in ("true", "false", "True", "False"):
        raise ValueError(tr(f"{shown(value)} 应当是 true 或 false", f"{shown(value)} must be true or false"))
    return str(value).lower() == "true"


def day(value: Any) -> date:
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(value)):
            return date.fromisoformat(str(value))
    except ValueError:
        pass
    raise ValueError(
        tr(f"{shown(value)} 应当是日期，例如 2026-10-01", f"{shown(value)} must be a date such as 2026-10-01")
    )


def days(value: Any) -> int:
    """A length in days, 1 to `MOST_DAYS`."""
    count = whole(value)
    if not 1 <= count <= MOST_DAYS:
        raise ValueError(
            tr(f"天数应当在 1 到 {MOST_DAYS} 之间", f"the number of days must be 1 to {MOST_DAYS}")
        )
    return count


def factor(value: Any) -> int:
    """A positive factor up to 1,000 with at most three decimals, as thousandths."""
    found = decimal(value)
    if not 0 < found <= 1000:
        raise ValueError(tr("应当大于 0、不超过 1000", "must be above 0 and at most 1000"))
    return int(found * 1000)


def share(value: Any) -> int:
    """0 to 1 with at most three decimals, as thousandths."""
    found = decimal(value)
    if not 0 <= found <= 1:
        raise ValueError(tr("应当在 0 到 1 之间", "must be between 0 and 1"))
    return int(found * 1000)


def percent(value: Any) -> int:
    """Above 0 and at most 100 with at most three decimals, as thousandths of a percent."""
    found = decimal(value)
    if not 0 < found <= 100:
        raise ValueError(tr("应当大于 0、不超过 100", "must be above 0 and at most 100"))
    return int(found * 1000)


def listed(value: Any) -> tuple[str, ...]:
    """One text or a list of different texts."""
    items = value if isinstance(value, list | tuple) else [value]
    if not items:
        raise ValueError(tr("至少要有 1 项", "at least one item is needed"))
    if len(items) > MOST_LISTED:
        raise ValueError(tr(f"最多 {MOST_LISTED} 项", f"at most {MOST_LISTED} items"))
    texts = tuple(scalar(item) for item in items)
    if len(set(texts)) < len(texts):
        raise ValueError(tr("同一项写了两次", "an item is given twice"))
    return texts


def pair(value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(tr("应当是 [从, 到] 两个值", "must be two values: [from, to]"))
    return value


def rising(low: Any, high: Any) -> None:
    if low > high:
        raise ValueError(tr("前面的不能大于后面的", "the first must not be above the second"))


@dataclass(frozen=True)
class Compared:
    """`op value`, such as >= 3; an amount in fen."""

    op: str
    value: int

    @property
    def sql(self) -> str:
        """What follows the left side."""
        return f"{operator(self.op)} {self.value}"


def _compared(value: Any, number: Any) -> Compared:
    match = _COMPARED.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(
            tr(f'{shown(value)} 应当写成比较，例如 ">= 3"', f'{shown(value)} must compare, such as ">= 3"')
        )
    return Compared(match[1], number(match[2]))


def counted(value: Any) -> Compared:
    """A comparison with a whole number from 0 on."""
    found = _compared(value, whole)
    if found.value < 0:
        raise ValueError(tr("次数不能小于 0", "a count is never below 0"))
    return found


def priced(value: Any) -> Compared:
    """A comparison with an amount in yuan."""
    return _compared(value, fen)


def operator(op: str) -> str:
    """A comparison as SQL spells it."""
    return "<>" if op == "!=" else op


def literal(value: Any) -> str:
    """A value as an SQL literal of its own type."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    if isinstance(value, int | Decimal):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def literals(values: Sequence[Any]) -> str:
    return ", ".join(literal(value) for value in values)


def exact(sql: str) -> str:
    """A whole number as one whose product with days and thousandths cannot overflow."""
    return f"cast({sql} as decimal(38, 0))"


_written = PlainSerializer(lambda found: f"{found.op} {found.value}")
Text = Annotated[str, BeforeValidator(scalar)]
Listed = Annotated[tuple[str, ...], BeforeValidator(listed)]
Whole = Annotated[int, BeforeValidator(whole)]
Days = Annotated[int, BeforeValidator(days)]
Factor = Annotated[int, BeforeValidator(factor)]
Share = Annotated[int, BeforeValidator(share)]
Percent = Annotated[int, BeforeValidator(percent)]
Truth = Annotated[bool, BeforeValidator(truth)]
Counted = Annotated[Compared, BeforeValidator(counted), _written]
Priced = Annotated[Compared, BeforeValidator(priced), _written]
