"""chain.yml, stores.csv and rules: good files load, wrong ones name file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project.config import ConfigError, load_chain, packaged_chain
from dagster_project.segments import plan

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
    [segment] = load_chain(chain_dir).rules.segments
    assert "coalesce(spend_30d_fen > 29999, false)" in plan([segment]).bits_sql
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


_SEGMENT = "segments:\n  - segment_id: rich\n    name: 富\n    all:\n      - {metric: METRIC, op: '>', value: VALUE}\n"


_NO_NUMBERS = ["五百", "eight", "NaN", "Infinity", "-Infinity", "1e3", "1.005", "9" * 40, "''"]


@pytest.mark.parametrize(
    ("metric", "wrong"),
    [
        ("spend_30d", "-5"),
        *((metric, wrong) for metric in ("spend_30d", "orders_30d") for wrong in _NO_NUMBERS),
    ],
)
def test_a_segments_value_that_is_no_number_names_its_line(chain_dir: Path, metric: str, wrong: str) -> None:
    text = _SEGMENT.replace("METRIC", metric).replace("VALUE", wrong)
    (chain_dir / "rules" / "segments.yml").write_text(text)
    with pytest.raises(ConfigError, match=r"segments\.yml:5 \[segments\.0\.all\.0\.value\]"):
        load_chain(chain_dir)


@pytest.mark.parametrize(
    ("file", "old", "new", "place"),
    [
        ("koc", "spend_30d_yuan: 300", "spend_30d_yuan: 三百", r"koc\.yml:2 \[spend_30d_yuan\].*三百"),
        ("koc", "spend_30d_yuan: 300", "spend_30d_yuan:", r"koc\.yml:2 \[spend_30d_yuan\]"),
        ("campaigns", "amount_yuan: 8,", "amount_yuan: eight,", r"campaigns\.yml:7 \[campaigns\.0\.offer\.amount_yuan\]"),
        ("guards", "max_line_amount_yuan: 100000", "max_line_amount_yuan: sNaN", r"guards\.yml:7 \[max_line_amount_yuan\]"),
        ("ledger", "{default: 1}", "{default: 1, pos_man: 2}",
         r"ledger\.yml:\d+ \[point_factor\.pos_man\] 没有名为 pos_man 的连接。可用：default, "),
        ("koc", "shares_30d: ", "shares_30d: x", r"koc\.yml:\d+ \[shares_30d\] 应当是整数"),
        ("guards", "max_send_per_run: ", "max_send_per_run: -", r"guards\.yml:\d+ \[max_send_per_run\] 不能小于 0"),
        ("campaigns", "kind: cash_off", "kind: gift", r"\[campaigns\.0\.offer\.kind\] 只能是 'cash_off'、'first_order_price'"),
        ("campaigns", "channels: [", "channels: [] #", r"\[campaigns\.0\.channels\] 至少要有 1 项"),
        ("koc", "spend_30d_yuan: 300", "spend_30d_yuan: 300: 1", r"koc\.yml:2 YAML 写法有误：这一行多了一个冒号"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_told_in_chinese_with_its_line(
    chain_dir: Path, file: str, old: str, new: str, place: str
) -> None:
    path = chain_dir / "rules" / f"{file}.yml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigError, match=place):
        load_chain(chain_dir)


_WECOM = '{name: wecom, KEY: VALUE, base_url: "URL", corp_id: demo, secret: SECRET}'


def wecom_chain(chain_dir: Path, url: str, secret: str) -> Path:
    """chain.yml with the WeCom connection on line 12 and the target on line 18; returns its path."""
    line = _WECOM.replace("URL", url).replace("SECRET", secret)
    path = chain_dir / "chain.yml"
    connection = line.replace("KEY: VALUE", "preset: wecom_api")
    path.write_text(
        path.read_text("utf-8")
        .replace("  # 企业微信走接口", f"  - {connection}\n  # 企业微信走接口")
        .replace("targets:\n", f"targets:\n  - {line.replace('KEY: VALUE', 'kind: wecom')}\n"),
        "utf-8",
    )
    return path


def test_a_secret_in_the_file_is_a_warning_that_does_not_repeat_it(chain_dir: Path) -> None:
    wecom_chain(chain_dir, "https://qyapi.weixin.qq.com", "hunter2")
    warnings = load_chain(chain_dir).warnings
    assert [warning.split("]")[0].split("chain.yml")[-1] for warning in warnings] == [
        ":12 [connections.2.secret",
        ":18 [targets.0.secret",
    ]
    assert all("${WECOM_SECRET}" in warning and "hunter2" not in warning for warning in warnings)
    assert load_chain(chain_dir, resolve_secrets=False).warnings == warnings


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://qyapi.weixin.qq.com", 2),
        ("http://10.0.0.5:8080", 2),
        ("https://qyapi.weixin.qq.com", 0),
        ("http://127.0.0.1:8701", 0),
        ("http://127.8.0.1", 0),
        ("http://localhost:8701", 0),
        ("http://[::1]:8701", 0),
    ],
)
def test_a_secret_over_plain_http_is_a_warning(chain_dir: Path, url: str, warned: int) -> None:
    wecom_chain(chain_dir, url, "${WECOM_SECRET}")
    warnings = load_chain(chain_dir).warnings
    assert len(warnings) == warned and all("base_url" in warning for warning in warnings)


@pytest.mark.parametrize(
    "url", ["qyapi.weixin.qq.com", "ftp://host", "https://", "http://[::1", "http://a b", "https:/x"]
)
def test_an_address_without_its_beginning_is_an_error_with_its_line(chain_dir: Path, url: str) -> None:
    path = wecom_chain(chain_dir, url, "${WECOM_SECRET}")
    with pytest.raises(ConfigError, match=r"chain\.yml:12 \[connections\.2\.base_url\].*https://"):
        load_chain(chain_dir)
    path.write_text(path.read_text("utf-8").replace(url, "https://host", 1), "utf-8")
    with pytest.raises(ConfigError, match=r"chain\.yml:18 \[targets\.0\.base_url\]"):
        load_chain(chain_dir)


def test_two_targets_of_one_name_are_an_error_with_the_line_of_the_second(chain_dir: Path) -> None:
    path = wecom_chain(chain_dir, "https://host", "${WECOM_SECRET}")
    path.write_text(path.read_text("utf-8").replace("name: group_coupons", "name: wecom"), "utf-8")
    with pytest.raises(ConfigError, match=r"chain\.yml:19 \[targets\.1\.name\].*wecom"):
        load_chain(chain_dir)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"store_code\n\xff\xff\xfe\n", r"stores\.csv .*UTF-8"),
        ("store_code,opened_on\nS1,昨天\n".encode(), r"stores\.csv:2 \[opened_on\] '昨天' 不是日期"),
        (b"store_code,lat\nS1,nan\n", r"stores\.csv:2 \[lat\]"),
        (b'store_code\n"' + b"x" * 200_000 + b'"\n', r"stores\.csv.*CSV"),
    ],
)
def test_an_unusable_store_table_names_its_place(chain_dir: Path, content: bytes, place: str) -> None:
    (chain_dir / "stores.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=place):
        load_chain(chain_dir)
