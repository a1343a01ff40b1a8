"""`linli inspect`: says what a file is, how surely, and never whom it is about; what it writes can be landed."""

from __future__ import annotations

import gzip
import re
import shutil
import tempfile
import zipfile
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project.cli.inspect import inspect
from dagster_project.cli.main import linli
from dagster_project.config import ConfigError, load_chain
from dagster_project.inspection.candidates import candidates, generic_presets
from dagster_project.inspection.features import judge, load_features
from dagster_project.inspection.opening import Opened, open_bytes
from dagster_project.inspection.report import FileReport, inspect_files, inspect_table
from dagster_project.landing import land_files
from dagster_project.landing.mapping import map_table
from dagster_project.landing.readers import UnreadableFileError
from dagster_project.lang import LANGUAGE
from dagster_project.privacy import ChainKey
from tests.landing.readerkit import workbook

KEY = ChainKey(b"k" * 32)
NIGHT = "2026-11-21"
_PHONE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
NAMES = ("欧阳明月", "司马清风", "诸葛小溪")


def phone(number: int) -> str:
    return f"1390000{number:04d}"


def unknown_pos(rows: int = 60) -> bytes:
    """An export of a till nobody knows: titles, its own words, a total, Windows' encoding."""
    lines = [
        "好邻居 交易明细", "导出时间：2026-11-20 08:00",
        "机构,交易流水,收款时间,客户手机,商品条码,品名,品类,件数,成交金额(元),经手人,交易类型,收货地址",
    ]  # fmt: skip
    for i in range(rows):
        number = phone(i) if i % 3 else ("138****1234" if i % 2 else "")
        kind, sign = ("退货", "-") if i == 7 else ("销售", "")
        for part in range(2):
            lines.append(
                f"S00{i % 3 + 1},T{i:05d},2026/11/{i % 19 + 1} 8:05:00,{number},69012345678{part:02d},上海青{part},叶菜,"
                f"{sign}{part + 1},{sign}{part + 1}.50,{NAMES[i % 3]},{kind},幸福路{i}号{NAMES[0]}"
            )
    return "\r\n".join([*lines, "合计,,,,,,,,180.00,,,", ""]).encode("gb18030")


def siss() -> bytes:
    head = "flow_no,flow_id,branch_no,oper_date,item_no,item_name,source_price,sale_price,sale_qnty,sale_money,sell_way,card_id,oper_id"
    rows = [
        f"F{i},1,0101{i % 2:02d},2026-11-01 08:{i % 60:02d}:00,A{i % 9},鸡蛋,5.00,4.50,2,9.00,A,V{i},E1"
        for i in range(40)
    ]
    return "\n".join([head, *rows]).encode()


def members() -> bytes:
    rows = [f"V{i},{phone(i)},{NAMES[i % 3]},2026-01-0{i % 9 + 1}" for i in range(40)]
    return "\n".join(["会员卡号,手机号码,会员姓名,办卡日期", *rows]).encode()


def look(name: str, data: bytes, password: str | None = None) -> FileReport:
    return inspect_table(Opened(name, open_bytes(data, password)))


def run(*arguments: str | Path, code: int = 0, width: int = 80) -> str:
    result = CliRunner(env={"COLUMNS": str(width)}).invoke(
        linli, ["inspect", *map(str, arguments)], catch_exceptions=False
    )
    assert result.exit_code == code, result.output
    return result.output


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_a_placeholder_does_not_speak_for_the_numbers_of_its_prefix() -> None:
    numbers = [
        "13800138000",
        *(f"138001390{n:02d}" for n in range(40)),
        *(f"170{n:08d}" for n in range(5)),
        "14912345678",
    ]
    rows = "\n".join(f"C{n},{number}" for n, number in enumerate(numbers))
    [figures] = look("members.csv", f"member_ref,phone\n{rows}\n".encode()).phones
    assert figures.kinds == {"placeholder": 1, "plain": 40, "mvno": 5, "unlisted": 1}


def test_an_export_nobody_knows_is_read_and_accounted_for() -> None:
    report = look("交易.csv", unknown_pos())
    assert (report.format, report.encoding, report.header_row) == ("csv", "gb18030", 3)
    assert (report.rows_read, report.ignored) == (120, {"title_row": 2, "total_row": 1})
    assert report.chosen is not None and report.chosen.candidate.name == "generic_pos/ticket_lines"
    assert 0.75 <= report.chosen.confidence <= 0.95
    assigned = report.chosen.assigned
    assert (
        assigned["receipt"] == "交易流水"
        and assigned["amount"] == "成交金额(元)"
        and assigned["store"] == "机构"
    )
    [figures] = report.phones
    assert (
        figures.column == "客户手机" and figures.kinds == {"plain": 80, "masked": 20} and figures.rows == 120
    )
    assert report.spans == {"收款时间": ("2026-11-01 08:05", "2026-11-19 08:05")}


