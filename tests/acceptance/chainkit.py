"""Makes the acceptance chain on disk and calls the command line as a user would."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

from tests.acceptance.wecom_stub import CORP, SECRET
from tests.acceptance.world import CHAIN_CUTOVER, STORES, World

KEY = base64.b64encode(bytes(range(32))).decode()


def environment(**more: str | None) -> dict[str, str]:
    """What the shell of a chain's server would export; None takes a variable away."""
    keep = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("LINLI", "DAGSTER", "DBT", "WECOM", "PYTEST"))
    }
    wanted = keep | {"LINLI_KEY": KEY, "HARBOUR_SECRET": SECRET, "SMS_KEY": "none", "SMS_SECRET": "none",
                   "PYTHONDONTWRITEBYTECODE": "1"} | more  # fmt: skip
    return {name: value for name, value in wanted.items() if value is not None}


def write_config(root: Path, base_url: str) -> None:
    """chain.yml, stores.csv and one rule file of our own; every other rule keeps its default."""
    connection = f'base_url: "{base_url}", corp_id: {CORP}, secret: "${{HARBOUR_SECRET}}"'
    (root / "chain.yml").write_text(f"""\
chain: {{code: harbour, name: 海湾生鲜, timezone: Asia/Shanghai, business_day_cutover: "{CHAIN_CUTOVER}"}}
connections:
  - {{name: till_east, preset: standard_pos}}
  - {{name: till_west, preset: standard_pos}}
  - {{name: group_wx, preset: standard_groupbuy}}
  - {{name: group_mini, preset: standard_groupbuy}}
  - {{name: crm, preset: wecom_api, {connection}}}
targets:
  - {{name: crm_out, kind: wecom, {connection}}}
  - {{name: coupon_list, kind: groupbuy_file}}
  - {{name: sms, kind: aliyun_sms, endpoint: "http://127.0.0.1:9", access_key_id: "${{SMS_KEY}}", access_key_secret: "${{SMS_SECRET}}", sign_name: 海湾}}
""")
    lines = [
        "store_code,store_name,lng,lat,opened_on,business_day_cutover,manager_wecom_userid,wecom_department"
    ]
    lines += [f"{code},海湾{code}店,121.4{n},31.2{n},2024-01-0{n + 1},{cut},mgr_{code.lower()},"
              for n, (code, cut) in enumerate(STORES.items())]  # fmt: skip
    (root / "stores.csv").write_text("\n".join(lines) + "\n")
    rules = root / "rules"
    rules.mkdir(exist_ok=True)
    (rules / "campaigns.yml").write_text("""\
campaigns:
  - campaign_id: lapse_l2
    name: 半月未到店
    trigger: churn_tier
    tier: L2
    offer: {template_id: L2_50_8, kind: cash_off, amount_yuan: 8, threshold_yuan: 50, valid_hours: 24}
    holdout_percent: 30
    channels: [wecom, groupbuy_coupon]
    tag: 半月未到店
    text: 好久不见，送您满50减8元券。回复“退订”不再接收。
    send_at: "10:00"
  - campaign_id: first_order
    name: 首单立减
    trigger: potential_group_buyer
    offer: {template_id: FIRST, kind: first_order_price, amount_yuan: 5, threshold_yuan: 0, valid_hours: 72}
    holdout_percent: 30
    channels: [wecom, groupbuy_coupon]
    tag: 首单立减
    text: 欢迎进群，首单立减5元。回复“退订”不再接收。
    send_at: "10:30"
""")


def new_chain(root: Path, world: World, base_url: str) -> Path:
    root.mkdir(parents=True)
    world.write_landing(root / "landing")
    write_config(root, base_url)
    return root


def point_to(root: Path, old: str, new: str) -> None:
    """Moves the chain's WeCom to another address."""
    path = root / "chain.yml"
    path.write_text(path.read_text().replace(old, new))


def linli_argv(*args: str | Path) -> list[str]:
    return [sys.executable, "-c", "from dagster_project.cli.main import main; main()", *map(str, args)]


def linli(*args: str | Path, **env: str | None) -> subprocess.CompletedProcess[str]:
    """Runs one command and waits; the output is text."""
    return subprocess.run(
        linli_argv(*args), env=environment(**env), capture_output=True, text=True, check=False
    )


def run(
    root: Path, night: date, to: date | None = None, *more: str, **env: str | None
) -> subprocess.CompletedProcess[str]:
    span = (
        ["--date", night.isoformat()] if to is None else ["--from", night.isoformat(), "--to", to.isoformat()]
    )
    return linli("run", "--chain", root, *span, *more, **env)


def copy_chain(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, symlinks=True)
    return target


def tree(folder: Path) -> dict[str, str]:
    """Relative path → digest of every file below; links by where they point."""
    out = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            out[str(path.relative_to(folder))] = f"-> {path.readlink()}"
        elif path.is_file():
            out[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return out
