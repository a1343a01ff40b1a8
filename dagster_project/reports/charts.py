"""Geometry of the inline SVG charts: plain numbers in, rounded coordinates out, so equal data gives equal bytes.

Charts stretch to the width of the page (preserveAspectRatio="none"); words and axis labels are HTML beside them,
because text inside a stretched SVG would be squeezed on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 100
STEP = 10


@dataclass(frozen=True)
class Rect:
    x: str
    y: str
    width: str
    height: str
    css: str
    title: str


@dataclass(frozen=True)
class Chart:
    """`top` and `bottom` are the values at the edges; `rects` for bars, `path` for a line whose last point is `last`."""

    width: int
    top: int
    rects: tuple[Rect, ...] = ()
    path: str = ""
    last: str = ""
    bottom: int = 0


def stacked_bars(stacks: Sequence[Sequence[int]], css: Sequence[str], titles: Sequence[str]) -> Chart:
    """One bar per inner sequence, the highest as high as the plot; its parts from the bottom up take the classes `css`."""
    top = max((sum(stack) for stack in stacks), default=0) or 1
    rects = []
    for index, stack in enumerate(stacks):
        floor = 0.0
        for part, name in zip(stack, css, strict=True):
            height = part * HEIGHT / top
            if part > 0:
                rects.append(
                    Rect(
                        x=_text(index * STEP + 1.2),
                        y=_text(HEIGHT - floor - height),
                        width=_text(STEP - 2.4),
                        height=_text(height),
                        css=name,
                        title=titles[index],
                    )
                )
            floor += height
    return Chart(width=max(len(stacks), 1) * STEP, top=top, rects=tuple(rects))


def share_bar(parts: Sequence[int], css: Sequence[str], titles: Sequence[str]) -> Chart:
    """One horizontal bar of 1,000 units cut in the proportion of `parts`; empty when all are zero."""
    whole = sum(parts)
    rects, left = [], 0.0
    for part, name, title in zip(parts, css, titles, strict=True):
        if part > 0:
            width = part * 1000 / whole
            rects.append(Rect(_text(left), "0", _text(width), str(HEIGHT), name, title))
            left += width
    return Chart(width=1000, top=whole, rects=tuple(rects))


def rates(percents: Sequence[float | None]) -> Chart:
    """A line of percentages between round tens around them, at least twenty apart, so that small moves show."""
    known = [percent for percent in percents if percent is not None]
    top = min(100, 10 * math.ceil(max(known, default=100) / 10)) or 10
    bottom = max(0, min(10 * math.floor(min(known, default=0) / 10), top - 20))
    return line(percents, max(top, bottom + 20), bottom)


def line(values: Sequence[float | None], top: float, bottom: int = 0) -> Chart:
    """A line through the middle of each step; None makes a gap, a lone point is still drawn as a dot."""
    moves, pen_down, last = [], False, ""
    for index, value in enumerate(values):
        if value is None:
            pen_down = False
            continue
        point = (
            f"{_text(index * STEP + STEP / 2)} {_text(HEIGHT - (value - bottom) * HEIGHT / (top - bottom))}"
        )
        alone = not pen_down and (index + 1 == len(values) or values[index + 1] is None)
        moves.append(f"M{point}h.01" if alone else f"{'L' if pen_down else 'M'}{point}")
        pen_down, last = True, f"M{point}h.01"
    return Chart(
        width=max(len(values), 1) * STEP, top=round(top), path="".join(moves), last=last, bottom=bottom
    )


def sparkline(values: Sequence[int]) -> Chart:
    """A line scaled to its own maximum."""
    return line([float(value) for value in values], float(max(values, default=0) or 1))


def _text(value: float) -> str:
    # adding 0.0 turns the -0.0 of a rounded tiny negative into 0
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")
