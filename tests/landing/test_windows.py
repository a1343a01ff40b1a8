"""Windowed pulls: a killed night goes on where it stopped, an unchanged window costs no rows, a vendor that is down no night."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from dagster_project.config import Chain, load_chain
from dagster_project.landing import FeedLanding, land_windows
from dagster_project.privacy import ChainKey, Vault
from dagster_project.sources.errors import (
    SourceError,
    TooManyRows,
    Unreachable,
    VendorConfigError,
)
from dagster_project.sources.vendor import Slice, day_slices

KEY = ChainKey(b"k" * 32)
ZONE = ZoneInfo("Asia/Shanghai")
NIGHT = date(2026, 11, 3)
PRESET = """
preset: toy_pos
kind: pos
transport: windows
client: tests.nowhere:Toy
title: {zh: 玩具}
settings:
  lookback_days: {default: "2"}
  history_days: {default: "4"}
tables:
  tickets:
    feeds:
      tickets:
        drop: {test_order: "$.test = 'true'"}
        columns:
          store_code: "'S001'"
          ticket_id: $.uid
          kind: {value: $.kind, map: {SELL: sale}}
          sold_at: {value: $.at, time: naive}
          net: {value: $.net, unit: yuan}
          gross: {value: $.gross, unit: yuan}
          phone: $.tel
      ticket_lines:
        each: $.items
        columns:
          store_code: "'S001'"
          ticket_id: $.uid
          line_no: i
          sku: "@.sku"
          qty: "@.qty"
          amount: {value: "@.amount", unit: yuan}
"""


class Toy:
    """An API that keeps its tickets in a dictionary of days."""

    def __init__(self, days: dict[date, list[dict[str, Any]]], *, most: int = 100) -> None:
        self.days, self.most = days, most
        self.asked: list[str] = []
        self.notes: list[str] = []
        self.fails: dict[str, Exception] = {}
        self.closed = 0

    def slices(self, night: date, since: date) -> Sequence[Slice]:
        return day_slices("tickets", "sold", since, night, ZONE)

    def fetch(self, piece: Slice) -> Iterator[Sequence[dict[str, Any]]]:
        self.asked.append(piece.name)
        if piece.name in self.fails:
            raise self.fails[piece.name]
        assert piece.begin and piece.end
        rows = [
            row
            for day in self.days.values()
            for row in day
            if piece.begin <= datetime.fromisoformat(row["at"]).replace(tzinfo=ZONE) < piece.end
        ]
        if len(rows) > self.most:
            raise TooManyRows("toy", len(rows), self.most)
        for start in range(0, len(rows), 2):
            yield rows[start : start + 2]

    def close(self) -> None:
        self.closed += 1


def ticket(uid: str, day: date, **more: Any) -> dict[str, Any]:
    return {
        "uid": uid, "kind": "SELL", "at": f"{day} 09:00:00", "net": "12.30", "tel": "13900000001",
        "items": [{"sku": "A", "qty": "1", "amount": "10.00"}, {"sku": "B", "qty": "2", "amount": "2.30"}],
    } | more  # fmt: skip


def some_days() -> dict[date, list[dict[str, Any]]]:
    days = [NIGHT - timedelta(days=n) for n in range(6)]
    return {day: [ticket(f"{day:%d}-{n}", day) for n in range(3)] for day in days}


@pytest.fixture
def toy_chain(chain: Chain, bring_package: Callable[[str, dict[str, str]], None]) -> Chain:
    """A chain with a connection whose preset another package brings, as vendors' own would."""
    bring_package("toy_package", {"toy_pos": PRESET})
    path = chain.root / "chain.yml"
    text = path.read_text("utf-8").replace(
        "connections:\n", "connections:\n  - {name: toy, preset: toy_pos}\n"
    )
    path.write_text(text, "utf-8")
    return load_chain(chain.root)


def pull(chain: Chain, toy: Toy, *nights: date) -> dict[str, FeedLanding]:
    return land_windows(chain, chain.connection("toy"), nights or (NIGHT,), KEY, lambda: toy)


