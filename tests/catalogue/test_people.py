"""Case 27 of the catalogue: what a phone cell holds. The models' side of it, and cases 28-31 and 41, are in test_models."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalogue_kit import csv_text, land, make_chain, put, rows_of

# ---- 27: kinds of phone


@pytest.mark.parametrize(
    ("text", "kind", "masked"),
    [
        ("13912345678", "plain", "139****5678"),
        ("+8613912345678", "plain", "139****5678"),
        ("008613912345678", "plain", "139****5678"),
        ("１３９１２３４５６７８", "plain", "139****5678"),
        ("139 1234 5678", "plain", "139****5678"),
        ("16512345678", "mvno", "165****5678"),
        ("17112345678", "mvno", "171****5678"),
        ("13800138000", "placeholder", "138****8000"),
        ("14912345678", "unlisted", "149****5678"),
        ("138****1234", "masked", "138****1234"),
        ("138＊＊＊＊1234", "masked", "138****1234"),
        ("138xxxx1234", "masked", "138****1234"),
        ("138XXXX1234", "masked", "138****1234"),
        ("138••••1234", "masked", "138****1234"),
        ("$Q2lwaGVydGV4dA==$1$", "cipher", None),
        ("13912345678-123", "ext", None),
        ('"13912345678,123"', "ext", None),
        ("021-12345678", "landline", None),
        ("1064800000000", "iot", None),
        ("刘××[4365]", "unusable", None),
        ("1.39E+10", "unusable", None),
        *((text, None, None) for text in ("", "0", "无", "-")),
    ],
)
def test_case_27_what_a_phone_cell_holds_is_decided_before_parsing(
    tmp_path: Path, text: str, kind: str | None, masked: str | None
) -> None:
    chain = make_chain(tmp_path / "chain", "name: till, preset: standard_pos")
    put(chain, "till/members", "m.csv", csv_text("member_ref,phone", f"C1,{text}"))
    [row] = rows_of(chain, land(chain, "members")["members"])
    assert (row["phone_kind"], row["phone_masked"]) == (kind, masked)
    assert (row["phone_token"] is not None) == (kind in ("plain", "mvno", "placeholder", "unlisted"))
    shown = text.strip('"')
    assert len(shown) < 8 or kind == "masked" or shown not in map(str, row.values())
