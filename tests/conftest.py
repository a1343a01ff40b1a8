"""Shared helpers: a chain folder to write into, and the key that makes tokens comparable."""

from __future__ import annotations

import base64
import os
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from dagster_project.config import Chain, load_chain
from dagster_project.lang import LANGUAGE

# a world of its own against its own WeCom server, with kills: about twelve minutes, so `make accept` asks for it
collect_ignore_glob = [] if os.environ.get("LINLI_ACCEPT") else ["acceptance/*"]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINLI_KEY", base64.b64encode(b"k" * 32).decode())
    monkeypatch.setenv("WECOM_SECRET", "demo")
    monkeypatch.delenv("LINLI_CHAIN", raising=False)
    monkeypatch.delenv("LINLI_LANG", raising=False)
    LANGUAGE.set("zh")  # a command of an earlier test may have chosen English


@pytest.fixture
def chain_dir(tmp_path: Path) -> Path:
    """A fresh folder as `linli init` makes it."""
    root = tmp_path / "chain"
    shutil.copytree(str(files("dagster_project").joinpath("templates/chain")), root)
    return root


@pytest.fixture
def chain(chain_dir: Path) -> Chain:
    return load_chain(chain_dir)


def drop(root: Path, connection: str, feed: str, night: str, name: str, content: bytes | str) -> Path:
    """Puts a file into a landing folder."""
    path = root / "landing" / connection / feed / night / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture(name="drop")
def _drop():  # type: ignore[no-untyped-def]
    return drop


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends without DuckDB's binding printing its uncounted references over the test report."""
    import sys

    if hasattr(config, "workerinput"):
        return
    status = getattr(config, "_linli_exit", None)
    if status is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config._linli_exit = int(exitstatus)  # type: ignore[attr-defined]
