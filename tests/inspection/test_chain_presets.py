"""A chain may bring presets of its own as files; they never stand in for a shipped one, and say what they lack."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.config import ConfigError, load_chain

GOODS = """
preset: our_till
kind: pos
transport: files
title: {zh: 我们的收银, en: our till}
settings: {store_code: {default: S1}}
tables:
  goods:
    columns: {no: [编号], name: [品名], kind: [类]}
    required: [no]
    feeds:
      products: {columns: {sku: no, item_name: name, category: kind}}
"""


def bring(root: Path, text: str, name: str = "our_till", preset: str | None = None) -> None:
    (root / "presets").mkdir(exist_ok=True)
    (root / "presets" / f"{name}.yml").write_text(text, "utf-8")
    (root / "chain.yml").write_text(
        "chain: {code: c, name: 店}\nconnections:\n"
        '  - {name: wecom, preset: wecom_api, base_url: "http://127.0.0.1:1", corp_id: c, secret: s}\n'
        f"  - {{name: till, preset: {preset or name}}}\n",
        "utf-8",
    )


def test_a_connection_may_name_a_preset_of_its_chain(chain_dir: Path) -> None:
    bring(chain_dir, GOODS)
    till = load_chain(chain_dir).connection("till")
    assert [feed.name for feed in till.feeds] == ["products"] and till.kind == "pos"
    assert till.settings == {"store_code": "S1"} and till.folders == {"goods": "goods"}
    assert till.model_copy().definition.preset == "our_till"


def test_it_is_read_anew_when_the_file_changes(chain_dir: Path) -> None:
    bring(chain_dir, GOODS)
    assert load_chain(chain_dir).connection("till").settings["store_code"] == "S1"
    bring(chain_dir, GOODS.replace("S1", "S2"))
    assert load_chain(chain_dir).connection("till").settings["store_code"] == "S2"


@pytest.mark.parametrize(
    ("text", "name", "preset", "problem"),
    [
        (GOODS.replace("our_till", "standard_pos"), "standard_pos", None, "自带的 preset"),
        (GOODS, "our_till", "../presets/our_till", "不认识的 preset"),
        (GOODS, "our_till", "their_till", "our_till"),
        (GOODS.replace("[编号]", "[]"), "our_till", None, "表 goods：列 no 还没有写表头"),
        (GOODS.replace("preset: our_till", "preset: other"), "our_till", None, "not the file's name"),
        (GOODS.replace("files", "windows\nclient: a:b"), "our_till", None, "transport: files"),
        ("preset: [", "our_till", None, "presets/our_till.yml"),
    ],
)
def test_what_is_wrong_with_it_is_said_at_the_line_of_chain_yml(
    chain_dir: Path, text: str, name: str, preset: str | None, problem: str
) -> None:
    bring(chain_dir, text, name, preset)
    with pytest.raises(ConfigError) as caught:
        load_chain(chain_dir)
    assert problem in str(caught.value)
    assert (caught.value.line, caught.value.key) == (4, "connections.1.preset")
