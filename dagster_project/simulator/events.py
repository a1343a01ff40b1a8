"""truth/events.csv.gz: what really happened in the chain, one row per business event.

Written from the simulator's own tables while they exist, never from the rows that land: a mistake in a landing file
cannot hide in it. Columns:

    seq         number of the row
    at          when it happened (shop time)
    night       the landing night from which on the pipeline can know it
    kind        see `KINDS`
    connection, feed, record_id    the record that tells of it; record_id is the contract's key joined by `|`
    line_no     of a line or tender
    person_id   whom it is about
    store_code
    ref         the record it refers to: the sale of a return, the order of a refund, the ticket of points, a code
    sku, category, category_l1, qty    goods; a line leaves the categories to its `product` event
    amount_fen  money, never negative
    points      signed: what it adds to the balance
    state       the kind's own word: tender method, refund or complaint kind, `state` of a WeCom join, template of a coupon …
    detail      JSON: an object; of a line the list [price_fen, discount_fen, 1 if a gift] without trailing zeros

Lines and tenders say only what is their own: when, known since which night and whose stands on the sale, return or order
of the same `record_id`. There is no phone in the log.
"""

from __future__ import annotations

import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa

from dagster_project.simulator.settings import World

NAME = "events.csv.gz"
COLUMNS = (
    *("seq", "at", "night", "kind", "connection", "feed", "record_id", "line_no", "person_id", "store_code", "ref"),
    *("sku", "category", "category_l1", "qty", "amount_fen", "points", "state", "detail"),
)  # fmt: skip
KINDS = (
    *("product", "stock_count", "card_state", "registered"),
    *("sale", "sale_line", "tender", "void", "return", "return_line", "recharge", "late_card"),
    *("order_placed", "order_line", "order_paid", "order_unpaid", "order_cancelled", "order_helper_copy"),
    *("refund_applied", "refund_done", "refund_refused", "refund_withdrawn"),
    *("complaint_opened", "complaint_resolved", "complaint_withdrawn", "share"),
    *("points_earn", "points_spend", "points_adjust", "points_expire", "points_unposted"),
    *("coupon_issued", "coupon_redeemed", "coupon_expired", "coupon_voided"),
    *("chat_join", "chat_leave", "contact_added", "contact_removed", "tag_set", "tag_gone"),
)
_LEVEL = 1  # three times as fast as the usual level, a quarter larger
_ROWS_AT_ONCE = 100_000
_STILL = re.compile("'[^']*'")


class EventLog:
    """The log under construction: one gzip stream, packed beside the work. The same world gives the same bytes."""

    def __init__(self, con: duckdb.DuckDBPyConnection, world: World, out: Path) -> None:
        self.con, self.world = con, world
        self.rows = 0
        # no name and no time in the file's head
        self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
        self._file = (out / "truth" / NAME).open("wb")
        self._pool = ThreadPoolExecutor(1)
        self._packing = [self._pool.submit(self._pack, (",".join(COLUMNS) + "\n").encode())]

    def add(self, kind: str, source: str, order: str, /, **columns: str) -> None:
        """Writes one event per row of a source.

        Args:
            kind: one of `KINDS`, or empty when `columns` has an expression for it.
            source: SQL of a relation with `night` (day number); nights after the last one are left out, and a history
                that is handed over at once is known on its first landing night.
            order: columns of the source that give its rows one order.
            columns: SQL expressions over the source; those not given stay empty. Their texts hold no comma, quote or line
                end; `detail` comes from `told` or `line_detail`.
        """
        if kind:
            columns["kind"] = f"'{kind}'"
        # what belongs to an order is known with it
        if "line_no" not in columns or "person_id" in columns:
            columns["night"] = f"on_day(greatest(night, {self.world.first_night}))"
        if strange := columns.keys() - set(COLUMNS):
            raise AssertionError(f"no such columns: {strange}")
        # written as text by the database itself: half the time of its CSV writer, and no file in between
        row = _joined([columns.get(name, "''") for name in COLUMNS[1:]])
        texts = self.con.sql(
            f"select concat({self.rows} + row_number() over (), {row}) from (select * from {source} where night < {self.world.days} order by {order})"
        ).to_arrow_reader(_ROWS_AT_ONCE)
        for batch in texts:
            self.rows += batch.num_rows
            self._packing.append(self._pool.submit(self._pack, _bytes_of(batch.column(0))))

    def _pack(self, data: bytes | memoryview) -> None:
        self._file.write(self._packer.compress(data))

    def close(self) -> None:
        """Waits until everything is written."""
        for packing in self._packing:
            packing.result()
        self._pool.shutdown()
        self._file.write(self._packer.flush())
        self._file.close()


def _joined(values: list[str]) -> str:
    """The arguments of `concat` for a row's values, each after a comma; texts that stand still are one argument."""
    pieces, still = [], ""
    for value in values:
        still += ","
        if _STILL.fullmatch(value):
            still += value[1:-1]
        else:
            pieces += [f"'{still}'", value]
            still = ""
    return ", ".join([*pieces, f"'{still}' || chr(10)"])


def _bytes_of(texts: pa.Array) -> memoryview:
    """The texts of an Arrow column one after the other, as they lie in memory."""
    if pa.types.is_large_string(texts.type) or not pa.types.is_string(texts.type):
        texts = texts.cast(pa.string())
    _, places, data = texts.buffers()
    offsets = memoryview(places).cast("i")
    return memoryview(data)[offsets[texts.offset] : offsets[texts.offset + len(texts)]]


def line_detail(price: str = "price_fen", discount: str = "disc_fen", gift: str = "gift") -> str:
    """SQL of a line's `detail`."""
    first = f"'[' || {price}"
    return f"""if({gift}, '"' || {first} || ',' || {discount} || ',1]"', if({discount} > 0, '"' || {first} || ',' || {discount}
        || ']"', {first} || ']'))"""


def told(**values: str) -> str:
    """SQL of a `detail` object with the given SQL values; what is null is left out, numbers stay numbers.

    A name that ends in `_fen` or `_qty` or begins with `points` is a number; texts hold nothing that JSON would escape.
    """
    parts = []
    for name, value in values.items():
        is_number = name.endswith(("_fen", "_qty")) or name.startswith("points")
        mark = "" if is_number else '""'
        parts.append(f"""'""{name}"":{mark}' || ({value}) || '{mark}'""")
    inner = ", ".join(parts)
    return f"""'"{{' || concat_ws(',', {inner}) || '}}"'"""
