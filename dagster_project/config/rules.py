"""rules/*.yml: what business people may change. A file the chain lacks is the packaged default."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from dagster_project.config.decisions import DECISIONS_FILE, IdentityDecision, read_decisions
from dagster_project.config.document import Document, read_document
from dagster_project.lang import tr

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{0,6})?")
_WHOLE = re.compile(r"-?[0-9]{1,9}")

# Columns of member_metrics and churn_tiers that a segment may ask about, and how a value is written.
# yuan: the author writes yuan, the column is fen.
SEGMENT_METRICS = {
    "days_since_purchase": "int",
    "orders_30d": "int",
    "orders_total": "int",
    "pos_orders_total": "int",
    "groupbuy_orders_total": "int",
    "high_margin_orders_total": "int",
    "channels_30d": "int",
    "rfm_r": "int",
    "rfm_f": "int",
    "rfm_m": "int",
    "spend_7d": "yuan",
    "spend_30d": "yuan",
    "spend_90d": "yuan",
    "counter_spend_30d": "yuan",
    "groupbuy_spend_30d": "yuan",
    "is_potential_group_buyer": "bool",
}
_OPERATORS = (">=", "<=", ">", "<", "=", "!=")


def _yuan_to_fen(value: Any) -> int:
    # plain digits only: no word, no exponent, no NaN, and nothing that the warehouse's integers cannot hold
    text = str(value).strip()
    fen = Decimal(text) * 100 if _AMOUNT.fullmatch(text) else None
    if fen is None or fen != int(fen):
        raise ValueError(
            tr(
                f"{value!r} 不是以元为单位、最多两位小数的金额，例如 500 或 19.90",
                f"{value!r} is not an amount in yuan with at most two decimals, such as 500 or 19.90",
            )
        )
    return int(fen)


def _clock(value: Any) -> str:
    if not _CLOCK.fullmatch(str(value)):
        raise ValueError(tr(f"{value!r} 不是 HH:MM 形式的时间", f"{value!r} is not a time like 09:00"))
    return str(value)


Fen = Annotated[int, BeforeValidator(_yuan_to_fen)]
Clock = Annotated[str, BeforeValidator(_clock)]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def hash(self) -> str:
        """First 12 hex digits of the SHA-256 of the rule's canonical JSON: what a decision row carries."""
        text = json.dumps(
            self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256(text.encode()).hexdigest()[:12]


class IdentityHealthRules(_Rule):
    """From when on an identifier looks like nobody's own, and a shop's day unlike its last four weeks."""

    suspect_min_people: int = Field(default=5, ge=3)
    suspect_factor: float = Field(default=3, gt=1)
    suspect_tickets_a_day: int = Field(default=4, ge=2)
    suspect_busy_days: int = Field(default=3, ge=1)
    alarm_factor: float = Field(default=3, gt=1)
    alarm_min_statements: int = Field(default=30, ge=1)


class IdentityRules(_Rule):
    max_wechat_accounts_per_phone: int = Field(ge=1)
    max_cards_per_phone: int = Field(ge=1)
    use_wecom_remark: bool
    remark_needs_proof: bool = True
    payer_min_tickets: int = Field(ge=0)
    payer_member_tickets: int = Field(default=2, ge=0)
    max_phones_per_member: int = Field(default=4, ge=1)
    number_silence_days: int = Field(default=90, ge=1)
    reregister_gap_days: int = Field(default=45, ge=0)
    former_link_min_days: int = Field(default=7, ge=0)
    max_household_members: int = Field(default=6, ge=2)
    name_agreement_min_share: float = Field(default=0.7, ge=0, le=1)
    name_agreement_min_pairs: int = Field(default=30, ge=1)
    placeholder_phones: tuple[str, ...] = ()
    health: IdentityHealthRules = IdentityHealthRules()


class ChurnRules(_Rule):
    l1_days: int = Field(ge=1)
    l2_days: int = Field(ge=2)
    l3_days: int = Field(ge=3)

    @field_validator("l3_days")
    @classmethod
    def _rising(cls, value: int, info: ValidationInfo) -> int:
        l1, l2 = info.data.get("l1_days"), info.data.get("l2_days")
        if l1 is not None and l2 is not None and not l1 < l2 < value:
            raise ValueError(tr("三个天数必须递增：l1 < l2 < l3", "the days must rise: l1 < l2 < l3"))
        return value


class KocRules(_Rule):
    spend_30d_yuan: Fen
    shares_30d: int = Field(ge=0)
    max_complaints: int = Field(ge=0)

    @property
    def spend_30d_fen(self) -> int:
        return self.spend_30d_yuan


class Condition(_Rule):
    """`metric op value`, e.g. spend_30d > 500 (yuan)."""

    metric: str
    op: Literal[">=", "<=", ">", "<", "=", "!="]
    value: str

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, value: str) -> str:
        if value not in SEGMENT_METRICS:
            known = ", ".join(SEGMENT_METRICS)
            raise ValueError(
                tr(f"不认识的指标 {value!r}。可用：{known}", f"unknown metric {value!r}; known: {known}")
            )
        return value

    @field_validator("value")
    @classmethod
    def _typed_value(cls, value: str, info: ValidationInfo) -> str:
        kind = SEGMENT_METRICS.get(info.data.get("metric", ""))
        if kind == "int" and not _WHOLE.fullmatch(value):
            raise ValueError(tr(f"{value!r} 应当是整数", f"{value!r} must be a whole number"))
        if kind == "yuan":
            _yuan_to_fen(value)
        if kind == "bool" and value not in ("true", "false"):
            raise ValueError(tr(f"{value!r} 应当是 true 或 false", f"{value!r} must be true or false"))
        return value

    @property
    def predicate(self) -> str:
        """SQL over the columns of member_metrics."""
        kind = SEGMENT_METRICS[self.metric]
        column = f"{self.metric}_fen" if kind == "yuan" else self.metric
        value = str(_yuan_to_fen(self.value)) if kind == "yuan" else self.value
        return f"{column} {'<>' if self.op == '!=' else self.op} {value}"


