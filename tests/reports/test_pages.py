"""The HTML pages: what they may and may not hold, and that they look right when there is nothing to show."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.config import Chain, Store
from dagster_project.metrics import Query
from dagster_project.publish import PublishError
from dagster_project.reports import words, write_reports
from dagster_project.reports.pages import store_files
from dagster_project.reports.published import open_publication
from dagster_project.reports.totals import ask

AS_OF = date(2026, 1, 11)
AS_OF_TEXT = "2026年1月11日"
_PHONE = re.compile(r"1[3-9]\d{9}")
_VOID = {"meta", "br", "link", "img", "hr", "input"}


@pytest.fixture(scope="module")
def pages(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("reports")
    return {path.name: path.read_text("utf-8") for path in write_reports(chain, out)}


class _Strict(HTMLParser):
    """Fails on a tag that is not closed in order; collects ids, references and labels."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.unlabelled: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in _VOID:
            self.open.append(tag)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if given.get("aria-labelledby"):
            self.references.append(str(given["aria-labelledby"]))
        if str(given.get("href", "")).startswith("#"):
            self.references.append(str(given["href"])[1:])
        if tag == "svg" and not (given.get("role") == "img" and given.get("aria-label")):
            self.unlabelled.append(str(attrs))
        if tag == "th" and not given.get("scope"):
            self.unlabelled.append(f"th {attrs}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"path", "rect"}, tag

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]} at {self.getpos()}"
        self.open.pop()


def _check_markup(html: str) -> None:
    parser = _Strict()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert set(parser.references) <= set(parser.ids)
    assert parser.unlabelled == []


def _published(chain: Chain, sql: str) -> list[tuple[object, ...]]:
    """Rows of a query in which {table} stands for a published table's files."""
    current = chain.paths.published / "current"
    tables = {
        path.name: f"(from read_parquet('{path}/**/*.parquet')) {path.name}"
        for path in current.iterdir()
        if path.is_dir()
    }
    return duckdb.execute(sql.format_map(tables)).fetchall()


def test_pages_are_well_formed_and_self_contained(pages: dict[str, str]) -> None:
    assert sorted(pages) == ["S001.html", "S002.html", "S003.html", "index.html"]
    for html in pages.values():
        _check_markup(html)
        for outside in (
            "http:",
            "https:",
            "//cdn",
            "src=",
            "<script",
            "<link",
            "@import",
            "url(",
            "file:",
            "/tmp",
        ):
            assert outside not in html
        assert 'name="viewport"' in html
        assert f'数据截至 <time datetime="2026-01-11">{AS_OF_TEXT}' in html


def test_no_page_holds_a_plain_phone(pages: dict[str, str]) -> None:
    assert "客服 138****8000 酸奶" in pages["index.html"], "an item name with a phone is masked, not dropped"
    for html in pages.values():
        assert not _PHONE.search(html)
        assert "****" in html


def test_a_shop_page_holds_its_own_shop_only(chain: Chain, pages: dict[str, str]) -> None:
    homes = _published(chain, "select member_id, coalesce(home_store_code, '') from {members}")
    names = {store.store_code: store.store_name for store in chain.stores}
    for code in names:
        html = pages[f"{code}.html"]
        assert names[code] in html
        for other in set(names) - {code}:
            assert names[other] not in html
            assert other not in html
        strangers = [member for member, home in homes if home != code and str(member) in html]
        assert strangers == []
        assert any(str(member) in html for member, home in homes if home == code)


def test_today_is_compared_with_the_same_weekday_a_week_before(chain: Chain, pages: dict[str, str]) -> None:
    ((now, before, orders, customers),) = _published(
        chain,
        """
        select sum(net_fen) filter (where business_date = '2026-01-11') as now,
            sum(net_fen) filter (where business_date = '2026-01-04'),
            count(*) filter (where business_date = '2026-01-11'),
            count(distinct member_id) filter (where business_date = '2026-01-11')
        from {orders}
        """,
    )
    today = pages["index.html"].split('id="today"')[1].split("</section>")[0]
    assert f"¥{round(now / 100):,}" in today
    assert f"{'多' if now > before else '少'} {abs(now - before) / before:.1%}" in today
    assert f"<b>{orders}</b>" in today
    assert f"<b>{customers}</b>" in today


