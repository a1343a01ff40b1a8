"""Shared helpers: a chain folder to write into, and the key that makes tokens comparable."""

from __future__ import annotations

import base64
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import pytest

from dagster_project.config import Chain, load_chain
from dagster_project.lang import LANGUAGE
from dagster_project.presets import registry

# a world of its own against its own WeCom server, with kills, and a whole benchmark: `make accept` asks for these
SLOW = ["acceptance/*", "benchmarks/test_identity_runs.py"]
collect_ignore_glob = [] if os.environ.get("LINLI_ACCEPT") else SLOW


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


BringPackage = Callable[[str, Mapping[str, str]], None]


@pytest.fixture
def bring_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BringPackage]:
    """Installs, for one test, a package with presets by name; an empty one is promised, but not brought."""
    brought: list[str] = []

    def forget() -> None:
        registry._brought.cache_clear()
        registry.load_preset.cache_clear()
        for package in brought:
            sys.modules.pop(package, None)

    def bring(package: str, presets: Mapping[str, str]) -> None:
        folder, info = tmp_path / package, tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        info.mkdir()
        (folder / "__init__.py").write_text("")
        for name, text in presets.items():
            if text:
                (folder / f"{name}.yml").write_text(text, "utf-8")
        points = "".join(f"{name} = {package}\n" for name in presets)
        (info / "entry_points.txt").write_text(f"[linli.presets]\n{points}")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        forget()
        brought.append(package)

    yield bring
    forget()


@pytest.fixture(name="drop")
def _drop():  # type: ignore[no-untyped-def]
    return drop


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends without DuckDB's binding printing its uncounted references over the test report."""
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