@pytest.mark.parametrize("width", [50, 80])
def test_the_report_names_nobody_and_fits_the_width(tmp_path: Path, width: int) -> None:
    first, second = put(tmp_path, "明细.csv", unknown_pos()), put(tmp_path, f"会员{phone(1)}.csv", members())
    shown = run(first, second, width=width)
    assert not _PHONE.search(shown) and not any(name in shown for name in NAMES)
    assert "幸福路" not in shown and "139****" in shown
    from rich.cells import cell_len

    assert max(cell_len(line) for line in shown.splitlines()) <= width


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("t_rm_saleflow_rowcount=40.csv", siss(), "siss_dump/t_rm_saleflow"),
        ("pos_t_saleflow.csv", siss(), "kemai_dump/pos_t_saleflow"),
        ("会员.csv", members(), "generic_pos/members"),
        (
            "报表.xlsx",
            workbook(
                ["订单明细报表"], ["营业日期：2026-11-01"],
                ["门店名称", "订单号", "结账时间", "订单金额（元）", "支付合计（元）", "结账方式", "手机号"],
                *[["一店", f"D{i}", f"2026-11-01 0{i}:00:00", 10.5, 9.5, "微信", phone(i)] for i in range(9)],
                ["合计", None, None, 94.5, 85.5, None, None],
            ),
            "meituan_excel/orders",
        ),
        (
            "跟团.xlsx",
            workbook(
                ["跟团号", "下单人", "支付时间", "商品", "订单金额", "订单状态", "自提点", "收货人", "联系电话"],
                *[[str(i), NAMES[i % 3], f"2026-11-01 0{i}:00:00", "苹果+2", 9.9, "已支付", "一号门", "a", phone(i)] for i in range(9)],
            ),
            "ktt_excel/orders",
        ),
        (
            "tickets.jsonl",
            b"\n".join(
                b'{"store_code":"S1","ticket_id":"T%d","kind":"sale","sold_at":"2026-11-01 08:00:00","net":"1.00"}' % i
                for i in range(9)
            ),
            "standard_pos/tickets",
        ),
        (
            "团购.csv",
            "\n".join(["团购单号,下单时间,实付金额,团长,收货电话,订单状态,自提点"] + [
                f"G{i},2026-11-01 0{i}:00:00,9.90,L{i % 2},{phone(i)},已完成,一号门" for i in range(9)
            ]).encode(),
            "generic_groupbuy/orders",
        ),
    ],
)  # fmt: skip
def test_known_systems_are_recognised(name: str, data: bytes, expected: str) -> None:
    report = look(name, data)
    assert report.chosen is not None and report.chosen.candidate.name == expected
    assert report.chosen.confidence > 0.9 and not report.chosen.missing


def test_two_systems_with_the_same_columns_are_not_told_apart(tmp_path: Path) -> None:
    report = look("export.csv", siss())
    assert report.rival is not None and {"siss_dump", "kemai_dump"} == {
        report.chosen.candidate.preset.preset,
        report.rival.candidate.preset.preset,
    }
    assert "光看表头分不出" in run(put(tmp_path, "export.csv", siss()))


@pytest.mark.parametrize(
    "text",
    ["甲,乙,丙\n1,2,3\n", "姓名,备注\n某,某\n", "单号,时间,金额\n" + "a,b,c\n" * 9],
    ids=["nothing known", "nothing that counts", "labels without content"],
)
def test_what_fits_badly_is_called_unsure(tmp_path: Path, text: str) -> None:
    assert look("a.csv", text.encode()).chosen is None
    out = run(put(tmp_path, "a.csv", text.encode()), "--write", tmp_path / "out")
    assert "不确定" in out and "把握" not in out


def test_a_file_without_a_header_shows_none_of_its_first_row(tmp_path: Path) -> None:
    text = "".join(f"T{i},{NAMES[i % 3]},{phone(i)},9.9\n" for i in range(9))
    shown = run(put(tmp_path, "a.csv", text.encode()))
    assert (
        "没有表头" in shown
        and NAMES[0] not in shown
        and "139****0000" not in shown
        and not _PHONE.search(shown)
    )


