"""Pairs of members who may be one person, for people to judge. Nothing here merges anything.

What One ID must not follow (masked numbers, receivers' phones, names, habits) is weighed by Splink's Fellegi-Sunter
model. The chance that strangers agree (u) is counted over all members, the chance that one person's two halves agree
(m) is set below and not trained: a chain of some hundred members cannot train it, and the same evidence has to weigh
the same on every night. There is no sampling, so there is no seed: same evidence, same table.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import duckdb
import pyarrow as pa

LOGGER = logging.getLogger(__name__)
SCHEMA = pa.schema(
    [
        ("member_id_a", pa.string()),
        ("member_id_b", pa.string()),
        ("match_probability", pa.float64()),
        ("reasons", pa.string()),
    ]
)
# holders up to which a name is rare, and up to which it is uncommon
_RARE, _UNCOMMON = 3, 30
# families share phones and receivers: agreeing there is worth this factor at most, however rare it is by chance
_FAMILY_FACTOR = 200.0
# a chance that was counted as never is still not never
_LEAST_U, _MOST_U = 1e-9, 0.999
# known before any count: strangers agree in a name, a mask or a phone in less than one pair of so many, for even
# surnames agree less often. The pair that is weighed must not be its own stranger: one such pair of so many stands in
# for it, which decides among a handful of members and is nothing among some hundred.
_PAIRS_BEFORE = 20

# evidence of one kind per member, as arrays; `hidden`, `known`: numbers of which only the mask is known, and all masks
_PROFILES = """
create or replace temp table suggestion_profiles as
with named as (
    select value, count(*) as holders from suggestion_evidence where kind = 'name' group by value
),
kept as (
    select key from suggestion_keys group by key
    having count(distinct member_id) between 2 and {max_block} and bool_or(is_needed)
),
blocks as (
    select member_id, list(distinct key order by key) as keys
    from suggestion_keys where key in (select key from kept) group by member_id
)
select
    blocks.member_id as unique_id,
    any_value(blocks.keys) as keys,
    list(evidence.value order by evidence.value) filter (evidence.kind = 'phone') as phones,
    list(evidence.value order by evidence.value) filter (evidence.kind = 'receiver') as receivers,
    list(evidence.value order by evidence.value) filter (evidence.kind = 'hidden') as hidden,
    list(distinct evidence.value order by evidence.value) filter (evidence.kind in ('mask', 'hidden')) as known,
    list(evidence.value order by evidence.value) filter (evidence.kind = 'name') as names,
    list(evidence.value order by evidence.value) filter (named.holders <= {uncommon}) as scarce_names,
    list(evidence.value order by evidence.value) filter (named.holders <= {rare}) as rare_names,
    list(evidence.value order by evidence.value) filter (evidence.kind = 'community') as communities,
    list(evidence.value order by evidence.value) filter (evidence.kind = 'item') as items,
    min(evidence.value) filter (evidence.kind = 'unionid') as unionid,
    min(evidence.value) filter (evidence.kind = 'store') as store,
    min(evidence.value) filter (evidence.kind = 'slot') as slot
from blocks
inner join suggestion_evidence as evidence on blocks.member_id = evidence.member_id
left join named on evidence.kind = 'name' and evidence.value = named.value
group by blocks.member_id
"""

# what two members may have in common; a key without `is_needed` anywhere would compare what One ID has compared
_KEYS = """
create or replace temp table suggestion_keys as
select member_id, 'mask|' || value as key, kind = 'hidden' as is_needed
from suggestion_evidence where kind in ('mask', 'hidden')
union all
select member_id, 'phone|' || value, kind = 'receiver'
from suggestion_evidence where kind in ('phone', 'receiver')
union all
select member_id, 'name|' || value, true from suggestion_evidence where kind = 'name'
union all
-- where a name alone has too many holders
select names.member_id, 'local|' || names.value || '|' || stores.value, true
from suggestion_evidence as names
inner join suggestion_evidence as stores on names.member_id = stores.member_id and stores.kind = 'store'
where names.kind = 'name'
"""

# per value: members who hold it as each kind; per kind: members who have any, and pairs of them that agree. `before`
# is what _PAIRS_BEFORE adds to the pairs (within a kind every pair is counted from both its ends); shops, hours and
# goods get none, for nothing is known of them but the count
_CHANCES = """
with holders as (
    select kind, value, count(*)::hugeint as n from suggestion_evidence group by all
),
owners as (
    select kind, count(distinct member_id)::hugeint as n from suggestion_evidence group by kind
    union all
    -- whoever has a mask at all, but the one with whom she is compared
    select 'known', count(distinct member_id)::hugeint - 1 from suggestion_evidence where kind in ('mask', 'hidden')
),
within as (
    select
        kind
        || case when kind <> 'name' then '' when n <= {rare} then '_rare' when n <= {uncommon} then '_uncommon'
            else '_common' end as what,
        kind,
        sum(n * (n - 1)) as agreeing
    from holders
    group by all
),
across as (
    select 'hidden~known' as what, sum(a.n * (b.n - 1)) as agreeing, 'hidden' as left_kind, 'known' as right_kind
    from holders as a
    inner join (
        select value, sum(n) as n from holders where kind in ('mask', 'hidden') group by value
    ) as b using (value)
    where a.kind = 'hidden'
    union all
    select 'receiver~phone', sum(a.n * b.n), 'receiver', 'phone'
    from holders as a
    inner join holders as b using (value)
    where a.kind = 'receiver' and b.kind = 'phone'
)
-- of the names, how many are rare: somebody's two halves agree in a rare name as often as she has one
select
    'share:name' || case when holders.n <= {rare} then '_rare' when holders.n <= {uncommon} then '_uncommon' else '_common' end,
    (sum(holders.n) / any_value(total.n))::double
