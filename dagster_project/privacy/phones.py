"""What a phone cell holds, decided before any parsing.

`phonenumbers` would turn a masked "138****1234" into a possible number, so masks, ciphertext and extensions are
recognised first; only a plain, valid mobile number may identify a person. Ten figures that count up or down and the
few numbers that tills accept when a customer has none are valid too, and nobody's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import phonenumbers
from phonenumbers import PhoneNumberType

REGION = "CN"
# kinds whose token names a person; the models say the same in the macro is_linkable_phone
LINKABLE_KINDS = ("plain", "mvno")
_EMPTY = {"", "0", "无", "-", "--", "/", "null", "none", "nan", "n/a", "空", "未知"}
_CIPHER = re.compile(r"^[$~#].{8,}[$~#]\d?[$~#]?$", re.DOTALL)
_MASK = re.compile(r"^(?:\+?86|0086)?[\s-]*(\d{2,7})[*xX•·●#]{2,}(\d{0,6})$")
_EXTENSION = re.compile(r"^(?:\+?86|0086)?[\s-]*1\d{10}\s*(?:[-,，;转#_]|ext\.?)\s*\d{1,8}$", re.IGNORECASE)
_EXCEL_FLOAT = re.compile(r"^(\d{5,})\.0+$")
_SCIENTIFIC = re.compile(r"^\d(?:\.\d+)?[eE]\+?\d+$")
_SEPARATORS = re.compile(r"[\s\-‐-―−()（）\[\].·・•']+")
_IOT = re.compile(r"^(?:14[0-9]\d{10}|1064\d{9})$")
_SHAPE = re.compile(r"1[3-9][0-9]{9}")
# virtual operators, after a public pattern list: no official one was found, and carriers may change them
MVNO_PREFIXES = ("162", "165", "167", "170", "171")
# how people group the eleven figures: 3-4-4 and its like, a 1 apart, pairs, one by one. Groups of two in any other
# order are dates, times and prices more often than phones
_GROUPINGS = (
    *("11", "3 8", "4 7", "5 6", "6 5", "7 4", "8 3"),
    *("3 4 4", "4 3 4", "4 4 3", "3 3 5", "3 5 3", "5 3 3"),
    *("1 10", "1 3 7", "1 4 6", "1 5 5", "1 6 4", "1 7 3", "1 3 3 4", "1 3 4 3", "1 4 3 3"),
    *("1 2 8", "1 2 4 4", "3 3 3 2", "3 4 2 2", "3 2 2 4", "3 2 2 2 2", "2 2 2 2 2 1", "1 2 2 2 2 2"),
    "1 1 1 1 1 1 1 1 1 1 1",
)
_DIGIT = "[0-9０-９]"
_NO_DIGIT = "[^0-9０-９]"
_GAP = r"[ \t\x{a0}\x{3000}.．·・•()（）\[\]\-‐‑‒–—―−－]"
_COUNTRY = f"(?:[+＋]|00)?[8８][6６]{_GAP}{{0,3}}"


def _grouped() -> str:
    """Eleven figures from 13 to 19 in one of the groupings, one to three separators between the groups."""

    def spelled(lengths: list[int]) -> str:
        figures = [*("[1１]", "[3-9３-９]"), *(_DIGIT for _ in range(9))]
        groups = ["".join(figures[sum(lengths[:n]) : sum(lengths[: n + 1])]) for n in range(len(lengths))]
        return f"{_GAP}{{1,3}}".join(groups)

    return "|".join(spelled([int(length) for length in grouping.split()]) for grouping in _GROUPINGS)


def _for_python(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\x\{(\w+)\}", lambda match: chr(int(match.group(1), 16)), pattern))


# a country code may touch the number, any other digit may not
_IN_TEXT = _for_python(f"(?<!{_DIGIT})({_COUNTRY})?({_grouped()})(?!{_DIGIT})")
# RE2: the texts in which mask_text would mask something
MAYBE_PHONE = f"(?:^|{_NO_DIGIT})(?:{_COUNTRY})?(?:{_grouped()})(?:{_NO_DIGIT}|$)"


def _dummy_numbers() -> frozenset[str]:
    """The well-known ones, and a 1 followed by ten equal figures or by ten that count up or down."""
    known = {"13800138000", "13900000000", "13111111111", "18888888888"}
    runs = {
        "1" + "".join(str((first + step * place) % 10) for place in range(10))
        for first in range(3, 10)
        for step in (-1, 0, 1)
    }
    return frozenset(known | runs)


# complete: every number of kind placeholder is one of these
DUMMY_NUMBERS = _dummy_numbers()


@dataclass(frozen=True)
class Phone:
    """A classified cell.

    kind: plain (a valid mobile number), mvno (one of a virtual operator, as good as plain), placeholder (valid in
        form and nobody's), unlisted (shaped like a mobile number, of a prefix that the number plan does not list),
        masked, cipher, ext (privacy number with extension), landline, iot, unusable.
    e164: for plain, mvno, placeholder and unlisted, e.g. +8613…; never to be written outside the vault.
    masked: `138****1234` for the same and masked, else None.
    """

    kind: str
    e164: str | None = None
    masked: str | None = None


@cache
def _chinese_mobile() -> re.Pattern[str]:
    """The library's own national pattern, compiled once: 20× faster than parsing each number."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(REGION)
    assert metadata is not None and metadata.mobile is not None
    return re.compile(str(metadata.mobile.national_number_pattern), re.ASCII)


def classify_phone(cell: str | None) -> Phone | None:
    """Decides what one cell holds; None when it is empty."""
    if cell is None:
        return None
    text = unicodedata.normalize("NFKC", cell).strip().strip("\u200b\ufeff'\"\t ")
    if text.lower() in _EMPTY:
        return None
    if _CIPHER.match(text):
        return Phone("cipher")
    mask = _MASK.match(text)
    if mask:
        return Phone("masked", masked=f"{mask.group(1)[:3]}****{mask.group(2)[-4:]}")
    if _EXTENSION.match(text):
        return Phone("ext")
    if _SCIENTIFIC.match(text):
        return Phone("unusable")
    text = _EXCEL_FLOAT.sub(r"\1", text)
    digits = _SEPARATORS.sub("", text)
    national = re.sub(r"^(?:\+|00)?86(?=1\d{10}$)", "", digits)
    if _SHAPE.fullmatch(national):
        return _mainland(national)
    if _IOT.match(national):
        return Phone("iot")
    return _parse(text if text.startswith("+") else digits)


def _mainland(national: str) -> Phone:
    """A number of eleven figures, 13… to 19…."""
    if national in DUMMY_NUMBERS:
        kind = "placeholder"
    elif not _chinese_mobile().fullmatch(national):
        # carriers use prefixes that the library lacks: not to be dropped, nor trusted
        kind = "unlisted"
    else:
        kind = "mvno" if national.startswith(MVNO_PREFIXES) else "plain"
    return Phone(kind, f"+86{national}", _mask_number(national))


def listed_mobile_pattern() -> str:
    """Regular expression (RE2) of cells that are a mainland mobile number of a listed prefix and nothing else: most.

    Their kind is placeholder for DUMMY_NUMBERS, mvno with one of MVNO_PREFIXES, else plain.
    """
    return f"^(?:{_chinese_mobile().pattern})$"


def _parse(text: str) -> Phone:
    if not re.fullmatch(r"\+?\d[\d\s\-()]*", text):
        return Phone("unusable")
    try:
        number = phonenumbers.parse(text, REGION)
    except phonenumbers.NumberParseException:
        return Phone("unusable")
    national = str(number.national_number)
    if number.country_code == 86 and _SHAPE.fullmatch(national):
        return _mainland(national)
    if not phonenumbers.is_valid_number(number):
        return Phone("unusable")
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.FIXED_LINE:
        return Phone("landline")
    if kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE):
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        return Phone("plain", e164, _mask_number(national))
    return Phone("unusable")


def _mask_number(national: str) -> str:
    """Hides at least four digits, also of the shorter numbers abroad."""
    head, tail = (3, 4) if len(national) >= 11 else (2, 2)
    return f"{national[:head]}****{national[-tail:]}"


def replace_numbers(text: str, replacement: Callable[[str], str]) -> str:
    """Free text with every mainland mobile number in it, grouped however, replaced; a country code stays.

    Args:
        replacement: takes the eleven digits as they are written, full-width ones too, without separators.
    """

    def replaced(match: re.Match[str]) -> str:
        return (match.group(1) or "").rstrip("(（[") + replacement(re.sub(_NO_DIGIT, "", match.group(2)))

    return _IN_TEXT.sub(replaced, text)


def mask_text(text: str) -> str:
    """Free text with every mainland mobile number in it masked."""
    return replace_numbers(text, lambda digits: f"{digits[:3]}****{digits[-4:]}")
