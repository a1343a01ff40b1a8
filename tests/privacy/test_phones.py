"""The phone door: every shape of the vendors' cells, and numbers that never come out in plain."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import phonenumbers
import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.privacy import ChainKey, Vault, classify_phone, mask_text
from dagster_project.privacy.keys import ChainKeyError, chain_key

PLAIN = "13900000000"


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        (PLAIN, "plain"),
        ("+86" + PLAIN, "plain"),
        ("0086 " + PLAIN, "plain"),
        ("86" + PLAIN, "plain"),
        ("１３９００００００００", "plain"),
        ("139 0000 0000", "plain"),
        ("139-0000-0000", "plain"),
        (PLAIN + ".0", "plain"),
        ("16500000000", "plain"),
        ("17000000000", "plain"),
        ("138****1234", "masked"),
        ("138＊＊＊＊1234", "masked"),
        ("138xxxx1234", "masked"),
        (PLAIN + "-123", "ext"),
        (PLAIN + ",123", "ext"),
        ("$aGVsbG8gd29ybGQ=$1$", "cipher"),
        ("1.39E+10", "unusable"),
        ("14900000000", "unusable"),
        ("1064800000000", "iot"),
        ("021-12345678", "landline"),
        ("刘××[4365]", "unusable"),
    ],
)
def test_kinds_are_decided_before_parsing(cell: str, kind: str) -> None:
    phone = classify_phone(cell)
    assert phone is not None and phone.kind == kind
    assert (phone.e164 == "+86" + PLAIN) == (
        kind == "plain" and "139" in cell.translate(str.maketrans("１３９", "139"))
    )


@pytest.mark.parametrize("cell", [None, "", " ", "0", "无", "-", "NULL"])
def test_empty_spellings_are_nothing(cell: str | None) -> None:
    assert classify_phone(cell) is None


@given(st.integers(10_000_000_000, 19_999_999_999))
def test_plain_agrees_with_the_library(number: int) -> None:
    parsed = phonenumbers.parse(str(number), "CN")
    mobile = (
        phonenumbers.is_valid_number(parsed)
        and phonenumbers.number_type(parsed) == phonenumbers.PhoneNumberType.MOBILE
    )
    phone = classify_phone(str(number))
    assert phone is not None and (phone.kind == "plain") == mobile


@given(st.text(max_size=40))
def test_any_text_is_classified_and_its_mask_hides(text: str) -> None:
    phone = classify_phone(text)
    if phone is not None and phone.e164 is not None:
        assert phone.masked is not None and phone.e164.removeprefix("+86") not in phone.masked


def test_numbers_in_free_text_are_masked_and_order_numbers_are_not() -> None:
    assert mask_text(f"给{PLAIN}打电话") == "给139****0000打电话"
    assert mask_text(f"微信86{PLAIN}或+86 {PLAIN}") == "微信86139****0000或+86 139****0000"
    assert mask_text("１３９００００００００、139.0000.0000") == "１３９****００００、139****0000"
    assert mask_text("订单 2026110113900000000123") == "订单 2026110113900000000123"


def test_the_vault_gives_back_only_with_the_right_key(tmp_path: Path) -> None:
    key = ChainKey(b"a" * 32)
    token = key.token_maker()("+86" + PLAIN)
    vault = Vault(tmp_path, key)
    vault.put({token: "+86" + PLAIN})
    vault.put({token: "+86" + PLAIN})
    assert vault.reveal([token, "unknown"]) == {token: "+86" + PLAIN}
    assert PLAIN.encode() not in (tmp_path / "phones.sqlite").read_bytes()
    with pytest.raises(InvalidTag):
        Vault(tmp_path, ChainKey(b"b" * 32)).reveal([token])
    with sqlite3.connect(tmp_path / "phones.sqlite") as connection:
        assert connection.execute("select count(*) from phones").fetchall() == [(1,)]


def test_the_key_is_made_once_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LINLI_KEY")
    first = chain_key(tmp_path / "vault")
    again = chain_key(tmp_path / "vault")
    assert first.created and not again.created and first.master == again.master
    assert (tmp_path / "vault" / "key").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("LINLI_KEY", "too short")
    with pytest.raises(ChainKeyError, match="LINLI_KEY"):
        chain_key(tmp_path / "vault")