def landed(chain: Chain, feed: str = "tickets") -> list[dict[str, Any]]:
    files = sorted((chain.paths.lake / "toy" / feed).rglob("*.parquet"))
    return [row for file in files if "rejects" not in file.name for row in pq.read_table(file).to_pylist()]


def test_the_first_night_takes_the_history_and_the_next_looks_back(toy_chain: Chain) -> None:
    toy = Toy(some_days())
    first = pull(toy_chain, toy)
    assert len(toy.asked) == 5  # four days of history and the night itself
    assert first["tickets"].total("rows_loaded") == 15 and first["ticket_lines"].total("rows_loaded") == 30
    toy.days[NIGHT + timedelta(days=1)] = [ticket("new", NIGHT + timedelta(days=1))]
    toy.asked.clear()
    second = pull(toy_chain, toy, NIGHT + timedelta(days=1))
    assert len(toy.asked) == 3
    # what the lake has in the same state costs a manifest, no rows
    assert [m.status for m in second["tickets"].manifests] == ["repeated", "repeated", "loaded"]
    assert second["tickets"].total("rows_loaded") == 1
    assert toy.closed == 2


def test_a_killed_night_goes_on_at_the_first_slice_that_is_missing(toy_chain: Chain) -> None:
    toy = Toy(some_days())
    third = toy.slices(NIGHT, NIGHT - timedelta(days=4))[2].name
    toy.fails[third] = KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        pull(toy_chain, toy)
    assert len(landed(toy_chain)) == 6
    toy.fails.clear()
    toy.asked.clear()
    again = pull(toy_chain, toy)
    assert len(toy.asked) == 3 and third in toy.asked
    assert sorted(row["ticket_id"] for row in landed(toy_chain)) == sorted(
        f"{NIGHT - timedelta(days=n):%d}-{k}" for n in range(5) for k in range(3)
    )
    assert again["tickets"].total("rows_loaded") == 15
    toy.asked.clear()
    assert pull(toy_chain, toy)["ticket_lines"].total("rows_loaded") == 30
    assert toy.asked == []  # a finished night is never asked for again


