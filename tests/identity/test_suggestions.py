"""Likely pairs: found by what is rare, never by what many share, the same from the same evidence."""

import logging
import random
from collections import Counter
from importlib.util import find_spec
from itertools import permutations

import duckdb
import pyarrow as pa
import pytest

from dagster_project.identity import suggest
from dagster_project.identity import suggestions as room

STRANGERS = 400
# an extra of the installation; what does not need it is tested without
needs_splink = pytest.mark.skipif(find_spec("splink") is None, reason="splink is not installed")


def strangers(count=STRANGERS):
    """People with a number, a name, a shop and hours of their own, ten of every tenth community."""
    for n in range(count):
        member = f"S{n:04d}"
        yield member, "phone", f"token-{n}"
        yield member, "mask", f"138****{n:04d}"
        yield member, "name", f"name-{n // 2}"
        yield member, "store", f"store-{n % 7}"
        yield member, "community", f"community-{n % 40}"
        yield member, "slot", f"slot-{n % 6}"
        yield member, "item", f"item-{n % 11}"
        yield member, "unionid", f"union-{n}"


def run(*evidence, threads=2, **options):
    with duckdb.connect() as con:
        con.execute(f"set threads = {threads}")
        columns = list(zip(*evidence, strict=True)) or [(), (), ()]
        table = pa.table(
            dict(
                zip(("member_id", "kind", "value"), (pa.array(c, pa.string()) for c in columns), strict=True)
            )
        )
        con.register("evidence", table)
        return suggest(con, "evidence", **options)


def found(table):
    return {(row["member_id_a"], row["member_id_b"]): row for row in table.to_pylist()}


def like(n, member, *kinds, **other):
    """A second member with the same values as stranger n, of these kinds."""
    same = [(member, kind, value) for who, kind, value in strangers() if who == f"S{n:04d}" and kind in kinds]
    return same + [(member, kind, value) for kind, value in other.items()]


@needs_splink
def test_a_masked_number_and_a_rare_name_find_the_other_half():
    other = like(9, "A", "name", "store", hidden="138****0009")
    table = run(*strangers(), *other)
    assert table.schema == room.SCHEMA
    row = found(table)["A", "S0009"]
    assert row["reasons"] == "masked_phone,rare_name,same_store"
    assert row["match_probability"] > 0.95 and row["match_probability"] == round(row["match_probability"], 6)
    assert all("A" in pair for pair in found(table)), "nobody else has anything rare in common"


@needs_splink
def test_evidence_adds_up_and_speaks_against_too():
    def probability(*kinds, **other):
        table = run(*strangers(), *like(9, "A", *kinds, **other), threshold=0.0)
        return found(table)["A", "S0009"]["match_probability"]

    mask = {"hidden": "138****0009"}
    assert probability(**mask) < probability("store", **mask) < probability("store", "item", **mask)
    assert probability("name", "store", **mask) > probability("store", **mask)
    assert probability("store", name="name-1", **mask) < probability("store", **mask)
    assert probability("name", unionid="another", **mask) < probability("name", **mask)


@needs_splink
def test_two_full_numbers_behind_one_mask_are_two_numbers():
    other = [("A", "phone", "token-x"), ("A", "mask", "138****0009"), ("A", "store", "store-2")]
    assert ("A", "S0009") not in found(run(*strangers(), *other, threshold=0.0))


@needs_splink
def test_a_receivers_phone_alone_is_family_and_with_a_name_is_worth_a_look():
    def probability(*kinds):
        table = run(*strangers(), *like(9, "A", *kinds, receiver="token-9"), threshold=0.0)
        return found(table)["A", "S0009"]

    alone, named = probability("store"), probability("store", "name")
    assert alone["reasons"] == "receiver_phone,same_store" and alone["match_probability"] < 0.5
    assert named["reasons"] == "receiver_phone,rare_name,same_store" and named["match_probability"] > 0.9


def handful(count):
    """So many members and nobody else: a number, its mask and a name of their own."""
    return [row for row in strangers(count) if row[1] in ("phone", "mask")] + [
        (f"S{n:04d}", "name", f"own-name-{n}") for n in range(count)
    ]


@needs_splink
@pytest.mark.parametrize("others", [1, 2, 3, 7])
@pytest.mark.parametrize(
    ("hint", "reason"),
    [(("A", "hidden", "138****0000"), "masked_phone"), (("A", "receiver", "token-0"), "receiver_phone")],
)
def test_among_a_handful_two_hints_are_worth_a_look_and_one_is_not(others, hint, reason):
    both = found(run(*handful(others), hint, ("A", "name", "own-name-0")))
    assert {pair: row["reasons"] for pair, row in both.items()} == {("A", "S0000"): f"{reason},rare_name"}
    assert found(run(*handful(others), hint)) == {}
    assert found(run(*handful(others), ("A", "name", "own-name-0"))) == {}


@needs_splink
def test_a_mask_alone_proves_nothing_where_no_number_is_known_in_full():
    masks = [(f"M{n}", "hidden", f"138****{n // 2:04d}") for n in range(4)]
    table = found(run(*masks, threshold=0.0))
    assert set(table) == {("M0", "M1"), ("M2", "M3")}
    assert all(row["match_probability"] < 0.5 for row in table.values())


