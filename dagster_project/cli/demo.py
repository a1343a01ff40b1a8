"""`linli demo`: a whole chain on this machine, from exports to pushed coupons."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import shutil
import sys
import time
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dagster_project.cli.run import show_night
from dagster_project.cli.sandbox import DEFAULT_PORT, free_port
from dagster_project.lang import tr

if TYPE_CHECKING:
    from rich.console import Console

    from dagster_project.activation import PushReport
    from dagster_project.orchestration.night import NightResult
    from dagster_project.publish import Publication
    from dagster_project.sandbox import Sandbox

_END = date(2026, 11, 21)
_SINGLE_NIGHTS = 3
_SECRET = "demo"
_STAMP = "demo.json"


@click.command("demo")
@click.option("--persons", type=click.IntRange(min=50), help="人数；给了它就改用合成数据，不给则用真实购物篮")
@click.option("--stores", type=click.IntRange(1, 500), default=6, show_default=True, help="门店数")
@click.option("--days", type=click.IntRange(min=10), default=120, show_default=True, help="天数")
@click.option("--seed", type=int, default=7, show_default=True, help="随机种子，相同则结果相同")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("data/demo"), show_default=True
)
def demo(persons: int | None, stores: int, days: int, seed: int, out: Path) -> None:
    """生成演示连锁，逐夜跑完整条链路，向沙箱推券，写报表。可以反复运行。

    \b
    例：linli demo
        linli demo --persons 20000 --stores 20 --days 60 --out data/big
    """
    from rich.console import Console

    console = Console(highlight=False)
    began = time.monotonic()
    asked = {"persons": persons, "stores": stores, "days": days, "seed": seed}
    is_set = "WECOM_SECRET" in os.environ
    os.environ.setdefault("WECOM_SECRET", _SECRET)
    _make_chain(console, out, asked)
    nights, pushes = _run_chain(console, out, days)
    if not all(night.success for night in nights):
        for night in nights:
            show_night(night)
        sys.exit(1)
    _report(console, out, nights, pushes, time.monotonic() - began)
    console.print(
        tr(
            "\n接着试（沙箱留在后台，kill %1 停止）：",
            "\nGo on (the sandbox stays in the background; kill %1 stops it):",
        )
    )
    for line in next_steps(out, is_set):
        console.print(f"  {line}", soft_wrap=True)


def next_steps(out: Path, is_set: bool) -> list[str]:
    """Commands that work on the finished demo as they stand. `is_set`: the caller's shell has a WECOM_SECRET."""
    chain = shlex.quote(str(out))
    morning = _END + timedelta(days=1)
    commands = [
        f'linli sandbox --chain {chain} --at "{morning} 10:30" &',
        f"linli push --chain {chain} --date {_END}",
        f"linli run --chain {chain} --date {_END}",
    ]
    return commands if is_set else [f"export WECOM_SECRET={_SECRET}", *commands]


def _make_chain(console: Console, out: Path, asked: dict[str, int | None]) -> None:
    """Writes the simulated exports, unless the folder already holds exactly these."""
    from dagster_project.simulator import simulate

    stamp = out / "sandbox" / _STAMP
    wanted = json.dumps(asked, sort_keys=True)
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        console.print(tr(f"① 演示连锁已在 {out}，直接复用", f"① using the demo chain in {out}"))
        return
    if out.exists() and any(out.iterdir()):
        if not (out / "truth").is_dir():
            raise click.UsageError(
                tr(f"{out} 不是演示文件夹，换一个 --out", f"{out} is no demo folder; choose another --out")
            )
        shutil.rmtree(out)
    source = tr("合成购物篮", "synthetic baskets") if asked["persons"] else tr("真实购物篮", "real baskets")
    console.print(tr(f"① 生成演示连锁（{source}）→ {out}", f"① making the demo chain ({source}) → {out}"))
    with console.status("…") as status:
        summary = simulate(
            out,
            basis="synthetic" if asked["persons"] else "real",
            persons=asked["persons"],
            stores=asked["stores"] or 1,
            days=asked["days"] or 1,
            seed=asked["seed"] or 0,
            end=_END,
            events=False,
            progress=lambda text: status.update(f"  {text}"),
        )
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted, encoding="utf-8")
    console.print(f"   {summary.describe()}")


