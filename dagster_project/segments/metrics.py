"""What a segment may ask about a member: one column of the frame each, its kind, and what people call it.

The frame has one row per member: the columns of `member_metrics` and some of `members`, `koc` and `churn_tiers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from dagster_project.lang import tr

Kind = Literal["int", "yuan", "bool", "text", "date", "ratio", "quantity", "presence"]


@dataclass(frozen=True)
class Window:
    """A metric that is an aggregate of purchases in the last `days` days: what its own normal is measured by."""

    days: int
    is_sum: bool
    channel: str | None = None


@dataclass(frozen=True)
class Metric:
    """`kind`: yuan is written in yuan and stored in fen, quantity has three decimals, ratio is a float,
    presence can only be known or unknown. `table`, `column`: where it is published. `values`: of a closed list.
    """

    name: str
    kind: Kind
    zh: str
    en: str
    table: str = "member_metrics"
    column: str = ""
    values: tuple[str, ...] = ()
    window: Window | None = None

    @property
    def field(self) -> str:
        """Its column in the frame."""
        return f"{self.name}_fen" if self.kind == "yuan" else self.name

    @property
    def source(self) -> str:
        """Its column in the published table."""
        return self.column or self.field

    @property
    def words(self) -> str:
        return tr(self.zh, self.en)

    @property
    def is_number(self) -> bool:
        return self.kind in ("int", "yuan", "ratio", "quantity")


def _windows() -> Iterator[Metric]:
    for days in (7, 30, 90, 365):
        for prefix, channel, zh, en in (
            ("", None, "", ""),
            ("pos_", "pos", "门店", "counter "),
            ("groupbuy_", "groupbuy", "团购", "group-buy "),
        ):
            yield Metric(
                f"{prefix}orders_{days}d", "int", f"近{days}天{zh}消费次数", f"{en}purchases in {days} days",
                window=Window(days, False, channel),
            )  # fmt: skip
            yield Metric(
                f"{prefix}spend_{days}d", "yuan", f"近{days}天{zh}消费", f"{en}spend in {days} days",
                window=Window(days, True, channel),
            )  # fmt: skip


_REST = (
    Metric("days_since_purchase", "int", "距上次消费天数", "days since the last purchase"),
    Metric("orders_total", "int", "累计消费次数", "purchases ever"),
    Metric("pos_orders_total", "int", "累计门店消费次数", "counter purchases ever"),
    Metric("groupbuy_orders_total", "int", "累计团购次数", "group-buy purchases ever"),
    Metric("high_margin_orders_total", "int", "累计高毛利品类消费次数", "purchases of high-margin categories ever"),
    Metric("channels_30d", "int", "近30天渠道数", "channels in 30 days"),
    Metric("rfm_r", "int", "R 分", "recency score"),
    Metric("rfm_f", "int", "F 分", "frequency score"),
    Metric("rfm_m", "int", "M 分", "spend score"),
    Metric("counter_spend_30d", "yuan", "近30天门店消费", "counter spend in 30 days", window=Window(30, True, "pos")),
    Metric("is_potential_group_buyer", "bool", "潜在拼团用户", "potential group buyer"),
    Metric("first_purchase_on", "date", "首次消费日", "first purchase"),
    Metric("last_purchase_on", "date", "最近消费日", "last purchase"),
    Metric("joined_group_on", "date", "入群日", "joined the group"),
    Metric("visit_days_30d", "int", "近30天到店天数", "days with a purchase in 30 days"),
    Metric("visit_days_90d", "int", "近90天到店天数", "days with a purchase in 90 days"),
    Metric("basket_90d", "yuan", "近90天客单价", "mean basket in 90 days"),
    Metric("items_90d", "quantity", "近90天件数", "items in 90 days"),
    Metric("categories_90d", "int", "近90天品类数", "categories in 90 days"),
    Metric("gap_days", "ratio", "平时隔几天来", "usual days between purchases"),
    Metric("newest_gap_days", "int", "最近一次隔了几天", "days between the last two purchases"),
    Metric("discount_share_90d", "ratio", "近90天折扣占比", "share bought on discount in 90 days"),
    Metric("discount_index_90d", "ratio", "近90天折扣指数", "discount index in 90 days"),
    Metric("price_sensitivity", "text", "价格敏感度", "price sensitivity",
           values=("sensitive", "neutral", "quality", "unknown")),
    Metric("top_category_l1", "text", "最爱品类", "favourite category"),
    Metric("top_category_share", "ratio", "最爱品类占比", "share of the favourite category"),
    Metric("usual_item", "text", "常买商品", "usual item"),
    Metric("usual_item_gap_days", "ratio", "常买商品隔几天买", "usual days between purchases of the usual item"),
    Metric("usual_item_due_on", "date", "常买商品该买日", "day the usual item is due"),
    Metric("busy_hour", "int", "常来的钟点", "usual hour"),
    Metric("busy_weekday", "int", "常来的星期", "usual weekday"),
    Metric("home_store_basis", "text", "归属依据", "basis of the home shop", "members",
           values=("first_purchase", "location", "declared")),
    Metric("home_distance_km", "ratio", "离归属门店公里数", "km to the home shop"),
    Metric("pickup_site", "text", "自提点", "pick-up site"),
    Metric("pickup_distance_km", "ratio", "离自提点公里数", "km to the pick-up site"),
    Metric("lifecycle", "text", "生命周期", "lifecycle", values=("none", "new", "active", "lapsed", "regained")),
    Metric("lifecycle_since", "date", "生命周期起始日", "lifecycle since"),
    Metric("regained_on", "date", "回流日", "came back on"),
    Metric("is_groupbuy_star", "bool", "拼团达人", "group-buy star"),
    Metric("groupbuy_first_on", "date", "首次团购日", "first group-buy purchase"),
    Metric("never_high_margin", "bool", "从未买过高毛利", "never bought high-margin"),
    Metric("refund_90d", "yuan", "近90天退款", "refunded in 90 days"),
    Metric("shares_30d", "int", "近30天分享次数", "shares in 30 days"),
    Metric("complaints", "int", "投诉次数", "complaints"),
    Metric("points_balance", "quantity", "积分余额", "points"),
    Metric("open_coupons", "int", "未用的券", "open coupons"),
    Metric("is_staff", "bool", "员工", "staff"),
    Metric("consent_marketing", "text", "营销授权", "marketing consent", "members", values=("Y", "N")),
    Metric("home_store_code", "text", "归属门店", "home shop", "members"),
    Metric("has_pos", "bool", "有会员卡", "known at the counter", "members"),
    Metric("has_groupbuy", "bool", "有团购账号", "known in group-buy", "members"),
    Metric("has_wecom", "bool", "有企微好友", "WeCom contact", "members"),
    Metric("status", "text", "状态", "status", "members"),
    Metric("household_id", "presence", "同住", "household", "members"),
    Metric("koc", "text", "KOC", "KOC", "koc", "eligible", values=("yes", "no", "unknown")),
    Metric("tier", "text", "流失分层", "churn tier", "churn_tiers", "tier", values=("active", "L1", "L2", "L3")),
)  # fmt: skip

METRICS: Mapping[str, Metric] = MappingProxyType({m.name: m for m in (*_windows(), *_REST)})
# a date also stands in the frame as whole days before the night that is published
AGO = "_ago"


def fields(metrics: Iterable[str] = METRICS) -> tuple[str, ...]:
    """Columns of a frame with these metrics, besides member_id."""
    found = [METRICS[name] for name in metrics]
    return (*(m.field for m in found), *(m.field + AGO for m in found if m.kind == "date"))
