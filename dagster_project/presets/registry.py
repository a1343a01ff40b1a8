"""Finds presets: the shipped ones, and those that installed packages bring through entry points.

Another package registers a preset so, and nothing here has to change:

    [project.entry-points."linli.presets"]
    my_pos = "my_package"          # the file my_pos.yml lies in that package
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml
from pydantic import ValidationError

from dagster_project.lang import tr
from dagster_project.presets.model import Preset

ENTRY_POINTS = "linli.presets"


class PresetError(ValueError):
    """A preset is unknown, or its file cannot be used; the text names the file and what is wrong."""


def preset_names() -> tuple[str, ...]:
    """All presets that a connection may name, sorted."""
    return tuple(sorted({*_shipped(), *_brought()}))


@cache
def load_preset(name: str) -> Preset:
    """One preset by name.

    Raises: PresetError.
    """
    source = _shipped().get(name)
    if source is None:
        point = _brought().get(name)
        if point is None:
            known = ", ".join(preset_names())
            raise PresetError(
                tr(f"不认识的 preset {name!r}。可用：{known}", f"unknown preset {name!r}; known: {known}")
            )
        source = _file_of(point)
    return parse_preset(source.read_text("utf-8"), name)


def parse_preset(text: str, name: str) -> Preset:
    """A preset from the text of its file.

    Raises: PresetError.
    """
    at = f"{name}.yml"
    try:
        # every value stays the text it is: `off`, `no` and 007 are names here, not booleans and numbers
        raw = yaml.load(text, Loader=yaml.BaseLoader)
        preset = Preset.model_validate(raw)
    except yaml.YAMLError as error:
        raise PresetError(f"{at}: {error}") from None
    except ValidationError as error:
        problems = "; ".join(
            ".".join(str(part) for part in found["loc"]) + f": {found['msg']}" for found in error.errors()
        )
        raise PresetError(f"{at}: {problems}") from None
    if preset.preset != name:
        raise PresetError(f"{at}: `preset: {preset.preset}` is not the file's name")
    return preset


def load_client(preset: Preset) -> Any:
    """The client class that a preset names, imported when it is first needed.

    Raises: PresetError.
    """
    module, _, attribute = (preset.client or "").partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise PresetError(f"{preset.preset}: client {preset.client!r}: {error}") from None


@cache
def _shipped() -> Mapping[str, Traversable]:
    folder = files("dagster_project.presets").joinpath("data")
    return {
        path.name.removesuffix(".yml"): path
        for path in sorted(folder.iterdir(), key=lambda path: path.name)
        if path.name.endswith(".yml")
    }


@cache
def _brought() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _file_of(point: EntryPoint) -> Traversable:
    try:
        path = files(point.value).joinpath(f"{point.name}.yml")
    except (ImportError, TypeError) as error:
        raise PresetError(f"{point.name}: package {point.value!r}: {error}") from None
    if not path.is_file():
        raise PresetError(
            tr(
                f"{point.name}：包 {point.value} 里没有 {point.name}.yml",
                f"{point.name}: {point.value} has no {point.name}.yml",
            )
        )
    return path
