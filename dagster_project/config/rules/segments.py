"""rules/segments.yml: groups of members, written in the language of `dagster_project.segments`."""

from __future__ import annotations

from dagster_project.config.document import Document
from dagster_project.segments import METRICS, RuleTags, Segment, SegmentError, SegmentFile, check, plan

__all__ = ["SEGMENT_METRICS", "Segment", "SegmentFile", "check_segments"]

# what a segment may ask about, and how a value is written
SEGMENT_METRICS = {name: metric.kind for name, metric in METRICS.items()}


def check_segments(document: Document, part: SegmentFile, tags: RuleTags) -> None:
    """What no single segment shows: ids given twice, circles.

    Raises:
        ConfigError: with the line of the condition that is wrong.
    """
    try:
        check(part.segments)
        plan(part.segments, tags=tags)
    except SegmentError as error:
        raise document.error(error.place, error.problem) from None