@needs_splink
def test_a_value_that_many_share_finds_nobody():
    crowd = [(f"C{n:02d}", "name", "name-x") for n in range(21)]
    assert found(run(*crowd, threshold=0.0)) == {}
    assert len(found(run(*crowd, threshold=0.0, max_block=21))) == 21 * 20 // 2
    at_one_shop = [(f"C{n:02d}", "store", "here" if n < 2 else f"shop-{n}") for n in range(21)]
    assert set(found(run(*crowd, *at_one_shop, threshold=0.0))) == {("C00", "C01")}


@needs_splink
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_and_threads_does_not_show(seed):
    rows = [
        *strangers(),
        *like(9, "A", "name", hidden="138****0009"),
        *like(12, "B", "name", receiver="token-12"),
    ]
    before = run(*rows, threshold=0.0)
    random.Random(seed).shuffle(rows)
    again = run(*rows, *rows[:50], threads=1 + seed, threshold=0.0)
    assert before.num_rows > 100 and again.equals(before)


@needs_splink
def test_the_likeliest_come_first_and_ids_are_sorted_within_a_pair():
    table = run(*strangers(), *like(9, "Z", "name", hidden="138****0009"), threshold=0.0)
    order = [(-row["match_probability"], row["member_id_a"], row["member_id_b"]) for row in table.to_pylist()]
    assert order == sorted(order) and all(a < b for _, a, b in order) and order[0][1:] == ("S0009", "Z")


@needs_splink
def test_reasons_are_known_codes():
    table = run(*strangers(), *like(9, "A", "name", "item", hidden="138****0009"), threshold=0.0)
    assert {code for row in table.to_pylist() for code in row["reasons"].split(",") if code} <= set(
        room.REASONS
    )


def test_without_splink_there_is_an_empty_table_and_one_line_in_the_log(monkeypatch, caplog):
    monkeypatch.setattr(room, "find_spec", lambda name: None)
    with caplog.at_level(logging.WARNING):
        table = run(*strangers(), *like(9, "A", "name", hidden="138****0009"))
    assert table.equals(room.SCHEMA.empty_table())
    assert [record.name for record in caplog.records] == ["dagster_project.identity.suggestions"]


@pytest.mark.parametrize("rows", [[], [("A", "store", "s")], [("A", "name", "n"), ("B", "name", "m")]])
def test_nothing_to_compare_is_no_suggestion(rows):
    assert run(*rows).equals(room.SCHEMA.empty_table())


def chances(rows, before=0):
    with duckdb.connect() as con:
        con.register(
            "given",
            pa.table(
                dict(zip(("member_id", "kind", "value"), map(list, zip(*rows, strict=True)), strict=True))
            ),
        )
        con.execute("create temp table suggestion_evidence as select distinct * from given")
        return dict(con.execute(room._CHANCES.format(rare=2, uncommon=4, before=before)).fetchall())


@pytest.mark.parametrize("seed", range(5))
def test_chances_are_those_of_every_pair_counted_one_by_one(seed):
    rng = random.Random(seed)
    rows = []
    for n in range(25):
        rows += [
            (f"m{n}", kind, f"v{rng.randrange(9)}") for kind in ("name", "store", "slot", "receiver", "phone")
        ]
        # a number is hidden or known, as in a member's evidence
        rows.append((f"m{n}", rng.choice(["hidden", "mask"]), f"k{rng.randrange(6)}"))
    counted = chances(rows)
    of = {
        kind: {m: v for m, k, v in rows if k == kind}
        for kind in ("name", "store", "slot", "receiver", "phone", "hidden")
    }
    for kind in ("store", "slot"):
        pairs = list(permutations(of[kind], 2))
        assert counted[kind] == pytest.approx(sum(of[kind][a] == of[kind][b] for a, b in pairs) / len(pairs))
    holders = Counter(of["name"].values())
    pairs = list(permutations(of["name"], 2))
    for what, sizes in (("rare", range(1, 3)), ("uncommon", range(3, 5)), ("common", range(5, 99))):
        agreeing = sum(of["name"][a] == of["name"][b] and holders[of["name"][a]] in sizes for a, b in pairs)
        share = sum(n for n in holders.values() if n in sizes) / len(of["name"])
        assert counted.get(f"name_{what}", 0) == pytest.approx(agreeing / len(pairs))
        assert counted.get(f"share:name_{what}", 0) == pytest.approx(share)
    masks = {m: v for m, k, v in rows if k in ("hidden", "mask")}
    pairs = [(a, b) for a in of["hidden"] for b in masks if a != b]
    assert counted["hidden~known"] == pytest.approx(sum(masks[a] == masks[b] for a, b in pairs) / len(pairs))
    met = sum(of["receiver"][a] == of["phone"][b] for a in of["receiver"] for b in of["phone"])
    assert counted["receiver~phone"] == pytest.approx(met / (len(of["receiver"]) * len(of["phone"])))


def test_pairs_known_before_are_added_to_names_and_numbers_and_to_nothing_else():
    rows = [(member, kind, "same") for member in "ab" for kind in ("name", "phone", "receiver", "store")]
    rows += [("a", "mask", "same"), ("b", "hidden", "same")]
    alone, known = chances(rows), chances(rows, before=19)
    assert alone["name_rare"] == alone["phone"] == alone["receiver"] == alone["store"] == 1.0
    assert known["name_rare"] == known["phone"] == known["receiver"] == known["hidden~known"] == 1 / 20
    assert known["store"] == 1.0 and known["share:name_rare"] == alone["share:name_rare"]
    assert known["receiver~phone"] == pytest.approx(4 / 23)
