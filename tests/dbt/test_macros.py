"""What the macros of numbers, days and bits give on DuckDB, and that Spark's spelling of them is Spark SQL."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from dbt.cli.main import dbtRunner

from dagster_project.orchestration.dbt_runner import parsed_project, project_files
from dagster_project.warehouse.ops.members import WINDOWS
from tests.dbt.conftest import PROJECT

# expression in Jinja → value
EXAMPLES = {
    "{{ hour_of(\"timestamp '2024-05-01 23:59:59'\") }}": 23,
    "{{ hour_of(\"timestamp '2024-05-02 00:00:00'\") }}": 0,
    "{{ iso_weekday(\"date '2024-05-06'\") }}": 1,
    "{{ iso_weekday(\"date '2024-05-05'\") }}": 7,
    "{{ month_text(\"date '2024-05-31'\") }}": "2024-05",
    "(select {{ median_of('v') }} from (values (1), (9), (2)) as t (v))": 2.0,
    "(select {{ median_of('v') }} from (values (1), (9), (2), (4), (null)) as t (v))": 3.0,
    "(select {{ median_of('v') }} from (values (1)) as t (v) where v > 1)": None,
    # 15 % of 1 … 7 fen: 0.15 0.30 0.45 0.60 0.75 0.90 1.05
    "{{ half_up('3', '1500') }}": 0,
    "{{ half_up('4', '1500') }}": 1,
    "{{ half_up('7', '1500') }}": 1,
    "{{ half_up('10', '1500') }}": 2,
    "{{ half_up('0', '1500') }}": 0,
    "{{ half_up('900000000000', '10000') }}": 900000000000,
    "{{ fen_times('0.5', '301') }}": 151,
    "{{ fen_times('0.512', '100') }}": 51,
    "{{ fen_times('2', 'cast(null as bigint)') }}": None,
    "{{ key_hash('cast(null as varchar)') }}": None,
    "{{ key_hash(\"'a'\") }} = {{ key_hash(\"'a'\") }}": True,
    "{{ key_hash(\"'a'\") }} = {{ key_hash(\"'A'\") }}": False,
    "{{ key_hash(\"'a'\") }} >= 0": True,
    "{{ touched_rows('day', 'days') }}": True,
    # the 30 days at a night are D-29 to D, by the contract
    "{{ in_window(\"date '2024-05-02'\", \"date '2024-05-31'\", koc_days()) }}": True,
    "{{ in_window(\"date '2024-05-01'\", \"date '2024-05-31'\", koc_days()) }}": False,
    "{{ in_window(\"date '2024-06-01'\", \"date '2024-05-31'\", koc_days()) }}": False,
    # what links are trusted most: what the platform says, then phone, payer and remark, and last what was replaced
    "{{ identity_strength(\"'unionid'\", \"'unionid'\", 'null') }} < {{ identity_strength(\"'phone'\", \"'verified_phone'\", 'null') }}": True,
    "{{ identity_strength(\"'phone'\", \"'verified_phone'\", 'null') }} < {{ identity_strength(\"'phone'\", \"'phone'\", 'null') }}": True,
    "{{ identity_strength(\"'phone'\", \"'phone'\", 'null') }} < {{ identity_strength(\"'pos_member'\", \"'payer'\", 'null') }}": True,
    "{{ identity_strength(\"'pos_member'\", \"'payer'\", 'null') }} < {{ identity_strength(\"'phone'\", \"'remark_phone'\", 'null') }}": True,
    "{{ identity_strength(\"'phone'\", \"'remark_phone'\", 'null') }} < {{ identity_strength(\"'phone'\", \"'phone'\", 'now()') }}": True,
    "'{{ window_lengths() | join(' ') }}'": " ".join(map(str, WINDOWS)),
}
SPARK = [
    "{{ spark__key_hash('x') }}",
    "{{ spark__iso_weekday('x') }}",
    "{{ spark__month_text('x') }}",
    "{{ spark__median_of('x') }}",
]


def compiled(folder: Path, expressions: list[str]) -> str:
    columns = ",\n".join(f"{text} as c{number}" for number, text in enumerate(expressions))
    options = ["--quiet", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    options += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    manifest = deepcopy(parsed_project(project_files()))  # the expressions become a node of it
    result = dbtRunner(manifest=manifest).invoke(["compile", "--inline", f"select\n{columns}", *options])
    assert result.success, result.exception
    found: Any = result.result
    return str(found.results[0].node.compiled_code)


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LINLI_WAREHOUSE", str(tmp_path / "warehouse.duckdb"))
    return tmp_path


def test_numbers_days_and_bits(warehouse: Path) -> None:
    sql = compiled(warehouse, list(EXAMPLES))
    with duckdb.connect() as con:
        [row] = con.execute(sql).fetchall()
    assert dict(zip(EXAMPLES, row, strict=True)) == EXAMPLES


def test_sparks_spelling_is_spark(warehouse: Path) -> None:
    parsed = sqlglot.parse_one(compiled(warehouse, SPARK), dialect="spark")
    assert len(parsed.expressions) == len(SPARK)
