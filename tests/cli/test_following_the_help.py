"""Whoever follows the help, or what the demo prints at its end, gets where it says."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project.cli.demo import _point_to, next_steps
from dagster_project.cli.sandbox import DEFAULT_PORT, chain_port, free_port
from dagster_project.cli.simulate import simulate

_LINLI = f'{sys.executable} -c "from dagster_project.cli.main import main; main()"'


def example(text: str) -> list[str]:
    """The commands of a help text, in either language."""
    lines = [line.strip().removeprefix("例：").removeprefix("Example: ") for line in text.splitlines()]
    return [line for line in lines if line.startswith(("linli ", "export "))]


def shell(lines: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs lines in a fresh shell without our variables; a sandbox in the background ends with it."""
    command = cwd / "bin" / "linli"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {_LINLI} "$@"\n')
    command.chmod(0o755)
    script = "set -e\ntrap 'kill $(jobs -p)' EXIT\n"
    # the background job gets its time to open the port
    script += "\n".join(f"{line}\nsleep 4" if line.endswith("&") else line for line in lines)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("LINLI_", "WECOM_"))}
    env["PATH"] = f"{command.parent}:{env['PATH']}"
    return subprocess.run(
        ["bash", "-c", script], cwd=cwd, env=env, capture_output=True, text=True, timeout=300
    )


@pytest.fixture
def busy() -> socket.socket:
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", free_port()))
        held.listen()
        yield held  # type: ignore[misc]


def test_the_example_of_simulate_works_as_it_stands(tmp_path: Path) -> None:
    if free_port() != DEFAULT_PORT:
        pytest.skip("another sandbox is open on this machine")
    lines = example(simulate.help or "")
    assert [line.split()[1] for line in lines] == ["simulate", "WECOM_SECRET=demo", "sandbox", "run"]
    root = tmp_path / "chain"
    done = shell([line.replace("/tmp/chain", str(root)) for line in lines], tmp_path)
    assert done.returncode == 0 and "已发布" in done.stdout, done.stdout + done.stderr
    assert (root / "lake" / "wecom" / "contacts").is_dir(), "the sandbox was asked"


def test_the_next_steps_of_the_demo_set_the_secret_unless_there_is_one() -> None:
    lines = next_steps(Path("data/demo"), is_set=False)
    assert lines[0] == "export WECOM_SECRET=demo" and lines[1].endswith(" &")
    assert [line.split()[1] for line in lines[1:]] == ["sandbox", "push", "run"]
    assert next_steps(Path("data/demo"), is_set=True) == lines[1:]
    assert "'my demo'" in next_steps(Path("my demo"), is_set=True)[0]


def test_the_sandbox_opens_the_port_that_the_chain_expects(chain_dir: Path) -> None:
    assert chain_port(chain_dir) == DEFAULT_PORT, "no WeCom in chain.yml"
    path = chain_dir / "chain.yml"
    line = '{name: wecom, KEY, base_url: "http://127.0.0.1:1", corp_id: demo, secret: "${NOT_SET_HERE}"}'
    path.write_text(
        path.read_text("utf-8")
        .replace("connections:\n", "connections:\n  - " + line.replace("KEY", "preset: wecom_api") + "\n")
        .replace("targets:\n", "targets:\n  - " + line.replace("KEY", "kind: wecom") + "\n"),
        "utf-8",
    )
    _point_to(path, "http://127.0.0.1:8709")
    assert path.read_text("utf-8").count(":8709") == 2
    assert chain_port(chain_dir) == 8709
    path.write_text(
        path.read_text("utf-8").replace("http://127.0.0.1:8709", "https://qyapi.weixin.qq.com"), "utf-8"
    )
    assert chain_port(chain_dir) == DEFAULT_PORT
    shutil.rmtree(chain_dir)
    assert chain_port(chain_dir) == DEFAULT_PORT


def test_a_taken_port_gives_way_to_the_next(busy: socket.socket) -> None:
    taken = busy.getsockname()[1]
    assert DEFAULT_PORT <= taken != free_port() > taken
