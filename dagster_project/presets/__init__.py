"""Presets: how each vendor's tables become the canonical feeds, as data. Knows `contracts` only.

Adding one is adding a file in `data` (or a package with an entry point, or a file in the chain's folder); nothing else has to change.
"""

from dagster_project.presets.model import ColumnRule, FeedRule, Preset, Setting, Table, Words
from dagster_project.presets.registry import (
    PresetError,
    load_chain_preset,
    load_client,
    load_preset,
    parse_preset,
    preset_names,
)

__all__ = [
    "ColumnRule",
    "FeedRule",
    "Preset",
    "PresetError",
    "Setting",
    "Table",
    "Words",
    "load_chain_preset",
    "load_client",
    "load_preset",
    "parse_preset",
    "preset_names",
]
