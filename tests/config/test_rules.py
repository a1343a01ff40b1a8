"""Rule files beyond the first release: exact numbers, packaged defaults, errors with line and key."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from dagster_project.config import ConfigError, load_rules
from dagster_project.config.rules import ChurnRules, KocRules

LATER = ("metrics", "ledger", "commission", "markdown", "pairs", "offers")


def write(folder: Path, name: str, text: str) -> Path:
    (folder / f"{name}.yml").write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize("name", LATER)
def test_the_packaged_file_says_the_defaults(tmp_path: Path, name: str) -> None:
    packaged = getattr(load_rules(tmp_path), name)
    assert packaged == type(packaged)()
    assert getattr(load_rules(write(tmp_path, name, "# 空\n")), name) == packaged


def test_numbers_are_exact_integers(tmp_path: Path) -> None:
    write(tmp_path, "commission", "koc: {level1_percent: 12.34}\ncashier: {join_yuan: 2.05}\n")
    write(tmp_path, "metrics", "price_sensitive_index: 1.001\nquality_index: 1\n")
    write(tmp_path, "pairs", "min_support: 0.000001\n")
    rules = load_rules(tmp_path)
    assert (rules.commission.koc.level1_percent, rules.commission.koc.level2_percent) == (1234, 500)
    assert rules.commission.cashier.join_yuan == 205
    assert (rules.metrics.price_sensitive_index, rules.metrics.quality_index) == (1001, 1000)
    assert rules.pairs.min_support == 1


def test_a_point_is_worth_its_connections_factor(tmp_path: Path) -> None:
    ledger = load_rules(write(tmp_path, "ledger", "point_factor: {default: 2, group_main: 0.5}\n")).ledger
    assert (ledger.factor("group_main"), ledger.factor("pos_main")) == (500, 2000)
    ledger = load_rules(write(tmp_path, "ledger", "point_factor: {group_main: 0.5}\n")).ledger
    assert ledger.factor("pos_main") == 1000


def test_a_template_is_valid_for_hours_or_days(tmp_path: Path) -> None:
    write(tmp_path, "ledger", "templates:\n  - {template_id: A, valid_days: 2}\n  - {template_id: B}\n")
    assert [t.hours for t in load_rules(tmp_path).ledger.templates] == [48, None]


def test_a_later_key_at_its_default_leaves_the_hash_alone() -> None:
    values = {"spend_30d_yuan": "300", "shares_30d": 5, "max_complaints": 0}
    first = KocRules.model_validate(values)
    assert KocRules.model_validate({**values, "silent_share_days": 30}).hash == first.hash
    assert KocRules.model_validate({**values, "silent_share_days": 31}).hash != first.hash
    tiers = {"l1_days": 7, "l2_days": 15, "l3_days": 30}
    first_tiers = ChurnRules.model_validate(tiers)
    assert ChurnRules.model_validate({**tiers, "recall_days": 30}).hash == first_tiers.hash
    assert ChurnRules.model_validate({**tiers, "recall_days": 31}).hash != first_tiers.hash


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("metrics", "new_days: 30\nprice_sensitive_index: 1.0001\n", r"metrics\.yml:2 \[price_sensitive_index\]"),
        ("metrics", "quality_index: 1.25\n", r"metrics\.yml:1 .*quality_index 要小于"),
        ("metrics", "tags:\n  - {tag: a, when: {}}\n", r"metrics\.yml:2 \[tags\.0\.when\]"),
        (
            "metrics",
            "tags:\n  - {tag: a, when: {tag: x}}\n  - {tag: a, when: {tag: y}}\n",
            r"metrics\.yml:3 \[tags\.1\.tag\] a 重复",
        ),
        ("metrics", "tags:\n  - {tag: a, when: {metric: spend_30, op: '>', value: 1}}\n",
         r"metrics\.yml:2 \[tags\.0\.when\.metric\] .*spend_30d"),
        ("metrics", "tags:\n  - tag: a\n    when:\n      any:\n        - {tag: x}\n        - {segment: b}\n",
         r"metrics\.yml:6 \[tags\.0\.when\.any\.1\.segment\] .*不能用人群（b）"),
        ("metrics", "tags:\n  - {tag: 备孕, when: {tag: x}}\n", r"metrics\.yml:2 \[tags\.0\.tag\] .*不能推断"),
        ("metrics", "tags:\n  - {tag: a, when: {tag: 孕妇}}\n", r"metrics\.yml:2 \[tags\.0\.when\.tag\] .*不能推断"),
        ("metrics", "tags:\n  - {tag: a, when: {tag: x}}\n  - {tag: 找13800138000, when: {tag: x}}\n", r"metrics\.yml:3 \[tags\.1\.tag\] 这里不要写手机号"),
        ("metrics", "tags:\n  - tag: a\n    when:\n      not: {tag: 13800138000}\n",
         r"metrics\.yml:4 \[tags\.0\.when\.not\.tag\] 这里不要写手机号"),
        ("metrics", "tags:\n  - {tag: 新客, when: {tag: x}}\n", r"metrics\.yml:2 \[tags\.0\.tag\] .*自动打的标签"),
        ("metrics", "tags:\n  - {tag: 爱买菜, when: {tag: x}}\n", r"metrics\.yml:2 \[tags\.0\.tag\] .*自动打的标签"),
        ("metrics", "tags:\n  - {tag: a, when: {tag: x}}\n  - {tag: b, when: {not: {tag: c}}}\n  - {tag: c, when: {no_tag: b}}\n",
         r"metrics\.yml:3 \[tags\.1\.when\.not\] 标签互相引用：c → b → c"),
        ("ledger", "point_factor:\n  default: 0\n", r"ledger\.yml:1 \[point_factor\] .*大于 0"),
        ("ledger", "templates:\n  - {template_id: A, valid_hours: 1, valid_days: 1}\n", r"\[templates\.0\] .*只写一个"),
        ("commission", "koc:\n  level1_percent: 95.01\n", r"commission\.yml:1 \[koc\] 两级佣金合计"),
        ("commission", "koc:\n  level1_percent: 101\n", r"commission\.yml:2 \[koc\.level1_percent\]"),
        ("commission", "koc: {attribution: [friend]}\n", r"\[koc\.attribution\.0\]"),
        ("markdown", 'push_at: "17:00"\n', r"markdown\.yml:\d+ \[start_at\] 时间要依次为"),
        ("markdown", "left_ratio: 30\n", r"markdown\.yml:1 \[left_ratio\] 应当在 0 到 1 之间"),
        ("markdown", "price_factor: 5\n", r"markdown\.yml:1 \[price_factor\] .*不超过 1，例如五折写 0\.5"),
        ("markdown", "price_factor: 0\n", r"markdown\.yml:1 \[price_factor\] 应当大于 0"),
        ("markdown", "radius_km: 0\n", r"markdown\.yml:1 \[radius_km\] .*公里"),
        ("markdown", "usual_weeks: 4\ncampaign_id: nosuch\n",
         r"markdown\.yml:2 \[campaign_id\] .*没有 trigger 为 markdown 的活动 nosuch。可用：evening_markdown"),
        ("commission", "cashier:\n  scenes: [1, 9]\n", r"commission\.yml:2 \[cashier\.scenes\] 没有入群方式 9。可用：1 成员邀请"),
        ("commission", "cashier:\n  scenes: []\n", r"commission\.yml:2 \[cashier\.scenes\] 至少要有 1 项"),
        ("commission", "koc:\n  attribution: []\n", r"commission\.yml:2 \[koc\.attribution\] 至少要有 1 项"),
        ("identity", "max_wechat_accounts_per_phone: 1\nmax_cards_per_phone: 3\nuse_wecom_remark: true\npayer_min_tickets: 1\n"
         "health: {alarm_days: 3}\n", r"identity\.yml:5 \[health\] alarm_min_days 不能超过 alarm_days"),
        ("pairs", "min_lift: 0\n", r"pairs\.yml:1 \[min_lift\] 应当大于 0；1 是碰巧"),
        ("pairs", "min_support: 30\n", r"pairs\.yml:1 \[min_support\] 应当在 0 到 1 之间"),
        ("pairs", "min_lift: much\n", r"pairs\.yml:1 \[min_lift\] 'much' 不是最多 3 位小数的数"),
        ("churn", "l1_days: 7\nl2_days: 15\nl3_days: 30\nrecall_days: 0\n", r"churn\.yml:4 \[recall_days\]"),
        ("offers", "offers:\n  - {sku: a, category: b, from: 2026-11-01, to: 2026-11-02}\n", r"\[offers\.0\] .*其中一个"),
        ("offers", "offers:\n  - {sku: a, from: 2026-11-03, to: 2026-11-02}\n", r"offers\.yml:2 \[offers\.0\] to 早于"),
        ("offers", "offers:\n  - {sku: a, since: 2026-11-03}\n", r"\[offers\.0\.\w+\]"),
        ("offers", "offers:\n  - {sku: a, from: 2026-11-01, to: 2026-11-02, day: 1}\n", r"\[offers\.0\.day\].*from, .*to"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_file_line_and_key(
    tmp_path: Path, name: str, text: str, place: str
) -> None:
    with pytest.raises(ConfigError, match=place):
        load_rules(write(tmp_path, name, text))


def test_the_evening_needs_its_campaign_only_where_there_is_one(tmp_path: Path) -> None:
    write(tmp_path, "campaigns", "campaigns: []\n")
    assert load_rules(tmp_path).markdown.campaign_id == "evening_markdown"
    write(tmp_path, "markdown", "campaign_id: other\n")
    with pytest.raises(ConfigError, match=r"markdown\.yml:1 \[campaign_id\] .*请在 campaigns\.yml 里加一个"):
        load_rules(tmp_path)


NUMBER = "13912345678"


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("campaigns", f"campaigns:\n  - campaign_id: c1\n    text: 有事打 {NUMBER}\n", r"campaigns\.yml:3 \[campaigns\.0\.text\]"),
        ("campaigns", "campaigns:\n  - campaign_id: c1\n    text: >\n      有事打 139\n      12345678\n", r"campaigns\.yml:3 \[campaigns\.0\.text\]"),
        ("campaigns", "campaigns:\n  - campaign_id: c1\n    test_recipients: ['+86 139-1234-5678']\n",
         r"campaigns\.yml:3 \[campaigns\.0\.test_recipients\.0\]"),
        ("guards", f"# 试发给 {NUMBER}\n", r"guards\.yml:1"),
        ("ledger", f"point_factor:\n  {NUMBER}: 2\n", r"ledger\.yml:1 \[point_factor\]"),
        ("identity", f"placeholder_phones: ['13800138000']\n# 店里的 {NUMBER}\n", r"identity\.yml:2"),
        ("identity_decisions", f"# {NUMBER} 的本人说的\n", r"identity_decisions\.yml:1"),
    ],
)  # fmt: skip
def test_a_plain_number_is_refused_with_its_place(tmp_path: Path, name: str, text: str, place: str) -> None:
    with pytest.raises(ConfigError, match=rf"{place}.* 这里不要写手机号.*placeholder_phones") as refused:
        load_rules(write(tmp_path, name, text))
    assert NUMBER not in str(refused.value)


def test_placeholders_and_masked_numbers_may_stand_in_rules(tmp_path: Path) -> None:
    packaged = files("dagster_project").joinpath("templates/chain/rules/identity.yml").read_text("utf-8")
    listed = f"{packaged}# {NUMBER} 是占位号码\n".replace('["138', f'["{NUMBER}", "138')
    write(tmp_path, "identity", listed)
    write(tmp_path, "offers", "# 试发给 138****1234\n")
    assert NUMBER in load_rules(tmp_path).identity.placeholder_phones


def test_a_sku_may_look_like_a_number(tmp_path: Path) -> None:
    offer = "offers:\n  - {sku: %s, from: 2026-11-01, to: 2026-11-02}\n"
    assert load_rules(write(tmp_path, "offers", offer % NUMBER)).offers.offers[0].sku == NUMBER
    write(tmp_path, "offers", offer % NUMBER + "# 供应商 13812345678\n")
    with pytest.raises(ConfigError, match=r"offers\.yml:3"):
        load_rules(tmp_path)


CAMPAIGN = """campaigns:
  - campaign_id: c1
    name: 活动
    offer: {template_id: T, kind: cash_off, amount_yuan: 1, valid_hours: 1}
    holdout_percent: 10
    channels: [wecom]
    tag: 标签
    text: 您好