def test_a_kill_between_two_feeds_of_a_slice_loses_and_doubles_nothing(
    toy_chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster_project.landing import windows

    original, calls = windows.TableLanding.flush, []

    def flush(self: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(self)

    monkeypatch.setattr(windows.TableLanding, "flush", flush)
    toy = Toy({NIGHT: [ticket("a", NIGHT), ticket("b", NIGHT)]})
    with pytest.raises(KeyboardInterrupt):
        pull(toy_chain, toy)
    monkeypatch.undo()
    assert len(landed(toy_chain)) + len(landed(toy_chain, "ticket_lines")) < 6
    pull(toy_chain, toy)
    assert (len(landed(toy_chain)), len(landed(toy_chain, "ticket_lines"))) == (2, 4)


def test_a_window_above_the_cap_is_halved(toy_chain: Chain) -> None:
    rows = [ticket(f"t{n}", NIGHT, at=f"{NIGHT} {n:02}:00:00") for n in range(20)]
    toy = Toy({NIGHT: rows}, most=6)
    assert pull(toy_chain, toy)["tickets"].total("rows_loaded") == 20
    assert sorted(row["ticket_id"] for row in landed(toy_chain)) == sorted(row["uid"] for row in rows)


def test_a_window_that_returns_to_an_older_state_is_loaded_again(toy_chain: Chain) -> None:
    toy = Toy({NIGHT: [ticket("a", NIGHT, net="1.00")]})
    seen = []
    for step, net in enumerate(("1.00", "2.00", "1.00")):
        toy.days[NIGHT][0]["net"] = net
        night = NIGHT + timedelta(days=step)
        landing = pull(toy_chain, toy, night)["tickets"]
        seen.append(landing.total("rows_loaded"))
    assert seen == [1, 1, 1]
    assert [row["net"] for row in landed(toy_chain)] == ["1.00", "2.00", "1.00"]


def test_one_slice_that_fails_leaves_the_others_alone_and_is_said(toy_chain: Chain) -> None:
    toy = Toy(some_days())
    bad = toy.slices(NIGHT, NIGHT - timedelta(days=4))[1].name
    toy.fails[bad] = Unreachable("toy is down")
    landing = pull(toy_chain, toy)["tickets"]
    assert landing.total("rows_loaded") == 12
    assert any("toy is down" in note for note in landing.notes) and not landing.complete
    toy.fails.clear()
    toy.asked.clear()
    assert pull(toy_chain, toy)["tickets"].complete and toy.asked == [bad]


@pytest.mark.parametrize("error", [Unreachable("down"), VendorConfigError("toy", 40001)])
def test_a_vendor_that_is_down_is_a_warning_not_a_failed_night(toy_chain: Chain, error: SourceError) -> None:
    toy = Toy(some_days())
    toy.fails = dict.fromkeys((piece.name for piece in toy.slices(NIGHT, NIGHT - timedelta(days=4))), error)
    landings = pull(toy_chain, toy)
    assert all(landing.empty_nights == [NIGHT] and landing.notes for landing in landings.values())
    assert len(toy.asked) <= 3  # it is not asked again and again


def test_rows_add_up_and_no_plain_phone_is_written(toy_chain: Chain) -> None:
    odd = [
        ticket("ok", NIGHT), ticket("ok", NIGHT), ticket("gone", NIGHT, test=True),
        ticket("wrong", NIGHT, net="twelve"), ticket("kind", NIGHT, kind="REPAIR"), {"at": f"{NIGHT} 10:00:00"},
    ]  # fmt: skip
    landing = pull(toy_chain, Toy({NIGHT: odd}))["tickets"]
    manifest = next(m for m in landing.manifests if m.rows_read)
    assert (manifest.rows_loaded, manifest.rows_repeated, manifest.rows_rejected) == (1, 1, 3)
    assert (manifest.rows_read, manifest.rows_ignored) == (5, 1)
    rejects = pq.read_table(toy_chain.paths.lake / manifest.rejects_path).to_pylist()
    assert {("test_order", "row_ignored"), ("not_money", "row_rejected"), ("not_enum", "row_rejected")} <= {
        (row["rule"], row["action"]) for row in rejects
    }
    assert {row["row_no"] for row in rejects} == {3, 4, 5, 6}
    for path in toy_chain.root.rglob("*"):
        if path.is_file() and "vault" not in path.parts:
            assert b"13900000001" not in path.read_bytes(), path
    token = landed(toy_chain)[0]["phone_token"]
    assert Vault(toy_chain.paths.vault, KEY).reveal([token]) == {token: "+8613900000001"}


def test_fen_where_yuan_was_declared_is_held_back(toy_chain: Chain) -> None:
    rows = [ticket(f"t{n}", NIGHT, net="1230") for n in range(6)]
    landing = pull(toy_chain, Toy({NIGHT: rows}))["tickets"]
    held = [m for m in landing.manifests if m.status == "quarantined"]
    assert len(held) == 1 and "100" in held[0].reason
    assert landed(toy_chain) == []
    # mended at the source: the window is asked for again and lands
    good = Toy({NIGHT: [ticket(f"t{n}", NIGHT) for n in range(6)]})
    assert pull(toy_chain, good)["tickets"].total("rows_loaded") == 6
    assert len(good.asked) == 1


def test_the_same_answer_gives_the_same_bytes(toy_chain: Chain, tmp_path: Path) -> None:
    def everything() -> dict[str, bytes]:
        lake = toy_chain.paths.lake
        return {str(p.relative_to(lake)): p.read_bytes() for p in lake.rglob("*") if p.is_file()}

    pull(toy_chain, Toy(some_days()))
    first = everything()
    toy_chain.paths.lake.rename(tmp_path / "old")
    pull(toy_chain, Toy(some_days()))
    assert everything() == first and first
