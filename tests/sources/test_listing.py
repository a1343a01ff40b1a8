"""Lists without a count: what a second reading finds, and when it is one too many."""

from __future__ import annotations

from typing import Any

import pytest

from dagster_project.sources.client import whole_setting
from dagster_project.sources.errors import MalformedResponse, TooManyRows
from dagster_project.sources.listing import OpenPage, agreeing_pages

SIZE = 2


class Shelf:
    """A numbered list whose content may change before any call."""

    def __init__(self, *ids: str) -> None:
        self.rows: list[dict[str, Any]] = [{"id": name} for name in ids]
        self.calls = 0
        self.before: dict[int, Any] = {}

    def read(self, number: int) -> OpenPage:
        self.calls += 1
        self.before.pop(self.calls, lambda: None)()
        start = (number - 1) * SIZE
        return OpenPage(self.rows[start : start + SIZE], start + SIZE < len(self.rows))


def read_all(shelf: Shelf, notes: list[str] | None = None, most: int = 100) -> list[dict[str, Any]]:
    pages = agreeing_pages(
        "api", shelf.read, key=lambda row: row["id"], most=most, notes=[] if notes is None else notes
    )
    return [row for page in pages for row in page]


def test_one_page_is_read_once() -> None:
    shelf = Shelf("a", "b")
    assert [row["id"] for row in read_all(shelf)] == ["a", "b"]
    assert shelf.calls == 1


def test_an_empty_list_is_no_rows() -> None:
    assert read_all(Shelf()) == []


def test_a_row_that_slides_over_the_boundary_is_found_by_the_next_reading() -> None:
    shelf, notes = Shelf("a", "b", "c", "d", "e"), list[str]()
    shelf.before[2] = lambda: shelf.rows.pop(0)  # c moves to page 1, which has been read
    assert {row["id"] for row in read_all(shelf, notes)} == {"a", "b", "c", "d", "e"}
    assert notes == []


def test_a_row_that_changed_between_readings_comes_in_both_states_newest_last() -> None:
    shelf = Shelf("a", "b", "c")
    shelf.rows[0] = {"id": "a", "state": "old"}

    def renew() -> None:
        shelf.rows[0] = {"id": "a", "state": "new"}

    shelf.before[3] = renew
    assert [row["state"] for row in read_all(shelf) if row["id"] == "a"] == ["old", "new"]


def test_a_list_that_never_stands_still_gives_the_union_and_says_so() -> None:
    shelf, notes = Shelf("a", "b", "c"), list[str]()
    for call in range(1, 40):
        shelf.before[call] = lambda call=call: shelf.rows.append({"id": f"n{call}"})
    found = {row["id"] for row in read_all(shelf, notes)}
    assert {"a", "b", "c", "n1"} <= found
    assert len(notes) == 1


def test_more_rows_than_fit_ask_for_halves_before_anything_comes() -> None:
    pages = agreeing_pages("api", Shelf(*"abcde").read, key=lambda row: row["id"], most=4, notes=[])
    with pytest.raises(TooManyRows):
        next(pages)


def test_a_page_that_promises_more_and_brings_nothing_new_is_an_error() -> None:
    with pytest.raises(MalformedResponse):
        list(
            agreeing_pages(
                "api",
                lambda number: OpenPage([{"id": "a"}], True),
                key=lambda row: row["id"],
                most=100,
                notes=[],
            )
        )


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "１２"])
def test_settings_that_are_no_whole_number_are_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="calls_per_minute"):
        whole_setting({"calls_per_minute": text}, "calls_per_minute", 60)


def test_a_setting_left_out_or_empty_is_the_default() -> None:
    assert whole_setting({}, "size", 60) == whole_setting({"size": ""}, "size", 60) == 60
    assert whole_setting({"size": "5"}, "size", 60) == 5
