"""Words for people that several commands print."""

from __future__ import annotations

from dagster_project.lang import tr


def channels(has_pos: bool | None, has_groupbuy: bool | None, has_wecom: bool | None) -> str:
    """Where a member is known, e.g. 门店+企微; "–" when nowhere."""
    named = (
        (has_pos, tr("门店", "counter")),
        (has_groupbuy, tr("团购", "group-buy")),
        (has_wecom, tr("企微", "WeCom")),
    )
    return "+".join(word for has, word in named if has) or "–"
