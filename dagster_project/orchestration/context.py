"""What every asset needs to know: which chain, which nights, as of when."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path

import dagster as dg

from dagster_project.config import Chain, load_chain, packaged_chain
from dagster_project.lang import tr
from dagster_project.publish import last_published_as_of

OWNERS = ["team:data"]
DBT_DIR = Path(__file__).resolve().parents[2] / "dbt"
# marts are built and tested in the first schema; publishing copies them to the second, which is what people read
AUDIT_SCHEMA = "audit"
READ_SCHEMA = "marts"
FIRST_NIGHT = date(2024, 1, 1)
# what a person starts first when nothing is configured
DEMO_CHAIN = Path(__file__).resolve().parents[2] / "data" / "demo"


class ChainResource(dg.ConfigurableResource):
    """The chain folder of this code location; read again by each step, so an edited rule counts at once."""

    path: str

    def load(self) -> Chain:
        return load_chain(Path(self.path))


def chain_root() -> Path | None:
    """LINLI_CHAIN, else the demo chain when there is one, else None."""
    named = os.environ.get("LINLI_CHAIN")
    if named:
        return Path(named).absolute()
    return DEMO_CHAIN if (DEMO_CHAIN / "chain.yml").exists() else None


def chain_shape(root: Path | None) -> Chain:
    """The chain as far as definitions need it: no secret, no database."""
    return load_chain(root, resolve_secrets=False) if root is not None else packaged_chain()


def daily(chain: Chain) -> dg.DailyPartitionsDefinition:
    """One partition per night, in the chain's zone; `end_offset` lets tonight's partition exist before midnight."""
    return dg.DailyPartitionsDefinition(
        start_date=FIRST_NIGHT.isoformat(), timezone=chain.timezone, end_offset=1
    )


def run_nights(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[date]:
    """The nights of this run, oldest first; none when models are materialised by hand without a partition."""
    tags = context.run.tags
    start = tags.get("dagster/asset_partition_range_start") or tags.get("dagster/partition")
    end = tags.get("dagster/asset_partition_range_end") or start
    if start is None or end is None:
        return []
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def run_as_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, chain: Chain) -> date:
    """The night a run publishes as of: its own last night, but never before what is already published.

    Re-running an old night takes in what it brought late; readers are never sent back in time.

    Raises:
        dg.Failure: neither a partition nor a publication says which night.
    """
    known = [*run_nights(context)[-1:], last_published_as_of(chain.paths)]
    nights = [night for night in known if night is not None]
    if not nights:
        raise dg.Failure(tr("请选择要运行的夜晚（分区）", "choose the night (partition) to run"))
    return max(nights)