class Segment(_Rule):
    """Members for whom all conditions hold."""

    segment_id: str
    name: str
    all: tuple[Condition, ...] = Field(min_length=1)

    @field_validator("segment_id")
    @classmethod
    def _file_safe(cls, value: str) -> str:
        if not _ID.fullmatch(value):
            raise ValueError(
                tr(f"{value!r} 只能用小写字母、数字、下划线", f"{value!r}: lower case, digits and _ only")
            )
        return value

    @property
    def predicate(self) -> str:
        return " and ".join(condition.predicate for condition in self.all)

    @property
    def reason(self) -> str:
        return "；".join(f"{c.metric} {c.op} {c.value}" for c in self.all)


class Offer(_Rule):
    template_id: str
    kind: Literal["cash_off", "first_order_price"]
    amount_yuan: Fen
    threshold_yuan: Fen = 0
    valid_hours: int = Field(ge=1)

    @property
    def amount_fen(self) -> int:
        return self.amount_yuan

    @property
    def threshold_fen(self) -> int:
        return self.threshold_yuan


class Campaign(_Rule):
    """Who gets which offer through which channel. `amount_yuan` is the cost of one redemption."""

    campaign_id: str
    name: str
    trigger: Literal["churn_tier", "potential_group_buyer"]
    tier: Literal["L1", "L2", "L3"] | None = None
    offer: Offer
    holdout_percent: int = Field(ge=0, le=50)
    channels: tuple[Literal["wecom", "groupbuy_coupon"], ...] = Field(min_length=1)
    tag: str = Field(max_length=30)
    text: str
    send_at: Clock = "10:00"
    daily_cap: int = Field(default=100_000, ge=0)

    @field_validator("campaign_id")
    @classmethod
    def _file_safe(cls, value: str) -> str:
        if not _ID.fullmatch(value):
            raise ValueError(
                tr(f"{value!r} 只能用小写字母、数字、下划线", f"{value!r}: lower case, digits and _ only")
            )
        return value

    @field_validator("text")
    @classmethod
    def _fits_the_vendor(cls, value: str) -> str:
        if len(value.encode()) > 4000:
            raise ValueError(tr("消息正文超过企业微信 4000 字节上限", "the text is over WeCom's 4000 bytes"))
        return value


