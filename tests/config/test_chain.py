"""chain.yml, stores.csv and rules: good files load, wrong ones name file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project.config import ConfigError, load_chain, packaged_chain

CONTRACT = """\
chain: {code: demo, name: 邻里鲜, timezone: Asia/Shanghai, business_day_cutover: "04:00"}
connections:
  - {name: pos_main, preset: standard_pos}
  - {name: group_main, preset: standard_groupbuy}
  - {name: wecom, preset: wecom_api, base_url: "http://127.0.0.1:8701", corp_id: demo, secret: ${WECOM_SECRET}}
targets:
  - {name: wecom, kind: wecom, base_url: "http://127.0.0.1:8701", corp_id: demo, secret: ${WECOM_SECRET}}
  - {name: sms, kind: aliyun_sms, endpoint: "http://127.0.0.1:8702", access_key_id: ${SMS_KEY}, access_key_secret: ${SMS_SECRET}, sign_name: 邻里鲜}
"""


def test_the_contracts_own_example_loads(chain_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (chain_dir / "chain.yml").write_text(CONTRACT)
    monkeypatch.setenv("SMS_KEY", "k")
    monkeypatch.setenv("SMS_SECRET", "s")
    chain = load_chain(chain_dir)
    assert chain.cutover_minutes == 240
    assert chain.connection("wecom").secret == "demo"
    assert "demo" not in repr(chain.connection("wecom").secret is None) and "secret" not in repr(
        chain.connections[2]
    )


def test_a_missing_variable_names_file_line_and_key(chain_dir: Path) -> None:
    (chain_dir / "chain.yml").write_text(CONTRACT)
    with pytest.raises(ConfigError, match=r"chain\.yml:8 \[targets\.1\.access_key_id\].*SMS_KEY"):
        load_chain(chain_dir)
    assert load_chain(chain_dir, resolve_secrets=False).connections[2].secret == "${WECOM_SECRET}"


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("preset: standard_pos", "preset: standard_till", r"chain\.yml:10 \[connections\.0\.preset\]"),
        (
            "preset: standard_pos",
            "preset: standard_pos, colour: red",
            r"chain\.yml:10 \[connections\.0\.colour\].*file_password, name, preset",
        ),
        ("name: group_main", "name: pos_main", r"chain\.yml:11 \[connections\.1\.name\]"),
        ("Asia/Shanghai", "Asia/Nowhere", r"chain\.yml:5 \[chain\.timezone\]"),
        ('"04:00"', '"25:00"', r"chain\.yml:6 \[chain\.business_day_cutover\]"),
        ("name: 我的生鲜", "nom: 我的生鲜", r"chain\.yml:\d+ \[chain\.(name|nom)\]"),
        ("kind: groupbuy_file", "kind: pigeon", r"chain\.yml:17 \[targets\.0\.kind\]"),
    ],
)
def test_a_wrong_key_is_named_with_its_line(chain_dir: Path, old: str, new: str, place: str) -> None:
    path = chain_dir / "chain.yml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=place):
        load_chain(chain_dir)


def test_stores_keep_leading_zeros_and_their_own_cutover(chain_dir: Path) -> None:
    (chain_dir / "stores.csv").write_text(
        "\ufeffstore_code,store_name,business_day_cutover\n007,七店,02:30\n", "utf-8"
    )
    store = load_chain(chain_dir).stores[0]
    assert (store.store_code, store.cutover_minutes, store.lng) == ("007", 150, None)
    (chain_dir / "stores.csv").write_text("store_code,lng\nS1,east\n")
    with pytest.raises(ConfigError, match=r"stores\.csv:2 \[lng\]"):
        load_chain(chain_dir)


def test_rules_default_when_missing_and_complain_with_line(chain_dir: Path) -> None:
    packaged = packaged_chain().rules
    (chain_dir / "rules" / "koc.yml").unlink()
    assert load_chain(chain_dir).rules.koc == packaged.koc
    (chain_dir / "rules" / "churn.yml").write_text("l1_days: 7\nl2_days: 5\nl3_days: 30\n")
    with pytest.raises(ConfigError, match=r"churn\.yml:3 \[l3_days\]"):
        load_chain(chain_dir)
    (chain_dir / "rules" / "churn.yml").write_text("l1_days: 5\nl2_days: 10\nl3_days: 20\n")
    rules = load_chain(chain_dir).rules
    assert rules.churn.l2_days == 10 and rules.churn.hash != packaged.churn.hash
    (chain_dir / "rules" / "chrun.yml").write_text("l1_days: 7\n")
    with pytest.raises(ConfigError, match=r"chrun\.yml"):
        load_chain(chain_dir)


def test_segment_conditions_become_predicates_in_fen(chain_dir: Path) -> None:
    path = chain_dir / "rules" / "segments.yml"
    path.write_text(
        "segments:\n  - segment_id: rich\n    name: 富\n    all:\n      - {metric: spend_30d, op: '>', value: 299.99}\n"
    )
    assert load_chain(chain_dir).rules.segments[0].predicate == "spend_30d_fen > 29999"
    path.write_text(path.read_text().replace("spend_30d", "drop table"))
    with pytest.raises(ConfigError, match=r"segments\.yml:5 \[segments\.0\.all\.0\.metric\]"):
        load_chain(chain_dir)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_either_loads_or_is_a_config_error(chain_dir: Path, text: str | bytes) -> None:
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    (chain_dir / "chain.yml").write_bytes(content)
    with pytest.raises(ConfigError):
        load_chain(chain_dir)