def _run_chain(console: Console, out: Path, days: int) -> tuple[list[NightResult], list[PushReport]]:
    """History as one ranged run, then the last nights one by one, pushing after each; the sandbox clock goes along."""
    from dagster_project.activation import push
    from dagster_project.config import load_chain
    from dagster_project.orchestration.build import build_definitions
    from dagster_project.orchestration.night import run_nights
    from dagster_project.orchestration.push import refresh_feedback
    from dagster_project.sandbox import running_sandbox

    first = _END - timedelta(days=days - 1)
    single = [_END - timedelta(days=offset) for offset in reversed(range(min(_SINGLE_NIGHTS, days - 1)))]
    spans = [(first, single[0] - timedelta(days=1)), *((night, night) for night in single)]
    nights: list[NightResult] = []
    pushes: list[PushReport] = []
    with ExitStack() as stack:
        sandbox = stack.enter_context(
            running_sandbox(
                out / "sandbox" / "wecom_world.json", port=free_port(), secret=os.environ["WECOM_SECRET"]
            )
        )
        if sandbox.port != DEFAULT_PORT:
            console.print(
                tr(
                    f"   端口 {DEFAULT_PORT} 已被占用，企业微信沙箱改用 {sandbox.port}（已写进 chain.yml）",
                    f"   port {DEFAULT_PORT} is taken: the WeCom sandbox uses {sandbox.port}, as chain.yml now says",
                )
            )
        _point_to(out / "chain.yml", sandbox.base_url)
        chain = load_chain(out)
        definitions = build_definitions(out)
        for number, (start, end) in enumerate(spans):
            label = f"{start} … {end}" if start != end else f"{end}"
            console.print(
                tr(
                    f"② 第 {number + 1}/{len(spans)} 次夜间作业：{label}",
                    f"② nightly run {number + 1}/{len(spans)}: {label}",
                )
            )
            if end == _END:
                _show_afternoon(console, out, end, sandbox)
            # the exports of a night are collected at 02:00 of the next day
            sandbox.set_clock(
                datetime.combine(end + timedelta(days=1), datetime.min.time()) + timedelta(hours=2)
            )
            with console.status("…") as status:
                night = run_nights(
                    out, start, end, definitions=definitions, progress=lambda text: status.update(f"  {text}")
                )
            nights.append(night)
            console.print(f"   {_stages(night)}")
            for warning in night.warnings:
                console.print(f"   [yellow]! {warning}[/yellow]", markup=True)
            if not night.success:
                break
            sandbox.set_clock(
                datetime.combine(end + timedelta(days=1), datetime.min.time())
                + timedelta(hours=10, minutes=30)
            )
            report = push(chain, end, live=True, at=None)
            pushes.append(report)
            console.print(tr(f"③ 推送：{report.summary()}", f"③ push: {report.summary()}"))
        refresh_feedback(chain)
    return nights, pushes


def _show_afternoon(console: Console, out: Path, day: date, sandbox: Sandbox) -> None:
    """The evening markdown of a day, as its 16:05 decides it; once the night is published there is no afternoon left."""
    from dagster_project.config import load_chain
    from dagster_project.orchestration.markdown import run_evening
    from dagster_project.publish import last_published_as_of

    published = last_published_as_of(load_chain(out).paths)
    if published is None or published >= day:
        return
    sandbox.set_clock(datetime.combine(day, datetime.min.time()) + timedelta(hours=16, minutes=30))
    with console.status("…") as status:
        evening = run_evening(out, day, live=True, progress=lambda text: status.update(f"  {text}"))
    goods, shops = sum(evening.shops.values()), len(evening.shops)
    console.print(
        tr(
            f"② {day} 下午盘点：{shops} 家门店 {goods} 种商品晚间折扣，附近常客 {evening.audience} 人",
            f"② afternoon of {day}: {goods} products of {shops} shops marked down, {evening.audience} near and often here",
        )
    )


def _point_to(path: Path, base_url: str) -> None:
    """Writes the sandbox's address into chain.yml: the usual port may be taken on this machine."""
    text = path.read_text("utf-8")
    changed = re.sub(r"http://127\.0\.0\.1:\d+", base_url, text)
    if changed != text:
        path.write_text(changed, "utf-8")


def _stage_name(stage: str) -> str:
    """What a stage of a nightly run is called for people."""
    names = {
        "land": tr("入仓", "land"),
        "check": tr("检查", "check"),
        "raw": tr("准备", "prepare"),
        "dbt": tr("建模", "model"),
        "publish": tr("发布", "publish"),
        "report": tr("报表", "reports"),
    }
    return names.get(stage, stage)


def _stages(night: NightResult) -> str:
    parts = [f"{_stage_name(stage)} {seconds:.1f}s" for stage, seconds in night.seconds.items()]
    return f"{night.total_seconds:.1f}s（{' · '.join(parts)}）"


