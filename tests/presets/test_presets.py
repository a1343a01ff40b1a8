"""Presets are data: every shipped one is sound, a wrong one says what is wrong, another package can bring one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from dagster_project.contracts import feed as contract_feed
from dagster_project.contracts import feeds_of
from dagster_project.landing.mapping import map_table, records_table
from dagster_project.landing.readers import normal_label
from dagster_project.presets import (
    PresetError,
    load_client,
    load_preset,
    parse_preset,
    preset_names,
)

SHIPPED = {
    "standard_pos", "pospal_api", "keruyun_api", "siss_dump", "kemai_dump", "meituan_excel", "twodfire_api",
    "supermarket_excel", "standard_groupbuy", "ktt_excel", "ktt_api", "youzan_api", "weimob_api", "chiyan_files",
    "wecom_api",
}  # fmt: skip


def test_every_system_of_the_business_has_a_preset() -> None:
    assert set(preset_names()) == SHIPPED


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_shipped_preset_says_what_it_rests_on_and_runs_on_nothing(name: str) -> None:
    preset = load_preset(name)
    assert preset.title.zh and preset.title.en and preset.verified.zh and preset.verified.en
    assert all(setting.about.zh and setting.about.en for setting in preset.settings.values())
    if preset.client:
        assert callable(load_client(preset))
    settings = {key: setting.default or "1" for key, setting in preset.settings.items()}
    for table, rule in preset.tables.items():
        empty = (
            records_table([])
            if preset.transport == "windows"
            else pa.table({"_row_no": pa.array([], pa.int64())})
        )
        mapped = map_table(preset, table, empty, settings, "Asia/Shanghai")
        assert set(mapped) == set(rule.feeds)
        for feed_name, feed in mapped.items():
            assert feed.table.num_rows == 0
            must = {column.name for column in contract_feed(preset.kind, feed_name).columns if column.must}
            assert must <= set(feed.table.column_names), (name, table, feed_name)


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_no_spelling_means_two_columns_and_no_folder_two_tables(name: str) -> None:
    preset = load_preset(name)
    folders = [f for table, rule in preset.tables.items() for f in (table, *rule.folders)]
    # a table may be named after one of the feeds it brings, but two tables never share a folder
    assert len({(t, f) for t, r in preset.tables.items() for f in (t, *r.folders)}) == len(set(folders))
    for rule in preset.tables.values():
        spellings = [
            normal_label(s) for names in rule.columns.values() for s in set(map(normal_label, names))
        ]
        assert len(spellings) == len(set(spellings))


GOOD = """
preset: mine
kind: pos
transport: files
title: {zh: 我的, en: mine}
settings: {store_code: {default: S1}}
tables:
  goods:
    columns: {no: [编号], name: [品名], kind: [类]}
    required: [no]
    feeds:
      products: {columns: {sku: no, item_name: name, category: kind}}
"""


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("kind: pos", "kind: bank", "unknown kind"),
        ("products:", "goods:", "no such feed"),
        ("sku: no,", "skew: no,", "no such columns"),
        ("required: [no]", "required: [number]", "not in columns"),
        ("sku: no", 'sku: "{shop}"', "no setting 'shop'"),
        ("sku: no", "price: name, sku: no", "needs a unit"),
        ("sku: no", "sku: {value: no, unit: fen}", "needs a unit"),
        ("transport: files", "transport: windows", "client"),
        ("preset: mine", "preset: yours", "not the file's name"),
        ("tables:", "tabels:", "tabels"),
        ("title: {zh", "title: [zh", "mine.yml"),
    ],
)
def test_a_wrong_preset_says_what_is_wrong(old: str, new: str, problem: str) -> None:
    assert parse_preset(GOOD, "mine").feeds == ("products",)
    assert old in GOOD
    with pytest.raises(PresetError, match=problem):
        parse_preset(GOOD.replace(old, new, 1), "mine")


def test_another_package_brings_a_preset_by_entry_point(
    bring_package: Callable[[str, dict[str, str]], None],
) -> None:
    bring_package("our_till", {"mine": GOOD, "gone": ""})
    assert "mine" in preset_names()
    assert load_preset("mine").feeds == ("products",)
    with pytest.raises(PresetError, match=r"our_till.*gone\.yml"):
        load_preset("gone")
    with pytest.raises(PresetError, match=r"standard_pos"):
        load_preset("nobody_has_this")


def test_every_feed_of_the_contract_can_be_brought() -> None:
    for kind in ("pos", "groupbuy"):
        assert set(load_preset(f"standard_{kind}").feeds) == {feed.name for feed in feeds_of(kind)}


def test_a_preset_sees_its_rows_and_nothing_else_of_the_machine(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hidden")
    reading = GOOD.replace("sku: no,", f"sku: \"(select content from read_text('{secret}'))\",")
    preset = parse_preset(reading, "mine")
    rows = pa.table({"no": ["1"], "name": ["a"], "kind": ["b"], "_row_no": pa.array([2], pa.int64())})
    with pytest.raises(duckdb.Error):
        map_table(preset, "goods", rows, {}, "Asia/Shanghai")


def test_a_column_of_a_file_takes_no_value_s_place_and_keeps_its_own() -> None:
    rows = pa.table(
        {
            "no": ["1"],
            "name": ["a"],
            "kind": ["b"],
            "value of sku": ["9"],
            "_row_no": pa.array([2], pa.int64()),
        }
    )
    mapped = map_table(parse_preset(GOOD, "mine"), "goods", rows, {}, "Asia/Shanghai")["products"].table
    assert mapped.column("sku").to_pylist() == ["1"]
    assert mapped.column("value of sku").to_pylist() == ["9"]
