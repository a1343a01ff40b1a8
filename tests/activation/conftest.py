"""Fixtures over `push_world`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from push_world import World, make_chain, night_of, push_world

from dagster_project.activation import PushReport
from dagster_project.config import Chain


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return make_chain(tmp_path / "chain")


@pytest.fixture
def world(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(chain)
    monkeypatch.setattr("dagster_project.activation.run.read_inputs", night_of(made))
    return made


@pytest.fixture
def push(world: World) -> Callable[..., PushReport]:
    return partial(push_world, world)
