"""The gate holds back a batch in the wrong unit, names the file, and lets a person overrule."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from dagster_project.config import Chain
from dagster_project.landing import land_files
from dagster_project.privacy import ChainKey
from dagster_project.quality import Verdict, check_batches
from dagster_project.warehouse import connect, sync_files, ungated_batches

NIGHT = date(2026, 11, 1)


def file(factor: int, count: int = 150) -> str:
    rows = [f"S001,T{factor}-{i},sale,2026-11-01 08:00:00,{(20 + i % 30) * factor}" for i in range(count)]
    return "\n".join(["store_code,ticket_id,kind,sold_at,net", *rows]) + "\n"


def verdict(chain: Chain) -> Verdict:
    land_files(chain, chain.connections[0], "tickets", [NIGHT], ChainKey(b"k" * 32))
    with connect(chain.paths.warehouse) as connection:
        sync_files(connection, chain)
        batches = ungated_batches(connection, chain, NIGHT)
    return check_batches(batches, chain)[0]


def decided(chain: Chain, **lists: str) -> Chain:
    """The chain after a person wrote a batch's file into a list of rules/guards.yml."""
    names = {key: (batch.rsplit("|", 1)[-1],) for key, batch in lists.items()}
    guards = chain.rules.guards.model_copy(update=names)
    return replace(chain, rules=chain.rules.model_copy(update={"guards": guards}))


def test_a_file_in_fen_is_held_back_and_named(chain: Chain, drop) -> None:  # type: ignore[no-untyped-def]
    drop(chain.root, "pos_main", "tickets", "2026-11-01", "yuan.csv", file(1, 100))
    drop(chain.root, "pos_main", "tickets", "2026-11-01", "fen.csv", file(100))
    found = verdict(chain)
    assert not found.passed and len(found.passed_batches) == 1
    assert (
        "fen.csv" in found.findings[0]
        and "median" in found.findings[0]
        and "accept_files" in found.findings[0]
    )
    suspect = next(b for b in found.batches if b not in found.passed_batches)
    overruled = verdict(decided(chain, accept_files=suspect))
    assert overruled.passed and suspect in overruled.passed_batches
    refused = verdict(decided(chain, refuse_files=suspect))
    assert refused.passed and suspect not in refused.passed_batches and refused.passed_batches


def test_too_many_rejects_hold_the_batch_back(chain: Chain, drop) -> None:  # type: ignore[no-untyped-def]
    bad = "\n".join(f"S001,B{i},sale,never,1" for i in range(5))
    drop(chain.root, "pos_main", "tickets", "2026-11-01", "a.csv", file(1, 10) + bad + "\n")
    assert "5/15" in verdict(chain).findings[0]
