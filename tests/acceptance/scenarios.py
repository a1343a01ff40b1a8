"""What is done to the chain: its history, and what befalls copies of it. Tests ask for the job they are about."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

from tests.acceptance.chainkit import (
    copy_chain,
    environment,
    linli,
    linli_argv,
    new_chain,
    point_to,
    run,
    tree,
)
from tests.acceptance.wecom_stub import WeComStub, serving
from tests.acceptance.world import EAST, LAST, NIGHTS, World

EARLY, BEFORE = NIGHTS[1], NIGHTS[11]  # the first publication; the one before the last two nights
NEXT = LAST + timedelta(days=1)
Output = subprocess.CompletedProcess[str]
_DATED = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass
class Push:
    """What the push scenario saw: the commands, and what the vendor had been asked to change after each."""

    root: Path
    stub: WeComStub
    dry: Output
    live: Output
    again: Output
    writes: list[dict[str, int]]  # after dry, live, again


@dataclass
class Lab:
    """The jobs of one test session. `output`: everything any command printed."""

    world: World
    stub: WeComStub
    url: str
    folder: Path
    wanted: set[str]
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2))
    futures: dict[str, Future[Any]] = field(default_factory=dict)
    output: list[str] = field(default_factory=list)
    night_seconds: float = 12.0
    seconds: dict[str, float] = field(default_factory=dict)  # how long each job took

    def start(self) -> None:
        self.futures = {name: Future() for name in JOBS}
        self.launch("main")

    def stop(self) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)

    def job(self, name: str) -> Any:
        """Waits for a job; what went wrong in it, or in one it follows, is raised here."""
        return self.futures[name].result()

    def launch(self, *names: str) -> None:
        for name in names:
            if self.wanted & {name, *FOLLOWERS.get(name, ())}:
                self.pool.submit(self._carry_out, name)

    def _carry_out(self, name: str) -> None:
        began = time.monotonic()
        try:
            result = JOBS[name](self)
            self.seconds[name] = time.monotonic() - began
            self.futures[name].set_result(result)
        except BaseException as error:
            for follower in (name, *FOLLOWERS.get(name, ())):
                if not self.futures[follower].done():
                    self.futures[follower].set_exception(error)

    def said(self, result: Output) -> Output:
        self.output.append(result.stdout + result.stderr)
        return result

    def good(self, result: Output) -> Output:
        """A command that has to end well."""
        self.said(result)
        assert result.returncode == 0, (
            f"exit {result.returncode}\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}"
        )
        return result


def main(lab: Lab) -> dict[str, Any]:
    """The reference history: a first publication while WeCom is down, then all other nights in one ranged run."""
    root = new_chain(lab.folder / "main", lab.world, lab.url)
    lab.stub.down = True
    began = time.monotonic()
    outputs = [lab.good(run(root, NIGHTS[0], EARLY))]
    lab.night_seconds = time.monotonic() - began
    lab.stub.down = False
    shutil.copytree((root / "published" / "current").resolve(), lab.folder / "early", symlinks=False)
    copy_chain(root, lab.folder / "start")
    lab.launch("killed", "nights")
    outputs.append(lab.good(run(root, NIGHTS[2], LAST)))
    copy_chain(root, lab.folder / "done")
    lab.launch("pushed", "rebuilt", "refused", "again", "offline", "fresh", "killed_often")
    return {"root": root, "tree": tree(root / "published"), "outputs": outputs}


def killed(lab: Lab) -> dict[str, Any]:
    """The ranged run with one `kill -9` at a random moment; the next run starts at once."""
    root = copy_chain(lab.folder / "start", lab.folder / "killed")
    return _kill_and_run(lab, root, 1)


def killed_often(lab: Lab) -> dict[str, Any]:
    """The same with four kills in a row."""
    root = copy_chain(lab.folder / "start", lab.folder / "killed_often")
    return _kill_and_run(lab, root, 4)


def _kill_and_run(lab: Lab, root: Path, times: int) -> dict[str, Any]:
    chance = random.Random()
    span = ["--from", NIGHTS[2].isoformat(), "--to", LAST.isoformat()]
    moments, seen = [], []
    log = root / "killed.log"
    for _ in range(times):
        moment = chance.uniform(0.2, 1.0) * lab.night_seconds
        with log.open("a") as out:
            process = subprocess.Popen(
                linli_argv("run", "--chain", root, *span), env=environment(), stdout=out, stderr=out
            )
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        moments.append(f"{moment:.1f} s, exit {process.returncode}")
        seen.append(published_night(root))
    lab.output.append(log.read_text())
    log.unlink()
    lab.good(run(root, NIGHTS[2], LAST))
    return {"root": root, "moments": moments, "seen": seen, "tree": tree(root / "published")}


def rebuilt(lab: Lab) -> dict[str, str]:
    """The warehouse is lost; the last night is run again from the lake."""
    root = copy_chain(lab.folder / "done", lab.folder / "rebuilt")
    _lose_warehouse(root)
    lab.good(run(root, LAST, None, "--full-refresh"))
    return tree(root / "published")


def again(lab: Lab) -> dict[str, dict[str, str]]:
    """The last night once more, then an older night once more."""
    root = copy_chain(lab.folder / "done", lab.folder / "again")
    lab.good(run(root, LAST))
    repeated = tree(root / "published")
    lab.good(run(root, NIGHTS[9]))
    return {"repeated": repeated, "older": tree(root / "published")}


def nights(lab: Lab) -> dict[str, Any]:
    """The same history with a publication more and the last two nights one by one."""
    root = copy_chain(lab.folder / "start", lab.folder / "nights")
    lab.good(run(root, NIGHTS[2], BEFORE))
    shutil.copytree((root / "published" / "current").resolve(), lab.folder / "before", symlinks=False)
    output = lab.good(run(root, NIGHTS[12], LAST, "--each-night"))
    lab.launch("truncated")
    return {"root": root, "output": output}


def truncated(lab: Lab) -> Path:
    """The lake as it was on the night before the last two, and nothing else, run for that night."""
    root = copy_chain(lab.folder / "nights", lab.folder / "truncated")
    for folder in sorted(root.glob("lake/**/")):
        found = _DATED.search(folder.name)
        if found and found[0] > BEFORE.isoformat() and folder.exists():
            shutil.rmtree(folder)
    shutil.rmtree(root / "published")
    _lose_warehouse(root)
    lab.good(run(root, BEFORE, None, "--full-refresh"))
    return root


def _lose_warehouse(root: Path) -> None:
    for path in root.glob("warehouse.duckdb*"):
        path.unlink()


def refused(lab: Lab) -> dict[str, Any]:
    """A till that suddenly counts in fen: the night must stop."""
    root = copy_chain(lab.folder / "done", lab.folder / "refused")
    lines = ["store_code,ticket_id,kind,sold_at,net"]
    lines += [f"H01,bad{n},sale,{NEXT} 1{n // 60}:{n % 60:02d}:00,{2000 + 37 * n}.00" for n in range(120)]
    bad = root / "landing" / EAST / "tickets" / NEXT.isoformat() / "fen.csv"
    bad.parent.mkdir(parents=True)
    bad.write_text("\n".join(lines) + "\n")
    stopped = lab.said(run(root, NEXT))
    lab.launch("resumed")
    return {"root": root, "stopped": stopped, "published": tree(root / "published"), "file": bad}


def resumed(lab: Lab) -> dict[str, Any]:
    """Somebody looks at the file and refuses it by hand; the night goes on."""
    before = lab.job("refused")
    root, bad = before["root"], before["file"]
    guards = files("dagster_project").joinpath("templates/chain/rules/guards.yml").read_text("utf-8")
    digest = tree(bad.parent)[bad.name][:12]
    (root / "rules" / "guards.yml").write_text(
        re.sub("refuse_files: .*", f'refuse_files: ["{digest}"]', guards)
    )
    return {"root": root, "output": lab.said(run(root, NEXT))}


def offline(lab: Lab) -> dict[str, Any]:
    """A night on which nothing arrives and WeCom answers 502."""
    root = copy_chain(lab.folder / "done", lab.folder / "offline")
    stub = WeComStub(lab.world.wecom)
    stub.down = True
    with serving(stub) as url:
        point_to(root, lab.url, url)
        output = lab.said(run(root, NEXT))
    return {"root": root, "output": output}


def pushed(lab: Lab) -> Push:
    """Dry run, live, live again."""
    root = copy_chain(lab.folder / "done", lab.folder / "pushed")
    stub = WeComStub(lab.world.wecom)
    stub.now = datetime.combine(NEXT, datetime.min.time()) + timedelta(hours=10, minutes=30)
    customers = sorted(
        {
            c["external_userid"]
            for c in lab.world.wecom["contacts"]
            if c["external_userid"].startswith("wm_yes")
        }
    )
    stub.unreachable = set(customers[::6])
    stub.send_status = {customer: n % 4 for n, customer in enumerate(customers)}
    with serving(stub) as url:
        point_to(root, lab.url, url)
        writes = []

        def push(*more: str) -> Output:
            result = lab.good(linli("push", "--chain", root, "--date", LAST.isoformat(), *more))
            writes.append({"calls": len(stub.calls), "tokens": stub.tokens, **stub.writes()})
            return result

        out = Push(root, stub, push(), push("--live"), push("--live"), writes)
    shutil.copytree((root / "published" / "current").resolve(), lab.folder / "after_push", symlinks=False)
    point_to(root, url, lab.url)
    lab.launch("results")
    return out


def results(lab: Lab) -> Path:
    """The night after the push, with what the vendor reports about the messages."""
    push: Push = lab.job("pushed")
    push.stub.now += timedelta(hours=12)
    with serving(push.stub) as url:
        point_to(push.root, lab.url, url)
        lab.good(run(push.root, NEXT))
    return push.root


def fresh(lab: Lab) -> dict[str, str]:
    """The whole history once more in an empty folder."""
    stub = WeComStub(lab.world.wecom)
    with serving(stub) as url:
        root = new_chain(lab.folder / "fresh", lab.world, url)
        stub.down = True
        lab.good(run(root, NIGHTS[0], EARLY))
        stub.down = False
        lab.good(run(root, NIGHTS[2], LAST))
    return tree(root / "published")


_ALL = (
    main,
    killed,
    killed_often,
    rebuilt,
    again,
    nights,
    truncated,
    refused,
    resumed,
    offline,
    pushed,
    results,
    fresh,
)
JOBS: dict[str, Callable[[Lab], Any]] = {job.__name__: job for job in _ALL}
FOLLOWERS = {"main": tuple(JOBS), "nights": ("truncated",), "refused": ("resumed",), "pushed": ("results",)}


def published_night(root: Path) -> date:
    """The night readers see."""
    told = json.loads((root / "published" / "current" / "publication.json").read_text())
    return date.fromisoformat(told["as_of_date"])
