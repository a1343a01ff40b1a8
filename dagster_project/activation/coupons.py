"""The coupon list a person uploads to the group-buy system: a CSV for that system, and a JSON beside it.

A machine reads this file, so its cells are the values themselves, also where Excel would make a number of a card
number: the list is to be uploaded as it is. Only the masked phone, which is for people, starts with a tab.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from dagster_project.config import Campaign
from dagster_project.lake import write_atomically

# Header (the people who upload it read Chinese) → meaning, as the sidecar tells it.
COLUMNS = {
    "活动": "活动名称",
    "券模板": "团购系统里的券模板编号",
    "券码": "每人一码；同一个券码只发一次",
    "小程序appid": "openid 所属的小程序；空表示没有小程序账号，按券码或收银卡号发放",
    "openid": "发券对象在该小程序里的编号；离开 appid 没有意义",
    "收银卡号": "收银系统里的会员卡号，原样；空表示没有卡。它不是邻里会员号",
    "手机(脱敏)": "只用于人工核对，前面有一个制表符，导入时忽略这一列；空表示没有手机号",
    "面额(元)": "每张券抵扣的金额",
    "门槛(元)": "满多少可用，0 表示无门槛",
    "有效期起": "本地时间",
    "有效期止": "本地时间，过期作废",
    "原因": "为什么发给这个人",
    "幂等号": "推送台账里的 message_id；同号只发一次",
}
# No id of any system starts like this, yet Excel would run it as a formula.
_FORMULA = re.compile(r"[=+\-@]")


def coupon_path(exports: Path, campaign_id: str, business_date: date, name: str) -> Path:
    return exports / "coupons" / campaign_id / business_date.isoformat() / name


def coupon_csv(campaign: Campaign, instant: datetime, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The file's bytes; the same input gives the same bytes.

    Args:
        instant: when the coupon starts, naive local time.
        rows: message_id, coupon_code, appid, openid, card_no, phone_masked, lapse_key; any order.

    Raises:
        ValueError: the campaign has no offer.
    """
    offer = campaign.offer
    if offer is None:
        raise ValueError(f"campaign {campaign.campaign_id} gives no coupon")
    ends = instant + timedelta(hours=offer.valid_hours)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(
        [
            campaign.name,
            _safe(offer.template_id),
            _safe(row["coupon_code"]),
            _safe(row["appid"]),
            _safe(row["openid"]),
            _safe(row["card_no"]),
            f"\t{row['phone_masked']}" if row["phone_masked"] else "",
            yuan(offer.amount_fen),
            yuan(offer.threshold_fen),
            f"{instant:%Y-%m-%d %H:%M:%S}",
            f"{ends:%Y-%m-%d %H:%M:%S}",
            reason(campaign, row["lapse_key"]),
            _safe(row["message_id"]),
        ]
        for row in sorted(rows, key=lambda row: row["message_id"])
    )
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def write_coupon_file(path: Path, content: bytes, campaign: Campaign, rows: int) -> None:
    """Puts the list and its description in place; the list comes last, so a visible list is complete."""
    about = {
        "file": path.name,
        "campaign_id": campaign.campaign_id,
        "campaign": campaign.name,
        "encoding": "UTF-8 with BOM",
        "for": "供团购系统导入：除“手机(脱敏)”外都是原值。请直接上传，不要用 Excel 打开后另存，长数字会走样",
        "rows": rows,
        "sha256": hashlib.sha256(content).hexdigest(),
        "columns": COLUMNS,
    }
    text = json.dumps(about, ensure_ascii=False, indent=1) + "\n"
    write_atomically(path.with_suffix(".json"), lambda part: _write(part, text.encode()))
    write_atomically(path, lambda part: _write(part, content))


def file_hash(path: Path) -> str | None:
    """SHA-256 of a file, None when there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def reason(campaign: Campaign, lapse_key: str | None) -> str:
    """Why this person gets it, for the people who handle the list."""
    if campaign.trigger == "churn_tier":
        return f"流失分层 {campaign.tier}，上次消费 {(lapse_key or '').split('+')[0]}"
    if campaign.trigger == "segment":
        return f"人群包 {campaign.segment}"
    return {"markdown": "晚间折扣门店附近的常客", "after_order": "刚下过单"}.get(
        campaign.trigger, "已进店群，尚未拼团下单"
    )


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def _safe(value: str | None) -> str:
    text = value or ""
    return f"\t{text}" if _FORMULA.match(text) else text


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
