"""The plan as dbt takes it: one JSON value with SQL that is made of validated conditions only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dagster_project.segments.compile import NIGHTLY, WORD_BITS, Condition, Schema
from dagster_project.segments.metrics import AGO, METRICS
from dagster_project.segments.model import Segment, plan


def plan_variable(
    segments: Sequence[Segment], schema: Schema = NIGHTLY, tags: Mapping[str, Condition] | None = None
) -> dict[str, Any]:
    """What models need to judge all segments: the var `segment_plan`.

    Returns:
        frame: {field, table, column, is_ago} per column of the frame; features, bits: SQL with `__names__` to replace;
        buckets: {column, salt}; segments: {segment_id, word, bit, reason}; words: how many words there are.

    Raises:
        SegmentError: a condition asks for data that `schema` lacks.
    """
    compiled = plan(segments, schema, tags)
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
        "words": compiled.words,
    }
