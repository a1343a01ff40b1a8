"""The privacy door: what a person could be named by is replaced before anything is written.

Phones become a keyed token, a mask and a kind; names a keyed token; numbers hidden in ids and free text are replaced.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.contracts import Feed
from dagster_project.lake.scratch import scratch
from dagster_project.landing.sql import identifier, literal
from dagster_project.privacy import ChainKey, classify_phone, mask_text, name_key
from dagster_project.privacy.keys import TokenMaker
from dagster_project.privacy.names import says_test
from dagster_project.privacy.phones import (
    DUMMY_NUMBERS,
    LINKABLE_KINDS,
    MAYBE_PHONE,
    MVNO_PREFIXES,
    listed_mobile_pattern,
    replace_numbers,
)

# columns that no feed knows but whose header says that they name or locate a person: dropped, not kept as extras
_PERSONAL_HEADER = re.compile(
    r"姓名|名字|昵称|收货人|收件人|联系人|地址|住址|身份证|证件|address|nick_?name|real_?name|id_?card|^name$",
    re.IGNORECASE,
)
# RE2: ids worth a look one by one; a number from abroad shows itself by its plus
_MAYBE_PHONE_ID = rf"{MAYBE_PHONE}|^\s*\+[0-9]"
# where persons' numbers are usual, a leading 0 is a trunk code; elsewhere twelve figures are a barcode
_MAYBE_PHONE_REF = rf"{_MAYBE_PHONE_ID}|^\s*[0０][1１][3-9３-９][0-9０-９ -]{{9,13}}\s*$"


@dataclass
class DoorResult:
    """`table`: raw columns of the feed that the file has, `_extra` (JSON text or null) and `_row_no`.

    `numbers`: token → plain number of every valid phone seen; goes to the vault and nowhere else.
    """

    table: pa.Table
    numbers: dict[str, str] = field(default_factory=dict)


def pass_door(table: pa.Table, feed: Feed, key: ChainKey) -> DoorResult:
    """Takes a table of the feed's own column names through the door.

    Args:
        table: string columns under canonical names, unknown ones beside them, and `_row_no`.
    """
    tokens, name_tokens = key.token_maker(), key.name_token_maker()
    known = {column.name: column for column in feed.columns}
    unknown = [name for name in table.column_names if name not in known and name != "_row_no"]

    def passed(name: str) -> _Passed:
        column, values = known.get(name), table.column(name) if name != "_extra" else None
        if values is None:
            return _Passed({"_extra": _extras(table, unknown)})
        if column is None:
            return _Passed({name: values} if name == "_row_no" else {})
        if column.type == "phone":
            return _phone_columns(name, values, tokens)
        if column.type == "name":
            return _name_columns(name, values, name_tokens)
        if column.type in ("id", "ref"):
            maybe = _MAYBE_PHONE_REF if column.type == "ref" else _MAYBE_PHONE_ID
            return _hide_in_ids(name, values, tokens, maybe)
        return _Passed({name: _hide_in_text(values) if column.type == "text" else values})

    columns: dict[str, pa.ChunkedArray] = {}
    numbers: dict[str, str] = {}
    with ThreadPoolExecutor(2) as pool:
        for part in pool.map(passed, [*table.column_names, "_extra"]):
            columns |= part.columns
            numbers |= part.numbers
    return DoorResult(pa.table(columns), numbers)


@dataclass
class _Passed:
    """What became of one column."""

    columns: dict[str, pa.ChunkedArray]
    numbers: dict[str, str] = field(default_factory=dict)


def _is_test(text: str | None) -> str | None:
    return ("Y" if says_test(text) else "N") if text else None


def _name_columns(name: str, values: pa.ChunkedArray, tokens: TokenMaker) -> _Passed:
    """Token, and whether the name says that this is a test. The vault keeps no names: nobody has to read them back."""

    def token(text: str | None) -> str | None:
        spelled = name_key(text)
        return None if spelled is None else tokens(spelled)

    return _Passed(
        {f"{name}_token": _per_value(values, token), f"{name}_is_test": _per_value(values, _is_test)}
    )


def _per_value(values: pa.ChunkedArray, convert: Callable[[str | None], str | None]) -> pa.ChunkedArray:
    """Applies a function once per distinct value."""
    encoded = _encoded(values)
    return _decoded(
        encoded, pa.array([convert(text) for text in encoded.dictionary.to_pylist()], pa.string())
    )


def _encoded(values: pa.ChunkedArray) -> pa.DictionaryArray:
    return values.combine_chunks().dictionary_encode()


def _decoded(encoded: pa.DictionaryArray, converted: pa.Array) -> pa.ChunkedArray:
    return pa.chunked_array([converted.take(encoded.indices)])


def _phone_columns(name: str, values: pa.ChunkedArray, tokens: TokenMaker) -> _Passed:
    """Token, mask and kind. Mobile numbers and nothing else, nearly all of a file, are handled as one set."""
    encoded = _encoded(values)
    cells = encoded.dictionary
    listed = pc.fill_null(pc.match_substring_regex(cells, listed_mobile_pattern()), False)
    mobiles = cells.filter(listed)
    e164 = pc.binary_join_element_wise("+86", mobiles, "").to_pylist()
    made = tokens.many(e164)
    numbers = dict(zip(made, e164, strict=True))
    heads = pc.utf8_slice_codeunits(mobiles, 0, 3)
    masks = pc.binary_join_element_wise(heads, pc.utf8_slice_codeunits(mobiles, 7, 11), "****")
    others = [classify_phone(text) for text in cells.filter(pc.invert(listed)).to_pylist()]
    other_tokens: list[str | None] = []
    for phone in others:
        known = phone is not None and phone.e164 is not None
        other_tokens.append(tokens(phone.e164) if known else None)  # type: ignore[union-attr,arg-type]
        if known:
            numbers[other_tokens[-1]] = phone.e164  # type: ignore[index,union-attr]

    def column(of_mobiles: pa.Array, of_others: list[str | None]) -> pa.ChunkedArray:
        converted = pc.replace_with_mask(pa.nulls(len(cells), pa.string()), listed, of_mobiles)
        rest = pa.array(of_others, pa.string())
        return _decoded(encoded, pc.replace_with_mask(converted, pc.invert(listed), rest))

    columns = {
        f"{name}_token": column(pa.array(made, pa.string()), other_tokens),
        f"{name}_masked": column(masks, [phone.masked if phone else None for phone in others]),
        f"{name}_kind": column(
            _mobile_kinds(mobiles, heads), [phone.kind if phone else None for phone in others]
        ),
    }
    return _Passed(columns, numbers)


def _mobile_kinds(mobiles: pa.Array, heads: pa.Array) -> pa.Array:
    """What classify_phone says of each mainland mobile number of a listed prefix; `heads`: their first three figures."""
    virtual = pc.is_in(heads, pa.array(MVNO_PREFIXES, pa.string()))
    dummies = pc.is_in(mobiles, pa.array(sorted(DUMMY_NUMBERS), pa.string()))
    return pc.if_else(dummies, "placeholder", pc.if_else(virtual, "mvno", "plain"))


def _hide_in_ids(name: str, values: pa.ChunkedArray, tokens: TokenMaker, pattern: str) -> _Passed:
    """A card number, staff number or any id that is a mobile number becomes `tel-<token>`; joins stay intact.

    A number that names nobody, of a prefix that the number plan does not list, becomes `num-<token>`; so does a number
    inside a longer id, for masks of two numbers may be alike and ids must not be.
    """
    maybe = pc.fill_null(pc.match_substring_regex(values, pattern), False)
    if not pc.any(maybe).as_py():
        return _Passed({name: values})
    numbers: dict[str, str] = {}

    def kept(e164: str) -> str:
        token = tokens(e164)
        numbers[token] = e164
        return token

    def inside(digits: str) -> str:
        return f"num-{kept('+86' + unicodedata.normalize('NFKC', digits))}"

    @cache
    def hide(text: str) -> str:
        phone = classify_phone(text)
        if phone is None or phone.e164 is None:
            return replace_numbers(text, inside)
        # the models read the phone out of a card number tel-…, and refuse the placeholders by their tokens
        known = phone.kind in (*LINKABLE_KINDS, "placeholder")
        return f"{'tel' if known else 'num'}-{kept(phone.e164)}"

    hidden = [hide(text) for text in values.filter(maybe).to_pylist()]
    changed = pc.replace_with_mask(
        values.combine_chunks(), maybe.combine_chunks(), pa.array(hidden, pa.string())
    )
    return _Passed({name: pa.chunked_array([changed])}, numbers)


def _hide_in_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pc.any(pc.match_substring_regex(values, MAYBE_PHONE)).as_py():
        return values
    return _per_value(values, lambda text: mask_text(text) if text else text)


def shown_headers(names: Iterable[str]) -> dict[str, str]:
    """Header → the name under which it is kept: numbers masked, and numbered where masks would be alike."""
    shown: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(names, key=lambda name: (mask_text(name) != name, name)):
        label, number = mask_text(name), 1
        while label in taken:
            number += 1
            label = f"{mask_text(name)} ({number})"
        taken.add(label)
        shown[name] = label
    return shown


def _extras(table: pa.Table, names: list[str]) -> pa.ChunkedArray:
    """Unknown columns as one JSON text per row; personal ones are left out, numbers in them masked."""
    kept = [name for name in names if not _PERSONAL_HEADER.search(name)]
    if not kept:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
    labels = shown_headers(names)
    with scratch() as connection:
        connection.register("extras", pa.table({name: _hide_in_text(table.column(name)) for name in kept}))
        fields = ", ".join(f"{literal(labels[name])}, nullif(trim({identifier(name)}), '')" for name in kept)
        present = " or ".join(f"nullif(trim({identifier(name)}), '') is not null" for name in kept)
        query = f"select case when {present} then json_object({fields})::varchar end as extra from extras"
        return connection.sql(query).to_arrow_table().column("extra").cast(pa.string())
