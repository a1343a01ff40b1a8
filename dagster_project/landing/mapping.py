"""A preset's rules as SQL: rows of a vendor's table become rows of canonical feeds.

Sets only, in an in-memory DuckDB that may not spill to disk: these rows still hold plain phone numbers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from dagster_project.contracts import feed as contract_feed
from dagster_project.lake.scratch import SETUP, scratch
from dagster_project.landing.sql import TIDY, amount, identifier, literal
from dagster_project.presets import ColumnRule, FeedRule, Preset

RECORD = "record"  # the one column of a table of API records: JSON text
_PATH = re.compile(r"([$@])((?:\.[A-Za-z_]\w*(?:\[\d+\])?)+)")
_SETTING = re.compile(r"\{([a-z_][a-z0-9_]*)\}")

# "name+2" once or several times in one cell; a name may hold a plus of its own
_GOODS = r"(?s)\s*(.+?)\+(\d+(?:\.\d+)?)(?:[\s,，;；、]+|$)"

# how spreadsheets write one and the same minute
_MOMENTS = ", ".join(
    f"'{text}'" for text in ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M", "%Y.%m.%d %H:%M")
)
# how systems word a receipt or order whose money goes back; more words than one stand in a cell, in any order
_NOT_ALL_BACK = "部分|未|无|不退|拒绝|退款中|关闭|失败|取消"
_KEEPS_MONEY = (
    "部分|未|无|拒绝|退款中|(待|申请|等待)退|退款(申请|处理|审核)|(退款|退货|售后|维权)(已)?(关闭|取消|撤销|失败|驳回)"
    "|(取消|撤销)退款|取消中|申请取消"
)
_ALL_BACK = "(全额|全部|已|^)退款|已退货|退款(成功|完成)"
_CALLED_OFF = (
    "未成团|已取消|已关闭|(交易|订单)(关闭|取消)|取消订单"
    "|(用户|买家|顾客|客户|商家|卖家|系统|超时|自动)(取消|关闭)|^(取消|关闭)$"
)
_YEAR_3000 = 32_503_680_000  # seconds; later is another unit, which the checks refuse by its text

_MACROS = f"""
create macro clean(x) as nullif(trim(x, {TIDY}), '');
create macro num(x) as {amount("clean(x)")};
create macro all_num(x) as bool_and(clean(x) is null or num(x) is not null);
create macro moment(x) as strftime(coalesce(try_cast(clean(x) as timestamp), try_strptime(clean(x), [{_MOMENTS}])), '%Y-%m-%d %H:%M');
create macro sign_abs(x, negative) as case when negative then -abs(num(x)) else abs(num(x)) end;
create macro gives_back(x) as coalesce(regexp_matches(x, '退'), false) and not regexp_matches(x, '{_NOT_ALL_BACK}');
create macro keeps_money(x) as regexp_matches(x, '{_KEEPS_MONEY}');
create macro all_back(x) as regexp_matches(x, '{_ALL_BACK}');
create macro called_off(x) as regexp_matches(x, '{_CALLED_OFF}');
create macro hash_id(parts) as substr(sha256(array_to_string(list_transform(parts, lambda p:
    case when clean(p) is null then '-' else length(clean(p)) || ':' || clean(p) end), '|')), 1, 16);
create macro moved(x, places) as case when num(x) is null then clean(x)
    else trim(trailing '.' from trim(trailing '0' from (num(x) * places)::decimal(18, 4)::varchar)) end;
create macro epoch_seconds(x, per_second) as case when regexp_full_match(clean(x), '[0-9]{{1,17}}(\\.0+)?')
    then try_cast(split_part(clean(x), '.', 1) as bigint) / per_second end;
create macro epoch_text(x, per_second, zone) as case when epoch_seconds(x, per_second) < {_YEAR_3000}
    then timezone(zone, to_timestamp(epoch_seconds(x, per_second)))::varchar else clean(x) end;
create macro share_of(total, quantities, n) as (
    round(total * 100 * list_sum(quantities[:n]) / list_sum(quantities))
    - round(total * 100 * coalesce(list_sum(quantities[:n - 1]), 0) / list_sum(quantities))) / 100;
create macro goods_list(texts, quantities, total) as list_transform(texts, lambda t, n: json_object(
    'name', clean(t), 'qty', quantities[n]::varchar,
    'amount', share_of(num(total), quantities, n)::decimal(18, 2)::varchar));