class QuietHours(_Rule):
    """Messages leave only between `open` and `close`, local time."""

    open: Clock
    close: Clock


class FrequencyCap(_Rule):
    messages: int = Field(ge=1)
    days: int = Field(ge=1)


class Guards(_Rule):
    quiet_hours: QuietHours
    frequency_cap: FrequencyCap
    max_send_per_run: int = Field(ge=0)
    high_margin_categories: tuple[str, ...]
    earliest_year: int = Field(ge=2000)
    max_line_amount_yuan: Fen
    max_median_ticket_yuan: Fen
    max_reject_share: float = Field(ge=0, le=1)
    stale_source_days: int = Field(ge=1)
    accept_files: tuple[str, ...] = ()
    refuse_files: tuple[str, ...] = ()
    settle_seconds: int = Field(default=0, ge=0)


class SegmentRules(_Rule):
    segments: tuple[Segment, ...] = ()


class CampaignRules(_Rule):
    campaigns: tuple[Campaign, ...] = ()


class Rules(_Rule):
    """All rules of a chain, one attribute per file."""

    identity: IdentityRules
    churn: ChurnRules
    koc: KocRules
    segments: tuple[Segment, ...]
    campaigns: tuple[Campaign, ...]
    guards: Guards
    identity_decisions: tuple[IdentityDecision, ...] = ()


_FILES: dict[str, type[_Rule]] = {
    "identity": IdentityRules,
    "churn": ChurnRules,
    "koc": KocRules,
    "segments": SegmentRules,
    "campaigns": CampaignRules,
    "guards": Guards,
}
# named by the chain contract, read by later releases
_KNOWN_LATER = {"commission", "markdown"}


def load_rules(folder: Path) -> Rules:
    """Reads rules/*.yml; a missing file means the packaged default.

    Raises:
        ConfigError: unknown file, key or value, with file and line.
    """
    for path in sorted(folder.glob("*.y*ml")):
        if path.stem not in _FILES and path.stem not in _KNOWN_LATER and path.name != DECISIONS_FILE:
            known = ", ".join([*(f"{name}.yml" for name in _FILES), DECISIONS_FILE])
            raise Document(path, {}, {}).error(
                (), tr(f"不认识的规则文件。可用：{known}", f"unknown rule file; known: {known}")
            )
    parts: dict[str, Any] = {}
    with as_file(files("dagster_project").joinpath("templates/chain/rules")) as packaged:
        for name, model in _FILES.items():
            own = folder / f"{name}.yml"
            document = read_document(own if own.exists() else packaged / f"{name}.yml", resolve=False)
            parts[name] = document.parse(model)
            _check_unique(document, name, parts[name])
    return Rules(
        identity=parts["identity"],
        churn=parts["churn"],
        koc=parts["koc"],
        segments=parts["segments"].segments,
        campaigns=parts["campaigns"].campaigns,
        guards=parts["guards"],
        identity_decisions=read_decisions(folder / DECISIONS_FILE),
    )


def _check_unique(document: Document, name: str, part: Any) -> None:
    items: Sequence[Any] = getattr(part, name, ()) if name in ("segments", "campaigns") else ()
    seen: set[str] = set()
    for index, item in enumerate(items):
        key = "segment_id" if name == "segments" else "campaign_id"
        value = getattr(item, key)
        if value in seen:
            raise document.error((name, index, key), tr(f"{value} 重复", f"{value} given twice"))
        seen.add(value)
        if name == "campaigns" and (item.trigger == "churn_tier") != (item.tier is not None):
            raise document.error(
                (name, index, "tier"),
                tr(
                    "trigger 为 churn_tier 时必须写 tier，其他情况不写",
                    "tier goes with trigger churn_tier, and only there",
                ),
            )