def test_call_list_takes_the_most_valuable_people_who_agreed(chain: Chain, pages: dict[str, str]) -> None:
    rows = _published(
        chain,
        """
        with held_out as (select distinct member_id as held_id from {campaign_candidates} where arm = 'holdout')
        select member_id, coalesce(consent_marketing = 'Y', false)
                and coalesce(phone_masked, external_userid) is not null and held_id is null as is_listed,
            row_number() over (partition by is_listed order by spend_90d_fen desc, days_since, member_id)
        from {churn_tiers} join {members} using (member_id) join {member_metrics} using (member_id)
        left join held_out on held_id = member_id
        where tier = 'L3'
        """,
    )
    listed = _calls(pages["index.html"], "L3")
    for member, is_listed, place in rows:
        assert (str(member) in listed) == (is_listed and place <= 20)  # type: ignore[operator]
    assert "人已拒绝" in pages["index.html"]


def test_call_list_leaves_out_what_nobody_usually_buys(chain: Chain, pages: dict[str, str]) -> None:
    rows = dict(_published(chain, "select member_id, usual_item from {churn_tiers} where tier = 'L3'"))
    cells = {
        next(m for m in rows if str(m) in row): row.split("</td>")[1]
        for row in _calls(pages["index.html"], "L3").split("<tr>")[2:]
    }
    assert {rows[member] is None for member in cells} == {True, False}
    for member, cell in cells.items():
        assert ("clamp" in cell) == (rows[member] is not None) and "—" not in cell and "天前" in cell


def _calls(html: str, tier: str) -> str:
    heading = {"L3": "店长打电话：L3", "L2": "顺手问候：L2"}[tier]
    return html.split(heading)[1].split("</div>")[0]


_ONE_PERSON = """
delete from audit.campaign_candidates;
update audit.churn_tiers set tier = case member_id when '{one}' then 'L3' else 'active' end;
update audit.members set consent_marketing = 'Y', phone_masked = '138****8000' where member_id = '{one}';
update audit.churn_tiers set last_purchase_on = '2025-12-01' where member_id = '{one}';
"""
_HELD_OUT = """
insert into audit.campaign_candidates by name select '{campaign}' as campaign_id, date '2025-12-17' as business_date,
    '{member}' as member_id, 'holdout' as arm, 'none' as channel, 'held_out' as outcome, '{lapse}' as lapse_key;
"""


@pytest.mark.parametrize(
    ("change", "is_listed"),
    [
        pytest.param(_HELD_OUT.format(campaign="churn_l2_coupon", member="{one}", lapse="2025-12-01"), False, id="this lapse"),
        pytest.param(_HELD_OUT.format(campaign="churn_l2_coupon", member="{one}", lapse="2025-11-02"), True, id="a lapse before"),
        pytest.param(_HELD_OUT.format(campaign="ended", member="{one}", lapse="2025-12-01"), True, id="no running campaign"),
        pytest.param(
            _HELD_OUT.format(campaign="first_group_order", member="{one}", lapse="first_group_order"), False,
            id="no group order yet",
        ),
        pytest.param(
            _HELD_OUT.format(campaign="first_group_order", member="{one}", lapse="first_group_order")
            + "update audit.member_metrics set groupbuy_orders_total = 1;", True, id="has ordered since",
        ),
        pytest.param(
            _HELD_OUT.format(campaign="churn_l2_coupon", member="older", lapse="2025-12-01")
            + "insert into audit.member_events values ('e1', date '2025-12-18', 'merged', 'old', 'older', ''),"
            "('e2', date '2025-12-19', 'merged', '{one}', 'old', '');", False, id="merged since, twice",
        ),
        pytest.param(
            _HELD_OUT.format(campaign="churn_l2_coupon", member="{one}", lapse="2025-12-01").replace("2025-12-17", "2025-07-17"),
            False, id="decided long before the window",
        ),
    ],
)  # fmt: skip
def test_nobody_calls_a_hold_out(
    make_chain: Callable[..., Chain], chain: Chain, change: str, is_listed: bool
) -> None:
    """A call would spoil what the campaign measures; the hold-out is told as a number, never as a person."""
    ((one,),) = _published(
        chain,
        "select min(member_id) from {churn_tiers} join {members} using (member_id) where home_store_code = 'S001'",
    )
    pages = write_reports(make_chain(change=(_ONE_PERSON + change).replace("{one}", str(one))))
    for page in (pages[0], next(page for page in pages if page.stem == "S001")):
        calls = _calls(page.read_text("utf-8"), "L3")
        assert (str(one) in calls) == is_listed
        assert ("未列出：1 人为对照组" in calls) == (not is_listed)
        assert ("没有一位在对照组之外、既有营销授权" in calls) == (not is_listed)


