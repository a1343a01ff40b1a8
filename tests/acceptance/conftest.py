"""Runs one hand-made chain through the command line once and hands its state to the tests.

The runs are processes of their own on folders of their own, so two of them go at a time; a test says with
`@pytest.mark.job("name")` which one it is about, and only those that somebody asks for are run.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # the modules here import each other by their full name

from tests.acceptance.scenarios import Lab
from tests.acceptance.wecom_stub import WeComStub, serving
from tests.acceptance.world import World, build_world

_SECONDS = pytest.StashKey[dict[str, float]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "job(name): needs this acceptance scenario")
    config.addinivalue_line(
        "markers", "slow: left out unless asked for with -m, for example -m 'slow or not slow'"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without -m only the quick scenarios run: about two minutes on two cores."""
    if not config.option.markexpr:
        slow = [
            item
            for item in items
            if Path(__file__).parent in item.path.parents and item.get_closest_marker("slow")
        ]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if seconds := config.stash.get(_SECONDS, None):
        told = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
        terminalreporter.write_line(f"acceptance scenarios, two at a time: {told}")


@pytest.fixture(scope="session")
def world() -> World:
    return build_world()


@pytest.fixture(scope="session")
def lab(
    world: World, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Lab]:
    wanted = {mark.args[0] for item in request.session.items for mark in item.iter_markers("job")}
    folder = tmp_path_factory.mktemp("acceptance")
    with serving(stub := WeComStub(world.wecom)) as url:
        lab = Lab(world, stub, url, folder, wanted)
        lab.start()
        yield lab
        lab.stop()
    request.config.stash[_SECONDS] = lab.seconds
    if not os.environ.get("KEEP_ACCEPTANCE"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def current(lab: Lab) -> Path:
    """The last publication of the reference chain."""
    return Path(lab.job("main")["root"]) / "published" / "current"