"""


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ("    trigger: segment\n", r"\[campaigns\.0\.segment\] trigger 为 segment 时必须写 segment"),
        ("    trigger: segment\n    segment: nobody\n", r"campaigns\.yml:10 .*没有人群包 nobody"),
        ("    trigger: markdown\n    segment: no_purchase_7d\n", r"campaigns\.yml:10 .*其他情况不写"),
        ("    trigger: churn_tier\n", r"\[campaigns\.0\.tier\]"),
        ("    trigger: after_order\n    once: every_days\n", r"\[campaigns\.0\.every_days\]"),
        ("    trigger: after_order\n    every_days: 7\n", r"campaigns\.yml:10 \[campaigns\.0\.every_days\]"),
    ],
)
def test_what_goes_with_a_trigger_stands_beside_it(tmp_path: Path, more: str, place: str) -> None:
    with pytest.raises(ConfigError, match=place):
        load_rules(write(tmp_path, "campaigns", CAMPAIGN + more))


def test_a_campaign_for_a_segment(tmp_path: Path) -> None:
    write(
        tmp_path,
        "campaigns",
        CAMPAIGN + "    trigger: segment\n    segment: no_purchase_7d\n    once: ever\n",
    )
    [campaign] = load_rules(tmp_path).campaigns
    assert (campaign.segment, campaign.once, campaign.every_days) == ("no_purchase_7d", "ever", None)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("trigger: after_order, channels: [groupbuy_coupon], text: 您好", "必须写 offer"),
        ("trigger: markdown, channels: [wecom], text: '{item}今晚半价'", "只能用于 after_order"),
        ("trigger: after_order, only: usual_item_on_offer, channels: [wecom], text: 您好", "only 只能和"),
    ],
)
def test_what_a_campaign_promises_it_has(tmp_path: Path, more: str, why: str) -> None:
    text = f"campaigns:\n  - {{campaign_id: c, name: n, holdout_percent: 0, tag: t, {more}}}\n"
    with pytest.raises(ConfigError, match=rf"campaigns\.yml:2 .*{why}"):
        load_rules(write(tmp_path, "campaigns", text))


def test_the_ready_campaigns_hold_when_they_are_switched_on(tmp_path: Path) -> None:
    """They stand in the packaged file behind a `#`; taking it away is all there is to do."""
    packaged = files("dagster_project").joinpath("templates/chain/rules/campaigns.yml").read_text("utf-8")
    lines = [line.removeprefix("#") if line.startswith("#  ") else line for line in packaged.splitlines()]
    before = {campaign.campaign_id: campaign.hash for campaign in load_rules(tmp_path).campaigns}
    after = {
        campaign.campaign_id: campaign
        for campaign in load_rules(write(tmp_path, "campaigns", "\n".join(lines))).campaigns
    }
    assert list(before) == ["churn_l2_coupon", "first_group_order", "evening_markdown"]
    assert {name: campaign.hash for name, campaign in after.items() if name in before} == before
    assert list(after)[3:] == [
        "churn_l1_usual_item",
        "churn_l3_call",
        "group_to_counter",
        "after_order_pairs",
    ]
    assert after["churn_l3_call"].channels == ("call",)
    assert after["after_order_pairs"].offer is None