def test_a_listed_person_can_be_found_in_the_till_or_in_wecom(chain: Chain, pages: dict[str, str]) -> None:
    rows = _published(
        chain,
        """
        select members.member_id, external_userid, wecom_staff_userid, has_groupbuy,
            any_value(substr(identifier, 10)) filter (not is_shared and identifier not like '%tel-%')
        from {members} left join {member_identifiers} using (member_id) group by all
        """,
    )
    told = set()
    for html in pages.values():
        for block in re.findall(r"<tr><td>(.*?)</td>", html.split('id="churn"')[1], re.DOTALL):
            (member,) = re.findall(r'"sub id">(\w+)<', block)
            (_, contact, staff, has_groupbuy, card), *_ = (row for row in rows if row[0] == member)
            wanted = (
                f"收银卡号 {card}" if card
                else f"企微：{staff}" if staff
                else "企微客户，没有对应员工" if contact
                else "团购小程序用户" if has_groupbuy
                else "收银里按手机号找"
            )  # fmt: skip
            assert f'<span class="sub">{wanted}</span>' in block
            told.add(wanted.split("_")[0].split(" ")[0])
    assert told >= {"收银卡号", "企微：mgr", "企微客户，没有对应员工", "团购小程序用户"}


def test_text_from_the_sources_is_escaped(pages: dict[str, str]) -> None:
    html = pages["index.html"]
    assert "<b>云南" not in html
    assert "&lt;b&gt;云南" in html
    assert "库存&lt;0110&gt;.xlsx" in html
    assert "库存" not in pages["S001.html"].split('id="freshness"')[1], "files are the head office's matter"


def test_late_and_missing_sources_are_pointed_out(pages: dict[str, str]) -> None:
    html = pages["S001.html"]
    assert "团购（group_main）最后一次是1月10日，缺 1 天" in html
    assert "从未提供：分享" in html
    assert "商品：1月6日（5 天前）" in html
    assert "1 项未更新" in html and "员工" not in html.split('id="freshness"')[1], "staff changed weeks ago"


def test_same_publication_gives_same_bytes(
    chain: Chain, pages: dict[str, str], twin: Chain, tmp_path: Path
) -> None:
    again = {path.name: path.read_text("utf-8") for path in write_reports(chain, tmp_path / "again")}
    elsewhere = {path.name: path.read_text("utf-8") for path in write_reports(twin)}
    assert again == pages
    assert elsewhere == pages


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        pytest.param(
            {"people": 0, "days": 0, "stores": (), "sources": [], "has_pos": False, "has_groupbuy": False},
            ["还没有任何销售数据", "stores.csv 里还没有门店", "还没有认得的会员", "发布里没有来源记录"],
            id="nothing at all",
        ),
        pytest.param(
            {"people": 0, "days": 3, "has_groupbuy": False},
            ["上周同日无数据", "还没有认得的会员", "还没有消费过的会员", "没有接入团购"],
            id="no members, no group-buy, three days",
        ),
        pytest.param({"has_shares": False}, ["符合 未知", "没有分享数据（", "分享 未知"], id="no shares"),
        pytest.param({"has_pos": False}, ["没有接入收银", "团购 ¥"], id="group-buy only"),
        pytest.param(
            {"stores": (Store("S001", "唯一的店"),), "change": "delete from audit.store_days where store_code <> 'S001';"},
            ["合计", "唯一的店"],
            id="one shop",
        ),
        pytest.param(
            {"change": "update audit.members set consent_marketing = null;"},
            ["没有一位既有营销授权又有联系方式"],
            id="nobody agreed",
        ),
        pytest.param(
            {"change": "delete from audit.orders where business_date > '2026-01-09';"
             "delete from audit.store_days where business_date > '2026-01-09';"},
            ["最近营业日", "2026年1月9日 周五（之后还没有销售数据）"],
            id="two days without sales",
        ),
    ],
)  # fmt: skip
def test_a_chain_without_some_of_it_still_reads_well(
    make_chain: Callable[..., Chain], shape: dict[str, object], told: list[str]
) -> None:
    pages = write_reports(make_chain(**shape))
    for page in pages:
        html = page.read_text("utf-8")
        _check_markup(html)
        assert not re.search(r"None|NaN|nan%|Undefined", html)
    index = pages[0].read_text("utf-8")
    for text in told:
        assert text in index


