"""Every case of the catalogue has a test here, told by name alone: `test_case_07_…`."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

CASES = range(1, 43)


def _case_tests(source: str) -> list[str]:
    """Names of the case tests in a module, without those that are always skipped."""
    return [
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_case_")
        and not any("skip" in ast.unparse(mark) for mark in node.decorator_list)
    ]


def _expected_to_fail(source: str) -> set[str]:
    return {
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and any("xfail" in ast.unparse(m) for m in node.decorator_list)
    }


def test_all_42_cases_have_a_test_that_passes() -> None:
    found: Counter[int] = Counter()
    for path in Path(__file__).parent.glob("test_*.py"):
        source = path.read_text("utf-8")
        for name in set(_case_tests(source)) - _expected_to_fail(source):
            found[int(name.split("_")[2])] += 1
    assert [case for case in CASES if not found[case]] == []
    assert set(found) <= set(CASES)


def test_no_name_is_used_twice() -> None:
    names = Counter(
        name
        for path in Path(__file__).parent.glob("test_*.py")
        for name in _case_tests(path.read_text("utf-8"))
    )
    assert [name for name, times in names.items() if times > 1] == []
