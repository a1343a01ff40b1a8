"""Finds presets: the shipped ones, and those that installed packages bring through entry points.

Another package registers a preset so, and nothing here has to change:

    [project.entry-points."linli.presets"]
    my_pos = "my_package"          # the file my_pos.yml lies in that package

A chain brings one of its own as the file presets/<name>.yml in its folder (`linli inspect --write` makes such files).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from dagster_project.lang import problem_text, tr
from dagster_project.presets.model import Preset

ENTRY_POINTS = "linli.presets"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


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


def load_chain_preset(folder: Path, name: str) -> Preset:
    """A preset that a connection of a chain names: one of `load_preset`, or the chain's own.

    Args:
        folder: where the chain keeps its own, as files <name>.yml; it need not exist. They are read anew on every call.

    Raises: PresetError, also when a file of the chain has the name of a preset that everybody has, so that a name
        means one thing.
    """
    path = folder / f"{name}.yml"
    is_own = _NAME.fullmatch(name) is not None and path.is_file()
    if name in preset_names():
        if is_own:
            raise PresetError(
                tr(
                    f"{path}：{name} 是自带的 preset，请给这个文件和它的 preset: 换一个名字",
                    f"{path}: {name} is a preset that comes with linli; give this file and its `preset:` another name",
                )
            )
        return load_preset(name)
    if not is_own:
        own = sorted(found.stem for found in folder.glob("*.yml")) if folder.is_dir() else []
        known = ", ".join([*preset_names(), *own])
        raise PresetError(
            tr(
                f"不认识的 preset {name!r}。可用：{known}（自己的放在 {path}）",
                f"unknown preset {name!r}; known: {known} (one of your own goes to {path})",
            )
        )
    return _own_preset(path, name)


def _own_preset(path: Path, name: str) -> Preset:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PresetError(f"{path}: {error}") from None
    try:
        preset = parse_preset(text, name)
    except PresetError as error:
        raise PresetError(f"{path.parent}/{error}") from None
    if preset.transport != "files":
        raise PresetError(
            tr(
                f"{path}：连锁自己的 preset 只能是 transport: files；带接口的要做成 Python 包",
                f"{path}: a chain's own preset is `transport: files`; one with a client comes as a Python package",
            )
        )
    return preset


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
            "".join(f"{part}." for part in found["loc"]).removesuffix(".")
            + (": " if found["loc"] else "")
            + problem_text(found)
            for found in error.errors()
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