def _asked(chain: Chain, *names: str, **query: Any) -> dict[str, Any]:
    """The metrics of `linli metric`, of one row."""
    answer = ask(open_publication(chain), Query(names, **query))
    assert len(answer.rows) == 1
    return dict(zip(answer.columns, answer.rows[0], strict=True))


@pytest.mark.parametrize(
    ("page", "sold_in", "lives_in"),
    [("index.html", {}, {}), ("S001.html", {"store_code": ["S001"]}, {"home_store_code": ["S001"]})],
)
def test_every_total_is_the_metric(
    chain: Chain,
    pages: dict[str, str],
    page: str,
    sold_in: dict[str, list[str]],
    lives_in: dict[str, list[str]],
) -> None:
    html = pages[page]
    today = _asked(
        chain, "purchases", "net_fen", "new_members", "buyers", where=sold_in, since=AS_OF, until=AS_OF
    )
    window = _asked(
        chain, "purchases", "identified_purchases", "counter_fen", "groupbuy_fen", "net_fen", "new_members",
        where=sold_in, since=AS_OF - timedelta(days=27), until=AS_OF,
    )  # fmt: skip
    people = _asked(chain, "people", "people_in_pos", "people_in_several", where=lives_in)
    month = {"month_on": ["2026-01-01"]}
    leaders = _asked(chain, "leader_commission_fen", where=sold_in | month)
    cashiers = _asked(chain, "incentive_amount_fen", where=sold_in | month)
    koc = _asked(chain, "statement_due_fen", "statement_pending_fen", where=lives_in | month)
    evening = _asked(chain, "evening_saved_fen", "evening_sold_fen", where=sold_in)
    for told in (
        f"<b>{words.count(today['purchases'])}</b>",
        f'<div class="hero">{words.money(today["net_fen"])}</div>',
        f"<b>{words.count(today['buyers'])}</b>",
        f"<b>{words.count(today['new_members'])}</b><span>近 28 天 {words.count(window['new_members'])}</span>",
        f"近 28 天 {words.count(window['purchases'])} 单中认得 {words.count(window['identified_purchases'])} 单",
        f"柜台 {words.money(window['counter_fen'])}（{words.share(window['counter_fen'], window['net_fen'])}）",
        f"团购 {words.money(window['groupbuy_fen'])}（",
        f"其实是 <strong>{words.count(people['people'])}</strong> 个人",
        f"（收银 {words.count(people['people_in_pos'])}、",
        f"<strong>{words.count(people['people_in_several'])}</strong> 人（",
        f'<td class="num">{words.exact_money(leaders["leader_commission_fen"])}</td>',
        f'<td class="num">{words.exact_money(cashiers["incentive_amount_fen"])}</td></tr></tfoot>',
        f'<td class="num">{words.exact_money(koc["statement_pending_fen"])}</td>'
        f'<td class="num">{words.exact_money(koc["statement_due_fen"])}</td></tr></tfoot>',
        f"近 7 天晚间卖 {words.exact_money(evening['evening_sold_fen'])}，"
        f"少损耗 {words.exact_money(evening['evening_saved_fen'])}",
    ):
        assert told in html, told


def test_statements_and_differences_are_listed_where_there_are_any(pages: dict[str, str]) -> None:
    index, shop, other = (pages[name] for name in ("index.html", "S001.html", "S003.html"))
    assert "共 24 行，列出最多的 10 行，合计为全部" in index and "余额与上报的不一致" in index
    assert "依据：消费 2 单" in index and "重复核销" in index
    assert "菠菜" in shop and "E2" in shop
    # nobody leads or cashiers there, nothing was marked down
    assert 'id="evening"' not in other and "店员拉新奖励" not in other and "团长佣金" not in other
    line = "14 天内：推送组 80 人中 24 人（30.0%），对照组 20 人中 2 人（10.0%），相差 +20.0 个百分点，95% 区间 -1.0 到 +32.0"
    assert line in index and "还分不清是不是碰巧" in index and line not in shop


