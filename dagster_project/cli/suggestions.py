"""`linli suggestions`: pairs of members who may be one person, and what somebody decides of them."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import click

from dagster_project.cli.options import chain_option
from dagster_project.cli.words import channels
from dagster_project.config import Chain
from dagster_project.lang import tr

_LIST_ITEM = re.compile(r"^( *)- ", re.MULTILINE)
_PAIRS = """
select
    s.suggestion_id, s.match_probability, s.reasons, s.decision, s.record_a, s.record_b,
    a.phone_masked, a.home_store_code, a.last_purchase_on, a.has_pos, a.has_groupbuy, a.has_wecom,
    b.phone_masked, b.home_store_code, b.last_purchase_on, b.has_pos, b.has_groupbuy, b.has_wecom
from suggestions as s
inner join members as a on s.member_id_a = a.member_id
inner join members as b on s.member_id_b = b.member_id
order by s.match_probability desc, s.suggestion_id
"""


class _Decided(NamedTuple):
    """One entry of the decisions file."""

    decision: str
    records: tuple[str, str]
    since: date
    by: str | None
    why: str | None

    def lines(self) -> list[str]:
        # a JSON text is a YAML text in double quotes, whatever is in it
        told = [("by", self.by), ("why", self.why)]
        return [
            f"- {self.decision}: {json.dumps(self.records, ensure_ascii=False)}",
            f"  since: {self.since}",
            *(f"  {key}: {json.dumps(text, ensure_ascii=False)}" for key, text in told if text),
        ]


@click.command("suggestions")
@chain_option
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="最多列几对")
@click.option("--accept", metavar="ID", help="这一对是同一个人")
@click.option("--reject", metavar="ID", help="这一对是两个人")
@click.option("--by", help="谁决定的")
@click.option("--why", help="为什么")
def suggestions(
    chain: Path, limit: int, accept: str | None, reject: str | None, by: str | None, why: str | None
) -> None:
    """列出可能是同一个人的成对会员；裁定写进 rules/identity_decisions.yml。

    只是建议，不会自动合并；裁定从下一晚起生效。需要先装好 Splink：pip install "splink>=5.0,<5.1"

    \b
    例：linli suggestions --chain data/demo --limit 5
        linli suggestions --chain data/demo --accept 3f9c2a71b04e --by 店长A --why 本人确认
    """
    from dagster_project.config import load_chain
    from dagster_project.reports.decisions import waiting_decisions

    loaded = load_chain(chain, resolve_secrets=False)
    pairs = _pairs(loaded)
    if accept and reject:
        raise click.UsageError(tr("--accept 和 --reject 只能写一个", "say either --accept or --reject"))
    chosen = accept or reject
    if chosen:
        pair = next((pair for pair in pairs if pair["id"] == chosen), None)
        if pair is None:
            raise click.UsageError(
                tr(f"最近一次发布里没有建议 {chosen}", f"the last publication has no suggestion {chosen}")
            )
        # members that were published change by an event of the night that follows, with a redirect for whose id ends
        since = _published_night(loaded) + timedelta(days=1)
        decided = _Decided("same" if accept else "different", pair["records"], since, by, why)
        line = _append(loaded, decided)
        click.echo(
            tr(
                f"已写入 {line}，从 {since} 那一晚起生效",
                f"written to {line}; it holds from the night of {since}",
            )
        )
        return
    # what was decided since the last night is in the file only
    decisions = loaded.rules.identity_decisions
    waiting = [
        pair
        for pair in pairs
        if pair["decision"] is None and not any(known.is_about(pair["records"]) for known in decisions)
    ]
    _show(waiting, limit)
    for note in waiting_decisions(loaded):
        click.secho(tr(f"  ! 提示：{note}", f"  ! note: {note}"), fg="yellow")


def _published_night(chain: Chain) -> date:
    from dagster_project.publish import current_publication

    publication = current_publication(chain.paths)
    assert publication is not None, "its suggestions were read"
    return publication.as_of


def _pairs(chain: Chain) -> list[dict[str, Any]]:
    """All pairs of the current publication, the likeliest first."""
    import duckdb

    from dagster_project.publish import read_current

    with duckdb.connect() as con:
        read_current(chain.paths, "identity_suggestions", con).create_view("suggestions")
        read_current(chain.paths, "members", con).create_view("members")
        rows = con.execute(_PAIRS).fetchall()
    return [
        {"id": row[0], "probability": row[1], "reasons": row[2].split(","), "decision": row[3],
         "records": (row[4], row[5]), "people": (row[6:12], row[12:18])}
        for row in rows
    ]  # fmt: skip


def _show(pairs: list[dict[str, Any]], limit: int) -> None:
    if not pairs:
        click.echo(tr("没有等待裁定的建议", "no suggestion waits for a decision"))
        if find_spec("splink") is None:
            click.echo(
                tr(
                    '没有安装 Splink：pip install "splink>=5.0,<5.1"',
                    'Splink is missing: pip install "splink>=5.0,<5.1"',
                )
            )
        return
    words = _words()
    for pair in pairs[:limit]:
        reasons = tr("、", ", ").join(words[code] for code in pair["reasons"])
        click.echo(f"{pair['id']}  {pair['probability']:.1%}  {reasons}")
        for record, person in zip(pair["records"], pair["people"], strict=True):
            click.echo(f"    {_person(*person)}  {record}")
    if len(pairs) > limit:
        click.echo(
            tr(
                f"另有 {len(pairs) - limit:,} 对，--limit 可多列",
                f"{len(pairs) - limit:,} more; --limit shows them",
            )
        )


def _person(
    phone: str | None, store: str | None, last: Any, has_pos: bool, has_groupbuy: bool, has_wecom: bool
) -> str:
    bought = tr(f"最近消费 {last}", f"last bought {last}") if last else tr("没有消费", "never bought")
    return "  ".join(
        [
            phone or tr("无手机号", "no phone"),
            store or "–",
            channels(has_pos, has_groupbuy, has_wecom),
            bought,
        ]
    )


def _words() -> dict[str, str]:
    return {
        "masked_phone": tr("打码手机号对得上", "masked phone fits"),
        "receiver_phone": tr("一方的收货电话是另一方的手机号", "one's receiver phone is the other's phone"),
        "same_receiver": tr("收货电话相同", "same receiver phone"),
        "shared_phone": tr("共用手机号", "shared phone"),
        "rare_name": tr("同名（少见）", "same name (rare)"),
        "uncommon_name": tr("同名（不常见）", "same name (uncommon)"),
        "common_name": tr("同名（常见）", "same name (common)"),
        "same_unionid": tr("unionid 相同", "same unionid"),
        "same_store": tr("同一门店", "same shop"),
        "same_community": tr("同一小区", "same community"),
        "same_hours": tr("购物时段相同", "same shopping hours"),
        "same_items": tr("常买同样的商品", "same usual items"),
    }


def _append(chain: Chain, decided: _Decided) -> str:
    """Adds one entry to the end of the decisions file, all of it else untouched; returns `file:line`.

    Raises click.UsageError when the pair is decided already or a text holds a phone number.
    """
    from dagster_project.config import DECISIONS_FILE, ConfigError, read_decisions
    from dagster_project.lake import write_atomically
    from dagster_project.privacy import mask_text

    path = chain.root / "rules" / DECISIONS_FILE
    if any(mask_text(text) != text for text in (decided.by, decided.why) if text):
        raise click.UsageError(tr("--by、--why 里不要写手机号", "no phone number in --by or --why"))
    for known in chain.rules.identity_decisions:
        if known.is_about(decided.records):
            place = f"{path}:{known.line}"
            raise click.UsageError(
                tr(
                    f"{place} 已经裁定过这一对，要改请改那一行",
                    f"{place} has decided this pair; change it there",
                )
            )
    old = path.read_bytes().decode("utf-8") if path.exists() else ""
    new, line = _with_entry(old, decided)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / path.name
        trial.write_bytes(new.encode())
        try:
            fits = len(read_decisions(trial)) == len(chain.rules.identity_decisions) + 1
        except ConfigError:
            fits = False
    if not fits:
        raise click.ClickException(
            tr(
                f"{path} 的写法接不上新的一项，请手工加：\n",
                f"an entry cannot be appended to {path}, add it by hand:\n",
            )
            + "\n".join(decided.lines())
        )

    def write(part: Path) -> None:
        part.write_bytes(new.encode())
        if path.exists():
            shutil.copymode(path, part)

    write_atomically(path, write)
    return f"{path}:{line}"


def _with_entry(old: str, decided: _Decided) -> tuple[str, int]:
    """The file's new text in its own line ends and indentation, and the line at which the entry begins."""
    end = "\r\n" if "\r\n" in old else "\n"
    first = _LIST_ITEM.search(old)
    indent = first.group(1) if first else ""
    if old and not old.endswith("\n"):
        old += end
    lines = [indent + line for line in decided.lines()]
    return old + "".join(line + end for line in lines), old.count("\n") + 1
