"""The privacy door: what a person could be named by is replaced before anything is written.

Phones become a keyed token, a mask and a kind; names are dropped; numbers hidden in ids and free text are replaced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.contracts import Feed
from dagster_project.landing.sql import identifier, literal
from dagster_project.privacy import ChainKey, classify_phone, mask_text

# columns that no feed knows but whose header says that they name or locate a person: dropped, not kept as extras
_PERSONAL_HEADER = re.compile(
    r"姓名|名字|昵称|收货人|收件人|联系人|地址|住址|身份证|证件|address|nick_?name|real_?name|id_?card|^name$",
    re.IGNORECASE,
)
_TEST_NAME = re.compile(r"测试|test", re.IGNORECASE)
# RE2 prefilter: only cells that may hold a mobile number are looked at one by one
_MAYBE_PHONE = r"[1１][3-9３-９][0-9０-９][ -]?[0-9０-９]{4}[ -]?[0-9０-９]{4}"


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
    numbers: dict[str, str] = {}
    tokens = key.token_maker()
    known = {column.name: column for column in feed.columns}
    columns: dict[str, pa.ChunkedArray] = {}
    for name in table.column_names:
        column, values = known.get(name), table.column(name)
        if name == "_row_no":
            columns[name] = values
        elif column is None:
            continue
        elif column.type == "phone":
            columns |= _phone_columns(name, values, tokens, numbers)
        elif column.type == "name":
            columns[f"{name}_is_test"] = _per_value(
                values, lambda text: "Y" if text and _TEST_NAME.search(text) else "N" if text else None
            )
        elif column.type == "ref":
            columns[name] = _hide_in_ids(values, tokens, numbers)
        elif column.type == "text":
            columns[name] = _hide_in_text(values)
        else:
            columns[name] = values
    columns["_extra"] = _extras(
        table, [name for name in table.column_names if name not in known and name != "_row_no"]
    )
    return DoorResult(pa.table(columns), numbers)


def _per_value(values: pa.ChunkedArray, convert) -> pa.ChunkedArray:
    """Applies a function once per distinct value."""
    encoded = (
        values.combine_chunks().dictionary_encode()
        if values.num_chunks != 1
        else values.chunk(0).dictionary_encode()
    )
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    converted = pa.array([convert(text) for text in encoded.dictionary.to_pylist()], type=pa.string())
    return pa.chunked_array([converted.take(encoded.indices)])


def _phone_columns(
    name: str, values: pa.ChunkedArray, tokens, numbers: dict[str, str]
) -> dict[str, pa.ChunkedArray]:
    classified = {text: classify_phone(text) for text in pc.unique(values).to_pylist()}
    token_of: dict[str | None, str | None] = {}
    for text, phone in classified.items():
        token_of[text] = None
        if phone is not None and phone.e164 is not None:
            token = tokens(phone.e164)
            token_of[text] = token
            numbers[token] = phone.e164
    return {
        f"{name}_token": _per_value(values, token_of.get),
        f"{name}_masked": _per_value(values, lambda text: getattr(classified[text], "masked", None)),
        f"{name}_kind": _per_value(values, lambda text: getattr(classified[text], "kind", None)),
    }


def _hide_in_ids(values: pa.ChunkedArray, tokens, numbers: dict[str, str]) -> pa.ChunkedArray:
    """A card number or staff number that is a mobile number becomes `tel-<token>`; joins stay intact."""
    if not pc.any(pc.match_substring_regex(values, _MAYBE_PHONE)).as_py():
        return values

    def hide(text: str | None) -> str | None:
        phone = (
            classify_phone(text) if text and re.fullmatch(r"\+?[\d０-９ -]{11,18}", text.strip()) else None
        )
        if phone is None or phone.e164 is None:
            return text
        token = tokens(phone.e164)
        numbers[token] = phone.e164
        return f"tel-{token}"

    return _per_value(values, hide)


def _hide_in_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pc.any(pc.match_substring_regex(values, _MAYBE_PHONE)).as_py():
        return values
    return _per_value(values, lambda text: mask_text(text) if text else text)


def _extras(table: pa.Table, names: list[str]) -> pa.ChunkedArray:
    """Unknown columns as one JSON text per row; personal ones are left out, numbers in them masked."""
    kept = [name for name in names if not _PERSONAL_HEADER.search(name)]
    if not kept:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
    import duckdb

    with duckdb.connect() as connection:
        connection.register("extras", pa.table({name: _hide_in_text(table.column(name)) for name in kept}))
        fields = ", ".join(f"{literal(name)}, nullif(trim({identifier(name)}), '')" for name in kept)
        present = " or ".join(f"nullif(trim({identifier(name)}), '') is not null" for name in kept)
        query = f"select case when {present} then json_object({fields})::varchar end as extra from extras"
        return connection.sql(query).to_arrow_table().column("extra").cast(pa.string())
