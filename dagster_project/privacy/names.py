"""What of a written name may stand for a person, decided before any hashing.

Most names that tills and group-buy pages hold are no names: a surname with a title, a mask, a nickname, a role. They
would make thousands of strangers alike, so they give nothing rather than a weak value.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import yaml

_HAN = "〇\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_HAN_NAME = re.compile(f"[{_HAN}]{{2,4}}")
# names of several nationalities are spelled with a dot and longer than four characters
_DOTTED_NAME = re.compile(f"[{_HAN}]{{2,10}}(?:·[{_HAN}]{{1,10}}){{1,3}}")
_LATIN_NAME = re.compile(r"[^\W\d_]{2,}(?:[ '’-]+[^\W\d_]{2,})+")
_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|【[^】]*】|<[^<>]*>")
_DOTS = str.maketrans(dict.fromkeys("•・‧∙．.", "·"))
# 张*, 张xx, 张某某, 张○明, 张_
_MASK = re.compile(f"[*#_?●○◯□■◆×※]|某|(?<=[{_HAN}])[xX]+|[xX]{{2,}}(?=[{_HAN}])")
# blanks, marks, emoji and what joins them: nothing of a name, and people decorate with it
_DECORATION = re.compile(r"[^\w·\s'’-]+|[\u200b-\u200f\u2060-\u206f\ufe00-\ufe0f\ufeff]")
_LATIN_TITLES = re.compile(r"^(?:mr|mrs|ms|miss|dr|sir|madam)\b[ .·]*", re.IGNORECASE)
_TEST = re.compile(r"测试|test", re.IGNORECASE)


class _Words(NamedTuple):
    """The lists of `name_words.yml`; `titles` longest first, so that 老师 comes off whole."""

    titles: tuple[str, ...]
    familiar: tuple[str, ...]
    surnames: frozenset[str]
    compound_surnames: frozenset[str]
    nobody: frozenset[str]


@cache
def _words() -> _Words:
    raw = yaml.safe_load(files("dagster_project.privacy").joinpath("name_words.yml").read_text("utf-8"))
    return _Words(
        titles=tuple(sorted(raw["titles"], key=lambda title: (-len(title), title))),
        familiar=tuple(raw["familiar"]),
        surnames=frozenset("".join(raw["surnames"].split())),
        compound_surnames=frozenset(raw["compound_surnames"]),
        nobody=frozenset(raw["nobody"]),
    )


def name_key(cell: str | None) -> str | None:
    """The spelling under which equal full names are equal; None when the cell names too many people, or nobody.

    NFKC, without blanks, decoration, asides in brackets and titles (王小明 先生 → 王小明). Kept are names of two to four
    Han characters, longer ones with a dot (阿依古丽·买买提), and two or more Latin words (`li hua`). None for a mask (张*, 张某),
    a surname with a title (张女士), a familiar short form (小王, 乐乐), a test, a role, a digit, anything else.
    """
    if not cell:
        return None
    text = _ASIDE.sub(" ", unicodedata.normalize("NFKC", cell)).translate(_DOTS)
    if _MASK.search(text) or says_test(text) or any(character.isdigit() for character in text):
        return None
    text = _DECORATION.sub(" ", text).strip(" ·'’-")
    return _han_name("".join(text.split())) or _latin_name(text)


def says_test(text: str) -> bool:
    """Whether the name says of itself that it is a trial entry."""
    return _TEST.search(text) is not None


def _han_name(text: str) -> str | None:
    if _DOTTED_NAME.fullmatch(text):
        return text
    words, bare = _words(), without_titles(text)
    # one character is a surname, and so are two of a compound one
    if not _HAN_NAME.fullmatch(bare) or bare in words.compound_surnames or {bare, text} & words.nobody:
        return None
    if len(bare) == 2 and (bare.startswith(words.familiar) or bare[0] == bare[1]):
        return None
    return bare


def without_titles(text: str) -> str:
    """Takes titles off the end, one after the other (王小明老师收), never the whole of it."""
    title = next((title for title in _words().titles if text.endswith(title)), "")
    return without_titles(text[: -len(title)]) if title else text


def _latin_name(text: str) -> str | None:
    text = _LATIN_TITLES.sub("", text.replace("·", " ")).strip()
    if not _LATIN_NAME.fullmatch(text) or re.search(f"[{_HAN}]", text):
        return None
    return " ".join(re.split(r"[ '’-]+", text.casefold()))


def starts_like_a_name(text: str) -> bool:
    """Whether the text begins with one of the hundred most common surnames or a compound one, and goes on."""
    words = _words()
    return len(text) > 1 and (text[0] in words.surnames or text[:2] in words.compound_surnames)