from holders cross join (select sum(n) as n from holders where kind = 'name') as total
where kind = 'name'
group by all
union all
select
    within.what,
    (
        within.agreeing
        / nullif(
            owners.n * (owners.n - 1)
            + case when kind in ('name', 'phone', 'receiver') then 2 * {before} else 0 end,
            0
        )
    )::double
from within inner join owners using (kind)
union all
select across.what, (across.agreeing / nullif(a.n * b.n + {before}, 0))::double
from across
inner join owners as a on across.left_kind = a.kind
inner join owners as b on across.right_kind = b.kind
"""


@dataclass(frozen=True)
class _Level:
    """One way to agree. m: share of one person's pairs that agree so, in `parted` levels shared out by how many values
    each of them is for; chance: name of u among the counted ones; family: relatives agree so too."""

    code: str
    condition: str
    m: float
    chance: str
    family: bool = False
    parted: bool = False


@dataclass(frozen=True)
class _Comparison:
    """Levels in order of strength; a pair for which `missing` holds says nothing, any other pair disagrees."""

    name: str
    missing: str
    levels: tuple[_Level, ...]


def _both(column: str) -> str:
    return f"{column}_l is null or {column}_r is null"


_COMPARISONS = (
    _Comparison(
        "masked_phone",
        "not coalesce(hidden_l is not null and known_r is not null or hidden_r is not null and known_l is not null, false)",
        (
            _Level(
                "masked_phone",
                "coalesce(list_has_any(hidden_l, known_r), false) or coalesce(list_has_any(hidden_r, known_l), false)",
                0.8,
                "hidden~known",
            ),
        ),
    ),
    _Comparison(
        "receiver",
        "receivers_l is null and receivers_r is null",
        (
            _Level(
                "receiver_phone",
                "coalesce(list_has_any(receivers_l, phones_r), false) or coalesce(list_has_any(receivers_r, phones_l), false)",
                0.3,
                "receiver~phone",
                family=True,
            ),
            _Level("same_receiver", "coalesce(list_has_any(receivers_l, receivers_r), false)", 0.3, "receiver", family=True),
        ),
    ),
    _Comparison("own_phone", _both("phones"), (_Level("shared_phone", "list_has_any(phones_l, phones_r)", 0.1, "phone", family=True),)),
    _Comparison(
        "name",
        _both("names"),
        (
            _Level("rare_name", "coalesce(list_has_any(rare_names_l, rare_names_r), false)", 0.7, "name_rare", parted=True),
            _Level("uncommon_name", "coalesce(list_has_any(scarce_names_l, scarce_names_r), false)", 0.7, "name_uncommon", parted=True),
            _Level("common_name", "list_has_any(names_l, names_r)", 0.7, "name_common", parted=True),
        ),
    ),
    # a person seldom has two WeChat accounts, and those who share one are one member already
    _Comparison("wechat", _both("unionid"), (_Level("same_unionid", "unionid_l = unionid_r", 0.8, "unionid"),)),
    _Comparison("store", _both("store"), (_Level("same_store", "store_l = store_r", 0.8, "store"),)),
    _Comparison("community", _both("communities"), (_Level("same_community", "list_has_any(communities_l, communities_r)", 0.8, "community"),)),
    _Comparison("hours", _both("slot"), (_Level("same_hours", "slot_l = slot_r", 0.4, "slot"),)),
    _Comparison("items", _both("items"), (_Level("same_items", "list_has_any(items_l, items_r)", 0.6, "item"),)),
)  # fmt: skip
REASONS = tuple(level.code for comparison in _COMPARISONS for level in comparison.levels)


def suggest(
    con: duckdb.DuckDBPyConnection,
    members: str,
    *,
    max_block: int = 20,
    threshold: float = 0.5,
    expected_share: float = 0.05,
) -> pa.Table:
    """Weighs the pairs of members who have something in common that few others have.

    Args:
        con: where the evidence is; gets temporary tables `suggestion_*`.
        members: SQL relation with member_id, kind, value (all text): evidence of the kinds phone (token of an own
            number), mask (of an own number known in full), hidden (mask of a number known no further), receiver
            (token), name (token), unionid, store, community, slot (usual part of the week), item.
        max_block: a value that more members share finds no pairs, which keeps a million members feasible.
        threshold: pairs below this probability are left out.
        expected_share: share of members thought to be half of a person; with the count of members, the prior.

    Returns: SCHEMA, the likeliest pair first, member_id_a < member_id_b, probability rounded to 6 places, `reasons` the
        codes of REASONS that hold, joined by a comma. Empty when Splink is not installed.
    """
    if find_spec("splink") is None:
        LOGGER.warning("splink is not installed (pip install 'splink>=5.0,<5.1'): no suggestions")
        return SCHEMA.empty_table()
    con.execute(
        "create or replace temp table suggestion_evidence as"
        f" select distinct member_id, kind, value from {members} where value is not null"
    )
    con.execute(_KEYS)
    sizes = {"rare": _RARE, "uncommon": _UNCOMMON, "max_block": int(max_block), "before": _PAIRS_BEFORE - 1}
    con.execute(_PROFILES.format(**sizes))
    profiles = con.sql("select * from suggestion_profiles order by unique_id").to_arrow_table()
    chances = dict(con.execute(_CHANCES.format(**sizes)).fetchall())
    [(count,)] = con.execute("select count(distinct member_id) from suggestion_evidence").fetchall()
    for name in ("profiles", "keys", "evidence"):
        con.execute(f"drop table temp.suggestion_{name}")
    if profiles.num_rows < 2:
        return SCHEMA.empty_table()
    prior = min(0.5, expected_share / (count - 1))
    return _score(profiles, [_settings_of(c, chances) for c in _COMPARISONS], prior, threshold)


def _settings_of(comparison: _Comparison, chances: Mapping[str, float | None]) -> dict[str, Any]:
    """The comparison as Splink's settings spell it, with m and u of every level."""
    levels: list[dict[str, Any]] = [{"sql_condition": comparison.missing, "is_null_level": True}]
    m_left, u_left = 1.0, 1.0
    for level in comparison.levels:
        share = (chances.get(f"share:{level.chance}") or 0.0) if level.parted else 1.0
        m = max(level.m * share, _LEAST_U)
        u = max(chances.get(level.chance) or 0.0, _LEAST_U, m / _FAMILY_FACTOR if level.family else 0.0)
        u = min(u, _MOST_U * u_left)
        levels.append({"sql_condition": level.condition, "m_probability": m, "u_probability": u})
        m_left, u_left = m_left - m, u_left - u
    levels.append({"sql_condition": "ELSE", "m_probability": m_left, "u_probability": u_left})
    return {"output_column_name": comparison.name, "comparison_levels": levels}