def _report(
    console: Console, out: Path, nights: list[NightResult], pushes: list[PushReport], seconds: float
) -> None:
    """What happened and which files to open, with the figures that the README quotes."""
    from rich.table import Table

    from dagster_project.cli.score import score_chain
    from dagster_project.config import load_chain
    from dagster_project.publish import current_publication

    publication = current_publication(load_chain(out).paths)
    assert publication is not None
    score = score_chain(out, out / "truth" / "records.csv")
    figures = Table(title=tr("演示结果", "What the demo shows"), show_header=False)
    for label, value in _figures(publication, score):
        figures.add_row(label, value)
    stages = sorted({stage for night in nights for stage in night.seconds}, key=list(nights[0].seconds).index)
    timing = Table(title=tr("每次夜间作业用时（秒）", "Seconds per nightly run, by stage"))
    timing.add_column(tr("截至", "as of"))
    for stage in [*stages, tr("合计", "total")]:
        timing.add_column(_stage_name(stage), justify="right")
    for night in nights:
        row = [f"{night.seconds.get(stage, 0):.1f}" for stage in stages]
        timing.add_row(f"{night.start} … {night.end}" if night.start != night.end else str(night.end), *row,
                       f"{night.total_seconds:.1f}")  # fmt: skip
    console.print(figures)
    console.print(timing)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(
        tr(
            f"总用时 {seconds:.0f} 秒；内存峰值 {peak:.0f} MB",
            f"{seconds:.0f} s in all; peak memory {peak:.0f} MB",
        )
    )
    sent = sum(sum(report.effects.values()) for report in pushes)
    console.print(
        tr(
            f"本次推送动作 {sent} 个（重复运行不会重复发送）",
            f"{sent} push actions this time; running again sends nothing twice",
        )
    )
    console.print(tr("\n打开看看：", "\nOpen:"))
    for path, text in (
        (out / "reports" / "index.html", tr("总部日报（手机也能看）", "head office report")),
        (out / "reports" / "stores", tr("各店店长日报", "one page per shop")),
        (out / "exports" / "segments", tr("人群包 CSV（Excel 可直接打开）", "segment CSVs")),
        (out / "exports" / "coupons", tr("给团购 SaaS 导入的券名单", "coupon lists for the group-buy SaaS")),
        (out / "published" / "current", tr("发布的数据集（Parquet）", "the publication (Parquet)")),
    ):
        console.print(f"  {path}  {text}")
    console.print(
        tr("Dagster 界面：make dev → http://127.0.0.1:3000", "Dagster's UI: make dev → http://127.0.0.1:3000")
    )


def _figures(publication: Publication, score: dict[str, Any]) -> list[tuple[str, str]]:
    """What is in the publication, as (label, value)."""
    import duckdb

    with duckdb.connect() as connection:

        def one(query: str) -> tuple[Any, ...]:
            return connection.execute(query).fetchall()[0]

        orders, lines = publication.sql("orders"), publication.sql("order_lines")
        members, night = publication.sql("members"), publication.as_of
        shares = one(
            f"select avg((member_id is not null)::int) filter (is_purchase),"
            f" avg((member_id is not null)::int) filter (is_purchase and channel = 'pos'),"
            f" count(*) filter (is_purchase) from {orders}"
        )
        own = one(
            f"select avg((basis in ('member_ref', 'pos_member'))::int) from {publication.sql('record_members')}"
            " where feed = 'tickets'"
        )
        # has_pos and has_groupbuy tell of any record; buying is counted in the night's metrics
        people = one(
            "select count(*), count(*) filter (pos_orders_total > 0 and groupbuy_orders_total > 0)"
            f" from {members} left join (select * from {publication.sql('member_metrics')}"
            f" where as_of_date = date '{night}') using (member_id)"
        )
        tiers = dict(
            connection.execute(
                f"select tier, count(*) from {publication.sql('churn_tiers')} where as_of_date = ? group by tier",
                [night],
            ).fetchall()
        )
        sold = one(f"select count(*) from {lines}")
    return [
        (tr("订单 / 商品行", "orders / lines"), f"{shares[2]:,} / {sold[0]:,}"),
        (tr("会员（柜台和团购都买）", "members (both channels)"), f"{people[0]:,}（{people[1]:,}）"),
        (tr("订单识别率", "identified share of orders"), f"{shares[0]:.1%}"),
        (tr("其中柜台", "of which at the counter"), f"{shares[1]:.1%}"),
        (tr("只看会员卡时的柜台识别率", "counter, by member card alone"), f"{own[0]:.1%}"),
        (tr("识别质量（对照真值）", "identity against the truth"), _score_text(score)),
        (
            tr("流失分层", "churn tiers"),
            "  ".join(
                f"{name} {tiers.get(tier, 0):,}"
                for tier, name in (("active", tr("活跃", "active")), ("L1", "L1"), ("L2", "L2"), ("L3", "L3"))
            ),
        ),
    ]


def _score_text(score: dict[str, Any]) -> str:
    pair, cubed = score["pairwise"], score["b_cubed"]
    return tr(
        f"成对 P {pair['precision']:.4f} R {pair['recall']:.4f} F1 {pair['f1']:.4f}；"
        f"B³ P {cubed['precision']:.4f} R {cubed['recall']:.4f} F1 {cubed['f1']:.4f}；混入他人的会员 {score['mixed_share']:.2%}",
        f"pairs P {pair['precision']:.4f} R {pair['recall']:.4f} F1 {pair['f1']:.4f};"
        f" B³ P {cubed['precision']:.4f} R {cubed['recall']:.4f} F1 {cubed['f1']:.4f}; mixed members {score['mixed_share']:.2%}",
    )
