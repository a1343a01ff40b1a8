"""Finds arrived files that no run will ever look at, because a folder's name is not what it should be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dagster_project.config import Chain, Connection
from dagster_project.landing.files import data_files, is_data_file
from dagster_project.lang import tr
from dagster_project.privacy import mask_text

_DATE = re.compile(r"(20\d\d)\D?(\d{1,2})\D?(\d{1,2})\D?")
# what file managers leave behind, and notes to colleagues
_NO_DATA = re.compile(r"(?i)thumbs\.db|desktop\.ini|(readme|说明)(\..*)?")


@dataclass(frozen=True)
class Misplaced:
    """A file or folder below landing/ (`path`, relative to it) that is not read. `advice`: why, and what it may be."""

    path: str
    advice: str

    def __str__(self) -> str:
        return tr(f"{self.path}（{self.advice}）", f"{self.path} ({self.advice})")


def misplaced_data(chain: Chain) -> list[Misplaced]:
    """Everything below landing/ that lies where no connection, table and night is, in the order of the paths.

    Folders without any file in them are left unmentioned.
    """
    return [
        Misplaced(_shown(path, chain), advice)
        for path, advice in _in_landing(chain)
        if path.is_file() or next(data_files(path), None) is not None
    ]


def _in_landing(chain: Chain) -> Iterator[tuple[Path, str]]:
    connections = {connection.name: connection for connection in chain.connections}
    for path, is_loose in _entries(chain.paths.landing):
        if is_loose:
            yield path, tr("应放进 <连接>/<表>/<日期>/ 里", "belongs into <connection>/<table>/<date>/")
        elif path.name not in connections:
            advice = tr("chain.yml 里没有这个连接", "no such connection in chain.yml")
            yield path, advice + _nearest(path.name, connections)
        elif connections[path.name].is_api:
            preset = connections[path.name].preset
            yield path, tr(f"{preset} 走接口，不读文件", f"{preset} is an API: no file is read")
        else:
            yield from _in_connection(path, connections[path.name])


def _in_connection(folder: Path, connection: Connection) -> Iterator[tuple[Path, str]]:
    tables = connection.folders
    for path, is_loose in _entries(folder):
        if is_loose:
            yield path, tr("应放进 <表>/<日期>/ 里", "belongs into <table>/<date>/")
        elif path.name in tables:
            yield from _in_table(path)
        elif (night := _meant_night(path.name)) is not None:
            yield (
                path,
                tr(f"应放在表的文件夹里：<表>/{night}/", f"belongs into a table's folder: <table>/{night}/"),
            )
        else:
            advice = tr(f"{connection.preset} 没有这个表", f"{connection.preset} has no such table")
            yield path, advice + _nearest(path.name, tables)


def _in_table(folder: Path) -> Iterator[tuple[Path, str]]:
    for path, is_loose in _entries(folder):
        night = _meant_night(path.name)
        if is_loose:
            yield (
                path,
                tr("应放进日期文件夹，如 2026-11-21/", "belongs into a date folder such as 2026-11-21/"),
            )
        elif night is None:
            yield path, tr("不是日期，应如 2026-11-21", "no date such as 2026-11-21")
        elif night != path.name:
            yield path, tr(f"日期应写成 {night}", f"should be {night}")


def _entries(folder: Path) -> Iterator[tuple[Path, bool]]:
    """What lies in a folder: (path, whether it is a loose data file)."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            yield path, False
        elif path.is_file() and is_data_file(path, folder) and not _NO_DATA.fullmatch(path.name):
            yield path, True


def _meant_night(name: str) -> str | None:
    """The ISO date that a folder's name means, or None: 20261122, 2026-11-2, 2026.11.22, 2026年11月22日."""
    match = _DATE.fullmatch(name)
    if match is None:
        return None
    try:
        return date(*(int(part) for part in match.groups())).isoformat()
    except ValueError:
        return None


def _nearest(name: str, known: Iterable[str]) -> str:
    """ "; do you mean …", or the names there are."""
    names = list(known)
    close = difflib.get_close_matches(name.lower(), [other.lower() for other in names], n=1, cutoff=0.6)
    if close:
        meant = next(other for other in names if other.lower() == close[0])
        return tr(f"，是不是 {meant}？", f"; do you mean {meant}?")
    listed = ", ".join(names)
    return tr(f"。可用：{listed}", f"; known: {listed}")


def _shown(path: Path, chain: Chain) -> str:
    # names that people give may hold a phone number
    return mask_text(path.relative_to(chain.paths.landing).as_posix()) + ("/" if path.is_dir() else "")
