"""What is wrong with a condition: at which key, in the chosen language, with the names that were perhaps meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from dagster_project.lang import tr

KeyPath = tuple[str | int, ...]


class SegmentError(ValueError):
    """A segment that is well-formed cannot be computed. `place`: key path inside the file; the text is for people."""

    def __init__(self, place: KeyPath, problem: str) -> None:
        self.place, self.problem = place, problem
        super().__init__(problem)


def wrong(problem: str, *place: str | int) -> ValidationError:
    """A validation error at a key below the value that is validated; who reads the file adds the way to that value."""
    detail = InitErrorDetails(
        type=PydanticCustomError("segment", "{problem}", {"problem": problem}), loc=place, input=None
    )
    return ValidationError.from_exception_data("segment", [detail])


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """At most three known names that look like the one given, the likeliest first."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.4)


def unknown(zh: str, en: str, name: object, known: Sequence[str]) -> str:
    """`zh`, `en`: what kind of thing has no such name. Tells the nearest three, else all that are known."""
    near = nearest(str(name), known)
    if near:
        listed = ", ".join(near)
        return tr(f"不认识的{zh} {name!r}。是不是：{listed}", f"unknown {en} {name!r}; perhaps {listed}")
    listed = ", ".join(known)
    return tr(f"不认识的{zh} {name!r}。可用：{listed}", f"unknown {en} {name!r}; known: {listed}")


def no_segment(name: str, known: Iterable[str]) -> str:
    """There is no such segment: what was perhaps meant, and the first twenty that there are."""
    there = sorted(known)
    near, listed = ", ".join(nearest(name, there)), ", ".join(there[:20]) or "–"
    perhaps = tr(f"是不是：{near}。", f"perhaps {near}; ") if near else ""
    more = tr(f" 等 {len(there)} 个", f" and {len(there) - 20} more") if len(there) > 20 else ""
    return tr(
        f"没有人群 {name!r}。{perhaps}有：{listed}{more}",
        f"no segment {name!r}; {perhaps}there are: {listed}{more}",
    )
