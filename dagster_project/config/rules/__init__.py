"""rules/*.yml: what business people may change. A file the chain lacks is the packaged default.

One module per file; an amount is written in yuan, a share in percent or as a ratio, and held as an exact integer.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from dagster_project.config.decisions import DECISIONS_FILE, IdentityDecision, read_decisions
from dagster_project.config.document import Document, KeyPath, read_document
from dagster_project.config.numbers import refuse_numbers
from dagster_project.config.rules.base import Rule
from dagster_project.config.rules.campaigns import Campaign, CampaignRules, Offer
from dagster_project.config.rules.churn import ChurnRules
from dagster_project.config.rules.commission import (
    CashierIncentive,
    CommissionRules,
    KocCommission,
    LeaderCommission,
)
from dagster_project.config.rules.guards import FrequencyCap, Guards, QuietHours
from dagster_project.config.rules.identity import IdentityHealthRules, IdentityRules
from dagster_project.config.rules.koc import KocRules
from dagster_project.config.rules.ledger import DEFAULT_FACTOR, CouponTemplate, LedgerRules
from dagster_project.config.rules.markdown import MarkdownRules
from dagster_project.config.rules.metrics import MetricRules, TagRule, check_tags
from dagster_project.config.rules.offers import OfferRules, OnOffer
from dagster_project.config.rules.pairs import PairRules
from dagster_project.config.rules.segments import SEGMENT_METRICS, Segment, SegmentFile, check_segments
from dagster_project.lang import tr

__all__ = [
    "SEGMENT_METRICS",
    "Campaign",
    "CampaignRules",
    "CashierIncentive",
    "ChurnRules",
    "CommissionRules",
    "CouponTemplate",
    "FrequencyCap",
    "Guards",
    "IdentityHealthRules",
    "IdentityRules",
    "KocCommission",
    "KocRules",
    "LeaderCommission",
    "LedgerRules",
    "MarkdownRules",
    "MetricRules",
    "Offer",
    "OfferRules",
    "OnOffer",
    "PairRules",
    "QuietHours",
    "Rule",
    "Rules",
    "Segment",
    "SegmentFile",
    "TagRule",
    "check_factors",
    "load_rules",
]


class Rules(Rule):
    """All rules of a chain, one attribute per file."""

    identity: IdentityRules
    churn: ChurnRules
    koc: KocRules
    metrics: MetricRules
    ledger: LedgerRules
    commission: CommissionRules
    markdown: MarkdownRules
    pairs: PairRules
    offers: OfferRules
    segments: tuple[Segment, ...]
    campaigns: tuple[Campaign, ...]
    guards: Guards
    identity_decisions: tuple[IdentityDecision, ...] = ()


_FILES: dict[str, type[BaseModel]] = {
    "identity": IdentityRules,
    "churn": ChurnRules,
    "koc": KocRules,
    "metrics": MetricRules,
    "ledger": LedgerRules,
    "commission": CommissionRules,
    "markdown": MarkdownRules,
    "pairs": PairRules,
    "offers": OfferRules,
    "segments": SegmentFile,
    "campaigns": CampaignRules,
    "guards": Guards,
}
# lists whose entries have an id: where they stand in the file, and the key of the id
_IDS: dict[str, tuple[str, str]] = {
    "campaigns": ("campaigns", "campaign_id"),
    "ledger": ("templates", "template_id"),
    "metrics": ("tags", "tag"),
}


def load_rules(folder: Path) -> Rules:
    """Reads rules/*.yml; a missing file means the packaged default.

    Raises:
        ConfigError: unknown file, key or value, or a plain phone number, with file and line.
    """
    for path in sorted(folder.glob("*.y*ml")):
        if path.stem not in _FILES and path.name != DECISIONS_FILE:
            known = ", ".join([*(f"{name}.yml" for name in _FILES), DECISIONS_FILE])
            raise Document(path, {}, {}).error(
                (), tr(f"不认识的规则文件。可用：{known}", f"unknown rule file; known: {known}")
            )
    parts: dict[str, Any] = {}
    documents: dict[str, Document] = {}
    with as_file(files("dagster_project").joinpath("templates/chain/rules")) as packaged:
        for name, model in _FILES.items():
            own = folder / f"{name}.yml"
            document = read_document(own if own.exists() else packaged / f"{name}.yml", resolve=False)
            refuse_numbers(document, allowed=_placeholders(document))
            parts[name] = document.parse(model)
            documents[name] = document
            _check_unique(document, name, parts[name])
    check_tags(documents["metrics"], parts["metrics"])
    check_segments(documents["segments"], parts["segments"], parts["metrics"].rule_tags)
    for index, campaign in enumerate(parts["campaigns"].campaigns):
        _check_campaign(documents["campaigns"], ("campaigns", index), campaign, parts["segments"].segments)
    _check_markdown(documents["markdown"], parts["markdown"], parts["campaigns"].campaigns)
    parts["segments"] = parts["segments"].segments
    parts["campaigns"] = parts["campaigns"].campaigns
    return Rules(**parts, identity_decisions=read_decisions(folder / DECISIONS_FILE))


def _placeholders(document: Document) -> list[str]:
    """Numbers that rules/identity.yml lists because they are nobody's."""
    listed = document.data.get("placeholder_phones") if isinstance(document.data, dict) else None
    return [str(number) for number in listed] if isinstance(listed, list) else []


def _check_unique(document: Document, name: str, part: Any) -> None:
    if name not in _IDS:
        return
    listed, key = _IDS[name]
    items: Sequence[Any] = getattr(part, listed)
    seen: set[str] = set()
    for index, item in enumerate(items):
        value = getattr(item, key)
        if value in seen:
            raise document.error((listed, index, key), tr(f"{value} 重复", f"{value} given twice"))
        seen.add(value)


def check_factors(folder: Path, ledger: LedgerRules, connections: Sequence[str]) -> None:
    """Raises ConfigError when ledger.yml gives a factor to a connection that the chain does not have."""
    known = sorted({DEFAULT_FACTOR, *connections})
    for name in ledger.point_factor:
        if name not in known:
            document = read_document(folder / "ledger.yml", resolve=False)
            listed = ", ".join(known)
            raise document.error(
                ("point_factor", name),
                tr(f"没有名为 {name} 的连接。可用：{listed}", f"no connection {name}; known: {listed}"),
            )


def _check_markdown(document: Document, rules: MarkdownRules, campaigns: Sequence[Campaign]) -> None:
    """A chain that has no campaign of the evening may leave the packaged name as it is."""
    known = sorted(campaign.campaign_id for campaign in campaigns if campaign.trigger == "markdown")
    left_alone = not known and rules.campaign_id == MarkdownRules.model_fields["campaign_id"].default
    if rules.campaign_id in known or left_alone:
        return
    listed = ", ".join(known) or tr("没有，请在 campaigns.yml 里加一个", "none, add one to campaigns.yml")
    raise document.error(
        ("campaign_id",),
        tr(
            f"campaigns.yml 里没有 trigger 为 markdown 的活动 {rules.campaign_id}。可用：{listed}",
            f"campaigns.yml has no campaign {rules.campaign_id} with trigger markdown; known: {listed}",
        ),
    )


def _check_campaign(document: Document, at: KeyPath, campaign: Campaign, segments: Sequence[Segment]) -> None:
    """What goes with a trigger stands beside it, and the segment it names exists."""
    for key, owner, needed in (
        ("tier", "trigger", "churn_tier"),
        ("segment", "trigger", "segment"),
        ("every_days", "once", "every_days"),
    ):
        if (getattr(campaign, owner) == needed) != (getattr(campaign, key) is not None):
            raise document.error(
                (*at, key),
                tr(
                    f"{owner} 为 {needed} 时必须写 {key}，其他情况不写",
                    f"{key} goes with {owner} {needed}, and only there",
                ),
            )
    known = sorted(segment.segment_id for segment in segments)
    if campaign.segment is not None and campaign.segment not in known:
        listed = ", ".join(known)
        raise document.error(
            (*at, "segment"),
            tr(
                f"没有人群包 {campaign.segment}。可用：{listed}",
                f"no segment {campaign.segment}; known: {listed}",
            ),
        )