create macro goods_parts(goods, total) as
    case when array_to_string(regexp_extract_all(goods, '{_GOODS}', 0), '') = goods
          and list_sum(regexp_extract_all(goods, '{_GOODS}', 2)::decimal(18, 3)[]) > 0
        then goods_list(regexp_extract_all(goods, '{_GOODS}', 1), regexp_extract_all(goods, '{_GOODS}', 2)::decimal(18, 3)[], total)
        else [json_object('name', clean(goods), 'qty', '1', 'amount', clean(total))] end;
"""


@dataclass
class MappedFeed:
    """Rows of one canonical feed: text columns under canonical names, extras, `_row_no`.

    `ignored`: (row number, rule) of rows that the preset sets aside by name.
    """

    table: pa.Table
    ignored: list[tuple[int, str]] = field(default_factory=list)


def map_table(
    preset: Preset, table: str, rows: pa.Table, settings: Mapping[str, str], zone: str
) -> dict[str, MappedFeed]:
    """Rows of a vendor's table as rows of each canonical feed that the preset makes of them.

    Args:
        rows: for files: text columns under the preset's names (a column that the file lacks may be absent), unknown
            columns beside them, and `_row_no`. For records: `record` (JSON text) and `_row_no`.
        settings: the connection's settings, complete with defaults.
        zone: the chain's time zone, for epoch times.

    Raises: duckdb.Error when an expression of the preset is wrong; never because of a value.
    """
    rule = preset.tables[table]
    # a chain's own preset is somebody's SQL: it sees these rows and nothing else of the machine or of other presets
    setup = f"{SETUP}; set global TimeZone = '{zone}'; {_MACROS}"
    setup += "; set enable_external_access = false; set lock_configuration = true"
    with scratch(setup, of=preset.preset) as connection:
        known = _with_all_columns(rows, rule.columns)
        extras = [] if RECORD in rows.column_names else _extras(rows, rule.columns)
        connection.register("source", known)
        dropped = _split(connection, "source", "kept", rule.drop, settings)
        dropped += _untaken(connection, rule.feeds.values(), settings)
        mapped: dict[str, MappedFeed] = {}
        for number, (name, feed_rule) in enumerate(rule.feeds.items()):
            ignored = dropped if number == 0 else []
            mapped[name] = _map_feed(connection, preset, name, feed_rule, settings, zone, extras)
            mapped[name].ignored = sorted(ignored + mapped[name].ignored)
    return mapped


def records_table(records: Sequence[str]) -> pa.Table:
    """Records as JSON texts → the table that `map_table` takes."""
    return pa.table(
        {
            RECORD: pa.array(records, pa.string()),
            "_row_no": pa.array(range(1, len(records) + 1), pa.int64()),
        }
    )


def _with_all_columns(rows: pa.Table, columns: Mapping[str, object]) -> pa.Table:
    for name in columns:
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, pa.string()))
    return rows


def _extras(rows: pa.Table, columns: Mapping[str, object]) -> list[str]:
    return [name for name in rows.column_names if name not in columns and not name.startswith("_row_no")]


def _split(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    kept: str,
    drop: Mapping[str, str],
    settings: Mapping[str, str],
) -> list[tuple[int, str]]:
    """Makes the view `kept` of the rows that no drop rule names; returns the others with the first such rule."""
    if not drop:
        connection.execute(f"create temp view {kept} as select * from {source}")
        return []
    cases = " ".join(
        f"when {_expression(condition, settings)} then {literal(rule)}" for rule, condition in drop.items()
    )
    connection.execute(
        f"create or replace temp table judged as select *, case {cases} end as _rule from {source};"
        f" create temp table {kept} as"
        " select * exclude (_rule) from judged where _rule is null"
    )
    return connection.execute("select _row_no, _rule from judged where _rule is not null").fetchall()


def _untaken(
    connection: duckdb.DuckDBPyConnection, rules: Collection[FeedRule], settings: Mapping[str, str]
) -> list[tuple[int, str]]:
    """Rows of a table that no feed wants, e.g. a kind of entry that is no purchase: said, never passed over."""
    conditions = [rule.where for rule in rules]
    if any(condition is None or rule.each for condition, rule in zip(conditions, rules, strict=True)):
        return []
    taken = " or ".join(
        f"coalesce({_expression(condition or '', settings)}, false)" for condition in conditions
    )
    return connection.execute(f"select _row_no, 'not_mapped' from kept where not ({taken})").fetchall()


def _map_feed(
    connection: duckdb.DuckDBPyConnection,
    preset: Preset,
    name: str,
    rule: FeedRule,
    settings: Mapping[str, str],
    zone: str,
    extras: list[str],
) -> MappedFeed:
    source, rows = "kept", identifier(f"rows of {name}")
    if rule.each:
        elements = (
            f"json_extract(record, {literal(rule.each + '[*]')})" if rule.each.startswith("$") else rule.each
        )
        connection.execute(
            "create or replace temp table elements as select *, unnest(element_list) as element,"
            " generate_subscripts(element_list, 1) as i from"
            f" (select *, {elements} as element_list from kept)"
        )
        source = "elements"
    if rule.where:
        connection.execute(
            f"create or replace temp table chosen as select * from {source} where {_expression(rule.where, settings)}"
        )
        source = "chosen"
    ignored = _split(connection, source, rows, rule.drop, settings)
    feed = contract_feed(preset.kind, name)
    wanted = [column.name for column in feed.columns if column.name in rule.columns]
    rules = {column: rule.columns[column] for column in wanted}
    values = {column: _expression(rules[column].value, settings) for column in wanted}
    if rule.group_by:
        selected = {column: _column_value(values[column], rules[column], zone) for column in wanted}
        keys = ", ".join(selected[column] for column in rule.group_by)
        listed = _listed(selected)
        query = f"select {listed}, min(_row_no) as _row_no from {rows} group by {keys} order by _row_no"
    else:
        # each value once, before unit and time: the macros name it many times, and planning would take longer than reading
        prefix = "value of "
        while any(extra.startswith(prefix) for extra in extras):
            prefix = f"the {prefix}"  # a column of the file's keeps its name
        named = {column: identifier(prefix + column) for column in wanted}
        computed = "".join(f", {values[column]} as {named[column]}" for column in wanted)
        listed = _listed({column: _column_value(named[column], rules[column], zone) for column in wanted})
        beside = "".join(f", {identifier(extra)}" for extra in extras if extra not in values)
        order = "_row_no, i" if rule.each else "_row_no"
        query = f"select {listed}{beside}, _row_no from (select *{computed} from {rows}) order by {order}"
    return MappedFeed(connection.sql(query).to_arrow_table(), ignored)


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"({sql})::varchar as {identifier(column)}" for column, sql in values.items())


def _expression(text: str, settings: Mapping[str, str]) -> str:
    """Fills in settings as literals and JSON paths as extractions. Preset files are code, values never are."""
    text = _SETTING.sub(lambda match: literal(settings.get(match.group(1), "")), text)
    text = re.sub(
        r"\bhash_id\(",
        "hash_id_of(",
        text,
    )
    return _hash_lists(_PATH.sub(_extraction, text))


def _hash_lists(text: str) -> str:
    """`hash_id_of(a, b)` → `hash_id([a, b])`: a macro has a fixed number of arguments."""
    while (start := text.find("hash_id_of(")) >= 0:
        at, depth = start + len("hash_id_of("), 1
        while depth and at < len(text):
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
        inner = text[start + len("hash_id_of(") : at - 1]
        text = f"{text[:start]}hash_id([{inner}]){text[at:]}"
    return text


def _extraction(match: re.Match[str]) -> str:
    column = "record" if match.group(1) == "$" else "element"
    return f"json_extract_string({column}, '${match.group(2)}')"


def _column_value(value: str, rule: ColumnRule, zone: str) -> str:
    """The unit, the time kind and the value map around an expression."""
    if rule.map:
        found = f"clean(({value})::varchar)"
        plain = {key: mapped for key, mapped in rule.map.items() if key != "*"}
        cases = " ".join(
            f"when {found} = {literal(key)} then {literal(mapped)}" for key, mapped in plain.items()
        )
        default = literal(rule.map["*"]) if "*" in rule.map else found
        value = f"case when {found} is null then null {cases} else {default} end"
    if rule.unit == "fen":
        value = f"moved(({value})::varchar, 0.01)"
    if rule.time in ("s", "ms"):
        per_second = "1" if rule.time == "s" else "1000.0"
        value = f"epoch_text(({value})::varchar, {per_second}, {literal(zone)})"
    return value
