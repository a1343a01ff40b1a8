"""The plan as dbt takes it: one JSON value with SQL that is made of validated conditions only."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from dagster_project.segments.compile import COMPLETE, WORD_BITS
from dagster_project.segments.metrics import AGO, METRICS
from dagster_project.segments.model import Segment, plan, walk
from dagster_project.segments.refused import SENSITIVE
from dagster_project.segments.shopping import Near
from dagster_project.segments.tags import RuleTags


def plan_variable(segments: Sequence[Segment], tags: RuleTags | None = None) -> dict[str, Any]:
    """What models need to judge all segments and the chain's own tags: the var `segment_plan`.

    Returns:
        frame: {field, table, column, is_ago} per column of the frame; features, bits: SQL with `__names__` to replace;
        buckets: {column, salt}; segments: {segment_id, word, bit, reason}; tags: {tag, word, bit}; words: how many
        words there are; sensitive: words that no tag of ours may hold; reach_km: how far from a member a shop may be that somebody asks for.

    Raises:
        SegmentError: tags refer to each other in a circle.
    """
    known = tags or RuleTags()
    everything = [*segments, *known.judged()]
    compiled = plan(everything, COMPLETE, known)
    by_field = {metric.field: metric for metric in METRICS.values()}
    frame = []
    for field in compiled.fields:
        metric = by_field.get(field) or by_field[field.removesuffix(AGO)]
        frame.append(
            {"field": field, "table": metric.table, "column": metric.source, "is_ago": field not in by_field}
        )
    return {
        "hash": compiled.hash,
        "frame": frame,
        "features": compiled.features_sql,
        "bits": compiled.bits_sql,
        "buckets": [{"column": column, "salt": salt} for column, salt in compiled.buckets.items()],
        "segments": [
            {
                "segment_id": segment.segment_id,
                "word": number // WORD_BITS,
                "bit": 1 << number % WORD_BITS,
                "reason": segment.reason,
            }
            for number, segment in enumerate(segments)
        ],
        "tags": [
            {"tag": tag.name, "word": number // WORD_BITS, "bit": 1 << number % WORD_BITS}
            for number, tag in enumerate(everything)
            if number >= len(segments)
        ],
        "words": compiled.words,
        "sensitive": list(SENSITIVE),
        "reach_km": f"{Decimal(_reach(everything)) / 1000:f}",
    }


def _reach(segments: Sequence[Segment]) -> int:
    """Metres: the farthest that a condition looks for a shop other than the member's own."""
    nodes = (node for segment in segments for _, node in walk((), segment.when))
    return max((node.km for node in nodes if isinstance(node, Near) and node.is_any_shop), default=0)
