"""`linli segment preview`: what it says of a small publication, and that it only reads."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from dagster_project.cli.segment import segment as command
from dagster_project.config import load_chain
from dagster_project.lake.candidates import CANDIDATES
from dagster_project.publish import PublicationContext, publish, published_tables
from dagster_project.publish.tables import TableSpec
from dagster_project.reports.segment_preview import preview_segments
from dagster_project.segments import METRICS, REGISTRY

NIGHT = date(2026, 11, 20)
AUDIT = """
create schema audit; create schema ops; create table ops.run_context as select date '2026-11-20' as as_of_date;
create table audit.members as select * from (values
    ('ma', '138****8000', 'S001', date '2026-11-20', 'Y', true, true),
    ('mb', '139****0000', 'S001', date '2026-11-10', 'Y', false, false),
    ('mc', null, 'S002', date '2026-09-01', 'N', true, false),
    ('md', null, null, null, null, false, true)
) as m(member_id, phone_masked, home_store_code, last_purchase_on, consent_marketing, has_wecom, has_groupbuy);
create table audit.member_metrics as select date '2026-11-20' as as_of_date, * from (values
    ('ma', 50001::bigint, 0, date '2026-11-01'), ('mb', 50000::bigint, 10, null), ('mc', 0::bigint, 80, date '2026-11-20'),
    ('md', 0::bigint, null, null)
) as m(member_id, spend_30d_fen, days_since_purchase, joined_group_on);
create table audit.orders as select *, spend_fen as net_fen, ordered_at::date as business_date, true as is_purchase, null::varchar as leader_id from (values
    ('o1', 'ma', 'pos', 'S001', timestamp '2026-11-20 09:00:00', 50001::bigint),
    ('o2', 'mb', 'groupbuy', 'S001', timestamp '2026-11-10 18:00:00', 50000::bigint),
    ('o3', 'mc', 'pos', 'S002', timestamp '2026-09-01 09:00:00', 900::bigint),
    ('o4', 'md', 'pos', 'S002', timestamp '2026-11-21 09:00:00', 900::bigint)
) as o(order_key, member_id, channel, store_code, ordered_at, spend_fen);
create table audit.order_lines as select *, 1.0::double as qty, item_name as sku, '生鲜' as category_l1 from (values
    ('o1', '1', date '2026-11-20', '肋排', '猪肉', 50001::bigint, 0::bigint),
    ('o2', '1', date '2026-11-10', '肋排', '猪肉', 50000::bigint, 50000::bigint),
    ('o3', '1', date '2026-09-01', '肋排', '猪肉', 900::bigint, 0::bigint),
    ('o4', '1', date '2026-11-21', '肋排', '猪肉', 900::bigint, 0::bigint)
) as l(order_key, line_no, business_date, item_name, category, amount_fen, refunded_fen);
create table audit.segments as select 'rich' as segment_id, '富' as name, 'abc' as definition_hash;
create table audit.segment_members as select * from (values
    (date '2026-11-20', 'rich', 'ma', 'spend_30d > 500'), (date '2026-11-20', 'rich', 'mb', 'spend_30d > 500'),
    (date '2026-11-20', 'gone', 'ma', 'x')
) as s(as_of_date, segment_id, member_id, reason);
"""
FILE = """segments:
  - segment_id: rich
    name: 富
    all:
      - {metric: spend_30d, op: ">", value: 500}
  - segment_id: pork
    name: 买猪肉的
    all:
      - {metric: home_store_code, op: known}
      - {event: purchase, where: {category: 猪肉}, count: ">= 1"}
      - {event: purchase, did: true, within_days: 30, where: {store: [S001, S999]}}
  - segment_id: nobody
    name: 没有人
    all:
      - {segment: rich}
      - {no_segment: pork}
