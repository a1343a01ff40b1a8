"""Which mobile numbers free text of staff holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.sources.remarks import mobiles_in, remark_phone

A, B = "138" + "00138000", "139" + "00000000"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (A, {A}),
        (f" {A}\n", {A}),
        ("138 0013 8000", {A}),
        ("138-0013-8000", {A}),
        ("138—0013—8000", {A}),
        ("1 3 8 0 0 1 3 8 0 0 0", {A}),
        ("１３８００１３８０００", {A}),
        (f"+86{A}", {A}),
        ("+86 138 0013 8000", {A}),
        (f"0086-{A}", {A}),
        (f"86{A}", {A}),
        (f"0{A}", {A}),
        (f"{A}.0", {A}),
        (f"王姐{A}（微信同号）", {A}),
        (f"{A}3号楼", set()),  # a 12-digit run is no number
        (f"{A} 3号楼", {A}),
        (f"{A}/{B}", {A, B}),
        (f"{A} {B}", {A, B}),
        (f"{A},{B}", {A, B}),
        (f"{A}-{B}", {A, B}),
        (f"{A}、{B}", {A, B}),
        (f"{A}\n{B}", {A, B}),
        ("138 0013 8000 139 0000 0000", {A, B}),
        (f"{A} {A}", {A}),
        ("021-55551234", set()),
        (f"021-55551234 {A}", {A}),
        (f"{A} 0571-8888 6666", {A}),
        ("400-820-8820", set()),
        ("1234567890 123456 138 0013 8000", {A}),
        ("138****8000", set()),
        ("138xxxx8000", set()),
        (f"{A}-123", set()),
        ("138 0013 8000-123", set()),
        (f"{A}转8", set()),
        ("+1 390 000 0000", set()),
        ("+852 9123 4567", set()),
        (A + B, set()),
        ("1.39E+10", set()),
        ("10648" + "00000000", set()),
        ("12800138000", set()),
        ("无", set()),
        ("", set()),
    ],
)
def test_mobiles_in(text: str, expected: set[str]) -> None:
    assert mobiles_in(text) == expected


def test_only_a_single_number_is_a_phone() -> None:
    assert remark_phone([]) == (None, 0)
    assert remark_phone(["021-55551234"]) == (None, 0)
    assert remark_phone([A]) == (A, 1)
    assert remark_phone([A, f"+86 {A}", "021-55551234"]) == (A, 1)
    assert remark_phone([A, B]) == (None, 2)
    assert remark_phone([f"{A} {B}"]) == (None, 2)


mobile = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)


@given(mobile, st.sampled_from(["", " ", "-", ".", "–"]), st.sampled_from(["", "+86 ", "0086", "86-"]))
def test_one_number_is_found_however_it_is_written(number: str, gap: str, prefix: str) -> None:
    assert remark_phone([prefix + gap.join((number[:3], number[3:7], number[7:]))]) == (number, 1)


@given(
    st.lists(mobile, min_size=2, max_size=4, unique=True), st.sampled_from([" ", "/", "、", "；", "\n", "和"])
)
def test_two_numbers_are_never_one_phone(numbers: list[str], gap: str) -> None:
    assert remark_phone([gap.join(numbers)]) == (None, len(numbers))


@given(st.text(alphabet="0123456789 +-*,.转王\n", max_size=60))
def test_any_text_gives_only_well_formed_numbers(text: str) -> None:
    found = mobiles_in(text)
    assert all(len(number) == 11 and number.isdigit() and number[0] == "1" for number in found)
