"""What rule files are made of: amounts, shares and clock times as exact integers, and the hash of a rule."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from dagster_project.lang import tr

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")
# plain digits only: no word, no exponent, no NaN, and nothing that the warehouse's integers cannot hold
_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{0,6})?")


def _scaled(value: Any, scale: int) -> int | None:
    """A written decimal times `scale`, exact; None when it is no plain number or has too many decimals."""
    text = str(value).strip()
    scaled = Decimal(text) * scale if _NUMBER.fullmatch(text) else None
    return int(scaled) if scaled is not None and scaled == int(scaled) else None


def yuan_to_fen(value: Any) -> int:
    """An amount in yuan, as written, in fen.

    Raises ValueError when it is no plain number or finer than a fen.
    """
    fen = _scaled(value, 100)
    if fen is None:
        raise ValueError(
            tr(
                f"{value!r} 不是以元为单位、最多两位小数的金额，例如 500 或 19.90",
                f"{value!r} is not an amount in yuan with at most two decimals, such as 500 or 19.90",
            )
        )
    return fen


def _percent(value: Any) -> int:
    points = _scaled(value, 100)
    if points is None or points > 100_00:
        raise ValueError(
            tr(
                f"{value!r} 不是 0 到 100、最多两位小数的百分数，例如 15",
                f"{value!r} is not a percentage from 0 to 100 with at most two decimals, such as 15",
            )
        )
    return points


def _exact(scale: int, decimals: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        scaled = _scaled(value, scale)
        if scaled is None:
            raise ValueError(
                tr(
                    f"{value!r} 不是最多 {decimals} 位小数的数，例如 0.3",
                    f"{value!r} is not a number with at most {decimals} decimals, such as 0.3",
                )
            )
        return scaled

    return read


def _clock(value: Any) -> str:
    if not _CLOCK.fullmatch(str(value)):
        raise ValueError(tr(f"{value!r} 不是 HH:MM 形式的时间", f"{value!r} is not a time like 09:00"))
    return str(value)


def file_safe(value: str) -> str:
    """An id that is also a file name.

    Raises ValueError when it is not lower case, digits and _.
    """
    if not _ID.fullmatch(value):
        raise ValueError(
            tr(f"{value!r} 只能用小写字母、数字、下划线", f"{value!r}: lower case, digits and _ only")
        )
    return value


Fen = Annotated[int, BeforeValidator(yuan_to_fen)]
"""Written in yuan, held in fen."""
BasisPoints = Annotated[int, BeforeValidator(_percent)]
"""Written in percent, held in hundredths of a percent."""
Thousandths = Annotated[int, BeforeValidator(_exact(1_000, 3))]
"""Written as a ratio such as 0.3, held in thousandths."""
Millionths = Annotated[int, BeforeValidator(_exact(1_000_000, 6))]
"""Written as a ratio such as 0.001, held in millionths."""
Clock = Annotated[str, BeforeValidator(_clock)]
"""HH:MM."""


class Rule(BaseModel):
    """A rule file or a part of one: frozen, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Keys that came after a first release: at their default they are left out of the hash, so that a new release
    # gives no rule another hash.
    LATER: ClassVar[frozenset[str]] = frozenset()

    @property
    def hash(self) -> str:
        """First 12 hex digits of the SHA-256 of the rule's canonical JSON: what a decision row carries."""
        fields = type(self).model_fields
        unused = {name for name in self.LATER if getattr(self, name) == fields[name].default}
        text = json.dumps(
            self.model_dump(mode="json", exclude=unused),
            ensure_ascii=False,
            sort_keys=True,
            separators=(",", ":"),
        )
        return hashlib.sha256(text.encode()).hexdigest()[:12]