"""


def _publish(root: Path, audit: str, *more: TableSpec) -> None:
    """Publishes schema audit; `more`: tables that are not listed yet."""
    paths = load_chain(root, resolve_secrets=False).paths
    with duckdb.connect(str(paths.warehouse)) as con:
        con.execute(audit)
        columns = ", ".join(f"null::varchar {c.name}" for c in CANDIDATES if c.name != "business_date")
        con.execute(
            f"create table audit.campaign_candidates as select null::date business_date, {columns} where false"
        )
        rows = con.execute(
            "select table_name from information_schema.tables where table_schema = 'audit'"
        ).fetchall()
        known = {spec.name: spec for spec in (*more, *published_tables())}
        tables = [known[name] for (name,) in sorted(rows)]
        publish(con, paths, as_of=NIGHT, context=PublicationContext(), tables=tables)


@pytest.fixture
def published(chain_dir: Path) -> Path:
    _publish(chain_dir, AUDIT)
    (chain_dir / "mine.yml").write_text(FILE, "utf-8")
    return chain_dir


def call(root: Path, *options: str) -> Result:
    return CliRunner().invoke(command, ["preview", str(root / "mine.yml"), "--chain", str(root), *options])


def test_sizes_overlaps_and_funnels(published: Path) -> None:
    chain = load_chain(published, resolve_secrets=False)
    found = preview_segments(chain, published / "mine.yml")
    rich, pork, nobody = found.segments
    assert (found.as_of, found.members) == (NIGHT, 4)
    assert (rich.size, rich.before, rich.consenting, rich.reachable) == (1, 2, 1, 1)
    # what was refunded is no pork, what is of tomorrow is nothing
    assert (pork.size, pork.before) == (1, None)
    assert [left for _, left in pork.funnel] == [3, 2, 1]
    assert dict(rich.overlaps)["pork"] == 1 and dict(rich.overlaps)["gone"] == 1
    assert (nobody.size, nobody.examples) == (0, ())
    [example] = rich.examples
    assert (example.member_id, example.phone_masked, example.home_store_code) == ("ma", "138****8000", "S001")
    assert [(metric.name, value) for metric, value in example.values] == [("spend_30d", 50001)]
    assert ["mine.yml:11" in warning and "S999" in warning for warning in found.warnings].count(True) == 1


def test_the_page_in_both_languages_and_nothing_is_written(published: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in published.rglob("*")}
    told = call(published, "--id", "rich", "--limit", "1")
    assert told.exit_code == 0, told.output
    assert "1 人，占 25.0%，上次发布 2" in told.output and "138****8000" in told.output
    assert "近30天消费 500.01 元" in told.output and "pork" in told.output and "买猪肉的" not in told.output
    assert before == {path: path.stat().st_mtime_ns for path in published.rglob("*")}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("spend_30d, op", "spend_30, op", "mine.yml:5 [segments.0.all.0.metric]"),
        ("home_store_code, op: known", "lifecycle, op: known", "mine.yml:9 [segments.1.all.0] 还没有指标 lifecycle 的数据"),
        ("{segment: rich}", "{event: share, did: true}", "mine.yml:15 [segments.2.all.0] 还没有这种数据：engagements"),
        ("{segment: rich}", "{segment: rihc}", "没有人群 'rihc'。是不是：rich。有：never_bought_cooked, no"),
    ],
)  # fmt: skip
def test_what_is_wrong_or_not_there_is_told_with_its_line(
    published: Path, old: str, new: str, problem: str
) -> None:
    (published / "mine.yml").write_text(FILE.replace(old, new), "utf-8")
    told = call(published)
    assert told.exit_code == 1 and problem in told.output, told.output


def test_a_home_shop_that_does_not_exist_is_told(published: Path) -> None:
    asked = '{metric: home_store_code, op: "=", value: S999}'
    other = "{metric: home_store_code, op: in, value: [S001, S998]}"
    old = "{metric: home_store_code, op: known}"
    (published / "mine.yml").write_text(FILE.replace(old, f"{asked}\n      - {other}"), "utf-8")
    told = call(published).output
    assert "mine.yml:9 [segments.1.all.0.value] stores.csv 里没有门店 S999" in told, told
    assert (
        "mine.yml:10 [segments.1.all.1.value] stores.csv 里没有门店 S998" in told and "门店 S001" not in told
    )


def test_an_unknown_id_names_the_nearest(published: Path) -> None:
    told = call(published, "--id", "prok")
    assert told.exit_code == 1 and "没有人群 'prok'。是不是：pork。有：nobody, pork, rich" in told.output
    told = call(published, "--id", "zzz")
    assert told.exit_code == 1 and "没有人群 'zzz'。有：nobody, pork, rich" in told.output


@pytest.mark.parametrize("text", ["", "segments: []\n"])
def test_a_file_without_segments_says_so(published: Path, text: str) -> None:
    (published / "mine.yml").write_text(text, "utf-8")
    told = call(published)
    assert told.exit_code == 1 and "mine.yml" in told.output and "文件里没有人群" in told.output


def test_segments_of_the_chains_own_rules_may_be_referred_to(published: Path) -> None:
    (published / "mine.yml").write_text(
        FILE.replace("{segment: rich}", "{segment: spend_30d_over_500}"), "utf-8"
    )
    found = preview_segments(load_chain(published, resolve_secrets=False), published / "mine.yml")
    assert dict(found.segments[0].overlaps)["spend_30d_over_500"] == 1
    (published / "mine.yml").write_text(
        FILE.replace("{segment: rich}", "{segment: potential_group_buyer}"), "utf-8"
    )
    told = call(published)
    assert told.exit_code == 1 and "potential_group_buyer: 还没有指标 is_potential_group_buyer" in told.output


MORE = """
create table audit.engagements as select *, 'pos_main' as connection, null::bigint as amount_fen, null::double as points from (values
    ('e1', 'share', 'ma', 'groupbuy', 'S001', null::varchar, date '2026-11-20', timestamp '2026-11-20 08:00:00', true),
    ('e2', 'share', 'mb', 'groupbuy', 'S001', null, date '2026-10-21', timestamp '2026-10-21 08:00:00', true),
    ('e3', 'complaint', 'ma', 'groupbuy', 'S001', null, date '2026-11-19', timestamp '2026-11-19 08:00:00', false)
) as e(engagement_key, kind, member_id, channel, store_code, ref, business_date, "at", is_counted);
create table audit.member_tags as select date '2026-11-20' as as_of_date, * from (values
    ('ma', 'VIP', 'wecom:csh1', date '2026-11-10', 'csh1'::varchar), ('mb', 'VIP', 'rule:metrics', date '2026-11-10', null),
    ('ma', '召回', 'campaign:l2', date '2026-11-19', null)
) as t(member_id, tag, source, since, author);
create table audit.member_usual_items as select * from (values
    ('ma', 1, '肋排', date '2026-11-10', 5.0::double), ('mb', 1, '肋排', date '2026-11-15', 5.0::double)
) as u(member_id, place, item_name, last_bought_on, gap_days);
"""


def test_what_is_published_later_is_read_when_it_is_there(chain_dir: Path) -> None:
    _publish(
        chain_dir,
        AUDIT + MORE,
        TableSpec("engagements", "fact", ("engagement_key",)),
        TableSpec("member_tags", "as_of", ("member_id", "tag")),
        TableSpec("member_usual_items", "state", ("member_id", "place")),
    )
    conditions = {
        "shares": "{event: share, did: true, within_days: 30}",
        "no_complaint": "{event: complaint, did: false}",
        "first_share_then_buy": "{sequence: [{event: share}, {event: purchase}]}",
        "vip": "{tag: VIP, by: csh1}",
        "recalled": "{tag: 召回}",
        "recalled_by": "{tag: 召回, by: csh1}",
        "new_vip": "{tag: VIP, within_days: 10}",
        "late": "{overdue: item, item: 肋排, times: 1.5}",
    }
    file = chain_dir / "mine.yml"
    text = "".join(f"  - {{segment_id: {key}, name: x, all: [{one}]}}\n" for key, one in conditions.items())
    file.write_text("segments:\n" + text, "utf-8")
    found = preview_segments(load_chain(chain_dir, resolve_secrets=False), file)
    sizes = {seen.segment.segment_id: {one.member_id for one in seen.examples} for seen in found.segments}
    assert sizes == {
        "shares": {"ma"}, "no_complaint": {"ma", "mb", "mc", "md"}, "first_share_then_buy": {"ma", "mb"}, "vip": {"ma"},
        "recalled": {"ma"}, "recalled_by": set(), "new_vip": set(), "late": {"ma"},
    }  # fmt: skip


_TYPES = {
    "int": "integer",
    "yuan": "bigint",
    "bool": "boolean",
    "date": "date",
    "ratio": "double",
    "quantity": "decimal(18, 3)",
}


def _everything() -> str:
    """Tables with every metric of the language, each unknown for everybody but for a few days."""
    days = {"last_purchase_on": "'2026-11-01'", "joined_group_on": "'2026-11-18'"}
    statements = [AUDIT, MORE, "drop table audit.member_metrics;"]
    for table in ("member_metrics", "koc", "churn_tiers"):
        columns = [
            f"cast({days.get(m.name, 'null')} as {_TYPES.get(m.kind, 'varchar')}) as {m.source}"
            for m in METRICS.values()
            if m.table == table
        ]
        statements.append(
            f"create table audit.{table} as select date '2026-11-20' as as_of_date, member_id, {', '.join(columns)} from audit.members;"
        )
    for name in ("pickup_site", "home_store_basis", "status", "household_id", "has_pos"):
        kind = "boolean" if name == "has_pos" else "varchar"
        statements.append(f"alter table audit.members add column {name} {kind};")
    statements += [
        f"alter table audit.members add column {name} double;"
        for name in ("home_distance_km", "pickup_distance_km")
    ]
    return "\n".join(statements)


LATER = (
    TableSpec("engagements", "fact", ("engagement_key",)),
    TableSpec("member_tags", "as_of", ("member_id", "tag")),
    TableSpec("member_usual_items", "state", ("member_id", "place")),
)


def test_every_condition_of_the_handbook_is_previewed_alone(chain_dir: Path) -> None:
    """Alone, so that no other condition brings the columns along that its examples show."""
    _publish(chain_dir, _everything(), *LATER)
    chain, file = load_chain(chain_dir, resolve_secrets=False), chain_dir / "mine.yml"
    others = "".join(
        f"  - {{segment_id: {name}, name: x, all: [{{metric: rfm_r, op: known}}]}}\n"
        for name in ("vip", "regulars")
    )
    for entry in REGISTRY.values():
        file.write_text(
            f"segments:\n  - {{segment_id: one, name: x, all: [{entry.example}]}}\n{others}", "utf-8"
        )
        seen = preview_segments(chain, file, "one").segments[0]
        assert len(seen.examples) == seen.size, entry.name
        shown = [metric.name for metric, _ in (seen.examples[0].values if seen.examples else ())]
        assert not seen.examples or shown == list(seen.segment.when.shown)


@pytest.mark.parametrize(
    ("condition", "size", "value"),
    [
        ("{metric: last_purchase_on, op: not_within_last, value: 10}", 4, date(2026, 11, 1)),
        ("{metric: joined_group_on, op: within_last, value: 10}", 4, date(2026, 11, 18)),
    ],
)
def test_examples_show_the_day_of_a_condition_on_days_ago(
    chain_dir: Path, condition: str, size: int, value: date
) -> None:
    _publish(chain_dir, _everything(), *LATER)
    (chain_dir / "mine.yml").write_text(
        f"segments: [{{segment_id: one, name: x, all: [{condition}]}}]", "utf-8"
    )
    seen = preview_segments(load_chain(chain_dir, resolve_secrets=False), chain_dir / "mine.yml").segments[0]
    assert (seen.size, [v for _, v in seen.examples[0].values]) == (size, [value])


def test_distances_to_shops_are_left_to_the_night_and_the_rest_is_told(published: Path) -> None:
    rules = published / "rules" / "metrics.yml"
    rules.write_text("tags:\n  - {tag: 住得近, when: {near: any_shop, km: 1}}\n", "utf-8")
    more = """
  - {segment_id: close, name: 近, all: [{metric: spend_30d, op: ">", value: 1}, {near: S001, km: 1}]}
  - {segment_id: typo, name: 近, all: [{near: S0001, km: 1}]}
  - {segment_id: apart, name: 远, all: [{no_segment: close}]}
  - {segment_id: tagged, name: 近, all: [{not: {tag: 住得近}}]}
"""
    (published / "mine.yml").write_text(FILE.rstrip() + more, "utf-8")
    found = preview_segments(load_chain(published, resolve_secrets=False), published / "mine.yml")
    assert [(seen.segment.segment_id, seen.size) for seen in found.segments] == [
        ("rich", 1),
        ("pork", 1),
        ("nobody", 0),
    ]
    assert [
        (warning.partition(" ")[0].rpartition("/")[2], warning.rpartition("] ")[2])
        for warning in found.warnings
    ] == [
        ("mine.yml:11", "stores.csv 里没有门店 S999"),
        ("mine.yml:18", "stores.csv 里没有门店 S0001。是不是：S001"),
        *(
            (f"mine.yml:{line}", f"{name}：预览算不了按门店的距离，夜间会算")
            for line, name in ((17, "close"), (18, "typo"), (19, "apart"), (20, "tagged"))
        ),
    ]
