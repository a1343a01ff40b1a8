"""A chain folder's configuration: chain.yml, stores.csv and rules/*.yml, validated, errors with file and line.

Only reading and checking belong here; nothing is written and no other room is imported but `contracts`,
`presets` and the number patterns of `privacy`.
"""

from dagster_project.config.chain import (
    Chain,
    ChainPaths,
    Connection,
    Store,
    Target,
    load_chain,
    packaged_chain,
)
from dagster_project.config.decisions import DECISIONS_FILE, IdentityDecision, RecordName, read_decisions
from dagster_project.config.errors import ConfigError
from dagster_project.config.rules import Campaign, Rules, Segment, load_rules

__all__ = [
    "DECISIONS_FILE",
    "Campaign",
    "Chain",
    "ChainPaths",
    "ConfigError",
    "Connection",
    "IdentityDecision",
    "RecordName",
    "Rules",
    "Segment",
    "Store",
    "Target",
    "load_chain",
    "load_rules",
    "packaged_chain",
    "read_decisions",
]