def test_quantities_of_the_evening_have_their_unit(pages: dict[str, str]) -> None:
    evening = pages["S001.html"].split('id="evening"')[1].split("</section>")[0]
    rows = re.findall(r'<td class="num">([^<]* (?:kg|件))</td>' * 3, evening)
    assert sorted(rows) == [("12.5 kg", "10 kg", "2.5 kg")] * 2 + [("12.5 件", "10 件", "2.5 件")]
    # weights and pieces are not added up
    assert '<td class="num">25 kg<br>12.5 件</td>' in evening.split("<tfoot>")[1]


def test_the_page_says_after_how_many_days_somebody_has_stayed(chain: Chain, tmp_path: Path) -> None:
    rules = chain.rules.commission
    cashier = rules.cashier.model_copy(update={"stay_days": 12})
    changed = replace(
        chain,
        rules=chain.rules.model_copy(update={"commission": rules.model_copy(update={"cashier": cashier})}),
    )
    for known, days in ((chain, 7), (changed, 12)):
        html = write_reports(known, tmp_path / str(days))[0].read_text("utf-8")
        assert f"留下：进群满 {days} 天仍在群里" in html


def test_a_balance_that_still_differs_is_told_however_old_its_card(
    pages: dict[str, str], make_chain: Callable[..., Chain]
) -> None:
    """Of forty differences of five points, one a night, every other one is a balance; two of these are of nobody's shop."""
    told = re.compile(r"余额与上报的不一致 <strong>(\d+)</strong> 笔，合计差 (\d+) 积分")
    assert told.findall(pages["index.html"]) == [("20", "100")]
    shops = [told.findall(pages[f"S00{n}.html"]) for n in (1, 2, 3)]
    assert sum(int(rows) for [(rows, _)] in shops) == 18
    assert '同一笔入账两次</th><td class="num">14</td>' in pages["index.html"]
    # all of them long ago: nothing else is told, but these still are
    old = make_chain(change="update audit.points_differences set business_date = business_date - 400;")
    html = write_reports(old)[0].read_text("utf-8")
    assert told.findall(html) == [("20", "100")] and "同一笔入账两次" not in html


def test_sections_without_rows_are_not_there(make_chain: Callable[..., Chain]) -> None:
    for page in write_reports(make_chain(people=0, days=3)):
        html = page.read_text("utf-8")
        for section in ("statements", "evening", "books"):
            assert f'"#{section}"' not in html and f'id="{section}"' not in html


def test_a_table_that_is_not_published_reads_as_empty(make_chain: Callable[..., Chain]) -> None:
    chain = make_chain(change="drop table audit.koc; drop table audit.segments;")
    assert "暂时没有符合条件的推荐官" in write_reports(chain)[0].read_text("utf-8")


def test_a_shop_that_is_gone_loses_its_page_and_other_files_stay(chain: Chain, tmp_path: Path) -> None:
    more = replace(chain, stores=(*chain.stores, Store("S009", "关掉的店")))
    write_reports(more, tmp_path)
    note = tmp_path / "stores" / "note.html"
    note.write_text("<p>店长自己的</p>", "utf-8")
    assert (tmp_path / "stores" / "S009.html").is_file()
    write_reports(chain, tmp_path)
    left = sorted(path.name for path in (tmp_path / "stores").iterdir())
    assert left == ["S001.html", "S002.html", "S003.html", "note.html"]


def test_page_names_are_safe_and_distinct() -> None:
    assert store_files(["S1", "一号店"]) == {"S1": "S1.html", "一号店": "一号店.html"}
    names = store_files(["../x", "a", "A", "a b", "", ".", "code-61"])
    assert len({name.casefold() for name in names.values()}) == len(names)
    assert all("/" not in name and not name.startswith(".") for name in names.values())


def test_without_a_publication_the_error_says_what_to_run(chain: Chain, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="linli run"):
        write_reports(replace(chain, root=tmp_path))


def test_campaigns_show_outcomes_and_the_hold_out(chain: Chain, pages: dict[str, str]) -> None:
    rows = dict(
        _published(
            chain,
            "select outcome, count(*) from {campaign_candidates} where business_date = '2026-01-11' group by all",
        )
    )
    section = pages["index.html"].split('id="campaigns"')[1].split("</section>")[0]
    assert f"<strong>{sum(rows.values())}</strong> 位候选人" in section  # type: ignore[arg-type]
    assert f"已发出 {rows['sent']} 人" in section
    assert f"对照组 <strong>{rows.get('held_out', 0)}</strong>" in section
    assert "当夜没有新的候选人" in section, "the second campaign had none"