def test_values_of_the_wrong_kind_lower_the_confidence() -> None:
    good = look("a.csv", unknown_pos())
    bad = look("a.csv", unknown_pos().replace("2026/11/".encode("gb18030"), "某天".encode("gb18030")))
    assert bad.fits[0].confidence < good.fits[0].confidence * 0.6


def test_repeated_keys_are_counted_by_the_feeds_key() -> None:
    text = "会员卡号,手机号码,会员姓名\n" + "".join(f"V{i % 8},{phone(i)},某\n" for i in range(9))
    assert look("会员.csv", text.encode()).repeats == (("member_ref",), 1)
    lines = unknown_pos().decode("gb18030").splitlines()
    doubled = "\r\n".join([*lines[:-1], *lines[3:6]]).encode("gb18030")
    assert look("明细.csv", doubled).repeats == (
        (),
        3,
    )  # the file numbers no lines: only whole rows can repeat


def test_unreadable_files_say_why_and_the_rest_goes_on(tmp_path: Path) -> None:
    whole = workbook(["a"], ["b"])
    files = [
        put(tmp_path, "cut.xlsx", whole[: len(whole) // 2]),
        put(tmp_path, "cut.csv.gz", gzip.compress(b"x" * 999)[:20]),
        put(tmp_path, "wide.csv", "编号,品名\n1,菜\n".encode("utf-16")),
        put(tmp_path, "empty.csv", b""),
        put(tmp_path, "明细.csv", unknown_pos()),
    ]
    out = run(*files)
    assert (
        out.count("读不了") == 4 and "请重新导出" in out and "另存为 UTF-8" in out and "ticket_lines" in out
    )


def test_no_such_file_is_exit_code_2(tmp_path: Path) -> None:
    run(tmp_path / "none.csv", code=2)


def test_members_of_an_archive_are_looked_at_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "导出.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("明细.csv", unknown_pos())
        packed.writestr("会员.csv", members())
    assert [r.chosen and r.chosen.candidate.table for r in inspect_files([path])] == [
        "members",
        "ticket_lines",
    ]


def test_english_and_help(tmp_path: Path) -> None:
    shown = run(put(tmp_path, "明细.csv", unknown_pos()), "--lang", "en")
    assert "What these data are good for" in shown and "confidence" in shown and "用这些数据" not in shown
    LANGUAGE.set("zh")
    result = CliRunner().invoke(inspect, ["--help"])
    assert "例：linli inspect" in result.output


def verdicts(*reports: FileReport) -> dict[str, str]:
    return {verdict.title.en: verdict.state for verdict in judge(reports)}


def test_what_the_data_are_good_for_follows_from_what_is_filled() -> None:
    lines = look("明细.csv", unknown_pos())
    found = verdicts(lines)
    assert found["recognition"] == "partly" and found["churn tiers"] == "partly"
    assert found["KOC"] == "unknown"  # no share events: nobody can tell
    assert (
        found["evening markdown"] == "no"
        and found["points ledger"] == "no"
        and found["group to counter"] == "no"
    )
    assert found["what goes with it"] == "yes"
    anonymous = unknown_pos().decode("gb18030").replace("客户手机", "备用列").encode("gb18030")
    anonymous = re.sub(rb"1390000\d{4}|138\*+1234", b"", anonymous)
    found = verdicts(look("明细.csv", anonymous))
    assert found["recognition"] == "no" and found["KOC"] == "no"
    stock = "门店编号,商品编码,库存日期,库存数量,今日到货\n" + "".join(
        f"S1,A{i},2026-11-01,5,9\n" for i in range(3)
    )
    products = "商品编码,商品名称,商品分类,售价,进价\n" + "".join(
        f"A{i},菜{i},叶菜,3.5,2\n" for i in range(5)
    )
    both = [look("库存.csv", stock.encode()), look("商品.csv", products.encode()), lines]
    assert verdicts(*both)["evening markdown"] == "partly"
    assert set(verdicts().values()) == {"no"}


def test_features_are_data_about_columns_of_the_contract() -> None:
    known = load_features()
    assert len(known.features) >= 9 and all(
        feature.title.zh and feature.title.en for feature in known.features
    )
    used = {fact for feature in known.features for fact in feature.needs}
    assert used == set(known.facts)


@pytest.mark.parametrize("preset", generic_presets(), ids=lambda preset: preset.kind)
def test_common_shapes_run_on_nothing(preset) -> None:  # type: ignore[no-untyped-def]
    import pyarrow as pa

    empty = pa.table({"_row_no": pa.array([], pa.int64())})
    for name, table in preset.tables.items():
        mapped = map_table(preset, name, empty, {"store_code": "S1"}, "Asia/Shanghai")
        assert set(mapped) == set(table.feeds)
    assert {"generic_pos", "generic_groupbuy"} <= {candidate.preset.preset for candidate in candidates()}


def make_chain(root: Path, out: Path, **replacements: str) -> Path:
    """A chain with the written connection and mapping, as the report tells one to make it."""
    text = (out / "connection.yml").read_text("utf-8")
    for old, new in replacements.items():
        text = text.replace(old, new)
    (root / "chain.yml").write_text("chain: {code: c, name: 店}\n" + text, "utf-8")
    (root / "presets").mkdir(exist_ok=True)
    for path in out.glob("*_aliases.yml"):
        shutil.copy(path, root / "presets")
    return root


def test_what_is_written_lands_an_export_nobody_knows(tmp_path: Path, chain_dir: Path, drop) -> None:
    first, second = put(tmp_path, "明细.csv", unknown_pos()), put(tmp_path, "会员.csv", members())
    out = tmp_path / "out"
    shown = run(first, second, "--as", "till", "--write", out)
    assert "till_aliases.yml" in shown.replace("\n", "")
    assert sorted(path.name for path in out.iterdir()) == ["connection.yml", "till_aliases.yml"]
    chain = load_chain(make_chain(chain_dir, out))
    till = chain.connection("till")
    assert [feed.name for feed in till.feeds] == ["tickets", "ticket_lines", "members"]
    drop(chain_dir, "till", "ticket_lines", NIGHT, "明细.csv", first.read_bytes())
    drop(chain_dir, "till", "members", NIGHT, "会员.csv", second.read_bytes())
    landed = land_files(chain, till, "ticket_lines", [date.fromisoformat(NIGHT)], KEY)
    assert {name: feed.total("rows_loaded") for name, feed in landed.items()} == {
        "ticket_lines": 120,
        "tickets": 60,
    }
    assert all(feed.total("rows_rejected") == 0 for feed in landed.values())

    def rows(feed: str) -> list[dict]:
        [manifest] = landed[feed].manifests
        return pq.read_table(chain.paths.lake / manifest.lake_path).to_pylist()

    ticket = next(row for row in rows("tickets") if row["ticket_id"] == "T00001")
    assert (ticket["store_code"], ticket["kind"], ticket["net"]) == ("S002", "sale", "4.00")
    assert ticket["sold_at"] == "2026-11-02 08:05:00" and ticket["phone_masked"] == "139****0001"
    assert next(row for row in rows("tickets") if row["ticket_id"] == "T00007")["kind"] == "return"
    line = next(row for row in rows("ticket_lines") if row["ticket_id"] == "T00001" and row["line_no"] == "2")
    assert (line["item_name"], line["sku"], line["category"]) == ("上海青1", "6901234567801", "叶菜")
    assert (float(line["qty"]), line["amount"]) == (2, "2.50")
    people = land_files(chain, till, "members", [date.fromisoformat(NIGHT)], KEY)["members"]
    assert people.total("rows_loaded") == 40
    written = "".join(path.read_text("utf-8") for path in out.iterdir())
    assert not _PHONE.search(written) and not any(name in written for name in NAMES)


def test_a_shipped_preset_needs_no_mapping_and_asks_for_its_settings(tmp_path: Path, chain_dir: Path) -> None:
    data = "销售时间,单据号,商品名称,数量,总金额,手机号\n" + "".join(
        f"2026-11-01 08:0{i}:00,T{i},菜,1,3.50,{phone(i)}\n" for i in range(9)
    )
    out = tmp_path / "out"
    run(put(tmp_path, "销售.csv", data.encode()), "--write", out, "--password", "x")
    assert [path.name for path in out.iterdir()] == ["connection.yml"]
    [connection] = yaml.safe_load((out / "connection.yml").read_text("utf-8"))["connections"]
    assert connection == {
        "name": "pos_main", "preset": "supermarket_excel", "file_password": "${POS_MAIN_FILE_PASSWORD}",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="supermarket_excel 需要 store_code"):
        load_chain(make_chain(chain_dir, out), resolve_secrets=False)
    filled = make_chain(chain_dir, out, **{"# store_code": "store_code"})
    assert load_chain(filled, resolve_secrets=False).connection("pos_main").settings["store_code"] == "S001"


def test_a_required_column_that_is_not_there_is_a_gap_that_says_so(tmp_path: Path, chain_dir: Path) -> None:
    lines = unknown_pos().decode("gb18030").replace("交易流水", "神秘列").encode("gb18030")
    out = tmp_path / "out"
    shown = run(put(tmp_path, "明细.csv", lines), "--as", "till", "--write", out)
    assert "不确定" in shown and "缺列" in shown
    with pytest.raises(ConfigError) as caught:
        load_chain(make_chain(chain_dir, out))
    assert "receipt 还没有写表头" in str(caught.value) and "till_aliases.yml" in str(caught.value)
    mapping = chain_dir / "presets" / "till_aliases.yml"
    mapping.write_text(mapping.read_text("utf-8").replace("receipt: []", "receipt: [神秘列]"), "utf-8")
    assert load_chain(chain_dir).connection("till").kind == "pos"


def test_what_was_written_before_is_not_overwritten(tmp_path: Path) -> None:
    path, out = put(tmp_path, "明细.csv", unknown_pos()), tmp_path / "out"
    run(path, "--write", out)
    before = (out / "connection.yml").read_text("utf-8")
    (out / "connection.yml").write_text(before + "# mine\n", "utf-8")
    assert "已经有了" in run(path, "--write", out, code=2)
    assert (out / "connection.yml").read_text("utf-8").endswith("# mine\n")


def test_epoch_times_and_fen_are_written_as_such(tmp_path: Path, chain_dir: Path, drop) -> None:
    text = "门店编号,小票号,交易时间,商品名称,数量,实收金额(分)\n" + "".join(
        f"S1,T{i},{1793491200 + i * 60},菜,1,{350 + i}\n" for i in range(9)
    )
    out = tmp_path / "out"
    run(put(tmp_path, "a.csv", text.encode()), "--as", "till", "--write", out)
    chain = load_chain(make_chain(chain_dir, out))
    drop(chain_dir, "till", "ticket_lines", NIGHT, "a.csv", text)
    landed = land_files(chain, chain.connection("till"), "ticket_lines", [date.fromisoformat(NIGHT)], KEY)
    [manifest] = landed["tickets"].manifests
    found = {r["ticket_id"]: r for r in pq.read_table(chain.paths.lake / manifest.lake_path).to_pylist()}
    assert (found["T0"]["sold_at"], found["T0"]["net"]) == ("2026-11-01 08:00:00", "3.50")


def everything_shown(data: bytes, folder: Path) -> str:
    return run(put(folder, "x", data), width=80) + run(put(folder, "x", data), width=50)


_CELLS = st.one_of(
    st.sampled_from(
        [
            "门店编号",
            "小票号",
            "交易时间",
            "商品名称",
            "数量",
            "实收金额",
            "手机号",
            "姓名",
            "类型",
            "合计",
            "",
        ]
    ),
    st.builds(phone, st.integers(0, 9999)),
    st.builds(lambda n: f"+86 139 0000 {n:04d}", st.integers(0, 9999)),
    st.builds(lambda n: f"电话{phone(n)}。", st.integers(0, 9999)),
    st.text(max_size=12),
    st.sampled_from(["2026-11-01 08:00:00", "3.5", "-1", "销售", "1.39E+10", "138****1234"]),
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    data=st.one_of(
        st.binary(max_size=400), st.text(max_size=200).map(lambda t: t.encode("gb18030", "replace"))
    )
)
def test_any_bytes_make_a_report_and_no_traceback(tmp_path: Path, data: bytes) -> None:
    assert not _PHONE.search(everything_shown(data, tmp_path))


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    rows=st.lists(st.lists(_CELLS, min_size=1, max_size=6), min_size=1, max_size=12),
    delimiter=st.sampled_from([",", "\t", ";"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]),
)
def test_any_table_makes_a_report_without_a_plain_phone(
    tmp_path: Path, rows: list[list[str]], delimiter: str, encoding: str
) -> None:
    data = "\n".join(delimiter.join(row) for row in rows).encode(encoding, "replace")
    shown = everything_shown(data, tmp_path)
    assert not _PHONE.search(re.sub(r"\s", "", shown.replace("\n", "")))
    try:
        source = open_bytes(data)
    except UnreadableFileError:
        return
    report = inspect_table(Opened("x", source))
    assert report.rows_read == source.table.num_rows + len(source.broken)
    out = Path(tempfile.mkdtemp(dir=tmp_path))
    run(put(tmp_path, "x", data), "--write", out)
    for path in out.glob("*.yml"):
        text = path.read_text("utf-8")
        assert not _PHONE.search(text) and isinstance(yaml.safe_load(text), dict)
