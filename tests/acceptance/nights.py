"""Nights of a simulated chain beside its own WeCom sandbox."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path

from dagster_project.config import load_chain
from dagster_project.orchestration.night import run_nights
from dagster_project.publish import Publication, current_publication
from dagster_project.sandbox import running_sandbox


def night(root: Path, first: date, last: date) -> Publication:
    """Lands the nights from `first` to `last` and publishes as of the last, as `linli run` does."""
    with running_sandbox(root / "sandbox" / "wecom_world.json") as sandbox:
        sandbox.set_clock(
            datetime.combine(last + timedelta(days=1), datetime.min.time()) + timedelta(hours=2)
        )
        told = root / "chain.yml"
        told.write_text(
            re.sub(r"http://127\.0\.0\.1:\d+", sandbox.base_url, told.read_text("utf-8")), "utf-8"
        )
        found = run_nights(root, first, last)
    assert found.success, found.failures
    publication = current_publication(load_chain(root, resolve_secrets=False).paths)
    assert publication is not None and publication.as_of == last
    return publication
