"""rules/identity_decisions.yml: what people decided is read, wrong entries name their line, numbers are refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from dagster_project.config import ConfigError, RecordName, load_chain
from dagster_project.privacy import ChainKey
from dagster_project.warehouse import connect, prepare

CARD, OTHER, USER = "pos_main|members|M1", "pos_main|members|M2", "group_main|users|wx1|o-1"


def write(chain_dir: Path, text: str) -> Path:
    path = chain_dir / "rules" / "identity_decisions.yml"
    path.write_text(text, "utf-8")
    return path


def test_the_template_decides_nothing_and_neither_does_a_missing_file(chain_dir: Path) -> None:
    assert load_chain(chain_dir).rules.identity_decisions == ()
    (chain_dir / "rules" / "identity_decisions.yml").unlink()
    assert load_chain(chain_dir).rules.identity_decisions == ()


def test_the_examples_of_the_template_are_good_once_uncommented(chain_dir: Path) -> None:
    path = chain_dir / "rules" / "identity_decisions.yml"
    lines = path.read_text("utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("# - "))
    write(chain_dir, "\n".join(line.removeprefix("# ") for line in lines[start:]))
    same, different = load_chain(chain_dir).rules.identity_decisions
    assert (same.decision, same.by, same.line) == ("same", "店长A", 1)
    assert (different.decision, different.since, different.line) == ("different", date(2026, 11, 1), 4)


def test_a_record_id_may_hold_the_separator_and_pairs_are_sorted(chain_dir: Path) -> None:
    write(chain_dir, f'- same: ["{CARD}", "{USER}"]\n')
    (decision,) = load_chain(chain_dir).rules.identity_decisions
    assert decision.record_a == RecordName("group_main", "users", "wx1|o-1")
    assert str(decision.record_b) == CARD and decision.since is None


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f'- same: ["{CARD}"]', r"yml:1 \[0\.same\].*两条"),
        (f'- same: ["{CARD}", "{CARD}"]', r"yml:1 \[0\.same\].*两条"),
        (f'# x\n- same: ["{CARD}", "M2"]', r"yml:2 \[0\.same\].*记录号"),
        (f'- same: ["{CARD}", "pos_main|cards|M2"]', r"yml:1 \[0\.same\].*记录号"),
        (f'- same: ["{CARD}", "pos_main|members|"]', r"yml:1 \[0\.same\].*记录号"),
        (f'- same: ["{CARD}", "{USER}"]\n  different: ["{CARD}", "{USER}"]', r"yml:1 \[0\] .*二者选一"),
        ("- by: me", r"yml:1 \[0\] .*二者选一"),
        (f'- same: ["{CARD}", "{USER}"]\n  when: 2026', r"yml:2 \[0\.when\].*不认识"),
        (f'- same: ["{CARD}", "{USER}"]\n  since: soon', r"yml:2 \[0\.since\]"),
        (f'- same: ["{CARD}", "{USER}"]\n- different: ["{USER}", "{CARD}"]', r"yml:2 \[1\].*第 1 行"),
        (f'- same: ["{CARD}", "{USER}"]\n\n- same: ["{USER}", "{CARD}"]', r"yml:3 \[1\].*第 1 行"),
        (f'- same: ["{CARD}", "pos_east|members|M2"]', r"yml:1 \[same\].*pos_east"),
        (f'# x\n- different: ["{CARD}", "pos_main|users|M2"]', r"yml:2 \[different\].*没有 users"),
        (f'- same: ["{CARD}", "{USER}"]\n  why: 电话 138 0013 8000', r"yml:2 \[0\.why\].*手机号"),
        (f'- same: ["{CARD}", "{USER}"]\n  by: "13800138000"', r"yml:2 \[0\.by\].*手机号"),
        (f'- same: ["{CARD}", "pos_main|members|13800138000"]', r"yml:1 \[0\.same\].*手机号"),
        (f'- same: ["{CARD}", "13800138000"]', r"yml:1 \[0\.same\].*记录号"),
        ("same: x", r"yml:1 .*列表"),
        ("- just text", r"yml:1 "),
    ],
)
def test_a_wrong_entry_is_named_with_its_line_and_never_with_a_number(
    chain_dir: Path, text: str, place: str
) -> None:
    write(chain_dir, text)
    with pytest.raises(ConfigError, match=place) as caught:
        load_chain(chain_dir)
    assert "0013" not in str(caught.value) and "identity_decisions.yml" in str(caught.value)


def test_decisions_reach_the_warehouse_and_the_table_is_there_without_any(
    chain_dir: Path, tmp_path: Path
) -> None:
    key, night = ChainKey(b"k" * 32), date(2026, 11, 2)

    def loaded() -> list[tuple[object, ...]]:
        chain = load_chain(chain_dir)
        prepare(chain, night, key, models=tmp_path)
        with connect(chain.paths.warehouse) as connection:
            return connection.execute("select * from ops.identity_decisions").fetchall()

    assert loaded() == []
    write(
        chain_dir,
        f'- different: ["{CARD}", "{OTHER}"]\n  why: 同名\n- same: ["{CARD}", "{USER}"]\n  since: 2026-11-01\n',
    )
    assert loaded() == [
        ("different", "pos_main", "members", "M1", "pos_main", "members", "M2", None, None, "同名", 1),
        ("same", "group_main", "users", "wx1|o-1", "pos_main", "members", "M1", date(2026, 11, 1), None, None, 3),
    ]  # fmt: skip