def test_campaigns_count_a_person_once_however_often_she_waited(make_chain: Callable[..., Chain]) -> None:
    """Whom the cap keeps waiting is a candidate every night."""
    chain = make_chain(
        change="""
        delete from audit.campaign_candidates where campaign_id = 'churn_l2_coupon';
        insert into audit.campaign_candidates by name
        select 'churn_l2_coupon' as campaign_id, date '2026-01-11' - d::int as business_date, member_id,
            case when n = 3 then 'holdout' else 'treatment' end as arm, 'wecom' as channel,
            case when n = 3 then 'held_out' when d = 0 and n = 1 then 'sent' else 'capped' end as outcome
        from (select member_id, row_number() over (order by member_id) as n from audit.members), range(5) nights(d)
        where n <= 3 and (n <> 3 or d = 4);
        """
    )
    html = write_reports(chain)[0].read_text("utf-8")
    assert "近 28 天候选 3 人（每人只数一次），已发出或送达 1 人，对照组 1 人" in html


def test_a_phone_shows_what_the_wide_table_shows(pages: dict[str, str]) -> None:
    table = pages["index.html"].split('id="stores"')[1].split("</table>")[0]
    wide = re.findall(r'<td class="num wide">([^<]*)</td>' * 4, table)
    narrow = re.findall(
        r"识别率 (.*?)</span>.*?团购 (.*?)</span>.*?L3 (.*?) 人</span>.*?KOC (.*?)</span>", table
    )
    assert wide == narrow and len(wide) == 4, "three shops and all of them"


def test_axes_say_where_they_start(pages: dict[str, str]) -> None:
    recognition = pages["index.html"].split('id="recognition"')[1].split("</section>")[0]
    low, high = map(int, re.findall(r"纵轴 (\d+)–(\d+)%，不从 0 起", recognition)[0])
    assert 0 < low < high <= 100
    assert "最高 ¥" in pages["index.html"]


def test_window_is_twenty_eight_days(chain: Chain, pages: dict[str, str]) -> None:
    daily = pages["S001.html"].split("看每天的数字")[1].split("</table>")[0]
    assert daily.count("<tr>") == 1 + 28
    assert "12月15日" in daily


def test_head_office_sees_who_is_recognised_and_what_to_look_into(
    chain: Chain, pages: dict[str, str]
) -> None:
    html = pages["index.html"]
    section = html[html.index('<section id="known"') :].split("</section>")[0]
    [(sales, recognised, own, gained, linked)] = _published(
        chain,
        "select sum(sales), sum(recognised_sales), sum(own_channel_sales), sum(gained_sales), sum(linked_sales)"
        " from {recognition_gains} where channel = 'pos' and business_date > date '2026-01-11' - 30",
    )
    share = words.share(int(str(recognised)), int(str(sales)))
    assert f'<td class="num">{words.count(int(str(sales)))}</td>' in section
    assert f"{share}</td>" in section
    assert f"柜台单靠自己的数据能认出 {words.count(int(str(own)))} 单" in section
    assert f"多认 {words.count(int(str(gained)))} 单" in section
    assert f"{words.count(int(str(linked)))} 单（" in section
    # worst first
    shops = _published(
        chain,
        "select store_code from {recognition_rates} where channel = 'pos' and business_date > date '2026-01-11' - 30"
        " group by 1 order by sum(sales) filter (where is_recognised) / sum(sales)",
    )
    names = {store.store_code: store.store_name for store in chain.stores}
    places = [section.index(names[str(code)]) for (code,) in shops]
    assert places == sorted(places)
    # suspects latest first, masked; tokens and card numbers stay inside
    assert re.findall(r'<td><span class="nowrap">(.*?)</span>', section) == [
        "手机号 138****0000",
        "会员卡 …2345",
        "手机号 139****0000",
    ]
    assert "tokenof" not in html
    assert "pos_main:0012345" not in html
    assert "手机号出现 310 次，平时 100 次；同一个用了 41 次，平时最多 2 次" in section
    assert "没有门店的记录：手机号占位或无效号码 9 个，平时 1 个" in section
    assert section.count("平时") == 3
    assert all('id="known"' not in page for name, page in pages.items() if name != "index.html")
