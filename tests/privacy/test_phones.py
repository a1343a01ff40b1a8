"""The phone door: every shape of the vendors' cells, and numbers that never come out in plain."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path

import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.contracts import feed
from dagster_project.landing.door import pass_door
from dagster_project.privacy import ChainKey, Vault, classify_phone, mask_text
from dagster_project.privacy.keys import ChainKeyError, chain_key
from dagster_project.privacy.phones import DUMMY_NUMBERS, LINKABLE_KINDS, MAYBE_PHONE, MVNO_PREFIXES

PLAIN = "13917000000"


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        (PLAIN, "plain"),
        ("+86" + PLAIN, "plain"),
        ("0086 " + PLAIN, "plain"),
        ("86" + PLAIN, "plain"),
        ("１３９１７００００００", "plain"),
        ("139 1700 0000", "plain"),
        ("139-1700-0000", "plain"),
        ("0" + PLAIN, "plain"),
        (PLAIN + ".0", "plain"),
        *((prefix + "00000000", "mvno") for prefix in ("162", "165", "167", "170", "171")),
        ("016500000000", "mvno"),
        ("+86 170 0000 0000", "mvno"),
        ("17000000000.0", "mvno"),
        ("13800138000", "placeholder"),
        ("+86 139-0000-0000", "placeholder"),
        ("013900000000", "placeholder"),
        ("13111111111", "placeholder"),
        ("18888888888.0", "placeholder"),
        ("16666666666", "placeholder"),
        ("13456789012", "placeholder"),
        ("17654321098", "placeholder"),
        ("13912345678", "plain"),
        ("138****1234", "masked"),
        ("138＊＊＊＊1234", "masked"),
        ("138xxxx1234", "masked"),
        (PLAIN + "-123", "ext"),
        (PLAIN + ",123", "ext"),
        ("$aGVsbG8gd29ybGQ=$1$", "cipher"),
        ("1.39E+10", "unusable"),
        ("14900000000", "unlisted"),
        ("+8614900000000", "unlisted"),
        ("149 0000 0000", "unlisted"),
        ("12345678901", "unusable"),
        ("11111111111", "unusable"),
        ("1064800000000", "iot"),
        ("021-12345678", "landline"),
        ("刘××[4365]", "unusable"),
    ],
)
def test_kinds_are_decided_before_parsing(cell: str, kind: str) -> None:
    phone = classify_phone(cell)
    assert phone is not None and phone.kind == kind
    assert (phone.e164 is not None) == (kind in ("plain", "mvno", "placeholder", "unlisted"))
    assert (phone.masked is not None) == (phone.e164 is not None or kind == "masked")
    assert (phone.e164 == "+86" + PLAIN) == (kind == "plain" and cell != "13912345678")


@pytest.mark.parametrize("cell", [None, "", " ", "0", "无", "-", "NULL"])
def test_empty_spellings_are_nothing(cell: str | None) -> None:
    assert classify_phone(cell) is None


@given(st.integers(13_000_000_000, 19_999_999_999))
def test_listed_numbers_agree_with_the_library(number: int) -> None:
    # with the country code: 179… alone would be taken for a dialling prefix
    parsed = phonenumbers.parse(f"+86{number}", "CN")
    mobile = (
        phonenumbers.is_valid_number(parsed)
        and phonenumbers.number_type(parsed) == phonenumbers.PhoneNumberType.MOBILE
    )
    phone = classify_phone(str(number))
    assert phone is not None
    if phone.kind != "placeholder":
        assert (phone.kind in LINKABLE_KINDS) == mobile
        assert (phone.kind == "unlisted") == (not mobile)
        assert (phone.kind == "mvno") == (mobile and str(number)[:3] in MVNO_PREFIXES)


def test_dummy_numbers_are_few_and_shaped_like_mobile_numbers() -> None:
    """A number that somebody may hold is not given up lightly: the well-known ones and three runs per prefix figure."""
    assert len(DUMMY_NUMBERS) == 3 + 7 * 3  # 18888888888 is both well known and a run
    for number in DUMMY_NUMBERS:
        phone = classify_phone(number)
        assert phone is not None and phone.kind == "placeholder" and phone.e164 == f"+86{number}"


_MOBILES = st.one_of(
    st.integers(13_000_000_000, 19_999_999_999).map(str),
    st.sampled_from(sorted(DUMMY_NUMBERS)),
    st.tuples(st.sampled_from(MVNO_PREFIXES), st.integers(0, 99_999_999)).map(lambda p: f"{p[0]}{p[1]:08d}"),
)
_CELLS = st.one_of(
    st.none(),
    _MOBILES,
    st.tuples(
        st.sampled_from(["", " ", "+86", "0086 ", "86", "0", "'", "\n"]), _MOBILES,
        st.sampled_from(["", ".0", ",12", "-345", " ", "转1", "\n", "9"]),
    ).map("".join),
    _MOBILES.map(lambda number: f"{number[:3]}****{number[7:]}"),
    _MOBILES.map(lambda number: number.translate(str.maketrans("0123456789", "０１２３４５６７８９"))),
    _MOBILES.map(lambda number: number.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))),
    st.sampled_from(["021-12345678", "1064800000000", "$aGVsbG8gd29ybGQ=$1$", "1.39E+10", "无", "", "+85251234567"]),
    st.text(max_size=20),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(_CELLS, max_size=40))
def test_a_column_is_decided_as_its_cells_are(cells: list[str | None]) -> None:
    key = ChainKey(b"a" * 32)
    tokens = key.token_maker()
    table = pa.table(
        {"phone": pa.array(cells, pa.string()), "_row_no": pa.array(range(len(cells)), pa.int64())}
    )
    passed = pass_door(table, feed("pos", "members"), key)
    phones = [classify_phone(cell) for cell in cells]
    made = [tokens(phone.e164) if phone and phone.e164 else None for phone in phones]
    assert passed.table["phone_kind"].to_pylist() == [phone and phone.kind for phone in phones]
    assert passed.table["phone_masked"].to_pylist() == [phone and phone.masked for phone in phones]
    assert passed.table["phone_token"].to_pylist() == made
    assert passed.numbers == {
        token: phone.e164 for token, phone in zip(made, phones, strict=True) if token and phone
    }


def test_a_card_number_of_an_unlisted_prefix_is_hidden_and_names_no_phone() -> None:
    cards = [PLAIN, "17000000001", "13800138000", "14912345678", "C1"]
    table = pa.table({"member_ref": pa.array(cards), "_row_no": pa.array(range(len(cards)), pa.int64())})
    key = ChainKey(b"a" * 32)
    passed = pass_door(table, feed("pos", "members"), key)
    token = key.token_maker()
    assert passed.table["member_ref"].to_pylist() == [
        *(f"tel-{token('+86' + number)}" for number in cards[:3]),
        f"num-{token('+8614912345678')}",
        "C1",
    ]
    assert sorted(passed.numbers.values()) == sorted("+86" + number for number in cards[:4])


@given(st.text(max_size=40))
def test_any_text_is_classified_and_its_mask_hides(text: str) -> None:
    phone = classify_phone(text)
    if phone is not None and phone.e164 is not None:
        assert phone.masked is not None and phone.e164.removeprefix("+86") not in phone.masked
        assert phone.e164.isascii()


def test_numbers_in_free_text_are_masked_and_order_numbers_are_not() -> None:
    assert mask_text(f"给{PLAIN}打电话") == "给139****0000打电话"
    assert mask_text(f"微信86{PLAIN}或+86 {PLAIN}") == "微信86139****0000或+86 139****0000"
    assert mask_text("１３９００００００００、139.0000.0000") == "１３９****００００、139****0000"
    assert mask_text("订单 2026110113900000000123") == "订单 2026110113900000000123"


@pytest.mark.parametrize(
    "spelled",
    ["139.1234.5644", "139—1234—5644", "139－1234－5644", "139 1234  5644", "139 123 45644", "1-391-234-5644",
     "139 12 34 56 44", "1 3 9 1 2 3 4 5 6 4 4", "(139)12345644", "1391234·5644", "139 - 1234 5644"],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "电话", "+86", "+86 ", "0086-", "tel:", "3件 "])
def test_a_number_is_masked_however_it_is_grouped(spelled: str, before: str) -> None:
    for text in (before + spelled, f"{before}{spelled}收"):
        assert "139****5644" in mask_text(text) and "1234" not in mask_text(text)
        assert _maybe_phone(text)


def _maybe_phone(text: str) -> bool:
    return pc.match_substring_regex(pa.array([text]), MAYBE_PHONE)[0].as_py()


_GAPS = st.text(" .-—–－·()", min_size=1, max_size=2)
_PARTS = st.sampled_from(["11", "3 8", "3 4 4", "3 3 5", "4 4 3", "7 4", "1 3 3 4", "3 2 2 2 2"])


@settings(deadline=None)
@given(
    st.integers(13_000_000_000, 19_999_999_999), _PARTS, _GAPS, st.sampled_from("+8６ x买，:"), st.booleans()
)
def test_every_grouping_is_found_by_mask_and_prefilter(
    number: int, parts: str, gap: str, near: str, after: bool
) -> None:
    digits, groups = str(number), []
    for length in map(int, parts.split()):
        groups.append(digits[:length])
        digits = digits[length:]
    spelled = gap.join(groups)
    text = spelled + near if after else near + spelled
    touched = near in "8６"
    assert _maybe_phone(text) == (mask_text(text) != text) == (not touched)
    if not touched:
        assert f"{str(number)[:3]}****{str(number)[-4:]}" in mask_text(text)


@settings(deadline=None)
@given(st.text("0123456789０１３ -.:+()8６6年", max_size=40))
def test_the_prefilter_says_what_the_mask_does(text: str) -> None:
    assert _maybe_phone(text) == (mask_text(text) != text)


@settings(deadline=None)
@given(st.integers(10**11, 10**19).map(str).filter(lambda text: not text.startswith(("861", "00861"))))
def test_long_ids_are_not_masked(text: str) -> None:
    assert mask_text(f"单{text}号") == f"单{text}号" and not _maybe_phone(text)


@settings(deadline=None)
@given(st.datetimes(datetime(2000, 1, 1), datetime(2039, 1, 1)), st.integers(0, 999_999))
def test_dates_and_times_are_not_masked(at: datetime, more: int) -> None:
    forms = (
        "%Y-%m-%d %H:%M:%S",
        "%Y%m%d%H%M%S",
        "%Y-%m-%d",
        "%Y.%m.%d %H.%M.%S",
        "%d-%m-%Y %H:%M",
        "%Y%m%d %H%M%S",
    )
    for form in forms:
        text = f"{at:{form}} {more:03d}" if ":" in form else f"{at:{form}}"
        assert mask_text(text) == text and not _maybe_phone(text)


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