def _score(
    profiles: pa.Table, comparisons: Sequence[dict[str, Any]], prior: float, threshold: float
) -> pa.Table:
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    with duckdb.connect() as own:  # Splink leaves tables behind, and the warehouse is no place for them
        api = DuckDBAPI(own)
        settings = SettingsCreator(
            link_type="dedupe_only",
            comparisons=list(comparisons),
            blocking_rules_to_generate_predictions=[block_on("keys", arrays_to_explode=["keys"])],
            probability_two_random_records_match=prior,
            retain_matching_columns=True,  # else the levels are dropped too, and the reasons are read from them
        )
        linker = Linker(api.register(profiles, table_name="profiles"), settings, log_level=logging.ERROR)
        scored = linker.inference.predict(threshold_match_probability=threshold, warning_mode="never")
        return own.sql(
            f"select least(unique_id_l, unique_id_r), greatest(unique_id_l, unique_id_r),"
            f" round(match_probability, 6), {_reasons_sql()} from {scored.physical_name}"
            " order by round(match_probability, 6) desc, 1, 2"
        ).to_arrow_table().rename_columns(SCHEMA.names).cast(SCHEMA)  # fmt: skip


def _reasons_sql() -> str:
    """Codes of the levels that hold; Splink numbers levels from the weakest, 0 for disagreement, -1 for silence."""
    cases = []
    for comparison in _COMPARISONS:
        places = range(len(comparison.levels), 0, -1)
        whens = " ".join(
            f"when {n} then '{level.code}'" for n, level in zip(places, comparison.levels, strict=True)
        )
        cases.append(f"case gamma_{comparison.name} {whens} end")
    return f"concat_ws(',', {', '.join(cases)})"
