"""What a run says about arrived files: rows it rejected, files without rows, data where landing does not look."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.config import Chain, load_chain
from dagster_project.landing.misplaced import misplaced_data
from dagster_project.orchestration.context import ChainResource, daily
from dagster_project.orchestration.landing import lake_assets
from dagster_project.orchestration.night import NightResult, misplaced_text, missing_sources, run_nights
from dagster_project.orchestration.published import publication_context
from dagster_project.warehouse import connect, sync_files, unlanded_nights

NIGHT = date(2026, 11, 22)
HEAD = "store_code,ticket_id,kind,sold_at,net\n"
GOOD = "S1,T{0},sale,2026-11-22 08:00:00,1\n"


def land(chain: Chain, start: date = NIGHT) -> NightResult:
    """The run of a chain as far as the lake."""
    definitions = dg.Definitions(
        assets=lake_assets(chain),
        jobs=[dg.define_asset_job("nightly", partitions_def=daily(chain))],
        resources={"chain": ChainResource(path=str(chain.root))},
        executor=dg.in_process_executor,
    )
    return run_nights(chain.root, start, NIGHT, definitions=definitions)


def test_rejected_rows_are_told_by_file_with_their_columns(chain: Chain, drop) -> None:  # type: ignore[no-untyped-def]
    rows = [GOOD.format(n) for n in range(42)]
    rows += ["S1,B1,sale,昨天,1\n", "S1,B2,sale,昨天,1\n", "S1,B3,gift,2026-11-22 08:00:00,x\n"]
    drop(chain.root, "pos_main", "tickets", f"{NIGHT}", "badrows.csv", HEAD + "".join(rows))
    drop(chain.root, "pos_main", "tickets", f"{NIGHT}", "none.csv", HEAD)
    drop(chain.root, "pos_main", "members", f"{NIGHT}", "fine.csv", "member_ref\nC1\n")
    for _ in range(2):  # a repeated run says the same
        warnings = [line for line in land(chain).warnings if f"{NIGHT}/" in line]
        assert warnings == [
            f"pos_main/tickets/{NIGHT}/badrows.csv 3/45 行不合格（sold_at、kind、net）",
            f"pos_main/tickets/{NIGHT}/none.csv 没有数据行（0 行）",
        ]


def test_registers_that_seldom_change_are_not_late(chain: Chain, drop) -> None:  # type: ignore[no-untyped-def]
    before = NIGHT - timedelta(days=1)
    for night in (before, NIGHT):
        drop(chain.root, "pos_main", "tickets", f"{night}", "a.csv", HEAD + GOOD.format(night.day))
    drop(chain.root, "pos_main", "products", f"{before}", "a.csv", "sku,item_name,category\nP1,菠菜,叶菜\n")
    drop(chain.root, "pos_main", "staff", f"{before}", "a.csv", "staff_id,store_code\nE1,S1\n")
    drop(chain.root, "group_main", "leaders", f"{before}", "a.csv", "leader_id\nL1\n")
    land(chain, before)
    with connect(chain.paths.warehouse) as connection:
        sync_files(connection, chain)
        sources = publication_context(connection, chain, NIGHT).sources
    assert {s["feed"]: s["age_days"] for s in sources if s["seldom"]} == {"staff": 1, "leaders": 1}
    told = [line for line in missing_sources(sources) if "wecom" not in line]
    # a connection of which nothing at all came is told of, register or not
    assert told == ["pos_main 今晚未到（天数）：products(1)", "来源 group_main 今晚没有到货，数据已有 1 天"]


def test_many_bad_files_are_told_in_a_few_lines(chain: Chain, drop) -> None:  # type: ignore[no-untyped-def]
    for number in range(1, 9):
        bad = "".join(f"S1,B{row},sale,昨天,{number}\n" for row in range(number))
        drop(
            chain.root,
            "pos_main",
            "tickets",
            f"2026-11-{14 + number}",
            "a.csv",
            HEAD + GOOD.format(number).replace("-22 ", f"-{14 + number} ") + bad,
        )
    lines = [line for line in land(chain, date(2026, 11, 15)).warnings if "不合格" in line]
    assert [line.split(" ")[1] for line in lines[:-1]] == ["8/9", "7/8", "6/7", "5/6", "4/5"]
    assert lines[-1] == "另有 3 个文件，共 6 行不合格（明细见 ops.rejects）"


MISPLACED = {
    "pos_mian/tickets/2026-11-22/a.csv": ("pos_mian/", "是不是 pos_main？"),
    "pos_main/tikets/2026-11-22/a.csv": ("pos_main/tikets/", "是不是 tickets？"),
    "pos_main/Tickets/2026-11-22/a.csv": ("pos_main/Tickets/", "是不是 tickets？"),
    "pos_main/zzz/2026-11-22/a.csv": ("pos_main/zzz/", "可用：tickets, ticket_lines"),
    "pos_main/2026-11-22/a.csv": ("pos_main/2026-11-22/", "<表>/2026-11-22/"),
    "pos_main/tickets/20261122/a.csv": ("pos_main/tickets/20261122/", "2026-11-22"),
    "pos_main/tickets/2026-11-2/a.csv": ("pos_main/tickets/2026-11-2/", "2026-11-02"),
    "pos_main/tickets/2026年11月22日/a.csv": ("pos_main/tickets/2026年11月22日/", "2026-11-22"),
    "pos_main/tickets/2026-13-01/a.csv": ("pos_main/tickets/2026-13-01/", "不是日期"),
    "pos_main/tickets/loose.csv": ("pos_main/tickets/loose.csv", "日期文件夹"),
    "pos_main/loose.csv": ("pos_main/loose.csv", "<表>/<日期>/"),
    "loose.csv": ("loose.csv", "<连接>/<表>/<日期>/"),
    "13800138000/a.csv": ("138****8000/", "没有这个连接"),
}


def put(chain: Chain, path: str, text: str = HEAD + GOOD) -> None:
    file = chain.paths.landing / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize("path", MISPLACED)
def test_misplaced_data_is_named_with_what_it_should_be(chain: Chain, path: str) -> None:
    put(chain, path)
    place, advice = MISPLACED[path]
    [found] = misplaced_data(chain)
    assert found.path == place and advice in found.advice
    with connect(chain.paths.warehouse) as connection:
        sync_files(connection, chain)
        assert not unlanded_nights(connection, chain, NIGHT), (
            "a run of that night would not take it in either"
        )


def test_all_of_it_is_one_warning_and_stops_nothing(chain: Chain) -> None:
    for path in MISPLACED:
        put(chain, path)
    put(chain, f"pos_main/tickets/{NIGHT}/good.csv")
    result = land(chain)
    assert result.success
    [told] = [line for line in result.warnings if "放错" in line]
    assert told == misplaced_text(misplaced_data(chain))
    assert told.startswith(f"landing/ 里有 {len(MISPLACED)} 处") and told.endswith("另有 8 处")


def test_what_is_no_data_or_in_its_place_is_not_misplaced(chain: Chain) -> None:
    for path in (
        f"pos_main/tickets/{NIGHT}/good.csv",
        f"pos_main/tickets/{NIGHT}/deep/er/good.csv",
        "pos_main/tickets/.DS_Store",
        "pos_main/Thumbs.db",
        "README.md",
        "pos_main/tickets/upload.csv.part",
    ):
        put(chain, path)
    (chain.paths.landing / "later" / "tickets").mkdir(parents=True)
    assert misplaced_data(chain) == []


def test_files_for_an_api_are_misplaced(chain: Chain) -> None:
    path: Path = chain.root / "chain.yml"
    line = '  - {name: wecom, preset: wecom_api, base_url: "https://host", corp_id: demo, secret: "${WECOM_SECRET}"}\n'
    path.write_text(path.read_text("utf-8").replace("connections:\n", "connections:\n" + line), "utf-8")
    put(chain, f"wecom/contacts/{NIGHT}/a.csv")
    [found] = misplaced_data(load_chain(chain.root))
    assert found.path == "wecom/" and "wecom_api 走接口" in found.advice


def test_a_folder_without_a_finished_file_is_not_waiting(chain: Chain) -> None:
    put(chain, f"pos_main/tickets/{NIGHT}/.DS_Store")
    put(chain, f"pos_main/members/{NIGHT}/a.csv.part")
    put(chain, f"pos_main/stock/{NIGHT}/a.csv")
    with connect(chain.paths.warehouse) as connection:
        sync_files(connection, chain)
        assert unlanded_nights(connection, chain, NIGHT) == [("pos_main", "stock", NIGHT)]
